//! One target of a rollout. Each state carries exactly what is true in it; a transition consumes the old one.

use std::fmt;

use jiff::Timestamp;

use crate::{
    digest::Digest,
    drift::{DriftClass, DriftItem, HealClasses},
    fleet::{ClusterId, Name},
    plan::{Disruption, ObjectId},
    report::{Outcome, RefusalCode},
    target::Overwrite,
};

/// A plan pinned to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutTarget {
    /// The cluster.
    pub cluster: ClusterId,
    /// Its name.
    pub name: Name,
    /// The pinned plan.
    pub plan: Digest,
    /// What is done about drift that was seen when the rollout started.
    pub repair: Repair,
    /// How many objects it was to delete when the rollout started: what a person saw, and confirmed where the brake
    /// asked for it.
    pub deletions: usize,
    /// The worst that the change does to the running mesh, against the plan that the cluster had at the start.
    pub disruption: Disruption,
    /// What its spoke is to put right by itself, by the policies at the start of the rollout.
    pub heal: HealClasses,
    /// How far it is.
    pub state: TargetState,
}

/// What a rollout does about the drift of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repair {
    /// Nothing: there was none, or nobody asked.
    Nothing,
    /// It is put right, also where the plan is the one that runs already.
    Drift {
        /// Fields that others wrote and that are taken back by force. Empty where things are only missing.
        overwrite: Vec<Overwrite>,
    },
}

impl Repair {
    /// What is done about these differences. Fields that others wrote are taken back as they were seen; what is gone only
    /// has to be applied again; what somebody else makes is not ours to put right.
    #[must_use]
    pub fn of<'a>(drift: impl Iterator<Item = &'a DriftItem>) -> Self {
        let ours: Vec<&DriftItem> = drift.filter(|item| item.class != DriftClass::Unfulfilled).collect();
        if ours.is_empty() {
            return Self::Nothing;
        }
        let overwrite = ours.iter().filter(|item| item.class == DriftClass::Overwritten).filter_map(|item| {
            let found = item.found_digest?;
            Some(Overwrite { uid: item.uid.clone(), path: item.path.clone(), found })
        });
        Self::Drift { overwrite: overwrite.collect() }
    }

    /// The fields that may be taken by force.
    #[must_use]
    pub fn overwrite(&self) -> &[Overwrite] {
        match self {
            Self::Nothing => &[],
            Self::Drift { overwrite } => overwrite,
        }
    }
}

/// How far a target is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetState {
    /// Its wave is not open yet, or it was not looked at since.
    Pending,
    /// Its wave is open and something keeps it from starting.
    Blocked {
        /// What.
        by: Blocker,
        /// Since when anything did; its deadline counts from here.
        since: Timestamp,
    },
    /// The cluster has the target; its spoke did not accept it yet.
    Sent(Delivery),
    /// The spoke persisted it.
    Accepted(Delivery),
    /// Objects are being written.
    Applying(Delivery),
    /// All is written; health is awaited.
    Converging(Delivery),
    /// Applied to its end and healthy.
    Succeeded {
        /// When it was seen.
        at: Timestamp,
        /// None if the cluster ran exactly this already.
        delivery: Option<Delivery>,
    },
    /// The spoke tried and it did not work.
    Failed {
        /// When it was seen.
        at: Timestamp,
        /// What was delivered.
        delivery: Delivery,
        /// Why.
        reason: FailureReason,
    },
    /// Its deadline passed.
    TimedOut {
        /// When it was seen.
        at: Timestamp,
        /// None if it never started.
        delivery: Option<Delivery>,
        /// How far it had come.
        during: Stage,
        /// What was awaited; may be empty.
        message: String,
    },
    /// The spoke would not take it.
    Refused {
        /// When it was seen.
        at: Timestamp,
        /// What was delivered.
        delivery: Delivery,
        /// Why, for machines.
        code: RefusalCode,
        /// Why, for people.
        message: String,
    },
    /// The rollout ended before it was started.
    Skipped {
        /// When.
        at: Timestamp,
        /// Why.
        why: Skip,
    },
    /// The rollout was aborted while it was in flight: its spoke goes on with it, and nobody judges it any more.
    Left {
        /// When.
        at: Timestamp,
        /// What was delivered.
        delivery: Delivery,
        /// How far it had come.
        during: Stage,
    },
}

