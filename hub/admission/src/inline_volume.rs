//! The plugin for inline volumes: which storage drivers a namespace's level of Pod Security lets pods use inline.
//!
//! A driver says by a label for how restricted a namespace it is fit; without the label, for privileged ones only. A
//! namespace without a level is restricted to this plugin, whatever Pod Security itself takes it for.

use std::fmt::{Display, Formatter};

use crate::{judgement::Cluster, namespace::Namespace, pod::Pod, volume::Source};

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";
const LEVELS: [&str; 3] = [ENFORCE, "pod-security.kubernetes.io/warn", "pod-security.kubernetes.io/audit"];

/// How much is allowed: the later, the less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// Everything.
    Privileged,
    /// What is not known to be harmful.
    Baseline,
    /// What is known to be good.
    Restricted,
}

impl Profile {
    /// A level by its word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "privileged" => Some(Self::Privileged),
            "baseline" => Some(Self::Baseline),
            "restricted" => Some(Self::Restricted),
            _ => None,
        }
    }
}

impl Display for Profile {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        })
    }
}

/// Why an inline volume is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The driver is not fit for so restricted a namespace.
    #[error("driver {driver} is fit for {fit} namespaces, and this one is {level}")]
    Unfit {
        /// Which.
        driver: String,
        /// What it is fit for.
        fit: Profile,
        /// What the namespace is.
        level: Profile,
    },
    /// The driver's label is no level.
    #[error("driver {driver} is labelled {label:?}, which is none of privileged, baseline, restricted")]
    UnknownFit {
        /// Which.
        driver: String,
        /// What it says.
        label: String,
    },
    /// A label of the namespace is no level; then no pod is let in.
    #[error("label {label} of the namespace is none of privileged, baseline, restricted")]
    UnknownLevel {
        /// Which.
        label: &'static str,
    },
}

pub(crate) fn check(cluster: &Cluster, namespace: &Namespace, pod: &Pod) -> Result<(), Refused> {
    let level = |label: &str| namespace.labels.get(label).map(|word| Profile::parse(word));
    if let Some(label) = LEVELS.into_iter().find(|label| level(label) == Some(None)) {
        return Err(Refused::UnknownLevel { label });
    }
    let level = level(ENFORCE).flatten().unwrap_or(Profile::Restricted);
    for volume in &pod.spec.volumes {
        let Source::Csi { driver } = &volume.source else { continue };
        let fit = match cluster.drivers.get(driver) {
            None => Profile::Privileged,
            Some(label) => Profile::parse(label)
                .ok_or_else(|| Refused::UnknownFit { driver: driver.clone(), label: label.clone() })?,
        };
        if level > fit {
            return Err(Refused::Unfit { driver: driver.clone(), fit, level });
        }
    }
    Ok(())
}
