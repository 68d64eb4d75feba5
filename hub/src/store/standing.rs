//! What is known of a cluster's spoke when it says something new: what decides whether that is news.

use hub_core::{digest::Digest, fleet::ClusterId, report::Fence};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, column::Row, reports};

/// What is known of a cluster's spoke. It stays so only under [`super::clusters::lock`], taken before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// What it last accepted.
    pub fence: Option<Fence>,
    /// Whether a refusal of it is stored.
    pub refused: bool,
    /// Generation and digest of its target.
    pub target: Option<(u64, Digest)>,
    /// Its newest report.
    pub report: Option<reports::Head>,
    /// Its newest session, open or not; none before its first.
    pub session: Option<Uuid>,
}

impl Standing {
    /// The generation of its target; 0 if it has none.
    #[must_use]
    pub fn newest(&self) -> u64 {
        self.target.map_or(0, |(generation, _)| generation)
    }
}

struct StandingRow {
    accepted_epoch: Option<i64>,
    accepted_generation: Option<i64>,
    accepted_target: Option<Vec<u8>>,
    accepted_completed: Option<i64>,
    refused: bool,
    generation: Option<i64>,
    digest: Option<Vec<u8>>,
    reported_generation: Option<i64>,
    report_digest: Option<Vec<u8>>,
    session: Option<Uuid>,
}

/// What is known of a cluster's spoke: one query.
pub async fn load(conn: &mut PgConnection, cluster: ClusterId) -> Result<Standing, Error> {
    let row = sqlx::query_as!(
        StandingRow,
        r#"select a.epoch as "accepted_epoch?", a.generation as "accepted_generation?", a.target as "accepted_target?",
            a.completed as "accepted_completed?", exists (select from refusal where cluster_id = c.id) as "refused!",
            t.generation as "generation?", t.digest as "digest?",
            r.generation as "reported_generation?", r.digest as "report_digest?",
            s.session as "session?"
         from cluster c
         left join acceptance a on a.cluster_id = c.id
         left join target t on t.cluster_id = c.id
         left join report r on r.cluster_id = c.id
         left join spoke_session s on s.cluster_id = c.id
         where c.id = $1"#,
        cluster.0
    )
    .fetch_optional(conn)
    .await
    .map_err(Error::doing("look what is known of a spoke"))?;
    row.map_or_else(|| Ok(Standing::default()), |row| row.read(cluster))
}

impl StandingRow {
    fn read(self, cluster: ClusterId) -> Result<Standing, Error> {
        let accepted = Row::of("acceptance", cluster);
        let fence = match (
            self.accepted_epoch,
            self.accepted_generation,
            self.accepted_target,
            self.accepted_completed,
        ) {
            (Some(epoch), Some(generation), Some(target), Some(completed)) => Some(Fence {
                epoch: accepted.number("epoch", epoch)?,
                generation: accepted.number("generation", generation)?,
                target: accepted.digest("target", &target)?,
                completed: accepted.number("completed", completed)?,
            }),
            _ => None,
        };
        let pair = |table, generation: Option<i64>, digest: Option<Vec<u8>>| {
            let (Some(generation), Some(digest)) = (generation, digest) else { return Ok(None) };
            let place = Row::of(table, cluster);
            Ok(Some((place.number("generation", generation)?, place.digest("digest", &digest)?)))
        };
        let report: Option<(u64, Digest)> = pair("report", self.reported_generation, self.report_digest)?;
        Ok(Standing {
            fence,
            refused: self.refused,
            target: pair("target", self.generation, self.digest)?,
            session: self.session,
            report: report.map(|(generation, digest)| reports::Head { generation, digest }),
        })
    }
}
