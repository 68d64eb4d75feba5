//! Who owns which field: reading `metadata.managedFields`.
//!
//! Pure. The baseline of an object is the value of every field that we own in the response to our own apply.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::path::{Element, Path, has_key};

/// The field manager of every write of this spoke.
pub const MANAGER: &str = "meshfleet";

/// One entry of managedFields.
#[derive(Debug, Clone, Copy)]
pub struct Manager<'a> {
    /// Its name, for example `kubectl-edit`.
    pub name: &'a str,
    /// `Apply` or `Update`.
    pub operation: &'a str,
    /// Empty for the object itself.
    pub subresource: &'a str,
    /// When it last changed what it owns, where the server tells: a pure change of ownership leaves no time.
    pub time: Option<&'a str>,
    fields: &'a Value,
}

/// How a manager owns a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// Not at all.
    None,
    /// It owns fields below.
    Above,
    /// It wrote the value there, or the value that this is a part of.
    Written,
}

/// A field that we own, with the value that our apply left there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedField {
    /// Where.
    pub path: Path,
    /// What.
    pub value: Value,
}

/// All entries of an object's managedFields.
pub fn managers(object: &Value) -> impl Iterator<Item = Manager<'_>> {
    let entries = object["metadata"]["managedFields"].as_array().map(Vec::as_slice).unwrap_or_default();
    entries.iter().filter_map(|entry| {
        Some(Manager {
            name: entry["manager"].as_str()?,
            operation: entry["operation"].as_str().unwrap_or_default(),
            subresource: entry["subresource"].as_str().unwrap_or_default(),
            time: entry["time"].as_str(),
            fields: entry.get("fieldsV1")?,
        })
    })
}

/// Our own entry, if we have one.
#[must_use]
pub fn ours(object: &Value) -> Option<Manager<'_>> {
    managers(object).find(Manager::is_ours)
}

/// The fields that we own in `object`, with their values.
#[must_use]
pub fn baseline(object: &Value) -> Vec<OwnedField> {
    let Some(ours) = ours(object) else { return Vec::new() };
    let value = |path: Path| path.get(object).cloned().map(|value| OwnedField { path, value });
    ours.leaves().into_iter().filter_map(value).collect()
}

impl Manager<'_> {
    /// Whether this is the entry of our own applies.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.name == MANAGER && self.operation == "Apply" && self.subresource.is_empty()
    }

    /// The fields that it owns, without those that only hold others.
    #[must_use]
    pub fn leaves(&self) -> Vec<Path> {
        let mut found = Vec::new();
        collect(self.fields, &Path::default(), &mut found, Nodes::Leaves);
        found
    }

    /// Every path that stands in its entry.
    #[must_use]
    pub fn paths(&self) -> Vec<Path> {
        let mut found = Vec::new();
        collect(self.fields, &Path::default(), &mut found, Nodes::All);
        found
    }

    /// How it owns `path`.
    #[must_use]
    pub fn owns(&self, path: &Path) -> Ownership {
        let mut node = self.fields;
        for element in path.elements() {
            if is_leaf(node) && !std::ptr::eq(node, self.fields) {
                return Ownership::Written;
            }
            let Some(child) = child(node, element) else { return Ownership::None };
            node = child;
        }
        if is_leaf(node) { Ownership::Written } else { Ownership::Above }
    }

    /// Whether it owns every leaf of `manifest`. What identifies the object is owned by nobody.
    #[must_use]
    pub fn covers(&self, manifest: &Value) -> bool {
        let Some(fields) = manifest.as_object() else { return false };
        fields.iter().filter(|(name, _)| !matches!(name.as_str(), "apiVersion" | "kind")).all(
            |(name, value)| {
                let Some(value) = strip_identity(name, value) else { return true };
                child(self.fields, &Element::Field(name.clone())).is_some_and(|node| covers(node, &value))
            },
        )
    }
}

/// The part of a top-level field that is owned: `metadata` without the names; none if nothing is left.
fn strip_identity(name: &str, value: &Value) -> Option<Value> {
    let (true, Some(metadata)) = (name == "metadata", value.as_object()) else { return Some(value.clone()) };
    let owned = |(field, _): &(&String, &Value)| !matches!(field.as_str(), "name" | "namespace" | "uid");
    let rest: Map<_, _> =
        metadata.iter().filter(owned).map(|(field, value)| (field.clone(), value.clone())).collect();
    (!rest.is_empty()).then_some(Value::Object(rest))
}

