//! What a change does to running pods, at its worst.

use serde::{Deserialize, Serialize};

use super::{Change, LeafChange, ObjectDiff};

/// The worst that a change does to running pods, the mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Disruption {
    /// Nothing is written.
    None,
    /// Objects and settings change that no pod restarts for.
    Config,
    /// Istio's own pods restart; workloads run on.
    Restart,
    /// Workloads may lose connections, or not start again.
    OutageRisk,
}

impl Disruption {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Config => "config",
            Self::Restart => "restart",
            Self::OutageRisk => "outage-risk",
        }
    }
}

impl std::fmt::Display for Disruption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Kinds that installers make a mesh from.
const CONTROL_PLANES: [&str; 3] = ["Istio", "IstioCNI", "IstioControlPlane"];

/// Parts of paths that say who and where a mesh is, and how traffic gets to it: changed under running workloads,
/// certificates, discovery or interception no longer fit.
const IDENTITY: [&str; 12] = [
    ".meshID",
    ".clusterID",
    ".networkName",
    ".clusterName",
    ".network",
    ".trustDomain",
    ".spec.namespace",
    ".interceptionMode",
    ".proxyInit.cni",
    ".values.cni",
    ".platform",
    ".mode",
];

/// The class of a diff.
#[must_use]
pub fn disruption(diff: &[ObjectDiff]) -> Disruption {
    diff.iter().map(of_object).max().unwrap_or(Disruption::None)
}

fn of_object(diff: &ObjectDiff) -> Disruption {
    let control_plane = CONTROL_PLANES.contains(&diff.id.kind.as_str());
    match diff.change {
        Change::None | Change::Expect => Disruption::None,
        // A first control plane has no workloads yet.
        Change::Create | Change::Adopt | Change::Add | Change::Template => Disruption::Config,
        // What is deleted is what pods need to start: the plan has nothing else.
        Change::Delete => Disruption::OutageRisk,
        Change::Update if !control_plane => Disruption::Config,
        Change::Update => diff.changes.iter().map(of_leaf).max().unwrap_or(Disruption::Restart),
    }
}

fn of_leaf(leaf: &LeafChange) -> Disruption {
    let within = |part: &str| {
        leaf.path.match_indices(part).any(|(at, _)| {
            let rest = &leaf.path[at + part.len()..];
            rest.is_empty() || rest.starts_with(['.', '['])
        })
    };
    if IDENTITY.into_iter().any(within) {
        Disruption::OutageRisk
    } else if within(".meshConfig") {
        // istiod reads it again by itself.
        Disruption::Config
    } else {
        Disruption::Restart
    }
}
