//! The plan: everything that one cluster should run, computed from a config, the cluster and its facts.
//!
//! Rules give requirements, requirements give objects and expectations; the document is canonical JSON, so the same
//! inputs give the same digest. Why an object is there stands beside the document, never in it.

mod document;
mod object;

pub mod input;
pub mod installer;
pub mod path;
pub mod requirement;
pub mod rule;

mod draft;
mod planner;
mod provenance;
mod sources;

pub mod check;
mod config_use;

mod accept;
mod brake;
mod comparison;
mod deletions;
mod diff;
mod disruption;
mod group;
mod moves;
mod proposal;
mod proposer;

pub mod rights;

#[cfg(test)]
mod tests;

pub use accept::ACCEPTABLE;
pub use brake::{Brake, brake};
pub use check::check;
pub use comparison::{ComparedLeaf, ComparedObject, compare};
pub use config_use::ConfigUse;
pub use deletions::deletions;
pub use diff::{Before, Change, LeafChange, ObjectDiff, diff};
pub use disruption::{Disrupting, Disruption, disruption};
pub use document::{
    Addition, Criterion, Expectation, KeepWhile, LabelCondition, PhaseDocument, PlanDocument, PlannedObject,
    Requirement, Selection, Template, Until,
};
pub use draft::{Contradiction, InForce};
pub use group::{Group, Preview, group};
pub use input::PlanInput;
pub use moves::moves;
pub use object::{Body, ObjectId};
pub use planner::{PlanError, plan};
pub use proposal::{Proposal, propose, second_config};
pub use proposer::{Judged, Proposer};
pub use provenance::{ExplainedLeaf, ExplainedObject, Form, Origin, Provenance, explain};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    config::{
        CniPlugin, Gateway, InstallerKind, Interception, IstioVersion, Monitoring, NamespaceSelector,
        UpdateStrategy,
    },
    digest::Digest,
    fleet::Name,
};
use requirement::AskedLabels;

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
    /// Why each value is there. Outside the digest.
    pub provenance: Provenance,
    /// What the config said and what became of it. Outside the digest.
    pub config: ConfigUse,
    /// What a person must see to. Outside the digest.
    pub asks: Vec<Ask>,
    /// What the plan is for, none for nothing. The referee holds the manifests against it. Outside the digest.
    pub intent: Option<Intent>,
}

/// What a plan is to achieve, in words that no rule had a hand in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Who installs.
    pub installer: InstallerKind,
    /// Name of the config.
    pub config: Name,
    /// Name of the control plane.
    pub control_plane: Name,
    /// The control plane's namespace.
    pub namespace: Name,
    /// Namespaces whose pods get sidecars.
    pub data_plane: NamespaceSelector,
    /// How traffic gets to them.
    pub interception: Interception,
    /// Who sets that up.
    pub cni: CniPlugin,
    /// The Istio that must run.
    pub version: IstioVersion,
    /// What watches the mesh, installed by others.
    pub monitoring: Option<Monitoring>,
    /// How it follows another.
    pub update_strategy: UpdateStrategy,
    /// How long a control plane that nothing uses stays, in seconds, where the config says so.
    pub inactive_revision_grace_s: Option<u32>,
    /// The gateways that must stand.
    pub gateways: Vec<Gateway>,
}

impl Intent {
    /// The value of the label `istio.io/rev` that puts a namespace under this control plane.
    #[must_use]
    pub fn revision(&self) -> String {
        match self.installer {
            InstallerKind::Sail => self.control_plane.to_string(),
            InstallerKind::Calisti => format!("{}.{}", self.control_plane, self.namespace),
        }
    }
}

/// Labels that a person must set or remove on the namespaces of workloads, which are not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The rule that asks.
    pub rule: RuleId,
    /// Sets of labels, any of which does. The first is the one that is asked for.
    pub any_of: Vec<AskedLabels>,
}

/// The plan of a cluster that shall have nothing of ours: an empty document.
#[must_use]
pub fn empty() -> Plan {
    let document = PlanDocument {
        format: 1,
        namespaces: Vec::new(),
        phases: Vec::new(),
        additions: Vec::new(),
        templates: Vec::new(),
        expectations: Vec::new(),
        healthy_when: Vec::new(),
    };
    let (bytes, digest) = planner::seal(&document);
    Plan {
        document,
        bytes,
        digest,
        bodies: BTreeMap::new(),
        reasons: BTreeMap::new(),
        provenance: Provenance::new(),
        config: ConfigUse::default(),
        asks: Vec::new(),
        intent: None,
    }
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
