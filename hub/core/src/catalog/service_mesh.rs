//! OpenShift Service Mesh 3: Red Hat's distribution of the Sail operator, with releases and a list of versions of its own.

use super::MinorVersion;

/// A release line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// `MAJOR.MINOR`.
    pub version: MinorVersion,
    /// The newest patch of it that is known, for example `3.2.9`.
    pub newest: &'static str,
    /// The minors of Istio that it installs, each with the newest patch if that is known, newest first. It skips 1.25 and
    /// 1.29.
    pub istio: &'static [(u32, Option<u32>)],
    /// The oldest OpenShift that its documentation names; none where no page says so. The pages of 3.0 disagree.
    pub openshift_from: Option<MinorVersion>,
}

const fn release(
    minor: u32,
    newest: &'static str,
    istio: &'static [(u32, Option<u32>)],
    openshift: Option<u32>,
) -> Release {
    let openshift_from = match openshift {
        Some(from) => Some(MinorVersion::new(4, from)),
        None => None,
    };
    Release { version: MinorVersion::new(3, minor), newest, istio, openshift_from }
}

/// Where the table stands, for people.
pub const SOURCE: &str = "openshift-service-mesh/sail-operator, pkg/istioversion/versions.ossm.yaml; docs.redhat.com, release notes";

/// The release lines that are known, oldest first.
///
/// Source: [`SOURCE`].
pub const RELEASES: [Release; 5] = [
    release(0, "3.0.15", &[(24, Some(6))], Some(14)),
    release(1, "3.1.12", &[(26, Some(8)), (24, None)], Some(16)),
    release(2, "3.2.9", &[(27, Some(9)), (26, None), (24, None)], Some(18)),
    release(3, "3.3.7", &[(28, Some(10)), (27, None), (26, None)], Some(18)),
    release(4, "3.4.2", &[(30, Some(3)), (28, None), (27, None)], None),
];

impl Release {
    /// Whether it installs a minor of Istio.
    #[must_use]
    pub fn installs(&self, minor: u32) -> bool {
        self.istio.iter().any(|(known, _)| *known == minor)
    }
}
