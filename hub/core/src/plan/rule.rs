//! Rules: what a platform or an installer needs beyond what the operator wrote, as data that people can be shown.
//!
//! A rule yields requirements. Who fulfils a requirement decides what becomes of it: what the plan fulfils is applied,
//! what the installer fulfils is watched, what a person must fulfil is asked for.

use std::{collections::BTreeSet, sync::LazyLock};

use super::{
    RuleId, Until,
    input::{Fact, MeshInput, Projection},
    installer,
    requirement::Requirement,
};
use crate::{
    config::InstallerKind,
    platform::{self, PlatformName},
};

/// A rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Stable: stands in previews, findings and overrides.
    pub id: RuleId,
    /// One sentence.
    pub reason: &'static str,
    /// Where it can be read or was seen.
    pub source: &'static str,
    /// Where it holds; empty means everywhere.
    pub platforms: &'static [PlatformName],
    /// With which installers; empty means with any.
    pub installers: &'static [InstallerKind],
    /// The facts it reads. It is shown no others.
    pub reads: &'static [Fact],
    /// What it requires of a cluster's mesh.
    pub yields: fn(&MeshInput, &Projection) -> Vec<Requirement>,
}

/// The phases of a plan, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// What must be there before the installer makes its first pod.
    Prerequisites,
    /// What the installer works from.
    ControlPlane,
    /// What the control plane injects its proxies into.
    Gateways,
}

impl Phase {
    /// For people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Prerequisites => "prerequisites",
            Self::ControlPlane => "control-plane",
            Self::Gateways => "gateways",
        }
    }

    /// When the next may begin.
    #[must_use]
    pub fn until(self) -> Until {
        match self {
            Self::Prerequisites => Until::Applied,
            Self::ControlPlane | Self::Gateways => Until::Healthy,
        }
    }

    /// Two minutes for writes, which take seconds unless the API server is away; ten for an installer that takes half a
    /// minute and for pods whose images must be pulled to every node, and for load balancers that a provider makes.
    #[must_use]
    pub fn deadline_s(self) -> u32 {
        match self {
            Self::Prerequisites => 120,
            Self::ControlPlane | Self::Gateways => 600,
        }
    }
}

impl Rule {
    /// Whether it holds on a platform.
    #[must_use]
    pub fn holds_on(&self, platform: PlatformName) -> bool {
        self.platforms.is_empty() || self.platforms.contains(&platform)
    }

    /// Whether it holds on a platform with an installer.
    #[must_use]
    pub fn holds(&self, platform: PlatformName, installer: InstallerKind) -> bool {
        self.holds_on(platform) && (self.installers.is_empty() || self.installers.contains(&installer))
    }
}

/// All rules: the installers', then those that each platform brings. A rule that two platforms share stands there once.
#[must_use]
pub fn registry() -> &'static [Rule] {
    static REGISTRY: LazyLock<Vec<Rule>> = LazyLock::new(|| {
        let platforms = platform::all().iter().flat_map(|platform| platform.rules());
        let mut seen = BTreeSet::new();
        let gateways = platform::gateway_rules();
        installer::rules()
            .chain(platforms)
            .chain(gateways)
            .filter(|rule| seen.insert(rule.id))
            .copied()
            .collect()
    });
    &REGISTRY
}

/// The rule of an id.
#[must_use]
pub fn find(id: RuleId) -> Option<&'static Rule> {
    registry().iter().find(|rule| rule.id == id)
}
