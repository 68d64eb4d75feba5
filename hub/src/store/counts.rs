//! How many there are of what, for the metrics. Every state is told, also with none in it.

use std::collections::BTreeMap;

use sqlx::PgConnection;

use super::Error;

const ROLLOUTS: [&str; 2] = ["Running", "Paused"];

const TARGETS: [&str; 12] = [
    "Pending",
    "Blocked",
    "Sent",
    "Accepted",
    "Applying",
    "Converging",
    "Succeeded",
    "Failed",
    "TimedOut",
    "Refused",
    "Skipped",
    "Left",
];

const BLOCKED_BY: [&str; 6] = ["PlanChanged", "PlanBlocked", "Offline", "Held", "SpokeAhead", "other"];

/// How many there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Rollouts under way, by state.
    pub rollouts: BTreeMap<&'static str, i64>,
    /// Their targets, by state.
    pub targets: BTreeMap<&'static str, i64>,
    /// Their targets that are blocked, by what blocks them.
    pub blocked: BTreeMap<&'static str, i64>,
    /// Open drift items.
    pub drift_items: i64,
    /// Clusters with open drift items.
    pub drifted: i64,
    /// Open drift items that came back after each heal.
    pub fighting: i64,
    /// Clusters in which somebody stopped all writes.
    pub frozen: i64,
}

/// Counts. It costs as much as there is under way, not as there ever was.
pub async fn load(conn: &mut PgConnection) -> Result<Counts, Error> {
    let none = |words: &[&'static str]| words.iter().map(|word| (*word, 0)).collect::<BTreeMap<_, _>>();
    let (mut rollouts, mut targets, mut blocked) = (none(&ROLLOUTS), none(&TARGETS), none(&BLOCKED_BY));
    let live = sqlx::query!(
        r#"select state, count(*) as "count!" from rollout where state in ('Running', 'Paused') group by state"#
    );
    for row in live.fetch_all(&mut *conn).await.map_err(Error::doing("count rollouts"))? {
        add(&mut rollouts, &row.state, row.count);
    }
    let under_way = sqlx::query!(
        r#"select t.state, t.blocked_by, count(*) as "count!"
         from rollout_target t join rollout r on r.number = t.rollout
         where r.state in ('Running', 'Paused') group by t.state, t.blocked_by"#
    );
    for row in under_way.fetch_all(&mut *conn).await.map_err(Error::doing("count targets of rollouts"))? {
        add(&mut targets, &row.state, row.count);
        if row.state == "Blocked" {
            add(&mut blocked, row.blocked_by.as_deref().unwrap_or("other"), row.count);
        }
    }
    let drift = sqlx::query!(
        r#"select coalesce(sum(open_items), 0)::bigint as "items!", count(*) filter (where open_items > 0) as "clusters!",
            coalesce(sum(fighting_items), 0)::bigint as "fighting!",
            (select count(*) from report where frozen is not null) as "frozen!"
         from drift_report"#
    );
    let drift = drift.fetch_one(&mut *conn).await.map_err(Error::doing("count drift"))?;
    Ok(Counts {
        rollouts,
        targets,
        blocked,
        drift_items: drift.items,
        drifted: drift.clusters,
        fighting: drift.fighting,
        frozen: drift.frozen,
    })
}

/// A word that a newer hub wrote counts as `other`, where there is such a thing.
fn add(counts: &mut BTreeMap<&'static str, i64>, word: &str, count: i64) {
    let known = if counts.contains_key(word) { word } else { "other" };
    if let Some(total) = counts.get_mut(known) {
        *total += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_not_known_are_counted_together() {
        let mut counts = BTreeMap::from([("Held", 0), ("other", 0)]);
        for word in ["Held", "Window", "Approval"] {
            add(&mut counts, word, 1);
        }
        assert_eq!(counts, BTreeMap::from([("Held", 1), ("other", 2)]));
    }
}
