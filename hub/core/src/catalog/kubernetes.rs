//! Minors of Kubernetes and how long each provider supports them.

use jiff::civil::{Date, date};

use super::MinorVersion;

/// A minor, as its own project and the providers support it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minor {
    /// For example 1.34.
    pub version: MinorVersion,
    /// The last day of the project's own support; none where it has not been said.
    pub upstream: Option<Date>,
    /// The last day on GKE.
    pub gke: Option<Date>,
    /// The last day on EKS, without extended support.
    pub eks: Option<Date>,
    /// The last day on AKS.
    pub aks: Option<Date>,
}

/// Where the table stands, for people.
pub const SOURCE: &str = "endoflife.date, products kubernetes, google-kubernetes-engine, amazon-eks, azure-kubernetes-service; August 2026";

/// The oldest minor that any provider supported when the table was made.
pub const OLDEST_SUPPORTED: MinorVersion = MinorVersion::new(1, 34);

const fn later(minor: u32) -> Minor {
    Minor { version: MinorVersion::new(1, minor), upstream: None, gke: None, eks: None, aks: None }
}

/// The minors in support when the table was made, oldest first. Of the newer two no end was near enough to be told.
///
/// Source: [`SOURCE`].
pub const MINORS: [Minor; 3] = [
    Minor {
        version: OLDEST_SUPPORTED,
        upstream: Some(date(2026, 10, 27)),
        gke: Some(date(2026, 10, 1)),
        eks: Some(date(2026, 12, 2)),
        aks: Some(date(2026, 11, 30)),
    },
    later(35),
    later(36),
];

/// What is known of a minor.
#[must_use]
pub fn find(version: MinorVersion) -> Option<&'static Minor> {
    MINORS.iter().find(|known| known.version == version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minors_stand_in_order_from_the_oldest_in_support() {
        assert!(MINORS.is_sorted_by_key(|minor| minor.version));
        assert_eq!(MINORS[0].version, OLDEST_SUPPORTED);
        assert_eq!(find(MinorVersion::new(1, 33)), None);
    }
}
