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
    /// The name that was probably meant.
    pub nearest: Option<PlatformName>,
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
        found
            .ok_or_else(|| UnknownPlatform { given: text.chars().take(80).collect(), nearest: nearest(text) })
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

/// The name that is at most a third of its letters away, `EKS` and `rosa-hcp` being as good as `eks` and `rosa`.
fn nearest(text: &str) -> Option<PlatformName> {
    let text = text.trim().to_ascii_lowercase();
    let text: String = text.chars().take(40).collect();
    let distance = |name: PlatformName| {
        if text.split(['-', '_', ' ']).any(|word| word == name.as_str()) {
            0
        } else {
            edits(&text, name.as_str())
        }
    };
    let best = PlatformName::ALL.into_iter().min_by_key(|name| distance(*name))?;
    (distance(best) <= best.as_str().len() / 3).then_some(best)
}

/// Levenshtein's distance.
fn edits(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (above, left) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (column, right) in other.chars().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[row.len() - 1]
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
    fn a_wrong_name_brings_the_nearest() {
        for (given, nearest) in [
            ("EKS", Some(PlatformName::Eks)),
            ("openshfit", Some(PlatformName::Openshift)),
            ("OpenShift", Some(PlatformName::Openshift)),
            ("rosa-hcp", Some(PlatformName::Rosa)),
            ("gkee", Some(PlatformName::Gke)),
            ("digitalocean", None),
            ("", None),
        ] {
            assert_eq!(PlatformName::parse(given).unwrap_err().nearest, nearest, "{given}");
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
