//! Enrolment: a token and a key become an identity.

use std::time::Duration;

use prost::Message as _;
use proto::v1::{EnrolRequest, EnrolResponse, Problem, delivery_client::DeliveryClient};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use tonic::Status;

use super::{Error, Identity, PendingKey, Refusal, key, token::Token};
use crate::delivery::connect;

/// How long the hub may take. Asked again it answers the same, so nothing is lost by giving up.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Enrols `key` with the hub. Sent twice with the same token and key, it is answered the same.
///
/// # Errors
/// If the hub cannot be reached, is not the one that the token pins, or refuses.
pub async fn enrol(hub: &str, token: &Token, pending: &PendingKey) -> Result<Identity, Error> {
    let tls = key::enrolment_config(token)?;
    let channel = connect(hub, tls).await.map_err(|source| unconnected(hub, source))?;
    let request = EnrolRequest {
        protocol_version: proto::PROTOCOL_VERSION,
        spoke_version: env!("CARGO_PKG_VERSION").to_owned(),
        token: token.reveal().to_owned(),
        csr: key::request(pending.pem())?,
    };
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, DeliveryClient::new(channel).enrol(request)).await;
    let answer = answer.map_err(|_| Error::Answer("it did not come in time"))?;
    let answer =
        answer.map_err(|status| Error::Refused { hub: hub.to_owned(), refusal: refusal(&status) })?;
    identity(answer.into_inner(), token, pending)
}

pub(super) fn unconnected(hub: &str, source: tonic::transport::Error) -> Error {
    let hub = hub.to_owned();
    if shows_unknown_issuer(&source) {
        Error::OtherHub { hub, source }
    } else {
        Error::Unreachable { hub, source }
    }
}

/// Whether the handshake failed because the other side's certificate comes from a CA that is not the pinned one.
fn shows_unknown_issuer(error: &(dyn std::error::Error + 'static)) -> bool {
    const UNKNOWN: rustls::Error = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    std::iter::successors(Some(error), |error| error.source()).any(|error| {
        // An IO error is no link of the chain for what it carries.
        let carried = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        carried.and_then(|carried| carried.downcast_ref::<rustls::Error>()).is_some_and(|tls| *tls == UNKNOWN)
    })
}

/// What a status says. Its details carry the code and the hint.
pub(super) fn refusal(status: &Status) -> Refusal {
    let Problem { reason, message, hint, details: _ } = Problem::decode(status.details()).unwrap_or_default();
    let message = if message.is_empty() { status.message().to_owned() } else { message };
    Refusal { reason, message, hint }
}

fn identity(answer: EnrolResponse, token: &Token, pending: &PendingKey) -> Result<Identity, Error> {
    let EnrolResponse { cluster_id, cluster_name, certificate, ca } = answer;
    if cluster_id.is_empty() {
        return Err(Error::Answer("it names no cluster"));
    }
    let pinned = CertificateDer::from_pem_slice(ca.as_bytes()).is_ok_and(|ca| token.pin.fits(&ca));
    if !pinned {
        return Err(Error::Answer("its CA is not the pinned one"));
    }
    if !key::is_for(&certificate, pending.pem()) {
        return Err(Error::Answer("its certificate is for another key"));
    }
    Ok(Identity::new(pending, (cluster_id, cluster_name), certificate, ca))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::{ServerConfig, pki_types::PrivateKeyDer};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// A server that is named as hubs are, under a CA of its own.
    fn stranger() -> TlsAcceptor {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![proto::HUB_NAME.to_owned()]).unwrap();
        let leaf = params.signed_by(&key, &ca).unwrap();
        let chain = vec![leaf.der().clone(), ca.der().clone()];
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    #[tokio::test]
    async fn a_hub_under_another_ca_is_told_from_one_that_is_away() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hub = listener.local_addr().unwrap().to_string();
        let serves = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            // It is the client that ends the handshake.
            let _ = stranger().accept(stream).await;
        });
        let token = format!("mf1.{}.{}.{}", "0".repeat(32), "a".repeat(43), "f".repeat(64));
        let token = Token::read(&token).unwrap();
        let tls = || key::enrolment_config(&token).unwrap();
        let error = unconnected(&hub, connect(&hub, tls()).await.unwrap_err());
        serves.await.unwrap();
        assert!(matches!(error, Error::OtherHub { .. }), "{error:?}");
        // Nobody listens any more.
        let error = unconnected(&hub, connect(&hub, tls()).await.unwrap_err());
        assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    }

    #[test]
    fn a_refusal_is_told_with_its_code_and_what_to_do() {
        let problem = Problem {
            reason: "token.expired".to_owned(),
            message: "the time of the enrolment token is over".to_owned(),
            hint: "issue a new one".to_owned(),
            details: Vec::new(),
        };
        let code = tonic::Code::Unauthenticated;
        let status = Status::with_details(code, "x", problem.encode_to_vec().into());
        let error = Error::Refused { hub: "hub:7443".to_owned(), refusal: refusal(&status) };
        assert_eq!(
            error.to_string(),
            "the hub at hub:7443 refused the enrolment: the time of the enrolment token is over (token.expired); issue a new one"
        );
        assert_eq!(refusal(&Status::new(code, "by a proxy")).to_string(), "by a proxy");
    }
}
