//! The gate before every handler: it looks up who a method answers, and whether the caller is one of them now.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderMap, HeaderValue};
use proto_telemetry::{TARGET, trace};
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Instrument, Span, info_span};

use super::{
    callers::{Answers, Caller, Spoke, answers},
    peer::{Certified, Peer},
    problem,
    spiffe::Identity,
};
use crate::{
    app::{
        App,
        operators::{self, Operator, Role},
        renewals::{self, Admission},
    },
    metrics::{METRICS, Reason},
};

/// Puts the gate before a service.
#[derive(Debug, Clone)]
pub struct GateLayer {
    app: App,
}

impl GateLayer {
    /// A gate that asks this hub's database.
    #[must_use]
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate { app: self.app.clone(), inner }
    }
}

/// A service behind the gate.
#[derive(Debug, Clone)]
pub struct Gate<S> {
    app: App,
    inner: S,
}

impl<S, Request, Response> Service<http::Request<Request>> for Gate<S>
where
    S: Service<http::Request<Request>, Response = http::Response<Response>> + Clone + Send + 'static,
    S::Future: Send,
    Request: Send + 'static,
    Response: Default,
{
    type Response = http::Response<Response>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Request>) -> Self::Future {
        let app = self.app.clone();
        // The one that was asked whether it is ready is the one to be called.
        let next = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, next);
        Box::pin(async move {
            let peer = request.extensions().get::<Peer>().copied().unwrap_or(Peer::Anonymous);
            let method = request.uri().path().to_owned();
            let span = traced(&method, request.headers_mut());
            match admit(&app, request.uri().path(), peer).instrument(span.clone()).await {
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                    // Ends with the answer; a stream goes on without it.
                    ready.call(request).instrument(span).await
                }
                Err(refusal) => {
                    note(request.uri().path(), peer, &refusal);
                    Ok(refusal.into_http())
                }
            }
        })
    }
}

/// Names what a call belongs to in a trace.
const TRACEPARENT: &str = "traceparent";

/// The span of a call. What the call leads to hangs below it: the header says so to whoever reads it after.
fn traced(method: &str, headers: &mut HeaderMap) -> Span {
    let method = method.trim_start_matches('/');
    let span =
        info_span!(target: TARGET, "request", otel.name = method, otel.kind = "server", rpc.system = "grpc");
    let above = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let span = trace::under(span, &above);
    if let Ok(below) = HeaderValue::try_from(trace::below(&span, &above)) {
        headers.insert(TRACEPARENT, below);
    }
    span
}

/// A stranger without a certificate is a port scan; one of ours that is refused is odd.
fn note(method: &str, peer: Peer, refusal: &Status) {
    let (code, why) = (refusal.code(), refusal.message());
    let reason = match code {
        Code::Unauthenticated => "Unauthenticated",
        Code::PermissionDenied => "PermissionDenied",
        Code::Unavailable => "Unavailable",
        _ => "other",
    };
    METRICS.refused_calls.get_or_create(&Reason { reason }).inc();
    match peer {
        Peer::Certified(certified) if code == Code::PermissionDenied || code == Code::Unauthenticated => {
            tracing::warn!(method, caller = ?certified.identity, why, "a call was refused");
        }
        Peer::Certified(_) | Peer::Anonymous | Peer::Unreadable(_) => {
            tracing::debug!(method, ?code, why, "a call was refused");
        }
    }
}

async fn admit(app: &App, method: &str, peer: Peer) -> Result<Caller, Status> {
    let answers = answers(method).ok_or_else(unknown_method)?;
    if answers == Answers::Anybody {
        return Ok(Caller::Anybody);
    }
    let certified = match peer {
        Peer::Certified(certified) => certified,
        Peer::Anonymous => return Err(anonymous()),
        Peer::Unreadable(why) => {
            return Err(problem::status(Code::Unauthenticated, "caller.certificate", why.to_string(), ""));
        }
    };
    // TLS looked at the certificate when the connection began, which may be long ago.
    if certified.expires_at <= app.clock.now() {
        return Err(expired());
    }
    match (answers, certified.identity) {
        (Answers::Spokes, Identity::Cluster(_)) => spoke(app, certified).await,
        (Answers::Operators(least), Identity::Operator(_)) => operator(app, certified, least).await,
        (
            Answers::Anybody | Answers::Spokes | Answers::Operators(_),
            Identity::Cluster(_) | Identity::Operator(_),
        ) => Err(other_kind()),
    }
}

async fn spoke(app: &App, certified: Certified) -> Result<Caller, Status> {
    let Identity::Cluster(cluster) = certified.identity else { return Err(other_kind()) };
    let Certified { public_key, expires_at, .. } = certified;
    match renewals::admit(app, cluster, certified.shown()).await {
        Ok(Admission::Admitted(name)) => Ok(Caller::Spoke(Spoke { cluster, name, public_key, expires_at })),
        Ok(Admission::Refused(refusal, name)) => Err(problem::of_key(refusal, name.as_ref())),
        Err(error) => Err(problem::of(&error)),
    }
}

async fn operator(app: &App, certified: Certified, least: Role) -> Result<Caller, Status> {
    let Identity::Operator(id) = certified.identity else { return Err(other_kind()) };
    match operators::find(app, id).await {
        Ok(Some(operator)) if operator.role < least => Err(may_not(&operator, least)),
        Ok(Some(operator)) => Ok(Caller::Operator(operator)),
        Ok(None) => Err(problem::status(
            Code::PermissionDenied,
            "caller.unknown",
            "this operator is unknown or was revoked",
            "ask an admin for a new context: `meshfleet operator add`",
        )),
        Err(error) => Err(problem::of(&error)),
    }
}

fn unknown_method() -> Status {
    problem::status(
        Code::Unimplemented,
        "method.unknown",
        "this hub has no such method",
        "compare the versions",
    )
}

fn anonymous() -> Status {
    let message = "this call needs a client certificate of this hub";
    problem::status(Code::Unauthenticated, "caller.anonymous", message, "use the context that the hub wrote")
}

fn expired() -> Status {
    problem::status(Code::Unauthenticated, "caller.expired", "the client certificate has expired", "")
}

fn other_kind() -> Status {
    let message = "a certificate of this kind may not make this call";
    problem::status(Code::PermissionDenied, "caller.other_kind", message, "")
}

fn may_not(operator: &Operator, least: Role) -> Status {
    let Operator { name, role, .. } = operator;
    problem::status(
        Code::PermissionDenied,
        "caller.role",
        format!("operator {name} has the role {role}: this needs {least}"),
        "`meshfleet operator list` says who has it",
    )
}
