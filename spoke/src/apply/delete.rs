//! Deletions: only what the target names, only by uid, only what is in the inventory.

use std::{sync::Arc, time::Duration};

use kube::api::{DeleteParams, Preconditions};
use serde_json::Value;

use super::{Apply, Done, Failure, Interrupted, Round, manifest::uid, order};
use crate::{
    cluster::{self, Kind},
    document::{Deletion, ObjectId},
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
    Leave,
    /// It is on its way.
    Wait(String),
    /// Delete it, by this uid.
    Delete(String),
}

/// Decides on an object that is to go. `ours` is the uid in the inventory.
fn decide(deletion: &Deletion, ours: Option<&str>, live: Option<&Value>) -> Decision {
    let Some(live) = live else { return Decision::Gone };
    let Some(ours) = ours else { return Decision::Leave };
    if !deletion.uid.is_empty() && deletion.uid != ours {
        return Decision::Leave;
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
    /// Deletes what the target names, until all of it is gone.
    pub(super) async fn deletions(&mut self) -> Result<(), Interrupted> {
        let content = Arc::clone(&self.content);
        loop {
            let mut round = Round::default();
            for deletion in order::of_deletions(&content.target.deletions) {
                if self.stop.is_cancelled() {
                    return Err(Interrupted);
                }
                let became = self.delete(deletion).await;
                self.take_note(&deletion.id, became, &mut round)?;
            }
            if self.settle(round, None).await? {
                return Ok(());
            }
        }
    }

    async fn delete(&mut self, deletion: &Deletion) -> Result<Done, Failure> {
        let id = &deletion.id;
        let live = match self.cluster.get(id).await {
            // A kind that is not served has no objects.
            Err(cluster::Error::NotServed { .. }) => None,
            found => found.map_err(writes::Error::from)?,
        };
        let ours = self.inventory.get(id).map(|entry| entry.uid.clone());
        match decide(deletion, ours.as_deref(), live.as_ref()) {
            Decision::Gone => {
                self.inventory.remove(id);
                Ok(Done { outcome: Outcome::Deleted, message: String::new() })
            }
            Decision::Leave => Ok(Done {
                outcome: Outcome::Left,
                message: "it is not in the inventory, so it is not ours".to_owned(),
            }),
            Decision::Wait(why) => Err(Failure::Underway(LOOK_EVERY, why)),
            Decision::Delete(uid) => {
                self.send_delete(id, uid).await?;
                tracing::info!(object = %id, generation = self.generation(), why = %deletion.why, "deleted");
                Err(Failure::Underway(Duration::from_millis(200), "is being deleted".to_owned()))
            }
        }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_ours_is_deleted() {
        let deletion = |uid: &str| -> Deletion {
            let id =
                json!({"group": "", "version": "v1", "kind": "ConfigMap", "namespace": "mesh", "name": "x"});
            serde_json::from_value(json!({"id": id, "uid": uid, "why": "left the plan"})).unwrap()
        };
        let live = json!({"metadata": {"uid": "u1"}});
        let leaving = json!({"metadata": {"uid": "u1", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a/b"]}});
        let delete = Decision::Delete("u1".to_owned());
        let cases = [
            (decide(&deletion("u1"), Some("u1"), Some(&live)), delete.clone(), "ours by uid"),
            (decide(&deletion(""), Some("u1"), Some(&live)), delete, "the inventory gives the uid"),
            (decide(&deletion("u1"), None, Some(&live)), Decision::Leave, "not in the inventory"),
            (decide(&deletion(""), None, Some(&live)), Decision::Leave, "not in the inventory, without uid"),
            (decide(&deletion("u9"), Some("u1"), Some(&live)), Decision::Leave, "another than ours is meant"),
            (decide(&deletion("u0"), Some("u0"), Some(&live)), Decision::Gone, "made anew by somebody"),
            (decide(&deletion("u1"), Some("u1"), None), Decision::Gone, "gone"),
            (decide(&deletion("u1"), None, None), Decision::Gone, "gone and forgotten"),
        ];
        for (decided, expected, case) in cases {
            assert_eq!(decided, expected, "{case}");
        }
        assert!(matches!(decide(&deletion("u1"), Some("u1"), Some(&leaving)), Decision::Wait(_)));
    }
}
