//! Progress: the targets of a rollout, counted by how far they are.

use super::{Rollout, TargetState};

/// How many targets are how far. Each counts once, so that the parts make the total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// All.
    pub total: u32,
    /// Applied to the end and healthy.
    pub succeeded: u32,
    /// At an end that is no success.
    pub failed: u32,
    /// Given to their clusters; after an abort, left to their spokes.
    pub in_flight: u32,
    /// Kept from starting.
    pub blocked: u32,
    /// Not looked at yet.
    pub pending: u32,
    /// Never to be started.
    pub skipped: u32,
}

impl Rollout {
    /// How far it is, in numbers.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let mut progress = Progress::default();
        for target in self.targets() {
            progress.total += 1;
            *progress.of(&target.state) += 1;
        }
        progress
    }
}

impl Progress {
    fn of(&mut self, state: &TargetState) -> &mut u32 {
        match state {
            TargetState::Pending => &mut self.pending,
            TargetState::Blocked { .. } => &mut self.blocked,
            TargetState::Sent(_)
            | TargetState::Accepted(_)
            | TargetState::Applying(_)
            | TargetState::Converging(_)
            | TargetState::Left { .. } => &mut self.in_flight,
            TargetState::Succeeded { .. } => &mut self.succeeded,
            TargetState::Failed { .. } | TargetState::TimedOut { .. } | TargetState::Refused { .. } => {
                &mut self.failed
            }
            TargetState::Skipped { .. } => &mut self.skipped,
        }
    }
}
