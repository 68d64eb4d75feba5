//! What the operator takes for a change of its objects, and what it overlooks.

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

/// The part of an object that the operator heals: never replicas, and of the
/// validating webhook neither the policy nor the selector.
pub(super) fn healed(wanted: &Value) -> Value {
    let mut healed = wanted.clone();
    match wanted["kind"].as_str() {
        Some("Deployment") => remove(&mut healed["spec"], "replicas"),
        Some("ValidatingWebhookConfiguration") => {
            for webhook in healed["webhooks"].as_array_mut().into_iter().flatten() {
                remove(webhook, "failurePolicy");
            }
        }
        _ => {}
    }
    healed
}

/// Nobody may narrow whom the injector serves: its selectors must be equal.
pub(super) fn same_selectors(live: &Value, wanted: &Value) -> bool {
    if wanted["kind"] != "MutatingWebhookConfiguration" {
        return true;
    }
    let webhooks = |object: &Value| object["webhooks"].as_array().cloned().unwrap_or_default();
    let live = webhooks(live);
    webhooks(wanted).iter().all(|wanted| {
        live.iter().filter(|live| live["name"] == wanted["name"]).all(|live| {
            ["namespaceSelector", "objectSelector"]
                .iter()
                .all(|selector| live[*selector] == wanted[*selector])
        })
    })
}

fn remove(object: &mut Value, key: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove(key);
    }
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
