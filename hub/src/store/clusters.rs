//! Clusters.

use std::collections::BTreeMap;

use hub_core::{
    digest::Digest,
    fleet::{
        Cluster, ClusterId, Facts, Name, Schemas, Selector,
        keys::{Current, Life, Membership},
    },
    platform::PlatformName,
};
use jiff::Timestamp;
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Error, Readable,
    column::{self, Row},
};

/// Whether a cluster joined the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClusterState {
    /// Known by name only.
    Invited,
    /// Its spoke enrolled.
    Active,
    /// Its membership was ended: it is not planned for, and its spoke is refused.
    Detached,
}

/// A cluster as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCluster {
    /// The cluster, with its facts.
    pub cluster: Cluster,
    /// Whether it joined.
    pub state: ClusterState,
    /// Rises with every change of its document or facts.
    pub revision: u64,
    /// Canonical JSON of its document; none if it was only enrolled.
    pub document: Option<Vec<u8>>,
}

struct ClusterRow {
    id: Uuid,
    name: String,
    state: String,
    labels: Value,
    declared_platform: Option<String>,
    network: Option<String>,
    variables: Value,
    document: Option<Vec<u8>>,
    facts: Option<Value>,
    revision: i64,
}

impl TryFrom<ClusterRow> for StoredCluster {
    type Error = Error;

    fn try_from(row: ClusterRow) -> Result<Self, Error> {
        let place = Row::of("cluster", row.id);
        let declared = row.declared_platform.as_deref().map(PlatformName::parse).transpose();
        Ok(Self {
            cluster: Cluster {
                id: ClusterId(row.id),
                name: place.name("name", &row.name)?,
                labels: place.json("labels", row.labels)?,
                declared: declared.map_err(|_| place.corrupt("declared_platform"))?,
                network: row.network.map(|network| place.name("network", &network)).transpose()?,
                variables: place.json("variables", row.variables)?,
                facts: row.facts.map(|facts| place.json("facts", facts)).transpose()?,
                schemas: Schemas::default(),
            },
            state: place.word("state", &row.state)?,
            revision: place.number("revision", row.revision)?,
            document: row.document,
        })
    }
}

/// All clusters, by name, with their facts.
pub async fn list(conn: &mut PgConnection) -> Result<Readable<StoredCluster>, Error> {
    let rows = sqlx::query_as!(
        ClusterRow,
        "select id, name, state, labels, declared_platform, network, variables, document, facts, revision
         from cluster order by name"
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("load the clusters"))?;
    Ok(rows.into_iter().map(StoredCluster::try_from).collect())
}

/// Clusters that are not detached, by name, with their facts: all that a selector may choose, and few besides. Which it
/// does choose is the selector's to say; here those are left out whose name or labels cannot be meant.
pub async fn narrowed(
    conn: &mut PgConnection,
    selector: &Selector,
) -> Result<Readable<StoredCluster>, Error> {
    let names: Vec<&str> = selector.names.iter().map(Name::as_str).collect();
    let rows = sqlx::query_as!(
        ClusterRow,
        "select id, name, state, labels, declared_platform, network, variables, document, facts, revision
         from cluster where state <> 'Detached' and (cardinality($1::text[]) = 0 or name = any($1)) and labels @> $2
         order by name",
        &names as _,
        column::json(&selector.match_labels),
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("load the clusters that a selector may choose"))?;
    Ok(rows.into_iter().map(StoredCluster::try_from).collect())
}

/// Some clusters, by name, with their facts.
pub async fn load(conn: &mut PgConnection, ids: &[ClusterId]) -> Result<Readable<StoredCluster>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        ClusterRow,
        "select id, name, state, labels, declared_platform, network, variables, document, facts, revision
         from cluster where id = any($1) order by name",
        &ids
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("load clusters"))?;
    Ok(rows.into_iter().map(StoredCluster::try_from).collect())
}

/// The cluster of this name, with its facts.
pub async fn find(conn: &mut PgConnection, name: &Name) -> Result<Option<StoredCluster>, Error> {
    let row = sqlx::query_as!(
        ClusterRow,
        "select id, name, state, labels, declared_platform, network, variables, document, facts, revision
         from cluster where name = $1",
        name.as_str()
    )
    .fetch_optional(conn)
    .await
    .map_err(Error::doing("load a cluster"))?;
    row.map(StoredCluster::try_from).transpose()
}

/// Lets nobody else store what a cluster's spoke says until the transaction ends: sessions of one cluster may meet, of
/// two hubs even, and the rows that they look at before they write may not be there yet.
pub async fn lock(conn: &mut PgConnection, id: ClusterId) -> Result<(), Error> {
    sqlx::query!("select id from cluster where id = $1 for no key update", id.0)
        .fetch_optional(conn)
        .await
        .map_err(Error::doing("lock a cluster"))?;
    Ok(())
}

