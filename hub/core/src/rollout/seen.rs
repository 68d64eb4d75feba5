//! What was seen of the clusters of a rollout when it was looked at.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Blocker;
use crate::{
    digest::Digest,
    drift::HealClasses,
    fleet::ClusterId,
    report::{Fence, ObjectState, Phase, Refusal},
};

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// By cluster. One that is absent counts as away: no data is never a pass.
    pub clusters: BTreeMap<ClusterId, SeenCluster>,
    /// No deadline strikes earlier. A hub that was away sets it a little after its start, so that spokes which went on
    /// without it can come back and report before they are judged.
    pub deadlines_from: Timestamp,
}

/// What was seen of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenCluster {
    /// Where its spoke is.
    pub presence: Presence,
    /// The rollout that holds it.
    pub held_by: Option<u64>,
    /// Its plan as it would be made now; none if nobody computed it, which is done only for targets about to start.
    pub computed: Option<Computed>,
    /// Its target now.
    pub current: Option<CurrentTarget>,
    /// What its spoke last accepted.
    pub fence: Option<Fence>,
    /// What its spoke last refused.
    pub refusal: Option<Refusal>,
    /// What its spoke last reported.
    pub report: Option<SeenReport>,
    /// How many differences from its present target its spoke saw last.
    pub differences: u64,
}

/// Where a spoke is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It is attached.
    Here,
    /// It is not.
    Away {
        /// When it was heard last; none if it never was.
        since: Option<Timestamp>,
    },
}

/// A plan as it would be made now, from the pinned config version and the present facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Computed {
    /// This one.
    Plan {
        /// Its digest.
        digest: Digest,
        /// What it would delete.
        deletions: DeletionCount,
    },
    /// None that may be rolled out: a check blocks it, or it cannot be made.
    Blocked,
    /// None, because the mesh was to be removed and a mesh config selects the cluster again.
    Selected,
}

/// How much a target would delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeletionCount {
    /// Objects that it deletes.
    pub deletions: usize,
    /// Objects that the spoke made or took over.
    pub inventory: usize,
}

/// The target that a cluster has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrentTarget {
    /// Its generation.
    pub generation: u64,
    /// Its digest.
    pub target: Digest,
    /// Its plan.
    pub plan: TargetPlan,
    /// What it lets its spoke put right by itself; nothing where its plan is not known.
    pub heal: HealClasses,
}

/// The plan of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetPlan {
    /// This one.
    Known(Digest),
    /// Nobody here knows: the spoke was ahead of the database, and a person let what it runs stand until the next rollout.
    Unknown,
}

impl TargetPlan {
    /// Whether it is known to be this plan.
    #[must_use]
    pub fn is(self, plan: Digest) -> bool {
        self == Self::Known(plan)
    }

    /// The plan, where it is known.
    #[must_use]
    pub fn known(self) -> Option<Digest> {
        match self {
            Self::Known(plan) => Some(plan),
            Self::Unknown => None,
        }
    }
}

/// The newest report of a spoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenReport {
    /// Generation it is of.
    pub generation: u64,
    /// Target it is of.
    pub target: Digest,
    /// How far the target is.
    pub phase: Phase,
    /// What is awaited or what failed.
    pub message: String,
    /// The last generation that was applied to its end.
    pub completed: u64,
    /// Only the objects whose outcome is a failure.
    pub failed: Vec<ObjectState>,
    /// Only the objects that are to be deleted and still in use.
    pub in_use: Vec<ObjectState>,
    /// Why somebody in the cluster stopped all writes of the plan; none if nobody did.
    pub frozen: Option<String>,
}

impl SeenCluster {
    /// Why the cluster does not run its target to its end, healthy, in a few words; none if it does, or has no target.
    #[must_use]
    pub fn unreached(&self) -> Option<String> {
        let current = self.current?;
        match self.report_of(current.generation, current.target) {
            Some(report) if report.is_success() => None,
            Some(report) => {
                let failed = report.failed.iter().map(|object| format!("{}: {}", object.id, object.message));
                let words: Vec<String> =
                    failed.chain([report.words()]).filter(|word| !word.is_empty()).collect();
                Some(if words.is_empty() { "it is under way".to_owned() } else { words.join("; ") })
            }
            None => Some("its spoke has not reported on it yet".to_owned()),
        }
    }

    /// Whether the spoke accepted something that this hub does not know of: the database is older than the cluster.
    #[must_use]
    pub fn spoke_is_ahead(&self) -> bool {
        let Some(fence) = self.fence else { return false };
        match self.current {
            None => fence.generation > 0,
            Some(current) => {
                fence.generation > current.generation
                    || (fence.generation == current.generation && fence.target != current.target)
            }
        }
    }

    /// Whether its spoke is attached.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.presence == Presence::Here
    }

    /// The last generation that the spoke applied to its end, by its fence at the start of its session and by its reports
    /// since; 0 if none.
    #[must_use]
    pub fn completed(&self) -> u64 {
        let reported = self.report.as_ref().map_or(0, |report| report.completed);
        self.fence.map_or(0, |fence| fence.completed).max(reported)
    }

    /// What keeps a rollout from giving the cluster a target, whatever its plan is.
    #[must_use]
    pub fn obstacle(&self, rollout: u64) -> Option<Blocker> {
        if self.held_by != Some(rollout) {
            return Some(Blocker::Held);
        }
        if self.spoke_is_ahead() {
            return Some(Blocker::SpokeAhead);
        }
        (self.presence != Presence::Here).then_some(Blocker::Offline)
    }

    /// Whether the spoke accepted exactly this target.
    #[must_use]
    pub fn accepted(&self, generation: u64, target: Digest) -> bool {
        self.fence.is_some_and(|fence| fence.generation == generation && fence.target == target)
    }

    /// The report, if it is of exactly this target.
    #[must_use]
    pub fn report_of(&self, generation: u64, target: Digest) -> Option<&SeenReport> {
        self.report.as_ref().filter(|report| report.generation == generation && report.target == target)
    }
}

impl Presence {
    /// That a spoke is away, in words to be put behind "its spoke"; none if it is not.
    #[must_use]
    pub fn away(self) -> Option<String> {
        match self {
            Self::Here => None,
            Self::Away { since: None } => Some("was never attached".to_owned()),
            Self::Away { since: Some(since) } => Some(format!("has been away since {since:.0}")),
        }
    }
}

impl SeenReport {
    /// Applied to its end and healthy now.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.phase == Phase::Healthy
            && self.completed == self.generation
            && self.failed.is_empty()
            && self.in_use.is_empty()
    }

    /// What the spoke says of a target that is under way; may be empty.
    #[must_use]
    pub fn words(&self) -> String {
        let in_use = self.in_use.iter().map(|object| format!("{} is in use: {}", object.id, object.message));
        let frozen = self.frozen.as_ref().map(|why| format!("the cluster is frozen: {why}"));
        let message = Some(self.message.clone()).filter(|message| !message.is_empty());
        frozen.into_iter().chain(message).chain(in_use).collect::<Vec<_>>().join("; ")
    }
}
