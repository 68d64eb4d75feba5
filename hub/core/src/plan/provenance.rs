//! Why a value is there: for each leaf of what a plan writes, and for each value that it waits for.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{ObjectId, Plan, RuleId, path};
use crate::{
    config::{ConfigOrigin, Override, SourceMap},
    digest::Digest,
};

/// Origins of the leaves of each object, by their paths.
pub type Provenance = BTreeMap<ObjectId, BTreeMap<String, Origin>>;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The config says it.
    Config {
        /// Where.
        origin: ConfigOrigin,
        /// The rule that puts it there.
        rule: RuleId,
    },
    /// The `Cluster` document says it.
    Cluster {
        /// What of it: `name`, `network`, or what gives the network in its place, as `network by label KEY`.
        field: String,
        /// The rule that puts it there.
        rule: RuleId,
    },
    /// A rule says it.
    Rule {
        /// Which.
        rule: RuleId,
        /// The facts that brought the rule in or that it read, in words; none for one that holds everywhere.
        fact: Option<String>,
    },
    /// It stands against a rule, and somebody answers for it.
    Override(Override),
    /// It names the object.
    Structural,
}

/// An object with the reason of each of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedObject {
    /// Which.
    pub id: ObjectId,
    /// In what form the plan has it.
    pub form: Form,
    /// In the order of their paths.
    pub leaves: Vec<ExplainedLeaf>,
}

/// In what form a plan has an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// It is applied.
    Object,
    /// Fields of ours on what somebody else makes.
    Addition,
    /// One in each selected namespace.
    Template,
    /// Somebody else makes it, and values must stand in it.
    Expectation,
}

/// A value with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedLeaf {
    /// Its path, for example `.spec.version`.
    pub path: String,
    /// The value.
    pub value: Value,
    /// Why.
    pub origin: Origin,
    /// The file it was written in; none for what nobody wrote.
    pub file: Option<String>,
    /// The line in it.
    pub line: Option<u32>,
}

impl Form {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Addition => "addition",
            Self::Template => "template",
            Self::Expectation => "expectation",
        }
    }
}

impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Origin {
    /// The text with the cluster's variables by name that stands for this value in every cluster alike, if it differs
    /// from cluster to cluster.
    #[must_use]
    pub fn template(&self) -> Option<String> {
        match self {
            Self::Config { origin, .. } => origin.variable.clone(),
            Self::Cluster { field, .. } if field == "name" => Some("${cluster}".to_owned()),
            // Whatever gives a cluster its network, it is the same to people.
            Self::Cluster { .. } => Some("${network}".to_owned()),
            Self::Rule { .. } | Self::Override(_) | Self::Structural => None,
        }
    }
}

/// Every value of a plan with its reason: objects in the order of writing, additions, templates, expectations.
#[must_use]
pub fn explain(plan: &Plan, source: &SourceMap) -> Vec<ExplainedObject> {
    let document = &plan.document;
    let objects = document.phases.iter().flat_map(|phase| &phase.objects);
    let written = objects
        .map(|object| (&object.id, Form::Object, object.body))
        .chain(document.additions.iter().map(|addition| (&addition.id, Form::Addition, addition.body)))
        .chain(document.templates.iter().map(|template| (&template.id, Form::Template, template.body)));
    let expected = document.expectations.iter().map(|expectation| {
        let requires = expectation.requires.iter();
        let leaves = requires.map(|value| (value.path.clone(), value.value.clone())).collect();
        (&expectation.id, Form::Expectation, leaves)
    });
    written
        .map(|(id, form, body)| (id, form, leaves_of(plan, body)))
        .chain(expected)
        .map(|(id, form, leaves)| {
            let leaves = leaves.into_iter().map(|(path, value)| explained(plan, source, id, path, value));
            ExplainedObject { id: id.clone(), form, leaves: leaves.collect() }
        })
        .collect()
}

fn leaves_of(plan: &Plan, body: Digest) -> Vec<(String, Value)> {
    let value = plan.bodies.get(&body).and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
    let Some(value) = value else { return Vec::new() };
    path::leaves("", &value).into_iter().map(|(path, value)| (path, value.clone())).collect()
}

fn explained(plan: &Plan, source: &SourceMap, id: &ObjectId, path: String, value: Value) -> ExplainedLeaf {
    let origin = plan.provenance.get(id).and_then(|origins| origins.get(&path));
    let origin = origin.cloned().unwrap_or(Origin::Structural);
    let place = match &origin {
        Origin::Config { origin, .. } => source.place(origin).line,
        Origin::Cluster { .. } | Origin::Rule { .. } | Origin::Override(_) | Origin::Structural => None,
    };
    let (file, line) = place.map(|(file, line)| (file.to_owned(), line)).unzip();
    ExplainedLeaf { path, value, origin, file, line }
}
