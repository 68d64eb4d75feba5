//! Conflicts over fields: who holds what, and whether the target says that it may be taken.
//!
//! Pure. Force takes every field in conflict at once, so it is used only if each of them was seen, asked for, and still has
//! the value that was seen; or if the object was taken over and the field is ours still, because then its value is the one
//! that we agreed on with its former holder: a write of another value would have ended our share in it.

use kube::core::Status;
use serde_json::Value;

use super::manifest::uid;
use crate::{
    digest::Digest,
    document::{ObjectId, Overwrite},
    drift,
    inventory::Role,
    owned::{managers, ours},
    path::Path,
};

/// A field that another manager holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// The field, as the API server spells it.
    pub(super) field: String,
    /// The API server's words, which name the holder.
    pub(super) holder: String,
}

/// The fields in conflict; empty if the refusal is about something else.
pub(super) fn held(status: &Status) -> Vec<Held> {
    let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
    let conflicts =
        causes.iter().filter(|cause| status.code == 409 && cause.reason == "FieldManagerConflict");
    conflicts.map(|cause| Held { field: cause.field.clone(), holder: cause.message.clone() }).collect()
}

/// Whether all of these fields may be taken from `live` by force.
pub(super) fn may_take(held: &[Held], live: &Value, overwrite: &[Overwrite], role: &Role) -> bool {
    let shared = |field: &Held| {
        let leaves = ours(live).map(|ours| ours.leaves()).unwrap_or_default();
        *role == Role::Adopted && leaves.iter().any(|path| path.to_string() == field.field)
    };
    let seen = |field: &Held| {
        let found = path(live, &field.field).and_then(|path| path.get(live).map(Digest::of_value));
        overwrite.iter().any(|allowed| {
            allowed.uid == uid(live) && allowed.path == field.field && Some(allowed.found) == found
        })
    };
    !held.is_empty() && held.iter().all(|field| seen(field) || shared(field))
}

/// The path that is spelled so in some manager's fields.
fn path(live: &Value, field: &str) -> Option<Path> {
    managers(live).flat_map(|manager| manager.paths()).find(|path| path.to_string() == field)
}

/// Says who holds what.
pub(super) fn words(id: &ObjectId, held: &[Held], live: &Value) -> String {
    let secret = id.kind == "Secret";
    let one = |field: &Held| {
        let value = path(live, &field.field).and_then(|path| path.get(live).map(drift::shown));
        match value.filter(|value| !secret && value.len() <= 200) {
            Some(value) => format!("{} = {value}: {}", field.field, field.holder),
            None => format!("{}: {}", field.field, field.holder),
        }
    };
    held.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use kube::core::response::{StatusCause, StatusDetails};
    use serde_json::json;

    use super::*;

    fn live() -> Value {
        json!({
            "metadata": {"uid": "u1", "managedFields": [
                {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {"f:version": {}, "f:mode": {}}}}]},
            "spec": {"version": "1.16", "mode": "PASSIVE"},
        })
    }

    fn conflict(fields: &[&str]) -> Vec<Held> {
        let cause = |field: &&str| StatusCause {
            reason: "FieldManagerConflict".to_owned(),
            message: "conflict with \"kubectl-edit\" using v1".to_owned(),
            field: (*field).to_owned(),
        };
        let causes = fields.iter().map(cause).collect();
        let details = Some(StatusDetails { causes, ..serde_json::from_value(json!({})).unwrap() });
        held(&Status { code: 409, details, ..Status::default() })
    }

    fn allowed(uid: &str, path: &str, found: Value) -> Overwrite {
        Overwrite { uid: uid.to_owned(), path: path.to_owned(), found: Digest::of_value(&found) }
    }

    #[test]
    fn only_what_was_seen_and_asked_for_is_taken() {
        let one = conflict(&[".spec.version"]);
        let both = conflict(&[".spec.version", ".spec.mode"]);
        let version = allowed("u1", ".spec.version", json!("1.16"));
        assert!(may_take(&one, &live(), std::slice::from_ref(&version), &Role::Created));
        assert!(
            !may_take(&both, &live(), std::slice::from_ref(&version), &Role::Created),
            "one of two was asked for"
        );
        assert!(may_take(
            &both,
            &live(),
            &[version, allowed("u1", ".spec.mode", json!("PASSIVE"))],
            &Role::Created
        ));
        assert!(
            !may_take(&one, &live(), &[allowed("u1", ".spec.version", json!("1.15"))], &Role::Created),
            "another value since"
        );
        assert!(
            !may_take(&one, &live(), &[allowed("u0", ".spec.version", json!("1.16"))], &Role::Created),
            "another object since"
        );
        assert!(!may_take(&one, &live(), &[], &Role::Created));
        assert!(!may_take(&[], &live(), &[allowed("u1", ".spec.version", json!("1.16"))], &Role::Created));
    }

    #[test]
    fn what_was_taken_over_is_ours_alone_once_it_changes() {
        let mut live = live();
        let one = conflict(&[".spec.version"]);
        let both = conflict(&[".spec.version", ".spec.mode"]);
        assert!(!may_take(&one, &live, &[], &Role::Adopted), "somebody wrote another value since");
        let entries = live["metadata"]["managedFields"].as_array_mut().unwrap();
        entries.push(json!({"manager": crate::owned::MANAGER, "operation": "Apply", "fieldsV1": {"f:spec": {"f:version": {}}}}));
        assert!(may_take(&one, &live, &[], &Role::Adopted));
        assert!(!may_take(&both, &live, &[], &Role::Adopted), "the mode was never ours");
        assert!(
            !may_take(&one, &live, &[], &Role::Created),
            "what we made is shared only by somebody who wants it so"
        );
    }

    #[test]
    fn the_words_name_the_holder_and_the_value() {
        let id = json!({"group": "", "version": "v1", "kind": "ControlPlane", "namespace": "", "name": "x"});
        let id: ObjectId = serde_json::from_value(id).unwrap();
        let words = words(&id, &conflict(&[".spec.version"]), &live());
        assert!(words.contains("kubectl-edit") && words.contains("1.16"), "{words}");
    }
}
