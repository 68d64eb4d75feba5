//! One object: look, decide, write if need be, take note.

use kube::{
    api::{Patch, PatchParams},
    core::DynamicObject,
};
use serde_json::Value;

use super::{
    Apply, Done, Failure, conflict,
    manifest::{keeping_mark, mark, marked, resource_version, uid},
    standing::{Planned, Standing, is_taken_over, standing},
};
use crate::{
    cluster::{self, Kind},
    digest::Digest,
    document::{Adopt, ObjectId, PlannedObject},
    dry_run,
    inventory::{Entry, Origin, Outcome, Role},
    owned::{self, MANAGER},
    path::Path,
    report,
    writes::{self, Purpose},
};

/// An object as it is wanted.
pub(super) struct Wanted {
    pub(super) id: ObjectId,
    /// sha-256 of the body, of a template's before the namespace was put in.
    pub(super) digest: Digest,
    pub(super) body: Value,
    pub(super) form: Form,
}

/// What an object is to the plan.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// One of its objects.
    Object,
    /// An instance of one of its templates.
    Instance(Origin),
}

impl Form {
    /// The role of an object that is known already, or is made.
    pub(super) fn role(&self, known: Option<&Role>) -> Role {
        match (self, known) {
            (Self::Instance(origin), _) => Role::Instance(origin.clone()),
            (Self::Object, Some(Role::Adopted)) => Role::Adopted,
            (Self::Object, Some(Role::Created | Role::Instance(_) | Role::Addition) | None) => Role::Created,
        }
    }

    pub(super) fn adopted(&self) -> Role {
        match self {
            Self::Instance(origin) => Role::Instance(origin.clone()),
            Self::Object => Role::Adopted,
        }
    }
}

/// A write that is to be sent.
pub(super) struct Send<'a> {
    pub(super) id: &'a ObjectId,
    pub(super) digest: Digest,
    pub(super) manifest: Value,
    pub(super) live: Option<&'a Value>,
    pub(super) role: Role,
}

/// What an apply left, to be taken note of.
pub(super) struct Written<'a> {
    pub(super) id: &'a ObjectId,
    pub(super) digest: Digest,
    pub(super) object: &'a Value,
    pub(super) role: Role,
    pub(super) outcome: Outcome,
}

/// What became of an object, and what the inventory is to say of it. Objects are made side by side, and noted one by one.
pub(super) struct Made {
    pub(super) done: Done,
    /// None if the inventory is right.
    pub(super) entry: Option<Entry>,
}

impl From<Done> for Made {
    fn from(done: Done) -> Self {
        Self { done, entry: None }
    }
}

impl Apply {
    /// A planned object as it is wanted. The floor saw to it that each body is there and is JSON.
    pub(super) fn planned(&self, planned: &PlannedObject) -> Wanted {
        Wanted {
            id: planned.id.clone(),
            digest: planned.body,
            body: self.body(planned.body),
            form: Form::Object,
        }
    }

    pub(super) fn body(&self, digest: Digest) -> Value {
        let bytes = self.content.bodies.get(&digest);
        bytes.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default()
    }

    /// Makes one object what it is wanted to be.
    pub(super) async fn object(&self, wanted: &Wanted) -> Result<Made, Failure> {
        let Wanted { id, digest, body, form } = wanted;
        let live = self.cluster.get(id).await.map_err(writes::Error::from)?;
        let live = live.as_ref();
        let mark = mark(&self.content.target.cluster, *digest);
        let manifest = marked(body.clone(), &mark);
        // An object that only holds fields of ours is not ours.
        let entry = self.inventory.get(id).filter(|entry| entry.role != Role::Addition);
        let role = form.role(entry.map(|entry| &entry.role));
        let plan = Planned { manifest: &manifest, digest: *digest, mark: &mark };
        match (standing(live, entry, plan), live) {
            (Standing::Unchanged, _) => {
                let entry = entry.filter(|entry| entry.role != role).cloned();
                let entry = entry.map(|entry| Entry { role, ..entry });
                Ok(Made { done: done(Outcome::Unchanged), entry })
            }
            (Standing::Written, Some(live)) => Ok(self.take_in(wanted, live, role)),
            (Standing::Stranger, Some(live)) if is_taken_over(self.content.target.adopt, body, live) => {
                Ok(self.take_in(wanted, live, form.adopted()))
            }
            (Standing::Stranger, Some(live)) => {
                let manifest = self.adopting(wanted, manifest, live).await?;
                let role = form.adopted();
                self.send(Send { id, digest: *digest, manifest, live: Some(live), role }).await
            }
            (Standing::Ours | Standing::Absent | Standing::Written | Standing::Stranger, _) => {
                self.send(Send { id, digest: *digest, manifest, live, role }).await
            }
        }
    }

    /// Takes note of what a former life of this spoke wrote.
    fn take_in(&self, wanted: &Wanted, live: &Value, role: Role) -> Made {
        let outcome = match self.inventory.get(&wanted.id) {
            Some(entry) if entry.body == wanted.digest => Outcome::Unchanged,
            Some(_) => Outcome::Changed,
            None => Outcome::Created,
        };
        self.made(Written { id: &wanted.id, digest: wanted.digest, object: live, role, outcome })
    }

