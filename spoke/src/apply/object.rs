//! One object: look, decide, write if need be, take note.

use std::sync::Arc;

use kube::{
    api::{Patch, PatchParams},
    core::DynamicObject,
};
use serde_json::Value;

use super::{
    Apply, Done, Failure, conflict,
    manifest::{mark, marked, resource_version, uid},
    standing::{Planned, Standing, standing},
};
use crate::{
    cluster::{self, Kind, bounded},
    document::{Adopt, PlannedObject},
    inventory::{Entry, Outcome, Role},
    owned::{self, MANAGER},
    report,
    writes::{self, Purpose},
};

/// A write that is to be sent.
struct Send<'a> {
    planned: &'a PlannedObject,
    manifest: Value,
    live: Option<&'a Value>,
    role: Role,
}

impl Apply {
    /// Makes one object what it is planned to be.
    pub(super) async fn object(&mut self, planned: &PlannedObject) -> Result<Done, Failure> {
        let id = &planned.id;
        let content = Arc::clone(&self.content);
        let live = self.cluster.get(id).await.map_err(writes::Error::from)?;
        let mark = mark(&content.target.cluster, planned.body);
        // The floor saw to it that each body is there and is JSON.
        let body = content.bodies.get(&planned.body).and_then(|bytes| serde_json::from_slice(bytes).ok());
        let manifest = marked(body.unwrap_or_default(), &mark);
        let entry = self.inventory.get(id);
        let role = entry.map_or(Role::Created, |entry| entry.role);
        let plan = Planned { manifest: &manifest, digest: planned.body, mark: &mark };
        let decided = standing(live.as_ref(), entry, plan);
        let live = live.as_ref();
        match (decided, live) {
            (Standing::Unchanged, _) => Ok(done(Outcome::Unchanged)),
            (Standing::Written, Some(live)) => Ok(self.take_in(planned, live, role)),
            (Standing::Ours | Standing::Absent | Standing::Written, _) => {
                self.send(Send { planned, manifest, live, role }).await
            }
            (Standing::Stranger, _) => {
                let send = Send { planned, manifest, live, role: Role::Adopted };
                self.may_adopt(&send).await?;
                self.send(send).await
            }
        }
    }

    /// Takes note of what a former life of this spoke wrote.
    fn take_in(&mut self, planned: &PlannedObject, live: &Value, role: Role) -> Done {
        let outcome = match self.inventory.get(&planned.id) {
            Some(entry) if entry.body == planned.body => Outcome::Unchanged,
            Some(_) => Outcome::Changed,
            None => Outcome::Created,
        };
        self.note(planned, live, role, outcome)
    }

    fn note(&mut self, planned: &PlannedObject, object: &Value, role: Role, outcome: Outcome) -> Done {
        self.inventory.put(Entry {
            id: planned.id.clone(),
            uid: uid(object).to_owned(),
            role,
            generation: self.generation(),
            outcome,
            body: planned.body,
            baseline: owned::baseline(object),
        });
        done(outcome)
    }

    async fn send(&mut self, send: Send<'_>) -> Result<Done, Failure> {
        let Send { planned, mut manifest, live, role } = send;
        if let Some(live) = live {
            // Only onto the object that was looked at.
            manifest["metadata"]["uid"] = uid(live).into();
        }
        let params = PatchParams::apply(MANAGER).validation_strict();
        let response = match (self.patch(planned, &manifest, &params).await, live) {
            (Err(writes::Error::Cluster(cluster::Error::Refused(status))), Some(live))
                if !conflict::held(&status).is_empty() =>
            {
                self.take_by_force(planned, manifest, live, &conflict::held(&status)).await?
            }
            (answer, _) => answer?,
        };
        let outcome = match live {
            None => Outcome::Created,
            Some(before) if resource_version(before) == resource_version(&response) => Outcome::Unchanged,
            Some(_) => Outcome::Changed,
        };
        tracing::info!(object = %planned.id, generation = self.generation(), outcome = ?outcome, "applied");
        self.live.saw(&planned.id.key(), response.clone(), std::time::Instant::now());
        Ok(self.note(planned, &response, role, outcome))
    }

