//! Enrolment: a token and a key become an identity.

use std::time::Duration;

use proto::v1::{EnrolRequest, EnrolResponse, delivery_client::DeliveryClient};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::{Error, Identity, PendingKey, key, token::Token};
use crate::delivery::connect;

/// How long the hub may take. Asked again it answers the same, so nothing is lost by giving up.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Enrols `key` with the hub. Sent twice with the same token and key, it is answered the same.
///
/// # Errors
/// If the hub cannot be reached, is not the one that the token pins, or refuses.
pub async fn enrol(hub: &str, token: &Token, pending: &PendingKey) -> Result<Identity, Error> {
    let tls = key::enrolment_config(token)?;
    let channel =
        connect(hub, tls).await.map_err(|source| Error::Unreachable { hub: hub.to_owned(), source })?;
    let request = EnrolRequest {
        protocol_version: proto::PROTOCOL_VERSION,
        spoke_version: env!("CARGO_PKG_VERSION").to_owned(),
        token: token.reveal().to_owned(),
        csr: key::request(pending.pem())?,
    };
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, DeliveryClient::new(channel).enrol(request)).await;
    let answer = answer.map_err(|_| Error::Answer("it did not come in time"))?;
    let answer = answer.map_err(|status| Error::Refused(status.message().to_owned()))?;
    identity(answer.into_inner(), token, pending)
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
