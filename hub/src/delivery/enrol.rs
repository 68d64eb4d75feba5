//! Joining the fleet with a token. Safe to repeat with the same token and key: a spoke whose answer was lost asks again.

use hub_core::{
    digest::Digest,
    fleet::{ClusterId, keys::Life},
};
use proto::v1::{EnrolRequest, EnrolResponse};
use tonic::{Code, Status};

use super::{VERSIONS, renew::Certifying};
use crate::{
    app::{
        App,
        clusters::{self, Enrolled, RedeemError},
    },
    identity::{csr::PublicKey, problem, random, token::Token},
};

/// The answer, and the cluster that it makes a spoke of.
pub(super) struct Answer {
    pub(super) cluster: ClusterId,
    pub(super) message: EnrolResponse,
}

/// Takes a token and gives a certificate. Returns the fingerprint of the spoke's key beside the answer.
pub(super) async fn enrol(
    app: &App,
    certifying: &Certifying,
    request: EnrolRequest,
) -> Result<(Answer, Digest), Status> {
    let EnrolRequest { protocol_version, spoke_version: _, token, csr } = request;
    if !VERSIONS.contains(&protocol_version) {
        return Err(other_version(protocol_version));
    }
    let token = Token::parse(&token).map_err(|_| refused(Refusal::UNKNOWN))?;
    let key = PublicKey::from_request(&csr)
        .map_err(|error| problem::status(Code::InvalidArgument, "csr.refused", error.to_string(), ""))?;
    let life = Life::first(random());
    let redeemed = clusters::redeem(app, token.id, token.secret_hash(), (key.fingerprint(), life)).await;
    let Enrolled { cluster_id, name, life } = redeemed.map_err(|error| not_redeemed(&token, &error))?;
    let issued = certifying.certify(&key, (cluster_id, life), app.clock.now())?;
    tracing::info!(cluster.name = %name, token.id = %token.id, "a spoke joined the fleet");
    let message = EnrolResponse {
        cluster_id: cluster_id.to_string(),
        cluster_name: name.to_string(),
        certificate: issued.certificate,
        ca: certifying.authority.pem().to_owned(),
    };
    Ok((Answer { cluster: cluster_id, message }, key.fingerprint()))
}

fn not_redeemed(token: &Token, error: &RedeemError) -> Status {
    let refusal = match error {
        // Whoever does not know the secret does not learn whether there is such a token.
        RedeemError::Unknown | RedeemError::WrongSecret => Refusal::UNKNOWN,
        // From here on the secret was right.
        RedeemError::Used => Refusal::USED,
        RedeemError::Expired => Refusal::EXPIRED,
        RedeemError::Revoked => Refusal::REVOKED,
        RedeemError::App(error) => return problem::of(error),
    };
    tracing::warn!(token.id = %token.id, reason = refusal.reason, why = %error, "an enrolment token was refused");
    refused(refusal)
}

/// What a spoke is told of a token that is not taken.
#[derive(Clone, Copy)]
struct Refusal {
    reason: &'static str,
    message: &'static str,
    hint: &'static str,
}

impl Refusal {
    const UNKNOWN: Self = Self {
        reason: "token.unknown",
        message: "this hub has no enrolment token of this id and secret",
        hint: "copy the token whole, or issue a new one on this hub with `meshfleet cluster enrol NAME`",
    };
    const USED: Self = Self {
        reason: "token.used",
        message: "the enrolment token was used already, by another spoke",
        hint: "issue a new one with `meshfleet cluster enrol NAME`: a token serves once",
    };
    const EXPIRED: Self = Self {
        reason: "token.expired",
        message: "the time of the enrolment token is over",
        hint: "issue a new one with `meshfleet cluster enrol NAME`",
    };
    const REVOKED: Self = Self {
        reason: "token.revoked",
        message: "a newer enrolment token of the same cluster replaced this one",
        hint: "use the newer one, or issue another with `meshfleet cluster enrol NAME`",
    };
}

fn refused(refusal: Refusal) -> Status {
    problem::status(Code::Unauthenticated, refusal.reason, refusal.message, refusal.hint)
}

pub(super) fn other_version(spoke: u32) -> Status {
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
