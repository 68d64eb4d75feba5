//! A schema, read: what may stand at one place of an object.

use std::collections::BTreeMap;

use super::rules::Rules;

/// What may stand at one place.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// None takes any; in a part of a schema that only adds rules there is none.
    pub(super) kind: Option<Type>,
    /// Whether `null` is a value.
    pub(super) nullable: bool,
    /// `x-kubernetes-int-or-string`: a whole number or a text.
    pub(super) int_or_text: bool,
    /// `x-kubernetes-embedded-resource`: an object of Kubernetes stands here.
    pub(super) embedded: bool,
    /// Whether an API server fills it in where nothing is said.
    pub(super) has_default: bool,
    /// Fields by name.
    pub(super) fields: BTreeMap<String, Node>,
    /// Of fields that have no name here.
    pub(super) rest: Rest,
    /// What each item of a list is.
    pub(super) item: Option<Box<Node>>,
    /// What tells the items of a list apart.
    pub(super) told_by: ToldBy,
    /// What else is asked; nothing of most.
    pub(super) rules: Option<Box<Rules>>,
}

/// Fields that a schema does not name.
#[derive(Debug, Default)]
pub(super) enum Rest {
    /// Are taken away.
    #[default]
    Unknown,
    /// Stay, whatever they are: `x-kubernetes-preserve-unknown-fields`, or `additionalProperties: true`.
    Kept,
    /// Are all of one sort.
    Each(Box<Node>),
}

/// What tells the items of a list apart, so that none may stand twice.
#[derive(Debug, Default)]
pub(super) enum ToldBy {
    /// Their places.
    #[default]
    Place,
    /// They themselves.
    Value,
    /// Some of their fields.
    Keys(Vec<String>),
}

/// The types of JSON, as schemas name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Object,
    Array,
    Text,
    /// A number without fraction.
    Integer,
    Number,
    Boolean,
}

impl Type {
    pub(super) const ALL: [(&'static str, Self); 6] = [
        ("object", Self::Object),
        ("array", Self::Array),
        ("string", Self::Text),
        ("integer", Self::Integer),
        ("number", Self::Number),
        ("boolean", Self::Boolean),
    ];

    /// With its article, for people.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Object => "a map",
            Self::Array => "a list",
            Self::Text => "a text",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Boolean => "true or false",
        }
    }
}
