//! Minors of Istio.

use jiff::civil::{Date, date};

use super::{AS_OF, MinorVersion};

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

/// The minors that a known installer takes, oldest first.
///
/// Source: istio.io, supported releases.
pub const MINORS: [Minor; 6] = [
    minor(13, 20, 23, date(2022, 10, 12)),
    minor(15, 22, 25, date(2023, 4, 4)),
    minor(16, 22, 25, date(2023, 7, 25)),
    minor(17, 23, 26, date(2023, 10, 27)),
    minor(29, 31, 35, date(2026, 8, 31)),
    minor(30, 32, 36, date(2026, 11, 30)),
];

/// What is known of a minor.
#[must_use]
pub fn find(minor: u32) -> Option<&'static Minor> {
    MINORS.iter().find(|known| known.minor == minor)
}

impl Minor {
    /// Whether its support had ended when the catalogue was made.
    #[must_use]
    pub fn is_past(&self) -> bool {
        self.end_of_life < AS_OF
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{calisti, sail};
    use crate::config::IstioVersion;

    #[test]
    fn every_minor_that_an_installer_takes_is_known() {
        assert!(MINORS.is_sorted_by_key(|minor| minor.minor));
        for release in calisti::RELEASES {
            assert!(find(release.istio_minor).is_some(), "{}", release.operator);
        }
        for minor in 0..50 {
            let version = IstioVersion { major: 1, minor, patch: 0 };
            if sail::verdict(version) == sail::Verdict::Installable {
                assert!(find(minor).is_some(), "{version}");
            }
        }
    }
}
