//! The plan document: what is hashed, stored and sent. Format 1.
//!
//! The spoke reads the same JSON with types of its own: the two are built from different releases. A change of meaning
//! is a new format.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ObjectId;
use crate::{
    digest::Digest,
    fleet::{Name, Operator},
};

/// The plan document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanDocument {
    /// Always 1.
    pub format: u32,
    /// Namespaces that the plan's objects stand in: created if absent, never changed, never deleted. Sorted.
    pub namespaces: Vec<Name>,
    /// Applied one after the other.
    pub phases: Vec<PhaseDocument>,
    /// Fields of ours on objects that others make. Sorted by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additions: Vec<Addition>,
    /// Objects that are made in every namespace that is selected. Sorted by template and id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<Template>,
    /// Objects that the installer makes: watched, never written. Sorted by id.
    pub expectations: Vec<Expectation>,
    /// What must hold for the mesh to count as healthy.
    pub healthy_when: Vec<Criterion>,
}

/// Objects that are applied together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseDocument {
    /// For people, for example `prerequisites`.
    pub name: String,
    /// In the order of writing.
    pub objects: Vec<PlannedObject>,
    /// When the next phase may begin.
    pub until: Until,
    /// How long the phase may take, in seconds, from its first write.
    pub deadline_s: u32,
}

/// An object to apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedObject {
    /// Which.
    pub id: ObjectId,
    /// sha-256 of its body.
    pub body: Digest,
    /// While this holds it is not deleted, whatever a target says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_while: Option<KeepWhile>,
}

/// Something still needs the object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeepWhile {
    /// A running pod has this annotation, in the object's namespace, or anywhere for one that stands in none.
    pub pods_annotated: String,
}

impl KeepWhile {
    /// While pods with sidecars run: Istio's injector leaves this annotation on each.
    #[must_use]
    pub fn injected() -> Self {
        Self { pods_annotated: "sidecar.istio.io/status".to_owned() }
    }
}

/// Fields of ours on an object that somebody else makes: written onto it once it is there, and again when it was made
/// anew; never made, never deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addition {
    /// Which.
    pub id: ObjectId,
    /// sha-256 of its body: apiVersion, kind, name and our fields.
    pub body: Digest,
}

/// An object that stands in every namespace that is selected, made by the spoke as soon as there is one.
///
/// In all texts of the body `$(NAMESPACE)` stands for the namespace's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Stable name, for example `calisti.attachment`.
    pub template: String,
    /// Which, without a namespace.
    pub id: ObjectId,
    /// Where.
    pub namespaces: Selection,
    /// sha-256 of its body.
    pub body: Digest,
    /// While this holds in its namespace, an instance is not deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_while: Option<KeepWhile>,
}

/// Namespaces by their labels: any of the lists, all of a list. Nothing is selected by no list at all.
pub type Selection = Vec<Vec<LabelCondition>>;

/// A condition on one label of a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelCondition {
    /// The label.
    pub key: String,
    /// The relation.
    pub operator: Operator,
    /// Empty for `Exists` and `DoesNotExist`; written in any case.
    #[serde(default)]
    pub values: Vec<String>,
}

/// When a phase is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Until {
    /// All its objects are applied.
    Applied,
    /// `healthy_when` and the expectations hold.
    Healthy,
}

/// An object that somebody else makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Which.
    pub id: ObjectId,
    /// What must stand in it.
    pub requires: Vec<Requirement>,
}

/// A value that must stand at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Dotted, with list items by a key whose value is JSON: `.spec.template.spec.containers[name="discovery"].image`,
    /// `.rules[resources=["securitycontextconstraints"]].verbs`.
    pub path: String,
    /// The value.
    pub value: Value,
}

/// One condition of health on one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Criterion {
    /// Which object.
    pub id: ObjectId,
    /// Values that must stand there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<Requirement>,
    /// Values that mean failure, once they stand for `failed_for_s`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fails_on: Vec<Requirement>,
    /// How long a failure must stand before it counts, in seconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed_for_s: u32,
    /// Whether its roll-out must be over by the rules of its kind (Deployment, DaemonSet): observedGeneration equals
    /// generation, and updated, desired and available counts are equal.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rolled_out: bool,
    /// How long its resourceVersion must have stood still, in seconds; 0 means it may move.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub settled_for_s: u32,
    /// Whether its `.status.observedGeneration` must equal its generation.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub observed: bool,
    /// How long all of this must have held without a break, in seconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub held_for_s: u32,
}

impl Criterion {
    /// A criterion that asks for nothing yet.
    #[must_use]
    pub fn on(id: &ObjectId) -> Self {
        Self {
            id: id.clone(),
            requires: Vec::new(),
            fails_on: Vec::new(),
            failed_for_s: 0,
            rolled_out: false,
            settled_for_s: 0,
            observed: false,
            held_for_s: 0,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}
