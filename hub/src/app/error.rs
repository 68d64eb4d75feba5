//! Why a use case was refused or failed, for a person: what happened, and what to do.

mod refusal;

pub use refusal::{DeleteRefusal, HealRefusal, ReconcileRefusal, StartRefusal};

use hub_core::{config::EffectiveProblem, document::Kind as DocumentKind, fleet::Name, rollout::Aim};

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
    /// The catalogue has no such version.
    #[error("the catalogue has no {product} {version}")]
    NotInCatalog {
        /// Name of the product.
        product: String,
        /// What was asked for.
        version: String,
        /// The versions that it has.
        known: String,
    },
    /// The cluster was enrolled anew, with another key.
    #[error("cluster {0} was enrolled anew with another key")]
    KeyReplaced(Name),
    /// The cluster has a spoke, and nobody said that it is to be replaced.
    #[error("cluster {0} has a spoke already")]
    ClusterActive(Name),
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
    /// No stored document of this name.
    #[error("there is no {} {name}", kind.map_or("document", DocumentKind::as_str))]
    DocumentNotFound {
        /// Its kind; none if any would do.
        kind: Option<DocumentKind>,
        /// Its name.
        name: Name,
    },
    /// Documents cannot be forgotten; every reason.
    #[error("nothing was deleted: {}", told(.0))]
    DeleteRefused(Vec<DeleteRefusal>),
    /// The config means nothing for the cluster.
    #[error("mesh config {config} cannot be worked out for cluster {cluster}: {}", several(.problems.len()))]
    NotEffective {
        /// The config.
        config: Name,
        /// The cluster.
        cluster: Name,
        /// Why, all at once; never empty.
        problems: Vec<EffectiveProblem>,
    },
    /// A cluster is not one of which a person must decide who is right, or cannot be decided on now.
    #[error(transparent)]
    Reconcile(#[from] ReconcileRefusal),
    /// A difference cannot be healed.
    #[error(transparent)]
    Heal(#[from] HealRefusal),
    /// So much would be deleted that a person must confirm it.
    #[error("{} would be deleted{}", objects(*.total), unlike(*.confirmed))]
    Unconfirmed {
        /// The clusters that lose something, with the objects in words.
        clusters: Vec<(Name, Vec<String>)>,
        /// Objects over all clusters: what must be confirmed.
        total: usize,
        /// What was confirmed; 0 if nothing was.
        confirmed: u32,
    },
    /// The rollout cannot start; every reason.
    #[error("{} cannot start: {}", name_of(.aim), told(.refusals))]
    RolloutRefused {
        /// What it is for.
        aim: Aim,
        /// Why, all at once; never empty.
        refusals: Vec<StartRefusal>,
    },
    /// A rollout was to change in a way that its state does not allow.
    #[error("a rollout could not be moved on")]
    Transition(#[from] hub_core::rollout::IllegalTransition),
    /// A rollout is at its end already.
    #[error(transparent)]
    RolloutState(#[from] hub_core::rollout::WrongState),
    /// No operator of this name.
    #[error("there is no operator {0}")]
    OperatorNotFound(Name),
    /// There is one of this name.
    #[error("there is an operator {0} already")]
    OperatorExists(Name),
    /// Nobody else is admin.
    #[error("operator {0} is the last admin")]
    LastAdmin(Name),
    /// The database could not do it.
    #[error("the hub's database failed")]
    Store(#[from] store::Error),
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
fn told(refusals: &[impl ToString]) -> String {
    match refusals {
        [only] => only.to_string(),
        more => several(more.len()),
    }
}

fn several(count: usize) -> String {
    if count == 1 {
        "one thing stands against it".to_owned()
    } else {
        format!("{count} things stand against it")
    }
}

fn name_of(aim: &Aim) -> String {
    match aim {
        Aim::Assign { config, version } => format!("the rollout of {config} version {version}"),
        Aim::Unassign => "the removal of the mesh".to_owned(),
    }
}

fn objects(count: usize) -> String {
    if count == 1 { "1 object".to_owned() } else { format!("{count} objects") }
}

fn unlike(confirmed: u32) -> String {
    if confirmed == 0 { String::new() } else { format!(", and {confirmed} were confirmed") }
}

/// Objects of one cluster that a refusal names, what is left out is counted; and hints that are given at once.
const MOST_NAMED: usize = 20;

fn losses((cluster, objects): &(Name, Vec<String>)) -> String {
    let named: Vec<&str> = objects.iter().take(MOST_NAMED).map(String::as_str).collect();
    let more = match objects.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!("{cluster} loses {}: {}{more}", self::objects(objects.len()), named.join(", "))
}

fn hints(hints: impl Iterator<Item = String>) -> String {
    let mut each: Vec<String> = Vec::new();
    for hint in hints.filter(|hint| !hint.is_empty()) {
        if !each.contains(&hint) && each.len() < MOST_NAMED {
            each.push(hint);
        }
    }
    each.join("; ")
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
            | Self::NotInCatalog { .. }
            | Self::DocumentNotFound { .. }
            | Self::OperatorNotFound(_)
            | Self::RolloutNotFound(_) => Kind::NotFound,
            Self::KeyReplaced(_)
            | Self::ClusterActive(_)
            | Self::OperatorExists(_)
            | Self::LastAdmin(_)
            | Self::DeleteRefused(_)
            | Self::NotEffective { .. }
            | Self::Unconfirmed { .. }
            | Self::Reconcile(_)
            | Self::RolloutState(_)
            | Self::ClusterHeld { .. }
            | Self::Unassigned(_)
            | Self::Detached(_)
            | Self::NoPlan { .. }
            | Self::NotSelected { .. }
            | Self::NothingSelected(_) => Kind::Refused,
            Self::RolloutRefused { refusals, .. } => {
                let missing = |refusal: &StartRefusal| matches!(refusal, StartRefusal::NotFound { .. });
                if refusals.iter().all(missing) { Kind::NotFound } else { Kind::Refused }
            }
            Self::Heal(refusal) => refusal.kind(),
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
            Self::NotInCatalog { .. } => "catalog.not_found",
            Self::KeyReplaced(_) => "cluster.key_replaced",
            Self::ClusterActive(_) => "cluster.active",
            Self::ClusterHeld { .. } => "cluster.held",
            Self::Unassigned(_) => "cluster.unassigned",
            Self::Detached(_) => "cluster.detached",
            Self::NoPlan { .. } => "plan.none",
            Self::RolloutNotFound(_) => "rollout.not_found",
            Self::OperatorNotFound(_) => "operator.not_found",
            Self::OperatorExists(_) => "operator.exists",
            Self::LastAdmin(_) => "operator.last_admin",
            Self::NotSelected { .. } => "config.not_selected",
            Self::DocumentNotFound { .. } => "document.not_found",
            Self::DeleteRefused(refusals) => {
                refusals.first().map_or("document.delete_refused", DeleteRefusal::reason)
            }
            Self::NotEffective { .. } => "config.not_effective",
            Self::Unconfirmed { .. } => "rollout.deletions_unconfirmed",
            Self::Reconcile(refusal) => refusal.reason(),
            Self::Heal(refusal) => refusal.reason(),
            Self::RolloutState(_) => "rollout.ended",
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
        let details: Vec<String> = match self {
            Self::RolloutRefused { refusals, .. } => refusals.iter().map(ToString::to_string).collect(),
            Self::DeleteRefused(refusals) => refusals.iter().map(ToString::to_string).collect(),
            Self::Unconfirmed { clusters, .. } => return clusters.iter().map(losses).collect(),
            Self::NotEffective { problems, .. } => {
                return problems.iter().map(|one| format!("{}: {}", one.path, one.message)).collect();
            }
            _ => Vec::new(),
        };
        if details.len() == 1 { Vec::new() } else { details }
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
            Self::NotInCatalog { known, .. } => format!("it has {known}"),
            Self::KeyReplaced(_) => "stop the spoke that still has the former key".to_owned(),
            Self::ClusterActive(name) => format!(
                "to put another in its place, which refuses the present one for good once the token is used: \
                 `meshfleet cluster enrol {name} --replace`"
            ),
            Self::ClusterHeld { rollout, .. } => {
                format!("wait for it or end it: `meshfleet rollout abort {rollout}`")
            }
            Self::Detached(cluster) => format!("enrol it again with `meshfleet cluster enrol {cluster}`"),
            Self::NoPlan { hint, .. } => hint.clone(),
            Self::RolloutNotFound(_) => "`meshfleet rollout list` prints the numbers".to_owned(),
            Self::OperatorNotFound(_) => "`meshfleet operator list` prints the names".to_owned(),
            Self::OperatorExists(name) => format!(
                "take another name; for a new key or another role, `meshfleet operator revoke {name}` first"
            ),
            Self::LastAdmin(_) => {
                "add another admin first: `meshfleet operator add NAME --role admin`".to_owned()
            }
            Self::NotSelected { .. } | Self::NothingSelected(_) | Self::Unassigned(_) => {
                "compare `spec.clusters` of the MeshConfig with the labels in `meshfleet cluster list`"
                    .to_owned()
            }
            Self::RolloutRefused { refusals, .. } => hints(refusals.iter().map(StartRefusal::hint)),
            Self::DeleteRefused(refusals) => hints(refusals.iter().map(DeleteRefusal::hint)),
            Self::NotEffective { problems, .. } => hints(problems.iter().map(|one| one.hint.clone())),
            Self::DocumentNotFound { .. } => "`meshfleet get` prints what is stored".to_owned(),
            Self::Unconfirmed { total, .. } => {
                format!("look at each; to have them deleted, run it again with --confirm-deletions {total}")
            }
            Self::Reconcile(refusal) => refusal.hint(),
            Self::Heal(refusal) => refusal.hint(),
            Self::RolloutState(_) => "`meshfleet rollout show` says how it ended".to_owned(),
            Self::Store(error) if error.is_gone() => {
                "the hub goes on by itself when its database is back".to_owned()
            }
            Self::Transition(_) | Self::Store(_) => "look into the hub's log".to_owned(),
        }
    }
}
