//! Keys, requests for certificates, and TLS settings.

use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, KeyPair, PublicKeyData as _, SigningKey as _};
use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore,
    client::WantsClientCert,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{Error, Identity, pin::PinnedVerifier, token::Token};
use crate::digest::Digest;

fn unusable(error: impl std::fmt::Display) -> Error {
    Error::Key(error.to_string())
}

/// A new private key, in PEM.
///
/// # Errors
/// If the system gives no randomness.
pub fn generate_key() -> Result<String, Error> {
    Ok(KeyPair::generate().map_err(unusable)?.serialize_pem())
}

/// The request for a certificate, in DER. It carries the key and nothing else: the hub decides on names.
pub(super) fn request(key: &str) -> Result<Vec<u8>, Error> {
    let key = KeyPair::from_pem(key).map_err(unusable)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(&key).map_err(unusable)?.der().to_vec())
}

/// Whether a certificate in PEM is for this key.
pub(super) fn is_for(certificate: &str, key: &str) -> bool {
    let Ok(key) = KeyPair::from_pem(key) else { return false };
    let Ok(certificate) = CertificateDer::from_pem_slice(certificate.as_bytes()) else { return false };
    X509Certificate::from_der(&certificate)
        .is_ok_and(|(_, parsed)| parsed.public_key().raw == key.subject_public_key_info().as_slice())
}

/// From when and until when a certificate in PEM is good, in seconds since 1970.
pub(super) fn good(certificate: &str) -> Option<(i64, i64)> {
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).ok()?;
    let (_, parsed) = X509Certificate::from_der(&certificate).ok()?;
    let validity = parsed.validity();
    Some((validity.not_before.timestamp(), validity.not_after.timestamp()))
}

/// DER of the first certificate in PEM.
pub(super) fn der(certificate: &str) -> Result<Vec<u8>, Error> {
    Ok(CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(unusable)?.to_vec())
}

/// Shows that whoever holds `identity` wants `request` (DER) certified by its hub.
pub(super) fn proof(identity: &Identity, request: &[u8]) -> Result<Vec<u8>, Error> {
    let ca = der(&identity.ca)?;
    let (_, ca) = X509Certificate::from_der(&ca).map_err(unusable)?;
    let certificate = Digest::of(&der(&identity.certificate)?);
    let (request, authority) = (Digest::of(request), Digest::of(ca.public_key().raw));
    let signed = [proto::RENEWAL, certificate.as_bytes(), request.as_bytes(), authority.as_bytes()].concat();
    KeyPair::from_pem(&identity.key).map_err(unusable)?.sign(&signed).map_err(unusable)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// TLS for enrolment: no certificate of ours, and the hub's CA known by its pin.
pub(super) fn enrolment_config(token: &Token) -> Result<ClientConfig, Error> {
    let verifier = Arc::new(PinnedVerifier::new(token.pin, provider()));
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unusable)?;
    let config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    Ok(for_grpc(config))
}

/// TLS for everything after enrolment: TLS 1.3, our certificate, and only the hub's CA.
///
/// # Errors
/// If the identity's key or certificates cannot be used.
pub fn client_config(identity: &Identity) -> Result<ClientConfig, Error> {
    let builder = for_hub(identity)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(identity.certificate.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(unusable)?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(unusable)?;
    let config = builder.with_client_auth_cert(chain, key).map_err(unusable)?;
    Ok(for_grpc(config))
}

/// TLS for a renewal: only the hub's CA, and no certificate of ours, because it may have expired.
pub(super) fn renewal_config(identity: &Identity) -> Result<ClientConfig, Error> {
    Ok(for_grpc(for_hub(identity)?.with_no_client_auth()))
}

fn for_hub(identity: &Identity) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(identity.ca.as_bytes()) {
        roots.add(certificate.map_err(unusable)?).map_err(unusable)?;
    }
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unusable)?;
    Ok(builder.with_root_certificates(roots))
}

/// HTTP/2, and no resumption: each session shows its certificate anew, so that a revoked one ends with its session.
fn for_grpc(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_carries_the_key_and_no_names() {
        let key = generate_key().unwrap();
        let request =
            rcgen::CertificateSigningRequestParams::from_der(&request(&key).unwrap().into()).unwrap();
        assert!(request.params.subject_alt_names.is_empty());
        let pair = KeyPair::from_pem(&key).unwrap();
        assert_eq!(request.public_key.subject_public_key_info(), pair.subject_public_key_info());
    }

    #[test]
    fn a_certificate_for_another_key_is_seen() {
        let (ours, other) = (generate_key().unwrap(), generate_key().unwrap());
        let pair = KeyPair::from_pem(&ours).unwrap();
        let certificate = CertificateParams::default().self_signed(&pair).unwrap().pem();
        assert!(is_for(&certificate, &ours));
        assert!(!is_for(&certificate, &other));
        assert!(!is_for("nonsense", &ours));
    }
}
