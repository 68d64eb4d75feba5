//! Rollouts and their targets.

mod target;

use std::collections::BTreeMap;

use hub_core::{
    fleet::{Cluster, ClusterId, Name},
    rollout::{Aim, Rollout, RolloutState, RolloutTarget, RolloutWave, Strategy},
};
use jiff::Timestamp;
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Error,
    column::{self, Row},
};
pub use target::Inputs;

/// A rollout to be stored.
#[derive(Debug, Clone, Copy)]
pub struct NewRollout<'a> {
    /// What it is for.
    pub aim: &'a Aim,
    /// Name of the strategy; none for one wave of all clusters.
    pub strategy: Option<&'a Name>,
    /// What the strategy says now.
    pub spec: &'a Strategy,
    /// Whether known drift is put right by force.
    pub overwrite_drift: bool,
    /// Who starts it.
    pub by: Uuid,
    /// When.
    pub at: Timestamp,
    /// W3C trace context; empty if none.
    pub traceparent: &'a str,
}

/// Stores a rollout and returns its number.
pub async fn insert(conn: &mut PgConnection, rollout: &NewRollout<'_>) -> Result<u64, Error> {
    let (kind, config, version) = columns(rollout.aim);
    let number = sqlx::query_scalar!(
        "insert into rollout (kind, config, version, strategy, strategy_spec, overwrite_drift, state, started_by, started_at,
            traceparent)
         values ($1, $2, $3, $4, $5, $6, 'Running', $7, $8, $9) returning number",
        kind,
        config,
        version,
        rollout.strategy.map(Name::as_str),
        column::json(rollout.spec),
        rollout.overwrite_drift,
        rollout.by,
        rollout.at.to_sqlx() as _,
        rollout.traceparent,
    )
    .fetch_one(conn)
    .await
    .map_err(Error::doing("store a rollout"))?;
    Row::of("rollout", number).number("number", number)
}

fn columns(aim: &Aim) -> (&'static str, Option<&str>, Option<i64>) {
    match aim {
        Aim::Assign { config, version } => ("Assign", Some(config.as_str()), Some(column::signed(*version))),
        Aim::Unassign => ("Unassign", None, None),
    }
}

/// A target to be stored.
#[derive(Debug, Clone, Copy)]
pub struct NewTarget<'a> {
    /// Its wave, by index.
    pub wave: usize,
    /// Name of the wave.
    pub wave_name: &'a Name,
    /// What the cluster is now.
    pub cluster: &'a Cluster,
    /// The target.
    pub target: &'a RolloutTarget,
}

/// Stores the targets that are to be rolled out, all in one statement.
pub async fn insert_targets(
    conn: &mut PgConnection,
    rollout: u64,
    targets: &[NewTarget<'_>],
) -> Result<(), Error> {
    let clusters: Vec<Uuid> = targets.iter().map(|new| new.cluster.id.0).collect();
    let inputs: Vec<Value> = targets.iter().map(|new| column::json(&Inputs::of(new.cluster))).collect();
    let waves: Vec<i64> = targets.iter().map(|new| column::signed(new.wave as u64 + 1)).collect();
    let wave_names: Vec<&str> = targets.iter().map(|new| new.wave_name.as_str()).collect();
    let plans: Vec<&[u8]> = targets.iter().map(|new| column::bytes(&new.target.plan)).collect();
    let overwrites: Vec<Option<Value>> =
        targets.iter().map(|new| target::overwrite(&new.target.repair)).collect();
    let deletions: Vec<i64> = targets.iter().map(|new| column::signed(new.target.deletions as u64)).collect();
    let heals: Vec<Value> = targets.iter().map(|new| column::json(&new.target.heal)).collect();
    let disruptions: Vec<&str> = targets.iter().map(|new| new.target.disruption.as_str()).collect();
    sqlx::query!(
        "insert into rollout_target (rollout, cluster_id, inputs, wave, wave_name, plan, overwrite, deletions, heal,
            disruption, state)
         select $1, n.cluster_id, n.inputs, n.wave, n.wave_name, n.plan, n.overwrite, n.deletions,
            array(select jsonb_array_elements_text(n.heal)), n.disruption, 'Pending'
         from unnest($2::uuid[], $3::jsonb[], $4::bigint[], $5::text[], $6::bytea[], $7::jsonb[], $8::bigint[],
            $9::jsonb[], $10::text[]) as n (cluster_id, inputs, wave, wave_name, plan, overwrite, deletions, heal,
            disruption)",
        column::signed(rollout),
        &clusters,
        &inputs,
        &waves,
        &wave_names as _,
        &plans as _,
        &overwrites as _,
        &deletions,
        &heals,
        &disruptions as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("store the targets of a rollout"))?;
    Ok(())
}

