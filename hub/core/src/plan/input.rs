//! What a plan is computed from: the operator's intent, and of the facts only what rules declare that they read.
//!
//! # Design notes
//! A plan that depended on all facts would change with every node. Rules therefore declare the facts they read, the
//! input holds nothing else, and each rule is shown its own only, so that the declaration cannot be wrong. No fact in
//! [`Fact`] changes by applying a plan or by what an installer does with it: otherwise a plan would never be reached.

use std::collections::BTreeSet;

use super::{Intent, rule::Rule};
use crate::{
    catalog::MinorVersion,
    config::Effective,
    fleet::{Cluster, Facts, Name},
    platform::{self, PlatformName},
};

/// Everything that a plan depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanInput {
    /// What the cluster runs on: chooses the rules.
    pub platform: PlatformName,
    /// What the operator wants there.
    pub mesh: MeshInput,
    /// What the rules may know of the cluster.
    pub facts: Projection,
}

/// What the operator wants of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeshInput {
    /// Control plane, namespaces and version.
    pub intent: Intent,
    /// Identity of the mesh.
    pub mesh_id: Name,
    /// Name of the cluster within the mesh.
    pub cluster: Name,
    /// The network it stands in.
    pub network: Name,
}

/// A fact that a rule may read. The platform itself is none of them: a rule says by [`Rule::platforms`] where it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// Major and minor of the platform's own version, where it has one.
    PlatformVersion,
    /// Whether a kind is served, given as `group/Kind`. Only of kinds that no plan and no installer brings.
    Serves(&'static str),
}

/// The facts that rules may see.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Projection {
    /// None where no rule reads it, or where it is not known.
    pub platform_version: Option<MinorVersion>,
    serves: BTreeSet<&'static str>,
}

impl PlanInput {
    /// The input for one cluster: the mesh config `name` on `cluster`, which showed `facts` and runs on `platform`.
    #[must_use]
    pub fn new(
        (name, config): (&Name, &Effective),
        cluster: &Cluster,
        (facts, platform): (&Facts, PlatformName),
        rules: &[Rule],
    ) -> Self {
        let reads = rules.iter().filter(|rule| rule.holds_on(platform)).flat_map(|rule| rule.reads);
        let data_plane: BTreeSet<Name> = config.base.data_plane.namespaces.names.iter().cloned().collect();
        let intent = Intent {
            control_plane: name.clone(),
            namespace: config.base.istio.namespace.clone(),
            data_plane: data_plane.into_iter().collect(),
            version: config.base.istio.version,
        };
        Self {
            platform,
            mesh: MeshInput {
                intent,
                mesh_id: config.base.mesh.id.clone(),
                cluster: cluster.name.clone(),
                network: config.network.clone(),
            },
            facts: Projection::new(facts, platform, reads),
        }
    }
}

impl Projection {
    /// Of `facts`, what stands in `reads`.
    fn new<'a>(facts: &Facts, platform: PlatformName, reads: impl Iterator<Item = &'a Fact>) -> Self {
        let mut projection = Self::default();
        for fact in reads {
            match fact {
                Fact::PlatformVersion => projection.platform_version = platform::of(platform).version(facts),
                Fact::Serves(kind) => {
                    if facts.serves(kind) {
                        projection.serves.insert(kind);
                    }
                }
            }
        }
        projection
    }

    /// Whether a kind is served. False as well for a kind that is not among the rule's `reads`.
    #[must_use]
    pub fn serves(&self, kind: &str) -> bool {
        self.serves.contains(kind)
    }

    /// What a rule with these `reads` is shown.
    #[must_use]
    pub fn only(&self, reads: &[Fact]) -> Self {
        Self {
            platform_version: self.platform_version.filter(|_| reads.contains(&Fact::PlatformVersion)),
            serves: self.serves.iter().copied().filter(|kind| reads.contains(&Fact::Serves(kind))).collect(),
        }
    }
}
