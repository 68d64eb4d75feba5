//! Plans that a rollout pinned.

use std::collections::{BTreeMap, BTreeSet};

use hub_core::{
    digest::Digest,
    plan::{Plan, PlanDocument},
};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;

use super::{
    Error, bodies,
    column::{self, Row},
};

/// Stores plans with their bodies. Safe to repeat: a plan never changes, and one that is there costs its digest.
///
/// Plans share bodies, and two rollouts may pin the same ones at once; all are stored in one order, so that neither waits
/// for the other in a circle.
pub async fn pin<'a>(
    conn: &mut PgConnection,
    plans: impl Iterator<Item = &'a Plan>,
    at: Timestamp,
) -> Result<(), Error> {
    let mut plans: BTreeMap<Digest, &Plan> = plans.map(|plan| (plan.digest, plan)).collect();
    for known in pinned(conn, &plans).await? {
        plans.remove(&known);
    }
    if plans.is_empty() {
        return Ok(());
    }
    let mut contents: BTreeMap<Digest, &[u8]> = BTreeMap::new();
    for plan in plans.values() {
        contents.insert(plan.digest, &plan.bytes);
        contents.extend(plan.bodies.iter().map(|(digest, bytes)| (*digest, bytes.as_slice())));
    }
    bodies::insert(conn, &contents).await?;
    insert(conn, &plans, at).await
}

/// Those of some plans that are stored.
async fn pinned(conn: &mut PgConnection, plans: &BTreeMap<Digest, &Plan>) -> Result<Vec<Digest>, Error> {
    let plans: Vec<&[u8]> = plans.keys().map(column::bytes).collect();
    let rows = sqlx::query_scalar!("select digest from plan where digest = any($1)", &plans as _)
        .fetch_all(conn)
        .await
        .map_err(Error::doing("look which plans are pinned"))?;
    let place = Row::of("plan", "of a rollout");
    rows.iter().map(|digest| place.digest("digest", digest)).collect()
}

async fn insert(
    conn: &mut PgConnection,
    plans: &BTreeMap<Digest, &Plan>,
    at: Timestamp,
) -> Result<(), Error> {
    let digests: Vec<&[u8]> = plans.keys().map(column::bytes).collect();
    let (of, bodies): (Vec<&[u8]>, Vec<&[u8]>) = plans
        .iter()
        .flat_map(|(digest, plan)| {
            plan.bodies.keys().map(|body| (column::bytes(digest), column::bytes(body)))
        })
        .unzip();
    sqlx::query!(
        "with pinned as (
            insert into plan (digest, created_at) select digest, $2 from unnest($1::bytea[]) as digest
            on conflict do nothing returning digest)
         insert into plan_body (plan, body)
         select pinned.digest, named.body from unnest($3::bytea[], $4::bytea[]) as named (plan, body)
            join pinned on pinned.digest = named.plan",
        &digests as _,
        at.to_sqlx() as _,
        &of as _,
        &bodies as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("pin plans"))?;
    Ok(())
}

/// The document of a pinned plan.
pub async fn document(conn: &mut PgConnection, plan: Digest) -> Result<PlanDocument, Error> {
    let corrupt = || Row::of("body", plan).corrupt("bytes");
    let bytes = bodies::load(conn, plan).await?.ok_or_else(corrupt)?;
    serde_json::from_slice(&bytes).map_err(|_| corrupt())
}

/// The documents of pinned plans, each read once.
pub async fn documents(
    conn: &mut PgConnection,
    plans: &BTreeSet<Digest>,
) -> Result<BTreeMap<Digest, PlanDocument>, Error> {
    let plans: Vec<Digest> = plans.iter().copied().collect();
    let loaded = bodies::load_some(conn, &plans).await?;
    let mut documents = BTreeMap::new();
    for (plan, bytes) in loaded {
        let document = serde_json::from_slice(&bytes);
        documents.insert(plan, document.map_err(|_| Row::of("body", plan).corrupt("bytes"))?);
    }
    match plans.iter().find(|plan| !documents.contains_key(plan)) {
        Some(missing) => Err(Row::of("body", missing).corrupt("bytes")),
        None => Ok(documents),
    }
}

/// The manifests of pinned plans, each once, however many of the plans share it.
pub async fn manifests(
    conn: &mut PgConnection,
    plans: &BTreeSet<Digest>,
) -> Result<BTreeMap<Digest, Vec<u8>>, Error> {
    let plans: Vec<&[u8]> = plans.iter().map(column::bytes).collect();
    let rows = sqlx::query!(
        "select digest, bytes from body where digest in (select body from plan_body where plan = any($1))",
        &plans as _,
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("load the manifests of plans"))?;
    let place = Row::of("plan_body", "of some plans");
    rows.into_iter().map(|row| Ok((place.digest("body", &row.digest)?, row.bytes))).collect()
}
