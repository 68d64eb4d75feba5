//! Counts of what the hub asked of its database, from PostgreSQL's own statistics.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use sqlx::{Connection, PgConnection, Row};
use tests::{clusters::wait::until, simulated::Crossed};

use super::ground::SOON;

/// The connection of who looks at the counts.
pub struct Meter(tokio::sync::Mutex<PgConnection>);

/// What one statement cost, by its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    pub calls: u64,
    pub rows: u64,
    pub log_bytes: u64,
}

/// What an operation cost.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// By the text of the statement.
    pub statements: BTreeMap<String, Cost>,
    /// Sessions that were woken.
    pub wakes: u64,
    /// What crossed the wire.
    pub crossed: Crossed,
}

impl Meter {
    pub fn new(connection: PgConnection) -> Self {
        Self(tokio::sync::Mutex::new(connection))
    }

    pub async fn close(self) -> Result<()> {
        Ok(self.0.into_inner().close().await?)
    }

    /// Everything that the hub's statements cost so far, once it asks nothing any more.
    pub async fn settled(&self) -> Result<BTreeMap<String, Cost>> {
        let mut before = self.costs().await?;
        loop {
            let busy = "select count(*) from pg_stat_activity where usename = 'hub' and state <> 'idle'";
            let none_busy = || async {
                let busy: i64 = sqlx::query_scalar(busy).fetch_one(&mut *self.0.lock().await).await?;
                Ok((busy == 0).then_some(()))
            };
            until("a hub that asks nothing", SOON, none_busy).await?;
            let after = self.costs().await?;
            if after == before {
                return Ok(after);
            }
            before = after;
        }
    }

    async fn costs(&self) -> Result<BTreeMap<String, Cost>> {
        let rows = sqlx::query(
            "select query, calls, rows, wal_bytes::bigint from pg_stat_statements s join pg_roles r on r.oid = s.userid
             where r.rolname = 'hub'",
        )
        .fetch_all(&mut *self.0.lock().await)
        .await?;
        let mut costs: BTreeMap<String, Cost> = BTreeMap::new();
        for row in rows {
            let number = |index: usize| anyhow::Ok(u64::try_from(row.try_get::<i64, _>(index)?)?);
            let cost = costs.entry(row.try_get(0)?).or_default();
            cost.calls += number(1)?;
            cost.rows += number(2)?;
            cost.log_bytes += number(3)?;
        }
        Ok(costs)
    }

    /// Waits until every spoke has reported that it runs its target.
    pub async fn until_reported(&self) -> Result<()> {
        let missing = "select count(*) from target t left join report r on r.cluster_id = t.cluster_id
            where r.generation is distinct from t.generation";
        let none_missing = || async {
            let missing: i64 = sqlx::query_scalar(missing).fetch_one(&mut *self.0.lock().await).await?;
            Ok((missing == 0).then_some(()))
        };
        until("the reports of all spokes", SOON, none_missing).await.context("a fleet that obeys")
    }
}

impl Counts {
    /// Statements, without those that only begin or end a transaction.
    fn asked(&self) -> impl Iterator<Item = (&str, &Cost)> {
        let ends = |text: &str| ["begin", "commit", "rollback"].contains(&text.to_lowercase().as_str());
        self.statements.iter().map(|(text, cost)| (text.as_str(), cost)).filter(move |(text, _)| !ends(text))
    }

    pub fn queries(&self) -> u64 {
        self.asked().map(|(_, cost)| cost.calls).sum()
    }

    pub fn rows_read(&self) -> u64 {
        self.asked().filter(|(text, _)| !writes(text)).map(|(_, cost)| cost.rows).sum()
    }

    pub fn rows_written(&self) -> u64 {
        self.asked().filter(|(text, _)| writes(text)).map(|(_, cost)| cost.rows).sum()
    }

    pub fn log_bytes(&self) -> u64 {
        self.asked().map(|(_, cost)| cost.log_bytes).sum()
    }

    pub fn commits(&self) -> u64 {
        let commits = self.statements.iter().filter(|(text, _)| text.eq_ignore_ascii_case("commit"));
        commits.map(|(_, cost)| cost.calls).sum()
    }

    /// The statements that count most, for a person.
    pub fn told(&self, most: usize) -> String {
        let mut asked: Vec<_> = self.asked().collect();
        asked.sort_by_key(|(_, cost)| std::cmp::Reverse((cost.calls, cost.rows)));
        let line = |(text, cost): (&str, &Cost)| {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let Cost { calls, rows, log_bytes } = cost;
            format!("  {calls:>6} calls {rows:>7} rows {log_bytes:>9} B of log  {text:.150}\n")
        };
        asked.into_iter().take(most).map(line).collect()
    }
}

fn writes(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or_default().to_lowercase();
    // No query of the hub that begins with a common table expression only reads, but the one for the bodies that a spoke has.
    ["insert", "update", "delete"].contains(&first.as_str())
        || first == "with" && text.to_lowercase().contains("insert into")
}

/// What came to a state since a former one.
pub fn since(before: &BTreeMap<String, Cost>, after: BTreeMap<String, Cost>) -> BTreeMap<String, Cost> {
    let more = after.into_iter().filter_map(|(text, cost)| {
        let former = before.get(&text).copied().unwrap_or_default();
        let more = Cost {
            calls: cost.calls - former.calls,
            rows: cost.rows - former.rows,
            log_bytes: cost.log_bytes - former.log_bytes,
        };
        (more != Cost::default()).then_some((text, more))
    });
    more.collect()
}