/// Why a target was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skip {
    /// A person aborted the rollout.
    Operator,
    /// Another target did not succeed.
    Failure,
}

/// A target as it was given to a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Its generation.
    pub generation: u64,
    /// Its digest.
    pub target: Digest,
    /// When; its deadline counts from here.
    pub sent_at: Timestamp,
}

/// What keeps a target from starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blocker {
    /// The plan would be another one now than the one that was approved.
    PlanChanged,
    /// No plan may be rolled out to the cluster as it is now.
    PlanBlocked,
    /// The spoke is not attached.
    Offline,
    /// Another rollout holds the cluster.
    Held,
    /// The spoke accepted something newer than this hub knows of.
    SpokeAhead,
    /// It would delete more than what was confirmed.
    Deletions,
    /// Its mesh was to be removed, and a mesh config selects the cluster again.
    Selected,
}

/// Why a target did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureReason {
    /// One object cannot come to be as planned.
    Object {
        /// Which.
        id: ObjectId,
        /// What became of it.
        outcome: Outcome,
        /// What the spoke says.
        message: String,
    },
    /// The target cannot be applied.
    Apply {
        /// What the spoke says.
        message: String,
    },
    /// It was applied and is not healthy.
    Unhealthy {
        /// What the spoke says.
        message: String,
    },
}

/// How far a target had come when its deadline passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It was kept from starting.
    Blocked(Blocker),
    /// Its spoke had not accepted it.
    Sent,
    /// Its spoke had accepted it and not begun.
    Accepted,
    /// Objects were being written.
    Applying,
    /// Health was awaited.
    Converging,
}

/// A change that the state does not allow. It is a mistake in the hub.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a target that is {from} cannot become {to}")]
pub struct IllegalTransition {
    from: &'static str,
    to: &'static str,
}

impl TargetState {
    /// Gives the target to its cluster.
    pub fn sent(self, delivery: Delivery) -> Result<Self, IllegalTransition> {
        if self.is_waiting_to_start() {
            Ok(Self::Sent(delivery))
        } else {
            Err(IllegalTransition { from: self.name(), to: "Sent" })
        }
    }

    /// What becomes of it when its rollout is held: nobody looks any more what keeps it, so its deadline begins anew.
    #[must_use]
    pub(super) fn paused(self) -> Self {
        if self.is_waiting_to_start() { Self::Pending } else { self }
    }

    /// What becomes of it when nothing is started any more.
    #[must_use]
    pub(super) fn skipped(self, at: Timestamp, why: Skip) -> Self {
        if self.is_waiting_to_start() { Self::Skipped { at, why } } else { self }
    }

    /// What becomes of it when its rollout is aborted.
    #[must_use]
    pub(super) fn aborted(self, at: Timestamp) -> Self {
        let left = |delivery, during| Self::Left { at, delivery, during };
        match self {
            Self::Sent(delivery) => left(delivery, Stage::Sent),
            Self::Accepted(delivery) => left(delivery, Stage::Accepted),
            Self::Applying(delivery) => left(delivery, Stage::Applying),
            Self::Converging(delivery) => left(delivery, Stage::Converging),
            other @ (Self::Pending
            | Self::Blocked { .. }
            | Self::Succeeded { .. }
            | Self::Failed { .. }
            | Self::TimedOut { .. }
            | Self::Refused { .. }
            | Self::Skipped { .. }
            | Self::Left { .. }) => other.skipped(at, Skip::Operator),
        }
    }

