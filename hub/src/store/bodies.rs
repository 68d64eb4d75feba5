//! Plan documents and manifests, by content.

use std::collections::{BTreeMap, BTreeSet};

use hub_core::{digest::Digest, fleet::ClusterId};
use sqlx::PgConnection;

use super::{
    Error,
    column::{self, Row},
};

/// Bodies in one statement: a fleet has thousands, of a few kilobytes each,
const AT_ONCE: usize = 1000;

/// and some are a mebibyte.
const BYTES_AT_ONCE: usize = 4 * 1024 * 1024;

/// Stores bodies, by digest; those that are there stay. Safe to repeat: a body never changes.
pub async fn insert(conn: &mut PgConnection, bodies: &BTreeMap<Digest, &[u8]>) -> Result<(), Error> {
    for some in portions(bodies) {
        let (digests, some): (Vec<&[u8]>, Vec<&[u8]>) = some.into_iter().unzip();
        sqlx::query!(
            "insert into body (digest, bytes) select * from unnest($1::bytea[], $2::bytea[]) on conflict do nothing",
            &digests as _,
            &some as _,
        )
        .execute(&mut *conn)
        .await
        .map_err(Error::doing("store bodies"))?;
    }
    Ok(())
}

/// Bodies in portions that one statement can take.
fn portions<'a>(bodies: &'a BTreeMap<Digest, &'a [u8]>) -> Vec<Vec<(&'a [u8], &'a [u8])>> {
    let mut portions: Vec<Vec<(&[u8], &[u8])>> = Vec::new();
    let mut size = BYTES_AT_ONCE;
    for (digest, bytes) in bodies {
        let full = size >= BYTES_AT_ONCE || portions.last().is_none_or(|last| last.len() >= AT_ONCE);
        if full {
            portions.push(Vec::new());
            size = 0;
        }
        size += bytes.len();
        if let Some(last) = portions.last_mut() {
            last.push((column::bytes(digest), *bytes));
        }
    }
    portions
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

/// Plan document and manifests of the plan that a cluster's spoke accepted last, as far as this database gave it out.
pub async fn accepted(conn: &mut PgConnection, cluster: ClusterId) -> Result<BTreeSet<Digest>, Error> {
    let rows = sqlx::query_scalar!(
        r#"with accepted as (
            select h.plan from acceptance a
            join target_history h on h.cluster_id = a.cluster_id and h.generation = a.generation and h.digest = a.target
            where a.cluster_id = $1)
         select plan as "digest!" from accepted
         union select p.body from accepted a join plan_body p on p.plan = a.plan"#,
        cluster.0
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("list the bodies that a spoke has"))?;
    let place = Row::of("target_history", cluster);
    rows.iter().map(|digest| place.digest("plan", digest)).collect()
}

/// Some bodies; those that are not there are left out.
pub async fn load_some(conn: &mut PgConnection, digests: &[Digest]) -> Result<Vec<(Digest, Vec<u8>)>, Error> {
    let digests: Vec<Vec<u8>> = digests.iter().map(|digest| column::bytes(digest).to_vec()).collect();
    let rows = sqlx::query!("select digest, bytes from body where digest = any($1)", &digests)
        .fetch_all(conn)
        .await
        .map_err(Error::doing("load bodies"))?;
    let read = |digest: &[u8]| Row::of("body", "of a header").digest("digest", digest);
    rows.into_iter().map(|row| Ok((read(&row.digest)?, row.bytes))).collect()
}
