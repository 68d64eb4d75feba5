//! Joining the fleet with a token. Safe to repeat with the same token and key: a spoke whose answer was lost asks again.

use hub_core::{digest::Digest, fleet::ClusterId};
use proto::v1::{EnrolRequest, EnrolResponse};
use tonic::{Code, Status};

use super::VERSIONS;
use crate::{
    app::{
        App,
        clusters::{self, Enrolled, RedeemError},
    },
    identity::{authority::Authority, csr::PublicKey, problem, token::Token},
    telemetry,
};

/// The answer, and the cluster that it makes a spoke of.
pub(super) struct Answer {
    pub(super) cluster: ClusterId,
    pub(super) message: EnrolResponse,
}

/// Takes a token and gives a certificate. Returns the fingerprint of the spoke's key beside the answer.
pub(super) async fn enrol(
    app: &App,
    authority: &Authority,
    request: EnrolRequest,
) -> Result<(Answer, Digest), Status> {
    let EnrolRequest { protocol_version, spoke_version: _, token, csr } = request;
    if !VERSIONS.contains(&protocol_version) {
        return Err(other_version(protocol_version));
    }
    let token = Token::parse(&token).map_err(|_| refused("token.unknown"))?;
    let key = PublicKey::from_request(&csr)
        .map_err(|error| problem::status(Code::InvalidArgument, "csr.refused", error.to_string(), ""))?;
    let redeemed = clusters::redeem(app, token.id, token.secret_hash(), key.fingerprint()).await;
    let Enrolled { cluster_id, name } = redeemed.map_err(|error| not_redeemed(&token, &error))?;
    let issued = authority.issue_spoke(&key, cluster_id, app.clock.now()).map_err(|error| {
        tracing::error!(error = telemetry::chain(&error), "a spoke's certificate could not be made");
        problem::status(Code::Internal, "certificate.failed", "the hub could not make a certificate", "")
    })?;
    tracing::info!(cluster.name = %name, token.id = %token.id, "a spoke joined the fleet");
    let message = EnrolResponse {
        cluster_id: cluster_id.to_string(),
        cluster_name: name.to_string(),
        certificate: issued.certificate,
        ca: authority.pem().to_owned(),
    };
    Ok((Answer { cluster: cluster_id, message }, key.fingerprint()))
}

fn not_redeemed(token: &Token, error: &RedeemError) -> Status {
    let reason = match error {
        // Whoever does not know the secret does not learn whether there is such a token.
        RedeemError::Unknown | RedeemError::WrongSecret => "token.unknown",
        RedeemError::Used => "token.used",
        RedeemError::Expired => "token.expired",
        RedeemError::Revoked => "token.revoked",
        RedeemError::App(error) => return problem::of(error),
    };
    tracing::warn!(token.id = %token.id, reason, "an enrolment token was refused");
    refused(reason)
}

/// One text for all: the code tells them apart.
fn refused(reason: &str) -> Status {
    let hint = "issue a new one with `meshfleet cluster enrol NAME`";
    problem::status(Code::Unauthenticated, reason, "the enrolment token is not taken", hint)
}

fn other_version(spoke: u32) -> Status {
    let message = format!(
        "the spoke speaks protocol version {spoke}, this hub {} to {}",
        VERSIONS.start(),
        VERSIONS.end()
    );
    problem::status(
        Code::FailedPrecondition,
        "protocol.version",
        message,
        "use spoke and hub of like versions",
    )
}
