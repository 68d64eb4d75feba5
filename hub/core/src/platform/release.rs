//! A release of what a cluster runs on: the Kubernetes in it, and until when it is supported.

use jiff::civil::Date;

use crate::catalog::{MinorVersion, kubernetes, openshift};

/// A release of a platform, as the catalogue knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Whose versions these are, for people: `OpenShift`, `Kubernetes on EKS`.
    pub product: &'static str,
    /// The version.
    pub version: MinorVersion,
    /// The Kubernetes in it; none where the catalogue does not know the version.
    pub kubernetes: Option<MinorVersion>,
    /// Whether its versions are not those of Kubernetes.
    pub has_own_version: bool,
    /// The last day of support, where it is known.
    pub ends: Option<Date>,
    /// The last day of support that is paid for, where there is such.
    pub extended_until: Option<Date>,
}

impl Release {
    /// For example `OpenShift 4.20`.
    #[must_use]
    pub fn name(&self) -> String {
        self.named(self.version)
    }

    /// The name that another version of the same has.
    #[must_use]
    pub fn named(&self, version: MinorVersion) -> String {
        format!("{} {version}", self.product)
    }

    /// The newest release of the same platform with a Kubernetes that fits, where its versions are its own.
    #[must_use]
    pub fn with_kubernetes(&self, fits: impl Fn(MinorVersion) -> bool) -> Option<String> {
        let hosts = openshift::MINORS.iter().rev().filter(|_| self.has_own_version);
        hosts.filter(|host| fits(host.kubernetes)).map(|host| self.named(host.version)).next()
    }

    /// A version of Kubernetes, with the end that `ends` reads from its row.
    pub(super) fn of_kubernetes(
        product: &'static str,
        version: MinorVersion,
        ends: fn(&kubernetes::Minor) -> Option<Date>,
    ) -> Self {
        Self {
            product,
            version,
            kubernetes: Some(version),
            has_own_version: false,
            ends: kubernetes::find(version).and_then(ends),
            extended_until: None,
        }
    }

    /// A version of OpenShift.
    pub(super) fn of_openshift(version: MinorVersion) -> Self {
        let minor = openshift::find(version);
        Self {
            product: "OpenShift",
            version,
            kubernetes: minor.map(|minor| minor.kubernetes),
            has_own_version: true,
            ends: minor.map(|minor| minor.end_of_life),
            extended_until: minor.and_then(|minor| minor.extended_end),
        }
    }
}
