//! Why the store could not do something.

use crate::metrics::METRICS;

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused, or is gone.
    #[error("could not {doing}")]
    Database {
        /// What was tried.
        doing: &'static str,
        /// What the database or the connection said.
        source: sqlx::Error,
    },
    /// A row that this release cannot read.
    #[error("{table}.{column} of row {id} cannot be read")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// Which row.
        id: String,
    },
    /// The schema could not be brought up to date.
    #[error("could not migrate the database's schema")]
    Migrate(#[source] Box<sqlx::migrate::MigrateError>),
}

/// SQLSTATE classes of a server that goes down or of a connection that breaks.
const GONE: [&str; 2] = ["57P", "08"];

impl Error {
    /// Wraps a failure of the database with what was tried.
    pub(super) fn doing(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| {
            METRICS.database_errors.inc();
            Self::Database { doing, source }
        }
    }

    /// Whether the database is gone: then everything goes on by itself once it is back.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let source = match self {
            Self::Database { source, .. } => source,
            Self::Migrate(error) => match &**error {
                sqlx::migrate::MigrateError::Execute(source) => source,
                _ => return false,
            },
            Self::Corrupt { .. } => return false,
        };
        match source {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(error) => {
                error.code().is_some_and(|code| GONE.iter().any(|class| code.starts_with(class)))
            }
            _ => false,
        }
    }
}
