//! One object against its baseline.

use serde_json::Value;

use super::{Class, Item, State, actor};
use crate::{
    document::{Expectation, ObjectId},
    inventory::Entry,
    owned::{self, OwnedField, Ownership},
};

/// What differs between an object in the inventory and what stands in its place now.
#[must_use]
pub fn compare(entry: &Entry, live: Option<&Value>) -> Vec<Item> {
    let whole = |class, uid: &str| Item {
        id: entry.id.clone(),
        uid: uid.to_owned(),
        path: String::new(),
        class,
        baseline: None,
        found: None,
        actor: None,
        state: State::Seen,
        heals: 0,
    };
    let Some(live) = live else { return vec![whole(Class::Deleted, "")] };
    let uid = live["metadata"]["uid"].as_str().unwrap_or_default();
    if uid != entry.uid {
        return vec![whole(Class::Recreated, uid)];
    }
    entry.baseline.iter().filter_map(|field| difference(&entry.id, uid, field, live)).collect()
}

/// Whether the object is as our last apply left it.
#[must_use]
pub fn same(entry: &Entry, live: &Value) -> bool {
    compare(entry, Some(live)).is_empty()
}

fn difference(id: &ObjectId, uid: &str, field: &OwnedField, live: &Value) -> Option<Item> {
    let found = field.path.get(live);
    let still_ours = owned::ours(live).is_some_and(|ours| ours.owns(&field.path) != Ownership::None);
    let class = match found {
        None => Class::Removed,
        Some(found) if still_ours && agrees(&field.value, found) => return None,
        Some(_) => Class::Overwritten,
    };
    // Who owns what is around a removed field did not remove it, unless it wrote the whole that the field was a part of.
    let actor = actor::of(live, &field.path);
    let secret = id.kind == "Secret";
    let value = |value: Option<&Value>| value.filter(|_| !secret).cloned();
    Some(Item {
        id: id.clone(),
        uid: uid.to_owned(),
        path: field.path.to_string(),
        class,
        baseline: value(Some(&field.value)),
        found: value(found),
        actor,
        state: State::Seen,
        heals: 0,
    })
}

/// An empty map or list that we wrote is a place for others to write in: only that it is there is ours.
fn agrees(baseline: &Value, found: &Value) -> bool {
    match baseline {
        Value::Object(fields) if fields.is_empty() => found.is_object(),
        Value::Array(items) if items.is_empty() => found.is_array(),
        _ => baseline == found,
    }
}

/// What an expectation lacks.
pub(super) fn unfulfilled(expectation: &Expectation, live: Option<&Value>) -> Vec<Item> {
    let item = |uid: &str, path: String, baseline, found, actor| Item {
        id: expectation.id.clone(),
        uid: uid.to_owned(),
        path,
        class: Class::Unfulfilled,
        baseline,
        found,
        actor,
        state: State::Seen,
        heals: 0,
    };
    let Some(object) = live else { return vec![item("", String::new(), None, None, None)] };
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    let lacking =
        expectation.requires.iter().filter(|required| required.path.get(object) != Some(&required.value));
    lacking
        .map(|required| {
            let found = required.path.get(object).cloned();
            let actor = actor::of(object, &required.path);
            item(uid, required.path.to_string(), Some(required.value.clone()), found, actor)
        })
        .collect()
}

#[cfg(test)]
mod tests;
