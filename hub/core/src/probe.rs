//! The probe: what the hub asks a spoke about objects that a plan would write and that are not known to be ours, and about
//! the rights that the plan needs. The spoke only reads; what it says is shown beforehand and decides nothing by itself.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    digest::{self, Digest},
    fleet::Facts,
    plan::{
        ObjectId, Plan, Template,
        check::selects,
        rights::{Held, Need, Right},
    },
    report::{ObjectState, Outcome, Role},
};

/// Objects in one question: what the wire takes.
pub const MOST_OBJECTS: usize = 500;

/// Bytes of all manifests of one question together: what the wire takes.
pub const MOST_BYTES: usize = 1024 * 1024;

/// A question about a plan's objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The plan that would be rolled out.
    pub plan: Digest,
    /// What is asked; at most [`MOST_OBJECTS`].
    pub objects: Vec<Asked>,
    /// The rights that the plan needs; at most [`MOST_NEEDS`](crate::plan::rights::MOST_NEEDS).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
}

/// One object of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Which.
    pub id: ObjectId,
    /// The manifest that would be applied: canonical JSON.
    pub manifest: String,
}

/// A question as it is sent. Safe to send twice: it is only read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Names the question in one session; the answer carries it.
    pub id: Uuid,
    /// What is asked.
    pub question: Question,
}

/// What a spoke says to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// What it found. May lack objects, or have some that nobody asked for: only what was asked counts.
    pub objects: Vec<Found>,
    /// How its rights stand, likewise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rights: Vec<Right>,
}

/// What was found of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// Which.
    pub id: ObjectId,
    /// What of it.
    pub sight: Sight,
}

/// What an object looks like to a spoke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sight {
    /// It is not there.
    Absent,
    /// It is in the spoke's inventory.
    Ours,
    /// It is there, and somebody else made it.
    Foreign {
        /// Managers that hold fields of it, sorted.
        managers: Vec<String>,
        /// Paths that an apply would change.
        differs: Vec<String>,
    },
    /// It could not be told, and why.
    Untold(String),
}

/// What there is to ask about a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asking {
    /// None where every object is known to be ours.
    pub question: Option<Question>,
    /// Objects that one question does not take.
    pub left_out: usize,
}

impl Question {
    /// The canonical bytes and their digest: the same question again has the same.
    ///
    /// # Panics
    /// Never: a question is plain data, which always becomes JSON.
    #[must_use]
    pub fn seal(&self) -> (Vec<u8>, Digest) {
        let bytes = digest::canonical(&json!(self));
        let digest = Digest::of(&bytes);
        (bytes, digest)
    }
}

impl Answer {
    /// What was found of an object that was asked for; none if the answer lacks it.
    #[must_use]
    pub fn sight(&self, id: &ObjectId) -> Option<&Sight> {
        self.objects.iter().find(|found| found.id.same_object(id)).map(|found| &found.sight)
    }

    /// Whether it says that a right is lacked: somebody may give it at any time.
    #[must_use]
    pub fn lacks_rights(&self) -> bool {
        self.rights.iter().any(|right| matches!(&right.held, Held::Lacks { verbs, .. } if !verbs.is_empty()))
    }
}

/// What there is to ask about a plan: the objects, and the instances of templates in the namespaces of now, that the
/// spoke's inventory does not show as ours already.
#[must_use]
pub fn ask(plan: &Plan, facts: &Facts, inventory: &[ObjectState]) -> Asking {
    let body = |digest: &Digest| plan.bodies.get(digest).map(Vec::as_slice).unwrap_or_default();
    let planned = plan.document.phases.iter().flat_map(|phase| &phase.objects);
    let manifests =
        planned.map(|object| (object.id.clone(), String::from_utf8_lossy(body(&object.body)).into_owned()));
    let instances = plan.document.templates.iter().flat_map(|template| {
        selected(template, facts)
            .into_iter()
            .filter_map(|namespace| instance(&template.id, body(&template.body), namespace))
    });
    bounded(plan.digest, manifests.chain(instances), inventory)
}

/// The namespaces that a template selects now.
#[must_use]
pub fn selected<'a>(template: &Template, facts: &'a Facts) -> Vec<&'a str> {
    let namespaces = facts.namespaces.iter().filter(|namespace| !namespace.name.starts_with("kube-"));
    let selected = namespaces.filter(|namespace| selects(&template.namespaces, &namespace.labels));
    selected.map(|namespace| namespace.name.as_str()).collect()
}

/// What a spoke makes of a template in a namespace.
fn instance(template: &ObjectId, body: &[u8], namespace: &str) -> Option<(ObjectId, String)> {
    let mut manifest: Value = serde_json::from_slice(body).ok()?;
    replace(&mut manifest, namespace);
    manifest.get_mut("metadata")?.as_object_mut()?.insert("namespace".to_owned(), namespace.into());
    let id = ObjectId { namespace: namespace.to_owned(), ..template.clone() };
    Some((id, String::from_utf8_lossy(&digest::canonical(&manifest)).into_owned()))
}

/// Stands for the namespace's name in all texts of a template.
const NAMESPACE: &str = "$(NAMESPACE)";

fn replace(value: &mut Value, namespace: &str) {
    match value {
        Value::String(text) if text.contains(NAMESPACE) => *text = text.replace(NAMESPACE, namespace),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, namespace)),
        Value::Object(map) => map.values_mut().for_each(|value| replace(value, namespace)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn bounded(
    plan: Digest,
    manifests: impl Iterator<Item = (ObjectId, String)>,
    inventory: &[ObjectState],
) -> Asking {
    let ours: BTreeSet<_> =
        inventory.iter().filter(|state| is_ours(state)).map(|state| state.id.identity()).collect();
    let mut objects: Vec<Asked> = Vec::new();
    let (mut bytes, mut left_out) = (0, 0);
    for (id, manifest) in manifests.filter(|(id, _)| !ours.contains(&id.identity())) {
        if objects.len() == MOST_OBJECTS || bytes + manifest.len() > MOST_BYTES {
            left_out += 1;
            continue;
        }
        bytes += manifest.len();
        objects.push(Asked { id, manifest });
    }
    let question = (!objects.is_empty()).then_some(Question { plan, objects, needs: Vec::new() });
    Asking { question, left_out }
}

/// Whether the inventory shows an object as one of ours that is there.
fn is_ours(state: &ObjectState) -> bool {
    let held = match state.role {
        Role::Created | Role::Adopted | Role::Instance => true,
        Role::Expected | Role::Addition => false,
    };
    let there = match state.outcome {
        Outcome::AdoptionRequired | Outcome::Deleted | Outcome::Left | Outcome::Pending => false,
        Outcome::Created
        | Outcome::Changed
        | Outcome::Unchanged
        | Outcome::Conflict
        | Outcome::Rejected
        | Outcome::Unreachable
        | Outcome::Unfulfilled
        | Outcome::Fulfilled
        | Outcome::InUse => true,
    };
    held && there && !state.uid.is_empty()
}

#[cfg(test)]
mod tests;
