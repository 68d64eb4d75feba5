//! Calisti's Istio operator (banzaicloud/istio-operator) and the Istio that each of its releases takes.

use super::MinorVersion;
use crate::config::IstioVersion;

/// A release line of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// For example `v2.17`.
    pub operator: &'static str,
    /// The one minor of Istio that it takes. A control plane of any other version is ignored: no status, no event.
    pub istio_minor: u32,
    /// Whether `proxyInit.cni.daemonset.securityContext.privileged` reaches the DaemonSet. Where it does not, the
    /// schema takes the field and the chart prints another, empty value.
    pub honours_privileged: bool,
}

/// Where the tables stand, for people.
pub const SOURCE: &str =
    "banzaicloud/istio-operator, internal/components/base at the tags v2.13.0 to v2.17.4";

/// The oldest Kubernetes that the operator's releases of 2.15 and later take.
pub const KUBERNETES_FROM: MinorVersion = MinorVersion::new(1, 23);

/// The one pairing that Calisti's own documentation names: Calisti 1.12 on ROSA with OpenShift 4.11. Both are long past
/// their end, and the documentation never named another.
pub const DOCUMENTED: (MinorVersion, MinorVersion) = (MinorVersion::new(1, 12), MinorVersion::new(4, 11));

/// Where [`DOCUMENTED`] stands, for people.
pub const DOCUMENTED_SOURCE: &str = "Calisti's documentation, Red Hat OpenShift on AWS";

/// All release lines that are known, oldest first.
///
/// Sources: `istioVersion` in the operator's `internal/components/base` at the tags v2.13.0 to v2.17.4; that
/// `privileged` is lost was seen on API servers with v2.17.4 and is the same in the charts of v2.16.
pub const RELEASES: [Release; 5] = [
    Release { operator: "v2.13", istio_minor: 13, honours_privileged: true },
    Release { operator: "v2.14", istio_minor: 15, honours_privileged: true },
    Release { operator: "v2.15", istio_minor: 15, honours_privileged: true },
    Release { operator: "v2.16", istio_minor: 16, honours_privileged: false },
    Release { operator: "v2.17", istio_minor: 17, honours_privileged: false },
];

/// The newest release line that takes an Istio; none if no release does.
#[must_use]
pub fn release_for(istio: IstioVersion) -> Option<&'static Release> {
    RELEASES.iter().rev().find(|release| istio.major == 1 && release.istio_minor == istio.minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_takes_one_minor() {
        for (istio, operator) in [
            ("1.13.9", Some("v2.13")),
            ("1.14.6", None),
            ("1.15.7", Some("v2.15")),
            ("1.16.7", Some("v2.16")),
            ("1.17.8", Some("v2.17")),
            ("1.18.0", None),
            ("2.17.0", None),
        ] {
            let release = release_for(IstioVersion::parse(istio).unwrap());
            assert_eq!(release.map(|release| release.operator), operator, "{istio}");
        }
    }
}
