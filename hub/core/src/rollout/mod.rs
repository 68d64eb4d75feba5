//! The rollout: plans pinned to clusters, delivered wave by wave.
//!
//! A rollout never changes what it set out to do: the config version, the clusters, the strategy and the plan digests are
//! fixed when it starts. What moves is the state of each target: [`advance()`] moves it from what was seen, and people hold
//! it, let it go on, or end it.

mod advance;
mod progress;
mod seen;
mod state;
mod strategy;
mod target;

pub use advance::{Step, advance};
pub use progress::Progress;
pub use seen::{Computed, CurrentTarget, DeletionCount, Presence, Seen, SeenCluster, SeenReport, TargetPlan};
pub use state::{Aim, Rollout, RolloutState, RolloutWave, Wait, WaitingOn, WrongState};
pub use strategy::{InNoWave, Strategy, Wave};
pub use target::{
    Blocker, Delivery, FailureReason, IllegalTransition, Repair, RolloutTarget, Skip, Stage, TargetState,
};

#[cfg(test)]
mod tests;