    /// The word for the state.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Blocked { .. } => "Blocked",
            Self::Sent(_) => "Sent",
            Self::Accepted(_) => "Accepted",
            Self::Applying(_) => "Applying",
            Self::Converging(_) => "Converging",
            Self::Succeeded { .. } => "Succeeded",
            Self::Failed { .. } => "Failed",
            Self::TimedOut { .. } => "TimedOut",
            Self::Refused { .. } => "Refused",
            Self::Skipped { .. } => "Skipped",
            Self::Left { .. } => "Left",
        }
    }

    /// Why it is so, in one sentence; empty where the state says it all.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Blocked { by, .. } => by.to_string(),
            Self::Failed { reason, .. } => reason.to_string(),
            Self::TimedOut { during, message, .. } if message.is_empty() => {
                format!("deadline passed: {during}")
            }
            Self::TimedOut { during, message, .. } => format!("deadline passed: {during}: {message}"),
            Self::Refused { code, message, .. } => format!("the spoke refused it ({code:?}): {message}"),
            Self::Succeeded { delivery: None, .. } => "the cluster ran this plan already".to_owned(),
            Self::Skipped { why, .. } => why.to_string(),
            Self::Left { during, .. } => format!("left to its spoke when the rollout was aborted: {during}"),
            Self::Pending
            | Self::Sent(_)
            | Self::Accepted(_)
            | Self::Applying(_)
            | Self::Converging(_)
            | Self::Succeeded { delivery: Some(_), .. } => String::new(),
        }
    }

    /// What was delivered; none before, or if nothing had to be.
    #[must_use]
    pub fn delivery(&self) -> Option<Delivery> {
        match self {
            Self::Pending | Self::Blocked { .. } | Self::Skipped { .. } => None,
            Self::Sent(delivery)
            | Self::Accepted(delivery)
            | Self::Applying(delivery)
            | Self::Converging(delivery)
            | Self::Failed { delivery, .. }
            | Self::Refused { delivery, .. }
            | Self::Left { delivery, .. } => Some(*delivery),
            Self::Succeeded { delivery, .. } | Self::TimedOut { delivery, .. } => *delivery,
        }
    }

    /// When it came to its end.
    #[must_use]
    pub fn ended_at(&self) -> Option<Timestamp> {
        match self {
            Self::Succeeded { at, .. }
            | Self::Failed { at, .. }
            | Self::TimedOut { at, .. }
            | Self::Refused { at, .. }
            | Self::Skipped { at, .. }
            | Self::Left { at, .. } => Some(*at),
            Self::Pending
            | Self::Blocked { .. }
            | Self::Sent(_)
            | Self::Accepted(_)
            | Self::Applying(_)
            | Self::Converging(_) => None,
        }
    }

    /// Whether it succeeded.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Succeeded { .. })
    }

    /// Whether it came to an end that is no success.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::TimedOut { .. } | Self::Refused { .. })
    }

    /// Whether its cluster was given it and is not known to be well since.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.delivery().is_some() && !self.is_success()
    }

    /// Whether it was not given to its cluster yet.
    #[must_use]
    pub fn is_waiting_to_start(&self) -> bool {
        matches!(self, Self::Pending | Self::Blocked { .. })
    }

    /// Whether the cluster has it and it has not come to an end.
    #[must_use]
    pub fn is_in_flight(&self) -> bool {
        matches!(self, Self::Sent(_) | Self::Accepted(_) | Self::Applying(_) | Self::Converging(_))
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PlanChanged => "the plan would be another one now than the one that was started",
            Self::PlanBlocked => "a check forbids the plan as the cluster is now",
            Self::Offline => "its spoke is not attached",
            Self::Held => "another rollout holds the cluster",
            Self::SpokeAhead => "its spoke accepted something newer than this hub knows of: abort the rollout, then decide with `meshfleet cluster reconcile`",
            Self::Deletions => "it would delete more now than when the rollout started: abort it and start it anew to confirm that",
            Self::Selected => "a mesh config selects the cluster again",
        })
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Operator => "the rollout was aborted before it began",
            Self::Failure => "another cluster did not succeed, so it was not begun",
        })
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object { id, outcome, message } => write!(f, "{id}: {outcome:?}: {message}"),
            Self::Apply { message } => write!(f, "it cannot be applied: {message}"),
            Self::Unhealthy { message } => write!(f, "it is not healthy: {message}"),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocked(by) => by.fmt(f),
            Self::Sent => f.write_str("its spoke had not accepted the target"),
            Self::Accepted => f.write_str("its spoke had not begun to write"),
            Self::Applying => f.write_str("objects were being written"),
            Self::Converging => f.write_str("it had not become healthy"),
        }
    }
}
