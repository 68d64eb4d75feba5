//! What spokes accepted and what they refused.

use std::collections::BTreeMap;

use hub_core::{
    fleet::ClusterId,
    report::{Fence, Refusal},
};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Error,
    column::{self, Row},
};

/// The last generation that each cluster's spoke applied to its end, by its fence at the start of its session and by its
/// reports since; 0 if none.
pub async fn completed(
    conn: &mut PgConnection,
    clusters: &[ClusterId],
) -> Result<BTreeMap<ClusterId, u64>, Error> {
    let ids: Vec<Uuid> = clusters.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select c.id as "id!", coalesce(greatest(a.completed, r.completed), 0) as "completed!"
         from unnest($1::uuid[]) as c (id)
         left join acceptance a on a.cluster_id = c.id left join report r on r.cluster_id = c.id"#,
        &ids
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("look what spokes completed"))?;
    let read = |id: Uuid, completed| Row::of("acceptance", id).number("completed", completed);
    rows.iter().map(|row| Ok((ClusterId(row.id), read(row.id, row.completed)?))).collect()
}

/// The fence of a cluster's spoke as it last said.
pub async fn find(conn: &mut PgConnection, cluster: ClusterId) -> Result<Option<Fence>, Error> {
    let row = sqlx::query!(
        "select epoch, generation, target, completed from acceptance where cluster_id = $1",
        cluster.0
    )
    .fetch_optional(conn)
    .await
    .map_err(Error::doing("load what a spoke accepted"))?;
    let place = Row::of("acceptance", cluster);
    row.map(|row| {
        Ok(Fence {
            epoch: place.number("epoch", row.epoch)?,
            generation: place.number("generation", row.generation)?,
            target: place.digest("target", &row.target)?,
            completed: place.number("completed", row.completed)?,
        })
    })
    .transpose()
}

/// Stores a fence as the spoke said it; the same again writes nothing. Says whether that was news.
pub async fn save(
    conn: &mut PgConnection,
    cluster: ClusterId,
    fence: &Fence,
    at: Timestamp,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "insert into acceptance as a (cluster_id, epoch, generation, target, completed, seen_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (cluster_id) do update set epoch = excluded.epoch, generation = excluded.generation,
            target = excluded.target, completed = excluded.completed, seen_at = excluded.seen_at
         where (a.epoch, a.generation, a.target, a.completed)
            is distinct from (excluded.epoch, excluded.generation, excluded.target, excluded.completed)",
        cluster.0,
        column::signed(fence.epoch),
        column::signed(fence.generation),
        column::bytes(&fence.target),
        column::signed(fence.completed.min(fence.generation)),
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("store what a spoke accepted"))?;
    Ok(done.rows_affected() > 0)
}

/// Forgets the fence of a spoke that says that it has none. Says whether that was news.
pub async fn clear(conn: &mut PgConnection, cluster: ClusterId) -> Result<bool, Error> {
    let done = sqlx::query!("delete from acceptance where cluster_id = $1", cluster.0)
        .execute(conn)
        .await
        .map_err(Error::doing("forget what a spoke accepted"))?;
    Ok(done.rows_affected() > 0)
}

/// Stores a refusal; the same again writes nothing. Says whether that was news.
pub async fn save_refusal(
    conn: &mut PgConnection,
    cluster: ClusterId,
    refusal: &Refusal,
    at: Timestamp,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "insert into refusal as r (cluster_id, generation, code, message, seen_at) values ($1, $2, $3, $4, $5)
         on conflict (cluster_id) do update set generation = excluded.generation, code = excluded.code,
            message = excluded.message, seen_at = excluded.seen_at
         where (r.generation, r.code, r.message) is distinct from (excluded.generation, excluded.code, excluded.message)",
        cluster.0,
        column::signed(refusal.generation),
        column::word(&refusal.code),
        column::text(&refusal.message),
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("store what a spoke refused"))?;
    Ok(done.rows_affected() > 0)
}

/// Forgets the refusal of a spoke that accepted something since.
pub async fn clear_refusal(conn: &mut PgConnection, cluster: ClusterId) -> Result<(), Error> {
    sqlx::query!("delete from refusal where cluster_id = $1", cluster.0)
        .execute(conn)
        .await
        .map_err(Error::doing("forget what a spoke refused"))?;
    Ok(())
}
