//! Why a session ends, and what its spoke is told.

use hub_core::delivery::CloseReason;
use tonic::{Code, Status};

use super::convert;
use crate::{
    app::{self, sessions::Cut},
    identity::problem,
};

/// Why a session ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ending {
    #[error("the hub stops")]
    HubStops,
    #[error(transparent)]
    Cut(Cut),
    #[error("the client certificate has expired")]
    Expired,
    #[error("the spoke was not heard for too long")]
    Silent,
    #[error("the spoke does not take what it is sent")]
    Stuck,
    #[error("the spoke closed the stream")]
    SpokeLeft,
    #[error("the connection broke")]
    Broken(#[source] Status),
    #[error("a message that cannot be read")]
    BadMessage(#[source] convert::Error),
    #[error("the session broke the protocol: {0}")]
    Closed(CloseReason),
    #[error("a use case failed")]
    Failed(#[source] app::Error),
}

impl Ending {
    /// What the spoke is told; nothing where it is not there to hear it.
    pub(super) fn status(&self) -> Option<Status> {
        let told =
            |code, reason: &str, hint: &str| Some(problem::status(code, reason, self.to_string(), hint));
        match self {
            Self::HubStops => told(Code::Unavailable, "hub.stopping", "attach again"),
            Self::Cut(cut) => match cut {
                Cut::Replaced => {
                    told(Code::Aborted, "session.replaced", "only one spoke may hold a cluster's key")
                }
                Cut::KeyReplaced => told(
                    Code::PermissionDenied,
                    "session.key_replaced",
                    "stop the spoke that still has the former key",
                ),
                Cut::Detached => told(Code::PermissionDenied, "cluster.detached", "stop its spoke"),
            },
            Self::Expired => {
                told(Code::Unauthenticated, "caller.expired", "renew the certificate, and attach again")
            }
            Self::Silent => told(Code::DeadlineExceeded, "session.silent", "attach again"),
            Self::BadMessage(error) => Some(problem::bad_field(error.field, &error.why)),
            Self::Closed(reason) => {
                let code = match reason {
                    CloseReason::ProtocolVersion { .. } => "protocol.version",
                    CloseReason::NotHello | CloseReason::HelloTwice | CloseReason::Mistakes(_) => {
                        "protocol.broken"
                    }
                };
                Some(problem::status(Code::FailedPrecondition, code, reason.to_string(), ""))
            }
            Self::Failed(error) => Some(problem::of(error)),
            Self::Stuck | Self::SpokeLeft | Self::Broken(_) => None,
        }
    }

    /// Whether somebody should know that it ended so.
    pub(super) fn is_odd(&self) -> bool {
        match self {
            Self::Cut(Cut::Replaced | Cut::KeyReplaced)
            | Self::Expired
            | Self::Stuck
            | Self::BadMessage(_)
            | Self::Closed(_)
            | Self::Failed(_) => true,
            Self::Cut(Cut::Detached) | Self::HubStops | Self::Silent | Self::SpokeLeft | Self::Broken(_) => {
                false
            }
        }
    }
}
