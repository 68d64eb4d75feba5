//! What the stand-ins have in common when they look at live objects.

use anyhow::{Context, Result};
use kube::api::{DeleteParams, DynamicObject, GroupVersionKind, TypeMeta};
use kube::core::ApiResource;
use kube::{Api, Client};
use serde_json::Value;

/// True if `live` has all that `wanted` says; what others added does not count.
///
/// Lists of named things (containers, variables, webhooks) are compared by name,
/// other lists (rules, arguments) must be equal. So a rule that somebody added is
/// seen, and a container's additional variable is not: as observed.
pub(super) fn covers(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| live.get(key).is_some_and(|live| covers(live, value)))
        }
        (Value::Array(live), Value::Array(wanted))
            if wanted.iter().all(|item| item.get("name").is_some()) =>
        {
            wanted.iter().all(|item| {
                live.iter().any(|candidate| candidate["name"] == item["name"] && covers(candidate, item))
            })
        }
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(live, wanted)| covers(live, wanted))
        }
        _ => live == wanted,
    }
}

/// Deletes the object if it is there.
pub(super) async fn delete(client: &Client, object: &Value) -> Result<()> {
    let (api, name) = address(client, object)?;
    match api.delete(&name, &DeleteParams::default()).await {
        Err(kube::Error::Api(answer)) if answer.is_not_found() => Ok(()),
        outcome => outcome.map(drop).with_context(|| format!("deleting {name}")),
    }
}

/// Where an object lives, and its name there.
pub(super) fn address(client: &Client, object: &Value) -> Result<(Api<DynamicObject>, String)> {
    let types: TypeMeta = serde_json::from_value(object.clone()).context("an object has no kind")?;
    let kind = GroupVersionKind::try_from(types).context("reading an apiVersion")?;
    let resource = match kind.kind.as_str() {
        // The one plural that follows no rule.
        "NetworkAttachmentDefinition" => {
            ApiResource::from_gvk_with_plural(&kind, "network-attachment-definitions")
        }
        _ => ApiResource::from_gvk(&kind),
    };
    let name = object["metadata"]["name"].as_str().context("an object has no name")?.to_owned();
    let api = match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    Ok((api, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn additions_to_named_things_are_overlooked() {
        let wanted =
            json!({"containers": [{"name": "a", "image": "x", "env": [{"name": "A", "value": "1"}]}]});
        let live = json!({"containers": [
            {"name": "added"},
            {"name": "a", "image": "x", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
        ]});
        assert!(covers(&live, &wanted));
    }

    #[test]
    fn an_added_rule_is_seen() {
        let wanted = json!({"rules": [{"verbs": ["get"]}]});
        assert!(!covers(&json!({"rules": [{"verbs": ["get"]}, {"verbs": ["use"]}]}), &wanted));
        assert!(!covers(&json!({"rules": [{"verbs": ["get", "list"]}]}), &wanted));
    }
}
