//! Minors of Calico.

use jiff::civil::{Date, date};

use super::MinorVersion;

/// A minor of Calico.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minor {
    /// For example 3.31.
    pub version: MinorVersion,
    /// The release of Tigera's operator that installs it, where that is known.
    pub operator: Option<&'static str>,
    /// The Kubernetes that it was tested with, oldest and newest.
    pub kubernetes: (MinorVersion, MinorVersion),
    /// The OpenShift in its certification pipeline, oldest and newest. There is no formal list.
    pub openshift: Option<(MinorVersion, MinorVersion)>,
    /// The last day of support; none while it is maintained.
    pub end_of_life: Option<Date>,
}

const fn minor(
    minor: u32,
    operator: Option<&'static str>,
    kubernetes: (u32, u32),
    openshift: Option<(u32, u32)>,
    end_of_life: Option<Date>,
) -> Minor {
    let openshift = match openshift {
        Some((from, to)) => Some((MinorVersion::new(4, from), MinorVersion::new(4, to))),
        None => None,
    };
    Minor {
        version: MinorVersion::new(3, minor),
        operator,
        kubernetes: (MinorVersion::new(1, kubernetes.0), MinorVersion::new(1, kubernetes.1)),
        openshift,
        end_of_life,
    }
}

/// Where the table stands, for people.
pub const SOURCE: &str =
    "tigera/docs, calico requirements; projectcalico/calico, .semaphore; endoflife.date, product calico";

/// The minors that are known, oldest first.
///
/// Source: [`SOURCE`].
pub const MINORS: [Minor; 4] = [
    minor(29, None, (29, 32), None, Some(date(2025, 10, 21))),
    minor(30, Some("1.38"), (31, 35), Some((18, 20)), Some(date(2026, 4, 30))),
    minor(31, Some("1.40.15"), (32, 35), Some((18, 20)), None),
    minor(32, Some("1.42.3"), (34, 36), Some((19, 21)), None),
];
