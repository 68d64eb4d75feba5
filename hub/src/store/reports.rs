//! Reports of spokes on their targets.

use std::collections::BTreeMap;

use hub_core::{
    digest::Digest,
    fleet::ClusterId,
    plan::ObjectId,
    report::{ObjectState, Report},
};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Error,
    column::{self, Row},
};

/// What is known of a cluster's newest report without reading its objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Generation it is of.
    pub generation: u64,
    /// Digest of everything that it says.
    pub digest: Digest,
}

/// What is known of the newest report.
pub async fn head(conn: &mut PgConnection, cluster: ClusterId) -> Result<Option<Head>, Error> {
    let row = sqlx::query!("select generation, digest from report where cluster_id = $1", cluster.0)
        .fetch_optional(conn)
        .await
        .map_err(Error::doing("look at a report"))?;
    let place = Row::of("report", cluster);
    row.map(|row| {
        Ok(Head {
            generation: place.number("generation", row.generation)?,
            digest: place.digest("digest", &row.digest)?,
        })
    })
    .transpose()
}

/// Stores a report in place of the one before, without its objects. `digest` is that of everything it says.
pub async fn save(
    conn: &mut PgConnection,
    cluster: ClusterId,
    (report, digest): (&Report, Digest),
    at: Timestamp,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into report (cluster_id, generation, target, phase, message, completed, digest, reported_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (cluster_id) do update set generation = excluded.generation, target = excluded.target,
            phase = excluded.phase, message = excluded.message, completed = excluded.completed,
            digest = excluded.digest, reported_at = excluded.reported_at",
        cluster.0,
        column::signed(report.generation),
        column::bytes(&report.target),
        column::word(&report.phase),
        column::text(&report.message),
        column::signed(report.completed),
        column::bytes(&digest),
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("store a report"))?;
    Ok(())
}

struct ObjectRow {
    cluster_id: Uuid,
    api_group: String,
    version: String,
    kind: String,
    namespace: String,
    name: String,
    role: String,
    uid: String,
    body: Option<Vec<u8>>,
    outcome: String,
    healthy: bool,
    message: String,
    generation: i64,
}

impl TryFrom<ObjectRow> for ObjectState {
    type Error = Error;

    fn try_from(row: ObjectRow) -> Result<Self, Error> {
        let place = Row::of("object_state", format!("{} {}/{}", row.cluster_id, row.kind, row.name));
        Ok(Self {
            role: place.word("role", &row.role)?,
            body: place.maybe_digest("body", row.body.as_deref())?,
            outcome: place.word("outcome", &row.outcome)?,
            generation: place.number("generation", row.generation)?,
            id: ObjectId {
                group: row.api_group,
                version: row.version,
                kind: row.kind,
                namespace: row.namespace,
                name: row.name,
            },
            uid: row.uid,
            healthy: row.healthy,
            message: row.message,
        })
    }
}

/// The objects of a cluster as its spoke last reported them.
pub async fn objects(conn: &mut PgConnection, cluster: ClusterId) -> Result<Vec<ObjectState>, Error> {
    let rows = sqlx::query_as!(
        ObjectRow,
        "select cluster_id, api_group, version, kind, namespace, name, role, uid, body, outcome, healthy, message,
            generation
         from object_state where cluster_id = $1 order by api_group, kind, namespace, name",
        cluster.0
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("load the objects of a cluster"))?;
    rows.into_iter().map(ObjectState::try_from).collect()
}

/// The objects of some clusters as their spokes last reported them, or why they cannot be read.
pub async fn objects_of(
    conn: &mut PgConnection,
    clusters: &[ClusterId],
) -> Result<BTreeMap<ClusterId, Result<Vec<ObjectState>, Error>>, Error> {
    let ids: Vec<Uuid> = clusters.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        ObjectRow,
        "select cluster_id, api_group, version, kind, namespace, name, role, uid, body, outcome, healthy, message,
            generation
         from object_state where cluster_id = any($1) order by cluster_id, api_group, kind, namespace, name",
        &ids
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("load the objects of clusters"))?;
    Ok(by_cluster(rows))
}

/// The objects of some clusters that cannot come to be as planned or cannot be deleted yet, or why they cannot be read.
pub async fn failed_objects(
    conn: &mut PgConnection,
    clusters: &[ClusterId],
) -> Result<BTreeMap<ClusterId, Result<Vec<ObjectState>, Error>>, Error> {
    let ids: Vec<Uuid> = clusters.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        ObjectRow,
        "select cluster_id, api_group, version, kind, namespace, name, role, uid, body, outcome, healthy, message,
            generation
         from object_state
         where cluster_id = any($1) and outcome in ('Conflict', 'AdoptionRequired', 'Rejected', 'InUse')
         order by cluster_id, api_group, kind, namespace, name",
        &ids
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("load objects that failed"))?;
    Ok(by_cluster(rows))
}

fn by_cluster(rows: Vec<ObjectRow>) -> BTreeMap<ClusterId, Result<Vec<ObjectState>, Error>> {
    let mut read: BTreeMap<ClusterId, Result<Vec<ObjectState>, Error>> = BTreeMap::new();
    for row in rows {
        let of_cluster = read.entry(ClusterId(row.cluster_id)).or_insert_with(|| Ok(Vec::new()));
        match (ObjectState::try_from(row), &mut *of_cluster) {
            (Ok(state), Ok(states)) => states.push(state),
            (Err(error), _) => *of_cluster = Err(error),
            (Ok(_), Err(_)) => {}
        }
    }
    read
}

/// Stores one object's state in place of the one before.
pub async fn save_object(
    conn: &mut PgConnection,
    cluster: ClusterId,
    state: &ObjectState,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into object_state (cluster_id, api_group, version, kind, namespace, name, role, uid, body, outcome,
            healthy, message, generation)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         on conflict (cluster_id, api_group, kind, namespace, name) do update set version = excluded.version,
            role = excluded.role, uid = excluded.uid, body = excluded.body, outcome = excluded.outcome,
            healthy = excluded.healthy, message = excluded.message, generation = excluded.generation",
        cluster.0,
        column::text(&state.id.group),
        column::text(&state.id.version),
        column::text(&state.id.kind),
        column::text(&state.id.namespace),
        column::text(&state.id.name),
        column::word(&state.role),
        column::text(&state.uid),
        state.body.as_ref().map(column::bytes),
        column::word(&state.outcome),
        state.healthy,
        column::text(&state.message),
        column::signed(state.generation),
    )
    .execute(conn)
    .await
    .map_err(Error::doing("store the state of an object"))?;
    Ok(())
}

/// Forgets an object that its spoke reports no longer.
pub async fn forget_object(conn: &mut PgConnection, cluster: ClusterId, id: &ObjectId) -> Result<(), Error> {
    sqlx::query!(
        "delete from object_state
         where cluster_id = $1 and api_group = $2 and kind = $3 and namespace = $4 and name = $5",
        cluster.0,
        id.group,
        id.kind,
        id.namespace,
        id.name,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("forget an object"))?;
    Ok(())
}
