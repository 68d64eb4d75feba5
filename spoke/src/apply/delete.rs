//! Deletions: only what the target names, only by uid, only what is in the inventory.

use std::{collections::BTreeSet, time::Duration};

use kube::api::{DeleteParams, Preconditions};
use serde_json::Value;
use tracing::Instrument as _;

use super::{Apply, Done, Failure, Interrupted, Round, in_use, manifest::uid, order, outcome};
use crate::{
    cluster::{self, Kind},
    document::{Deletion, ObjectId},
    inventory::{Entry, Inventory, Role},
    report::Outcome,
    writes::{self, Purpose},
};

/// How long an object that is to be deleted is given between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is to be done about an object that is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Decision {
    /// It is gone, or another stands in its place.
    Gone,
    /// It is not ours: leave it.
    Leave(&'static str),
    /// It is on its way.
    Wait(String),
    /// Delete it, by this uid.
    Delete(String),
}

/// Decides on an object that is to go. `entry` is what the inventory says of it.
fn decide(deletion: &Deletion, entry: Option<&Entry>, live: Option<&Value>) -> Decision {
    let Some(live) = live else { return Decision::Gone };
    let Some(entry) = entry else {
        return Decision::Leave("it is not in the inventory, so it is not ours");
    };
    if entry.role == Role::Addition {
        return Decision::Leave("it is somebody else's, with fields of ours");
    }
    let ours = entry.uid.as_str();
    if !deletion.uid.is_empty() && deletion.uid != ours {
        return Decision::Leave("what is in the inventory is another than is meant, by uid");
    }
    if uid(live) != ours {
        return Decision::Gone;
    }
    if live["metadata"]["deletionTimestamp"].is_string() {
        return Decision::Wait(format!("is being deleted; finalizers: {}", live["metadata"]["finalizers"]));
    }
    Decision::Delete(ours.to_owned())
}

impl Apply {
    /// Deletes what the target names, until all of it is gone, or is in use.
    pub(super) async fn deletions(&mut self) -> Result<(), Interrupted> {
        let deletions = self.to_delete();
        let told = deletions.clone();
        self.tell(|progress| progress.deletions = told);
        loop {
            self.thaw().await?;
            let mut round = Round::default();
            let mut kept = Vec::new();
            for deletion in &deletions {
                if self.stop.is_cancelled() {
                    return Err(Interrupted);
                }
                if self.woken() {
                    self.tend().await?;
                }
                let became = self.delete(deletion).await;
                if matches!(became, Ok(Done { outcome: Outcome::InUse, .. })) {
                    kept.push(deletion.clone());
                }
                self.take_note(&deletion.id, became, &mut round)?;
            }
            if self.settle(round, None).await? {
                self.tending.keep(kept);
                return Ok(());
            }
        }
    }

    /// Everything that is to go, in the order in which it goes.
    fn to_delete(&self) -> Vec<Deletion> {
        order::of_deletions(self.content.target.resolved(&self.inventory))
    }

    /// Takes up again what was in use when a former life came through.
    pub(super) fn take_up_deletions(&mut self) {
        let deletions = self.to_delete();
        let ours = |deletion: &&Deletion| {
            deletion.keep_while.is_some() && self.inventory.get(&deletion.id).is_some()
        };
        self.tending.keep(deletions.iter().filter(ours).cloned().collect());
        self.tell(|progress| progress.deletions = deletions);
    }

    pub(super) async fn delete(&mut self, deletion: &Deletion) -> Result<Done, Failure> {
        let id = &deletion.id;
        let live = match self.cluster.get(id).await {
            // A kind that is not served has no objects.
            Err(cluster::Error::NotServed { .. }) => None,
            found => found.map_err(writes::Error::from)?,
        };
        let entry = self.inventory.get(id);
        if live.is_some() && entry.is_some_and(|entry| self.content.plan.template_of(entry).is_some()) {
            let message = "it is an instance of a template of the plan".to_owned();
            return Ok(Done { outcome: Outcome::Left, message });
        }
        match decide(deletion, entry, live.as_ref()) {
            Decision::Gone => {
                self.inventory.remove(id);
                Ok(Done { outcome: Outcome::Deleted, message: String::new() })
            }
            Decision::Leave(why) => Ok(Done { outcome: Outcome::Left, message: why.to_owned() }),
            Decision::Wait(why) => Err(Failure::Underway(LOOK_EVERY, why)),
            Decision::Delete(uid) => {
                if let Some(done) = self.in_use(deletion).await? {
                    return Ok(done);
                }
                let span = self.span("delete object", id);
                self.send_delete(id, uid).instrument(span.clone()).await.inspect_err(|failure| {
                    outcome(&span, Err(failure));
                })?;
                span.record("outcome", "Deleted");
                tracing::info!(object = %id, generation = self.generation(), why = %deletion.why, "deleted");
                Err(Failure::Underway(Duration::from_millis(200), "is being deleted".to_owned()))
            }
        }
    }

    /// Whether an object is to be left because pods need it.
    async fn in_use(&self, deletion: &Deletion) -> Result<Option<Done>, Failure> {
        let Some(keep_while) = &deletion.keep_while else { return Ok(None) };
        let annotation = &keep_while.pods_annotated;
        let pod = in_use::by_pod(&self.cluster, &deletion.id.namespace, annotation).await;
        Ok(pod.map_err(writes::Error::from)?.map(|pod| Done {
            outcome: Outcome::InUse,
            message: format!("left while pods with the annotation {annotation} run, such as {pod}"),
        }))
    }

