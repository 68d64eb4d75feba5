//! Additions: fields of ours on objects that somebody else makes.
//!
//! Never created: each write names the uid that was looked at. An object that was made anew gets them anew; one whose
//! addition left the plan is given back, by an apply of no fields, which takes away what nobody else holds.

use std::{sync::Arc, time::Duration};

use kube::api::PatchParams;
use serde_json::{Value, json};

use super::{
    Apply, Done, Failure, Interrupted, Round,
    manifest::uid,
    object::{Made, Send, Written, done},
    tend::Spot,
};
use crate::{
    cluster,
    document::{Addition, ObjectId},
    drift,
    inventory::{self, Role},
    observe::Sight,
    owned::{self, MANAGER},
    report::Outcome,
    writes,
};

/// How soon an object that was not there when it was looked at is looked at again. Usually a watch is sooner.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

impl Apply {
    /// The additions whose object is there without them.
    pub(super) fn unadded(&self) -> Vec<(Addition, Spot)> {
        let lacks = |addition: &Addition| {
            let Sight::Present { object, .. } = self.live.sight(&addition.id) else { return None };
            let spot = (addition.id.key(), uid(&object).to_owned());
            let known = self.inventory.get(&addition.id).filter(|entry| entry.role == Role::Addition);
            let there = known.is_some_and(|entry| entry.uid == spot.1 && entry.body == addition.body);
            let settled = self.tending.is_made(&spot) || self.tending.is_through() && there;
            (!settled).then(|| (addition.clone(), spot))
        };
        self.content.plan.additions.iter().filter_map(lacks).collect()
    }

    /// Puts our fields onto an object.
    pub(super) async fn add(&self, addition: &Addition) -> Result<Made, Failure> {
        let Addition { id, body } = addition;
        let live = self.cluster.get(id).await.map_err(writes::Error::from)?;
        let Some(live) = live.filter(|live| !live["metadata"]["deletionTimestamp"].is_string()) else {
            return Err(Failure::Underway(LOOK_AGAIN, "does not exist yet".to_owned()));
        };
        let entry = self.inventory.get(id).filter(|entry| entry.uid == uid(&live));
        if entry.is_some_and(|entry| entry.role != Role::Addition) {
            let message = "this spoke made it: an object of ours is not added to".to_owned();
            return Err(Failure::Hopeless(Done { outcome: Outcome::Rejected, message }));
        }
        if entry.is_some_and(|entry| entry.body == *body && drift::same(entry, &live)) {
            return Ok(done(inventory::Outcome::Unchanged).into());
        }
        let manifest = self.body(*body);
        if is_on(&manifest, &live) {
            // A former life wrote it and did not write that down.
            let outcome = inventory::Outcome::Changed;
            return Ok(self.made(Written {
                id,
                digest: *body,
                object: &live,
                role: Role::Addition,
                outcome,
            }));
        }
        self.send(Send { id, digest: *body, manifest, live: Some(&live), role: Role::Addition }).await
    }

    /// Gives back what is in the inventory as an addition and in the plan no more.
    pub(super) async fn releases(&mut self) -> Result<(), Interrupted> {
        let content = Arc::clone(&self.content);
        loop {
            self.thaw().await?;
            let kept = |id: &ObjectId| content.plan.additions.iter().any(|kept| kept.id.key() == id.key());
            let added = self.inventory.entries().filter(|entry| entry.role == Role::Addition);
            let released: Vec<ObjectId> =
                added.filter(|entry| !kept(&entry.id)).map(|entry| entry.id.clone()).collect();
            let mut round = Round::default();
            for id in &released {
                if self.stop.is_cancelled() {
                    return Err(Interrupted);
                }
                let became = self.release(id).await;
                self.take_note(id, became, &mut round)?;
                if self.inventory.get(id).is_none() {
                    // It is somebody else's as a whole: nothing more is said of it.
                    self.tell(|progress| drop(progress.objects.remove(&id.key())));
                }
            }
            if self.settle(round, None).await? {
                return Ok(());
            }
        }
    }

    async fn release(&mut self, id: &ObjectId) -> Result<Done, Failure> {
        let live = match self.cluster.get(id).await {
            Err(cluster::Error::NotServed { .. }) => None,
            found => found.map_err(writes::Error::from)?,
        };
        let ours = self.inventory.get(id).map(|entry| entry.uid.clone()).unwrap_or_default();
        if live.is_some_and(|live| uid(&live) == ours && owned::ours(&live).is_some()) {
            let mut metadata = json!({"name": id.name, "uid": ours});
            if !id.namespace.is_empty() {
                metadata["namespace"] = id.namespace.clone().into();
            }
            let nothing = json!({"apiVersion": id.api_version(), "kind": id.kind, "metadata": metadata});
            let answer = self.patch(id, &nothing, &PatchParams::apply(MANAGER)).await?;
            self.live.wrote(id, answer, std::time::Instant::now());
            tracing::info!(object = %id, generation = self.generation(), "given back");
        }
        self.inventory.remove(id);
        Ok(done(inventory::Outcome::Changed))
    }
}

/// Whether these fields, and no others, are ours on an object, with the values that they are to have.
pub(super) fn is_on(manifest: &Value, live: &Value) -> bool {
    owned::ours(live).is_some_and(|ours| {
        ours.covers(manifest) && ours.leaves().iter().all(|path| path.get(manifest) == path.get(live))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_on_an_object_only_as_they_are_to_be() {
        let live = |annotations: Value, owned: Value| {
            json!({"metadata": {"name": "x", "uid": "u", "annotations": annotations, "managedFields": [
                {"manager": "meshfleet", "operation": "Apply", "fieldsV1": {"f:metadata": {"f:annotations": owned}}}]}})
        };
        let manifest =
            json!({"apiVersion": "v1", "kind": "X", "metadata": {"name": "x", "annotations": {"a": "1"}}});
        assert!(is_on(&manifest, &live(json!({"a": "1", "b": "2"}), json!({"f:a": {}}))));
        assert!(!is_on(&manifest, &live(json!({"a": "0"}), json!({"f:a": {}}))), "of an older target");
        assert!(!is_on(&manifest, &live(json!({"a": "1"}), json!({"f:c": {}}))), "somebody else's");
        assert!(
            !is_on(&manifest, &live(json!({"a": "1", "b": "2"}), json!({"f:a": {}, "f:b": {}}))),
            "one that is ours no more is still on it"
        );
    }
}
