//! What a plan is computed from: the operator's intent, and of the facts only what rules declare that they read.
//!
//! # Design notes
//! A plan that depended on all facts would change with every node. Rules therefore declare the facts they read, the
//! input holds nothing else, and each rule is shown its own only, so that the declaration cannot be wrong. No fact in
//! [`Fact`] changes by applying a plan or by what an installer does with it: otherwise a plan would never be reached.

use std::collections::{BTreeMap, BTreeSet};

use super::{Intent, installer, rule::Rule};
use crate::{
    catalog::MinorVersion,
    config::{ConfigOrigin, Effective, Override, Values},
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
    /// Where the values of the config come from. Says why, and changes nothing.
    pub origins: BTreeMap<String, ConfigOrigin>,
    /// The layers that hold here, in order. Say why, and change nothing.
    pub layers: Vec<Name>,
    /// The overrides that hold here.
    pub overrides: Vec<Override>,
}

/// What the operator wants of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeshInput {
    /// Installer, control plane, namespaces and version.
    pub intent: Intent,
    /// Identity of the mesh.
    pub mesh_id: Name,
    /// The trust domain; the installer's own if none.
    pub trust_domain: Option<String>,
    /// Any further values of Istio's charts.
    pub values: Values,
    /// Name of the cluster within the mesh.
    pub cluster: Name,
    /// The network it stands in.
    pub network: Name,
    /// What of the `Cluster` document gives the network: `network`, `network by label KEY`, or `network by name`.
    pub network_from: String,
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
        let base = &config.base;
        let holding = rules.iter().filter(|rule| rule.holds(platform, base.installer.kind));
        let facts = Projection::new(facts, platform, holding.flat_map(|rule| rule.reads));
        let intent = Intent {
            installer: base.installer.kind,
            config: name.clone(),
            control_plane: installer::control_plane_name(base.installer.kind, name),
            namespace: base.istio.namespace.clone(),
            data_plane: base.data_plane.namespaces.clone(),
            interception: base.data_plane.interception,
            cni: base.data_plane.cni,
            version: base.istio.version,
            monitoring: base.monitoring.clone(),
            update_strategy: base.istio.update_strategy,
            inactive_revision_grace_s: base.istio.inactive_revision_grace_seconds,
            gateways: base.gateways.clone(),
        };
        let mesh = MeshInput {
            intent,
            mesh_id: base.mesh.id.clone(),
            trust_domain: base.mesh.trust_domain.clone(),
            values: base.values.clone(),
            cluster: cluster.name.clone(),
            network: config.network.clone(),
            network_from: network_from(config, cluster),
        };
        Self {
            platform,
            mesh,
            facts,
            origins: config.origins.clone(),
            layers: config.layers.clone(),
            overrides: config.overrides.clone(),
        }
    }
}

fn network_from(config: &Effective, cluster: &Cluster) -> String {
    let label = config.base.network.as_ref().map(|network| &network.from_label);
    match (&cluster.network, label) {
        (Some(_), _) => "network".to_owned(),
        (None, Some(label)) if cluster.labels.contains_key(label) => format!("network by label {label}"),
        (None, _) => "network by name".to_owned(),
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

    /// A fact with its value, in words.
    #[must_use]
    pub fn told(&self, fact: Fact) -> String {
        match fact {
            Fact::PlatformVersion => match self.platform_version {
                Some(version) => format!("platform version {version}"),
                None => "platform version unknown".to_owned(),
            },
            Fact::Serves(kind) if self.serves(kind) => format!("{kind} is served"),
            Fact::Serves(kind) => format!("{kind} is not served"),
        }
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
