//! Conditions and the one state that is made of them.
//!
//! Plays section 6: the state is the reason of the first condition that is not
//! True, and Healthy if all are; only ready pods are counted, so Healthy comes
//! early.

use kube::api::{ApiResource, DynamicObject, Patch};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::context::Failure;
use super::release::as_manager;

/// One condition. `holds` is None while nothing is known.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    kind: &'static str,
    holds: Option<bool>,
    reason: &'static str,
    message: String,
}

impl Condition {
    /// One that holds.
    pub(super) fn yes(kind: &'static str) -> Self {
        Self { kind, holds: Some(true), reason: "", message: String::new() }
    }

    /// One that does not, and why.
    pub(super) fn no(kind: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind, holds: Some(false), reason, message: message.into() }
    }

    /// One of which nothing is known, not even a reason.
    fn unknown(kind: &'static str) -> Self {
        Self { kind, holds: None, reason: "", message: String::new() }
    }

    /// What became of a reconcile.
    pub(super) fn reconciled(outcome: &Result<(), Failure>) -> Self {
        match outcome {
            Ok(()) => Self::yes("Reconciled"),
            Err(failure) => {
                Self::no("Reconciled", "ReconcileError", format!("error reconciling resource: {failure}"))
            }
        }
    }

    fn object(&self, former: &Value) -> Value {
        let status = match self.holds {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        };
        let same = |live: &&Value| live["type"] == self.kind && live["status"] == status;
        let since = former.as_array().into_iter().flatten().find(same);
        let now = || jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let since =
            since.and_then(|live| live["lastTransitionTime"].as_str()).map_or_else(now, str::to_owned);
        let mut object = json!({"type": self.kind, "status": status, "lastTransitionTime": since});
        for (key, text) in [("reason", self.reason), ("message", &self.message)] {
            if !text.is_empty() {
                object[key] = Value::from(text);
            }
        }
        object
    }
}

/// The state that goes with these, in this order.
pub(super) fn state(conditions: &[Condition]) -> &'static str {
    conditions
        .iter()
        .find(|condition| condition.holds != Some(true))
        .map_or("Healthy", |condition| condition.reason)
}

/// A status of such conditions; `aside` are shown and do not count for the state.
pub(super) fn of(object: &DynamicObject, counted: &[Condition], aside: &[Condition]) -> Value {
    let former = &object.data["status"]["conditions"];
    let all: Vec<Value> = counted.iter().chain(aside).map(|condition| condition.object(former)).collect();
    json!({
        "observedGeneration": object.metadata.generation,
        "state": state(counted),
        "conditions": all,
    })
}

/// What an Istio shows of its revision: a copy of what stands there, however old.
pub(super) fn copied(istio: &DynamicObject, revision: &DynamicObject) -> Value {
    let theirs = &revision.data["status"];
    let kinds = ["Reconciled", "Ready", "DependenciesHealthy"];
    let live = theirs["conditions"].as_array();
    let copy = |kind: &'static str| {
        let found = live.into_iter().flatten().find(|condition| condition["type"] == kind);
        let former = &istio.data["status"]["conditions"];
        found.cloned().unwrap_or_else(|| Condition::unknown(kind).object(former))
    };
    json!({
        "observedGeneration": istio.metadata.generation,
        "state": theirs["state"].as_str().unwrap_or_default(),
        "conditions": kinds.map(copy),
        "activeRevisionName": revision.name_any(),
    })
}

/// Writes all of the status, unless it says that already.
pub(super) async fn write(
    client: &Client,
    kind: &ApiResource,
    object: &DynamicObject,
    status: &Value,
) -> Result<(), kube::Error> {
    if object.data["status"] == *status {
        return Ok(());
    }
    let objects: Api<DynamicObject> = Api::all_with(client.clone(), kind);
    let patch = Patch::Merge(json!({"status": status}));
    match objects.patch_status(&object.name_any(), &as_manager(), &patch).await {
        Err(kube::Error::Api(answer)) if answer.is_not_found() => Ok(()),
        outcome => outcome.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_does_not_hold_is_the_state() {
        let ready = Condition::no("Ready", "IstiodNotReady", "");
        let dependencies = Condition::no("DependenciesHealthy", "IstioCNINotFound", "");
        assert_eq!(state(&[Condition::yes("Reconciled"), ready, dependencies.clone()]), "IstiodNotReady");
        assert_eq!(state(&[Condition::yes("Reconciled"), dependencies]), "IstioCNINotFound");
        assert_eq!(state(&[Condition::yes("Ready")]), "Healthy");
        assert_eq!(state(&[Condition::unknown("Ready")]), "");
    }
}
