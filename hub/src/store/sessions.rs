//! Sessions of spokes.

use hub_core::fleet::ClusterId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, column};

/// Opens a session: it replaces the cluster's older one.
pub async fn open(
    conn: &mut PgConnection,
    cluster: ClusterId,
    (session, spoke_version): (Uuid, &str),
    at: Timestamp,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into spoke_session (cluster_id, session, spoke_version, attached_at, seen_at) values ($1, $2, $3, $4, $4)
         on conflict (cluster_id) do update set session = excluded.session, spoke_version = excluded.spoke_version,
            attached_at = excluded.attached_at, seen_at = excluded.seen_at, detached_at = null",
        cluster.0,
        session,
        column::text(spoke_version),
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("open a session"))?;
    Ok(())
}

/// Closes a session, unless a newer one replaced it.
pub async fn close(
    conn: &mut PgConnection,
    cluster: ClusterId,
    session: Uuid,
    at: Timestamp,
) -> Result<(), Error> {
    sqlx::query!(
        "update spoke_session set detached_at = $3 where cluster_id = $1 and session = $2 and detached_at is null",
        cluster.0,
        session,
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("close a session"))?;
    Ok(())
}

/// Notes that sessions were heard, all in one statement.
pub async fn heard(conn: &mut PgConnection, sessions: &[Uuid], at: Timestamp) -> Result<(), Error> {
    sqlx::query!(
        "update spoke_session set seen_at = $2 where session = any($1) and seen_at < $2",
        sessions,
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("note heartbeats"))?;
    Ok(())
}
