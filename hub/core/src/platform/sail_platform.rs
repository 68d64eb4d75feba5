//! What Sail is told of the platform: a name on one of them, nothing on all others.

use super::PlatformName;
use crate::{
    config::InstallerKind,
    plan::{
        RuleId,
        input::{MeshInput, Projection},
        installer::sail,
        requirement::Requirement,
        rule::Rule,
    },
};

pub(super) const SAIL: &[InstallerKind] = &[InstallerKind::Sail];

/// Keys of the platform's name in every object that the operator reads.
pub(super) const KEYS: &[&str] = &["spec", "values", "global", "platform"];

/// Holds wherever the charts know nothing of the platform, or learn it by themselves.
pub(super) const LEFT_OUT: Rule = Rule {
    id: RuleId("sail.platform"),
    reason: "The charts fail on names that they do not know, and an empty one switches off what the operator finds out by itself, so the platform is left out.",
    source: "observed with istio-ecosystem/sail-operator 328df99dc (2026-08-22); istio/istio, manifests/zzz_profile.yaml",
    platforms: &[
        PlatformName::Eks,
        PlatformName::Aks,
        PlatformName::Rosa,
        PlatformName::Openshift,
        PlatformName::Generic,
    ],
    installers: SAIL,
    reads: &[],
    yields: yield_left_out,
};

fn yield_left_out(_: &MeshInput, _: &Projection) -> Vec<Requirement> {
    [sail::istio(), sail::istio_cni()]
        .map(|object| Requirement::reserved(object, KEYS, Vec::new()))
        .into_iter()
        .collect()
}
