//! Drift as spokes report it.

use hub_core::{
    digest::Digest,
    drift::{Actor, DriftItem},
    fleet::{ClusterId, Name},
    plan::ObjectId,
};
use jiff::Timestamp;
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx};
use serde_json::Value;
use sqlx::PgConnection;

use super::{
    Error,
    column::{self, Row},
};

/// An open item, as people are shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenItem {
    /// In which cluster.
    pub cluster: Name,
    /// What differs.
    pub item: DriftItem,
    /// When the hub first stored it.
    pub first_seen_at: Timestamp,
}

/// What is known of a cluster's newest drift report without reading its items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The generation under which the spoke looked.
    pub generation: u64,
    /// Digest of all items.
    pub digest: Digest,
}

/// How many items are open, and what becomes of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Open {
    /// All that are open.
    pub items: usize,
    /// Of these, those that the spoke is about to put right.
    pub healing: usize,
    /// Of these, those that came back after each heal.
    pub fighting: usize,
}

/// What is known of the newest drift report.
pub async fn head(conn: &mut PgConnection, cluster: ClusterId) -> Result<Option<Head>, Error> {
    let row =
        sqlx::query!("select generation, items_digest from drift_report where cluster_id = $1", cluster.0)
            .fetch_optional(conn)
            .await
            .map_err(Error::doing("look at a drift report"))?;
    let place = Row::of("drift_report", cluster);
    row.map(|row| {
        Ok(Head {
            generation: place.number("generation", row.generation)?,
            digest: place.digest("items_digest", &row.items_digest)?,
        })
    })
    .transpose()
}

/// Stores that a spoke looked for drift, and how much it found.
pub async fn save_head(
    conn: &mut PgConnection,
    cluster: ClusterId,
    (head, open): (Head, Open),
    at: Timestamp,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into drift_report (cluster_id, generation, open_items, healing_items, fighting_items, items_digest,
            reported_at)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (cluster_id) do update set generation = excluded.generation, open_items = excluded.open_items,
            healing_items = excluded.healing_items, fighting_items = excluded.fighting_items,
            items_digest = excluded.items_digest, reported_at = excluded.reported_at",
        cluster.0,
        column::signed(head.generation),
        column::signed(open.items as u64),
        column::signed(open.healing as u64),
        column::signed(open.fighting as u64),
        column::bytes(&head.digest),
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("store a drift report"))?;
    Ok(())
}

struct ItemRow {
    id: i64,
    cluster: String,
    api_group: String,
    version: String,
    kind: String,
    namespace: String,
    name: String,
    uid: String,
    path: String,
    class: String,
    baseline: Option<String>,
    found: Option<String>,
    found_digest: Option<Vec<u8>>,
    actor: Option<Value>,
    state: String,
    heals: i64,
    first_seen_at: SqlTimestamp,
}

/// An open item with the number of its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedItem {
    /// Number of its row.
    pub row: i64,
    /// The item.
    pub open: OpenItem,
}

impl TryFrom<ItemRow> for NumberedItem {
    type Error = Error;

    fn try_from(row: ItemRow) -> Result<Self, Error> {
        let place = Row::of("drift_item", row.id);
        let actor = row.actor.map(|actor| place.json::<Actor>("actor", actor)).transpose()?;
        let item = DriftItem {
            class: place.word("class", &row.class)?,
            found_digest: place.maybe_digest("found_digest", row.found_digest.as_deref())?,
            id: ObjectId {
                group: row.api_group,
                version: row.version,
                kind: row.kind,
                namespace: row.namespace,
                name: row.name,
            },
            uid: row.uid,
            path: row.path,
            baseline: row.baseline,
            found: row.found,
            actor,
            state: place.word("state", &row.state)?,
            heals: u32::try_from(row.heals).map_err(|_| place.corrupt("heals"))?,
        };
        let cluster = place.name("cluster_id", &row.cluster)?;
        Ok(Self { row: row.id, open: OpenItem { cluster, item, first_seen_at: row.first_seen_at.to_jiff() } })
    }
}

