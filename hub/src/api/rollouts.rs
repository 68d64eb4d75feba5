//! Rollouts: starting one, holding and ending it, looking at them.

use std::collections::BTreeMap;

use hub_core::{
    fleet::ClusterId,
    rollout::{Aim, Progress, RolloutTarget, RolloutWave, SeenCluster},
};
use proto::v1::{self, rollouts_server};
use tonic::{Request, Response, Status};
use tracing::Instrument;

use super::convert;
use crate::{
    app::{
        App,
        rollouts::{self as use_case, DriftChoice, Start, StoredRollout, Verb},
    },
    identity::{problem, random},
    telemetry,
};

/// Longest reason, in bytes: it goes into the audit.
const LONGEST_REASON: usize = 1_024;

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Rollouts(App);

impl Rollouts {
    /// The service for the server.
    #[must_use]
    pub fn server(app: App) -> rollouts_server::RolloutsServer<Self> {
        rollouts_server::RolloutsServer::new(Self(app)).max_decoding_message_size(proto::MAX_MESSAGE_BYTES)
    }
}

#[tonic::async_trait]
impl rollouts_server::Rollouts for Rollouts {
    async fn start(
        &self,
        request: Request<v1::StartRolloutRequest>,
    ) -> Result<Response<v1::StartRolloutResponse>, Status> {
        let operator = super::calling_operator(&request)?;
        let traceparent = traceparent(&request);
        let start = start(request.into_inner(), traceparent)?;
        let transaction = telemetry::transaction("start rollout");
        let started = use_case::start(&self.0, &operator, &start).instrument(transaction.clone()).await;
        let number = started.map_err(|error| problem::of(&error))?;
        transaction.record("rollout.id", number);
        tracing::info!(
            rollout.number = number,
            config = %start.config,
            operator = operator.name,
            traceparent = start.traceparent,
            "a rollout was started"
        );
        Ok(Response::new(v1::StartRolloutResponse { number }))
    }

    async fn show(&self, request: Request<v1::ShowRolloutRequest>) -> Result<Response<v1::Rollout>, Status> {
        super::calling_operator(&request)?;
        let v1::ShowRolloutRequest { number } = request.into_inner();
        self.shown(number).await
    }

    async fn list(
        &self,
        request: Request<v1::ListRolloutsRequest>,
    ) -> Result<Response<v1::ListRolloutsResponse>, Status> {
        super::calling_operator(&request)?;
        let v1::ListRolloutsRequest {} = request.into_inner();
        let stored = use_case::list(&self.0).await.map_err(|error| problem::of(&error))?;
        let seen = use_case::seen(&self.0, &stored).await.map_err(|error| problem::of(&error))?;
        let rollouts = stored.into_iter().map(|stored| outline(stored, &seen)).collect();
        Ok(Response::new(v1::ListRolloutsResponse { rollouts }))
    }

    async fn pause(&self, request: Request<v1::RolloutVerbRequest>) -> Result<Response<v1::Rollout>, Status> {
        self.order(Verb::Pause, request).await
    }

    async fn resume(
        &self,
        request: Request<v1::RolloutVerbRequest>,
    ) -> Result<Response<v1::Rollout>, Status> {
        self.order(Verb::Resume, request).await
    }

    async fn abort(&self, request: Request<v1::RolloutVerbRequest>) -> Result<Response<v1::Rollout>, Status> {
        self.order(Verb::Abort, request).await
    }
}

impl Rollouts {
    async fn order(
        &self,
        verb: Verb,
        request: Request<v1::RolloutVerbRequest>,
    ) -> Result<Response<v1::Rollout>, Status> {
        let operator = super::calling_operator(&request)?;
        let v1::RolloutVerbRequest { number, reason } = request.into_inner();
        if reason.len() > LONGEST_REASON {
            let why = format!("{} bytes, at most {LONGEST_REASON} are taken", reason.len());
            return Err(problem::bad_field("reason", why));
        }
        let done = use_case::order(&self.0, &operator, number, (verb, &reason)).await;
        done.map_err(|error| problem::of(&error))?;
        tracing::info!(rollout.id = number, operator = operator.name, reason, "{verb:?} of a rollout");
        self.shown(number).await
    }

