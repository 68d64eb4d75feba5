//! What differs between two texts of a document.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::config::path;

/// A value that differs: its path, what stood there, and what stands there.
pub type Change = (String, Option<Value>, Option<Value>);

/// The leaves that differ, by path. Items of lists are the same if they have the same `name`, where all items of both
/// lists have one; else if they stand at the same place. Where named items only changed their order, the list itself is
/// a change, from the old names to the new.
#[must_use]
pub fn changes(old: &Value, new: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare(Some(old), Some(new), "", &mut found);
    found.sort_by(|one: &Change, other| one.0.cmp(&other.0));
    found
}

fn compare(old: Option<&Value>, new: Option<&Value>, path: &str, found: &mut Vec<Change>) {
    if old == new {
        return;
    }
    if let Some((old_fields, new_fields)) = sides(old, new, Value::as_object, |fields| !fields.is_empty()) {
        let keys: BTreeSet<&String> =
            old_fields.iter().chain(&new_fields).flat_map(|map| map.keys()).collect();
        for key in keys {
            let old = old_fields.and_then(|fields| fields.get(key));
            let new = new_fields.and_then(|fields| fields.get(key));
            compare(old, new, &path::join(path, key), found);
        }
        return;
    }
    if let Some((old_items, new_items)) = sides(old, new, Value::as_array, |items| !items.is_empty()) {
        items(old_items.map_or(&[], Vec::as_slice), new_items.map_or(&[], Vec::as_slice), path, found);
        return;
    }
    found.push((path.to_owned(), old.cloned(), new.cloned()));
}

/// Both sides as one sort of collection, if every side that is there is one, and one of them has something in it.
fn sides<'v, C>(
    old: Option<&'v Value>,
    new: Option<&'v Value>,
    read: impl Fn(&'v Value) -> Option<&'v C>,
    filled: impl Fn(&C) -> bool,
) -> Option<(Option<&'v C>, Option<&'v C>)> {
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) => (Some(read(old)?), Some(read(new)?)),
        (Some(old), None) => (Some(read(old)?), None),
        (None, Some(new)) => (None, Some(read(new)?)),
        (None, None) => return None,
    };
    (old.is_none_or(&filled) && new.is_none_or(&filled)).then_some((old, new))
}

fn items(old: &[Value], new: &[Value], path: &str, found: &mut Vec<Change>) {
    if let (Some(old_named), Some(new_named)) = (named(old), named(new)) {
        let order = |items: &[Value], other: &BTreeMap<&str, &Value>| -> Vec<Value> {
            let names = items.iter().filter_map(name).filter(|name| other.contains_key(name));
            names.map(Value::from).collect()
        };
        let (before, after) = (order(old, &new_named), order(new, &old_named));
        if before != after {
            found.push((path.to_owned(), Some(Value::Array(before)), Some(Value::Array(after))));
        }
        let names: BTreeSet<&str> = old_named.keys().chain(new_named.keys()).copied().collect();
        for name in names {
            let path = path::item(path, name);
            compare(old_named.get(name).copied(), new_named.get(name).copied(), &path, found);
        }
        return;
    }
    for index in 0..old.len().max(new.len()) {
        compare(old.get(index), new.get(index), &path::item(path, index), found);
    }
}

/// Items by their names, if each has one of its own.
fn named(items: &[Value]) -> Option<BTreeMap<&str, &Value>> {
    let named: BTreeMap<&str, &Value> =
        items.iter().map(|item| Some((name(item)?, item))).collect::<Option<_>>()?;
    (named.len() == items.len()).then_some(named)
}

fn name(item: &Value) -> Option<&str> {
    item.get("name")?.as_str()
}
