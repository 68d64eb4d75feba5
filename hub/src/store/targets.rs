//! Targets: what each cluster should run now.

use std::collections::BTreeMap;

use hub_core::{
    digest::Digest,
    fleet::{ClusterId, Name},
    report::Fence,
    rollout::{CurrentTarget, TargetPlan},
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

/// A cluster's target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTarget {
    /// Its epoch.
    pub epoch: u64,
    /// Its generation.
    pub generation: u64,
    /// Digest of the target document.
    pub digest: Digest,
    /// What it says.
    pub content: Content,
}

/// What a target says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// This, as it is sent.
    Known {
        /// The target document.
        bytes: Vec<u8>,
        /// The plan.
        plan: Digest,
        /// W3C trace context of the request that led to it; empty if none.
        traceparent: String,
    },
    /// Only its spoke knows: it was kept as it was found. It cannot be sent.
    Unknown,
}

impl StoredTarget {
    /// The plan.
    #[must_use]
    pub fn plan(&self) -> TargetPlan {
        match self.content {
            Content::Known { plan, .. } => TargetPlan::Known(plan),
            Content::Unknown => TargetPlan::Unknown,
        }
    }
}

struct TargetRow {
    epoch: i64,
    generation: i64,
    bytes: Option<Vec<u8>>,
    digest: Vec<u8>,
    plan: Option<Vec<u8>>,
    traceparent: String,
}

impl TargetRow {
    fn read(self, place: &Row) -> Result<StoredTarget, Error> {
        let content = match (self.bytes, self.plan) {
            (Some(bytes), Some(plan)) => {
                Content::Known { bytes, plan: place.digest("plan", &plan)?, traceparent: self.traceparent }
            }
            (None, None) => Content::Unknown,
            (Some(_), None) | (None, Some(_)) => return Err(place.corrupt("bytes")),
        };
        Ok(StoredTarget {
            epoch: place.number("epoch", self.epoch)?,
            generation: place.number("generation", self.generation)?,
            digest: place.digest("digest", &self.digest)?,
            content,
        })
    }
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
    row.map(|row| row.read(&place)).transpose()
}

/// The document of a cluster's target; none if there is no target, or if nobody here knows what it says.
pub async fn document(conn: &mut PgConnection, cluster: ClusterId) -> Result<Option<Target>, Error> {
    let Some(StoredTarget { content: Content::Known { bytes, .. }, .. }) = find(conn, cluster).await? else {
        return Ok(None);
    };
    let corrupt = |_| Row::of("target", cluster).corrupt("bytes");
    serde_json::from_slice(&bytes).map(Some).map_err(corrupt)
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
    let generation = sqlx::query_scalar!(
        "insert into target as t (cluster_id, epoch, generation, bytes, digest, plan, traceparent, set_at)
         select $1, $2, 1, $3, $4, $5, $6, $7 where $8::bigint = 0
            or exists (select from target where cluster_id = $1)
         on conflict (cluster_id) do update set generation = t.generation + 1, epoch = excluded.epoch,
            bytes = excluded.bytes, digest = excluded.digest, plan = excluded.plan,
            traceparent = excluded.traceparent, set_at = excluded.set_at
         where t.generation = $8
         returning generation",
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
    let Some(generation) = generation else { return Ok(None) };
    if generation != column::signed(target.generation) {
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

/// Gives a cluster its target anew, above the generation that its spoke is ahead with. It stands for what it stood for.
/// Returns its digest; none if the target is another one by now.
pub async fn set_above(
    conn: &mut PgConnection,
    target: &Target,
    seen: &CurrentTarget,
    (traceparent, at): (&str, Timestamp),
) -> Result<Option<Digest>, Error> {
    let (bytes, digest) = target.seal();
    let row = sqlx::query_scalar!(
        "with changed as (
            update target set generation = $2, epoch = $3, bytes = $4, digest = $5, plan = $6, traceparent = $7,
                set_at = $8
            where cluster_id = $1 and generation = $9 and digest = $10 and $2 > generation
            returning cluster_id, generation, digest, plan, set_at)
         insert into target_history (cluster_id, generation, digest, plan, config, version, rollout, set_at)
         select c.cluster_id, c.generation, c.digest, c.plan, o.config, o.version, o.rollout, c.set_at
         from changed c join target_origin o on o.cluster_id = c.cluster_id
         returning generation",
        target.cluster.0,
        column::signed(target.generation),
        column::signed(target.epoch),
        bytes,
        column::bytes(&digest),
        column::bytes(&target.plan),
        traceparent,
        at.to_sqlx() as _,
        column::signed(seen.generation),
        column::bytes(&seen.target),
    )
    .fetch_optional(conn)
    .await
    .map_err(Error::doing("set a target above its spoke's"))?;
    Ok(row.map(|_| digest))
}

/// Takes what a spoke accepted for the cluster's target, though nobody here knows what it says. It stands for no config
/// any more. Says whether that was done: not if the target is another one by now than `seen`.
pub async fn take_over(
    conn: &mut PgConnection,
    cluster: ClusterId,
    fence: &Fence,
    (seen, at): (Option<CurrentTarget>, Timestamp),
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "insert into target as t (cluster_id, epoch, generation, digest, set_at) values ($1, $2, $3, $4, $5)
         on conflict (cluster_id) do update set epoch = excluded.epoch, generation = excluded.generation,
            digest = excluded.digest, bytes = null, plan = null, traceparent = '', set_at = excluded.set_at
         where t.generation = $6 and t.digest = $7 and excluded.generation >= t.generation",
        cluster.0,
        column::signed(fence.epoch.max(1)),
        column::signed(fence.generation),
        column::bytes(&fence.target),
        at.to_sqlx() as _,
        seen.map(|seen| column::signed(seen.generation)),
        seen.as_ref().map(|seen| column::bytes(&seen.target)),
    )
    .execute(&mut *conn)
    .await
    .map_err(Error::doing("take over what a spoke accepted"))?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    origins::forget(conn, cluster).await?;
    Ok(true)
}

/// The plans from which it follows what the next target of a cluster deletes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Former {
    /// Where the last completed generation was not given by this database: the newest plan that it gave before.
    pub before: Option<Digest>,
    /// The plans since the last completed generation, oldest first, each once; with the plan of that generation itself,
    /// because its objects are there.
    pub since: Vec<Digest>,
}

/// The plans that a cluster was given since the generation `completed`.
pub async fn former(conn: &mut PgConnection, cluster: ClusterId, completed: u64) -> Result<Former, Error> {
    let rows = sqlx::query!(
        r#"select plan, max(generation) >= $2 as "since!" from target_history
         where cluster_id = $1 and generation >= coalesce(
            (select max(generation) from target_history where cluster_id = $1 and generation <= $2), $2)
         group by plan order by max(generation)"#,
        cluster.0,
        column::signed(completed),
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("look at a cluster's former plans"))?;
    let place = Row::of("target_history", cluster);
    let mut former = Former::default();
    for row in rows {
        let plan = place.digest("plan", &row.plan)?;
        if row.since {
            former.since.push(plan);
        } else {
            former.before = Some(plan);
        }
    }
    Ok(former)
}
