//! Drift policies, in their latest text.

use hub_core::{
    document::{self, Spec},
    drift::{DriftPolicy, NamedPolicy},
    fleet::Name,
};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, column::Row};

fn read(name: &str, document: &[u8]) -> Result<(Name, DriftPolicy), Error> {
    match document::read_stored(document) {
        Ok((name, Spec::DriftPolicy(policy))) => Ok((name, policy)),
        Ok((_, Spec::Cluster(_) | Spec::MeshConfig(_) | Spec::RolloutStrategy(_))) | Err(_) => {
            Err(Row::of("drift_policy", name).corrupt("document"))
        }
    }
}

/// All policies, by name.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<NamedPolicy>, Error> {
    let rows = sqlx::query!("select name, document from drift_policy order by name")
        .fetch_all(conn)
        .await
        .map_err(Error::doing("load drift policies"))?;
    let named = |(name, policy)| NamedPolicy { name, policy };
    rows.iter().map(|row| read(&row.name, &row.document).map(named)).collect()
}

/// The canonical JSON of a policy.
pub async fn text(conn: &mut PgConnection, name: &Name) -> Result<Option<Vec<u8>>, Error> {
    sqlx::query_scalar!("select document from drift_policy where name = $1", name.as_str())
        .fetch_optional(conn)
        .await
        .map_err(Error::doing("load a drift policy"))
}

/// Stores a policy in place of its older text.
pub async fn save(
    conn: &mut PgConnection,
    name: &Name,
    document: &[u8],
    (by, at): (Uuid, Timestamp),
) -> Result<(), Error> {
    sqlx::query!(
        "insert into drift_policy (name, document, changed_by, changed_at) values ($1, $2, $3, $4)
         on conflict (name) do update set document = excluded.document, changed_by = excluded.changed_by,
            changed_at = excluded.changed_at",
        name.as_str(),
        document,
        by,
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("store a drift policy"))?;
    Ok(())
}

/// Forgets a policy; says whether there was one.
pub async fn forget(conn: &mut PgConnection, name: &Name) -> Result<bool, Error> {
    let done = sqlx::query!("delete from drift_policy where name = $1", name.as_str())
        .execute(conn)
        .await
        .map_err(Error::doing("delete a drift policy"))?;
    Ok(done.rows_affected() > 0)
}
