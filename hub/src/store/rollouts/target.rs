//! Targets of rollouts: the states of the core, in typed columns.

use std::collections::BTreeMap;

use hub_core::{
    fleet::{Cluster, ClusterId, Labels, Name},
    plan::Disruption,
    platform::PlatformName,
    rollout::{Blocker, Delivery, FailureReason, Repair, RolloutTarget, Skip, Stage, TargetState},
};
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::store::{
    Error,
    column::{self, Row},
};

/// What a cluster was, by its document, when a rollout started. Facts are no part of it: they are looked at anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    name: Name,
    labels: Labels,
    declared_platform: Option<PlatformName>,
    network: Option<Name>,
    /// Absent in rollouts of before there were any.
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

impl Inputs {
    /// What a cluster is now.
    #[must_use]
    pub fn of(cluster: &Cluster) -> Self {
        Self {
            name: cluster.name.clone(),
            labels: cluster.labels.clone(),
            declared_platform: cluster.declared,
            network: cluster.network.clone(),
            variables: cluster.variables.clone(),
        }
    }

    /// The cluster as it was, with the facts of now.
    #[must_use]
    pub fn with_facts_of(&self, present: Cluster) -> Cluster {
        Cluster {
            id: present.id,
            name: self.name.clone(),
            labels: self.labels.clone(),
            declared: self.declared_platform,
            network: self.network.clone(),
            variables: self.variables.clone(),
            facts: present.facts,
            schemas: present.schemas,
        }
    }
}

/// A target as it is stored.
pub(super) struct StoredTarget {
    pub(super) wave: u64,
    pub(super) wave_name: Name,
    pub(super) target: RolloutTarget,
    pub(super) inputs: Inputs,
}

/// What the column `overwrite` says.
pub(super) fn overwrite(repair: &Repair) -> Option<Value> {
    match repair {
        Repair::Nothing => None,
        Repair::Drift { overwrite } => Some(column::json(overwrite)),
    }
}

struct TargetRow {
    rollout: i64,
    cluster_id: Uuid,
    inputs: Value,
    wave: i64,
    wave_name: String,
    plan: Vec<u8>,
    overwrite: Option<Value>,
    deletions: i64,
    disruption: String,
    heal: Vec<String>,
    state: String,
    blocked_by: Option<String>,
    blocked_since: Option<SqlTimestamp>,
    generation: Option<i64>,
    target: Option<Vec<u8>>,
    sent_at: Option<SqlTimestamp>,
    failure: Option<String>,
    failed_object: Option<Value>,
    failed_outcome: Option<String>,
    stage: Option<String>,
    refusal_code: Option<String>,
    skipped_because: Option<String>,
    message: String,
    ended_at: Option<SqlTimestamp>,
}

/// The targets of some rollouts, wave by wave and by name.
pub(super) async fn load(
    conn: &mut PgConnection,
    rollouts: &[i64],
) -> Result<BTreeMap<i64, Vec<StoredTarget>>, Error> {
    let rows = sqlx::query_as!(
        TargetRow,
        r#"select rollout, cluster_id, inputs, wave, wave_name, plan, overwrite, deletions, disruption, heal, state, blocked_by,
            blocked_since as "blocked_since: SqlTimestamp", generation, target, sent_at as "sent_at: SqlTimestamp",
            failure, failed_object, failed_outcome, stage, refusal_code, skipped_because, message,
            ended_at as "ended_at: SqlTimestamp"
         from rollout_target where rollout = any($1) order by rollout, wave, inputs ->> 'name'"#,
        rollouts
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("load the targets of rollouts"))?;
    let mut targets: BTreeMap<i64, Vec<StoredTarget>> = BTreeMap::new();
    for row in rows {
        targets.entry(row.rollout).or_default().push(row.try_into()?);
    }
    Ok(targets)
}

impl TryFrom<TargetRow> for StoredTarget {
    type Error = Error;

