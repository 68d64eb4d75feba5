//! One API server on a shared etcd: a cluster as far as a spoke can tell.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{GetParams, ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};

use super::audit::AuditLog;
use super::binaries::Program;
use super::credentials::Credentials;
use super::etcd::{Etcd, free_port};
use super::process::Process;
use super::wait::until;

/// Four at once on two busy cores take some seconds; this is the limit of patience.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// No test lasts longer than a day.
const TOKEN_SECONDS: i64 = 24 * 3600;

const AUDIT_POLICY: &str = include_str!("audit-policy.yaml");

/// What a test may want otherwise.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Further flags of kube-apiserver, behind our own.
    pub extra_flags: Vec<String>,
    /// What the provider puts behind the version in `/version`, such as
    /// [`crate::clusters::dress::GKE_SUFFIX`]; empty for none. No given binaries can do that.
    pub version_suffix: &'static str,
}

/// A running API server. Dropping it kills it.
#[derive(Debug)]
pub struct ControlPlane {
    name: String,
    directory: PathBuf,
    port: u16,
    credentials: Credentials,
    program: Program,
    arguments: Vec<String>,
    /// None while it is stopped or killed.
    process: Option<Process>,
}

impl ControlPlane {
    /// Starts an API server named `name` on `etcd` and waits until it is ready.
    ///
    /// Its files, log and audit log go to a folder of that name beside etcd's.
    pub async fn start(etcd: &Etcd, name: &str, options: Options) -> Result<Self> {
        let directory = etcd.directory().join(name);
        fs::create_dir_all(&directory).context("creating the control plane's folder")?;
        fs::write(directory.join("audit-policy.yaml"), AUDIT_POLICY).context("writing the audit policy")?;
        let port = free_port()?;
        let credentials = Credentials::create(&directory)?;
        let mut arguments = arguments(etcd, name, &directory, port);
        arguments.extend(credentials.flags());
        arguments.extend(options.extra_flags);
        let program = api_server(etcd, options.version_suffix).await?;
        let name = name.to_owned();
        let mut plane = Self { name, directory, port, credentials, program, arguments, process: None };
        plane.restart().await?;
        Ok(plane)
    }

    /// The name given at the start.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the API server listens; the same after [`ControlPlane::restart`].
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The folder with the API server's files and logs.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Who did what to this cluster.
    pub fn audit(&self) -> AuditLog {
        AuditLog::new(self.directory.join("audit.log"))
    }

    /// A kubeconfig of the administrator (group `system:masters`, so RBAC is not felt).
    pub fn kubeconfig_admin(&self) -> Result<Kubeconfig> {
        self.kubeconfig(self.credentials.admin_token())
    }

    /// A kubeconfig for the holder of `token`.
    pub fn kubeconfig(&self, token: &str) -> Result<Kubeconfig> {
        self.credentials.kubeconfig(&self.name, &self.url(), token)
    }

    /// Writes a kubeconfig for the holder of `token`, for programs that read files.
    pub fn write_kubeconfig(&self, path: &Path, token: &str) -> Result<()> {
        let kubeconfig =
            serde_json::to_string_pretty(&self.kubeconfig(token)?).context("writing a kubeconfig")?;
        fs::write(path, kubeconfig).with_context(|| format!("writing {}", path.display()))
    }

    /// A client of the administrator.
    pub async fn admin_client(&self) -> Result<Client> {
        self.client(self.credentials.admin_token(), "tests").await
    }

    /// A client for the holder of `token` that calls itself `user_agent`.
    pub async fn client(&self, token: &str, user_agent: &str) -> Result<Client> {
        let kubeconfig = self.kubeconfig(token)?;
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .context("reading our own kubeconfig")?;
        let header = (
            "user-agent".parse().context("naming a header")?,
            user_agent.parse().context("naming a client")?,
        );
        config.headers.push(header);
        Client::try_from(config).context("making a client")
    }

    /// A token of a service account, which is created, with its namespace, if absent.
    pub async fn service_account_token(&self, namespace: &str, name: &str) -> Result<String> {
        let client = self.admin_client().await?;
        let named = |name: &str| ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        let home = Namespace { metadata: named(namespace), ..Namespace::default() };
        create_if_absent(&Api::all(client.clone()), &home).await?;
        let accounts = Api::namespaced(client, namespace);
        let account = ServiceAccount { metadata: named(name), ..ServiceAccount::default() };
        create_if_absent(&accounts, &account).await?;
        let spec =
            TokenRequestSpec { expiration_seconds: Some(TOKEN_SECONDS), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec, ..TokenRequest::default() };
        let granted = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .with_context(|| format!("asking for a token of {namespace}/{name}"))?;
        Ok(granted.status.context("a token request was answered without a token")?.token)
    }

    /// Stops the API server as an upgrade would, and waits until it has ended.
    pub async fn stop(&mut self) -> Result<()> {
        match self.process.take() {
            Some(process) => process.stop().await,
            None => Ok(()),
        }
    }

    /// Ends the API server without warning.
    pub async fn kill(&mut self) -> Result<()> {
        match self.process.take() {
            Some(process) => process.kill().await,
            None => Ok(()),
        }
    }

    /// Starts a stopped or killed API server again, on the same port with the
    /// same data, and waits until it is ready.
    pub async fn restart(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "control plane {} is running: stop or kill it first", self.name);
        let log = self.directory.join("kube-apiserver.log");
        let mut process = Process::spawn("kube-apiserver", &self.program, &self.arguments, &log)?;
        let client = self.admin_client().await?;
        let what = format!("control plane {} to be ready", self.name);
        process.until_ready(until(&what, READY_WITHIN, || ready(&client))).await?;
        self.process = Some(process);
        Ok(())
    }
}

async fn api_server(etcd: &Etcd, suffix: &'static str) -> Result<Program> {
    let binaries = etcd.binaries().clone();
    if suffix.is_empty() {
        return Ok(binaries.api_server);
    }
    let given = binaries.api_server.clone();
    let linked = tokio::task::spawn_blocking(move || binaries.api_server_with_suffix(suffix));
    Ok(linked.await.context("linking an API server")??.unwrap_or(given))
}

fn arguments(etcd: &Etcd, name: &str, directory: &Path, port: u16) -> Vec<String> {
    let file = |name: &str| directory.join(name).display().to_string();
    vec![
        format!("--etcd-servers={}", etcd.url()),
        format!("--etcd-prefix=/{name}"),
        format!("--secure-port={port}"),
        format!("--cert-dir={}", file("certificates")),
        format!("--audit-policy-file={}", file("audit-policy.yaml")),
        format!("--audit-log-path={}", file("audit.log")),
        "--bind-address=127.0.0.1".to_owned(),
        // Nobody reaches this server by an endpoint, and a machine without a
        // network has no other address to announce.
        "--advertise-address=127.0.0.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        "--authorization-mode=RBAC".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        "--allow-privileged=true".to_owned(),
        // No controller makes service accounts or takes taints off nodes here.
        "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition".to_owned(),
        "--profiling=false".to_owned(),
    ]
}

async fn ready(client: &Client) -> Result<Option<()>> {
    let request =
        kube::core::Request::new("").get("readyz", &GetParams::default()).context("asking for readiness")?;
    Ok((client.request_text(request).await.context("asking for readiness")? == "ok").then_some(()))
}

async fn create_if_absent<K>(api: &Api<K>, object: &K) -> Result<()>
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    match api.create(&PostParams::default(), object).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        Err(error) => Err(error).with_context(|| format!("creating {:?}", object.meta().name)),
    }
}
