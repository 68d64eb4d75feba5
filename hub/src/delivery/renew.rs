//! Renewal: who shows the last certificate of a cluster and holds its key gets one for a new key.
//!
//! The call needs no client certificate, because the one that is renewed may have expired; everything is proved within it.
//! A request that somebody overheard is worth nothing to him: the certificate is for a key that he does not have.

use std::sync::Arc;

use hub_core::fleet::{ClusterId, keys::Life};
use jiff::{SignedDuration, Timestamp};
use proto::v1::{RenewRequest, RenewResponse};
use tonic::{Code, Status};

use super::{VERSIONS, enrol::other_version};
use crate::{
    app::{
        App,
        renewals::{self, Renewed},
    },
    identity::{
        authority::{Authority, Issued},
        csr::PublicKey,
        former::{Former, NotProved},
        problem,
    },
    metrics::METRICS,
    telemetry,
};

/// Who makes the certificates of spokes, and for how long.
#[derive(Debug, Clone)]
pub(super) struct Certifying {
    pub(super) authority: Arc<Authority>,
    pub(super) lives: SignedDuration,
}

impl Certifying {
    /// A certificate for the spoke of a cluster.
    pub(super) fn certify(
        &self,
        key: &PublicKey,
        whose: (ClusterId, Life),
        now: Timestamp,
    ) -> Result<Issued, Status> {
        self.authority.issue_spoke(key, whose, self.lives, now).map_err(|error| {
            tracing::error!(error = telemetry::chain(&error), "a spoke's certificate could not be made");
            problem::status(Code::Internal, "certificate.failed", "the hub could not make a certificate", "")
        })
    }
}

/// Gives a certificate for the new key.
pub(super) async fn renew(
    app: &App,
    certifying: &Certifying,
    request: RenewRequest,
) -> Result<RenewResponse, Status> {
    let RenewRequest { protocol_version, spoke_version: _, certificate, csr, proof } = request;
    if !VERSIONS.contains(&protocol_version) {
        return Err(other_version(protocol_version));
    }
    let former = Former::read(&certifying.authority, &certificate).map_err(not_proved)?;
    let key = PublicKey::from_request(&csr)
        .map_err(|error| problem::status(Code::InvalidArgument, "csr.refused", error.to_string(), ""))?;
    former.holds_key(&csr, &proof).map_err(not_proved)?;
    let (cluster, expires_at) = (former.cluster(), former.certified().expires_at);
    let shown = (former.certified().shown(), expires_at);
    let renewed = renewals::renew(app, cluster, shown, key.fingerprint()).await;
    let (name, life) = match renewed.map_err(|error| problem::of(&error))? {
        Renewed::Certify(name, life) => (name, life),
        Renewed::Refused(refusal, name) => {
            tracing::warn!(cluster.id = %cluster, why = %refusal, "a renewal was refused");
            return Err(problem::of_key(refusal, name.as_ref()));
        }
    };
    let issued = certifying.certify(&key, (cluster, life), app.clock.now())?;
    METRICS.renewals.inc();
    tracing::info!(cluster.name = %name, number = life.number, "a spoke renewed its certificate");
    Ok(RenewResponse { certificate: issued.certificate })
}

fn not_proved(why: NotProved) -> Status {
    tracing::debug!(why = %why, "a renewal was refused");
    let reason = match why {
        NotProved::Proof => "renewal.proof",
        NotProved::Certificate(_) | NotProved::Foreign | NotProved::NoSpoke => "renewal.certificate",
    };
    problem::status(
        Code::Unauthenticated,
        reason,
        why.to_string(),
        "enrol the spoke anew with `meshfleet cluster enrol NAME --replace`",
    )
}
