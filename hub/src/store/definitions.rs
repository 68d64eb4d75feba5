//! Schemas of custom resources, by the digests that facts name them by.

use hub_core::digest::Digest;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::json;
use sqlx::PgConnection;

use super::Error;

/// The bytes of those of some schemas that are stored.
pub async fn load(conn: &mut PgConnection, digests: &[Digest]) -> Result<Vec<Vec<u8>>, Error> {
    let digests: Vec<&[u8]> = digests.iter().map(|digest| digest.as_bytes().as_slice()).collect();
    sqlx::query_scalar!("select body from definition_schema where digest = any($1::bytea[])", &digests as _)
        .fetch_all(conn)
        .await
        .map_err(Error::doing("load schemas of custom resources"))
}

/// Stores a schema; says whether that was news. Then everything that is known of the clusters that have it is looked at
/// again: each of them counts as changed.
pub async fn save(
    conn: &mut PgConnection,
    digest: Digest,
    body: &[u8],
    now: Timestamp,
) -> Result<bool, Error> {
    let stored = sqlx::query!(
        "insert into definition_schema (digest, body, stored_at) values ($1, $2, $3) on conflict do nothing",
        digest.as_bytes(),
        body,
        now.to_sqlx() as _,
    )
    .execute(&mut *conn)
    .await
    .map_err(Error::doing("store a schema of a custom resource"))?;
    if stored.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query!(
        "update cluster set revision = revision + 1 where facts @> $1",
        json!({ "schemas": [{ "digest": digest }] }),
    )
    .execute(conn)
    .await
    .map_err(Error::doing("mark the clusters that have a schema"))?;
    Ok(true)
}