    async fn send_delete(&self, id: &ObjectId, uid: String) -> Result<(), Failure> {
        let api = self.cluster.api(&Kind::from(id), &id.namespace).await.map_err(writes::Error::from)?;
        let preconditions = Preconditions { uid: Some(uid), resource_version: None };
        let how = DeleteParams::background().preconditions(preconditions);
        match self.writes.send(Purpose::Target(self.generation()), api.delete(&id.name, &how)).await {
            Ok(_) => Ok(()),
            Err(writes::Error::Cluster(error)) if error.is_not_found() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl crate::document::Target {
    /// Everything that is to go: what is named, and what the inventory knows as instances of templates that are.
    #[must_use]
    pub fn resolved(&self, inventory: &Inventory) -> Vec<Deletion> {
        let instances = inventory.entries().filter_map(|entry| {
            let deletion = self.deletes_instance(&entry.origin()?.template, &entry.id)?;
            let (why, keep_while) = (deletion.why.clone(), deletion.keep_while.clone());
            Some(Deletion { id: entry.id.clone(), uid: entry.uid.clone(), why, keep_while })
        });
        let mut named = BTreeSet::new();
        let all = self.deletions.iter().cloned().chain(instances);
        all.filter(|deletion| named.insert(deletion.id.key())).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{digest::Digest, document::Target, inventory};

    fn id(namespace: &str) -> ObjectId {
        serde_json::from_value(
            json!({"group": "", "version": "v1", "kind": "ConfigMap", "namespace": namespace, "name": "x"}),
        )
        .unwrap()
    }

    fn entry(namespace: &str, uid: &str, role: Role) -> Entry {
        Entry {
            id: id(namespace),
            uid: uid.to_owned(),
            role,
            generation: 1,
            outcome: inventory::Outcome::Created,
            body: Digest::of(b""),
            baseline: Vec::new(),
        }
    }

    fn instance(namespace: &str, template: &str) -> Entry {
        let origin = inventory::Origin { template: template.to_owned(), namespace: String::new() };
        entry(namespace, &format!("uid in {namespace}"), Role::Instance(origin))
    }

    #[test]
    fn only_what_is_ours_is_deleted() {
        let deletion = |uid: &str| -> Deletion {
            serde_json::from_value(json!({"id": id("mesh"), "uid": uid, "why": "left the plan"})).unwrap()
        };
        let ours = |uid: &str| entry("mesh", uid, Role::Created);
        let live = json!({"metadata": {"uid": "u1"}});
        let leaving = json!({"metadata": {"uid": "u1", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a/b"]}});
        let delete = Decision::Delete("u1".to_owned());
        let cases = [
            (decide(&deletion("u1"), Some(&ours("u1")), Some(&live)), delete.clone(), "ours by uid"),
            (decide(&deletion(""), Some(&ours("u1")), Some(&live)), delete, "the inventory gives the uid"),
            (
                decide(&deletion("u0"), Some(&ours("u0")), Some(&live)),
                Decision::Gone,
                "made anew by somebody",
            ),
            (decide(&deletion("u1"), Some(&ours("u1")), None), Decision::Gone, "gone"),
            (decide(&deletion("u1"), None, None), Decision::Gone, "gone and forgotten"),
        ];
        for (decided, expected, case) in cases {
            assert_eq!(decided, expected, "{case}");
        }
        let added = entry("mesh", "u1", Role::Addition);
        let left = [
            (decide(&deletion("u1"), None, Some(&live)), "not in the inventory"),
            (decide(&deletion(""), None, Some(&live)), "not in the inventory, without uid"),
            (decide(&deletion("u9"), Some(&ours("u1")), Some(&live)), "another than ours is meant"),
            (decide(&deletion("u1"), Some(&added), Some(&live)), "only fields of it are ours"),
        ];
        for (decided, case) in left {
            assert!(matches!(decided, Decision::Leave(_)), "{case}: {decided:?}");
        }
        assert!(matches!(decide(&deletion("u1"), Some(&ours("u1")), Some(&leaving)), Decision::Wait(_)));
    }

    #[test]
    fn instances_of_a_template_are_found_by_what_they_were_made_from() {
        let mut inventory = Inventory::default();
        inventory.put(instance("shop", "t"));
        inventory.put(instance("pay", "t"));
        inventory.put(instance("other", "u"));
        inventory.put(entry("mesh", "u1", Role::Created));
        let target = json!({"format": 1, "cluster": "c", "epoch": 1, "generation": 1, "plan": Digest::of(b""),
            "deletions": [{"id": id("pay"), "uid": "", "why": "named"}], "overwrite": [], "adopt": "Never",
            "delete_templates": [{"template": "t", "id": id(""), "why": "left"}]});
        let target = Target::read(target.to_string().as_bytes()).unwrap();
        let resolved = target.resolved(&inventory);
        let spelled: Vec<(&str, &str)> =
            resolved.iter().map(|deletion| (deletion.id.namespace.as_str(), deletion.why.as_str())).collect();
        assert_eq!(spelled, [("pay", "named"), ("shop", "left")]);
        assert_eq!(resolved[1].uid, "uid in shop");
    }
}
