//! Plan documents and manifests, by content.

use std::collections::BTreeMap;

use hub_core::digest::Digest;
use sqlx::PgConnection;

use super::{
    Error,
    column::{self, Row},
};

/// Stores bodies; those that are there stay. Safe to repeat: a body never changes.
pub async fn insert(conn: &mut PgConnection, bodies: &BTreeMap<Digest, Vec<u8>>) -> Result<(), Error> {
    let digests: Vec<Vec<u8>> = bodies.keys().map(|digest| column::bytes(digest).to_vec()).collect();
    let bytes: Vec<Vec<u8>> = bodies.values().cloned().collect();
    sqlx::query!(
        "insert into body (digest, bytes) select * from unnest($1::bytea[], $2::bytea[]) on conflict do nothing",
        &digests,
        &bytes,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("store bodies"))?;
    Ok(())
}

/// What a spoke may ask for when it is offered a plan: the plan document first, then its manifests, each with its size.
pub async fn offers(conn: &mut PgConnection, plan: Digest) -> Result<Vec<(Digest, u64)>, Error> {
    let rows = sqlx::query!(
        r#"select digest, octet_length(bytes)::bigint as "size!" from body
         where digest = $1 or digest in (select body from plan_body where plan = $1)
         order by digest <> $1, digest"#,
        column::bytes(&plan),
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("list the bodies of a plan"))?;
    let place = Row::of("body", plan);
    rows.into_iter()
        .map(|row| Ok((place.digest("digest", &row.digest)?, place.number("bytes", row.size)?)))
        .collect()
}

/// One body.
pub async fn load(conn: &mut PgConnection, digest: Digest) -> Result<Option<Vec<u8>>, Error> {
    sqlx::query_scalar!("select bytes from body where digest = $1", column::bytes(&digest))
        .fetch_optional(conn)
        .await
        .map_err(Error::doing("load a body"))
}
