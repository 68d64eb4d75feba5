//! Which config version the target of each cluster stands for.
//!
//! A later version may make the same plan. A rollout of it then changes no target, and only what stands here.

use std::collections::BTreeMap;

use hub_core::fleet::{ClusterId, Name};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Error,
    column::{self, Row},
    targets::Origin,
};

/// Notes what the targets of clusters stand for. Each cluster has a target.
pub async fn save(
    conn: &mut PgConnection,
    clusters: &[ClusterId],
    origin: &Origin<'_>,
    at: Timestamp,
) -> Result<(), Error> {
    if clusters.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = clusters.iter().map(|id| id.0).collect();
    sqlx::query!(
        "insert into target_origin (cluster_id, config, version, rollout, since)
         select id, $2, $3, $4, $5 from unnest($1::uuid[]) as id order by id
         on conflict (cluster_id) do update set config = excluded.config, version = excluded.version,
            rollout = excluded.rollout, since = excluded.since",
        &ids,
        origin.config.map(|(name, _)| name.as_str()),
        origin.config.map(|(_, version)| column::signed(version)),
        column::signed(origin.rollout),
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("note what targets stand for"))?;
    Ok(())
}

/// The target of a cluster stands for no config any more.
pub async fn forget(conn: &mut PgConnection, cluster: ClusterId) -> Result<(), Error> {
    sqlx::query!("delete from target_origin where cluster_id = $1", cluster.0)
        .execute(conn)
        .await
        .map_err(Error::doing("forget what a target stands for"))?;
    Ok(())
}

/// The configs, with their versions, that the targets of some clusters stand for.
pub async fn load(
    conn: &mut PgConnection,
    clusters: &[ClusterId],
) -> Result<BTreeMap<ClusterId, (Name, u64)>, Error> {
    let ids: Vec<Uuid> = clusters.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select cluster_id, config as "config!", version as "version!" from target_origin
         where cluster_id = any($1) and config is not null"#,
        &ids
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("look what targets stand for"))?;
    let origins = rows.into_iter().map(|row| {
        let place = Row::of("target_origin", row.cluster_id);
        let origin = (place.name("config", &row.config)?, place.number("version", row.version)?);
        Ok((ClusterId(row.cluster_id), origin))
    });
    origins.collect()
}

/// Names of the clusters of the fleet whose targets stand for some version of a config, by version and name. What runs in a
/// detached one is nobody's business here.
pub async fn clusters_of(conn: &mut PgConnection, config: &Name) -> Result<Vec<(u64, Name)>, Error> {
    let rows = sqlx::query!(
        r#"select c.name, o.version as "version!" from target_origin o join cluster c on c.id = o.cluster_id
         where o.config = $1 and c.state <> 'Detached' order by o.version, c.name"#,
        config.as_str()
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("look which clusters run a config"))?;
    let clusters = rows.into_iter().map(|row| {
        let place = Row::of("target_origin", &row.name);
        Ok((place.number("version", row.version)?, place.name("cluster_id", &row.name)?))
    });
    clusters.collect()
}
