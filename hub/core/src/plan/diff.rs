//! The diff: what a plan would change against the plan that a cluster has now. Plan against plan, never against the
//! live cluster.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ObjectId, Plan, PlanDocument, Template, path};
use crate::digest::Digest;

/// The plan that a cluster has now.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// Its document.
    pub document: &'a PlanDocument,
    /// Its bodies by digest.
    pub bodies: &'a BTreeMap<Digest, Vec<u8>>,
}

/// What becomes of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectDiff {
    /// Which.
    pub id: ObjectId,
    /// What becomes of it.
    pub change: Change,
    /// Name of the phase that applies it; `additions` or `templates` for those; empty for what is deleted or expected.
    pub phase: String,
    /// Changed leaves.
    pub changes: Vec<LeafChange>,
}

/// A leaf that changes; spelled `path: old -> new`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeafChange {
    /// Its path.
    pub path: String,
    /// What stood there; none where nothing did.
    pub old: Option<Value>,
    /// What will stand there; none where nothing will.
    pub new: Option<Value>,
}

impl std::fmt::Display for LeafChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = |value: &Option<Value>| value.as_ref().map_or("absent".to_owned(), Value::to_string);
        write!(f, "{}: {} -> {}", self.path, word(&self.old), word(&self.new))
    }
}

/// What becomes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Change {
    /// The present plan does not have it.
    Create,
    /// It differs.
    Update,
    /// Only the present plan has it.
    Delete,
    /// The same bytes.
    None,
    /// The installer makes it: watched, not written.
    Expect,
    /// It exists, is not ours, and will be taken over. Whoever looked into the cluster says so; plans alone do not tell.
    Adopt,
    /// Fields of ours on what somebody else makes are new, differ, or are given up.
    Add,
    /// What stands in every selected namespace is new or differs.
    Template,
}

/// Compares a plan with the present one: its objects in the order of writing, then additions, templates, what it
/// expects, and what is deleted. An object that the plan no longer applies but expects is not deleted.
#[must_use]
pub fn diff(before: Option<Before<'_>>, after: &Plan) -> Vec<ObjectDiff> {
    let mut diffs = Vec::new();
    let document = &after.document;
    for phase in &document.phases {
        for object in &phase.objects {
            let old = before.and_then(|before| Some((before, body_of(before.document, &object.id)?)));
            diffs.push(compare(&object.id, &phase.name, old, (object.body, &after.bodies)));
        }
    }
    for addition in &document.additions {
        let of = |document: &PlanDocument| {
            document.additions.iter().find(|old| old.id.same_object(&addition.id)).map(|old| old.body)
        };
        let old = before.and_then(|before| Some((before, of(before.document)?)));
        let change = compare(&addition.id, ADDITIONS, old, (addition.body, &after.bodies));
        diffs.push(of_form(change, Change::Add));
    }
    for template in &document.templates {
        diffs.push(template_diff(before, template, after));
    }
    diffs.extend(document.expectations.iter().map(|expected| without_body(&expected.id, Change::Expect)));
    diffs.extend(before.into_iter().flat_map(|before| gone(before, document)));
    diffs
}

fn template_diff(before: Option<Before<'_>>, template: &Template, after: &Plan) -> ObjectDiff {
    let of = |before: Before<'_>| {
        let old = before.document.templates.iter().find(|old| old.id.same_object(&template.id))?;
        Some((old.body, serde_json::to_value(&old.namespaces).ok()))
    };
    let old = before.and_then(|before| Some((before, of(before)?)));
    let body = old.as_ref().map(|(before, (body, _))| (*before, *body));
    let mut diff = compare(&template.id, TEMPLATES, body, (template.body, &after.bodies));
    let namespaces = serde_json::to_value(&template.namespaces).ok();
    let old_namespaces = old.and_then(|(_, (_, namespaces))| namespaces);
    if old_namespaces.is_some() && old_namespaces != namespaces {
        let path = "namespaces".to_owned();
        diff.changes.push(LeafChange { path, old: old_namespaces, new: namespaces });
        diff.change = Change::Template;
    }
    of_form(diff, Change::Template)
}

const ADDITIONS: &str = "additions";
const TEMPLATES: &str = "templates";