    fn try_from(row: TargetRow) -> Result<Self, Error> {
        let place = Row::of("rollout_target", format!("{} {}", row.rollout, row.cluster_id));
        let inputs: Inputs = place.json("inputs", row.inputs.clone())?;
        let repair = match row.overwrite.clone() {
            None => Repair::Nothing,
            Some(overwrite) => Repair::Drift { overwrite: place.json("overwrite", overwrite)? },
        };
        Ok(Self {
            wave: place.number("wave", row.wave)?,
            wave_name: place.name("wave_name", &row.wave_name)?,
            target: RolloutTarget {
                cluster: ClusterId(row.cluster_id),
                name: inputs.name.clone(),
                plan: place.digest("plan", &row.plan)?,
                repair,
                deletions: usize::try_from(row.deletions).map_err(|_| place.corrupt("deletions"))?,
                disruption: Disruption::parse(&row.disruption).ok_or_else(|| place.corrupt("disruption"))?,
                heal: place.heal("heal", &row.heal)?,
                state: row.state(&place)?,
            },
            inputs,
        })
    }
}

impl TargetRow {
    fn state(&self, place: &Row) -> Result<TargetState, Error> {
        let at = || place.given("ended_at", self.ended_at).map(SqlTimestamp::to_jiff);
        let delivery = || place.given("generation", self.delivery(place)?);
        match self.state.as_str() {
            "Pending" => Ok(TargetState::Pending),
            "Blocked" => {
                let since = place.given("blocked_since", self.blocked_since)?.to_jiff();
                Ok(TargetState::Blocked { by: self.blocker(place)?, since })
            }
            "Sent" => Ok(TargetState::Sent(delivery()?)),
            "Accepted" => Ok(TargetState::Accepted(delivery()?)),
            "Applying" => Ok(TargetState::Applying(delivery()?)),
            "Converging" => Ok(TargetState::Converging(delivery()?)),
            "Succeeded" => Ok(TargetState::Succeeded { at: at()?, delivery: self.delivery(place)? }),
            "Failed" => {
                Ok(TargetState::Failed { at: at()?, delivery: delivery()?, reason: self.failure(place)? })
            }
            "TimedOut" => Ok(TargetState::TimedOut {
                at: at()?,
                delivery: self.delivery(place)?,
                during: self.during(place)?,
                message: self.message.clone(),
            }),
            "Refused" => {
                let code = place.given("refusal_code", self.refusal_code.as_deref())?;
                let code = place.word("refusal_code", code)?;
                Ok(TargetState::Refused {
                    at: at()?,
                    delivery: delivery()?,
                    code,
                    message: self.message.clone(),
                })
            }
            "Skipped" => Ok(TargetState::Skipped { at: at()?, why: self.skip(place)? }),
            "Left" => Ok(TargetState::Left { at: at()?, delivery: delivery()?, during: self.during(place)? }),
            _ => Err(place.corrupt("state")),
        }
    }

    fn skip(&self, place: &Row) -> Result<Skip, Error> {
        match self.skipped_because.as_deref() {
            Some("Operator") => Ok(Skip::Operator),
            Some("Failure") => Ok(Skip::Failure),
            Some(_) | None => Err(place.corrupt("skipped_because")),
        }
    }

    fn delivery(&self, place: &Row) -> Result<Option<Delivery>, Error> {
        let (Some(generation), Some(target), Some(sent_at)) = (self.generation, &self.target, self.sent_at)
        else {
            return Ok(None);
        };
        Ok(Some(Delivery {
            generation: place.number("generation", generation)?,
            target: place.digest("target", target)?,
            sent_at: sent_at.to_jiff(),
        }))
    }

    fn blocker(&self, place: &Row) -> Result<Blocker, Error> {
        match self.blocked_by.as_deref() {
            Some("PlanChanged") => Ok(Blocker::PlanChanged),
            Some("PlanBlocked") => Ok(Blocker::PlanBlocked),
            Some("Offline") => Ok(Blocker::Offline),
            Some("Held") => Ok(Blocker::Held),
            Some("SpokeAhead") => Ok(Blocker::SpokeAhead),
            Some("Deletions") => Ok(Blocker::Deletions),
            Some("Selected") => Ok(Blocker::Selected),
            Some(_) | None => Err(place.corrupt("blocked_by")),
        }
    }

