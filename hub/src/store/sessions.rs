//! Sessions of spokes.

use hub_core::{digest::Digest, fleet::ClusterId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Error,
    column::{self, Row},
};

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

/// How a session that somebody holds stands in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The session.
    pub session: Uuid,
    /// Whether it is still its cluster's newest one.
    pub newest: bool,
    /// The key that its cluster goes by, and the enrolment that this is of; none once it is detached or deleted.
    pub goes_by: Option<(Digest, u64)>,
}

/// How sessions stand, given with their clusters: one query for all sessions of a hub.
pub async fn standings(conn: &mut PgConnection, held: &[(Uuid, ClusterId)]) -> Result<Vec<Standing>, Error> {
    let (sessions, clusters): (Vec<Uuid>, Vec<Uuid>) =
        held.iter().map(|(session, cluster)| (*session, cluster.0)).unzip();
    let rows = sqlx::query!(
        r#"select held.session as "session!", (s.session is not distinct from held.session) as "newest!",
            held.cluster_id as "cluster_id!", c.public_key_hash as "public_key_hash?",
            c.enrolment as "enrolment?"
         from unnest($1::uuid[], $2::uuid[]) as held (session, cluster_id)
         left join cluster c on c.id = held.cluster_id
         left join spoke_session s on s.cluster_id = held.cluster_id"#,
        &sessions,
        &clusters,
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("look how sessions stand"))?;
    let read = rows.into_iter().map(|row| {
        let place = Row::of("cluster", row.cluster_id);
        let public_key = place.maybe_digest("public_key_hash", row.public_key_hash.as_deref())?;
        let enrolment = row.enrolment.map(|enrolment| place.number("enrolment", enrolment)).transpose()?;
        Ok(Standing { session: row.session, newest: row.newest, goes_by: public_key.zip(enrolment) })
    });
    read.collect()
}

/// Version of a cluster's spoke, as its last session said; none before its first.
pub async fn spoke_version(conn: &mut PgConnection, cluster: ClusterId) -> Result<Option<String>, Error> {
    sqlx::query_scalar!("select spoke_version from spoke_session where cluster_id = $1", cluster.0)
        .fetch_optional(conn)
        .await
        .map_err(Error::doing("look for a spoke's version"))
}
