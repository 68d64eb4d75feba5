//! Why a use case was refused or failed, for a person: what happened, and what to do.

use hub_core::fleet::Name;

use crate::store;

/// Why a use case did not happen. Nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No mesh config of this name.
    #[error("there is no mesh config {0}")]
    ConfigNotFound(Name),
    /// The config has no such version.
    #[error("mesh config {0} has no version {1}")]
    VersionNotFound(Name, u64),
    /// No strategy of this name.
    #[error("there is no rollout strategy {0}")]
    StrategyNotFound(Name),
    /// No cluster of this name.
    #[error("there is no cluster {0}")]
    ClusterNotFound(String),
    /// The cluster was enrolled anew, with another key.
    #[error("cluster {0} was enrolled anew with another key")]
    KeyReplaced(Name),
    /// A rollout is changing the cluster.
    #[error("cluster {cluster} is held by rollout {rollout}")]
    ClusterHeld {
        /// The cluster.
        cluster: Name,
        /// The rollout that holds it.
        rollout: u64,
    },
    /// Nothing selects the cluster, so that there is no plan.
    #[error("no mesh config selects cluster {0}")]
    Unassigned(Name),
    /// The cluster was detached: nothing is planned for it.
    #[error("cluster {0} was detached from the fleet")]
    Detached(Name),
    /// The cluster's plan cannot be made.
    #[error("there is no plan for cluster {cluster}: {message}")]
    NoPlan {
        /// The cluster.
        cluster: Name,
        /// Why.
        message: String,
        /// What to do.
        hint: String,
    },
    /// No rollout of this number.
    #[error("there is no rollout {0}")]
    RolloutNotFound(u64),
    /// The cluster exists and the config does not select it.
    #[error("mesh config {config} does not select cluster {cluster}")]
    NotSelected {
        /// The config.
        config: Name,
        /// The cluster.
        cluster: Name,
    },
    /// The config selects no cluster at all.
    #[error("mesh config {0} selects no cluster")]
    NothingSelected(Name),
    /// The rollout cannot start; every reason.
    #[error("the rollout of {config} version {version} cannot start: {}", told(.refusals))]
    RolloutRefused {
        /// The config.
        config: Name,
        /// Its version.
        version: u64,
        /// Why, all at once; never empty.
        refusals: Vec<StartRefusal>,
    },
    /// A rollout was to change in a way that its state does not allow.
    #[error("a rollout could not be moved on")]
    Transition(#[from] hub_core::rollout::IllegalTransition),
    /// The database could not do it.
    #[error("the hub's database failed")]
    Store(#[from] store::Error),
}

/// One reason why a rollout cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartRefusal {
    /// Its spoke never reported what the cluster is.
    #[error("cluster {cluster} was never connected, so nothing is known of it")]
    NoFacts {
        /// The cluster.
        cluster: Name,
    },
    /// Two configs select it.
    #[error("cluster {cluster} is selected by the mesh configs {one} and {other}")]
    TwoConfigs {
        /// The cluster.
        cluster: Name,
        /// The config that was to be rolled out.
        one: Name,
        /// The other.
        other: Name,
    },
    /// No wave of the strategy selects it.
    #[error("cluster {cluster} is in no wave of the strategy")]
    InNoWave {
        /// The cluster.
        cluster: Name,
    },
    /// Another rollout is changing it.
    #[error("cluster {cluster} is held by rollout {rollout}")]
    Held {
        /// The cluster.
        cluster: Name,
        /// The rollout that holds it.
        rollout: u64,
    },
    /// A check found something that must not be rolled out.
    #[error("cluster {cluster}: {message} ({rule})")]
    Finding {
        /// The cluster.
        cluster: Name,
        /// Id of the rule or check.
        rule: String,
        /// What was seen.
        message: String,
        /// What to do.
        hint: String,
    },
    /// No plan could be made.
    #[error("cluster {cluster}: {message}")]
    NoPlan {
        /// The cluster.
        cluster: Name,
        /// Why.
        message: String,
    },
}

/// How an error is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What was named is not there.
    NotFound,
    /// It must not be done as things are.
    Refused,
    /// The database is gone: try again later.
    Unavailable,
    /// The hub's own fault.
    Internal,
}

/// One refusal in its own words; of several, how many there are: [`Error::details`] tells them.
fn told(refusals: &[StartRefusal]) -> String {
    match refusals {
        [only] => only.to_string(),
        several => format!("{} things stand against it", several.len()),
    }
}

