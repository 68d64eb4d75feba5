//! The diff: what a plan would change against the plan that a cluster has now. Plan against plan, never against the
//! live cluster.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ObjectId, Plan, PlanDocument};
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
    /// Name of the phase that applies it; empty for deletions and expectations.
    pub phase: String,
    /// Changed leaves, one a line: `path: old -> new`.
    pub changes: Vec<String>,
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
}

/// Compares a plan with the present one: its objects in the order of writing, then what it expects, then what is
/// deleted. An object that the plan no longer applies but expects is not deleted.
#[must_use]
pub fn diff(before: Option<Before<'_>>, after: &Plan) -> Vec<ObjectDiff> {
    let mut diffs = Vec::new();
    for phase in &after.document.phases {
        for object in &phase.objects {
            let old = before.and_then(|before| Some((before, body_of(before.document, &object.id)?)));
            diffs.push(compare(&object.id, &phase.name, old, (object.body, &after.bodies)));
        }
    }
    let expected = after.document.expectations.iter().map(|expectation| &expectation.id);
    diffs.extend(expected.map(|id| without_body(id, Change::Expect)));
    let planned =
        before.into_iter().flat_map(|before| &before.document.phases).flat_map(|phase| &phase.objects);
    let gone = planned.map(|object| &object.id).filter(|id| !names(&after.document, id));
    diffs.extend(gone.map(|id| without_body(id, Change::Delete)));
    diffs
}

/// Whether a plan applies or expects the object.
pub(super) fn names(document: &PlanDocument, id: &ObjectId) -> bool {
    body_of(document, id).is_some()
        || document.expectations.iter().any(|expectation| expectation.id.same_object(id))
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

fn leaves(path: String, old: Option<&Value>, new: Option<&Value>, out: &mut Vec<String>) {
    if old == new {
        return;
    }
    let old_children = old.map(|value| children(&path, value)).unwrap_or_default();
    let new_children = new.map(|value| children(&path, value)).unwrap_or_default();
    if old_children.is_empty() && new_children.is_empty() {
        let word = |value: Option<&Value>| value.map_or("absent".to_owned(), Value::to_string);
        out.push(format!("{path}: {} -> {}", word(old), word(new)));
        return;
    }
    let paths: BTreeSet<&String> = old_children.keys().chain(new_children.keys()).collect();
    for child in paths {
        leaves(child.clone(), old_children.get(child).copied(), new_children.get(child).copied(), out);
    }
}

/// What stands in a map or list, by path. Items of a list of named maps go by their name, so that one that moved is no
/// change of all.
fn children<'a>(path: &str, value: &'a Value) -> BTreeMap<String, &'a Value> {
    match value {
        Value::Object(map) => {
            map.iter().map(|(key, value)| (format!("{path}{}", step(key)), value)).collect()
        }
        Value::Array(items) => {
            let names: Vec<&str> = items.iter().filter_map(|item| item["name"].as_str()).collect();
            let distinct: BTreeSet<&str> = names.iter().copied().collect();
            let named = distinct.len() == items.len();
            let key = |index: usize| {
                if named { format!("[name={:?}]", names[index]) } else { format!("[{index}]") }
            };
            items.iter().enumerate().map(|(index, item)| (format!("{path}{}", key(index)), item)).collect()
        }
        _ => BTreeMap::new(),
    }
}

/// `.key`, or `["key"]` where a key holds a dot or anything else that would mislead.
fn step(key: &str) -> String {
    let plain =
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if plain { format!(".{key}") } else { format!("[{key:?}]") }
}

#[cfg(test)]
mod tests;
