//! Holds: one writer a cluster.

use std::collections::BTreeMap;

use hub_core::fleet::ClusterId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Error,
    column::{self, Row},
};

/// The rollouts that hold some of these clusters.
pub async fn holders(
    conn: &mut PgConnection,
    clusters: &[ClusterId],
) -> Result<BTreeMap<ClusterId, u64>, Error> {
    let ids: Vec<Uuid> = clusters.iter().map(|id| id.0).collect();
    let rows = sqlx::query!("select cluster_id, rollout from cluster_hold where cluster_id = any($1)", &ids)
        .fetch_all(conn)
        .await
        .map_err(Error::doing("look who holds clusters"))?;
    let read = |id: Uuid, rollout| Row::of("cluster_hold", id).number("rollout", rollout);
    rows.iter().map(|row| Ok((ClusterId(row.cluster_id), read(row.cluster_id, row.rollout)?))).collect()
}

/// Takes the clusters that nobody holds; [`holders`] says afterwards which those were.
pub async fn take(
    conn: &mut PgConnection,
    rollout: u64,
    clusters: &[ClusterId],
    at: Timestamp,
) -> Result<(), Error> {
    let ids: Vec<Uuid> = clusters.iter().map(|id| id.0).collect();
    sqlx::query!(
        "insert into cluster_hold (cluster_id, rollout, held_at) select id, $2, $3 from unnest($1::uuid[]) as id
         order by id on conflict do nothing",
        &ids,
        column::signed(rollout),
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("hold clusters"))?;
    Ok(())
}

/// Lets go of everything that a rollout holds.
pub async fn release(conn: &mut PgConnection, rollout: u64) -> Result<(), Error> {
    sqlx::query!("delete from cluster_hold where rollout = $1", column::signed(rollout))
        .execute(conn)
        .await
        .map_err(Error::doing("let go of clusters"))?;
    Ok(())
}
