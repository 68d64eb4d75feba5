//! What spokes are asked and have not answered: questions of the hub, and wishes of people. Both in one query, because each
//! session looks for both.

use hub_core::{drift::HealRequest, fleet::ClusterId, probe::Probe};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, column::Row};

/// From when on something that was asked is still told to a spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since {
    /// A question.
    pub probe: Timestamp,
    /// A wish. An older one is never told: what was not done at once would come as a surprise.
    pub heal: Timestamp,
}

/// What a spoke is asked and has not answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// The question.
    pub probe: Option<Probe>,
    /// The oldest wish: a spoke goes through them one by one.
    pub heal: Option<HealRequest>,
}

/// What a spoke is asked and has not answered.
pub async fn open(conn: &mut PgConnection, cluster: ClusterId, since: Since) -> Result<Asked, Error> {
    let row = sqlx::query!(
        r#"select p.id as "probe?", p.question as "question?", h.id as "heal?", h.question as "wish?",
            h.dry_run as "dry_run?"
         from (select $1::uuid as cluster_id) c
         left join probe p on p.cluster_id = c.cluster_id and p.answered_at is null and p.asked_at > $2
         left join lateral (select id, question, dry_run from heal_request
            where cluster_id = c.cluster_id and answered_at is null and withdrawn_at is null and asked_at > $3
            order by asked_at, id limit 1) h on true"#,
        cluster.0,
        since.probe.to_sqlx() as _,
        since.heal.to_sqlx() as _,
    )
    .fetch_one(conn)
    .await
    .map_err(Error::doing("look what a spoke is asked"))?;
    let probe = match (row.probe, row.question) {
        (Some(id), Some(question)) => {
            let question = serde_json::from_slice(&question);
            Some(Probe { id, question: question.map_err(|_| Row::of("probe", cluster).corrupt("question"))? })
        }
        _ => None,
    };
    let heal = match (row.heal, row.wish, row.dry_run) {
        (Some(id), Some(question), Some(dry_run)) => Some(HealRequest {
            id,
            question: Row::of("heal_request", id).json("question", question)?,
            dry_run,
        }),
        _ => None,
    };
    Ok(Asked { probe, heal })
}

/// Which of some clusters' spokes are asked something and have not answered: one query for all sessions of a hub.
pub async fn waiting(
    conn: &mut PgConnection,
    clusters: &[ClusterId],
    since: Since,
) -> Result<Vec<ClusterId>, Error> {
    let ids: Vec<Uuid> = clusters.iter().map(|id| id.0).collect();
    let rows = sqlx::query_scalar!(
        r#"select cluster_id as "cluster_id!" from probe
         where cluster_id = any($1) and answered_at is null and asked_at > $2
         union
         select cluster_id from heal_request
         where cluster_id = any($1) and answered_at is null and withdrawn_at is null and asked_at > $3"#,
        &ids,
        since.probe.to_sqlx() as _,
        since.heal.to_sqlx() as _,
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("look for what spokes are asked"))?;
    Ok(rows.into_iter().map(ClusterId).collect())
}
