//! What is sent for an object: its body, marked as applied by this cluster's spoke.
//!
//! Pure. The mark lets a spoke that was killed between a write and its inventory know its own work again.

use serde_json::Value;

use crate::{digest::Digest, owned};

/// The annotation that marks what was applied.
pub(super) const APPLIED_BY: &str = "meshfleet.dev/applied-by";

/// The mark of a body in a cluster.
pub(super) fn mark(cluster: &str, body: Digest) -> String {
    format!("{cluster}/{body}")
}

/// The mark that stands on an object.
pub(super) fn mark_on(object: &Value) -> Option<&str> {
    object["metadata"]["annotations"][APPLIED_BY].as_str()
}

/// A body with its mark.
pub(super) fn marked(mut body: Value, mark: &str) -> Value {
    let annotations = &mut body["metadata"]["annotations"];
    if !annotations.is_object() {
        *annotations = serde_json::json!({});
    }
    annotations[APPLIED_BY] = mark.into();
    body
}

/// A body with the mark that we left on the object that is there, if any: what stays as it is is no change.
pub(crate) fn keeping_mark(body: Value, live: &Value) -> Value {
    match mark_on(live).filter(|_| owned::ours(live).is_some()) {
        Some(mark) => marked(body, mark),
        None => body,
    }
}

/// The uid of an object; empty if it has none.
pub(super) fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

/// The resourceVersion of an object; empty if it has none.
pub(super) fn resource_version(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().unwrap_or_default()
}
