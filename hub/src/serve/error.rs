//! Why a hub does not start, or did not end well.

use std::{io, path::PathBuf};

use crate::{
    app, config,
    identity::{authority, tls},
    postgres,
    store::{self, schema::Standing},
};

/// A hub that could not start, or did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The data folder could not be made.
    #[error("cannot make the data folder {folder}")]
    Data {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The arguments do not say which database.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The private database does not run.
    #[error("cannot start the private database")]
    Postgres(#[source] postgres::Error),
    /// The schema could not be brought up to date.
    #[error("cannot bring the database's schema up to date")]
    Schema(#[source] store::Error),
    /// A given database that nobody prepared.
    #[error("the database has no schema of this hub: run `hub migrate --database-url URL` first")]
    NoSchema,
    /// Whether this hub can work with the schema could not be found out.
    #[error("cannot use the database")]
    SchemaUnknown(#[source] store::Error),
    /// A given database that nobody brought up to date.
    #[error("{0}: run `hub migrate --database-url URL` with this hub's program first")]
    SchemaOlder(Standing),
    /// A database of much newer hubs.
    #[error("{0}: start a newer hub, or restore the database from before it was migrated")]
    SchemaTooNew(Standing),
    /// A database that a migration left half changed.
    #[error("{0}: restore the database from before it, and look into the log of whoever migrated")]
    SchemaBroken(Standing),
    /// The hub's state could not be taken up.
    #[error("cannot take up the hub's state")]
    State(#[from] app::hub::StartError),
    /// A use case of the start failed.
    #[error("cannot prepare the hub")]
    Prepare(#[from] app::Error),
    /// The certificate authority cannot be used.
    #[error("cannot use the certificate authority")]
    Authority(#[source] authority::Error),
    /// The database knows an authority, and its files are gone.
    #[error(
        "the certificate authority in {folder} is gone, and every spoke trusts it: put its files back from a backup"
    )]
    AuthorityGone {
        /// Where it should be.
        folder: PathBuf,
    },
    /// The admin's context could not be written.
    #[error("cannot write the admin's context")]
    Context(#[source] authority::Error),
    /// TLS could not be set up.
    #[error("cannot set up TLS")]
    Tls(#[from] tls::Error),
    /// The metrics cannot be served.
    #[error("cannot open the port of --metrics-listen, which is HOST:PORT of this machine")]
    Metrics(#[source] proto_telemetry::page::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: choose another one with --listen")]
    Listen {
        /// The address.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// The server ended by itself.
    #[error("the server ended")]
    Server(#[from] tonic::transport::Error),
}
