//! Rollouts: starting one, looking at them.

use hub_core::rollout::{RolloutState, RolloutTarget, RolloutWave};
use proto::v1::{self, rollouts_server};
use tonic::{Request, Response, Status};

use super::convert;
use crate::{
    app::{
        App,
        rollouts::{self as use_case, DriftChoice, Start, StoredRollout},
    },
    identity::{problem, random},
};

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
        let number =
            use_case::start(&self.0, &operator, &start).await.map_err(|error| problem::of(&error))?;
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
        let stored = use_case::show(&self.0, number).await.map_err(|error| problem::of(&error))?;
        let targets = targets(&stored.rollout.waves);
        Ok(Response::new(v1::Rollout { targets, ..outline(stored) }))
    }

    async fn list(
        &self,
        request: Request<v1::ListRolloutsRequest>,
    ) -> Result<Response<v1::ListRolloutsResponse>, Status> {
        super::calling_operator(&request)?;
        let v1::ListRolloutsRequest {} = request.into_inner();
        let stored = use_case::list(&self.0).await.map_err(|error| problem::of(&error))?;
        Ok(Response::new(v1::ListRolloutsResponse { rollouts: stored.into_iter().map(outline).collect() }))
    }

    async fn pause(&self, _: Request<v1::RolloutVerbRequest>) -> Result<Response<v1::Rollout>, Status> {
        Err(Status::unimplemented("not built yet"))
    }

    async fn resume(&self, _: Request<v1::RolloutVerbRequest>) -> Result<Response<v1::Rollout>, Status> {
        Err(Status::unimplemented("not built yet"))
    }

    async fn abort(&self, _: Request<v1::RolloutVerbRequest>) -> Result<Response<v1::Rollout>, Status> {
        Err(Status::unimplemented("not built yet"))
    }
}

fn start(request: v1::StartRolloutRequest, traceparent: String) -> Result<Start, Status> {
    let v1::StartRolloutRequest { config, version, strategy, overwrite_drift, confirm_deletions: _ } =
        request;
    Ok(Start {
        config: super::name("config", &config)?,
        version: super::optional_number(version),
        strategy: super::optional_name("strategy", &strategy)?,
        drift: if overwrite_drift { DriftChoice::Overwrite } else { DriftChoice::Respect },
        traceparent,
    })
}

/// The trace of the caller, or a new one: a rollout can always be followed to the applied objects.
fn traceparent<T>(request: &Request<T>) -> String {
    let given = request.metadata().get("traceparent").and_then(|value| value.to_str().ok());
    let trace = given.and_then(v1::TraceContext::parse);
    trace.unwrap_or_else(|| v1::TraceContext::begin(random())).traceparent
}

/// A rollout without its targets.
fn outline(stored: StoredRollout) -> v1::Rollout {
    let state = match stored.rollout.state {
        RolloutState::Running => "Running",
        RolloutState::Succeeded { .. } => "Succeeded",
        RolloutState::Failed { .. } => "Failed",
    };
    v1::Rollout {
        number: stored.rollout.number,
        config: stored.config.to_string(),
        version: stored.version,
        strategy: stored.strategy.map(|name| name.to_string()).unwrap_or_default(),
        state: state.to_owned(),
        reason: stored.rollout.reason(),
        started_by: stored.started_by,
        started_at: convert::time(Some(stored.started_at)),
        ended_at: convert::time(stored.ended_at),
        targets: Vec::new(),
        ..v1::Rollout::default()
    }
}

fn targets(waves: &[RolloutWave]) -> Vec<v1::RolloutTarget> {
    let numbered = (1..).zip(waves);
    numbered
        .flat_map(|(number, wave)| wave.targets.iter().map(move |one| target(one, (number, wave))))
        .collect()
}

fn target(target: &RolloutTarget, (wave, waves): (u32, &RolloutWave)) -> v1::RolloutTarget {
    let delivery = target.state.delivery();
    v1::RolloutTarget {
        cluster: target.name.to_string(),
        wave,
        wave_name: waves.name.to_string(),
        state: target.state.name().to_owned(),
        reason: target.state.reason(),
        generation: delivery.map_or(0, |delivery| delivery.generation),
        plan_digest: target.plan.to_string(),
        started_at: convert::time(delivery.map(|delivery| delivery.sent_at)),
        ended_at: convert::time(target.state.ended_at()),
    }
}
