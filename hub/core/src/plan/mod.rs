//! The plan: everything that one cluster should run, computed from a config, the cluster and its facts.
//!
//! Rules give requirements, requirements give objects and expectations; the document is canonical JSON, so the same
//! inputs give the same digest. Why an object is there stands beside the document, never in it.

mod document;
mod object;

pub mod input;
pub mod installer;
pub mod rule;

mod planner;

pub mod check;

mod brake;
mod deletions;
mod diff;
mod empty;
mod proposal;

#[cfg(test)]
mod tests;

pub use brake::{Brake, brake};
pub use check::check;
pub use deletions::deletions;
pub use diff::{Before, Change, ObjectDiff, diff};
pub use document::{Criterion, Expectation, PhaseDocument, PlanDocument, PlannedObject, Requirement, Until};
pub use empty::empty;
pub use input::PlanInput;
pub use object::{Body, ObjectId};
pub use planner::{PlanError, plan};
pub use proposal::{Proposal, propose};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{digest::Digest, fleet::Name};

/// A computed plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What is sent, in canonical JSON.
    pub document: PlanDocument,
    /// The bytes of the document.
    pub bytes: Vec<u8>,
    /// Their sha-256: the identity of the plan.
    pub digest: Digest,
    /// Bodies by digest: canonical JSON of each manifest.
    pub bodies: BTreeMap<Digest, Vec<u8>>,
    /// Why each object and expectation is there: rules by id. Outside the digest.
    pub reasons: BTreeMap<ObjectId, Vec<RuleId>>,
    /// What a person must see to. Outside the digest.
    pub asks: Vec<Ask>,
    /// What the plan is for. The referee holds the manifests against it. Outside the digest.
    pub intent: Intent,
}

/// What a plan is to achieve, in words that no rule had a hand in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Name of the control plane.
    pub control_plane: Name,
    /// The control plane's namespace.
    pub namespace: Name,
    /// Namespaces whose pods get sidecars.
    pub data_plane: Vec<Name>,
    /// The Istio that must run.
    pub version: crate::config::IstioVersion,
}

impl Intent {
    /// The value of the label `istio.io/rev` that puts a namespace under this control plane.
    #[must_use]
    pub fn revision(&self) -> String {
        format!("{}.{}", self.control_plane, self.namespace)
    }
}

/// Labels that a person must set or remove on an object that is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The rule that asks.
    pub rule: RuleId,
    /// The object; so far always a Namespace.
    pub object: ObjectId,
    /// Labels with the value they must have; none means that the label must not be there.
    pub labels: BTreeMap<&'static str, Option<String>>,
}

/// Stable id of a rule, for example `openshift.cni.multus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct RuleId(pub &'static str);

impl std::fmt::Display for RuleId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable id, for example `openshift.nad.missing`.
    pub rule: String,
    /// Whether it keeps the plan from being rolled out.
    pub severity: Severity,
    /// What was seen.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// Weight of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// The plan must not be rolled out.
    Blocks,
    /// Worth knowing.
    Warns,
}
