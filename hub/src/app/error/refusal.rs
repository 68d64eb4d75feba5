//! What stands against a use case, one reason each.

use std::time::Duration;

use hub_core::{document::Kind, drift::DriftClass, fleet::Name};

use super::Kind as ErrorKind;

/// One reason why a rollout cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartRefusal {
    /// No cluster of this name, or it was forgotten meanwhile.
    #[error("there is no cluster {cluster}")]
    NotFound {
        /// The name.
        cluster: Name,
    },
    /// Its membership was ended.
    #[error("cluster {cluster} was detached from the fleet")]
    Detached {
        /// The cluster.
        cluster: Name,
    },
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
    /// The mesh is to be removed and a config selects the cluster.
    #[error("cluster {cluster} is selected by mesh config {config}")]
    Selected {
        /// The cluster.
        cluster: Name,
        /// The config.
        config: Name,
    },
    /// The mesh is to be removed and there is none of ours.
    #[error("no mesh of this fleet runs in cluster {cluster}")]
    NothingToRemove {
        /// The cluster.
        cluster: Name,
    },
}

/// One reason why a document cannot be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeleteRefusal {
    /// There is none.
    #[error("there is no {kind} {name}")]
    NotFound {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: Name,
    },
    /// Its spoke is a member of the fleet.
    #[error("cluster {cluster} is active")]
    ClusterActive {
        /// The cluster.
        cluster: Name,
    },
    /// A rollout is changing it.
    #[error("cluster {cluster} is held by rollout {rollout}")]
    ClusterHeld {
        /// The cluster.
        cluster: Name,
        /// The rollout that holds it.
        rollout: u64,
    },
    /// Clusters have a mesh of it.
    #[error("mesh config {config} runs in {}", list(.clusters))]
    ConfigRuns {
        /// The config.
        config: Name,
        /// The clusters.
        clusters: Vec<Name>,
    },
    /// It is being rolled out.
    #[error("mesh config {config} is being rolled out by rollout {rollout}")]
    ConfigRolling {
        /// The config.
        config: Name,
        /// The rollout.
        rollout: u64,
    },
}

/// Why nothing was decided about a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReconcileRefusal {
    /// What its spoke runs now is not known.
    #[error("the spoke of cluster {cluster} is not attached, so what it runs now is not known")]
    NotConnected {
        /// The cluster.
        cluster: Name,
    },
    /// There is nothing to decide.
    #[error("cluster {cluster} is not ahead of this hub: what its spoke accepted is known here")]
    NotAhead {
        /// The cluster.
        cluster: Name,
    },
    /// What its spoke holds is not known yet.
    #[error("the spoke of cluster {cluster} has not said yet what it holds under generation {generation}")]
    NoReport {
        /// The cluster.
        cluster: Name,
        /// The generation that it accepted.
        generation: u64,
    },
    /// The database has nothing that could be sent.
    #[error("this hub knows no plan that cluster {cluster} was given, so there is nothing to send")]
    NothingToKeep {
        /// The cluster.
        cluster: Name,
    },
    /// Something changed it meanwhile.
    #[error("the target of cluster {cluster} was changed meanwhile")]
    Moved {
        /// The cluster.
        cluster: Name,
    },
}

/// Why a difference is not healed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HealRefusal {
    /// Nothing of this number differs.
    #[error("cluster {cluster} has no difference #{item}, or it is gone already")]
    NoItem {
        /// The cluster.
        cluster: Name,
        /// The number.
        item: u64,
    },
    /// It is not ours to write.
    #[error("difference #{item} cannot be healed: {}", not_ours(*.class))]
    NotOurs {
        /// The number.
        item: u64,
        /// What kind of difference it is.
        class: DriftClass,
    },
    /// Nobody is there to do it.
    #[error("the spoke of cluster {cluster} {away}, so nothing can be healed now")]
    Away {
        /// The cluster.
        cluster: Name,
        /// Since when, in words behind "its spoke".
        away: String,
    },
    /// The spoke said nothing.
    #[error("the spoke of cluster {cluster} did not answer within {} seconds", within.as_secs())]
    NoAnswer {
        /// The cluster.
        cluster: Name,
        /// How long it was waited for.
        within: Duration,
    },
}

fn not_ours(class: DriftClass) -> &'static str {
    match class {
        DriftClass::Recreated => "somebody else made the object that stands there",
        DriftClass::Unfulfilled => "somebody else makes what the plan expects there",
        DriftClass::Overwritten | DriftClass::Removed | DriftClass::Deleted => "it is not ours to write",
    }
}

