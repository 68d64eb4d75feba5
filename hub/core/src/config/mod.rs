//! The mesh config: what an operator wants, said once for all clusters that a selector chooses.
//!
//! It says nothing of platforms: what a platform needs on top is the work of the platform rules.

use serde::{Deserialize, Serialize};

use crate::fleet::{Name, Selector};

/// One version of a mesh config. Immutable once stored; the number belongs to its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigVersion {
    /// Name of the config.
    pub name: Name,
    /// From 1, rising by one with each published change.
    pub number: u64,
    /// What it says.
    pub config: MeshConfig,
}

/// `spec` of a `MeshConfig` document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MeshConfig {
    /// The clusters that form the mesh.
    pub clusters: Selector,
    /// What to do with objects that exist and are not ours.
    #[serde(default)]
    pub adopt: Adopt,
    /// The mesh itself.
    pub base: Base,
}

/// What to do with an object that exists and is not in the spoke's inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Adopt {
    /// Leave it alone and say so.
    #[default]
    Never,
    /// Take it over if our fields would change nothing.
    IfNoDiff,
    /// Take it over.
    Always,
}

/// What is the same in every cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Base {
    /// Identity of the mesh.
    pub mesh: Mesh,
    /// The Istio to run.
    pub istio: Istio,
    /// Who installs it.
    pub installer: Installer,
    /// Where workloads get sidecars.
    pub data_plane: DataPlane,
}

/// Identity of the mesh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mesh {
    /// The same in all clusters of one mesh.
    pub id: Name,
}

/// The Istio to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Istio {
    /// For example `1.17.8`.
    pub version: IstioVersion,
    /// The control plane's namespace.
    #[serde(default = "istio_system")]
    pub namespace: Name,
}

fn istio_system() -> Name {
    Name::parse("istio-system").expect("a DNS label")
}

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
#[error("{0:?} is not a version of Istio: write MAJOR.MINOR.PATCH, for example 1.17.8")]
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

/// Who installs Istio from the custom resources that a plan contains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Installer {
    /// Which operator.
    pub kind: InstallerKind,
}

/// The operators that are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstallerKind {
    /// Calisti's Istio operator.
    Calisti,
}

/// Where workloads get sidecars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataPlane {
    /// The namespaces.
    pub namespaces: DataPlaneNamespaces,
}

/// Namespaces by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataPlaneNamespaces {
    /// Their names; at least one.
    pub names: Vec<Name>,
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
