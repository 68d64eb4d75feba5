//! A rollout as JSON.

use proto::v1::{Rollout, RolloutProgress, RolloutTarget};
use serde_json::{Value, json};

/// A rollout, with its targets where the hub sent them.
pub fn rollout(rollout: &Rollout) -> Value {
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
        kind,
        progress,
        max_unavailable,
    } = rollout;
    json!({
        "number": number, "config": config, "version": version, "strategy": strategy, "state": state,
        "reason": reason, "startedBy": started_by, "startedAt": started_at, "endedAt": ended_at, "kind": kind,
        "progress": progress.as_ref().map(self::progress), "maxUnavailable": max_unavailable,
        "targets": targets.iter().map(target).collect::<Vec<_>>(),
    })
}

/// How far a rollout is.
pub fn progress(progress: &RolloutProgress) -> Value {
    let RolloutProgress { total, succeeded, failed, in_flight, blocked, pending, skipped } = progress;
    json!({
        "total": total, "succeeded": succeeded, "failed": failed, "inFlight": in_flight, "blocked": blocked,
        "pending": pending, "skipped": skipped,
    })
}

/// One cluster of a rollout.
pub fn target(target: &RolloutTarget) -> Value {
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
        disruption,
    } = target;
    json!({
        "cluster": cluster, "wave": wave, "waveName": wave_name, "state": state, "reason": reason,
        "generation": generation, "planDigest": plan_digest, "startedAt": started_at, "endedAt": ended_at,
        "disruption": disruption,
    })
}
