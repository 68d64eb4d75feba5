//! The selector: the same wherever clusters are chosen.

use serde::{Deserialize, Serialize};

use super::{Labels, Name};

/// Chooses clusters. All given parts must hold; a selector with no part chooses nothing, because an empty list must
/// never mean the whole fleet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Selector {
    /// Clusters by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<Name>,
    /// Labels that must have exactly these values.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub match_labels: Labels,
    /// Further conditions on labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<MatchExpression>,
}

/// One condition on one label, with the meaning that Kubernetes gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchExpression {
    /// The label.
    pub key: String,
    /// The relation.
    pub operator: Operator,
    /// Empty for `Exists` and `DoesNotExist`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// Relation between a label and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// The label has one of the values.
    In,
    /// The label is absent or has none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

impl Selector {
    /// Whether it has no part at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// Whether it chooses a cluster of this name and these labels.
    #[must_use]
    pub fn matches(&self, name: &Name, labels: &Labels) -> bool {
        !self.is_empty()
            && (self.names.is_empty() || self.names.contains(name))
            && self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|expression| expression.holds(labels))
    }
}

impl MatchExpression {
    /// Whether labels fulfil it.
    #[must_use]
    pub fn holds(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        match self.operator {
            Operator::In => value.is_some_and(|value| self.values.contains(value)),
            Operator::NotIn => value.is_none_or(|value| !self.values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Labels {
        [("mesh".to_owned(), "payments".to_owned()), ("env".to_owned(), "prod".to_owned())].into()
    }

    fn selector(json: &str) -> Selector {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn an_empty_selector_chooses_nothing() {
        assert!(!Selector::default().matches(&Name::parse("a").unwrap(), &labels()));
    }

    #[test]
    fn all_parts_must_hold() {
        let name = Name::parse("eks-1").unwrap();
        for (json, expected) in [
            (r#"{"names":["eks-1"]}"#, true),
            (r#"{"names":["eks-2"]}"#, false),
            (r#"{"matchLabels":{"mesh":"payments"}}"#, true),
            (r#"{"names":["eks-1"],"matchLabels":{"mesh":"other"}}"#, false),
            (r#"{"matchExpressions":[{"key":"env","operator":"In","values":["prod"]}]}"#, true),
            (r#"{"matchExpressions":[{"key":"env","operator":"NotIn","values":["prod"]}]}"#, false),
            (r#"{"matchExpressions":[{"key":"tier","operator":"NotIn","values":["prod"]}]}"#, true),
            (r#"{"matchExpressions":[{"key":"env","operator":"Exists"}]}"#, true),
            (r#"{"matchExpressions":[{"key":"env","operator":"DoesNotExist"}]}"#, false),
        ] {
            assert_eq!(selector(json).matches(&name, &labels()), expected, "{json}");
        }
    }
}