fn covers(node: &Value, value: &Value) -> bool {
    if is_leaf(node) {
        return true;
    }
    match value {
        Value::Object(fields) => fields.iter().all(|(name, value)| {
            child(node, &Element::Field(name.clone())).is_some_and(|below| covers(below, value))
        }),
        Value::Array(items) => {
            items.iter().all(|item| item_node(node, item).is_some_and(|below| covers(below, item)))
        }
        _ => false,
    }
}

/// The node of a list's item. A key field that the manifest leaves to its default still matches.
fn item_node<'a>(node: &'a Value, item: &Value) -> Option<&'a Value> {
    let matches = |element: &Element| match element {
        Element::Item(value) => value == item,
        Element::Key(key) => {
            let written: Map<_, _> = key
                .iter()
                .filter(|(name, _)| item.get(name).is_some())
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            !written.is_empty() && has_key(item, &written)
        }
        Element::Field(_) | Element::Index(_) => false,
    };
    children(node).find(|(element, _)| matches(element)).map(|(_, below)| below)
}

#[derive(Clone, Copy, PartialEq)]
enum Nodes {
    All,
    Leaves,
}

fn collect(node: &Value, at: &Path, found: &mut Vec<Path>, nodes: Nodes) {
    for (element, below) in children(node) {
        let path = at.then(element);
        if is_leaf(below) || nodes == Nodes::All {
            found.push(path.clone());
        }
        collect(below, &path, found, nodes);
    }
}

fn children(node: &Value) -> impl Iterator<Item = (Element, &Value)> {
    let fields = node.as_object().into_iter().flatten();
    fields.filter_map(|(key, below)| Element::from_managed(key).map(|element| (element, below)))
}

fn child<'a>(node: &'a Value, element: &Element) -> Option<&'a Value> {
    if let Element::Field(name) = element {
        return node.get(format!("f:{name}"));
    }
    children(node).find(|(candidate, _)| candidate == element).map(|(_, below)| below)
}

fn is_leaf(node: &Value) -> bool {
    node.as_object().is_none_or(|fields| fields.keys().all(|key| key == "."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment() -> Value {
        json!({
            "metadata": {"name": "istiod", "managedFields": [
                {"manager": "meshfleet", "operation": "Apply", "time": "2026-01-01T00:00:00Z", "fieldsV1": {
                    "f:metadata": {"f:annotations": {"f:a.b/c": {}}},
                    "f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": {"f:containers": {
                        "k:{\"name\":\"x\"}": {".": {}, "f:name": {}, "f:image": {}, "f:ports": {
                            "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}}}}}},
                {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {"f:paused": {}}}},
            ]},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "x"}}, "paused": true,
                "template": {"containers": [{"name": "x", "image": "i:1", "ports": [{"containerPort": 80, "protocol": "TCP"}]}]}},
        })
    }

    #[test]
    fn the_baseline_is_what_we_own_and_nothing_else() {
        let spelled: Vec<String> =
            baseline(&deployment()).iter().map(|field| format!("{}={}", field.path, field.value)).collect();
        assert_eq!(spelled.len(), 5, "{spelled:?}");
        assert!(spelled.contains(&".spec.replicas=2".to_owned()));
        assert!(spelled.contains(&r#".spec.selector={"matchLabels":{"app":"x"}}"#.to_owned()));
        assert!(spelled.contains(&r#".spec.template.containers[name="x"].image="i:1""#.to_owned()));
    }

    #[test]
    fn ownership_of_a_part_of_an_atomic_value_is_seen() {
        let object = deployment();
        let ours = ours(&object).unwrap();
        let owns = |path: &str| ours.owns(&path.parse().unwrap());
        assert_eq!(owns(".spec.selector.matchLabels.app"), Ownership::Written);
        assert_eq!(owns(".spec.replicas"), Ownership::Written);
        assert_eq!(owns(".spec.template"), Ownership::Above);
        assert_eq!(owns(".spec.paused"), Ownership::None);
    }

    #[test]
    fn a_manifest_is_covered_when_each_leaf_is_ours() {
        let object = deployment();
        let ours = ours(&object).unwrap();
        let mut manifest = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "istiod", "namespace": "mesh"},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "x"}},
                "template": {"containers": [{"name": "x", "image": "i:1", "ports": [{"containerPort": 80}]}]}},
        });
        assert!(ours.covers(&manifest));
        manifest["spec"]["paused"] = json!(true);
        assert!(!ours.covers(&manifest));
    }

    #[test]
    fn erased_managed_fields_own_nothing() {
        assert!(baseline(&json!({"metadata": {"managedFields": null}, "spec": {"a": 1}})).is_empty());
    }
}