    pub(super) fn made(&self, written: Written<'_>) -> Made {
        let Written { id, digest, object, role, outcome } = written;
        let entry = Entry {
            id: id.clone(),
            uid: uid(object).to_owned(),
            role,
            generation: self.generation(),
            outcome,
            body: digest,
            baseline: owned::baseline(object),
        };
        Made { done: done(outcome), entry: Some(entry) }
    }

    /// Sends a write.
    pub(super) async fn send(&self, send: Send<'_>) -> Result<Made, Failure> {
        let Send { id, digest, mut manifest, live, role } = send;
        if let Some(live) = live {
            // Only onto the object that was looked at.
            manifest["metadata"]["uid"] = uid(live).into();
        }
        let params = PatchParams::apply(MANAGER).validation_strict();
        let response = match (self.patch(id, &manifest, &params).await, live) {
            (Err(writes::Error::Cluster(cluster::Error::Refused(status))), Some(live))
                if !conflict::held(&status).is_empty() =>
            {
                self.take_by_force((id, &role), manifest, live, &conflict::held(&status)).await?
            }
            (answer, _) => answer?,
        };
        let outcome = match live {
            None => Outcome::Created,
            // That a field is ours as well changes nothing of the object.
            Some(before) if dry_run::differences(before, &response).is_empty() => Outcome::Unchanged,
            Some(_) => Outcome::Changed,
        };
        tracing::info!(object = %id, generation = self.generation(), outcome = ?outcome, "applied");
        self.live.wrote(id, response.clone(), std::time::Instant::now());
        Ok(self.made(Written { id, digest, object: &response, role, outcome }))
    }

    /// Takes fields that another manager holds, if it may, and only in the state that was looked at.
    async fn take_by_force(
        &self,
        (id, role): (&ObjectId, &Role),
        mut manifest: Value,
        live: &Value,
        held: &[conflict::Held],
    ) -> Result<Value, Failure> {
        if !conflict::may_take(held, live, &self.content.target.overwrite, role) {
            let message = conflict::words(id, held, live);
            return Err(Failure::Hopeless(Done { outcome: report::Outcome::Conflict, message }));
        }
        manifest["metadata"]["resourceVersion"] = resource_version(live).into();
        let params = PatchParams::apply(MANAGER).validation_strict().force();
        tracing::info!(object = %id, fields = held.len(), "taking fields that others hold");
        Ok(self.patch(id, &manifest, &params).await?)
    }

    pub(super) async fn patch(
        &self,
        id: &ObjectId,
        manifest: &Value,
        params: &PatchParams,
    ) -> Result<Value, writes::Error> {
        let api = self.cluster.api(&Kind::from(id), &id.namespace).await?;
        let patch = Patch::Apply(manifest);
        let request = api.patch(&id.name, params, &patch);
        let sent = self.writes.send(Purpose::Target(self.generation()), request).await;
        if let Err(writes::Error::Cluster(error)) = &sent
            && error.is_not_found()
        {
            // The kind may be served no more, or served anew.
            self.cluster.forget(&Kind::from(id));
        }
        value(sent?)
    }

    /// What is sent to take over an object that is somebody else's, if that may be.
    async fn adopting(&self, wanted: &Wanted, marked: Value, live: &Value) -> Result<Value, Failure> {
        let refuse = |why: String| {
            let message = format!("it exists and is not ours{why}; it is written by {}", writers(live));
            Err(Failure::Hopeless(Done { outcome: report::Outcome::AdoptionRequired, message }))
        };
        match self.content.target.adopt {
            Adopt::Always => Ok(marked),
            Adopt::Never => refuse(String::new()),
            Adopt::IfNoDiff => {
                // Without a new mark: it would be a change. Killed before it is written down, this comes to the same again.
                let mut body = keeping_mark(wanted.body.clone(), live);
                // And only in the state that was looked at: in another it might be a change.
                body["metadata"]["resourceVersion"] = resource_version(live).into();
                let changes = dry_run::changes(&self.cluster, &wanted.id, body.clone(), live).await;
                match changes.map_err(writes::Error::from)? {
                    changes if changes.is_empty() => Ok(body),
                    changes => refuse(format!(", and {} would change", first(&changes))),
                }
            }
        }
    }
}

fn first(paths: &[Path]) -> String {
    const SHOWN: usize = 5;
    let shown = paths.iter().take(SHOWN).map(Path::to_string).collect::<Vec<_>>().join(", ");
    if paths.len() > SHOWN { format!("{shown} and {} more fields", paths.len() - SHOWN) } else { shown }
}

pub(super) fn done(outcome: Outcome) -> Done {
    Done { outcome: outcome.into(), message: String::new() }
}

pub(super) fn value(object: DynamicObject) -> Result<Value, writes::Error> {
    serde_json::to_value(object).map_err(|error| cluster::Error::Unreadable(error).into())
}

fn writers(live: &Value) -> String {
    let mut names: Vec<&str> = owned::managers(live).map(|manager| manager.name).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { "nobody who is known".to_owned() } else { names.join(", ") }
}