/// A rollout with what stands around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRollout {
    /// Its state and its targets.
    pub rollout: Rollout,
    /// What it is for.
    pub aim: Aim,
    /// Name of the strategy; none for one wave of all clusters.
    pub strategy: Option<Name>,
    /// Name of who started it.
    pub started_by: String,
    /// When.
    pub started_at: Timestamp,
    /// When it came to its end.
    pub ended_at: Option<Timestamp>,
    /// W3C trace context of the request; empty if none.
    pub traceparent: String,
    /// What each cluster was when it started, as the plans were made from.
    pub inputs: BTreeMap<ClusterId, Inputs>,
}

struct RolloutRow {
    number: i64,
    kind: String,
    config: Option<String>,
    version: Option<i64>,
    strategy: Option<String>,
    strategy_spec: Value,
    state: String,
    failed_wave: Option<i64>,
    started_by: String,
    started_at: SqlTimestamp,
    ended_at: Option<SqlTimestamp>,
    traceparent: String,
}

impl RolloutRow {
    fn state(&self, place: &Row) -> Result<RolloutState, Error> {
        let at = || place.given("ended_at", self.ended_at).map(SqlTimestamp::to_jiff);
        match self.state.as_str() {
            "Running" => Ok(RolloutState::Running),
            "Paused" => Ok(RolloutState::Paused),
            "Aborted" => Ok(RolloutState::Aborted { at: at()? }),
            "Succeeded" => Ok(RolloutState::Succeeded { at: at()? }),
            "Failed" => {
                let wave = place.number("failed_wave", place.given("failed_wave", self.failed_wave)?)?;
                let wave = u32::try_from(wave).map_err(|_| place.corrupt("failed_wave"))?;
                Ok(RolloutState::Failed { at: at()?, wave })
            }
            _ => Err(place.corrupt("state")),
        }
    }

    fn aim(&self, place: &Row) -> Result<Aim, Error> {
        match (self.kind.as_str(), self.config.as_deref(), self.version) {
            ("Assign", Some(config), Some(version)) => Ok(Aim::Assign {
                config: place.name("config", config)?,
                version: place.number("version", version)?,
            }),
            ("Unassign", None, None) => Ok(Aim::Unassign),
            _ => Err(place.corrupt("kind")),
        }
    }

    fn with(self, targets: Vec<target::StoredTarget>) -> Result<StoredRollout, Error> {
        let place = Row::of("rollout", self.number);
        let strategy: Strategy = place.json("strategy_spec", self.strategy_spec.clone())?;
        let mut inputs = BTreeMap::new();
        let mut waves: BTreeMap<u64, RolloutWave> = BTreeMap::new();
        for stored in targets {
            let wave = waves
                .entry(stored.wave)
                .or_insert(RolloutWave { name: stored.wave_name, targets: Vec::new() });
            inputs.insert(stored.target.cluster, stored.inputs);
            wave.targets.push(stored.target);
        }
        Ok(StoredRollout {
            rollout: Rollout {
                number: place.number("number", self.number)?,
                deadline_s: strategy.deadline_seconds,
                max_unavailable: strategy.max_unavailable,
                state: self.state(&place)?,
                waves: waves.into_values().collect(),
            },
            aim: self.aim(&place)?,
            strategy: self.strategy.as_deref().map(|name| place.name("strategy", name)).transpose()?,
            started_by: self.started_by,
            started_at: self.started_at.to_jiff(),
            ended_at: self.ended_at.map(SqlTimestamp::to_jiff),
            traceparent: self.traceparent,
            inputs,
        })
    }
}

/// Numbers of the rollouts that are not at their end.
pub async fn live(conn: &mut PgConnection) -> Result<Vec<u64>, Error> {
    let numbers = sqlx::query_scalar!(
        "select number from rollout where state in ('Running', 'Paused') order by number"
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("look for live rollouts"))?;
    numbers.into_iter().map(|number| Row::of("rollout", number).number("number", number)).collect()
}

/// A live rollout, locked until the transaction ends; none if it is at its end or another hub works on it.
pub async fn lock_live(conn: &mut PgConnection, number: u64) -> Result<Option<StoredRollout>, Error> {
    let row = sqlx::query_as!(
        RolloutRow,
        r#"select r.number, r.kind, r.config, r.version, r.strategy, r.strategy_spec, r.state, r.failed_wave,
            o.name as started_by, r.started_at as "started_at: SqlTimestamp", r.ended_at as "ended_at: SqlTimestamp",
            r.traceparent
         from rollout r join operator o on o.id = r.started_by
         where r.state in ('Running', 'Paused') and r.number = $1 for update of r skip locked"#,
        column::signed(number),
    )
    .fetch_optional(&mut *conn)
    .await
    .map_err(Error::doing("lock a live rollout"))?;
    match row {
        Some(row) => complete(conn, row).await.map(Some),
        None => Ok(None),
    }
}

