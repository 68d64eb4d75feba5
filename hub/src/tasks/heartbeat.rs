//! Stores which spokes were heard, for all of them in one statement a second.

use super::Task;
use crate::app::{App, Error, sessions};

/// The task.
pub(super) struct HeartbeatTask {
    app: App,
}

impl HeartbeatTask {
    pub(super) fn new(app: App) -> Self {
        Self { app }
    }
}

impl Task for HeartbeatTask {
    async fn look(&mut self) -> Result<(), Error> {
        sessions::flush(&self.app).await
    }
}
