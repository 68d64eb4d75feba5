//! Versions of mesh configs. Immutable: a change is a new number.

use hub_core::{
    config::{ConfigVersion, SourceMap},
    document::{self, Spec},
    fleet::Name,
};
use jiff::Timestamp;
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx};
use serde_json::{Map, Value};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Error,
    column::{self, Row},
};

struct VersionRow {
    config: String,
    number: i64,
    document: Vec<u8>,
    source: Value,
}

impl TryFrom<VersionRow> for ConfigVersion {
    type Error = Error;

    fn try_from(row: VersionRow) -> Result<Self, Error> {
        let place = Row::of("config_version", format!("{} {}", row.config, row.number));
        let config = match document::read_stored(&row.document) {
            Ok((_, Spec::MeshConfig(config))) => config,
            Ok((_, Spec::Cluster(_) | Spec::RolloutStrategy(_) | Spec::DriftPolicy(_))) | Err(_) => {
                return Err(place.corrupt("document"));
            }
        };
        Ok(Self {
            name: place.name("config", &row.config)?,
            number: place.number("number", row.number)?,
            config,
            source: source(&place, row.source)?,
        })
    }
}

/// An empty object means that the lines are not known.
fn source(place: &Row, source: Value) -> Result<SourceMap, Error> {
    if source.as_object().is_some_and(Map::is_empty) {
        return Ok(SourceMap::default());
    }
    place.json("source", source)
}

/// The newest version of every config, by name.
pub async fn newest(conn: &mut PgConnection) -> Result<Vec<ConfigVersion>, Error> {
    let rows = sqlx::query_as!(
        VersionRow,
        "select v.config, v.number, v.document, v.source
         from mesh_config c join config_version v on v.config = c.name and v.number = c.newest
         where c.deleted_at is null order by c.name"
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("load the mesh configs"))?;
    rows.into_iter().map(ConfigVersion::try_from).collect()
}

/// One version of a config, also of one that was deleted: rollouts refer to it.
pub async fn find(conn: &mut PgConnection, name: &Name, number: u64) -> Result<Option<ConfigVersion>, Error> {
    let row = sqlx::query_as!(
        VersionRow,
        "select config, number, document, source from config_version where config = $1 and number = $2",
        name.as_str(),
        column::signed(number),
    )
    .fetch_optional(conn)
    .await
    .map_err(Error::doing("load a version of a mesh config"))?;
    row.map(ConfigVersion::try_from).transpose()
}

/// Number of the newest version of a config; none if there is none or it was deleted.
pub async fn newest_number(conn: &mut PgConnection, name: &Name) -> Result<Option<u64>, Error> {
    let number = sqlx::query_scalar!(
        "select newest from mesh_config where name = $1 and deleted_at is null",
        name.as_str()
    )
    .fetch_optional(conn)
    .await
    .map_err(Error::doing("look for a mesh config"))?;
    number.map(|number| Row::of("mesh_config", name).number("newest", number)).transpose()
}

/// The last number that a config's name has used, also of one that was deleted; 0 if none.
pub async fn last_number(conn: &mut PgConnection, name: &Name) -> Result<u64, Error> {
    let number = sqlx::query_scalar!("select newest from mesh_config where name = $1", name.as_str())
        .fetch_optional(conn)
        .await
        .map_err(Error::doing("look for a mesh config"))?;
    Row::of("mesh_config", name).number("newest", number.unwrap_or(0))
}

/// The newest version as it stands in the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// Its number.
    pub number: u64,
    /// Its document.
    pub document: Vec<u8>,
    /// Whether the config was deleted.
    pub is_deleted: bool,
}

/// The newest version; until the transaction ends, nobody else publishes one.
pub async fn lock(conn: &mut PgConnection, name: &Name) -> Result<Option<Locked>, Error> {
    let row = sqlx::query!(
        r#"select v.number, v.document, c.deleted_at is not null as "is_deleted!" from mesh_config c
         join config_version v on v.config = c.name and v.number = c.newest
         where c.name = $1 for no key update of c"#,
        name.as_str()
    )
    .fetch_optional(conn)
    .await
    .map_err(Error::doing("lock a mesh config"))?;
    let Some(row) = row else { return Ok(None) };
    let number = Row::of("config_version", name).number("number", row.number)?;
    Ok(Some(Locked { number, document: row.document, is_deleted: row.is_deleted }))
}

