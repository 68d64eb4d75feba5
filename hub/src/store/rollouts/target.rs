//! Targets of rollouts: the states of the core, in typed columns.

use std::collections::BTreeMap;

use hub_core::{
    fleet::{Cluster, ClusterId, Facts, Labels, Name},
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
    pub fn with_facts(&self, id: ClusterId, facts: Option<Facts>) -> Cluster {
        Cluster {
            id,
            name: self.name.clone(),
            labels: self.labels.clone(),
            declared: self.declared_platform,
            network: self.network.clone(),
            variables: self.variables.clone(),
            facts,
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
        r#"select rollout, cluster_id, inputs, wave, wave_name, plan, overwrite, deletions, state, blocked_by,
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

/// Stores the state of a target.
pub(super) async fn save(conn: &mut PgConnection, rollout: u64, target: &RolloutTarget) -> Result<(), Error> {
    let columns = Columns::from(&target.state);
    let delivery = target.state.delivery();
    sqlx::query!(
        "update rollout_target set state = $3, blocked_by = $4, blocked_since = $5, generation = $6, target = $7,
            sent_at = $8, failure = $9, failed_object = $10, failed_outcome = $11, stage = $12, refusal_code = $13,
            message = $14, ended_at = $15, skipped_because = $16
         where rollout = $1 and cluster_id = $2",
        column::signed(rollout),
        target.cluster.0,
        target.state.name(),
        columns.blocked_by,
        columns.blocked_since as _,
        delivery.map(|delivery| column::signed(delivery.generation)),
        delivery.as_ref().map(|delivery| column::bytes(&delivery.target)),
        delivery.map(|delivery| delivery.sent_at.to_sqlx()) as _,
        columns.failure,
        columns.failed_object,
        columns.failed_outcome,
        columns.stage,
        columns.refusal_code,
        columns.message,
        target.state.ended_at().map(ToSqlx::to_sqlx) as _,
        columns.skipped_because,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("store the state of a rollout's target"))?;
    Ok(())
}
