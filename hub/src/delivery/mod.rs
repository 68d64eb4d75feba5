//! Spokes: how they join the fleet, and the sessions in which they are given targets and report.
//!
//! The core's step function decides what is done about each message; here messages are read and written, and its
//! commands carried out. What a spoke says counts for the cluster of its certificate and for no other; nothing in a
//! message names a cluster.
//!
//! Data come from `store` (targets and bodies) and go through `app` (reports, acceptances, drift). A target is a level
//! that is read again after each signal; what a spoke sends is a level too, so that a lost session loses nothing.

mod convert;
mod ending;
mod enrol;
mod outbox;
mod renew;
mod session;
mod sessions;

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use jiff::SignedDuration;
use proto::v1::{
    EnrolRequest, EnrolResponse, FromHub, FromSpoke, RenewRequest, RenewResponse, delivery_server,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Code, Request, Response, Status, Streaming};

use crate::{
    app::App,
    identity::{
        authority::Authority,
        callers::{Caller, Spoke},
        problem,
    },
};

/// Protocol versions that this hub speaks.
pub(crate) const VERSIONS: RangeInclusive<u32> = 1..=proto::PROTOCOL_VERSION;

/// Messages to a spoke that wait to be sent; with the largest body pieces, 4 MiB a spoke.
const WAITING_MESSAGES: usize = 16;

/// The service that spokes call. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Delivery {
    app: App,
    certifying: renew::Certifying,
    sessions: sessions::Sessions,
    heartbeat: Duration,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Delivery {
    /// A service whose sessions end with `stop`. `heartbeat` is how often spokes are asked to be heard, and `lives` how long
    /// their certificates are good.
    #[must_use]
    pub fn new(
        app: App,
        (authority, lives): (Arc<Authority>, SignedDuration),
        heartbeat: Duration,
        stop: CancellationToken,
    ) -> Self {
        let (sessions, tasks) = (sessions::Sessions::default(), TaskTracker::new());
        let certifying = renew::Certifying { authority, lives };
        Self { app, certifying, sessions, heartbeat, tasks, stop }
    }

    /// Waits until every session has ended, after `stop`.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// The service for the server.
    #[must_use]
    pub fn into_server(self) -> delivery_server::DeliveryServer<Self> {
        delivery_server::DeliveryServer::new(self).max_decoding_message_size(proto::MAX_MESSAGE_BYTES)
    }
}

#[tonic::async_trait]
impl delivery_server::Delivery for Delivery {
    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolResponse>, Status> {
        let (response, key) = enrol::enrol(&self.app, &self.certifying, request.into_inner()).await?;
        // A spoke that joined anew replaces the one that holds the former key.
        self.sessions.end_other_keys(response.cluster, key);
        Ok(Response::new(response.message))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        renew::renew(&self.app, &self.certifying, request.into_inner()).await.map(Response::new)
    }

    type AttachStream = ReceiverStream<Result<FromHub, Status>>;

    async fn attach(
        &self,
        request: Request<Streaming<FromSpoke>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let spoke = calling_spoke(&request)?;
        let began_in = traceparent(&request);
        let (outbox, outgoing) = mpsc::channel(WAITING_MESSAGES);
        let session = session::Running {
            app: self.app.clone(),
            slot: self.sessions.begin(&spoke),
            spoke,
            heartbeat: self.heartbeat,
            outbox: outbox::Outbox::new(outbox),
            stop: self.stop.clone(),
            began_in,
        };
        self.tasks.spawn(session.run(request.into_inner()));
        Ok(Response::new(ReceiverStream::new(outgoing)))
    }
}

/// Where a call stands in a trace; the gate wrote that.
fn traceparent<T>(request: &Request<T>) -> String {
    let given = request.metadata().get("traceparent").and_then(|value| value.to_str().ok());
    given.unwrap_or_default().to_owned()
}

/// The gate lets nobody else come here.
fn calling_spoke<T>(request: &Request<T>) -> Result<Spoke, Status> {
    match request.extensions().get::<Caller>() {
        Some(Caller::Spoke(spoke)) => Ok(spoke.clone()),
        Some(Caller::Anybody | Caller::Operator(_)) | None => {
            Err(problem::status(Code::PermissionDenied, "caller.other_kind", "only spokes have sessions", ""))
        }
    }
}
