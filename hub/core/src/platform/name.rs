//! Names of platforms, as documents and people write them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a cluster runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlatformName {
    /// Google Kubernetes Engine.
    Gke,
    /// Amazon Elastic Kubernetes Service.
    Eks,
    /// Azure Kubernetes Service.
    Aks,
    /// Red Hat OpenShift Service on AWS.
    Rosa,
    /// OpenShift of any other kind.
    Openshift,
    /// Kubernetes without the marks of any of these.
    Generic,
}

/// A text that names no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown platform {given:?}: write one of {}", spelled())]
pub struct UnknownPlatform {
    /// What was written, cut to 80 characters.
    pub given: String,
}

impl PlatformName {
    /// All of them, in the order in which they are listed to people.
    pub const ALL: [Self; 6] = [Self::Gke, Self::Eks, Self::Aks, Self::Rosa, Self::Openshift, Self::Generic];

    /// The word that documents use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gke => "gke",
            Self::Eks => "eks",
            Self::Aks => "aks",
            Self::Rosa => "rosa",
            Self::Openshift => "openshift",
            Self::Generic => "generic",
        }
    }

    /// Parses a name exactly as [`PlatformName::as_str`] spells it.
    pub fn parse(text: &str) -> Result<Self, UnknownPlatform> {
        let found = Self::ALL.into_iter().find(|name| name.as_str() == text);
        found.ok_or_else(|| UnknownPlatform { given: text.chars().take(80).collect() })
    }
}

impl fmt::Display for PlatformName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn spelled() -> String {
    PlatformName::ALL.map(PlatformName::as_str).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_its_spelling() {
        for name in PlatformName::ALL {
            assert_eq!(PlatformName::parse(name.as_str()), Ok(name));
            assert_eq!(serde_json::to_value(name).unwrap(), name.as_str());
        }
    }

    #[test]
    fn the_error_lists_what_may_be_written() {
        assert_eq!(
            PlatformName::parse("azure").unwrap_err().to_string(),
            r#"unknown platform "azure": write one of gke, eks, aks, rosa, openshift, generic"#
        );
    }
}
