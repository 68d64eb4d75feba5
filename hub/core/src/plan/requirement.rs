//! What rules require: fields with a strength and a source, on an object, and who fulfils them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Criterion, KeepWhile, ObjectId, Selection, path::Keys};
use crate::plan::rule::Phase;

/// What a rule requires of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Requirement {
    /// The object.
    pub object: ObjectId,
    /// By whom.
    pub fulfilled_by: FulfilledBy,
    /// What must hold of it for the mesh to count as healthy.
    pub healthy_when: Option<Criterion>,
}

/// Who fulfils a requirement.
#[derive(Debug, Clone, PartialEq)]
pub enum FulfilledBy {
    /// We apply the object. Fields that several rules write in one object are merged.
    Plan {
        /// When.
        phase: Phase,
        /// What this rule writes.
        fields: Vec<Fields>,
        /// While this holds the object is not deleted.
        keep_while: Option<KeepWhile>,
    },
    /// We make the namespace if it is absent, and write nothing into it.
    Namespace,
    /// We write fields onto an object that the installer makes.
    Addition {
        /// What this rule writes.
        fields: Vec<Fields>,
    },
    /// The spoke makes the object in every namespace that is selected.
    Template {
        /// Stable name.
        template: &'static str,
        /// Where.
        namespaces: Selection,
        /// What this rule writes.
        fields: Vec<Fields>,
        /// While this holds in its namespace, an instance is not deleted.
        keep_while: Option<KeepWhile>,
    },
    /// The installer makes the object; we watch it.
    Installer {
        /// What must stand in it.
        requires: Vec<Watched>,
    },
    /// The config must not say otherwise: the installer fills the value in by itself.
    Reserved {
        /// Keys of the value within the object, from the top.
        keys: Keys,
        /// What the config may say all the same.
        allowed: Vec<Value>,
    },
    /// A person. So far only labels of the namespaces of workloads, which are never ours.
    User {
        /// Sets of labels, any of which does. The first is the one that is asked for.
        any_of: Vec<AskedLabels>,
    },
}

/// Labels with the value they must have; none means that the label must not be there.
pub type AskedLabels = BTreeMap<&'static str, Option<String>>;

/// Fields of one strength and one source.
#[derive(Debug, Clone, PartialEq)]
pub struct Fields {
    /// Against what they stand.
    pub strength: Strength,
    /// Where their values come from.
    pub from: Source,
    /// The fields, in maps from the top of the object.
    pub tree: Value,
}

/// What gives way to what: an earlier one to a later one. Overrides stand above all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// A rule's proposal: the config may say otherwise.
    Default,
    /// What the config says under `values`.
    Config,
    /// A rule's need: a config that says otherwise is contradicted.
    Required,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The rule itself.
    Rule,
    /// A value of the effective config, by its path.
    Config(&'static str),
    /// An item of a list of the effective config, by the list's path and the item's place.
    Item(&'static str, usize),
    /// A map of the effective config, by its path, that stands at these keys of the object.
    Values(&'static str, &'static [&'static str]),
    /// What the `Cluster` document says, for example `name`.
    Cluster(String),
}

/// A value that must stand in an object of the installer's.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    /// Dotted, with list items by a key whose value is JSON.
    pub path: String,
    /// The value.
    pub value: Value,
    /// Where it comes from.
    pub from: Source,
}

impl Fields {
    /// What a rule needs of itself.
    #[must_use]
    pub fn required(tree: Value) -> Self {
        Self::needed(Source::Rule, tree)
    }

    /// What a rule needs, with values from elsewhere.
    #[must_use]
    pub fn needed(from: Source, tree: Value) -> Self {
        Self { strength: Strength::Required, from, tree }
    }
}

impl Watched {
    /// A value that the rule itself knows.
    #[must_use]
    pub fn value(path: &str, value: impl Into<Value>) -> Self {
        Self { path: path.to_owned(), value: value.into(), from: Source::Rule }
    }

    /// The same, with the value from elsewhere.
    #[must_use]
    pub fn from(self, from: Source) -> Self {
        Self { from, ..self }
    }
}

impl Requirement {
    /// Fields of an object that the plan applies.
    #[must_use]
    pub fn plan(object: ObjectId, phase: Phase, fields: Vec<Fields>) -> Self {
        let fulfilled_by = FulfilledBy::Plan { phase, fields, keep_while: None };
        Self { object, fulfilled_by, healthy_when: None }
    }

    /// An object that the installer makes.
    #[must_use]
    pub fn installer(object: ObjectId, requires: Vec<Watched>) -> Self {
        Self { object, fulfilled_by: FulfilledBy::Installer { requires }, healthy_when: None }
    }

    /// A namespace that must be there.
    #[must_use]
    pub fn namespace(name: &str) -> Self {
        let object = ObjectId::new("", "v1", "Namespace", "", name);
        Self { object, fulfilled_by: FulfilledBy::Namespace, healthy_when: None }
    }

    /// A value that the config must leave to the installer.
    #[must_use]
    pub fn reserved(object: ObjectId, keys: &[&str], allowed: Vec<Value>) -> Self {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Self { object, fulfilled_by: FulfilledBy::Reserved { keys, allowed }, healthy_when: None }
    }

    /// The same, with a criterion of health.
    #[must_use]
    pub fn healthy_when(self, criterion: Criterion) -> Self {
        Self { healthy_when: Some(criterion), ..self }
    }
}
