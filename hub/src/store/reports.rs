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

/// Stores a report in place of the one before, without its objects. `digest` is that of everything it says.
pub async fn save(
    conn: &mut PgConnection,
    cluster: ClusterId,
    (report, digest): (&Report, Digest),
    at: Timestamp,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into report (cluster_id, generation, target, phase, message, completed, frozen, digest,
            reported_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (cluster_id) do update set generation = excluded.generation, target = excluded.target,
            phase = excluded.phase, message = excluded.message, completed = excluded.completed,
            frozen = excluded.frozen, digest = excluded.digest, reported_at = excluded.reported_at",
        cluster.0,
        column::signed(report.generation),
        column::bytes(&report.target),
        column::word(&report.phase),
        column::text(&report.message),
        column::signed(report.completed),
        report.frozen.as_deref().map(column::text),
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

/// Stores states of objects in place of those before, all in one statement. Each object is among them once.
pub async fn save_objects(
    conn: &mut PgConnection,
    cluster: ClusterId,
    states: &[&ObjectState],
) -> Result<(), Error> {
    if states.is_empty() {
        return Ok(());
    }
    let texts = |of: fn(&ObjectState) -> &str| -> Vec<String> {
        states.iter().map(|state| column::text(of(state))).collect()
    };
    let bodies: Vec<Option<&[u8]>> =
        states.iter().map(|state| state.body.as_ref().map(column::bytes)).collect();
    let roles: Vec<String> = states.iter().map(|state| column::word(&state.role)).collect();
    let outcomes: Vec<String> = states.iter().map(|state| column::word(&state.outcome)).collect();
    let healthy: Vec<bool> = states.iter().map(|state| state.healthy).collect();
    let generations: Vec<i64> = states.iter().map(|state| column::signed(state.generation)).collect();
    sqlx::query!(
        "insert into object_state (cluster_id, api_group, version, kind, namespace, name, role, uid, body, outcome,
            healthy, message, generation)
         select $1, n.api_group, n.version, n.kind, n.namespace, n.name, n.role, n.uid, n.body, n.outcome, n.healthy,
            n.message, n.generation
         from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bytea[],
            $10::text[], $11::boolean[], $12::text[], $13::bigint[]) as n (api_group, version, kind, namespace, name, role,
            uid, body, outcome, healthy, message, generation)
         on conflict (cluster_id, api_group, kind, namespace, name) do update set version = excluded.version,
            role = excluded.role, uid = excluded.uid, body = excluded.body, outcome = excluded.outcome,
            healthy = excluded.healthy, message = excluded.message, generation = excluded.generation",
        cluster.0,
        &texts(|state| &state.id.group),
        &texts(|state| &state.id.version),
        &texts(|state| &state.id.kind),
        &texts(|state| &state.id.namespace),
        &texts(|state| &state.id.name),
        &roles,
        &texts(|state| &state.uid),
        &bodies as _,
        &outcomes,
        &healthy,
        &texts(|state| &state.message),
        &generations,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("store the states of objects"))?;
    Ok(())
}

/// Forgets objects that their spoke reports no longer, all in one statement.
pub async fn forget_objects(
    conn: &mut PgConnection,
    cluster: ClusterId,
    ids: &[&ObjectId],
) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let texts = |of: fn(&ObjectId) -> &str| -> Vec<&str> { ids.iter().map(|id| of(id)).collect() };
    sqlx::query!(
        "delete from object_state o using unnest($2::text[], $3::text[], $4::text[], $5::text[])
            as n (api_group, kind, namespace, name)
         where o.cluster_id = $1 and o.api_group = n.api_group and o.kind = n.kind and o.namespace = n.namespace
            and o.name = n.name",
        cluster.0,
        &texts(|id| &id.group) as _,
        &texts(|id| &id.kind) as _,
        &texts(|id| &id.namespace) as _,
        &texts(|id| &id.name) as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("forget objects"))?;
    Ok(())
}
