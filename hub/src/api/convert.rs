//! What several nouns have in common, written for the wire.

use hub_core::{
    document::Change,
    drift::{Actor, DriftClass, DriftItem, DriftState},
    plan::{Finding, ObjectId, Severity},
    platform::Detection,
    report::{ObjectState, Outcome, Role},
};
use jiff::Timestamp;
use proto::v1;
use serde_json::Value;

/// RFC 3339; empty if there is none.
pub(super) fn time(at: Option<Timestamp>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}

/// The platform's name and its detail. Before a first session nothing is known.
pub(super) fn platform(detection: Option<Detection>) -> (String, String) {
    let Some(detection) = detection else { return ("unknown".to_owned(), String::new()) };
    let name = detection.platform.map_or("unknown".to_owned(), |platform| platform.to_string());
    (name, detection.detail)
}

/// One leaf that differs, with its values in JSON.
pub(super) fn document_change((path, old, new): Change) -> v1::DocumentChange {
    let json = |value: Option<Value>| value.map(|value| value.to_string()).unwrap_or_default();
    v1::DocumentChange { path, old: json(old), new: json(new) }
}

pub(super) fn object_id(id: ObjectId) -> v1::ObjectId {
    let ObjectId { group, version, kind, namespace, name } = id;
    v1::ObjectId { group, version, kind, namespace, name }
}

pub(super) fn object_state(state: ObjectState) -> v1::ObjectState {
    let ObjectState { id, role, uid, body, outcome, healthy, message, generation } = state;
    v1::ObjectState {
        id: Some(object_id(id)),
        role: self::role(role).into(),
        uid,
        body_digest: body.map(|digest| digest.as_bytes().to_vec()).unwrap_or_default(),
        outcome: self::outcome(outcome).into(),
        healthy,
        message,
        generation,
    }
}

fn role(role: Role) -> v1::Role {
    match role {
        Role::Created => v1::Role::Created,
        Role::Adopted => v1::Role::Adopted,
        Role::Expected => v1::Role::Expected,
        Role::Addition => v1::Role::Addition,
        Role::Instance => v1::Role::Instance,
    }
}

fn outcome(outcome: Outcome) -> v1::Outcome {
    match outcome {
        Outcome::Pending => v1::Outcome::Pending,
        Outcome::Created => v1::Outcome::Created,
        Outcome::Changed => v1::Outcome::Changed,
        Outcome::Unchanged => v1::Outcome::Unchanged,
        Outcome::Deleted => v1::Outcome::Deleted,
        Outcome::Conflict => v1::Outcome::Conflict,
        Outcome::AdoptionRequired => v1::Outcome::AdoptionRequired,
        Outcome::Rejected => v1::Outcome::Rejected,
        Outcome::Unreachable => v1::Outcome::Unreachable,
        Outcome::Left => v1::Outcome::Left,
        Outcome::Unfulfilled => v1::Outcome::Unfulfilled,
        Outcome::Fulfilled => v1::Outcome::Fulfilled,
        Outcome::InUse => v1::Outcome::InUse,
    }
}

pub(super) fn drift_item(item: DriftItem) -> v1::DriftItem {
    let DriftItem { id, uid, path, class, baseline, found, found_digest, actor, state, heals } = item;
    let state = match state {
        DriftState::Seen => v1::DriftState::Seen,
        DriftState::Healing => v1::DriftState::Healing,
        DriftState::Fighting => v1::DriftState::Fighting,
    };
    let (manager, operation, subresource, written_at) = match actor {
        Some(Actor { manager, operation, subresource, at }) => (manager, operation, subresource, time(at)),
        None => Default::default(),
    };
    v1::DriftItem {
        id: Some(object_id(id)),
        uid,
        path,
        class: drift_class(class).into(),
        baseline: baseline.unwrap_or_default(),
        found: found.unwrap_or_default(),
        found_digest: found_digest.map(|digest| digest.as_bytes().to_vec()).unwrap_or_default(),
        manager,
        operation,
        subresource,
        written_at,
        state: state.into(),
        heals,
    }
}

pub(super) fn drift_class(class: DriftClass) -> v1::DriftClass {
    match class {
        DriftClass::Overwritten => v1::DriftClass::Overwritten,
        DriftClass::Removed => v1::DriftClass::Removed,
        DriftClass::Deleted => v1::DriftClass::Deleted,
        DriftClass::Recreated => v1::DriftClass::Recreated,
        DriftClass::Unfulfilled => v1::DriftClass::Unfulfilled,
    }
}

pub(super) fn finding(finding: Finding) -> v1::Finding {
    let Finding { rule, severity, message, hint } = finding;
    let blocking = match severity {
        Severity::Blocks => true,
        Severity::Warns => false,
    };
    v1::Finding { rule, blocking, message, hint }
}
