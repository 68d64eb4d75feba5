//! Targets: what each cluster should run now.

use std::collections::{BTreeMap, BTreeSet};

use hub_core::{
    digest::Digest,
    fleet::{ClusterId, Name},
    report::Fence,
    rollout::{CurrentTarget, TargetPlan},
    target::Target,
};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;
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

/// The plans of some clusters' targets, where anybody here knows them.
pub async fn plans(
    conn: &mut PgConnection,
    clusters: &[ClusterId],
) -> Result<BTreeMap<ClusterId, Digest>, Error> {
    let ids: Vec<Uuid> = clusters.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select cluster_id, plan as "plan!" from target where cluster_id = any($1) and plan is not null"#,
        &ids
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("look at the plans of targets"))?;
    let read = |id: Uuid, plan: &[u8]| Row::of("target", id).digest("plan", plan);
    rows.iter().map(|row| Ok((ClusterId(row.cluster_id), read(row.cluster_id, &row.plan)?))).collect()
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
    let heals: Vec<Value> = targets.iter().map(|target| column::json(&target.heal)).collect();
    let set = sqlx::query_scalar!(
        "insert into target as t (cluster_id, epoch, generation, bytes, digest, plan, heal, traceparent, set_at)
         select n.cluster_id, n.epoch, n.generation, n.bytes, n.digest, n.plan,
            array(select jsonb_array_elements_text(n.heal)), $7, $8
         from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[], $6::bytea[],
            $9::jsonb[]) as n (cluster_id, epoch, generation, bytes, digest, plan, heal)
         where n.generation = 1 or exists (select from target where cluster_id = n.cluster_id)
         order by n.cluster_id
         on conflict (cluster_id) do update set generation = excluded.generation, epoch = excluded.epoch,
            bytes = excluded.bytes, digest = excluded.digest, plan = excluded.plan,
            heal = excluded.heal, traceparent = excluded.traceparent, set_at = excluded.set_at
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
        &heals,
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
                set_at = $8, heal = $11
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
        &column::heal(target.heal),
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
            digest = excluded.digest, bytes = null, plan = null, heal = '{}', traceparent = '', set_at = excluded.set_at
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
pub struct FormerPlans {
    /// Where the last completed generation was not given by this database: the newest plan that it gave before.
    pub before: Option<Digest>,
    /// The plans since the last completed generation, oldest first, each once; with the plan of that generation itself,
    /// because its objects are there.
    pub since: Vec<Digest>,
}

impl FormerPlans {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = Digest> {
        self.before.iter().chain(&self.since).copied()
    }
}

/// The plans that clusters were given since the generation that each completed.
pub async fn former(
    conn: &mut PgConnection,
    completed: &BTreeMap<ClusterId, u64>,
) -> Result<BTreeMap<ClusterId, FormerPlans>, Error> {
    let ids: Vec<Uuid> = completed.keys().map(|id| id.0).collect();
    let generations: Vec<i64> = completed.values().map(|completed| column::signed(*completed)).collect();
    let rows = sqlx::query!(
        r#"select h.cluster_id, h.plan, max(h.generation) >= c.completed as "since!"
         from unnest($1::uuid[], $2::bigint[]) as c (id, completed)
         join target_history h on h.cluster_id = c.id and h.generation >= coalesce(
            (select max(generation) from target_history where cluster_id = c.id and generation <= c.completed),
            c.completed)
         group by h.cluster_id, h.plan, c.completed order by h.cluster_id, max(h.generation)"#,
        &ids,
        &generations,
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("look at the former plans of clusters"))?;
    let mut former: BTreeMap<ClusterId, FormerPlans> = BTreeMap::new();
    for row in rows {
        let plan = Row::of("target_history", row.cluster_id).digest("plan", &row.plan)?;
        let of_cluster = former.entry(ClusterId(row.cluster_id)).or_default();
        if row.since {
            of_cluster.since.push(plan);
        } else {
            of_cluster.before = Some(plan);
        }
    }
    Ok(former)
}
