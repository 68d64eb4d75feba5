//! Versions of Kubernetes and of its distributions, as far as the minor: nothing here depends on a patch.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `MAJOR.MINOR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MinorVersion {
    /// 1 for Kubernetes, 4 or 5 for OpenShift.
    pub major: u32,
    /// The minor.
    pub minor: u32,
}

/// A text that does not begin like a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} does not begin with MAJOR.MINOR")]
pub struct InvalidVersion(String);

impl MinorVersion {
    /// `major.minor`.
    #[must_use]
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Parses the beginning of `4.11.59`, `v1.24.6+5658434`, `v1.33.1-gke.100`, `5.0.0-rc.1` or `4.20`.
    pub fn parse(text: &str) -> Result<Self, InvalidVersion> {
        let invalid = || InvalidVersion(text.chars().take(80).collect());
        let (major, rest) = text.strip_prefix('v').unwrap_or(text).split_once('.').ok_or_else(invalid)?;
        let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        if !rest[end..].is_empty() && !rest[end..].starts_with(['.', '+', '-']) {
            return Err(invalid());
        }
        match (number(major), number(&rest[..end])) {
            (Some(major), Some(minor)) => Ok(Self { major, minor }),
            _ => Err(invalid()),
        }
    }
}

fn number(digits: &str) -> Option<u32> {
    let plain = (1..=4).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

impl fmt::Display for MinorVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::MinorVersion;

    #[test]
    fn versions_are_read_as_far_as_the_minor() {
        for (text, expected) in [
            ("4.11.59", Some((4, 11))),
            ("4.20", Some((4, 20))),
            ("5.0.0-rc.1", Some((5, 0))),
            ("5.1.12", Some((5, 1))),
            ("v1.24.6+5658434", Some((1, 24))),
            ("v1.33.1-gke.100", Some((1, 33))),
            ("4.11x", None),
            ("4", None),
            ("four.11", None),
            ("4..1", None),
            ("", None),
        ] {
            let parsed = MinorVersion::parse(text).ok().map(|version| (version.major, version.minor));
            assert_eq!(parsed, expected, "{text}");
        }
        assert!(MinorVersion::parse("5.0.0").unwrap() > MinorVersion::parse("4.23.9").unwrap());
    }
}
