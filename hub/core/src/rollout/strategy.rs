//! The strategy: how a rollout goes through a fleet.

use serde::{Deserialize, Serialize};

use crate::fleet::{Cluster, Name, Selector};

/// `spec` of a `RolloutStrategy` document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Strategy {
    /// One after the other; a cluster goes with the first wave that selects it, and every selected cluster must be in
    /// one.
    pub waves: Vec<Wave>,
    /// How long one cluster may take from being sent its target to being healthy, in seconds.
    #[serde(default = "default_deadline_s")]
    pub deadline_seconds: u32,
    /// How many clusters may be started and not yet healthy, at least 1; all of a wave if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<u32>,
}

/// Fifteen minutes: an operator's first install takes under one, a slow node pool some.
fn default_deadline_s() -> u32 {
    900
}

/// Clusters that are changed together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wave {
    /// For people.
    pub name: Name,
    /// Which of the config's clusters.
    pub clusters: Selector,
}

/// A cluster that is to be changed and that no wave selects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cluster {0} is in no wave of the strategy")]
pub struct InNoWave(pub Name);

impl Strategy {
    /// Everything in one wave: what is done when no strategy is named. It names no wave, and [`Strategy::wave_of`] takes
    /// every cluster into the only one there is.
    #[must_use]
    pub fn all_at_once() -> Self {
        Self { waves: Vec::new(), deadline_seconds: default_deadline_s(), max_unavailable: None }
    }

    /// Names of the waves, in their order.
    #[must_use]
    pub fn wave_names(&self) -> Vec<Name> {
        if self.waves.is_empty() {
            return vec![Name::parse("all").expect("a DNS label")];
        }
        self.waves.iter().map(|wave| wave.name.clone()).collect()
    }

    /// The wave, by index, that a cluster goes with: the first that selects it.
    pub fn wave_of(&self, cluster: &Cluster) -> Result<usize, InNoWave> {
        if self.waves.is_empty() {
            return Ok(0);
        }
        let wave = self.waves.iter().position(|wave| wave.clusters.matches(&cluster.name, &cluster.labels));
        wave.ok_or_else(|| InNoWave(cluster.name.clone()))
    }
}