/// How a cluster stands whose spoke attaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attaching {
    /// Its name.
    pub name: Name,
    /// The hash of the key it goes by.
    pub public_key: Digest,
    /// The enrolment that this is of.
    pub enrolment: u64,
    /// Whether what its spoke says of it, uid or facts, is news.
    pub changed: bool,
}

/// How a cluster stands whose spoke says this of it, locked as by [`lock`]; none if no spoke of it may attach.
pub async fn lock_attaching(
    conn: &mut PgConnection,
    id: ClusterId,
    (kube_system_uid, facts): (&str, &Facts),
) -> Result<Option<Attaching>, Error> {
    let row = sqlx::query!(
        r#"select name, public_key_hash as "key?", enrolment,
            (kube_system_uid is distinct from $2 or facts is distinct from $3) as "changed!"
         from cluster where id = $1 for no key update"#,
        id.0,
        column::text(kube_system_uid),
        column::json(facts),
    )
    .fetch_optional(conn)
    .await
    .map_err(Error::doing("lock the cluster of a spoke that attaches"))?;
    let place = Row::of("cluster", id);
    let Some((row, key)) = row.and_then(|mut row| row.key.take().map(|key| (row, key))) else {
        return Ok(None);
    };
    Ok(Some(Attaching {
        name: place.name("name", &row.name)?,
        public_key: place.digest("public_key_hash", &key)?,
        enrolment: place.number("enrolment", row.enrolment)?,
        changed: row.changed,
    }))
}

/// The cluster of this name; its row is locked until the transaction ends.
pub async fn lock_named(conn: &mut PgConnection, name: &Name) -> Result<Option<StoredCluster>, Error> {
    let row = sqlx::query_as!(
        ClusterRow,
        "select id, name, state, labels, declared_platform, network, variables, document, facts, revision
         from cluster where name = $1 for update",
        name.as_str()
    )
    .fetch_optional(conn)
    .await
    .map_err(Error::doing("load a cluster"))?;
    row.map(StoredCluster::try_from).transpose()
}

/// How some clusters stand; until the transaction ends they are neither detached nor forgotten. They are locked by name,
/// as documents are.
pub async fn hold(
    conn: &mut PgConnection,
    ids: &[ClusterId],
) -> Result<BTreeMap<ClusterId, ClusterState>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows =
        sqlx::query!("select id, state from cluster where id = any($1) order by name for key share", &ids)
            .fetch_all(conn)
            .await
            .map_err(Error::doing("hold clusters in the fleet"))?;
    let read = |id: Uuid, state: &str| Row::of("cluster", id).word("state", state);
    rows.iter().map(|row| Ok((ClusterId(row.id), read(row.id, &row.state)?))).collect()
}

/// A cluster's identity by its name.
pub async fn find_named(conn: &mut PgConnection, name: &Name) -> Result<Option<ClusterId>, Error> {
    let id = sqlx::query_scalar!("select id from cluster where name = $1", name.as_str())
        .fetch_optional(conn)
        .await
        .map_err(Error::doing("look for a cluster"))?;
    Ok(id.map(ClusterId))
}

/// A cluster without its facts: what decides whether something must be planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Its name and labels; without facts.
    pub cluster: Cluster,
    /// Rises with every change of its document or facts.
    pub revision: u64,
}

/// All clusters by name that are not detached, without facts.
pub async fn outlines(conn: &mut PgConnection) -> Result<Readable<Outline>, Error> {
    let rows = sqlx::query_as!(
        ClusterRow,
        r#"select id, name, state, labels, declared_platform, network, variables, null::bytea as document,
            null::jsonb as facts, revision
         from cluster where state <> 'Detached' order by name"#
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("look at the clusters"))?;
    let outlines = rows.into_iter().map(|row| {
        let stored = StoredCluster::try_from(row)?;
        Ok(Outline { cluster: stored.cluster, revision: stored.revision })
    });
    Ok(outlines.collect())
}

/// Makes a cluster that is known by name only, unless it is there; returns its identity either way.
pub async fn ensure(
    conn: &mut PgConnection,
    id: ClusterId,
    name: &Name,
    at: Timestamp,
) -> Result<ClusterId, Error> {
    let made = sqlx::query_scalar!(
        "insert into cluster (id, name, state, created_at) values ($1, $2, 'Invited', $3)
         on conflict (name) do nothing returning id",
        id.0,
        name.as_str(),
        at.to_sqlx() as _,
    )
    .fetch_optional(&mut *conn)
    .await
    .map_err(Error::doing("make a cluster"))?;
    if let Some(id) = made {
        return Ok(ClusterId(id));
    }
    let id = sqlx::query_scalar!("select id from cluster where name = $1", name.as_str())
        .fetch_one(conn)
        .await
        .map_err(Error::doing("look for a cluster"))?;
    Ok(ClusterId(id))
}