    fn failure(&self, place: &Row) -> Result<FailureReason, Error> {
        let message = self.message.clone();
        match self.failure.as_deref() {
            Some("Object") => {
                let outcome = place.given("failed_outcome", self.failed_outcome.as_deref())?;
                Ok(FailureReason::Object {
                    id: place
                        .json("failed_object", place.given("failed_object", self.failed_object.clone())?)?,
                    outcome: place.word("failed_outcome", outcome)?,
                    message,
                })
            }
            Some("Apply") => Ok(FailureReason::Apply { message }),
            Some("Unhealthy") => Ok(FailureReason::Unhealthy { message }),
            Some(_) | None => Err(place.corrupt("failure")),
        }
    }

    fn during(&self, place: &Row) -> Result<Stage, Error> {
        match self.stage.as_deref() {
            Some("Blocked") => Ok(Stage::Blocked(self.blocker(place)?)),
            Some("Sent") => Ok(Stage::Sent),
            Some("Accepted") => Ok(Stage::Accepted),
            Some("Applying") => Ok(Stage::Applying),
            Some("Converging") => Ok(Stage::Converging),
            Some(_) | None => Err(place.corrupt("stage")),
        }
    }
}

/// What belongs to a state besides its word, what was delivered and when it ended.
#[derive(Default)]
struct Columns<'a> {
    blocked_by: Option<&'static str>,
    blocked_since: Option<SqlTimestamp>,
    failure: Option<&'static str>,
    failed_object: Option<Value>,
    failed_outcome: Option<String>,
    stage: Option<&'static str>,
    refusal_code: Option<String>,
    skipped_because: Option<&'static str>,
    message: &'a str,
}

impl<'a> From<&'a TargetState> for Columns<'a> {
    fn from(state: &'a TargetState) -> Self {
        match state {
            TargetState::Blocked { by, since } => Self {
                blocked_by: Some(blocker_word(*by)),
                blocked_since: Some(since.to_sqlx()),
                ..Self::default()
            },
            TargetState::Failed { reason, .. } => Self::from(reason),
            TargetState::TimedOut { during, message, .. } => Self { message, ..Self::during(*during) },
            TargetState::Left { during, .. } => Self::during(*during),
            TargetState::Skipped { why, .. } => {
                let because = match why {
                    Skip::Operator => "Operator",
                    Skip::Failure => "Failure",
                };
                Self { skipped_because: Some(because), ..Self::default() }
            }
            TargetState::Refused { code, message, .. } => {
                Self { refusal_code: Some(column::word(code)), message, ..Self::default() }
            }
            TargetState::Pending
            | TargetState::Sent(_)
            | TargetState::Accepted(_)
            | TargetState::Applying(_)
            | TargetState::Converging(_)
            | TargetState::Succeeded { .. } => Self::default(),
        }
    }
}

impl Columns<'_> {
    fn during(stage: Stage) -> Self {
        let (stage, blocked_by) = match stage {
            Stage::Blocked(by) => ("Blocked", Some(blocker_word(by))),
            Stage::Sent => ("Sent", None),
            Stage::Accepted => ("Accepted", None),
            Stage::Applying => ("Applying", None),
            Stage::Converging => ("Converging", None),
        };
        Self { stage: Some(stage), blocked_by, ..Self::default() }
    }
}

impl<'a> From<&'a FailureReason> for Columns<'a> {
    fn from(reason: &'a FailureReason) -> Self {
        match reason {
            FailureReason::Object { id, outcome, message } => Self {
                failure: Some("Object"),
                failed_object: Some(column::json(id)),
                failed_outcome: Some(column::word(outcome)),
                message,
                ..Self::default()
            },
            FailureReason::Apply { message } => Self { failure: Some("Apply"), message, ..Self::default() },
            FailureReason::Unhealthy { message } => {
                Self { failure: Some("Unhealthy"), message, ..Self::default() }
            }
        }
    }
}