    async fn shown(&self, number: u64) -> Result<Response<v1::Rollout>, Status> {
        let stored = use_case::show(&self.0, number).await.map_err(|error| problem::of(&error))?;
        let seen = use_case::seen(&self.0, std::slice::from_ref(&stored)).await;
        let seen = seen.map_err(|error| problem::of(&error))?;
        let targets = targets(&stored, &seen);
        Ok(Response::new(v1::Rollout { targets, ..outline(stored, &seen) }))
    }
}

fn start(request: v1::StartRolloutRequest, traceparent: String) -> Result<Start, Status> {
    let v1::StartRolloutRequest { config, version, strategy, overwrite_drift, confirm_deletions } = request;
    Ok(Start {
        config: super::name("config", &config)?,
        version: super::optional_number(version),
        strategy: super::optional_name("strategy", &strategy)?,
        drift: if overwrite_drift { DriftChoice::Overwrite } else { DriftChoice::Respect },
        confirm_deletions,
        traceparent,
    })
}

/// The trace of the caller, or a new one: a rollout can always be followed to the applied objects.
pub(super) fn traceparent<T>(request: &Request<T>) -> String {
    let given = request.metadata().get("traceparent").and_then(|value| value.to_str().ok());
    let trace = given.and_then(v1::TraceContext::parse);
    trace.unwrap_or_else(|| v1::TraceContext::begin(random())).traceparent
}

/// What is known of clusters now.
type SeenClusters = BTreeMap<ClusterId, SeenCluster>;

/// A rollout without its targets.
fn outline(stored: StoredRollout, seen: &SeenClusters) -> v1::Rollout {
    let (kind, config, version) = match stored.aim {
        Aim::Assign { config, version } => ("Assign", config.to_string(), version),
        Aim::Unassign => ("Unassign", String::new(), 0),
    };
    v1::Rollout {
        number: stored.rollout.number,
        config,
        version,
        strategy: stored.strategy.map(|name| name.to_string()).unwrap_or_default(),
        state: stored.rollout.state.name().to_owned(),
        reason: stored.rollout.reason(seen),
        started_by: stored.started_by,
        started_at: convert::time(Some(stored.started_at)),
        ended_at: convert::time(stored.ended_at),
        targets: Vec::new(),
        kind: kind.to_owned(),
        progress: Some(progress(stored.rollout.progress())),
        max_unavailable: stored.rollout.max_unavailable.unwrap_or_default(),
    }
}

fn progress(progress: Progress) -> v1::RolloutProgress {
    let Progress { total, succeeded, failed, in_flight, blocked, pending, skipped } = progress;
    v1::RolloutProgress { total, succeeded, failed, in_flight, blocked, pending, skipped }
}

fn targets(stored: &StoredRollout, seen: &SeenClusters) -> Vec<v1::RolloutTarget> {
    let numbered = (1..).zip(&stored.rollout.waves);
    let reason = |one: &RolloutTarget| one.reason(stored.aim.config(), seen.get(&one.cluster));
    numbered
        .flat_map(|(number, wave)| {
            wave.targets.iter().map(move |one| target(one, reason(one), (number, wave)))
        })
        .collect()
}

fn target(target: &RolloutTarget, reason: String, (wave, waves): (u32, &RolloutWave)) -> v1::RolloutTarget {
    let delivery = target.state.delivery();
    v1::RolloutTarget {
        cluster: target.name.to_string(),
        wave,
        wave_name: waves.name.to_string(),
        state: target.state.name().to_owned(),
        reason,
        generation: delivery.map_or(0, |delivery| delivery.generation),
        plan_digest: target.plan.to_string(),
        started_at: convert::time(delivery.map(|delivery| delivery.sent_at)),
        ended_at: convert::time(target.state.ended_at()),
        disruption: target.disruption.to_string(),
    }
}
