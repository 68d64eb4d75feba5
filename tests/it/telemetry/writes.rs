//! What a rollout costs an API server, by the API server's own count: one write for each object that changes, none for one
//! that does not, and no dry run.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use tests::{
    clusters::{audit::Entry, standin::calisti::Behaviour, wait::until},
    fleet::{Cluster, Dress, MESH, PATIENCE, SPOKE_USER},
};

use crate::rig::Rig;

/// How the API server names what may change something.
const WRITES: [&str; 6] = ["APPLY", "PATCH", "POST", "PUT", "DELETE", "DELETECOLLECTION"];

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_changes_is_written_once_and_one_that_does_not_never() -> Result<()> {
    let rig = Rig::start().await?;
    let mut cluster = rig.cluster("rosa-1", Dress::Rosa, Behaviour::Normal).await?;
    rig.join(&mut [&mut cluster]).await?;
    rig.apply_mesh(&["rosa-1"]).await?;
    let (page, audited) = (page(&cluster).await?, cluster.plane.audit().entries()?);

    let number = rig.fleet.roll_out(&["payments"]).await?;
    rig.fleet.succeeded(number).await?;
    let written = written(&cluster)?;
    let objects: BTreeSet<_> = written.iter().map(|one| (&one.resource, &one.namespace, &one.name)).collect();
    ensure!(written.len() == objects.len() && objects.len() > 3, "some were written twice: {written:#?}");
    let resources: BTreeSet<String> = written.iter().map(|one| one.resource.clone()).collect();
    let before = Count::of(&page, &resources)?;
    let meter = Meter { unaudited: before.writes - mutations(&audited, &resources), resources };
    let first = meter.settled(&cluster).await?;
    ensure!(first.dry_runs == before.dry_runs, "a rollout of new objects made dry runs");

    // One value more changes one object of several.
    let changed =
        MESH.replace("mesh: {id: payments}", "mesh: {id: payments, trustDomain: payments.example.com}");
    ensure!(changed != MESH, "the mesh has other words now");
    rig.fleet.apply("changed.yaml", &changed).await?;
    let number = rig.fleet.roll_out(&["payments"]).await?;
    rig.fleet.succeeded(number).await?;
    let second = meter.settled(&cluster).await?;
    ensure!(second.writes - first.writes == 1, "{first:?}, then {second:?}: {:#?}", self::written(&cluster)?);
    ensure!(second.dry_runs == first.dry_runs, "a rollout of a change made dry runs");

    // The same again, and a new life of the spoke, change nothing.
    let number = rig.fleet.roll_out(&["payments"]).await?;
    rig.fleet.succeeded(number).await?;
    cluster.spoke.take().context("a spoke")?.stop().await?;
    rig.fleet.start_spoke(&mut cluster, None, &[])?;
    super::logged(&rig.path().join("spoke-rosa-1.log"), "attached").await?;
    rig.condition_is("rosa-1", "Connected", "Attached").await?;
    let third = meter.settled(&cluster).await?;
    ensure!(third == second, "{second:?}, then {third:?}, though nothing changed");
    rig.passed().await
}

/// What the spoke wrote for its target, by the audit log.
fn written(cluster: &Cluster) -> Result<Vec<Entry>> {
    let written = cluster.plane.audit().mutations_by(SPOKE_USER)?;
    Ok(written.into_iter().filter(|entry| entry.namespace != "meshfleet").collect())
}

/// What the API server counted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Count {
    /// Writes of the kinds that were asked for, not of their status.
    writes: u64,
    /// Dry runs of anything.
    dry_runs: u64,
}

impl Count {
    fn of(page: &str, resources: &BTreeSet<String>) -> Result<Self> {
        let mut count = Self { writes: 0, dry_runs: 0 };
        for line in page.lines().filter(|line| line.starts_with("apiserver_request_total{")) {
            let label = |name: &str| {
                let begin = format!("{name}=\"");
                let value = line.split([',', '{']).find_map(|part| part.strip_prefix(&begin));
                value.and_then(|value| value.split('"').next()).unwrap_or_default()
            };
            let value =
                line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()).context("a number")?;
            let value = value as u64;
            if !label("dry_run").is_empty() {
                count.dry_runs += value;
            } else if WRITES.contains(&label("verb"))
                && label("subresource").is_empty()
                && label("code").starts_with('2')
                && resources.contains(label("resource"))
            {
                count.writes += value;
            }
        }
        Ok(count)
    }
}

async fn page(cluster: &Cluster) -> Result<String> {
    let request = http::Request::get("/metrics").body(Vec::new())?;
    cluster.admin.request_text(request).await.context("the API server's metrics")
}

/// How many writes of these kinds are in an audit log.
fn mutations(entries: &[Entry], resources: &BTreeSet<String>) -> u64 {
    let counted = |entry: &&Entry| {
        let whole = entry.subresource.is_empty() && resources.contains(&entry.resource);
        whole && entry.mutates() && entry.succeeded()
    };
    entries.iter().filter(counted).count() as u64
}

/// Reads the API server's count.
struct Meter {
    resources: BTreeSet<String>,
    /// What the API server wrote for itself when it started, and counts, and does not log.
    unaudited: u64,
}

impl Meter {
    /// The count once it agrees with the audit log: both are written a moment after the answer.
    async fn settled(&self, cluster: &Cluster) -> Result<Count> {
        let last = std::sync::Mutex::new(String::new());
        let settled = until("the API server to have counted everything", PATIENCE, || async {
            let audited = mutations(&cluster.plane.audit().entries()?, &self.resources);
            let count = Count::of(&page(cluster).await?, &self.resources)?;
            if let Ok(mut last) = last.lock() {
                *last = format!("{count:?}, and {audited} + {} in the audit log", self.unaudited);
            }
            Ok((audited + self.unaudited == count.writes).then_some(count))
        });
        settled.await.with_context(|| last.lock().map(|last| last.clone()).unwrap_or_default())
    }
}
