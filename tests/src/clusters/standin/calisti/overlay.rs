//! `spec.k8sResourceOverlays`: last changes to objects before they are written.
//!
//! On v2.17 this is the only way to a privileged CNI container, since the chart
//! loses what `proxyInit.cni.daemonset.securityContext` says.

use serde_json::{Map, Value};

/// Applies all overlays to the objects. One for an object that is not there is
/// passed over without a word; a path without a match is an error.
pub(super) fn apply(objects: &mut [Value], overlays: &Value) -> Result<(), String> {
    for overlay in overlays.as_array().into_iter().flatten() {
        for object in objects.iter_mut().filter(|object| concerns(overlay, object)) {
            for patch in overlay["patches"].as_array().into_iter().flatten() {
                apply_patch(object, patch).map_err(|error| format!("could not apply patch ops: {error}"))?;
            }
        }
    }
    Ok(())
}

fn concerns(overlay: &Value, object: &Value) -> bool {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let kind = &overlay["groupVersionKind"];
    let version = match (text(&kind["group"]), text(&kind["version"])) {
        (group, version) if group.is_empty() => version,
        (group, version) => format!("{group}/{version}"),
    };
    let key = &overlay["objectKey"];
    text(&object["kind"]) == text(&kind["kind"])
        && text(&object["apiVersion"]) == version
        && text(&object["metadata"]["name"]) == text(&key["name"])
        && text(&object["metadata"]["namespace"]) == text(&key["namespace"])
}

fn apply_patch(object: &mut Value, patch: &Value) -> Result<(), String> {
    let path = patch["path"].as_str().unwrap_or_default();
    let text = patch["value"].as_str().unwrap_or_default();
    let value = if patch["parseValue"] == true {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())?
    } else {
        Value::from(text)
    };
    let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
    let Some((last, parents)) = steps.split_last() else {
        return Err(format!("empty path {path}"));
    };
    let mut place = object;
    for step in parents {
        place = descend(place, step, path)?;
    }
    let (key, optional) = split_optional(last);
    match (patch["type"].as_str(), place.as_object_mut()) {
        (Some("remove"), Some(fields)) => drop(fields.remove(key)),
        (_, Some(fields)) if optional || fields.contains_key(key) => {
            drop(fields.insert(key.to_owned(), value))
        }
        _ => return Err(missing(path)),
    }
    Ok(())
}

/// One step down: a field, or `field=value` for the item of a list. A trailing
/// `?` makes a missing field.
fn descend<'a>(place: &'a mut Value, step: &str, path: &str) -> Result<&'a mut Value, String> {
    if let Some((field, wanted)) = step.split_once('=') {
        let items = place.as_array_mut().ok_or_else(|| missing(path))?;
        let mut matching: Vec<&mut Value> = items.iter_mut().filter(|item| item[field] == wanted).collect();
        return match (matching.pop(), matching.len()) {
            (Some(item), 0) => Ok(item),
            (_, others) => Err(format!(
                "Expected to find exactly one matching array item for path {path} ({step}) but found {others}"
            )),
        };
    }
    let (key, optional) = split_optional(step);
    let fields = place.as_object_mut().ok_or_else(|| missing(path))?;
    if optional {
        return Ok(fields.entry(key).or_insert_with(|| Value::Object(Map::new())));
    }
    fields.get_mut(key).ok_or_else(|| missing(path))
}

fn split_optional(step: &str) -> (&str, bool) {
    match step.strip_suffix('?') {
        Some(key) => (key, true),
        None => (step, false),
    }
}

fn missing(path: &str) -> String {
    format!("missing map key for path {path}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn daemon_set() -> Value {
        json!({
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": "istio-cni-node-mesh", "namespace": "istio-system"},
            "spec": {"containers": [{"name": "install-cni", "securityContext": {"runAsUser": 0}}]},
        })
    }

    fn overlay(name: &str, path: &str) -> Value {
        json!([{
            "groupVersionKind": {"group": "apps", "version": "v1", "kind": "DaemonSet"},
            "objectKey": {"name": name, "namespace": "istio-system"},
            "patches": [{"type": "replace", "path": path, "value": "true", "parseValue": true}],
        }])
    }

    #[test]
    fn optional_field_is_made() {
        let mut objects = [daemon_set()];
        let path = "/spec/containers/name=install-cni/securityContext/privileged?";
        assert_eq!(apply(&mut objects, &overlay("istio-cni-node-mesh", path)), Ok(()));
        assert_eq!(objects[0]["spec"]["containers"][0]["securityContext"]["privileged"], true);
    }

    #[test]
    fn path_without_a_match_fails() {
        let path = "/spec/containers/name=other/securityContext/privileged?";
        let error =
            apply(&mut [daemon_set()], &overlay("istio-cni-node-mesh", path)).expect_err("no such container");
        assert!(error.contains("exactly one matching array item") && error.ends_with("found 0"), "{error}");
    }

    #[test]
    fn overlay_on_an_absent_object_is_passed_over() {
        assert_eq!(apply(&mut [daemon_set()], &overlay("other", "/spec/nothing")), Ok(()));
    }
}