/// Whether the config is there; until the transaction ends it cannot be deleted, but published anew.
pub async fn hold(conn: &mut PgConnection, name: &Name) -> Result<bool, Error> {
    let found = sqlx::query_scalar!(
        "select name from mesh_config where name = $1 and deleted_at is null for key share",
        name.as_str()
    )
    .fetch_optional(conn)
    .await
    .map_err(Error::doing("hold a mesh config"))?;
    Ok(found.is_some())
}

/// Whether the config is there; until the transaction ends nobody else [holds](hold) it or publishes it.
pub async fn lock_to_delete(conn: &mut PgConnection, name: &Name) -> Result<bool, Error> {
    let found = sqlx::query_scalar!(
        "select name from mesh_config where name = $1 and deleted_at is null for update",
        name.as_str()
    )
    .fetch_optional(conn)
    .await
    .map_err(Error::doing("lock a mesh config"))?;
    Ok(found.is_some())
}

/// Lets nobody see the config any more. Its versions stay.
pub async fn delete(conn: &mut PgConnection, name: &Name, at: Timestamp) -> Result<(), Error> {
    sqlx::query!(
        "update mesh_config set deleted_at = $2 where name = $1 and deleted_at is null",
        name.as_str(),
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("delete a mesh config"))?;
    Ok(())
}

/// A version of a config with its text, and who published it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The version.
    pub version: ConfigVersion,
    /// Canonical JSON of its document.
    pub document: Vec<u8>,
    /// Name of who published it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// All versions of a config, newest first; none if there is no such config.
pub async fn versions(conn: &mut PgConnection, name: &Name) -> Result<Vec<Published>, Error> {
    let rows = sqlx::query!(
        r#"select v.config, v.number, v.document, v.source, o.name as by, v.published_at as "at: SqlTimestamp"
         from config_version v join mesh_config c on c.name = v.config join operator o on o.id = v.published_by
         where v.config = $1 and c.deleted_at is null order by v.number desc"#,
        name.as_str()
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("load the versions of a mesh config"))?;
    let published = rows.into_iter().map(|row| {
        let document = row.document.clone();
        let version =
            VersionRow { config: row.config, number: row.number, document: row.document, source: row.source };
        Ok(Published { version: version.try_into()?, document, by: row.by, at: row.at.to_jiff() })
    });
    published.collect()
}

/// Who published a version, by name, and when.
pub async fn publisher(
    conn: &mut PgConnection,
    name: &Name,
    number: u64,
) -> Result<(String, Timestamp), Error> {
    let row = sqlx::query!(
        r#"select o.name as by, v.published_at as "at: SqlTimestamp"
         from config_version v join operator o on o.id = v.published_by where v.config = $1 and v.number = $2"#,
        name.as_str(),
        column::signed(number),
    )
    .fetch_one(conn)
    .await
    .map_err(Error::doing("look who published a version"))?;
    Ok((row.by, row.at.to_jiff()))
}

/// A version to be published.
#[derive(Debug, Clone, Copy)]
pub struct Publish<'a> {
    /// The config.
    pub name: &'a Name,
    /// The newest number that was seen; 0 for a new config.
    pub seen: u64,
    /// Canonical JSON of the document.
    pub document: &'a [u8],
    /// Where in its file it says so.
    pub source: &'a SourceMap,
    /// Who publishes it.
    pub by: Uuid,
    /// When.
    pub at: Timestamp,
}

/// Publishes the version after the one that was seen; a deleted config comes back by it. None if somebody else was
/// quicker.
pub async fn publish(conn: &mut PgConnection, publish: &Publish<'_>) -> Result<Option<u64>, Error> {
    let number = sqlx::query_scalar!(
        "insert into mesh_config as c (name, newest) values ($1, 1)
         on conflict (name) do update set newest = c.newest + 1, deleted_at = null where c.newest = $2
         returning newest",
        publish.name.as_str(),
        column::signed(publish.seen),
    )
    .fetch_optional(&mut *conn)
    .await
    .map_err(Error::doing("count a version of a mesh config"))?;
    let Some(number) = number else { return Ok(None) };
    sqlx::query!(
        "insert into config_version (config, number, document, source, published_by, published_at)
         values ($1, $2, $3, $4, $5, $6)",
        publish.name.as_str(),
        number,
        publish.document,
        column::json(publish.source),
        publish.by,
        publish.at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("publish a version of a mesh config"))?;
    Row::of("mesh_config", publish.name).number("newest", number).map(Some)
}
