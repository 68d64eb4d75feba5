//! Heals: what the journals of spokes say, and what people wished.

use std::collections::BTreeMap;

use hub_core::{
    drift::{HealAnswer, HealEntry, HealRequest},
    fleet::{ClusterId, Name},
    plan::ObjectId,
};
use jiff::Timestamp;
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Error,
    column::{self, Row},
};

/// Stores entries of a cluster's journal, all in one statement, and says how many were news. An entry is news twice: when
/// it comes, and when it says what came of it.
pub async fn save(
    conn: &mut PgConnection,
    cluster: ClusterId,
    entries: &[HealEntry],
    at: Timestamp,
) -> Result<u64, Error> {
    if entries.is_empty() {
        return Ok(0);
    }
    // The last of two that are the same entry counts, as if they were stored one after the other.
    let newest: BTreeMap<_, _> = entries.iter().map(|entry| ((entry.number, entry.at), entry)).collect();
    let entries: Vec<&HealEntry> = newest.into_values().collect();
    let texts = |of: fn(&HealEntry) -> &str| -> Vec<String> {
        entries.iter().map(|entry| column::text(of(entry))).collect()
    };
    let values = |of: fn(&HealEntry) -> Option<&str>| -> Vec<Option<String>> {
        entries.iter().map(|entry| of(entry).map(column::text)).collect()
    };
    let numbers: Vec<i64> = entries.iter().map(|entry| column::signed(entry.number)).collect();
    let classes: Vec<String> = entries.iter().map(|entry| column::word(&entry.class)).collect();
    let asked_by: Vec<Option<Uuid>> = entries.iter().map(|entry| entry.asked_by).collect();
    let times: Vec<SqlTimestamp> = entries.iter().map(|entry| entry.at.to_sqlx()).collect();
    let results: Vec<String> = entries.iter().map(|entry| column::word(&entry.result)).collect();
    let done = sqlx::query!(
        "insert into drift_heal as h (cluster_id, number, api_group, version, kind, namespace, name, uid, path, class,
            baseline, found, manager, operation, asked_by, at, result, message, stored_at)
         select $1, n.number, n.api_group, n.version, n.kind, n.namespace, n.name, n.uid, n.path, n.class, n.baseline,
            n.found, n.manager, n.operation, n.asked_by, n.at, n.result, n.message, $19
         from unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
            $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::uuid[], $16::timestamptz[],
            $17::text[], $18::text[]) as n (number, api_group, version, kind, namespace, name, uid, path, class,
            baseline, found, manager, operation, asked_by, at, result, message)
         order by n.number, n.at
         on conflict (cluster_id, number, at) do update set result = excluded.result, message = excluded.message,
            stored_at = excluded.stored_at
         where h.result = 'Begun' and excluded.result <> 'Begun'",
        cluster.0,
        &numbers,
        &texts(|entry| &entry.id.group),
        &texts(|entry| &entry.id.version),
        &texts(|entry| &entry.id.kind),
        &texts(|entry| &entry.id.namespace),
        &texts(|entry| &entry.id.name),
        &texts(|entry| &entry.uid),
        &texts(|entry| &entry.path),
        &classes,
        &values(|entry| entry.baseline.as_deref()) as _,
        &values(|entry| entry.found.as_deref()) as _,
        &texts(|entry| &entry.manager),
        &texts(|entry| &entry.operation),
        &asked_by as _,
        &times as _,
        &results,
        &texts(|entry| &entry.message),
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("store heals"))?;
    Ok(done.rows_affected())
}

/// A heal, as people are shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHeal {
    /// In which cluster.
    pub cluster: Name,
    /// What was done.
    pub entry: HealEntry,
    /// Who wished it, and why; none if a policy asked for it.
    pub wished: Option<Wished>,
}

/// Who wished a heal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wished {
    /// Name of the operator.
    pub by: String,
    /// In his words; may be empty.
    pub reason: String,
}

struct HealRow {
    id: i64,
    cluster: String,
    number: i64,
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
    manager: String,
    operation: String,
    asked_by: Option<Uuid>,
    at: SqlTimestamp,
    result: String,
    message: String,
    operator: Option<String>,
    reason: Option<String>,
}

impl TryFrom<HealRow> for StoredHeal {
    type Error = Error;

