//! Wakes the sessions of this process whose cluster's target another hub changed or whose spoke another hub asks
//! something, or whose wake was lost: two queries for all sessions, however many there are.

use hub_core::fleet::ClusterId;

use super::Task;
use crate::{
    app::{App, Error, asked_since},
    store,
};

/// The task.
pub(super) struct WakeTask {
    app: App,
}

impl WakeTask {
    pub(super) fn new(app: App) -> Self {
        Self { app }
    }
}

impl Task for WakeTask {
    async fn look(&mut self) -> Result<(), Error> {
        let read = self.app.signals.listened();
        if read.is_empty() {
            return Ok(());
        }
        let listened: Vec<ClusterId> = read.keys().copied().collect();
        let mut tx = store::begin(&self.app.pool).await?;
        for (cluster, generation) in store::targets::generations(&mut tx, &listened).await? {
            if read.get(&cluster) != Some(&generation) {
                self.app.signals.wake_cluster(cluster);
            }
        }
        let since = asked_since(self.app.clock.now());
        for cluster in store::asked::waiting(&mut tx, &listened, since).await? {
            self.app.signals.wake_cluster(cluster);
        }
        Ok(())
    }
}
