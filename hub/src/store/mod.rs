//! Everything that is SQL. Free functions over a connection; the caller owns the transaction.
//!
//! Rows are read into private structs and become domain types by `TryFrom`; a row that cannot is
//! [`Error::Corrupt`]. Nothing here notifies: signals are sent by the caller, after the commit.

pub mod acceptance;
pub mod asked;
pub mod audit;
pub mod bodies;
pub mod cluster_plans;
pub mod clusters;
pub mod configs;
pub mod counts;
pub mod definitions;
pub mod documents;
pub mod drift;
pub mod heals;
pub mod holds;
pub mod hub;
pub mod operators;
pub mod origins;
pub mod plans;
pub mod policies;
pub mod probes;
pub mod reports;
pub mod rollouts;
pub mod schema;
pub mod seen;
pub mod sessions;
pub mod standing;
pub mod strategies;
pub mod targets;
pub mod tokens;

mod column;
mod commit;
mod error;
mod readable;

pub use commit::{begin, bound_transactions, commit, commit_of};
pub use error::Error;
pub use readable::Readable;
pub use schema::migrate;
