//! Minors of Istio: the Kubernetes that each was released for, its end, and what changed in it that a plan must know.

use jiff::civil::{Date, date};

use super::MinorVersion;

/// A minor of Istio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minor {
    /// The minor; the major is 1.
    pub minor: u32,
    /// The oldest Kubernetes that it was released for.
    pub kubernetes_from: MinorVersion,
    /// The newest.
    pub kubernetes_to: MinorVersion,
    /// The last day of support.
    pub end_of_life: Date,
}

const fn minor(minor: u32, from: u32, to: u32, end_of_life: Date) -> Minor {
    Minor {
        minor,
        kubernetes_from: MinorVersion::new(1, from),
        kubernetes_to: MinorVersion::new(1, to),
        end_of_life,
    }
}

/// Where the table stands, for people.
pub const SOURCE: &str = "istio.io, supported releases";

/// The minors that are known, oldest first, without a gap.
///
/// Source: [`SOURCE`].
pub const MINORS: [Minor; 18] = [
    minor(13, 20, 23, date(2022, 10, 12)),
    minor(14, 21, 24, date(2022, 12, 27)),
    minor(15, 22, 25, date(2023, 4, 4)),
    minor(16, 22, 25, date(2023, 7, 25)),
    minor(17, 23, 26, date(2023, 10, 27)),
    minor(18, 24, 27, date(2024, 1, 4)),
    minor(19, 25, 28, date(2024, 4, 24)),
    minor(20, 25, 29, date(2024, 6, 25)),
    minor(21, 26, 29, date(2024, 9, 27)),
    minor(22, 27, 30, date(2025, 1, 22)),
    minor(23, 27, 30, date(2025, 4, 16)),
    minor(24, 28, 31, date(2025, 6, 24)),
    minor(25, 29, 32, date(2025, 9, 30)),
    minor(26, 29, 33, date(2025, 12, 22)),
    minor(27, 29, 33, date(2026, 4, 7)),
    minor(28, 30, 34, date(2026, 7, 1)),
    minor(29, 31, 35, date(2026, 8, 31)),
    minor(30, 32, 36, date(2026, 11, 30)),
];

/// What is known of a minor.
#[must_use]
pub fn find(minor: u32) -> Option<&'static Minor> {
    MINORS.iter().find(|known| known.minor == minor)
}

impl Minor {
    /// Whether it was released for a version of Kubernetes.
    #[must_use]
    pub fn runs_on(&self, kubernetes: MinorVersion) -> bool {
        (self.kubernetes_from..=self.kubernetes_to).contains(&kubernetes)
    }
}

/// Something that is otherwise from a minor on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The first minor with it.
    pub from: u32,
    /// What is otherwise, in words.
    pub what: &'static str,
    /// Where it can be read, in istio/istio unless another repository is named.
    pub source: &'static str,
}

const fn change(from: u32, what: &'static str, source: &'static str) -> Change {
    Change { from, what, source }
}

const NOTES: &str = "releasenotes/notes";
const PROFILES: &str = "manifests/helm-profiles";
const CNI_CHART: &str = "manifests/charts/istio-cni";

/// What changed that decides what a plan must hold, oldest first.
pub const CHANGES: [Change; 25] = [
    change(
        19,
        "on OpenShift one NetworkAttachmentDefinition in the namespace default serves all namespaces; before, each namespace with injected pods needed its own",
        "releasenotes/notes, global-nad",
    ),
    change(19, "istiod is told the platform, and the CNI chart knows the provider multus", CNI_CHART),
    change(
        20,
        "on OpenShift sidecars and istiod take their user from the namespace's range: no constraint but the default one is needed; before, both ran as user 1337",
        "releasenotes/notes, remove-anyuid-openshift",
    ),
    change(21, "the chart of the CNI plugin runs privileged unless it is told otherwise", CNI_CHART),
    change(22, "on OpenShift the CNI chart brings the use of the constraint privileged itself", CNI_CHART),
    change(
        22,
        "Helm's gateway chart takes the namespace's user on OpenShift; before, it had user 1337 and needed nonroot-v2",
        "manifests/charts/gateway",
    ),
    change(
        24,
        "profiles of platforms became global.platform, and a name that the charts do not know fails their rendering",
        PROFILES,
    ),
    change(
        24,
        "the CNI plugin runs unprivileged with a list of capabilities; OpenShift's constraint for it is privileged all the same",
        CNI_CHART,
    ),
    change(24, "waypoints take the namespace's user on OpenShift", "manifests/charts/istio-control"),
    change(25, "the platform gke is known to the charts", PROFILES),
    change(
        25,
        "plugins go to /opt/cni/bin unless another directory is named: on GKE the platform or the directory must be given; before, it was found out",
        CNI_CHART,
    ),
    change(25, "ambient captures DNS unless it is told otherwise", NOTES),
    change(
        26,
        "on GKE the quota for critical pods comes with the platform",
        "releasenotes/notes, gke-install",
    ),
    change(26, "the CNI plugin no longer shares the network of its host under ambient", CNI_CHART),
    change(27, "sidecars are native ones", NOTES),
    change(27, "native nftables can be chosen, and a CNI configuration that Istio owns", CNI_CHART),
    change(27, "TPROXY's user on OpenShift is right", "pull request 56577"),
    change(28, "cluster-scoped objects can be installed apart by global.resourceScope", "manifests/charts"),
    change(29, "network policies come with global.networkPolicy.enabled", "manifests/charts"),
    change(29, "the CNI plugin puts firewall rules right when it starts", CNI_CHART),
    change(
        30,
        "the role by which other clusters read is made by global.enableReaderRBAC",
        "manifests/charts",
    ),
    change(30, "kubeconfigs of other clusters can come from a directory", "pilot/pkg/features"),
    change(30, "Helm's gateway chart names no user at all", "manifests/charts/gateway"),
    change(31, "on OpenShift istiod falls back to its log for the message of its end", PROFILES),
    change(31, "Gateways are merged strictly", NOTES),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{calisti, sail, service_mesh};
    use crate::config::IstioVersion;

    #[test]
    fn every_minor_that_an_installer_takes_is_known() {
        assert!(MINORS.windows(2).all(|pair| pair[0].minor + 1 == pair[1].minor));
        assert!(MINORS.iter().all(|minor| minor.kubernetes_from <= minor.kubernetes_to));
        assert!(CHANGES.is_sorted_by_key(|change| change.from));
        for release in calisti::RELEASES {
            assert!(find(release.istio_minor).is_some(), "{}", release.operator);
        }
        for release in service_mesh::RELEASES {
            assert!(release.istio.iter().all(|(minor, _)| find(*minor).is_some()), "{}", release.version);
        }
        for minor in 0..50 {
            let version = IstioVersion { major: 1, minor, patch: 0 };
            if sail::verdict(version) == sail::Verdict::Installable {
                assert!(find(minor).is_some(), "{version}");
            }
        }
    }
}
