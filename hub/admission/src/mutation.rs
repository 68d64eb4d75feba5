//! What was filled into a pod: the difference between the pod that was submitted, with what a webhook added to it, and
//! the pod that is stored.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::pod::{Container, Pod};

/// Fields of security contexts with their new values; `null` is a field that was removed. What stayed is not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mutation {
    /// Of the pod.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub pod: Map<String, Value>,
    /// Of containers, by their names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub containers: BTreeMap<String, Map<String, Value>>,
    /// Of init containers, by their names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub init_containers: BTreeMap<String, Map<String, Value>>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, Option<String>>,
}

impl Mutation {
    /// The difference. Both pods have the same containers.
    pub fn between(before: &Pod, after: &Pod) -> Self {
        Self {
            pod: difference(&before.spec.security_context, &after.spec.security_context),
            containers: of_containers(&before.spec.containers, &after.spec.containers),
            init_containers: of_containers(&before.spec.init_containers, &after.spec.init_containers),
            annotations: of_annotations(&before.metadata.annotations, &after.metadata.annotations),
        }
    }
}

fn of_containers(before: &[Container], after: &[Container]) -> BTreeMap<String, Map<String, Value>> {
    let pairs = before.iter().zip(after).map(|(before, after)| {
        (after.name.clone(), difference(&before.security_context, &after.security_context))
    });
    pairs.filter(|(_, difference)| !difference.is_empty()).collect()
}

fn of_annotations(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> BTreeMap<String, Option<String>> {
    let removed = before.keys().filter(|key| !after.contains_key(*key)).map(|key| (key.clone(), None));
    let set = after.iter().filter(|(key, value)| before.get(*key) != Some(value));
    removed.chain(set.map(|(key, value)| (key.clone(), Some(value.clone())))).collect()
}

fn difference(before: &impl Serialize, after: &impl Serialize) -> Map<String, Value> {
    let (before, after) = (fields(before), fields(after));
    let removed = before.keys().filter(|key| !after.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let mut difference: Map<String, Value> = removed.collect();
    difference.extend(after.into_iter().filter(|(key, value)| before.get(key) != Some(value)));
    difference
}

fn fields(context: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(context) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}
