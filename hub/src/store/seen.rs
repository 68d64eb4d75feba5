//! What is known of clusters, for a step of a rollout and for conditions: one query, however many clusters.

use hub_core::{
    fleet::{ClusterId, Name},
    report::{Fence, ObjectState, Outcome, Refusal},
    rollout::{CurrentTarget, Presence, SeenCluster, SeenReport, TargetPlan},
    status::{DriftSeen, Session},
};
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, Readable, column::Row, reports};

/// A session that was not heard for so long counts as gone: three heartbeats of the slowest sort. A hub that was killed
/// leaves its sessions open, so this and not the row's end decides.
pub const AWAY_AFTER: SignedDuration = SignedDuration::from_secs(30);

/// What is known of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The cluster.
    pub cluster: ClusterId,
    /// Its name.
    pub name: Name,
    /// Its spoke's session.
    pub session: Session,
    /// When its spoke was heard last.
    pub last_seen_at: Option<Timestamp>,
    /// What a rollout looks at; without a computed plan.
    pub seen: SeenCluster,
    /// What its spoke last said of drift.
    pub drift: Option<DriftSeen>,
}

struct KnownRow {
    id: Uuid,
    name: String,
    seen_at: Option<SqlTimestamp>,
    open: Option<bool>,
    rollout: Option<i64>,
    generation: Option<i64>,
    digest: Option<Vec<u8>>,
    plan: Option<Vec<u8>>,
    heal: Option<Vec<String>>,
    accepted_epoch: Option<i64>,
    accepted_generation: Option<i64>,
    accepted_target: Option<Vec<u8>>,
    accepted_completed: Option<i64>,
    refused_generation: Option<i64>,
    refused_code: Option<String>,
    refused_message: Option<String>,
    reported_generation: Option<i64>,
    reported_target: Option<Vec<u8>>,
    phase: Option<String>,
    report_message: Option<String>,
    reported_completed: Option<i64>,
    frozen: Option<String>,
    drift_generation: Option<i64>,
    open_items: Option<i64>,
    healing_items: Option<i64>,
    fighting_items: Option<i64>,
}

/// What is known of these clusters, by name.
pub async fn load(
    conn: &mut PgConnection,
    clusters: &[ClusterId],
    now: Timestamp,
) -> Result<Readable<Known>, Error> {
    let ids: Vec<Uuid> = clusters.iter().map(|id| id.0).collect();
    let heard_since = now.saturating_sub(AWAY_AFTER).unwrap_or(Timestamp::MIN);
    let rows = sqlx::query_as!(
        KnownRow,
        r#"select c.id, c.name,
            s.seen_at as "seen_at?: SqlTimestamp", (s.detached_at is null and s.seen_at > $2) as "open?",
            h.rollout as "rollout?",
            t.generation as "generation?", t.digest as "digest?", t.plan as "plan?", t.heal as "heal?",
            a.epoch as "accepted_epoch?", a.generation as "accepted_generation?", a.target as "accepted_target?",
            a.completed as "accepted_completed?",
            f.generation as "refused_generation?", f.code as "refused_code?", f.message as "refused_message?",
            r.generation as "reported_generation?", r.target as "reported_target?", r.phase as "phase?",
            r.message as "report_message?", r.completed as "reported_completed?", r.frozen as "frozen?",
            d.generation as "drift_generation?", d.open_items as "open_items?",
            d.healing_items as "healing_items?", d.fighting_items as "fighting_items?"
         from cluster c
         left join spoke_session s on s.cluster_id = c.id
         left join cluster_hold h on h.cluster_id = c.id
         left join target t on t.cluster_id = c.id
         left join acceptance a on a.cluster_id = c.id
         left join refusal f on f.cluster_id = c.id
         left join report r on r.cluster_id = c.id
         left join drift_report d on d.cluster_id = c.id
         where c.id = any($1) order by c.name"#,
        &ids,
        heard_since.to_sqlx() as _,
    )
    .fetch_all(&mut *conn)
    .await
    .map_err(Error::doing("look at clusters"))?;
    let mut failed = reports::failed_objects(conn, clusters).await?;
    let known = rows.into_iter().map(|row| {
        let failed = failed.remove(&ClusterId(row.id)).unwrap_or_else(|| Ok(Vec::new()))?;
        read(&row, failed)
    });
    Ok(known.collect())
}

