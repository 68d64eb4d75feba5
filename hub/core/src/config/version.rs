//! Versions of Istio.

use serde::{Deserialize, Serialize};

/// A released version of Istio: `MAJOR.MINOR.PATCH`, with an optional leading `v`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IstioVersion {
    /// Always 1 so far.
    pub major: u32,
    /// The minor: skew is counted in these.
    pub minor: u32,
    /// The patch.
    pub patch: u32,
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a version of Istio: write MAJOR.MINOR.PATCH, for example 1.30.2")]
pub struct InvalidVersion(String);

impl IstioVersion {
    /// Parses `1.17.8` or `v1.17.8`.
    pub fn parse(text: &str) -> Result<Self, InvalidVersion> {
        let invalid = || InvalidVersion(text.chars().take(80).collect());
        let number = |part: &str| {
            let plain = !part.is_empty() && part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
            if plain && (part == "0" || !part.starts_with('0')) { part.parse().ok() } else { None }
        };
        let parts: Vec<&str> = text.strip_prefix('v').unwrap_or(text).split('.').collect();
        let [major, minor, patch] = parts[..] else { return Err(invalid()) };
        match (number(major), number(minor), number(patch)) {
            (Some(major), Some(minor), Some(patch)) => Ok(Self { major, minor, patch }),
            _ => Err(invalid()),
        }
    }
}

impl TryFrom<String> for IstioVersion {
    type Error = InvalidVersion;

    fn try_from(text: String) -> Result<Self, InvalidVersion> {
        Self::parse(&text)
    }
}

impl From<IstioVersion> for String {
    fn from(version: IstioVersion) -> Self {
        version.to_string()
    }
}

impl std::fmt::Display for IstioVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::IstioVersion;

    #[test]
    fn versions_are_three_plain_numbers() {
        for good in ["1.17.8", "v1.30.2", "1.29.10"] {
            assert!(IstioVersion::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "1.17", "1.17.x", "latest", "1.29.1-rc.0", "1.017.8", "1..8", "99999.1.1", "+1.2.3"] {
            assert!(IstioVersion::parse(bad).is_err(), "{bad}");
        }
        assert!(IstioVersion::parse("1.29.10").unwrap() > IstioVersion::parse("1.29.2").unwrap());
    }
}
