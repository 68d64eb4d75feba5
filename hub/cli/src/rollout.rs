//! `meshfleet rollout`: from a config to its clusters, wave by wave.

use jiff::Timestamp;
use proto::v1::{
    ListRolloutsRequest, Rollout, RolloutTarget, ShowRolloutRequest, StartRolloutRequest, TraceContext,
};
use serde_json::{Value, json};
use tonic::{Request, metadata::AsciiMetadataValue};

use crate::{
    args,
    call::{Call, Outcome, now},
    cluster::or_dash,
    failure::Failure,
    hub::Hub,
    plan::short,
    screen::{Piece, Screen, bad, faint, good, plain, strong, warning},
    time, watch,
};

/// `rollout ...`.
pub async fn run(call: &Call, command: args::Rollout) -> Result<Outcome, Failure> {
    match command {
        args::Rollout::Start(start) => self::start(call, start).await,
        args::Rollout::Show { number } => {
            let rollout = find(&call.hub().await?, number).await?;
            call.answer(|screen| draw(screen, &rollout, now()), || to_json(&rollout))?;
            Ok(Outcome::Done)
        }
        args::Rollout::List => list(call).await,
        args::Rollout::Watch { number } => watch::follow(call, number).await,
    }
}

/// Begins a rollout, and with it a trace that ends at the applied objects.
async fn start(call: &Call, arguments: args::Start) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let trace = begin_trace()?;
    let mut request = Request::new(StartRolloutRequest {
        config: arguments.config.clone(),
        version: arguments.version.unwrap_or(0),
        strategy: arguments.strategy.unwrap_or_default(),
        overwrite_drift: arguments.overwrite_drift,
    });
    if let Ok(value) = AsciiMetadataValue::try_from(trace.traceparent.as_str()) {
        request.metadata_mut().insert("traceparent", value);
    }
    let answer = hub.rollouts().start(request).await.map_err(|status| hub.refused(&status))?;
    let number = answer.into_inner().number;
    let trace_id = trace.traceparent.split('-').nth(1).unwrap_or_default();
    let started = |screen: &mut Screen| {
        let of = format!(" of meshconfig/{} ", arguments.config);
        screen.line(2, &[strong(format!("rollout/{number}")), plain(of), good("started")]);
    };
    call.event(started, || json!({"number": number, "config": arguments.config, "traceId": trace_id}))?;
    if arguments.wait {
        return watch::follow(call, number).await;
    }
    call.remark(|screen| {
        screen.line(2, &[faint(format!("follow it with: meshfleet rollout watch {number}"))]);
        screen.line(2, &[faint(format!("trace {trace_id}"))]);
    });
    Ok(Outcome::Done)
}

fn begin_trace() -> Result<TraceContext, Failure> {
    let mut random = [0; 24];
    getrandom::fill(&mut random).map_err(Failure::Random)?;
    Ok(TraceContext::begin(random))
}

/// One rollout as it is now.
pub async fn find(hub: &Hub, number: u64) -> Result<Rollout, Failure> {
    let answer = hub.rollouts().show(ShowRolloutRequest { number }).await;
    answer.map(tonic::Response::into_inner).map_err(|status| hub.refused(&status))
}

async fn list(call: &Call) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let answer = hub.rollouts().list(ListRolloutsRequest {}).await.map_err(|status| hub.refused(&status))?;
    let rollouts = answer.into_inner().rollouts;
    let json = || json!({"rollouts": rollouts.iter().map(to_json).collect::<Vec<_>>()});
    call.answer(|screen| draw_list(screen, &rollouts, now()), json)?;
    Ok(Outcome::Done)
}

fn draw_list(screen: &mut Screen, rollouts: &[Rollout], now: Timestamp) {
    if rollouts.is_empty() {
        screen.line(2, &[plain("no rollouts yet: begin one with `meshfleet rollout start CONFIG`")]);
        return;
    }
    let row = |rollout: &Rollout| {
        vec![
            strong(rollout.number.to_string()),
            plain(format!("{} v{}", rollout.config, rollout.version)),
            plain(or_dash(&rollout.strategy)),
            state(&rollout.state),
            plain(format!("{} by {}", time::since(now, &rollout.started_at), or_dash(&rollout.started_by))),
            plain(or_dash(&time::spoken(now, &rollout.reason))),
        ]
    };
    let header = ["NUMBER", "CONFIG", "STRATEGY", "STATE", "STARTED", "REASON"];
    screen.table(&header, &[5], &rollouts.iter().map(row).collect::<Vec<_>>());
}

