//! Plan documents and manifests, by content.

use std::collections::BTreeMap;

use hub_core::digest::Digest;
use sqlx::PgConnection;

use super::{
    Error,
    column::{self, Row},
};

/// Bodies in one statement: some are a mebibyte, and a fleet has thousands.
const AT_ONCE: usize = 100;

/// Stores bodies, by digest; those that are there stay. Safe to repeat: a body never changes.
pub async fn insert(conn: &mut PgConnection, bodies: &BTreeMap<Digest, &[u8]>) -> Result<(), Error> {
    let bodies: Vec<(&Digest, &[u8])> = bodies.iter().map(|(digest, bytes)| (digest, *bytes)).collect();
    for some in bodies.chunks(AT_ONCE) {
        let digests: Vec<Vec<u8>> = some.iter().map(|(digest, _)| column::bytes(digest).to_vec()).collect();
        let bytes: Vec<Vec<u8>> = some.iter().map(|(_, bytes)| bytes.to_vec()).collect();
        sqlx::query!(
            "insert into body (digest, bytes) select * from unnest($1::bytea[], $2::bytea[]) on conflict do nothing",
            &digests,
            &bytes,
        )
        .execute(&mut *conn)
        .await
        .map_err(Error::doing("store bodies"))?;
    }
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