/// What differs in an addition or a template is told by that, whether it is new or not.
fn of_form(diff: ObjectDiff, form: Change) -> ObjectDiff {
    let change = if diff.change == Change::None { Change::None } else { form };
    ObjectDiff { change, ..diff }
}

/// What only the present plan has.
fn gone(before: Before<'_>, after: &PlanDocument) -> Vec<ObjectDiff> {
    let document = before.document;
    let objects = document.phases.iter().flat_map(|phase| &phase.objects).map(|object| &object.id);
    let templates = document.templates.iter().map(|template| &template.id);
    let deleted = objects.chain(templates).filter(|id| !names(after, id));
    let mut gone: Vec<ObjectDiff> = deleted.map(|id| without_body(id, Change::Delete)).collect();
    let kept = |id: &ObjectId| after.additions.iter().any(|kept| kept.id.same_object(id));
    // The object stays as it is somebody else's; only our fields go.
    for addition in document.additions.iter().filter(|addition| !kept(&addition.id)) {
        let mut changes = Vec::new();
        leaves(String::new(), read(before.bodies, addition.body).as_ref(), None, &mut changes);
        changes.retain(|leaf| !is_identity(&leaf.path));
        let phase = ADDITIONS.to_owned();
        gone.push(ObjectDiff { id: addition.id.clone(), change: Change::Add, phase, changes });
    }
    gone
}

fn is_identity(path: &str) -> bool {
    [".apiVersion", ".kind", ".metadata.name", ".metadata.namespace"].contains(&path)
}

/// Whether a plan applies, expects or adds to the object, or makes it from a template.
pub(super) fn names(document: &PlanDocument, id: &ObjectId) -> bool {
    body_of(document, id).is_some()
        || document.expectations.iter().any(|expectation| expectation.id.same_object(id))
        || document.additions.iter().any(|addition| addition.id.same_object(id))
        || document.templates.iter().any(|template| is_instance(&template.id, id))
}

/// Whether an object is what a template makes in its namespace, or the template itself.
fn is_instance(template: &ObjectId, id: &ObjectId) -> bool {
    (&template.group, &template.kind, &template.name) == (&id.group, &id.kind, &id.name)
}

fn body_of(document: &PlanDocument, id: &ObjectId) -> Option<Digest> {
    let mut objects = document.phases.iter().flat_map(|phase| &phase.objects);
    objects.find(|object| object.id.same_object(id)).map(|object| object.body)
}

fn without_body(id: &ObjectId, change: Change) -> ObjectDiff {
    ObjectDiff { id: id.clone(), change, phase: String::new(), changes: Vec::new() }
}

fn compare(
    id: &ObjectId,
    phase: &str,
    old: Option<(Before<'_>, Digest)>,
    (new, bodies): (Digest, &BTreeMap<Digest, Vec<u8>>),
) -> ObjectDiff {
    let (change, changes) = match old {
        None => (Change::Create, Vec::new()),
        Some((_, old)) if old == new => (Change::None, Vec::new()),
        Some((before, old)) => {
            let mut changes = Vec::new();
            leaves(
                String::new(),
                read(before.bodies, old).as_ref(),
                read(bodies, new).as_ref(),
                &mut changes,
            );
            (Change::Update, changes)
        }
    };
    ObjectDiff { id: id.clone(), change, phase: phase.to_owned(), changes }
}

/// A body that is not there compares as if the object had no fields.
fn read(bodies: &BTreeMap<Digest, Vec<u8>>, digest: Digest) -> Option<Value> {
    bodies.get(&digest).and_then(|bytes| serde_json::from_slice(bytes).ok())
}

fn leaves(path: String, old: Option<&Value>, new: Option<&Value>, out: &mut Vec<LeafChange>) {
    if old == new {
        return;
    }
    let old_children = old.map(|value| path::children(&path, value)).unwrap_or_default();
    let new_children = new.map(|value| path::children(&path, value)).unwrap_or_default();
    if old_children.is_empty() && new_children.is_empty() {
        out.push(LeafChange { path, old: old.cloned(), new: new.cloned() });
        return;
    }
    let paths: BTreeSet<&String> = old_children.keys().chain(new_children.keys()).collect();
    for child in paths {
        leaves(child.clone(), old_children.get(child).copied(), new_children.get(child).copied(), out);
    }
}

#[cfg(test)]
mod tests;