/// A rollout with its clusters.
pub fn draw(screen: &mut Screen, rollout: &Rollout, now: Timestamp) {
    let Rollout {
        number, config, version, strategy, reason, started_by, started_at, ended_at, targets, ..
    } = rollout;
    let strategy = if strategy.is_empty() { "all at once" } else { strategy };
    let of = format!(" of meshconfig/{config} v{version}, {strategy}");
    screen.line(2, &[strong(format!("rollout/{number}")), plain(of)]);
    let mut pieces = vec![state(&rollout.state)];
    if !reason.is_empty() {
        pieces.push(plain(format!(": {}", time::spoken(now, reason))));
    }
    screen.line(2, &pieces);
    let mut times = format!("started {} by {}", time::since(now, started_at), or_dash(started_by));
    if !ended_at.is_empty() {
        times = format!("{times}, ended {}{}", time::since(now, ended_at), took(started_at, ended_at));
    }
    screen.line(2, &[faint(times)]);
    if !targets.is_empty() {
        screen.blank();
        let rows: Vec<Vec<Piece>> = targets.iter().map(row).collect();
        screen.table(&["WAVE", "CLUSTER", "STATE", "GENERATION", "PLAN", "TOOK"], &[], &rows);
    }
    for (clusters, target) in by_reason(targets) {
        screen.blank();
        screen.line(4, &[strong(clusters.join(", ")), plain("  "), state(&target.state)]);
        screen.line(4, &[plain("    "), plain(time::spoken(now, &target.reason))]);
    }
}

/// The clusters of which there is something to say; those of which the same is to be said together.
fn by_reason(targets: &[RolloutTarget]) -> Vec<(Vec<&str>, &RolloutTarget)> {
    let mut groups: Vec<(Vec<&str>, &RolloutTarget)> = Vec::new();
    for target in targets.iter().filter(|target| !target.reason.is_empty()) {
        let same = |other: &RolloutTarget| other.state == target.state && other.reason == target.reason;
        match groups.iter_mut().find(|(_, other)| same(other)) {
            Some((clusters, _)) => clusters.push(&target.cluster),
            None => groups.push((vec![&target.cluster], target)),
        }
    }
    groups
}

fn row(target: &RolloutTarget) -> Vec<Piece> {
    let RolloutTarget { cluster, wave, wave_name, state, generation, plan_digest, .. } = target;
    let wave = if wave_name.is_empty() { wave.to_string() } else { format!("{wave} {wave_name}") };
    let took = took(&target.started_at, &target.ended_at);
    let generation = if *generation == 0 { "-".to_owned() } else { generation.to_string() };
    vec![
        plain(wave),
        strong(cluster),
        self::state(state),
        plain(generation),
        faint(or_dash(&short(plan_digest))),
        plain(or_dash(took.strip_prefix(" after ").unwrap_or_default())),
    ]
}

fn took(started_at: &str, ended_at: &str) -> String {
    match ended_at.parse::<Timestamp>() {
        Ok(end) if !started_at.is_empty() => match time::ago(end, started_at).as_str() {
            "now" => " after 0s".to_owned(),
            span => format!(" after {span}"),
        },
        _ => String::new(),
    }
}

/// The state of a rollout or of one of its targets.
pub fn state(state: &str) -> Piece {
    match state {
        "Succeeded" => good(state),
        "Failed" | "TimedOut" | "Refused" => bad(state),
        "Blocked" => warning(state),
        "Pending" => faint(state),
        _ => plain(state),
    }
}

/// A rollout as JSON.
pub fn to_json(rollout: &Rollout) -> Value {
    let Rollout {
        number,
        config,
        version,
        strategy,
        state,
        reason,
        started_by,
        started_at,
        ended_at,
        targets,
    } = rollout;
    json!({
        "number": number, "config": config, "version": version, "strategy": strategy, "state": state,
        "reason": reason, "startedBy": started_by, "startedAt": started_at, "endedAt": ended_at,
        "targets": targets.iter().map(target_to_json).collect::<Vec<_>>(),
    })
}

/// One cluster of a rollout as JSON.
pub fn target_to_json(target: &RolloutTarget) -> Value {
    let RolloutTarget {
        cluster,
        wave,
        wave_name,
        state,
        reason,
        generation,
        plan_digest,
        started_at,
        ended_at,
    } = target;
    json!({
        "cluster": cluster, "wave": wave, "waveName": wave_name, "state": state, "reason": reason,
        "generation": generation, "planDigest": plan_digest, "startedAt": started_at, "endedAt": ended_at,
    })
}

#[cfg(test)]
pub mod tests;
