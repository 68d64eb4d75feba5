//! Rollout strategies, in their latest text.

use hub_core::{
    document::{self, Spec},
    fleet::Name,
    rollout::Strategy,
};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, column::Row};

/// A strategy, and the canonical JSON of its document.
pub async fn find(conn: &mut PgConnection, name: &Name) -> Result<Option<(Strategy, Vec<u8>)>, Error> {
    let document =
        sqlx::query_scalar!("select document from rollout_strategy where name = $1", name.as_str())
            .fetch_optional(conn)
            .await
            .map_err(Error::doing("load a rollout strategy"))?;
    let Some(document) = document else { return Ok(None) };
    match document::read_stored(&document) {
        Ok((_, Spec::RolloutStrategy(strategy))) => Ok(Some((strategy, document))),
        Ok((_, Spec::Cluster(_) | Spec::MeshConfig(_) | Spec::DriftPolicy(_))) | Err(_) => {
            Err(Row::of("rollout_strategy", name).corrupt("document"))
        }
    }
}

/// Stores a strategy in place of its older text.
pub async fn save(
    conn: &mut PgConnection,
    name: &Name,
    document: &[u8],
    (by, at): (Uuid, Timestamp),
) -> Result<(), Error> {
    sqlx::query!(
        "insert into rollout_strategy (name, document, changed_by, changed_at) values ($1, $2, $3, $4)
         on conflict (name) do update set document = excluded.document, changed_by = excluded.changed_by,
            changed_at = excluded.changed_at",
        name.as_str(),
        document,
        by,
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("store a rollout strategy"))?;
    Ok(())
}