fn blocker_word(by: Blocker) -> &'static str {
    match by {
        Blocker::PlanChanged => "PlanChanged",
        Blocker::PlanBlocked => "PlanBlocked",
        Blocker::Offline => "Offline",
        Blocker::Held => "Held",
        Blocker::SpokeAhead => "SpokeAhead",
        Blocker::Deletions => "Deletions",
        Blocker::Selected => "Selected",
    }
}

/// Stores the states of targets, all in one statement.
pub(super) async fn save(
    conn: &mut PgConnection,
    rollout: u64,
    targets: &[&RolloutTarget],
) -> Result<(), Error> {
    if targets.is_empty() {
        return Ok(());
    }
    let states = || targets.iter().map(|target| &target.state);
    let columns: Vec<Columns<'_>> = states().map(Columns::from).collect();
    let deliveries: Vec<Option<Delivery>> = states().map(TargetState::delivery).collect();
    let clusters: Vec<Uuid> = targets.iter().map(|target| target.cluster.0).collect();
    let words: Vec<&str> = states().map(TargetState::name).collect();
    let blocked_by: Vec<Option<&str>> = columns.iter().map(|of| of.blocked_by).collect();
    let blocked_since: Vec<Option<SqlTimestamp>> = columns.iter().map(|of| of.blocked_since).collect();
    let delivered = |delivery: &Option<Delivery>| delivery.map(|of| column::signed(of.generation));
    let generations: Vec<Option<i64>> = deliveries.iter().map(delivered).collect();
    let digests: Vec<Option<&[u8]>> =
        deliveries.iter().map(|of| of.as_ref().map(|of| column::bytes(&of.target))).collect();
    let sent_at: Vec<Option<SqlTimestamp>> =
        deliveries.iter().map(|of| of.map(|of| of.sent_at.to_sqlx())).collect();
    let failures: Vec<Option<&str>> = columns.iter().map(|of| of.failure).collect();
    let objects: Vec<Option<&Value>> = columns.iter().map(|of| of.failed_object.as_ref()).collect();
    let outcomes: Vec<Option<&str>> = columns.iter().map(|of| of.failed_outcome.as_deref()).collect();
    let stages: Vec<Option<&str>> = columns.iter().map(|of| of.stage).collect();
    let refusals: Vec<Option<&str>> = columns.iter().map(|of| of.refusal_code.as_deref()).collect();
    let skipped: Vec<Option<&str>> = columns.iter().map(|of| of.skipped_because).collect();
    let messages: Vec<&str> = columns.iter().map(|of| of.message).collect();
    let ended_at: Vec<Option<SqlTimestamp>> =
        states().map(|state| state.ended_at().map(ToSqlx::to_sqlx)).collect();
    sqlx::query!(
        "update rollout_target t set state = n.state, blocked_by = n.blocked_by, blocked_since = n.blocked_since,
            generation = n.generation, target = n.target, sent_at = n.sent_at, failure = n.failure,
            failed_object = n.failed_object, failed_outcome = n.failed_outcome, stage = n.stage,
            refusal_code = n.refusal_code, message = n.message, ended_at = n.ended_at,
            skipped_because = n.skipped_because
         from unnest($2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::bigint[], $7::bytea[],
            $8::timestamptz[], $9::text[], $10::jsonb[], $11::text[], $12::text[], $13::text[], $14::text[],
            $15::timestamptz[], $16::text[]) as n (cluster_id, state, blocked_by, blocked_since, generation, target,
            sent_at, failure, failed_object, failed_outcome, stage, refusal_code, message, ended_at, skipped_because)
         where t.rollout = $1 and t.cluster_id = n.cluster_id",
        column::signed(rollout),
        &clusters,
        &words as _,
        &blocked_by as _,
        &blocked_since as _,
        &generations as _,
        &digests as _,
        &sent_at as _,
        &failures as _,
        &objects as _,
        &outcomes as _,
        &stages as _,
        &refusals as _,
        &messages as _,
        &ended_at as _,
        &skipped as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("store the states of a rollout's targets"))?;
    Ok(())
}
