//! Keys, certificates, tokens and kubeconfigs of one control plane.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use kube::config::Kubeconfig;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use serde_json::json;
use uuid::Uuid;

/// The files a control plane is started with, and the secrets to talk to it.
#[derive(Debug)]
pub(super) struct Credentials {
    directory: PathBuf,
    authority: String,
    admin_token: String,
}

impl Credentials {
    /// Makes new credentials and writes what the API server reads into `directory`.
    pub(super) fn create(directory: &Path) -> Result<Self> {
        let mut authority = CertificateParams::new(Vec::new()).context("naming the authority")?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "test control plane");
        let authority =
            CertifiedIssuer::self_signed(authority, new_key()?).context("signing the authority")?;

        let key = new_key()?;
        let names = ["127.0.0.1", "localhost", "kubernetes.default.svc"].map(str::to_owned);
        let mut serving = CertificateParams::new(names).context("naming the API server")?;
        serving.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        let serving = serving.signed_by(&key, &authority).context("signing the API server's certificate")?;

        let credentials = Self {
            directory: directory.to_path_buf(),
            authority: authority.pem(),
            admin_token: Uuid::new_v4().to_string(),
        };
        credentials.write("serving.crt", &serving.pem())?;
        credentials.write("serving.key", &key.serialize_pem())?;
        let signing = new_key()?;
        credentials.write("service-account.key", &signing.serialize_pem())?;
        credentials.write("service-account.pub", &signing.public_key_pem())?;
        let admin = &credentials.admin_token;
        credentials.write("tokens.csv", &format!("{admin},admin,admin,\"system:masters\"\n"))?;
        Ok(credentials)
    }

    /// The flags that point the API server at the files.
    pub(super) fn flags(&self) -> Vec<String> {
        let file = |name: &str| self.directory.join(name).display().to_string();
        vec![
            format!("--tls-cert-file={}", file("serving.crt")),
            format!("--tls-private-key-file={}", file("serving.key")),
            format!("--token-auth-file={}", file("tokens.csv")),
            format!("--service-account-key-file={}", file("service-account.pub")),
            format!("--service-account-signing-key-file={}", file("service-account.key")),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        ]
    }

    pub(super) fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// A kubeconfig for the holder of `token`.
    pub(super) fn kubeconfig(&self, name: &str, url: &str, token: &str) -> Result<Kubeconfig> {
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {
                "server": url,
                "certificate-authority-data": BASE64.encode(&self.authority),
            }}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        });
        serde_json::from_value(kubeconfig).context("making a kubeconfig")
    }

    fn write(&self, name: &str, content: &str) -> Result<()> {
        fs::write(self.directory.join(name), content).with_context(|| format!("writing {name}"))
    }
}

fn new_key() -> Result<KeyPair> {
    KeyPair::generate().context("generating a key")
}
