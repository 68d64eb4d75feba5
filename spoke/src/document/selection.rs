//! Which namespaces a template is for: by their labels.
//!
//! Pure. Namespaces of Kubernetes itself are never selected, whatever their labels.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Namespaces of Kubernetes itself begin so.
const SYSTEM_PREFIX: &str = "kube-";

/// Any of these lists, all of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Selection(Vec<Vec<Term>>);

/// One condition on labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// Key of the label.
    pub key: String,
    /// What is asked of it.
    pub operator: Operator,
    /// Values, where the operator asks for some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// What is asked of a label. As in Kubernetes, an absent label is not in any list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// It is there, with one of the values.
    In,
    /// It is not there, or has none of the values.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

impl Selection {
    /// Whether a namespace with these labels is selected.
    #[must_use]
    pub fn selects(&self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        !namespace.starts_with(SYSTEM_PREFIX)
            && self.0.iter().any(|all| all.iter().all(|term| term.holds(labels)))
    }
}

impl Term {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let listed = value.is_some_and(|value| self.values.contains(value));
        match self.operator {
            Operator::In => listed,
            Operator::NotIn => !listed,
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn any_list_selects_and_all_of_a_list_must_hold() {
        let injected = json!([
            [{"key": "inject", "operator": "In", "values": ["enabled"]}],
            [{"key": "rev", "operator": "In", "values": ["default"]}, {"key": "inject", "operator": "DoesNotExist"}],
        ]);
        let not = json!([[{"key": "inject", "operator": "NotIn", "values": ["disabled"]}]]);
        let cases = [
            (&injected, "shop", json!({"inject": "enabled"}), true),
            (&injected, "shop", json!({"inject": "disabled"}), false),
            (&injected, "shop", json!({"rev": "default"}), true),
            (&injected, "shop", json!({"rev": "default", "inject": "disabled"}), false),
            (&injected, "shop", json!({"rev": "canary"}), false),
            (&injected, "shop", json!({}), false),
            (&injected, "kube-system", json!({"inject": "enabled"}), false),
            (&injected, "kube-of-ours", json!({"inject": "enabled"}), false),
            (&not, "shop", json!({}), true),
            (&not, "shop", json!({"inject": "disabled"}), false),
            (&json!([[{"key": "a", "operator": "Exists"}]]), "shop", json!({"a": ""}), true),
            (&json!([[]]), "shop", json!({}), true),
            (&json!([]), "shop", json!({}), false),
        ];
        for (selection, namespace, labels, selected) in cases {
            let read: Selection = serde_json::from_value(selection.clone()).unwrap();
            let known = serde_json::from_value(labels.clone()).unwrap();
            assert_eq!(read.selects(namespace, &known), selected, "{namespace} {labels} by {selection}");
        }
    }
}
