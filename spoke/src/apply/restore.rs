//! Putting one object right: what differs and was chosen is given its accepted value back, and nothing else.
//!
//! It is an apply of the accepted body. Of fields that differ and were not chosen, those that are ours no more are left out
//! of it, and those that still are keep the value that stands there: so neither changes.

use kube::api::{Patch, PatchParams};
use serde_json::Value;

use super::{
    Apply, Done, Failure, conflict,
    manifest::{APPLIED_BY, mark, marked, resource_version, uid},
    object::value,
};
use crate::{
    cluster::{self, Kind, bounded},
    digest::Digest,
    document::{self, ObjectId, Overwrite},
    drift::{Class, Item},
    floor,
    inventory::{Entry, Role},
    owned::{self, MANAGER, OwnedField, Ownership},
    path::{Element, Path},
    report::Outcome,
    writes,
};

/// What is to be put right of one object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Restoration<'a> {
    /// What our last apply left of it. Its body is the accepted one.
    pub(super) entry: &'a Entry,
    /// As it is; none if it is gone.
    pub(super) live: Option<&'a Value>,
    /// What is put right.
    pub(super) chosen: &'a [Item],
    /// What differs too, and stays.
    pub(super) left: &'a [Item],
}

/// Whether a restoration is sent, or only asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    Write,
    DryRun,
}

impl Apply {
    /// Puts an object right. Gives what the inventory is to say of it.
    pub(super) async fn restore(
        &self,
        restoration: Restoration<'_>,
        sending: Sending,
    ) -> Result<Entry, Failure> {
        let Restoration { entry, live, chosen, left } = restoration;
        let id = &entry.id;
        let mut manifest = self.accepted_manifest(entry, live);
        if let Some(what) = floor::breach(id, &manifest, &self.own_namespace) {
            return Err(Failure::Hopeless(Done { outcome: Outcome::Rejected, message: what }));
        }
        let left = paths(entry, left);
        if let Some(live) = live {
            keep(&mut manifest, live, &left);
            // Only onto the object that was looked at.
            manifest["metadata"]["uid"] = uid(live).into();
        }
        let params = PatchParams::apply(MANAGER).validation_strict();
        let response = match (self.restoring(id, &manifest, &params, sending).await, live) {
            (Err(writes::Error::Cluster(cluster::Error::Refused(status))), Some(live))
                if !conflict::held(&status).is_empty() =>
            {
                let held = conflict::held(&status);
                if !conflict::may_take(&held, live, &allowed(live, entry, chosen), &entry.role) {
                    let message = conflict::words(id, &held, live);
                    return Err(Failure::Hopeless(Done { outcome: Outcome::Conflict, message }));
                }
                // And by force only in the state that was looked at.
                manifest["metadata"]["resourceVersion"] = resource_version(live).into();
                self.restoring(id, &manifest, &params.force(), sending).await?
            }
            (answer, _) => answer?,
        };
        if sending == Sending::Write {
            self.live.wrote(id, response.clone(), std::time::Instant::now());
        }
        let baseline = merged(&entry.baseline, owned::baseline(&response), &left);
        Ok(Entry { uid: uid(&response).to_owned(), baseline, ..entry.clone() })
    }

    async fn restoring(
        &self,
        id: &ObjectId,
        manifest: &Value,
        params: &PatchParams,
        sending: Sending,
    ) -> Result<Value, writes::Error> {
        match sending {
            Sending::Write => self.patch(id, manifest, params).await,
            Sending::DryRun => {
                let api = self.cluster.api(&Kind::from(id), &id.namespace).await?;
                let dry = params.clone().dry_run();
                value(bounded(api.patch(&id.name, &dry, &Patch::Apply(manifest))).await?)
            }
        }
    }

    /// What is sent for an object as our last apply sent it.
    fn accepted_manifest(&self, entry: &Entry, live: Option<&Value>) -> Value {
        let body = self.body(entry.body);
        let body = match &entry.role {
            Role::Addition => return body,
            Role::Instance(_) => document::instance(body, &entry.id.namespace),
            Role::Created | Role::Adopted => body,
        };
        // What was taken over without a change does not carry our mark; what is made anew does.
        if live.is_none() || entry.baseline.iter().any(|field| is_mark(&field.path)) {
            marked(body, &mark(&self.content.target.cluster, entry.body))
        } else {
            body
        }
    }
}

