//! Whose is what stands there? Decided before anything is written.
//!
//! Pure. An object is ours if its uid is in the inventory, or if it carries our mark for a body of the accepted target and
//! our own apply in its managedFields: then a spoke was killed between the write and the inventory.

use serde_json::Value;

use super::manifest::{mark_on, uid};
use crate::{digest::Digest, document::Adopt, drift, inventory::Entry, owned};

/// How an object stands to what is planned for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It does not exist.
    Absent,
    /// It is ours and as planned, and that is written down.
    Unchanged,
    /// It is ours and as planned, and that is not written down: a former life wrote it.
    Written,
    /// It is ours, and something differs.
    Ours,
    /// It is somebody else's.
    Stranger,
}

/// What is planned for an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planned<'a> {
    /// Its body, as it is sent.
    pub(super) manifest: &'a Value,
    /// The body's digest.
    pub(super) digest: Digest,
    /// The body's mark.
    pub(super) mark: &'a str,
}

/// Decides how `live` stands to what is planned and known.
pub(super) fn standing(live: Option<&Value>, entry: Option<&Entry>, planned: Planned<'_>) -> Standing {
    let Some(live) = live else { return Standing::Absent };
    let entry = entry.filter(|entry| entry.uid == uid(live));
    if entry.is_some_and(|entry| entry.body == planned.digest && drift::same(entry, live)) {
        return Standing::Unchanged;
    }
    let ours = owned::ours(live).filter(|_| mark_on(live) == Some(planned.mark));
    match (ours, entry) {
        // A field that another manager changed since is not in our entry any more, so each leaf is as we sent it.
        (Some(ours), _) if ours.covers(planned.manifest) => Standing::Written,
        (Some(_), _) | (None, Some(_)) => Standing::Ours,
        (None, None) => Standing::Stranger,
    }
}

/// Whether a former life took a stranger's object over and did not write that down. Taking over what would not change
/// leaves no mark, for that would be a change; that all of the body is owned by our apply is the trace of it.
pub(super) fn is_taken_over(adopt: Adopt, body: &Value, live: &Value) -> bool {
    adopt == Adopt::IfNoDiff
        && mark_on(live).is_none()
        && owned::ours(live).is_some_and(|ours| ours.covers(body))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        apply::manifest::{mark, marked},
        inventory::{Outcome, Role},
    };

    fn digest() -> Digest {
        Digest::of(b"body")
    }

    fn manifest() -> Value {
        let body =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "1"}});
        marked(body, &mark("c1", digest()))
    }

    fn live() -> Value {
        let mut live = manifest();
        live["metadata"]["uid"] = json!("u1");
        live["metadata"]["managedFields"] = json!([{"manager": "meshfleet", "operation": "Apply", "fieldsV1": {
            "f:metadata": {"f:annotations": {"f:meshfleet.dev/applied-by": {}}}, "f:data": {"f:a": {}}}}]);
        live
    }

    fn entry(uid: &str, body: &[u8]) -> Entry {
        let id = json!({"group": "", "version": "v1", "kind": "ConfigMap", "namespace": "", "name": "x"});
        Entry {
            id: serde_json::from_value(id).unwrap(),
            uid: uid.to_owned(),
            role: Role::Created,
            generation: 1,
            outcome: Outcome::Created,
            body: Digest::of(body),
            baseline: owned::baseline(&live()),
        }
    }

    fn decide(live: Option<&Value>, entry: Option<&Entry>) -> Standing {
        let (manifest, mark) = (manifest(), mark("c1", digest()));
        standing(live, entry, Planned { manifest: &manifest, digest: digest(), mark: &mark })
    }

    #[test]
    fn what_is_ours_is_known_again() {
        let (known, older) = (entry("u1", b"body"), entry("u1", b"older body"));
        assert_eq!(decide(None, Some(&known)), Standing::Absent);
        assert_eq!(decide(Some(&live()), Some(&known)), Standing::Unchanged);
        assert_eq!(decide(Some(&live()), None), Standing::Written, "killed between create and inventory");
        assert_eq!(
            decide(Some(&live()), Some(&older)),
            Standing::Written,
            "killed between change and inventory"
        );
    }

    #[test]
    fn what_drifted_is_still_ours() {
        let mut edited = live();
        edited["data"]["a"] = json!("2");
        edited["metadata"]["managedFields"][0]["fieldsV1"].as_object_mut().unwrap().remove("f:data");
        assert_eq!(decide(Some(&edited), Some(&entry("u1", b"body"))), Standing::Ours);
        assert_eq!(decide(Some(&edited), None), Standing::Ours);
    }

    #[test]
    fn what_was_taken_over_is_known_by_its_owner_alone() {
        let body =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "1"}});
        let mut unmarked = live();
        unmarked["metadata"]["annotations"] = json!({});
        assert!(is_taken_over(Adopt::IfNoDiff, &body, &unmarked));
        assert!(!is_taken_over(Adopt::Never, &body, &unmarked), "nothing was to be taken over");
        assert!(!is_taken_over(Adopt::IfNoDiff, &body, &live()), "the mark of another body");
        unmarked["metadata"]["managedFields"][0]["manager"] = json!("kubectl-create");
        assert!(!is_taken_over(Adopt::IfNoDiff, &body, &unmarked));
    }

    #[test]
    fn a_stranger_is_told_from_ours() {
        let mut unmarked = live();
        unmarked["metadata"]["annotations"] = json!({});
        assert_eq!(decide(Some(&unmarked), None), Standing::Stranger);
        assert_eq!(
            decide(Some(&unmarked), Some(&entry("u0", b"body"))),
            Standing::Stranger,
            "made anew by somebody"
        );
        let mut copied = live();
        copied["metadata"]["managedFields"][0]["manager"] = json!("kubectl-create");
        assert_eq!(decide(Some(&copied), None), Standing::Stranger, "a copy with our mark and not our apply");
        let mut foreign = live();
        foreign["metadata"]["annotations"]["meshfleet.dev/applied-by"] = json!(mark("c2", digest()));
        assert_eq!(decide(Some(&foreign), None), Standing::Stranger, "another cluster's");
    }
}
