//! What an apply does while somebody in the cluster froze it: it waits, and says so.

use std::time::{Duration, Instant};

use super::{Apply, Interrupted, Stage};
use crate::freeze::Freeze;

impl Apply {
    /// Whether nothing of a plan may be written now.
    pub(super) fn is_frozen(&self) -> bool {
        *self.freeze.borrow() != Freeze::Free
    }

    /// Waits for as long as nothing of a plan may be written. Gives how long that was: it is no part of a phase's time.
    pub(super) async fn thaw(&mut self) -> Result<Duration, Interrupted> {
        let began = Instant::now();
        loop {
            let freeze = self.freeze.borrow_and_update().clone();
            if freeze == Freeze::Free {
                return Ok(began.elapsed());
            }
            self.enter(Stage::Applying(freeze.to_string()));
            tokio::select! {
                () = self.stop.cancelled() => return Err(Interrupted),
                changed = self.freeze.changed() => changed.map_err(|_| Interrupted)?,
            }
        }
    }
}
