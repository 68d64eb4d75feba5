//! The lines of a document's values: what an explanation points at.

use std::collections::BTreeMap;

use super::tree::{Node, Value};
use crate::config::path;

/// The line of each leaf, by its path below `spec`; of what stands beside `spec`, by its whole path. Items of a list that
/// stands directly below `spec` go by their `name` if all of them have one; all other items go by their place, as in
/// [`path::leaves`].
pub(super) fn of(document: &Node) -> BTreeMap<String, u32> {
    let mut lines = BTreeMap::new();
    if let Value::Map(entries) = &document.value {
        for entry in entries {
            let path = if entry.key == "spec" { "" } else { entry.key.as_str() };
            collect(&entry.value, path, &mut lines);
        }
    }
    lines
}

fn collect(node: &Node, path: &str, lines: &mut BTreeMap<String, u32>) {
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => {
            for entry in entries {
                collect(&entry.value, &path::join(path, &entry.key), lines);
            }
        }
        Value::List(items) if !items.is_empty() => {
            let is_of_spec = !path.contains(['.', '[']);
            let names: Option<Vec<&str>> = items.iter().map(name).collect();
            let names = names.filter(|_| is_of_spec);
            for (index, node) in items.iter().enumerate() {
                let path = match &names {
                    Some(names) => path::item(path, names[index]),
                    None => path::item(path, index),
                };
                collect(node, &path, lines);
            }
        }
        Value::Scalar { .. } | Value::Map(_) | Value::List(_) | Value::Refused => {
            lines.insert(path.to_owned(), node.at.line);
        }
    }
}

fn name(node: &Node) -> Option<&str> {
    let Value::Map(entries) = &node.value else { return None };
    match &entries.iter().find(|entry| entry.key == "name")?.value.value {
        Value::Scalar { text, .. } => Some(text),
        Value::List(_) | Value::Map(_) | Value::Refused => None,
    }
}