    fn try_from(row: HealRow) -> Result<Self, Error> {
        let place = Row::of("drift_heal", row.id);
        let entry = HealEntry {
            number: place.number("number", row.number)?,
            class: place.word("class", &row.class)?,
            result: place.word("result", &row.result)?,
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
            manager: row.manager,
            operation: row.operation,
            asked_by: row.asked_by,
            at: row.at.to_jiff(),
            message: row.message,
        };
        let wished = row.operator.map(|by| Wished { by, reason: row.reason.unwrap_or_default() });
        Ok(Self { cluster: place.name("cluster_id", &row.cluster)?, entry, wished })
    }
}

/// The newest heals since a time, of one cluster or of the fleet, newest first.
pub async fn lately(
    conn: &mut PgConnection,
    cluster: Option<ClusterId>,
    since: Timestamp,
    most: u32,
) -> Result<Vec<StoredHeal>, Error> {
    let rows = sqlx::query_as!(
        HealRow,
        r#"select h.id, c.name as cluster, h.number, h.api_group, h.version, h.kind, h.namespace, h.name, h.uid, h.path,
            h.class, h.baseline, h.found, h.manager, h.operation, h.asked_by, h.at as "at: SqlTimestamp", h.result,
            h.message, o.name as "operator?", r.reason as "reason?"
         from drift_heal h
         join cluster c on c.id = h.cluster_id
         left join heal_request r on r.id = h.asked_by and r.cluster_id = h.cluster_id
         left join operator o on o.id = r.asked_by
         where h.at > $2 and ($1::uuid is null or h.cluster_id = $1)
         order by h.at desc, h.id desc limit $3"#,
        cluster.map(|cluster| cluster.0),
        since.to_sqlx() as _,
        i64::from(most),
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("load heals"))?;
    rows.into_iter().map(StoredHeal::try_from).collect()
}

/// A wish that is to be stored.
#[derive(Debug, Clone, Copy)]
pub struct NewRequest<'a> {
    /// The cluster.
    pub cluster: ClusterId,
    /// Number of the difference.
    pub item: i64,
    /// The wish.
    pub request: &'a HealRequest,
    /// Why, in the person's words; may be empty.
    pub reason: &'a str,
    /// Who.
    pub by: Uuid,
}

/// Stores a wish.
pub async fn ask(conn: &mut PgConnection, new: NewRequest<'_>, at: Timestamp) -> Result<(), Error> {
    sqlx::query!(
        "insert into heal_request (id, cluster_id, item, question, dry_run, reason, asked_by, asked_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        new.request.id,
        new.cluster.0,
        new.item,
        column::json(&new.request.question),
        new.request.dry_run,
        column::text(new.reason),
        new.by,
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("store what a person wishes to be healed"))?;
    Ok(())
}

/// Stores what a spoke says to a wish about its own cluster; says whether nobody had answered that so far, and whether it
/// was only asked what would be done.
pub async fn answer(
    conn: &mut PgConnection,
    cluster: ClusterId,
    (id, answer): (Uuid, &HealAnswer),
    at: Timestamp,
) -> Result<Option<Answered>, Error> {
    let row = sqlx::query!(
        "update heal_request set result = $3, answer = $4, answered_at = $5
         where cluster_id = $1 and id = $2 and answered_at is null
         returning dry_run, (select name from cluster where id = $1) as cluster",
        cluster.0,
        id,
        column::word(&answer.result),
        column::json(answer),
        at.to_sqlx() as _,
    )
    .fetch_optional(conn)
    .await
    .map_err(Error::doing("store what came of a wish"))?;
    row.map(|row| {
        let place = Row::of("heal_request", id);
        let name = place.given("cluster_id", row.cluster)?;
        Ok(Answered { cluster: place.name("cluster_id", &name)?, dry_run: row.dry_run })
    })
    .transpose()
}

/// A wish that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The cluster.
    pub cluster: Name,
    /// Whether only what would be done was asked.
    pub dry_run: bool,
}

/// What came of a wish; none so far.
pub async fn find_answer(conn: &mut PgConnection, id: Uuid) -> Result<Option<HealAnswer>, Error> {
    let answer = sqlx::query_scalar!("select answer from heal_request where id = $1", id)
        .fetch_optional(conn)
        .await
        .map_err(Error::doing("look what came of a wish"))?;
    answer.flatten().map(|answer| Row::of("heal_request", id).json("answer", answer)).transpose()
}

/// Takes a wish back that nobody answered: it is not told any more. Says whether it could be.
pub async fn withdraw(conn: &mut PgConnection, id: Uuid, at: Timestamp) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update heal_request set withdrawn_at = $2 where id = $1 and answered_at is null and withdrawn_at is null",
        id,
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("take back what a person wished"))?;
    Ok(done.rows_affected() > 0)
}
