//! Releases of kube-prometheus.

use super::MinorVersion;

/// A release of kube-prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// `MAJOR.MINOR`.
    pub version: MinorVersion,
    /// The Kubernetes that it was tested with, oldest and newest.
    pub kubernetes: (MinorVersion, MinorVersion),
}

const fn release(minor: u32, from: u32, to: u32) -> Release {
    Release {
        version: MinorVersion::new(0, minor),
        kubernetes: (MinorVersion::new(1, from), MinorVersion::new(1, to)),
    }
}

/// Where the table stands, for people.
pub const SOURCE: &str = "prometheus-operator/kube-prometheus, README";

/// The releases that are known, oldest first.
///
/// Source: [`SOURCE`].
pub const RELEASES: [Release; 3] = [release(16, 32, 34), release(17, 33, 35), release(18, 33, 36)];
