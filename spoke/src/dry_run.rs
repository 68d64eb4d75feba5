//! What an apply would change: asked of the API server by a dry run, which writes nothing.
//!
//! The dry run takes every field, as an apply by force would: what would not change even then is as we want it.

use kube::api::{Patch, PatchParams};
use serde_json::Value;

use crate::{
    cluster::{self, Cluster, Kind, bounded},
    document::ObjectId,
    owned::MANAGER,
    path::{Element, Path},
};

/// Fields of metadata that the server keeps, and that differ between two answers on the same object.
const KEPT_BY_THE_SERVER: [&str; 3] = ["managedFields", "resourceVersion", "generation"];

/// The fields of `live` that an apply of `manifest` would change, beside who owns them.
///
/// # Errors
/// If the API server refused the dry run or could not be asked.
pub async fn changes(
    cluster: &Cluster,
    id: &ObjectId,
    mut manifest: Value,
    live: &Value,
) -> Result<Vec<Path>, cluster::Error> {
    // Only onto the object that was looked at.
    manifest["metadata"]["uid"] = live["metadata"]["uid"].clone();
    let api = cluster.api(&Kind::from(id), &id.namespace).await?;
    let params = PatchParams::apply(MANAGER).validation_strict().dry_run().force();
    let response = bounded(api.patch(&id.name, &params, &Patch::Apply(&manifest))).await?;
    let after = serde_json::to_value(response).map_err(cluster::Error::Unreadable)?;
    Ok(differences(live, &after))
}

/// Where two states of one object differ, beside its status and who owns what.
#[must_use]
pub fn differences(before: &Value, after: &Value) -> Vec<Path> {
    let mut found = Vec::new();
    compare(&ours(before), &ours(after), &Path::default(), &mut found);
    found
}

fn ours(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        KEPT_BY_THE_SERVER.iter().for_each(|field| drop(metadata.remove(*field)));
    }
    object
}

fn compare(before: &Value, after: &Value, at: &Path, found: &mut Vec<Path>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
            for name in names {
                let path = at.then(Element::Field(name.clone()));
                match (before.get(name), after.get(name)) {
                    (Some(before), Some(after)) => compare(before, after, &path, found),
                    (Some(_), None) | (None, Some(_)) => found.push(path),
                    (None, None) => {}
                }
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                compare(before, after, &at.then(Element::Index(index)), found);
            }
        }
        (before, after) if before == after => {}
        _ => found.push(at.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_not_the_servers_counts() {
        let before = json!({
            "metadata": {"uid": "u", "resourceVersion": "1", "generation": 1, "managedFields": [1], "labels": {"a": "1"}},
            "spec": {"list": [{"name": "x", "value": 1}], "kept": true, "gone": 1}, "status": {"phase": "A"},
        });
        let mut after = before.clone();
        after["metadata"]["resourceVersion"] = json!("2");
        after["metadata"]["generation"] = json!(2);
        after["metadata"]["managedFields"] = json!([1, 2]);
        after["status"] = json!({});
        assert!(differences(&before, &after).is_empty());
        after["metadata"]["annotations"] = json!({"b": "2"});
        after["metadata"]["labels"]["a"] = json!("2");
        after["spec"]["list"][0]["value"] = json!(2);
        after["spec"].as_object_mut().unwrap().remove("gone");
        let mut paths: Vec<String> = differences(&before, &after).iter().map(Path::to_string).collect();
        paths.sort();
        assert_eq!(
            paths,
            [".metadata.annotations", ".metadata.labels.a", ".spec.gone", ".spec.list[0].value"]
        );
        after["spec"]["list"] = json!([]);
        assert!(differences(&before, &after).iter().any(|path| path.to_string() == ".spec.list"));
    }
}
