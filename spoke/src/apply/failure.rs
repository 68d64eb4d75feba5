//! What can keep an object from being as planned, and what one go over many objects left.

use std::time::Duration;

use super::Done;
use crate::{cluster::Retry, report::Outcome, writes};

/// Why an object is not as planned.
#[derive(Debug)]
pub(super) enum Failure {
    /// It cannot be, as things are.
    Hopeless(Done),
    /// Not now; after this time perhaps.
    Later(Duration, String),
    /// It was asked for and is on its way; to be looked at after this time.
    Underway(Duration, String),
    /// It changed under our hands: look again.
    Again,
    /// A newer target was accepted.
    Interrupted,
}

impl From<writes::Error> for Failure {
    fn from(error: writes::Error) -> Self {
        let message = crate::chain(&error);
        match error {
            writes::Error::NoLease(_) => Self::Later(Duration::from_secs(1), message),
            // The next go waits until it is not.
            writes::Error::Frozen(_) => Self::Later(Duration::from_millis(100), message),
            writes::Error::Superseded(_) => Self::Interrupted,
            writes::Error::Cluster(error) => match error.retry() {
                Retry::Now => Self::Again,
                Retry::After(pause) => Self::Later(pause, message),
                Retry::Never => Self::Hopeless(Done { outcome: Outcome::Rejected, message }),
            },
        }
    }
}

/// What one go over many objects left.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// The first that is hopeless.
    pub(super) hopeless: Option<String>,
    /// The first that waits, and the shortest pause.
    pub(super) waiting: Option<(Duration, String)>,
}

impl Round {
    pub(super) fn waits(&mut self, pause: Duration, what: String) {
        let (shortest, first) = self.waiting.take().unwrap_or((pause, what));
        self.waiting = Some((shortest.min(pause), first));
    }
}
