//! The Sail operator and the Istio that it takes.
//!
//! Source of all tables: istio-ecosystem/sail-operator main 328df99dc (2026-08-22), its definitions and charts, observed
//! on API servers.

use crate::config::IstioVersion;

/// Where the tables stand, for people.
pub const SOURCE: &str =
    "istio-ecosystem/sail-operator main 328df99dc (2026-08-22), its definitions and charts";

/// The newest release of the operator when the tables were made. It installs its own minor of Istio and the one before.
pub const NEWEST: &str = "1.30.3";

/// The chart of the operator, for people.
pub const CHART_REPOSITORY: &str = "https://istio-ecosystem.github.io/sail-operator";

/// A minor and the newest of its patches that the operator installs; it has all from 0 on.
const INSTALLABLE: [(u32, u32); 2] = [(29, 6), (30, 3)];

/// Minors whose versions the definition still names, with their oldest and newest patch. They are past their end, and
/// the operator refuses to install them.
const PAST: [(u32, u32, u32); 8] =
    [(21, 6, 6), (22, 5, 8), (23, 2, 6), (24, 0, 6), (25, 1, 5), (26, 0, 8), (27, 0, 9), (28, 0, 10)];

/// Platforms that the charts know. Any other text, and an empty one, is a mistake.
pub const PLATFORMS: [&str; 6] = ["openshift", "gke", "k3d", "k3s", "microk8s", "minikube"];

/// What becomes of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is installed.
    Installable,
    /// It is known, and past its end: accepted in the resource, and not installed.
    EndOfLife,
    /// The definition does not name it, so the API server refuses it.
    Unknown,
}

/// What the operator does with a version.
#[must_use]
pub fn verdict(version: IstioVersion) -> Verdict {
    let IstioVersion { major, minor, patch } = version;
    let installable = INSTALLABLE.iter().any(|(known, newest)| *known == minor && patch <= *newest);
    let past =
        PAST.iter().any(|(known, oldest, newest)| *known == minor && (oldest..=newest).contains(&&patch));
    match (major, installable, past) {
        (1, true, _) => Verdict::Installable,
        (1, _, true) => Verdict::EndOfLife,
        _ => Verdict::Unknown,
    }
}

/// The version nearest to one that is not installed: the newest patch of its minor, else of the minor nearest to it.
#[must_use]
pub fn nearest(version: IstioVersion) -> IstioVersion {
    let (mut minor, mut patch) = INSTALLABLE[INSTALLABLE.len() - 1];
    if version.major <= 1 {
        for (known, newest) in INSTALLABLE.into_iter().rev() {
            if known.abs_diff(version.minor) < minor.abs_diff(version.minor) {
                (minor, patch) = (known, newest);
            }
        }
    }
    IstioVersion { major: 1, minor, patch }
}

/// The minors that are installed, each with its newest patch, oldest first.
#[must_use]
pub fn installable_minors() -> &'static [(u32, u32)] {
    &INSTALLABLE
}

/// The versions that are installed, for people.
#[must_use]
pub fn installable() -> String {
    INSTALLABLE.map(|(minor, newest)| format!("v1.{minor}.0 to v1.{minor}.{newest}")).join(", ")
}

/// How a value of the config fares, by its path in the effective config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// The path; values below it are meant too.
    pub path: &'static str,
    /// Why it cannot be, or does nothing, in words.
    pub why: &'static str,
    /// Whether the API server refuses it; else it is taken and does nothing, or more than it says.
    pub refused: bool,
}

const NOT_IN_ISTIO: &str = "the chart has it, and the kind Istio has no field for it";
const NOT_IN_CNI: &str = "the chart has it, and the kind IstioCNI has no field for it";
const NO_EFFECT: &str = "the kind IstioCNI takes it, and no template reads it";
const OTHER_IMAGES: &str = "images then no longer go by istio.version";