/// Open items of one cluster, or of the fleet; by cluster, then object and path.
pub async fn open(conn: &mut PgConnection, cluster: Option<ClusterId>) -> Result<Vec<NumberedItem>, Error> {
    let rows = sqlx::query_as!(
        ItemRow,
        r#"select d.id, c.name as cluster, d.api_group, d.version, d.kind, d.namespace, d.name, d.uid, d.path, d.class,
            d.baseline, d.found, d.found_digest, d.actor, d.state, d.heals,
            d.first_seen_at as "first_seen_at: SqlTimestamp"
         from drift_item d join cluster c on c.id = d.cluster_id
         where d.resolved_at is null and ($1::uuid is null or d.cluster_id = $1)
         order by c.name, d.api_group, d.kind, d.namespace, d.name, d.path, d.class"#,
        cluster.map(|cluster| cluster.0)
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("load open drift"))?;
    rows.into_iter().map(NumberedItem::try_from).collect()
}

/// An open item of a cluster by its number.
pub async fn find(
    conn: &mut PgConnection,
    cluster: ClusterId,
    number: u64,
) -> Result<Option<NumberedItem>, Error> {
    let row = sqlx::query_as!(
        ItemRow,
        r#"select d.id, c.name as cluster, d.api_group, d.version, d.kind, d.namespace, d.name, d.uid, d.path, d.class,
            d.baseline, d.found, d.found_digest, d.actor, d.state, d.heals,
            d.first_seen_at as "first_seen_at: SqlTimestamp"
         from drift_item d join cluster c on c.id = d.cluster_id
         where d.id = $2 and d.cluster_id = $1 and d.resolved_at is null"#,
        cluster.0,
        column::signed(number),
    )
    .fetch_optional(conn)
    .await
    .map_err(Error::doing("load a difference"))?;
    row.map(NumberedItem::try_from).transpose()
}

/// Stores a new item.
pub async fn insert(
    conn: &mut PgConnection,
    cluster: ClusterId,
    (item, generation): (&DriftItem, u64),
    at: Timestamp,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into drift_item (cluster_id, api_group, version, kind, namespace, name, uid, path, class, baseline,
            found, found_digest, actor, state, heals, generation, first_seen_at, changed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17)",
        cluster.0,
        column::text(&item.id.group),
        column::text(&item.id.version),
        column::text(&item.id.kind),
        column::text(&item.id.namespace),
        column::text(&item.id.name),
        column::text(&item.uid),
        column::text(&item.path),
        column::word(&item.class),
        item.baseline.as_deref().map(column::text),
        item.found.as_deref().map(column::text),
        item.found_digest.as_ref().map(column::bytes),
        item.actor.as_ref().map(column::json),
        column::word(&item.state),
        i64::from(item.heals),
        column::signed(generation),
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("store drift"))?;
    Ok(())
}

/// Stores what an open item says now; since when it is known stays.
pub async fn update(
    conn: &mut PgConnection,
    row: i64,
    (item, generation): (&DriftItem, u64),
    at: Timestamp,
) -> Result<(), Error> {
    sqlx::query!(
        "update drift_item set version = $2, uid = $3, baseline = $4, found = $5, found_digest = $6, actor = $7,
            state = $8, heals = $9, generation = $10, changed_at = $11
         where id = $1",
        row,
        column::text(&item.id.version),
        column::text(&item.uid),
        item.baseline.as_deref().map(column::text),
        item.found.as_deref().map(column::text),
        item.found_digest.as_ref().map(column::bytes),
        item.actor.as_ref().map(column::json),
        column::word(&item.state),
        i64::from(item.heals),
        column::signed(generation),
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("store a change of drift"))?;
    Ok(())
}

/// Closes items that are not there any more.
pub async fn resolve(conn: &mut PgConnection, rows: &[i64], at: Timestamp) -> Result<(), Error> {
    sqlx::query!("update drift_item set resolved_at = $2 where id = any($1)", rows, at.to_sqlx() as _)
        .execute(conn)
        .await
        .map_err(Error::doing("resolve drift"))?;
    Ok(())
}
