//! What the operator takes for a change of its objects, and what it overlooks.

use serde_json::Value;

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
