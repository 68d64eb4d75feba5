//! Versions of mesh configs. Immutable: a change is a new number.

use hub_core::{
    config::{ConfigVersion, SourceMap},
    document::{self, Spec},
    fleet::Name,
};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
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
}

impl TryFrom<VersionRow> for ConfigVersion {
    type Error = Error;

    fn try_from(row: VersionRow) -> Result<Self, Error> {
        let place = Row::of("config_version", format!("{} {}", row.config, row.number));
        let config = match document::read_stored(&row.document) {
            Ok((_, Spec::MeshConfig(config))) => config,
            Ok((_, Spec::Cluster(_) | Spec::RolloutStrategy(_))) | Err(_) => {
                return Err(place.corrupt("document"));
            }
        };
        Ok(Self {
            name: place.name("config", &row.config)?,
            number: place.number("number", row.number)?,
            config,
            source: SourceMap::default(),
        })
    }
}

/// The newest version of every config, by name.
pub async fn newest(conn: &mut PgConnection) -> Result<Vec<ConfigVersion>, Error> {
    let rows = sqlx::query_as!(
        VersionRow,
        "select v.config, v.number, v.document
         from mesh_config c join config_version v on v.config = c.name and v.number = c.newest order by c.name"
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("load the mesh configs"))?;
    rows.into_iter().map(ConfigVersion::try_from).collect()
}

/// One version of a config.
pub async fn find(conn: &mut PgConnection, name: &Name, number: u64) -> Result<Option<ConfigVersion>, Error> {
    let row = sqlx::query_as!(
        VersionRow,
        "select config, number, document from config_version where config = $1 and number = $2",
        name.as_str(),
        column::signed(number),
    )
    .fetch_optional(conn)
    .await
    .map_err(Error::doing("load a version of a mesh config"))?;
    row.map(ConfigVersion::try_from).transpose()
}

/// Number of the newest version of a config.
pub async fn newest_number(conn: &mut PgConnection, name: &Name) -> Result<Option<u64>, Error> {
    let number = sqlx::query_scalar!("select newest from mesh_config where name = $1", name.as_str())
        .fetch_optional(conn)
        .await
        .map_err(Error::doing("look for a mesh config"))?;
    number.map(|number| Row::of("mesh_config", name).number("newest", number)).transpose()
}

/// Number and document of the newest version; the config is locked until the transaction ends.
pub async fn lock(conn: &mut PgConnection, name: &Name) -> Result<Option<(u64, Vec<u8>)>, Error> {
    let row = sqlx::query!(
        "select v.number, v.document from mesh_config c
         join config_version v on v.config = c.name and v.number = c.newest
         where c.name = $1 for update of c",
        name.as_str()
    )
    .fetch_optional(conn)
    .await
    .map_err(Error::doing("lock a mesh config"))?;
    row.map(|row| Ok((Row::of("config_version", name).number("number", row.number)?, row.document)))
        .transpose()
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
    /// Who publishes it.
    pub by: Uuid,
    /// When.
    pub at: Timestamp,
}

/// Publishes the version after the one that was seen. None if somebody else was quicker.
pub async fn publish(conn: &mut PgConnection, publish: &Publish<'_>) -> Result<Option<u64>, Error> {
    let number = sqlx::query_scalar!(
        "insert into mesh_config as c (name, newest) values ($1, 1)
         on conflict (name) do update set newest = c.newest + 1 where c.newest = $2
         returning newest",
        publish.name.as_str(),
        column::signed(publish.seen),
    )
    .fetch_optional(&mut *conn)
    .await
    .map_err(Error::doing("count a version of a mesh config"))?;
    let Some(number) = number else { return Ok(None) };
    sqlx::query!(
        "insert into config_version (config, number, document, published_by, published_at) values ($1, $2, $3, $4, $5)",
        publish.name.as_str(),
        number,
        publish.document,
        publish.by,
        publish.at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("publish a version of a mesh config"))?;
    Row::of("mesh_config", publish.name).number("newest", number).map(Some)
}
