//! The one row of what all hubs on a database share.

use hub_core::digest::Digest;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;

use super::{
    Error,
    column::{self, Row},
};

/// What all hubs on this database share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedState {
    /// Stands in every target.
    pub epoch: u64,
    /// The database that the epoch was counted on.
    pub system_identifier: i64,
    /// Fingerprint of the CA.
    pub ca: Digest,
}

/// The state, locked until the transaction ends; none before the first start.
pub async fn lock(conn: &mut PgConnection) -> Result<Option<SharedState>, Error> {
    let row = sqlx::query!("select epoch, system_identifier, ca_fingerprint from hub_state for update")
        .fetch_optional(conn)
        .await
        .map_err(Error::doing("load the hub's state"))?;
    let place = Row::of("hub_state", true);
    row.map(|row| {
        Ok(SharedState {
            epoch: place.number("epoch", row.epoch)?,
            system_identifier: row.system_identifier,
            ca: place.digest("ca_fingerprint", &row.ca_fingerprint)?,
        })
    })
    .transpose()
}

/// Makes the state; a hub that was quicker wins.
pub async fn insert(conn: &mut PgConnection, state: &SharedState, at: Timestamp) -> Result<(), Error> {
    sqlx::query!(
        "insert into hub_state (epoch, system_identifier, ca_fingerprint, created_at) values ($1, $2, $3, $4)
         on conflict do nothing",
        column::signed(state.epoch),
        state.system_identifier,
        column::bytes(&state.ca),
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("make the hub's state"))?;
    Ok(())
}

/// Begins an epoch, on the database of this identifier. The caller holds the lock, and the epoch is a later one.
pub async fn begin_epoch(conn: &mut PgConnection, epoch: u64, system_identifier: i64) -> Result<(), Error> {
    sqlx::query!(
        "update hub_state set epoch = $1, system_identifier = $2 where epoch < $1",
        column::signed(epoch),
        system_identifier
    )
    .execute(conn)
    .await
    .map_err(Error::doing("raise the epoch"))?;
    Ok(())
}

/// The latest epoch of which any spoke has accepted a target, as far as is known here; 0 if none.
pub async fn latest_accepted_epoch(conn: &mut PgConnection) -> Result<u64, Error> {
    let epoch = sqlx::query_scalar!(r#"select coalesce(max(epoch), 0) as "epoch!" from acceptance"#)
        .fetch_one(conn)
        .await
        .map_err(Error::doing("look at the epochs of spokes"))?;
    Row::of("acceptance", "the latest epoch").number("epoch", epoch)
}

/// PostgreSQL's own identifier of the database that this connection is to.
pub async fn system_identifier(conn: &mut PgConnection) -> Result<i64, Error> {
    sqlx::query_scalar!(r#"select system_identifier as "system_identifier!" from pg_control_system()"#)
        .fetch_one(conn)
        .await
        .map_err(Error::doing("read the database's system identifier"))
}

/// The epoch that targets are set in now.
pub async fn epoch(conn: &mut PgConnection) -> Result<u64, Error> {
    let epoch = sqlx::query_scalar!("select epoch from hub_state")
        .fetch_one(conn)
        .await
        .map_err(Error::doing("look at the epoch"))?;
    Row::of("hub_state", true).number("epoch", epoch)
}
