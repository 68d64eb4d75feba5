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
    let old_objects = before.into_iter().flat_map(|before| &before.document.phases);
    let old_bodies: BTreeMap<_, Digest> = old_objects
        .flat_map(|phase| &phase.objects)
        .map(|object| (object.id.identity(), object.body))
        .collect();
    for phase in &document.phases {
        for object in &phase.objects {
            let old = before.and_then(|before| Some((before, *old_bodies.get(&object.id.identity())?)));
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
    let named = Named::by(after);
    let deleted = objects.chain(templates).filter(|id| !named.has(id));
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

/// Everything that a plan applies, expects, adds to, or makes from a template.
pub(super) struct Named<'a> {
    objects: BTreeSet<(&'a str, &'a str, &'a str, &'a str)>,
    /// Group, kind and name: an instance stands in any namespace.
    templates: BTreeSet<(&'a str, &'a str, &'a str)>,
}

impl<'a> Named<'a> {
    pub(super) fn by(document: &'a PlanDocument) -> Self {
        let objects = document.phases.iter().flat_map(|phase| &phase.objects).map(|object| &object.id);
        let expected = document.expectations.iter().map(|expectation| &expectation.id);
        let added_to = document.additions.iter().map(|addition| &addition.id);
        let templates = document.templates.iter().map(|template| &template.id);
        Self {
            objects: objects.chain(expected).chain(added_to).map(ObjectId::identity).collect(),
            templates: templates.map(|id| (&*id.group, &*id.kind, &*id.name)).collect(),
        }
    }

    /// Whether the plan has the object in any form; also a template, or what it makes.
    pub(super) fn has(&self, id: &ObjectId) -> bool {
        let instance = (id.group.as_str(), id.kind.as_str(), id.name.as_str());
        self.objects.contains(&id.identity()) || self.templates.contains(&instance)
    }
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
    if let (Some(Value::Object(old)), Some(Value::Object(new))) = (old, new)
        && !(old.is_empty() && new.is_empty())
    {
        // Most of it is equal: no path is made for that.
        let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for key in keys.into_iter().filter(|key| old.get(*key) != new.get(*key)) {
            leaves(format!("{path}{}", path::step(key)), old.get(key), new.get(key), out);
        }
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
