//! Documents of all kinds as they are stored: their texts, with who changed them and when.

use hub_core::{
    document::Kind,
    fleet::{ClusterId, Name},
};
use jiff::Timestamp;
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, column::Row};

/// A document as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDocument {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: Name,
    /// Newest version of a MeshConfig; none for other kinds.
    pub version: Option<u64>,
    /// Canonical JSON, with its defaults written out.
    pub document: Vec<u8>,
    /// Name of who changed it last; none where that was not noted.
    pub changed_by: Option<String>,
    /// When.
    pub changed_at: Option<Timestamp>,
}

struct DocumentRow {
    kind: String,
    name: String,
    version: Option<i64>,
    document: Vec<u8>,
    changed_by: Option<String>,
    changed_at: Option<SqlTimestamp>,
}

impl TryFrom<DocumentRow> for StoredDocument {
    type Error = Error;

    fn try_from(row: DocumentRow) -> Result<Self, Error> {
        let place = Row::of("document", format!("{} {}", row.kind, row.name));
        let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == row.kind);
        Ok(Self {
            kind: place.given("kind", kind)?,
            name: place.name("name", &row.name)?,
            version: row.version.map(|version| place.number("version", version)).transpose()?,
            document: row.document,
            changed_by: row.changed_by,
            changed_at: row.changed_at.map(SqlTimestamp::to_jiff),
        })
    }
}

/// Stored documents by kind and name; none of either means all.
pub async fn list(
    conn: &mut PgConnection,
    kind: Option<Kind>,
    name: Option<&Name>,
) -> Result<Vec<StoredDocument>, Error> {
    let rows = sqlx::query_as!(
        DocumentRow,
        r#"select kind as "kind!", name as "name!", version, document as "document!", changed_by as "changed_by?",
            changed_at as "changed_at: SqlTimestamp"
         from (
            select 'Cluster' as kind, c.name, null::bigint as version, c.document, o.name as changed_by,
                c.document_at as changed_at
            from cluster c left join operator o on o.id = c.document_by where c.document is not null
            union all
            select 'MeshConfig', c.name, v.number, v.document, o.name, v.published_at
            from mesh_config c
            join config_version v on v.config = c.name and v.number = c.newest
            join operator o on o.id = v.published_by where c.deleted_at is null
            union all
            select 'RolloutStrategy', s.name, null, s.document, o.name, s.changed_at
            from rollout_strategy s join operator o on o.id = s.changed_by
            union all
            select 'DriftPolicy', p.name, null, p.document, o.name, p.changed_at
            from drift_policy p join operator o on o.id = p.changed_by) d
         where ($1::text is null or kind = $1) and ($2::text is null or name = $2)
         order by kind, name"#,
        kind.map(Kind::as_str),
        name.map(Name::as_str),
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("load documents"))?;
    rows.into_iter().map(StoredDocument::try_from).collect()
}

/// Notes who changed a Cluster document.
pub async fn sign_cluster(
    conn: &mut PgConnection,
    name: &Name,
    (by, at): (Uuid, Timestamp),
) -> Result<(), Error> {
    sqlx::query!(
        "update cluster set document_by = $2, document_at = $3 where name = $1",
        name.as_str(),
        by,
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("note who changed a Cluster document"))?;
    Ok(())
}

/// Forgets a cluster and everything that is known of it. What was rolled out to it is still told.
pub async fn forget_cluster(conn: &mut PgConnection, cluster: ClusterId) -> Result<(), Error> {
    sqlx::query!("delete from cluster where id = $1", cluster.0)
        .execute(conn)
        .await
        .map_err(Error::doing("forget a cluster"))?;
    Ok(())
}

/// Forgets a strategy; says whether there was one.
pub async fn forget_strategy(conn: &mut PgConnection, name: &Name) -> Result<bool, Error> {
    let done = sqlx::query!("delete from rollout_strategy where name = $1", name.as_str())
        .execute(conn)
        .await
        .map_err(Error::doing("delete a rollout strategy"))?;
    Ok(done.rows_affected() > 0)
}
