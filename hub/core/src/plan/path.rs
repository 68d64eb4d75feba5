//! Paths of leaves within manifests, as previews, explanations and overrides write them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Keys of maps, from the top.
pub type Keys = Vec<String>;

/// `.spec.values.global`, as people read it.
#[must_use]
pub fn spelled(keys: &[String]) -> String {
    keys.iter().map(|key| step(key)).collect()
}

/// `.key`, or `["key"]` where a key holds a dot or anything else that would mislead.
#[must_use]
pub fn step(key: &str) -> String {
    let plain =
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if plain { format!(".{key}") } else { format!("[{key:?}]") }
}

/// What stands in a map or list, by path. Items of a list of named maps go by their name, so that one that moved is no
/// change of all.
#[must_use]
pub fn children<'a>(path: &str, value: &'a Value) -> BTreeMap<String, &'a Value> {
    match value {
        Value::Object(map) => {
            map.iter().map(|(key, value)| (format!("{path}{}", step(key)), value)).collect()
        }
        Value::Array(items) => {
            items.iter().zip(item_steps(items)).map(|(item, step)| (format!("{path}{step}"), item)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => BTreeMap::new(),
    }
}

/// `[name="x"]` for the items of a list of maps that all have a name of their own, else `[0]`.
#[must_use]
pub fn item_steps(items: &[Value]) -> Vec<String> {
    let names: Vec<&str> = items.iter().filter_map(|item| item["name"].as_str()).collect();
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    if distinct.len() == items.len() {
        names.into_iter().map(|name| format!("[name={name:?}]")).collect()
    } else {
        (0..items.len()).map(|index| format!("[{index}]")).collect()
    }
}

/// Every leaf of a value by its path: scalars, and maps and lists with nothing in them.
#[must_use]
pub fn leaves<'a>(path: &str, value: &'a Value) -> BTreeMap<String, &'a Value> {
    let below = children(path, value);
    if below.is_empty() {
        return BTreeMap::from([(path.to_owned(), value)]);
    }
    below.into_iter().flat_map(|(path, value)| leaves(&path, value)).collect()
}

/// The atoms of a map: what is not a map itself, or a map with nothing in it, by its keys. Lists are atoms: they are
/// taken or replaced as a whole.
#[must_use]
pub fn atoms(value: &Value) -> Vec<(Keys, &Value)> {
    let mut found = Vec::new();
    collect(value, &mut Vec::new(), &mut found);
    found
}

fn collect<'a>(value: &'a Value, at: &mut Keys, found: &mut Vec<(Keys, &'a Value)>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                at.push(key.clone());
                collect(value, at, found);
                at.pop();
            }
        }
        atom => found.push((at.clone(), atom)),
    }
}

/// Writes an atom into a tree of maps, making the maps on the way.
pub fn write(tree: &mut Value, keys: &[String], atom: Value) {
    let mut place = tree;
    for key in keys {
        if !place.is_object() {
            *place = Value::Object(serde_json::Map::new());
        }
        place = &mut place[key.as_str()];
    }
    *place = atom;
}

/// Whether a path is another one or lies below it.
#[must_use]
pub fn is_within(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|below| below.is_empty() || below.starts_with(['.', '[']))
}
