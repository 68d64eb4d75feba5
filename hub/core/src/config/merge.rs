//! Laying one layer over another: maps merge at every depth, `gateways` merge by name, scalars and other lists
//! replace.
//!
//! Every leaf keeps where it comes from. The two are one walk, so that they cannot disagree.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{ConfigOrigin, path};

/// What base and layers amount to so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Merged {
    pub(super) value: Value,
    /// By the paths of the leaves.
    pub(super) origins: BTreeMap<String, ConfigOrigin>,
}

/// Where laid values come from.
#[derive(Clone, Copy)]
pub(super) struct From<'a> {
    pub(super) layer: &'a str,
    /// What stands before the value's own path in the document.
    pub(super) prefix: &'a str,
}

impl From<'_> {
    pub(super) fn origin(self, path: &str) -> ConfigOrigin {
        let separator = if path.starts_with('[') || path.is_empty() { "" } else { "." };
        let path = format!("{}{separator}{path}", self.prefix);
        ConfigOrigin { layer: self.layer.to_owned(), path, variable: None }
    }
}

impl Merged {
    pub(super) fn of(value: &Value, from: From<'_>) -> Self {
        let mut merged = Self { value: Value::Object(serde_json::Map::new()), origins: BTreeMap::new() };
        merged.lay(value, from);
        merged
    }

    /// Lays values over what is there.
    pub(super) fn lay(&mut self, value: &Value, from: From<'_>) {
        lay(&mut self.value, value, At { path: "", said: "" }, &mut |At { path, said }, value| {
            forget(&mut self.origins, path);
            let mut leaves = BTreeMap::new();
            if let Some(value) = value {
                path::leaves(value, path, &mut leaves);
            }
            self.origins.extend(leaves.into_keys().map(|leaf| {
                let origin = from.origin(&format!("{said}{}", &leaf[path.len()..]));
                (leaf, origin)
            }));
        });
    }

    /// Takes away what stands at some keys, and maps that become empty by it. False if nothing stands there.
    pub(super) fn take_away(&mut self, keys: &[String]) -> bool {
        let taken = take_away(&mut self.value, keys);
        if taken {
            let path = keys.iter().fold(String::new(), |path, key| path::join(&path, key));
            forget(&mut self.origins, &path);
        }
        taken
    }
}

/// Removes what stands at a path and below it.
fn forget(origins: &mut BTreeMap<String, ConfigOrigin>, path: &str) {
    let from = origins.range(path.to_owned()..).map(|(known, _)| known);
    let near = from.take_while(|known| known.starts_with(path));
    let gone: Vec<String> = near.filter(|known| path::is_within(known, path)).cloned().collect();
    for known in gone {
        origins.remove(&known);
    }
}

/// The list whose items are told by their names.
const NAMED: &str = "gateways";

/// A place in what is laid upon, and the same place in what is laid: items of a named list stand elsewhere there.
#[derive(Clone, Copy)]
struct At<'a> {
    path: &'a str,
    said: &'a str,
}

/// Calls `replaced` for each place that a new value stands at, and, with nothing, where an empty map ceases to be a leaf.
fn lay(into: &mut Value, value: &Value, at: At<'_>, replaced: &mut impl FnMut(At<'_>, Option<&Value>)) {
    match (into, value) {
        (Value::Object(into), Value::Object(fields)) => {
            if into.is_empty() && !fields.is_empty() && !at.path.is_empty() {
                replaced(at, None);
            }
            for (key, value) in fields {
                let (path, said) = (path::join(at.path, key), path::join(at.said, key));
                let at = At { path: &path, said: &said };
                if let Some(present) = into.get_mut(key) {
                    lay(present, value, at, replaced);
                } else {
                    into.insert(key.clone(), value.clone());
                    replaced(at, Some(value));
                }
            }
        }
        (Value::Array(into), Value::Array(items))
            if at.path == NAMED && !into.is_empty() && !items.is_empty() =>
        {
            for (index, item) in items.iter().enumerate() {
                let there = into.iter().position(|present| present["name"] == item["name"]);
                let path = path::item(at.path, there.unwrap_or(into.len()));
                let said = path::item(at.said, index);
                let at = At { path: &path, said: &said };
                if let Some(there) = there {
                    lay(&mut into[there], item, at, replaced);
                } else {
                    into.push(item.clone());
                    replaced(at, Some(item));
                }
            }
        }
        (into, value) => {
            *into = value.clone();
            replaced(at, Some(value));
        }
    }
}

fn take_away(from: &mut Value, keys: &[String]) -> bool {
    let (Value::Object(fields), Some((key, below))) = (from, keys.split_first()) else { return false };
    if below.is_empty() {
        return fields.remove(key).is_some();
    }
    let Some(value) = fields.get_mut(key) else { return false };
    let taken = take_away(value, below);
    if taken && value.as_object().is_some_and(serde_json::Map::is_empty) {
        fields.remove(key);
    }
    taken
}