    /// Takes fields that another manager holds, if the target says so, and only in the state that was looked at.
    async fn take_by_force(
        &self,
        planned: &PlannedObject,
        mut manifest: Value,
        live: &Value,
        held: &[conflict::Held],
    ) -> Result<Value, Failure> {
        if !conflict::may_take(held, live, &self.content.target.overwrite) {
            let message = conflict::words(&planned.id, held, live);
            return Err(Failure::Hopeless(Done { outcome: report::Outcome::Conflict, message }));
        }
        manifest["metadata"]["resourceVersion"] = resource_version(live).into();
        let params = PatchParams::apply(MANAGER).validation_strict().force();
        tracing::info!(object = %planned.id, fields = held.len(), "taking fields back, as the target says");
        Ok(self.patch(planned, &manifest, &params).await?)
    }

    async fn patch(
        &self,
        planned: &PlannedObject,
        manifest: &Value,
        params: &PatchParams,
    ) -> Result<Value, writes::Error> {
        let api = self.cluster.api(&Kind::from(&planned.id), &planned.id.namespace).await?;
        let patch = Patch::Apply(manifest);
        let request = api.patch(&planned.id.name, params, &patch);
        let sent = self.writes.send(Purpose::Target(self.generation()), request).await;
        if let Err(writes::Error::Cluster(error)) = &sent
            && error.is_not_found()
        {
            // The kind may be served no more, or served anew.
            self.cluster.forget(&Kind::from(&planned.id));
        }
        value(sent?)
    }

    /// Whether an object that is somebody else's may be taken over.
    async fn may_adopt(&self, send: &Send<'_>) -> Result<(), Failure> {
        let refuse = |message: String| {
            Err(Failure::Hopeless(Done { outcome: report::Outcome::AdoptionRequired, message }))
        };
        let Some(live) = send.live else { return Ok(()) };
        match self.content.target.adopt {
            Adopt::Always => Ok(()),
            Adopt::Never => refuse(format!("it exists and is not ours; it is written by {}", writers(live))),
            Adopt::IfNoDiff => match self.would_change(send, live).await? {
                None => Ok(()),
                Some(what) => refuse(format!(
                    "it exists and is not ours, and {what}; it is written by {}",
                    writers(live)
                )),
            },
        }
    }

    /// What our apply would change in an object; none if nothing. It asks by a dry run, which writes nothing.
    async fn would_change(&self, send: &Send<'_>, live: &Value) -> Result<Option<String>, Failure> {
        let mut manifest = send.manifest.clone();
        manifest["metadata"]["uid"] = uid(live).into();
        let id = &send.planned.id;
        let api = self.cluster.api(&Kind::from(id), &id.namespace).await.map_err(writes::Error::from)?;
        let params = PatchParams::apply(MANAGER).validation_strict().dry_run();
        let patch = Patch::Apply(&manifest);
        match bounded(api.patch(&id.name, &params, &patch)).await {
            Ok(response) => Ok(difference(live, &value(response)?)),
            Err(cluster::Error::Refused(status)) if !conflict::held(&status).is_empty() => Ok(Some(format!(
                "our fields are held by others: {}",
                conflict::words(id, &conflict::held(&status), live)
            ))),
            Err(error) => Err(writes::Error::from(error).into()),
        }
    }
}

fn done(outcome: Outcome) -> Done {
    Done { outcome: outcome.into(), message: String::new() }
}

fn value(object: DynamicObject) -> Result<Value, writes::Error> {
    serde_json::to_value(object).map_err(|error| cluster::Error::Unreadable(error).into())
}

/// The first part of an object, beside metadata and status, that would differ.
fn difference(live: &Value, wanted: &Value) -> Option<String> {
    let fields = wanted.as_object()?;
    let ours = |name: &str| !matches!(name, "metadata" | "status" | "apiVersion" | "kind");
    let labels = live["metadata"]["labels"] != wanted["metadata"]["labels"];
    let differs =
        fields.iter().filter(|(name, _)| ours(name)).find(|(name, value)| live.get(*name) != Some(value));
    match differs {
        Some((name, _)) => Some(format!(".{name} would change")),
        None => labels.then(|| ".metadata.labels would change".to_owned()),
    }
}

fn writers(live: &Value) -> String {
    let mut names: Vec<&str> = owned::managers(live).map(|manager| manager.name).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { "nobody who is known".to_owned() } else { names.join(", ") }
}
