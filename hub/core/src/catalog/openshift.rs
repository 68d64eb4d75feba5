//! Minors of OpenShift, and its SecurityContextConstraints.

use jiff::civil::{Date, date};

use super::MinorVersion;

/// A minor of OpenShift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minor {
    /// For example 4.11.
    pub version: MinorVersion,
    /// The Kubernetes in it. Minor + 13 up to 4.23, another count from 5 on.
    pub kubernetes: MinorVersion,
    /// The last day of support, without extended support.
    pub end_of_life: Date,
    /// The last day of extended update support, for minors that have it.
    pub extended_end: Option<Date>,
}

const fn minor(minor: u32, kubernetes: u32, end_of_life: Date) -> Minor {
    Minor {
        version: MinorVersion::new(4, minor),
        kubernetes: MinorVersion::new(1, kubernetes),
        end_of_life,
        extended_end: None,
    }
}

const fn extended(minor: Minor, extended_end: Date) -> Minor {
    Minor { extended_end: Some(extended_end), ..minor }
}

/// Where the table stands, for people.
pub const SOURCE: &str =
    "Red Hat OpenShift life cycle policy; go.mod of openshift/cluster-kube-apiserver-operator";

/// The minors that are known, oldest first.
///
/// Source: [`SOURCE`], by release branch.
pub const MINORS: [Minor; 13] = [
    minor(10, 23, date(2023, 9, 10)),
    minor(11, 24, date(2024, 2, 10)),
    extended(minor(12, 25, date(2024, 7, 17)), date(2025, 1, 17)),
    minor(13, 26, date(2024, 11, 17)),
    extended(minor(14, 27, date(2025, 5, 1)), date(2025, 10, 31)),
    minor(15, 28, date(2025, 8, 27)),
    extended(minor(16, 29, date(2025, 12, 27)), date(2026, 6, 27)),
    minor(17, 30, date(2026, 4, 1)),
    extended(minor(18, 31, date(2026, 8, 25)), date(2027, 2, 25)),
    minor(19, 32, date(2026, 12, 17)),
    minor(20, 33, date(2027, 4, 21)),
    minor(21, 34, date(2027, 8, 3)),
    minor(22, 35, date(2027, 12, 31)),
];

/// What is known of a minor.
#[must_use]
pub fn find(version: MinorVersion) -> Option<&'static Minor> {
    MINORS.iter().find(|known| known.version == version)
}

/// Something that is otherwise from a minor on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The first minor with it.
    pub from: MinorVersion,
    /// What is otherwise, in words.
    pub what: &'static str,
    /// Where it can be read.
    pub source: &'static str,
}

const fn change(minor: u32, what: &'static str, source: &'static str) -> Change {
    Change { from: MinorVersion::new(4, minor), what, source }
}

/// What changed that decides what a plan must hold, oldest first.
pub const CHANGES: [Change; 5] = [
    change(
        11,
        "the constraints restricted-v2, nonroot-v2 and hostnetwork-v2 exist, and everybody may use restricted-v2",
        "openshift/cluster-kube-apiserver-operator, bindata/bootkube/scc-manifests",
    ),
    change(
        18,
        "the constraint hostmount-anyuid-v2 exists",
        "openshift/cluster-kube-apiserver-operator, bindata/bootkube/scc-manifests",
    ),
    change(
        19,
        "the definitions of Gateway API belong to the ingress operator: nobody else may change them",
        "openshift/cluster-ingress-operator, manifests/01-validating-admission-policy.yaml",
    ),
    change(
        20,
        "the constraints restricted-v3 and nested-container exist, and everybody may use restricted-v3",
        "openshift/cluster-kube-apiserver-operator, bindata/bootkube/scc-manifests",
    ),
    change(
        20,
        "a NetworkAttachmentDefinition without the key spec is refused",
        "istio-ecosystem/sail-operator, issue 970",
    ),
];

/// A SecurityContextConstraints that plans bind to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Constraint {
    /// Any user but root; under its name of old, without a seccomp profile, or as `-v2`.
    Nonroot,
    /// Any user, root too, with few capabilities.
    Anyuid,
    /// The node's network, process ids and paths, without added capabilities: made by the monitoring operator.
    NodeExporter,
    /// Everything.
    Privileged,
}

/// The first minor with the `-v2` constraints, which admit only what drops all capabilities.
///
/// Source: openshift/cluster-kube-apiserver-operator, `bindata/bootkube/scc-manifests` by release branch.
pub const V2_CONSTRAINTS_FROM: MinorVersion = MinorVersion::new(4, 11);

/// The ClusterRole of OpenShift's own node exporter. What else it allows is cluster-wide, and a RoleBinding to it gives none
/// of that.
///
/// Source: openshift/cluster-monitoring-operator, `assets/node-exporter/cluster-role.yaml`.
pub const NODE_EXPORTER_ROLE: &str = "node-exporter";

/// The first minor whose own node exporter listens on 9101 too, instead of twice on 9100.
///
/// Source: openshift/cluster-monitoring-operator, `assets/node-exporter/daemonset.yaml` by release branch.
pub const NODE_EXPORTER_9101_FROM: MinorVersion = MinorVersion::new(4, 17);

impl Constraint {
    /// Its name in a version. Where the version is not known, the name that every supported version has.
    ///
    /// From 4.11 on the old name does not do: a sidecar is judged twice, and its seccomp profile fits `-v2` only.
    #[must_use]
    pub fn name_in(self, version: Option<MinorVersion>) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Anyuid => "anyuid",
            Self::NodeExporter => "node-exporter",
            Self::Nonroot if version.is_some_and(|version| version < V2_CONSTRAINTS_FROM) => "nonroot",
            Self::Nonroot => "nonroot-v2",
        }
    }

    /// The ClusterRole that allows the use of it: OpenShift has one for each of its own constraints, and for that of the
    /// monitoring operator only the operator's own, which bears the constraint's name.
    #[must_use]
    pub fn cluster_role_in(self, version: Option<MinorVersion>) -> String {
        match self {
            Self::NodeExporter => NODE_EXPORTER_ROLE.to_owned(),
            Self::Nonroot | Self::Anyuid | Self::Privileged => {
                format!("system:openshift:scc:{}", self.name_in(version))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v2_constraints_came_with_4_11() {
        for (version, expected) in [
            (Some("4.10.67"), "nonroot"),
            (Some("4.11.59"), "nonroot-v2"),
            (Some("4.22.1"), "nonroot-v2"),
            (Some("5.0.2"), "nonroot-v2"),
            (None, "nonroot-v2"),
        ] {
            let version = version.map(|text| MinorVersion::parse(text).unwrap());
            assert_eq!(Constraint::Nonroot.name_in(version), expected, "{version:?}");
            assert_eq!(Constraint::Privileged.name_in(version), "privileged");
        }
    }

    #[test]
    fn minors_stand_in_order_and_carry_the_kubernetes_of_their_time() {
        assert!(MINORS.is_sorted_by_key(|minor| minor.version));
        assert!(MINORS.iter().all(|minor| minor.kubernetes.minor == minor.version.minor + 13));
    }
}