/// Stores what the Cluster document says.
pub async fn save_document(conn: &mut PgConnection, cluster: &Cluster, document: &[u8]) -> Result<(), Error> {
    sqlx::query!(
        "update cluster set labels = $2, declared_platform = $3, network = $4, variables = $5, document = $6,
            revision = revision + 1
         where id = $1",
        cluster.id.0,
        column::json(&cluster.labels),
        cluster.declared.map(PlatformName::as_str),
        cluster.network.as_ref().map(Name::as_str),
        column::json(&cluster.variables),
        document,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("store a Cluster document"))?;
    Ok(())
}

/// Stores what a spoke saw; says whether that was news. The same again writes nothing.
pub async fn save_facts(conn: &mut PgConnection, id: ClusterId, facts: &Facts) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update cluster set facts = $2, revision = revision + 1 where id = $1 and facts is distinct from $2",
        id.0,
        column::json(facts),
    )
    .execute(conn)
    .await
    .map_err(Error::doing("store facts"))?;
    Ok(done.rows_affected() > 0)
}

/// Stores the uid of the cluster's namespace kube-system; the same again writes nothing.
pub async fn save_kube_system_uid(conn: &mut PgConnection, id: ClusterId, uid: &str) -> Result<(), Error> {
    sqlx::query!(
        "update cluster set kube_system_uid = $2 where id = $1 and kube_system_uid is distinct from $2",
        id.0,
        column::text(uid),
    )
    .execute(conn)
    .await
    .map_err(Error::doing("store a cluster's uid"))?;
    Ok(())
}

/// Ends a cluster's membership: no key of it is good any more, and nothing is planned for it. False if it was detached
/// before.
pub async fn detach(conn: &mut PgConnection, id: ClusterId, at: Timestamp) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update cluster set state = 'Detached', public_key_hash = null, detached_at = $2
         where id = $1 and state <> 'Detached'",
        id.0,
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("detach a cluster"))?;
    Ok(done.rows_affected() > 0)
}

/// When a cluster's spoke enrolled last; none if it never did.
pub async fn enrolled_at(conn: &mut PgConnection, id: ClusterId) -> Result<Option<Timestamp>, Error> {
    let at = sqlx::query_scalar!(
        r#"select enrolled_at as "enrolled_at: SqlTimestamp" from cluster where id = $1"#,
        id.0
    )
    .fetch_optional(conn)
    .await
    .map_err(Error::doing("look when a cluster enrolled"))?;
    Ok(at.flatten().map(SqlTimestamp::to_jiff))
}

/// The name of a cluster and what it goes by, locked as by [`lock`]; no name if there is no such cluster.
pub async fn lock_membership(
    conn: &mut PgConnection,
    id: ClusterId,
) -> Result<(Option<Name>, Membership), Error> {
    let row = sqlx::query!(
        "select name, state, public_key_hash, enrolment, certificate_number from cluster where id = $1
         for no key update",
        id.0
    )
    .fetch_optional(conn)
    .await
    .map_err(Error::doing("load what a cluster goes by"))?;
    let Some(row) = row else { return Ok((None, Membership::None)) };
    let place = Row::of("cluster", id);
    let life = Life {
        enrolment: place.number("enrolment", row.enrolment)?,
        number: place.number("certificate_number", row.certificate_number)?,
    };
    let key = place.maybe_digest("public_key_hash", row.public_key_hash.as_deref())?;
    let membership = match (place.word("state", &row.state)?, key) {
        (ClusterState::Detached, _) => Membership::Detached,
        (ClusterState::Active, Some(key)) => Membership::Active(Current { key, life }),
        (ClusterState::Active | ClusterState::Invited, _) => Membership::None,
    };
    Ok((Some(place.name("name", &row.name)?), membership))
}

/// Has a cluster go by another key of the same enrolment. False if it does not go by `former` any more.
pub async fn change_key(
    conn: &mut PgConnection,
    id: ClusterId,
    former: &Current,
    next: &Current,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update cluster set public_key_hash = $2, certificate_number = $3
         where id = $1 and state = 'Active' and public_key_hash = $4 and enrolment = $5 and certificate_number = $6",
        id.0,
        column::bytes(&next.key),
        column::signed(next.life.number),
        column::bytes(&former.key),
        column::signed(former.life.enrolment),
        column::signed(former.life.number),
    )
    .execute(conn)
    .await
    .map_err(Error::doing("change a cluster's key"))?;
    Ok(done.rows_affected() > 0)
}
