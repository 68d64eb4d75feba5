//! The rollout: plans pinned to clusters, delivered wave by wave.
//!
//! A rollout never changes what it set out to do: the config version, the clusters, the strategy and the plan digests are
//! fixed when it starts. What moves is the state of each target, and only [`advance()`] moves it, from what was seen.

mod advance;
mod seen;
mod state;
mod strategy;
mod target;

pub use advance::{Step, advance};
pub use seen::{Computed, CurrentTarget, Presence, Seen, SeenCluster, SeenReport};
pub use state::{Rollout, RolloutState, RolloutWave, Wait, WaitingOn};
pub use strategy::{InNoWave, Strategy, Wave};
pub use target::{
    Blocker, Delivery, FailureReason, IllegalTransition, Repair, RolloutTarget, Stage, TargetState,
};

#[cfg(test)]
mod tests;