impl HealRefusal {
    pub(super) fn kind(&self) -> ErrorKind {
        match self {
            Self::NoItem { .. } => ErrorKind::NotFound,
            Self::NotOurs { .. } | Self::Away { .. } | Self::NoAnswer { .. } => ErrorKind::Refused,
        }
    }

    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::NoItem { .. } => "drift.not_found",
            Self::NotOurs { .. } => "drift.not_ours",
            Self::Away { .. } => "drift.spoke_away",
            Self::NoAnswer { .. } => "drift.no_answer",
        }
    }

    pub(super) fn hint(&self) -> String {
        match self {
            Self::NoItem { cluster, .. } => {
                format!("`meshfleet drift report {cluster}` prints what differs, with the numbers")
            }
            Self::NotOurs { class: DriftClass::Recreated, .. } => {
                "delete that object, or take it over: a rollout says how, see `meshfleet plan`".to_owned()
            }
            Self::NotOurs { .. } => "look at whoever makes it".to_owned(),
            Self::Away { cluster, .. } => format!(
                "`meshfleet status {cluster}` says since when; nothing is done later by surprise, so ask again when it \
                 is back, or name the class in a DriftPolicy: then it heals also while the hub is away"
            ),
            Self::NoAnswer { cluster, .. } => format!(
                "if it heard of it, it may still do it: `meshfleet drift report {cluster}` shows; a spoke older than \
                 this hub does not know how"
            ),
        }
    }
}

impl ReconcileRefusal {
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::NotConnected { .. } => "reconcile.not_connected",
            Self::NotAhead { .. } => "reconcile.not_ahead",
            Self::NoReport { .. } => "reconcile.no_report",
            Self::NothingToKeep { .. } => "reconcile.nothing_to_keep",
            Self::Moved { .. } => "reconcile.moved",
        }
    }

    pub(super) fn hint(&self) -> String {
        match self {
            Self::NotConnected { cluster } => {
                format!("`meshfleet status {cluster}` says since when; start its spoke first")
            }
            Self::NotAhead { cluster } => {
                format!("`meshfleet status {cluster}` says what it awaits; a rollout changes what it runs")
            }
            Self::NoReport { .. } => "it says so within seconds of attaching: run it again".to_owned(),
            Self::NothingToKeep { cluster } => {
                format!("take what runs there: `meshfleet cluster reconcile {cluster} --keep-spoke`")
            }
            Self::Moved { cluster } => format!("look again: `meshfleet cluster reconcile {cluster}`"),
        }
    }
}

/// Clusters that a refusal names; what is left out is counted.
const MOST_NAMED: usize = 10;

fn list(clusters: &[Name]) -> String {
    let named: Vec<&str> = clusters.iter().take(MOST_NAMED).map(Name::as_str).collect();
    match clusters.len().saturating_sub(MOST_NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

impl DeleteRefusal {
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "document.not_found",
            Self::ClusterActive { .. } => "cluster.active",
            Self::ClusterHeld { .. } => "rollout.held",
            Self::ConfigRuns { .. } => "config.runs",
            Self::ConfigRolling { .. } => "config.rolling",
        }
    }

    pub(super) fn hint(&self) -> String {
        match self {
            Self::NotFound { .. } => "`meshfleet get` prints what is stored".to_owned(),
            Self::ClusterActive { cluster } => {
                format!("detach it first: `meshfleet cluster detach {cluster}`")
            }
            Self::ClusterHeld { rollout, .. } | Self::ConfigRolling { rollout, .. } => format!(
                "wait for it, `meshfleet rollout show {rollout}`, or end it, `meshfleet rollout abort {rollout}`"
            ),
            Self::ConfigRuns { .. } => {
                "let it select them no longer, then `meshfleet config unassign CLUSTER` removes the mesh"
                    .to_owned()
            }
        }
    }
}

impl StartRefusal {
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "cluster.not_found",
            Self::Detached { .. } => "cluster.detached",
            Self::NoFacts { .. } => "rollout.no_facts",
            Self::TwoConfigs { .. } => "rollout.two_configs",
            Self::InNoWave { .. } => "rollout.in_no_wave",
            Self::Held { .. } => "rollout.held",
            Self::Finding { .. } => "rollout.finding",
            Self::NoPlan { .. } => "rollout.no_plan",
            Self::Selected { .. } => "unassign.selected",
            Self::NothingToRemove { .. } => "unassign.nothing_to_remove",
        }
    }

    pub(super) fn hint(&self) -> String {
        match self {
            Self::NotFound { .. } => "`meshfleet cluster list` prints the names".to_owned(),
            Self::Detached { cluster } => format!("enrol it again with `meshfleet cluster enrol {cluster}`"),
            Self::NoFacts { cluster } => {
                format!("enrol it with `meshfleet cluster enrol {cluster}` and start its spoke")
            }
            Self::TwoConfigs { .. } => "let only one config select it".to_owned(),
            Self::InNoWave { .. } => "add a wave to the strategy that selects it".to_owned(),
            Self::Held { rollout, .. } => format!("wait for it: `meshfleet rollout show {rollout}`"),
            Self::Finding { hint, .. } => hint.clone(),
            Self::NoPlan { .. } => "`meshfleet plan` shows what was seen".to_owned(),
            Self::Selected { config, .. } => {
                format!(
                    "let {config} select it no longer: change `spec.clusters` of {config} or the cluster's labels"
                )
            }
            Self::NothingToRemove { .. } => "`meshfleet status` shows what runs where".to_owned(),
        }
    }
}