fn is_mark(path: &Path) -> bool {
    let names = ["metadata", "annotations", APPLIED_BY];
    let is = |(element, name): (&Element, &str)| matches!(element, Element::Field(field) if field == name);
    path.elements().len() == names.len() && path.elements().iter().zip(names).all(is)
}

/// The paths of these differences, as our last apply spelled them.
fn paths(entry: &Entry, items: &[Item]) -> Vec<Path> {
    let differs = |field: &&OwnedField| items.iter().any(|item| item.path == field.path.to_string());
    entry.baseline.iter().filter(differs).map(|field| field.path.clone()).collect()
}

/// Makes a manifest leave these fields as they are.
fn keep(manifest: &mut Value, live: &Value, left: &[Path]) {
    let ours = owned::ours(live);
    for path in left {
        let is_ours = ours.is_some_and(|ours| ours.owns(path) != Ownership::None);
        match path.get(live).filter(|_| is_ours) {
            Some(stands) => path.replace(manifest, stands.clone()),
            None => path.remove(manifest),
        }
    }
}

/// The fields that may be taken by force: those that were chosen, with the values that stand there.
fn allowed(live: &Value, entry: &Entry, chosen: &[Item]) -> Vec<Overwrite> {
    let chosen: Vec<Item> = chosen.iter().filter(|item| item.class == Class::Overwritten).cloned().collect();
    let found = |path: &Path| path.get(live).map(Digest::of_value);
    let allow = |path: Path| {
        Some(Overwrite { uid: uid(live).to_owned(), path: path.to_string(), found: found(&path)? })
    };
    paths(entry, &chosen).into_iter().filter_map(allow).collect()
}

/// The baseline after an apply that left some fields out: those still count with what they should be.
fn merged(before: &[OwnedField], after: Vec<OwnedField>, left: &[Path]) -> Vec<OwnedField> {
    let new = |field: &&OwnedField| !before.iter().any(|known| known.path == field.path);
    let kept = before.iter().filter_map(|known| match left.contains(&known.path) {
        true => Some(known.clone()),
        false => after.iter().find(|field| field.path == known.path).cloned(),
    });
    kept.chain(after.iter().filter(new).cloned()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn live() -> Value {
        json!({
            "metadata": {"name": "x", "uid": "u", "managedFields": [
                {"manager": "meshfleet", "operation": "Apply", "fieldsV1": {"f:spec": {"f:mutated": {}, "f:fine": {}}}},
                {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {"f:taken": {}}}}]},
            "spec": {"mutated": "by a webhook", "taken": "by a person", "fine": 1},
        })
    }

    fn path(text: &str) -> Path {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_left_is_neither_given_up_nor_taken() {
        let body = json!({"kind": "X", "spec": {"mutated": "m", "taken": "t", "fine": 1, "wanted": 2},
            "data": {"removed": 3}});
        let mut manifest = body.clone();
        keep(&mut manifest, &live(), &[path(".spec.mutated"), path(".spec.taken"), path(".data.removed")]);
        assert_eq!(
            manifest,
            json!({"kind": "X", "spec": {"mutated": "by a webhook", "fine": 1, "wanted": 2}}),
            "ours keeps the value that stands there; theirs, and what is gone, is not sent"
        );
        let mut whole = body.clone();
        keep(&mut whole, &live(), &[]);
        assert_eq!(whole, body);
    }

    #[test]
    fn what_is_left_still_differs_afterwards() {
        let field = |text: &str, value: i64| OwnedField { path: path(text), value: json!(value) };
        let before = [field(".a", 1), field(".b", 1), field(".c", 1)];
        let after = vec![field(".a", 2), field(".d", 2)];
        let expected = [field(".a", 2), field(".b", 1), field(".d", 2)];
        assert_eq!(merged(&before, after, &[path(".b")]), expected);
    }

    #[test]
    fn the_mark_is_known_by_its_path() {
        assert!(is_mark(&path(r#".metadata.annotations["meshfleet.dev/applied-by"]"#)));
        assert!(!is_mark(&path(".metadata.annotations.other")));
    }
}
