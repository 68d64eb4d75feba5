//! Templates: objects that stand in every namespace that is selected, also in those that come later.
//!
//! Pure. An instance is a template's body with the namespace put in.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{KeepWhile, ObjectId, Selection};
use crate::digest::Digest;

/// What stands for the namespace's name in the texts of a body.
const PLACEHOLDER: &str = "$(NAMESPACE)";

/// An object of every namespace that is selected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Its name within the plan.
    pub template: String,
    /// Its instances, without their namespace.
    pub id: ObjectId,
    /// Which namespaces.
    pub namespaces: Selection,
    /// sha-256 of its body.
    pub body: Digest,
    /// What will keep an instance from being deleted, once the template leaves the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_while: Option<KeepWhile>,
}

/// All instances of a template, to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateDeletion {
    /// Which template.
    pub template: String,
    /// Its instances, without their namespace.
    pub id: ObjectId,
    /// Why, for people.
    pub why: String,
    /// While this holds for an instance, that one is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_while: Option<KeepWhile>,
}

impl TemplateDeletion {
    /// Whether it means this instance.
    #[must_use]
    pub fn means(&self, template: &str, id: &ObjectId) -> bool {
        self.template == template && self.id.key() == id.within("").key()
    }
}

/// A template's body in a namespace.
#[must_use]
pub fn instance(mut body: Value, namespace: &str) -> Value {
    fill(&mut body, namespace);
    body["metadata"]["namespace"] = namespace.into();
    body
}

fn fill(value: &mut Value, namespace: &str) {
    match value {
        Value::String(text) if text.contains(PLACEHOLDER) => *text = text.replace(PLACEHOLDER, namespace),
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, namespace)),
        Value::Object(fields) => fields.values_mut().for_each(|field| fill(field, namespace)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_instance_has_its_namespace_in_every_text() {
        let body = json!({"metadata": {"name": "x"}, "count": 1, "$(NAMESPACE)": true,
            "subjects": [{"name": "system:serviceaccounts:$(NAMESPACE)"}, "$(NAMESPACE)-$(NAMESPACE)"]});
        let expected = json!({"metadata": {"name": "x", "namespace": "shop"}, "count": 1, "$(NAMESPACE)": true,
            "subjects": [{"name": "system:serviceaccounts:shop"}, "shop-shop"]});
        assert_eq!(instance(body, "shop"), expected);
    }
}
