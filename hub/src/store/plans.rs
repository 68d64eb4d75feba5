//! Plans that a rollout pinned.

use std::collections::BTreeMap;

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

/// Stores plans with their bodies. Safe to repeat: a plan never changes.
///
/// Plans share bodies, and two rollouts may pin the same ones at once; all are stored in one order, so that neither waits
/// for the other in a circle.
pub async fn pin<'a>(
    conn: &mut PgConnection,
    plans: impl Iterator<Item = &'a Plan>,
    at: Timestamp,
) -> Result<(), Error> {
    let plans: BTreeMap<Digest, &Plan> = plans.map(|plan| (plan.digest, plan)).collect();
    let mut contents: BTreeMap<Digest, &[u8]> = BTreeMap::new();
    for plan in plans.values() {
        contents.insert(plan.digest, &plan.bytes);
        contents.extend(plan.bodies.iter().map(|(digest, bytes)| (*digest, bytes.as_slice())));
    }
    bodies::insert(conn, &contents).await?;
    for plan in plans.values() {
        insert(conn, plan, at).await?;
    }
    Ok(())
}

async fn insert(conn: &mut PgConnection, plan: &Plan, at: Timestamp) -> Result<(), Error> {
    let manifests: Vec<Vec<u8>> = plan.bodies.keys().map(|digest| column::bytes(digest).to_vec()).collect();
    sqlx::query!(
        "with pinned as (insert into plan (digest, created_at) values ($1, $2) on conflict do nothing returning digest)
         insert into plan_body (plan, body) select pinned.digest, body from pinned, unnest($3::bytea[]) as body",
        column::bytes(&plan.digest),
        at.to_sqlx() as _,
        &manifests,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("pin a plan"))?;
    Ok(())
}

/// The document of a pinned plan.
pub async fn document(conn: &mut PgConnection, plan: Digest) -> Result<PlanDocument, Error> {
    let corrupt = || Row::of("body", plan).corrupt("bytes");
    let bytes = bodies::load(conn, plan).await?.ok_or_else(corrupt)?;
    serde_json::from_slice(&bytes).map_err(|_| corrupt())
}

/// The manifests of a pinned plan.
pub async fn manifests(conn: &mut PgConnection, plan: Digest) -> Result<BTreeMap<Digest, Vec<u8>>, Error> {
    let rows = sqlx::query!(
        "select b.digest, b.bytes from plan_body p join body b on b.digest = p.body where p.plan = $1",
        column::bytes(&plan),
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("load the manifests of a plan"))?;
    let place = Row::of("plan_body", plan);
    rows.into_iter().map(|row| Ok((place.digest("body", &row.digest)?, row.bytes))).collect()
}
