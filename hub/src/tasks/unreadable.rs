//! Rows that a task cannot read. It passes over them, so that one bad cluster does not delay another.

use std::collections::BTreeSet;

use tracing::error;

use crate::{store, telemetry::chain};

/// The rows that could not be read at the last look.
#[derive(Debug, Default)]
pub(super) struct Unreadable(BTreeSet<String>);

impl Unreadable {
    /// Takes those of this look. Each is logged when it begins: a row that stays so for an hour is one line.
    pub(super) fn note(&mut self, corrupt: &[store::Error]) {
        let now: BTreeSet<String> = corrupt.iter().map(|error| chain(error)).collect();
        for error in now.difference(&self.0) {
            error!(error, "a row that cannot be read is passed over");
        }
        self.0 = now;
    }
}
