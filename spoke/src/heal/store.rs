//! The journal's Secret: `journal`.

use jiff::Timestamp;

use super::Journal;
use crate::{
    cluster,
    secrets::{Data, Secrets, Version},
    writes,
};

const NAME: &str = "journal";
const KEY: &str = "journal.json";

/// What can go wrong with the journal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be read.
    #[error("cannot read the journal of heals")]
    Read(#[source] cluster::Error),
    /// It could not be written.
    #[error("cannot write the journal of heals")]
    Write(#[source] writes::Error),
}

/// Reads and writes the journal.
pub struct Store {
    secrets: Secrets,
    version: Option<Version>,
}

impl Store {
    /// A store over the spoke's Secrets.
    #[must_use]
    pub fn new(secrets: Secrets) -> Self {
        Self { secrets, version: None }
    }

    /// Reads what is written down. What is no journal is replaced by an empty one: no mesh should wait for a list of what
    /// was done.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn load(&mut self, now: Timestamp) -> Result<Journal, Error> {
        let found = self.secrets.find(NAME).await.map_err(Error::Read)?;
        self.version = found.as_ref().map(|secret| secret.version.clone());
        let Some(secret) = found else { return Ok(Journal::new(now)) };
        Ok(secret.bytes(KEY).and_then(Journal::read).unwrap_or_else(|| {
            tracing::error!(
                "the Secret {NAME} is no journal that this spoke can read: it is replaced, and heals that the hub has \
                 not stored are not told"
            );
            Journal::new(now)
        }))
    }

    /// Writes down what is not.
    ///
    /// # Errors
    /// If it could not be written.
    pub async fn save(&mut self, journal: &mut Journal) -> Result<(), Error> {
        if !journal.is_dirty {
            return Ok(());
        }
        let put = self.secrets.put(NAME, self.version.as_ref(), Data::from([(KEY, journal.bytes())])).await;
        match put {
            Ok(version) => {
                self.version = Some(version);
                journal.is_dirty = false;
                Ok(())
            }
            Err(error) => {
                self.look_again(&error).await;
                Err(Error::Write(error))
            }
        }
    }

    /// Only this spoke writes here: a Secret in another state is one that a person touched, or a write of ours whose answer
    /// was lost. What this spoke knows is right.
    async fn look_again(&mut self, error: &writes::Error) {
        let moved =
            matches!(error, writes::Error::Cluster(error) if error.is_conflict() || error.is_not_found());
        if moved && let Ok(found) = self.secrets.find(NAME).await {
            self.version = found.map(|secret| secret.version);
        }
    }
}
