//! Targets: what each cluster should run now.

use std::collections::BTreeMap;

use hub_core::{
    digest::Digest,
    fleet::{ClusterId, Name},
    target::Target,
};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Error,
    column::{self, Row},
    origins,
};

/// A cluster's target as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTarget {
    /// Its epoch.
    pub epoch: u64,
    /// Its generation.
    pub generation: u64,
    /// The target document.
    pub bytes: Vec<u8>,
    /// Its sha-256.
    pub digest: Digest,
    /// The plan.
    pub plan: Digest,
    /// W3C trace context of the request that led to it; empty if none.
    pub traceparent: String,
}

struct TargetRow {
    epoch: i64,
    generation: i64,
    bytes: Vec<u8>,
    digest: Vec<u8>,
    plan: Vec<u8>,
    traceparent: String,
}

/// A cluster's target.
pub async fn find(conn: &mut PgConnection, cluster: ClusterId) -> Result<Option<StoredTarget>, Error> {
    let row = sqlx::query_as!(
        TargetRow,
        "select epoch, generation, bytes, digest, plan, traceparent from target where cluster_id = $1",
        cluster.0
    )
    .fetch_optional(conn)
    .await
    .map_err(Error::doing("load a target"))?;
    let place = Row::of("target", cluster);
    row.map(|row| {
        Ok(StoredTarget {
            epoch: place.number("epoch", row.epoch)?,
            generation: place.number("generation", row.generation)?,
            digest: place.digest("digest", &row.digest)?,
            plan: place.digest("plan", &row.plan)?,
            bytes: row.bytes,
            traceparent: row.traceparent,
        })
    })
    .transpose()
}

/// Generations of some clusters' targets: one query for all sessions of a hub.
pub async fn generations(
    conn: &mut PgConnection,
    clusters: &[ClusterId],
) -> Result<BTreeMap<ClusterId, u64>, Error> {
    let ids: Vec<Uuid> = clusters.iter().map(|id| id.0).collect();
    let rows = sqlx::query!("select cluster_id, generation from target where cluster_id = any($1)", &ids)
        .fetch_all(conn)
        .await
        .map_err(Error::doing("look at the generations"))?;
    let read = |id: Uuid, generation| Row::of("target", id).number("generation", generation);
    rows.iter().map(|row| Ok((ClusterId(row.cluster_id), read(row.cluster_id, row.generation)?))).collect()
}

/// Where a target comes from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The rollout that sets it.
    pub rollout: u64,
    /// The config that its plan was made from, with its version; none for the plan of nothing.
    pub config: Option<(&'a Name, u64)>,
    /// W3C trace context; empty if none.
    pub traceparent: &'a str,
}

/// Gives a cluster the target of the generation after the one that was seen, and returns its digest. None if the
/// generation is another one by now: the caller looks again.
pub async fn set(
    conn: &mut PgConnection,
    target: &Target,
    origin: &Origin<'_>,
    at: Timestamp,
) -> Result<Option<Digest>, Error> {
    let (bytes, digest) = target.seal();
    let seen = column::signed(target.generation) - 1;
    let row = sqlx::query_as!(
        TargetRow,
        "insert into target as t (cluster_id, epoch, generation, bytes, digest, plan, traceparent, set_at)
         select $1, $2, 1, $3, $4, $5, $6, $7 where $8::bigint = 0
            or exists (select from target where cluster_id = $1)
         on conflict (cluster_id) do update set generation = t.generation + 1, epoch = excluded.epoch,
            bytes = excluded.bytes, digest = excluded.digest, plan = excluded.plan,
            traceparent = excluded.traceparent, set_at = excluded.set_at
         where t.generation = $8
         returning epoch, generation, bytes, digest, plan, traceparent",
        target.cluster.0,
        column::signed(target.epoch),
        bytes,
        column::bytes(&digest),
        column::bytes(&target.plan),
        origin.traceparent,
        at.to_sqlx() as _,
        seen,
    )
    .fetch_optional(&mut *conn)
    .await
    .map_err(Error::doing("set a target"))?;
    let Some(row) = row else { return Ok(None) };
    if row.generation != column::signed(target.generation) {
        return Err(Row::of("target", target.cluster).corrupt("generation"));
    }
    remember(conn, target, (digest, origin), at).await?;
    Ok(Some(digest))
}

async fn remember(
    conn: &mut PgConnection,
    target: &Target,
    (digest, origin): (Digest, &Origin<'_>),
    at: Timestamp,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into target_history (cluster_id, generation, digest, plan, config, version, rollout, set_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        target.cluster.0,
        column::signed(target.generation),
        column::bytes(&digest),
        column::bytes(&target.plan),
        origin.config.map(|(name, _)| name.as_str()),
        origin.config.map(|(_, version)| column::signed(version)),
        column::signed(origin.rollout),
        at.to_sqlx() as _,
    )
    .execute(&mut *conn)
    .await
    .map_err(Error::doing("remember a target"))?;
    origins::save(conn, target.cluster, origin, at).await
}

/// Plans that a cluster was given since the generation `completed`, oldest first, each once; with the plan of that
/// generation itself, because its objects are there.
pub async fn plans_since(
    conn: &mut PgConnection,
    cluster: ClusterId,
    completed: u64,
) -> Result<Vec<Digest>, Error> {
    let rows = sqlx::query_scalar!(
        "select plan from target_history where cluster_id = $1 and generation >= $2
         group by plan order by max(generation)",
        cluster.0,
        column::signed(completed),
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("look at a cluster's former plans"))?;
    let place = Row::of("target_history", cluster);
    rows.iter().map(|plan| place.digest("plan", plan)).collect()
}