fn read(row: &KnownRow, failed: Vec<ObjectState>) -> Result<Known, Error> {
    let place = Row::of("cluster", row.id);
    let last_seen_at = row.seen_at.map(SqlTimestamp::to_jiff);
    let session = match (last_seen_at, row.open) {
        (None, _) => Session::Never,
        (Some(_), Some(true)) => Session::Open,
        (Some(last_seen_at), _) => Session::Gone { last_seen_at },
    };
    let drift = match (row.drift_generation, row.open_items) {
        (Some(generation), Some(open)) => Some(DriftSeen {
            generation: place.number("drift_report.generation", generation)?,
            open: place.number("drift_report.open_items", open)?,
            healing: place.number("drift_report.healing_items", row.healing_items.unwrap_or_default())?,
            fighting: place.number("drift_report.fighting_items", row.fighting_items.unwrap_or_default())?,
        }),
        _ => None,
    };
    let current = current(&place, row)?;
    let of_current =
        drift.filter(|drift| current.is_some_and(|current| current.generation == drift.generation));
    let seen = SeenCluster {
        presence: presence(session),
        held_by: row.rollout.map(|rollout| place.number("cluster_hold.rollout", rollout)).transpose()?,
        computed: None,
        current,
        fence: fence(&place, row)?,
        refusal: refusal(&place, row)?,
        report: report(&place, row, failed)?,
        differences: of_current.map_or(0, |drift| drift.open),
    };
    let name = place.name("name", &row.name)?;
    Ok(Known { cluster: ClusterId(row.id), name, session, last_seen_at, seen, drift })
}

fn presence(session: Session) -> Presence {
    match session {
        Session::Open => Presence::Here,
        Session::Never => Presence::Away { since: None },
        Session::Gone { last_seen_at } => Presence::Away { since: Some(last_seen_at) },
    }
}

fn current(place: &Row, row: &KnownRow) -> Result<Option<CurrentTarget>, Error> {
    let (Some(generation), Some(digest)) = (row.generation, &row.digest) else { return Ok(None) };
    let plan = row.plan.as_deref().map(|plan| place.digest("target.plan", plan)).transpose()?;
    Ok(Some(CurrentTarget {
        generation: place.number("target.generation", generation)?,
        target: place.digest("target.digest", digest)?,
        plan: plan.map_or(TargetPlan::Unknown, TargetPlan::Known),
        heal: place.heal("target.heal", row.heal.as_deref().unwrap_or_default())?,
    }))
}

fn fence(place: &Row, row: &KnownRow) -> Result<Option<Fence>, Error> {
    let (Some(epoch), Some(generation)) = (row.accepted_epoch, row.accepted_generation) else {
        return Ok(None);
    };
    let (Some(target), Some(completed)) = (&row.accepted_target, row.accepted_completed) else {
        return Ok(None);
    };
    Ok(Some(Fence {
        epoch: place.number("acceptance.epoch", epoch)?,
        generation: place.number("acceptance.generation", generation)?,
        target: place.digest("acceptance.target", target)?,
        completed: place.number("acceptance.completed", completed)?,
    }))
}

fn refusal(place: &Row, row: &KnownRow) -> Result<Option<Refusal>, Error> {
    let (Some(generation), Some(code)) = (row.refused_generation, &row.refused_code) else { return Ok(None) };
    Ok(Some(Refusal {
        generation: place.number("refusal.generation", generation)?,
        code: place.word("refusal.code", code)?,
        message: row.refused_message.clone().unwrap_or_default(),
    }))
}

fn report(place: &Row, row: &KnownRow, failed: Vec<ObjectState>) -> Result<Option<SeenReport>, Error> {
    let (Some(generation), Some(target)) = (row.reported_generation, &row.reported_target) else {
        return Ok(None);
    };
    let (Some(phase), Some(completed)) = (&row.phase, row.reported_completed) else { return Ok(None) };
    let (in_use, failed) = failed.into_iter().partition(|object| object.outcome == Outcome::InUse);
    Ok(Some(SeenReport {
        generation: place.number("report.generation", generation)?,
        target: place.digest("report.target", target)?,
        phase: place.word("report.phase", phase)?,
        message: row.report_message.clone().unwrap_or_default(),
        completed: place.number("report.completed", completed)?,
        failed,
        in_use,
        frozen: row.frozen.clone(),
    }))
}
