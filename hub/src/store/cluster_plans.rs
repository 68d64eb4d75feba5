//! What the newest configs would make of each cluster.

use std::collections::BTreeMap;

use hub_core::{
    digest::Digest,
    fleet::{ClusterId, Name},
    plan::Finding,
    status::Planned,
};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Error, Readable,
    column::{self, Row},
};

/// Digests of the inputs that each cluster's plan was computed from.
pub async fn inputs(conn: &mut PgConnection) -> Result<BTreeMap<ClusterId, Digest>, Error> {
    let rows = sqlx::query!("select cluster_id, inputs from cluster_plan")
        .fetch_all(conn)
        .await
        .map_err(Error::doing("look at the computed plans"))?;
    let read = |id: Uuid, inputs: &[u8]| Row::of("cluster_plan", id).digest("inputs", inputs);
    rows.iter().map(|row| Ok((ClusterId(row.cluster_id), read(row.cluster_id, &row.inputs)?))).collect()
}

/// What was planned, as it stands in columns.
#[derive(Default)]
struct Columns<'a> {
    outcome: &'static str,
    config: Option<&'a Name>,
    version: Option<u64>,
    other_config: Option<&'a Name>,
    plan: Option<Digest>,
    findings: &'a [Finding],
    message: &'a str,
}

impl<'a> From<&'a Planned> for Columns<'a> {
    fn from(planned: &'a Planned) -> Self {
        match planned {
            // Never stored: there is no row.
            Planned::NotYet | Planned::Detached => Self::default(),
            Planned::Unassigned => Self { outcome: "Unassigned", ..Self::default() },
            Planned::TwoConfigs(one, other) => Self {
                outcome: "TwoConfigs",
                config: Some(one),
                other_config: Some(other),
                ..Self::default()
            },
            Planned::NoFacts => Self { outcome: "NoFacts", ..Self::default() },
            Planned::Failed { message } => Self { outcome: "Failed", message, ..Self::default() },
            Planned::Blocked { findings } => Self { outcome: "Blocked", findings, ..Self::default() },
            Planned::Plan { digest, config, version } => Self {
                outcome: "Plan",
                config: Some(config),
                version: Some(*version),
                plan: Some(*digest),
                ..Self::default()
            },
        }
    }
}

/// What was planned for a cluster, and the digest of what it was planned from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedCluster {
    /// The cluster.
    pub cluster: ClusterId,
    /// Digest of the inputs.
    pub inputs: Digest,
    /// What came of them.
    pub planned: Planned,
}

/// Stores what was planned for clusters, all in one statement. The same inputs give the same plan, so that what another
/// hub stored from them already is not written again. Nothing is stored for a cluster that was detached or forgotten
/// meanwhile. Clusters are held by name, as documents are.
pub async fn save(conn: &mut PgConnection, planned: &[PlannedCluster], at: Timestamp) -> Result<(), Error> {
    if planned.is_empty() {
        return Ok(());
    }
    let columns: Vec<Columns<'_>> = planned.iter().map(|one| Columns::from(&one.planned)).collect();
    let clusters: Vec<Uuid> = planned.iter().map(|one| one.cluster.0).collect();
    let inputs: Vec<&[u8]> = planned.iter().map(|one| column::bytes(&one.inputs)).collect();
    let outcomes: Vec<&str> = columns.iter().map(|of| of.outcome).collect();
    let configs: Vec<Option<&str>> = columns.iter().map(|of| of.config.map(Name::as_str)).collect();
    let versions: Vec<Option<i64>> = columns.iter().map(|of| of.version.map(column::signed)).collect();
    let others: Vec<Option<&str>> = columns.iter().map(|of| of.other_config.map(Name::as_str)).collect();
    let plans: Vec<Option<&[u8]>> = columns.iter().map(|of| of.plan.as_ref().map(column::bytes)).collect();
    let findings: Vec<Value> = columns.iter().map(|of| column::json(&of.findings)).collect();
    let messages: Vec<String> = columns.iter().map(|of| column::text(of.message)).collect();
    sqlx::query!(
        "insert into cluster_plan as p (cluster_id, inputs, outcome, config, version, other_config, plan, findings, message,
            computed_at)
         select c.id, n.inputs, n.outcome, n.config, n.version, n.other_config, n.plan, n.findings, n.message, $10
         from unnest($1::uuid[], $2::bytea[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bytea[], $8::jsonb[],
            $9::text[]) as n (cluster_id, inputs, outcome, config, version, other_config, plan, findings, message)
         join (select id, name from cluster where id = any($1) and state <> 'Detached' order by name for key share) c
            on c.id = n.cluster_id
         order by c.name
         on conflict (cluster_id) do update set inputs = excluded.inputs, outcome = excluded.outcome,
            config = excluded.config, version = excluded.version, other_config = excluded.other_config,
            plan = excluded.plan, findings = excluded.findings, message = excluded.message,
            computed_at = excluded.computed_at
         where p.inputs <> excluded.inputs",
        &clusters,
        &inputs as _,
        &outcomes as _,
        &configs as _,
        &versions as _,
        &others as _,
        &plans as _,
        &findings,
        &messages,
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("store computed plans"))?;
    Ok(())
}

struct PlannedRow {
    cluster_id: Uuid,
    outcome: String,
    config: Option<String>,
    version: Option<i64>,
    other_config: Option<String>,
    plan: Option<Vec<u8>>,
    findings: Value,
    message: String,
}

impl TryFrom<PlannedRow> for Planned {
    type Error = Error;

    fn try_from(row: PlannedRow) -> Result<Self, Error> {
        let place = Row::of("cluster_plan", row.cluster_id);
        let config = || place.name("config", &place.given("config", row.config.clone())?);
        match row.outcome.as_str() {
            "Unassigned" => Ok(Self::Unassigned),
            "TwoConfigs" => {
                let other = place.given("other_config", row.other_config.as_deref())?;
                Ok(Self::TwoConfigs(config()?, place.name("other_config", other)?))
            }
            "NoFacts" => Ok(Self::NoFacts),
            "Failed" => Ok(Self::Failed { message: row.message }),
            "Blocked" => Ok(Self::Blocked { findings: place.json("findings", row.findings)? }),
            "Plan" => Ok(Self::Plan {
                digest: place.digest("plan", &place.given("plan", row.plan)?)?,
                config: config()?,
                version: place.number("version", place.given("version", row.version)?)?,
            }),
            _ => Err(place.corrupt("outcome")),
        }
    }
}

/// What was planned for some clusters; those that nobody looked at yet are not among it.
pub async fn load(
    conn: &mut PgConnection,
    ids: &[ClusterId],
) -> Result<Readable<(ClusterId, Planned)>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        PlannedRow,
        "select cluster_id, outcome, config, version, other_config, plan, findings, message
         from cluster_plan where cluster_id = any($1)",
        &ids
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("load computed plans"))?;
    Ok(rows.into_iter().map(|row| Ok((ClusterId(row.cluster_id), Planned::try_from(row)?))).collect())
}

/// Forgets what was planned for a cluster.
pub async fn forget(conn: &mut PgConnection, cluster: ClusterId) -> Result<(), Error> {
    sqlx::query!("delete from cluster_plan where cluster_id = $1", cluster.0)
        .execute(conn)
        .await
        .map_err(Error::doing("forget a computed plan"))?;
    Ok(())
}
