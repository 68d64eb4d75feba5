//! The status of clusters as JSON.

use proto::v1::{ClusterStatus, Condition, ObjectState, Outcome as ObjectOutcome, Role};
use serde_json::{Value, json};

use super::restarts::Restart;
use crate::plan;

/// What became of an object.
pub fn outcome(outcome: ObjectOutcome) -> &'static str {
    match outcome {
        ObjectOutcome::Unspecified => "unspecified",
        ObjectOutcome::Pending => "pending",
        ObjectOutcome::Created => "created",
        ObjectOutcome::Changed => "changed",
        ObjectOutcome::Unchanged => "unchanged",
        ObjectOutcome::Deleted => "deleted",
        ObjectOutcome::Conflict => "conflict",
        ObjectOutcome::AdoptionRequired => "adoptionRequired",
        ObjectOutcome::Rejected => "rejected",
        ObjectOutcome::Unreachable => "unreachable",
        ObjectOutcome::Left => "left",
        ObjectOutcome::Unfulfilled => "unfulfilled",
        ObjectOutcome::Fulfilled => "fulfilled",
        ObjectOutcome::InUse => "inUse",
    }
}

/// How an object came to be.
pub fn role(role: Role) -> &'static str {
    match role {
        Role::Unspecified => "unspecified",
        Role::Created => "created",
        Role::Adopted => "adopted",
        Role::Expected => "expected",
        Role::Addition => "addition",
        Role::Instance => "instance",
    }
}

/// Pods that need a restart.
pub fn restart(restart: &Restart) -> Value {
    let Restart { namespace, count, proxy, control_plane } = restart;
    json!({"namespace": namespace, "pods": count, "proxy": proxy, "controlPlane": control_plane})
}

/// The status of a cluster.
pub fn cluster(status: &ClusterStatus) -> Value {
    let ClusterStatus {
        cluster,
        platform,
        platform_detail,
        config,
        version,
        generation,
        conditions,
        objects,
    } = status;
    let conditions = conditions.iter().map(|Condition { r#type, status, reason, message, hint }| {
        json!({"type": r#type, "status": status, "reason": reason, "message": message, "hint": hint})
    });
    json!({
        "cluster": cluster, "platform": platform, "platformDetail": platform_detail, "config": config,
        "version": version, "generation": generation, "conditions": conditions.collect::<Vec<_>>(),
        "objects": objects.iter().map(object).collect::<Vec<_>>(),
    })
}

fn object(object: &ObjectState) -> Value {
    let ObjectState { id, role: _, uid, body_digest, outcome: _, healthy, message, generation } = object;
    let digest: String = body_digest.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "id": plan::json::id(id.as_ref()), "role": role(object.role()), "uid": uid, "bodyDigest": digest,
        "outcome": outcome(object.outcome()), "healthy": healthy, "message": message, "generation": generation,
    })
}