impl Error {
    /// How to take it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::ConfigNotFound(_)
            | Self::VersionNotFound(..)
            | Self::StrategyNotFound(_)
            | Self::ClusterNotFound(_)
            | Self::RolloutNotFound(_) => Kind::NotFound,
            Self::KeyReplaced(_)
            | Self::ClusterHeld { .. }
            | Self::Unassigned(_)
            | Self::Detached(_)
            | Self::NoPlan { .. }
            | Self::NotSelected { .. }
            | Self::NothingSelected(_)
            | Self::RolloutRefused { .. } => Kind::Refused,
            Self::Store(error) if error.is_gone() => Kind::Unavailable,
            Self::Transition(_) | Self::Store(_) => Kind::Internal,
        }
    }

    /// Stable code, for scripts.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ConfigNotFound(_) => "config.not_found",
            Self::VersionNotFound(..) => "config.version_not_found",
            Self::StrategyNotFound(_) => "strategy.not_found",
            Self::ClusterNotFound(_) => "cluster.not_found",
            Self::KeyReplaced(_) => "cluster.key_replaced",
            Self::ClusterHeld { .. } => "cluster.held",
            Self::Unassigned(_) => "cluster.unassigned",
            Self::Detached(_) => "cluster.detached",
            Self::NoPlan { .. } => "plan.none",
            Self::RolloutNotFound(_) => "rollout.not_found",
            Self::NotSelected { .. } => "config.not_selected",
            Self::NothingSelected(_) => "config.selects_nothing",
            Self::RolloutRefused { refusals, .. } => {
                refusals.first().map_or("rollout.refused", StartRefusal::reason)
            }
            Self::Store(error) if error.is_gone() => "database.gone",
            Self::Store(_) => "database.failed",
            Self::Transition(_) => "rollout.illegal_transition",
        }
    }

    /// Each thing that stands against it, where there are several; else the error itself says it all.
    #[must_use]
    pub fn details(&self) -> Vec<String> {
        let Self::RolloutRefused { refusals, .. } = self else { return Vec::new() };
        if refusals.len() == 1 { Vec::new() } else { refusals.iter().map(ToString::to_string).collect() }
    }

    /// What to do; empty where nothing can be done.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::ConfigNotFound(_) => {
                "write a MeshConfig document and run `meshfleet apply -f FILE`".to_owned()
            }
            Self::VersionNotFound(..) => "leave the version out to take the newest one".to_owned(),
            Self::StrategyNotFound(_) => {
                "write a RolloutStrategy document and run `meshfleet apply -f FILE`, or leave --strategy out"
                    .to_owned()
            }
            Self::ClusterNotFound(_) => "`meshfleet cluster list` prints the names".to_owned(),
            Self::KeyReplaced(_) => "stop the spoke that still has the former key".to_owned(),
            Self::ClusterHeld { rollout, .. } => {
                format!("wait for it or end it: `meshfleet rollout abort {rollout}`")
            }
            Self::Detached(cluster) => format!("enrol it again with `meshfleet cluster enrol {cluster}`"),
            Self::NoPlan { hint, .. } => hint.clone(),
            Self::RolloutNotFound(_) => "`meshfleet rollout list` prints the numbers".to_owned(),
            Self::NotSelected { .. } | Self::NothingSelected(_) | Self::Unassigned(_) => {
                "compare `spec.clusters` of the MeshConfig with the labels in `meshfleet cluster list`"
                    .to_owned()
            }
            Self::RolloutRefused { refusals, .. } => {
                let mut hints: Vec<String> = refusals.iter().map(StartRefusal::hint).collect();
                hints.dedup();
                hints.join("; ")
            }
            Self::Store(error) if error.is_gone() => {
                "the hub goes on by itself when its database is back".to_owned()
            }
            Self::Transition(_) | Self::Store(_) => "look into the hub's log".to_owned(),
        }
    }
}

impl StartRefusal {
    fn reason(&self) -> &'static str {
        match self {
            Self::NoFacts { .. } => "rollout.no_facts",
            Self::TwoConfigs { .. } => "rollout.two_configs",
            Self::InNoWave { .. } => "rollout.in_no_wave",
            Self::Held { .. } => "rollout.held",
            Self::Finding { .. } => "rollout.finding",
            Self::NoPlan { .. } => "rollout.no_plan",
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::NoFacts { cluster } => {
                format!("enrol it with `meshfleet cluster enrol {cluster}` and start its spoke")
            }
            Self::TwoConfigs { .. } => "let only one config select it".to_owned(),
            Self::InNoWave { .. } => "add a wave to the strategy that selects it".to_owned(),
            Self::Held { rollout, .. } => format!("wait for it: `meshfleet rollout show {rollout}`"),
            Self::Finding { hint, .. } => hint.clone(),
            Self::NoPlan { .. } => "`meshfleet plan` shows what was seen".to_owned(),
        }
    }
}
