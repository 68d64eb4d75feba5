//! Targets: what each cluster should run now.

use std::collections::{BTreeMap, BTreeSet};

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
    Ok(set_all(conn, std::slice::from_ref(target), origin, at).await?.remove(&target.cluster))
}

/// Gives clusters their targets, each of the generation after the one that was seen, and returns the digests. A cluster
/// whose generation is another one by now is not among them: the caller looks again. Three statements, however many
/// clusters.
pub async fn set_all(
    conn: &mut PgConnection,
    targets: &[Target],
    origin: &Origin<'_>,
    at: Timestamp,
) -> Result<BTreeMap<ClusterId, Digest>, Error> {
    if targets.is_empty() {
        return Ok(BTreeMap::new());
    }
    let (bytes, digests): (Vec<Vec<u8>>, Vec<Digest>) = targets.iter().map(Target::seal).unzip();
    let ids: Vec<Uuid> = targets.iter().map(|target| target.cluster.0).collect();
    let epochs: Vec<i64> = targets.iter().map(|target| column::signed(target.epoch)).collect();
    let generations: Vec<i64> = targets.iter().map(|target| column::signed(target.generation)).collect();
    let sealed: Vec<&[u8]> = digests.iter().map(column::bytes).collect();
    let plans: Vec<&[u8]> = targets.iter().map(|target| column::bytes(&target.plan)).collect();
    let set = sqlx::query_scalar!(
        "insert into target as t (cluster_id, epoch, generation, bytes, digest, plan, traceparent, set_at)
         select n.cluster_id, n.epoch, n.generation, n.bytes, n.digest, n.plan, $7, $8
         from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[], $6::bytea[])
            as n (cluster_id, epoch, generation, bytes, digest, plan)
         where n.generation = 1 or exists (select from target where cluster_id = n.cluster_id)
         order by n.cluster_id
         on conflict (cluster_id) do update set generation = excluded.generation, epoch = excluded.epoch,
            bytes = excluded.bytes, digest = excluded.digest, plan = excluded.plan,
            traceparent = excluded.traceparent, set_at = excluded.set_at
         where t.generation + 1 = excluded.generation
         returning cluster_id",
        &ids,
        &epochs,
        &generations,
        &bytes,
        &sealed as _,
        &plans as _,
        origin.traceparent,
        at.to_sqlx() as _,
    )
    .fetch_all(&mut *conn)
    .await
    .map_err(Error::doing("set targets"))?;
    let set: BTreeSet<ClusterId> = set.into_iter().map(ClusterId).collect();
    let done: Vec<(&Target, Digest)> =
        targets.iter().zip(digests).filter(|(target, _)| set.contains(&target.cluster)).collect();
    remember(conn, &done, origin, at).await?;
    Ok(done.into_iter().map(|(target, digest)| (target.cluster, digest)).collect())
}

async fn remember(
    conn: &mut PgConnection,
    targets: &[(&Target, Digest)],
    origin: &Origin<'_>,
    at: Timestamp,
) -> Result<(), Error> {
    let clusters: Vec<ClusterId> = targets.iter().map(|(target, _)| target.cluster).collect();
    let ids: Vec<Uuid> = clusters.iter().map(|id| id.0).collect();
    let generations: Vec<i64> = targets.iter().map(|(target, _)| column::signed(target.generation)).collect();
    let digests: Vec<&[u8]> = targets.iter().map(|(_, digest)| column::bytes(digest)).collect();
    let plans: Vec<&[u8]> = targets.iter().map(|(target, _)| column::bytes(&target.plan)).collect();
    sqlx::query!(
        "insert into target_history (cluster_id, generation, digest, plan, config, version, rollout, set_at)
         select n.cluster_id, n.generation, n.digest, n.plan, $5, $6, $7, $8
         from unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::bytea[]) as n (cluster_id, generation, digest, plan)",
        &ids,
        &generations,
        &digests as _,
        &plans as _,
        origin.config.map(|(name, _)| name.as_str()),
        origin.config.map(|(_, version)| column::signed(version)),
        column::signed(origin.rollout),
        at.to_sqlx() as _,
    )
    .execute(&mut *conn)
    .await
    .map_err(Error::doing("remember targets"))?;
    origins::save(conn, &clusters, origin, at).await
}

/// Plans that clusters were given since the generation that each completed, oldest first, each once; with the plan of
/// that generation itself, because its objects are there.
pub async fn plans_since(
    conn: &mut PgConnection,
    completed: &BTreeMap<ClusterId, u64>,
) -> Result<BTreeMap<ClusterId, Vec<Digest>>, Error> {
    let ids: Vec<Uuid> = completed.keys().map(|id| id.0).collect();
    let generations: Vec<i64> = completed.values().map(|completed| column::signed(*completed)).collect();
    let rows = sqlx::query!(
        "select h.cluster_id, h.plan
         from unnest($1::uuid[], $2::bigint[]) as c (id, completed)
         join target_history h on h.cluster_id = c.id and h.generation >= c.completed
         group by h.cluster_id, h.plan order by h.cluster_id, max(h.generation)",
        &ids,
        &generations,
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("look at the former plans of clusters"))?;
    let mut plans: BTreeMap<ClusterId, Vec<Digest>> = BTreeMap::new();
    for row in rows {
        let plan = Row::of("target_history", row.cluster_id).digest("plan", &row.plan)?;
        plans.entry(ClusterId(row.cluster_id)).or_default().push(plan);
    }
    Ok(plans)
}
