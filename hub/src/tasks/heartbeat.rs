//! Stores which spokes were heard, for all of them in one statement a second, and ends the sessions that another hub, or
//! a person, ended.

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
        sessions::flush(&self.app).await?;
        sessions::cut_former(&self.app).await
    }
}
