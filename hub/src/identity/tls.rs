//! The TLS of the one listener: version 1.3 only, client certificates of our authority or none, and no resumption.
//!
//! A resumed session would skip the client's certificate, and with it the question whether it was revoked; so no ticket
//! is given out and no session is stored.

use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    server::{
        ClientHello, NoServerSessionStorage, ResolvesServerCert, VerifierBuilderError, WebPkiClientVerifier,
    },
    sign::CertifiedKey,
};

use super::authority::{self, Authority};

/// A listener that could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The hub's own certificate could not be made.
    #[error("cannot make the hub's certificate")]
    Certificate(#[source] authority::Error),
    /// TLS did not take a part.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
    /// The authority cannot verify clients.
    #[error("cannot verify clients with this certificate authority")]
    Verifier(#[from] VerifierBuilderError),
}

/// The hub's certificate, renewed while connections come in.
#[derive(Debug)]
pub struct ServerCertificate {
    authority: Arc<Authority>,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl ServerCertificate {
    /// A first certificate.
    pub fn issue(authority: Arc<Authority>, now: Timestamp) -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        let current = RwLock::new(issue(&authority, &provider, now)?);
        Ok(Self { authority, provider, current })
    }

    /// The next certificate, for connections from now on.
    pub fn renew(&self, now: Timestamp) -> Result<(), Error> {
        let next = issue(&self.authority, &self.provider, now)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// The authority's certificate goes along: a spoke that enrols knows only its pin.
fn issue(
    authority: &Authority,
    provider: &CryptoProvider,
    now: Timestamp,
) -> Result<Arc<CertifiedKey>, Error> {
    let issued = authority.issue_server(proto::HUB_NAME, now).map_err(Error::Certificate)?;
    let chain = vec![issued.der.clone(), authority.der().clone()];
    Ok(Arc::new(CertifiedKey::from_der(chain, issued.key_der(), provider)?))
}

/// What the listener speaks.
pub fn server_config(certificate: Arc<ServerCertificate>) -> Result<ServerConfig, Error> {
    let provider = Arc::clone(&certificate.provider);
    let mut roots = RootCertStore::empty();
    roots.add(certificate.authority.der().clone())?;
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}