const fn refused(path: &'static str, why: &'static str) -> Lost {
    Lost { path, why, refused: true }
}

const fn idle(path: &'static str, why: &'static str) -> Lost {
    Lost { path, why, refused: false }
}

/// Values that the operator's kinds cannot say, or that they take without effect or with another one than people mean.
pub const LOST: [Lost; 31] = [
    refused("values.cni.tolerations", NOT_IN_CNI),
    refused("values.cni.seLinuxOptions", NOT_IN_CNI),
    refused("values.cni.updateStrategy", NOT_IN_CNI),
    refused("values.cni.resourceQuotas", NOT_IN_CNI),
    refused("values.cni.terminationGracePeriodSeconds", NOT_IN_CNI),
    refused("values.cni.global.networkPolicy", NOT_IN_CNI),
    refused("values.cni.global.resourceScope", NOT_IN_CNI),
    refused("values.cni.cni", "values of the CNI plugin stand in values.cni itself"),
    refused("values.istiod.sidecarInjectorWebhookAnnotations", NOT_IN_ISTIO),
    refused("values.istiod.deploymentAnnotations", NOT_IN_ISTIO),
    refused("values.istiod.initContainers", NOT_IN_ISTIO),
    refused("values.istiod.trustedZtunnelName", NOT_IN_ISTIO),
    refused("values.istiod.pilot.deploymentAnnotations", NOT_IN_ISTIO),
    refused("values.istiod.pilot.initContainers", NOT_IN_ISTIO),
    refused("values.istiod.pilot.trustedZtunnelName", NOT_IN_ISTIO),
    refused("values.istiod.sidecarInjectorWebhook.sidecarInjectorWebhookAnnotations", NOT_IN_ISTIO),
    refused(
        "values.istiod.trustedZtunnelNamespace",
        "the kind Istio has it as values.istiod.pilot.trustedZtunnelNamespace",
    ),
    refused(
        "values.istiod.cni",
        "values of the CNI plugin stand in values.cni, of istiod's part in pilot.cni",
    ),
    refused("values.istiod.istio_cni", "values of the CNI plugin stand in values.cni"),
    idle("values.cni.privileged", NO_EFFECT),
    idle("values.cni.psp_cluster_role", NO_EFFECT),
    idle("values.cni.resource_quotas", NO_EFFECT),
    idle("values.cni.rollingMaxUnavailable", NO_EFFECT),
    idle("values.cni.hub", OTHER_IMAGES),
    idle("values.cni.tag", OTHER_IMAGES),
    idle("values.cni.image", OTHER_IMAGES),
    idle("values.istiod.global.hub", OTHER_IMAGES),
    idle("values.istiod.global.tag", OTHER_IMAGES),
    idle("values.istiod.pilot.hub", OTHER_IMAGES),
    idle("values.istiod.pilot.tag", OTHER_IMAGES),
    idle("values.istiod.pilot.image", OTHER_IMAGES),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_installed_known_or_not_named() {
        for (version, expected, next) in [
            ("1.30.3", Verdict::Installable, "1.30.3"),
            ("1.29.0", Verdict::Installable, "1.29.6"),
            ("1.30.4", Verdict::Unknown, "1.30.3"),
            ("1.29.7", Verdict::Unknown, "1.29.6"),
            ("1.28.10", Verdict::EndOfLife, "1.29.6"),
            ("1.21.6", Verdict::EndOfLife, "1.29.6"),
            ("1.21.5", Verdict::Unknown, "1.29.6"),
            ("1.17.8", Verdict::Unknown, "1.29.6"),
            ("1.31.0", Verdict::Unknown, "1.30.3"),
            ("2.29.0", Verdict::Unknown, "1.30.3"),
        ] {
            let version = IstioVersion::parse(version).unwrap();
            assert_eq!(verdict(version), expected, "{version}");
            assert_eq!(nearest(version).to_string(), next, "{version}");
        }
    }
}
