//! Status: six conditions that say everything an operator needs to know of a cluster. Command line, pages and alerts read
//! only these.
//!
//! What is not known is `Unknown`, never `True`: silence is no proof of health.

mod conditions;

pub use conditions::conditions;

use std::fmt;

use jiff::Timestamp;

use crate::{
    digest::Digest,
    fleet::Name,
    plan::Finding,
    report::{Fence, Refusal},
    rollout::{CurrentTarget, SeenReport},
};

/// What is known of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The cluster.
    pub cluster: Name,
    /// Its spoke's session.
    pub session: Session,
    /// What was planned for it.
    pub planned: Planned,
    /// What it should run now.
    pub target: Option<CurrentTarget>,
    /// What its spoke last accepted.
    pub fence: Option<Fence>,
    /// What its spoke last refused.
    pub refusal: Option<Refusal>,
    /// What its spoke last reported.
    pub report: Option<SeenReport>,
    /// What its spoke last said of drift.
    pub drift: Option<DriftSeen>,
}

/// A spoke's session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Session {
    /// It never attached.
    Never,
    /// It is attached.
    Open,
    /// It is gone.
    Gone {
        /// When it was heard last.
        last_seen_at: Timestamp,
    },
}

/// What was planned for a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Planned {
    /// Nobody looked yet.
    NotYet,
    /// Its membership was ended, so nothing is planned for it.
    Detached,
    /// No config selects it.
    Unassigned,
    /// More than one config selects it.
    TwoConfigs(Name, Name),
    /// Its spoke was never attached, so nothing is known of it.
    NoFacts,
    /// No plan could be made.
    Failed {
        /// Why.
        message: String,
    },
    /// A plan was made and must not be rolled out.
    Blocked {
        /// What blocks it; never empty.
        findings: Vec<Finding>,
    },
    /// A plan was made.
    Plan {
        /// Which.
        digest: Digest,
        /// From which config.
        config: Name,
        /// From which version of it.
        version: u64,
    },
}

/// What a spoke said of drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DriftSeen {
    /// Under which generation it looked.
    pub generation: u64,
    /// How many items are open.
    pub open: u64,
    /// How many of these the spoke is about to put right.
    pub healing: u64,
    /// How many of these came back after each heal.
    pub fighting: u64,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Which.
    pub kind: ConditionKind,
    /// Whether it holds.
    pub status: Truth,
    /// Why, in one word.
    pub reason: Reason,
    /// Why, in one sentence.
    pub message: String,
    /// What to do next; may be empty.
    pub hint: String,
}

/// The conditions, in the order of the data's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionKind {
    /// Its spoke is attached.
    Connected,
    /// A plan that may be rolled out was made for it.
    Planned,
    /// Its spoke accepted its target.
    Delivered,
    /// Everything of the target is written.
    Applied,
    /// The mesh is as the plan says that it must be.
    Healthy,
    /// Nobody changed what was applied.
    InSync,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// It does.
    True,
    /// It does not.
    False,
    /// Nobody can say.
    Unknown,
}

/// Why a condition is as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is a word that people read, explained by the message beside it")]
pub enum Reason {
    Attached,
    NeverAttached,
    SessionGone,
    PlanMade,
    PlanBlocked,
    PlanFailed,
    NotPlannedYet,
    Detached,
    Unassigned,
    TwoConfigs,
    NoFacts,
    NoTarget,
    Accepted,
    AwaitingAcceptance,
    Refused,
    SpokeAhead,
    NoReport,
    Applying,
    Frozen,
    Applied,
    ApplyFailed,
    Converging,
    Healthy,
    Unhealthy,
    InSync,
    Drifted,
    Healing,
    Fighting,
}

/// The words of a condition are their names in the code: scripts rely on them.
impl fmt::Display for ConditionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for Truth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
