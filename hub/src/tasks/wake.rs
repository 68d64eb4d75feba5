//! Wakes the sessions of this process whose cluster's target another hub changed or whose spoke another hub asks
//! something, or whose wake was lost: two queries for all sessions, however many there are.

use std::collections::BTreeMap;

use hub_core::fleet::ClusterId;

use super::Task;
use crate::{
    app::{App, Error, probes},
    store,
};

/// The task.
pub(super) struct WakeTask {
    app: App,
    /// Generations as they were seen last.
    seen: BTreeMap<ClusterId, u64>,
}

impl WakeTask {
    pub(super) fn new(app: App) -> Self {
        Self { app, seen: BTreeMap::new() }
    }
}

impl Task for WakeTask {
    async fn look(&mut self) -> Result<(), Error> {
        let listened = self.app.signals.listened();
        if listened.is_empty() {
            return Ok(());
        }
        let mut tx = store::begin(&self.app.pool).await?;
        let now = store::targets::generations(&mut tx, &listened).await?;
        for (cluster, generation) in &now {
            if self.seen.get(cluster) != Some(generation) {
                self.app.signals.wake_cluster(*cluster);
            }
        }
        let asked_since = probes::waited_for_since(self.app.clock.now());
        for cluster in store::probes::waiting(&mut tx, &listened, asked_since).await? {
            self.app.signals.wake_cluster(cluster);
        }
        self.seen = now;
        Ok(())
    }
}
