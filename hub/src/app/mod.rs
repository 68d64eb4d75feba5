//! Use cases: what people, spokes and tasks make the hub do. Each opens its transaction, loads, lets the core decide,
//! saves, and commits; what a person did has its audit event in the same transaction.
//!
//! Nothing here knows the wire or TLS. Signals are sent after the commit.

pub mod catalog;
pub mod checks;
pub mod clusters;
pub mod configs;
pub mod definitions;
pub mod deletions;
pub mod documents;
pub mod drift;
pub mod error;
pub mod heals;
pub mod hub;
pub mod installation;
pub mod operators;
pub mod plans;
pub mod probes;
pub mod reconcile;
pub mod renewals;
pub mod reports;
pub mod rollouts;
pub mod sessions;
pub mod status;
pub mod unassign;

pub use error::{Error, Kind};

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::{PgPool, Postgres, Transaction};

use crate::{
    clock::Clock,
    signal::Signals,
    store::{self, asked::Since},
    telemetry,
};

/// What every use case needs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    /// Connections to the database.
    pub pool: PgPool,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How this process says that a row changed.
    pub signals: Signals,
    /// Heartbeats that were heard and not yet stored.
    pub heartbeats: sessions::Heartbeats,
    /// Sessions that this process holds.
    pub held: sessions::Held,
    /// Schemas of custom resources.
    pub definitions: definitions::Definitions,
}

impl App {
    /// The use cases over a database.
    #[must_use]
    pub fn new(pool: PgPool, clock: Arc<dyn Clock>) -> Self {
        Self {
            pool,
            clock,
            signals: Signals::default(),
            heartbeats: sessions::Heartbeats::default(),
            held: sessions::Held::default(),
            definitions: definitions::Definitions::default(),
        }
    }

    async fn begin(&self) -> Result<Transaction<'static, Postgres>, store::Error> {
        store::begin(&self.pool).await
    }
}

/// From when on what spokes were asked is still told to them.
#[must_use]
pub fn asked_since(now: Timestamp) -> Since {
    Since { probe: probes::waited_for_since(now), heal: heals::told_since(now) }
}

/// What could be read. A row that could not hides no other; it is said here, because nobody else will.
fn readable<T>(found: store::Readable<T>) -> Vec<T> {
    for error in &found.corrupt {
        tracing::error!(error = telemetry::chain(error), "a row that cannot be read is passed over");
    }
    found.rows
}
