//! Probes: the last question to each spoke, and its answer.

use hub_core::{
    digest::Digest,
    fleet::ClusterId,
    probe::{Answer, Probe},
};
use jiff::Timestamp;
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Error, Readable,
    column::{self, Row},
};

/// How the last question to a spoke stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The cluster.
    pub cluster: ClusterId,
    /// Digest of the question.
    pub question: Digest,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// The answer and when it came; none so far.
    pub answer: Option<(Answer, Timestamp)>,
}

struct StandingRow {
    cluster_id: Uuid,
    question_digest: Vec<u8>,
    asked_at: SqlTimestamp,
    answer: Option<Value>,
    answered_at: Option<SqlTimestamp>,
}

impl TryFrom<StandingRow> for Standing {
    type Error = Error;

    fn try_from(row: StandingRow) -> Result<Self, Error> {
        let place = Row::of("probe", row.cluster_id);
        let answer = match (row.answer, row.answered_at) {
            (Some(answer), Some(at)) => Some((place.json("answer", answer)?, at.to_jiff())),
            _ => None,
        };
        Ok(Self {
            cluster: ClusterId(row.cluster_id),
            question: place.digest("question_digest", &row.question_digest)?,
            asked_at: row.asked_at.to_jiff(),
            answer,
        })
    }
}

/// How the last questions to some spokes stand.
pub async fn standings(conn: &mut PgConnection, clusters: &[ClusterId]) -> Result<Readable<Standing>, Error> {
    let ids: Vec<Uuid> = clusters.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        StandingRow,
        r#"select cluster_id, question_digest, asked_at as "asked_at: SqlTimestamp", answer,
            answered_at as "answered_at: SqlTimestamp"
         from probe where cluster_id = any($1)"#,
        &ids
    )
    .fetch_all(conn)
    .await
    .map_err(Error::doing("look at the answers of spokes"))?;
    Ok(rows.into_iter().map(Standing::try_from).collect())
}

/// Asks a question in place of the one before. The same one, not answered so far, keeps its id: a late answer still counts.
pub async fn ask(
    conn: &mut PgConnection,
    cluster: ClusterId,
    probe: &Probe,
    at: Timestamp,
) -> Result<(), Error> {
    let (bytes, digest) = probe.question.seal();
    sqlx::query!(
        "insert into probe as p (cluster_id, id, question, question_digest, asked_at) values ($1, $2, $3, $4, $5)
         on conflict (cluster_id) do update set
            id = case when p.question_digest = excluded.question_digest and p.answered_at is null then p.id
                else excluded.id end,
            question = excluded.question,
            question_digest = excluded.question_digest, asked_at = excluded.asked_at, answer = null,
            answered_at = null",
        cluster.0,
        probe.id,
        bytes,
        column::bytes(&digest),
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("ask a spoke what exists"))?;
    Ok(())
}

/// Stores a spoke's answer to the question `id` of its own cluster; says whether that question was open.
pub async fn answer(
    conn: &mut PgConnection,
    cluster: ClusterId,
    (id, answer): (Uuid, &Answer),
    at: Timestamp,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update probe set answer = $3, answered_at = $4 where cluster_id = $1 and id = $2 and answered_at is null",
        cluster.0,
        id,
        column::json(answer),
        at.to_sqlx() as _,
    )
    .execute(conn)
    .await
    .map_err(Error::doing("store what a spoke found"))?;
    Ok(done.rows_affected() > 0)
}