/// One rollout, live or not; its row is locked until the transaction ends, so that no hub moves it on meanwhile.
pub async fn lock(conn: &mut PgConnection, number: u64) -> Result<Option<StoredRollout>, Error> {
    sqlx::query!("select number from rollout where number = $1 for update", column::signed(number))
        .fetch_optional(&mut *conn)
        .await
        .map_err(Error::doing("lock a rollout"))?;
    find(conn, number).await
}

/// Numbers of live rollouts that are for any version of a config.
pub async fn live_of(conn: &mut PgConnection, config: &Name) -> Result<Vec<u64>, Error> {
    let numbers = sqlx::query_scalar!(
        "select number from rollout where state in ('Running', 'Paused') and config = $1 order by number",
        config.as_str()
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("look for live rollouts of a config"))?;
    numbers.into_iter().map(|number| Row::of("rollout", number).number("number", number)).collect()
}

/// One rollout.
pub async fn find(conn: &mut PgConnection, number: u64) -> Result<Option<StoredRollout>, Error> {
    let row = sqlx::query_as!(
        RolloutRow,
        r#"select r.number, r.kind, r.config, r.version, r.strategy, r.strategy_spec, r.state, r.failed_wave,
            o.name as started_by, r.started_at as "started_at: SqlTimestamp", r.ended_at as "ended_at: SqlTimestamp",
            r.traceparent
         from rollout r join operator o on o.id = r.started_by where r.number = $1"#,
        column::signed(number),
    )
    .fetch_optional(&mut *conn)
    .await
    .map_err(Error::doing("load a rollout"))?;
    match row {
        Some(row) => complete(conn, row).await.map(Some),
        None => Ok(None),
    }
}

/// The newest rollouts, newest first, with their targets.
pub async fn list(conn: &mut PgConnection, limit: u32) -> Result<Vec<StoredRollout>, Error> {
    let rows = sqlx::query_as!(
        RolloutRow,
        r#"select r.number, r.kind, r.config, r.version, r.strategy, r.strategy_spec, r.state, r.failed_wave,
            o.name as started_by, r.started_at as "started_at: SqlTimestamp", r.ended_at as "ended_at: SqlTimestamp",
            r.traceparent
         from rollout r join operator o on o.id = r.started_by order by r.number desc limit $1"#,
        i64::from(limit),
    )
    .fetch_all(&mut *conn)
    .await
    .map_err(Error::doing("load the rollouts"))?;
    let numbers: Vec<i64> = rows.iter().map(|row| row.number).collect();
    let mut targets = target::load(conn, &numbers).await?;
    let with_targets = rows.into_iter().map(|row| {
        let of_row = targets.remove(&row.number).unwrap_or_default();
        row.with(of_row)
    });
    with_targets.collect()
}

async fn complete(conn: &mut PgConnection, row: RolloutRow) -> Result<StoredRollout, Error> {
    let mut targets = target::load(conn, &[row.number]).await?;
    let targets = targets.remove(&row.number).unwrap_or_default();
    row.with(targets)
}

/// Stores what changed between two looks at a rollout: its own state, and those targets whose state is another one.
/// Says whether anything did; if not, nothing was written.
pub async fn save(conn: &mut PgConnection, before: &Rollout, after: &Rollout) -> Result<bool, Error> {
    let moved = before.targets().zip(after.targets()).filter(|(old, new)| old.state != new.state);
    let moved: Vec<&RolloutTarget> = moved.map(|(_, new)| new).collect();
    let mut changed = !moved.is_empty();
    target::save(conn, after.number, &moved).await?;
    if before.state != after.state {
        save_state(conn, after).await?;
        changed = true;
    }
    Ok(changed)
}

async fn save_state(conn: &mut PgConnection, rollout: &Rollout) -> Result<(), Error> {
    let wave = match rollout.state {
        RolloutState::Failed { wave, .. } => Some(i64::from(wave)),
        RolloutState::Running
        | RolloutState::Paused
        | RolloutState::Succeeded { .. }
        | RolloutState::Aborted { .. } => None,
    };
    sqlx::query!(
        "update rollout set state = $2, failed_wave = $3, ended_at = $4
         where number = $1 and state in ('Running', 'Paused')",
        column::signed(rollout.number),
        rollout.state.name(),
        wave,
        rollout.state.ended_at().map(ToSqlx::to_sqlx) as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("store the state of a rollout"))?;
    Ok(())
}
