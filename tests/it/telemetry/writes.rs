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
    let before = Count::of(&cluster, &BTreeSet::new()).await?;

    let number = rig.fleet.roll_out(&["payments"]).await?;
    rig.fleet.succeeded(number).await?;
    let written = written(&cluster)?;
    let objects: BTreeSet<_> = written.iter().map(|one| (&one.resource, &one.namespace, &one.name)).collect();
    ensure!(written.len() == objects.len() && objects.len() > 3, "some were written twice: {written:#?}");
    let resources: BTreeSet<String> = written.iter().map(|one| one.resource.clone()).collect();
    let first = settled(&cluster, &resources).await?;
    ensure!(first.dry_runs == before.dry_runs, "a rollout of new objects made dry runs");

    // One value more changes one object of several.
    let changed =
        MESH.replace("    dataPlane:", "    values: {istiod: {pilot: {autoscaleMin: 2}}}\n    dataPlane:");
    ensure!(changed != MESH, "the mesh has other words now");
    rig.fleet.apply("changed.yaml", &changed).await?;
    let number = rig.fleet.roll_out(&["payments"]).await?;
    rig.fleet.succeeded(number).await?;
    let second = settled(&cluster, &resources).await?;
    ensure!(second.writes - first.writes == 1, "{first:?}, then {second:?}: {:#?}", self::written(&cluster)?);
    ensure!(second.dry_runs == first.dry_runs, "a rollout of a change made dry runs");

    // The same again, and a new life of the spoke, change nothing.
    let number = rig.fleet.roll_out(&["payments"]).await?;
    rig.fleet.succeeded(number).await?;
    cluster.spoke.take().context("a spoke")?.stop().await?;
    rig.fleet.start_spoke(&mut cluster, None, &[])?;
    super::logged(&rig.path().join("spoke-rosa-1.log"), "attached").await?;
    rig.condition_is("rosa-1", "Connected", "Attached").await?;
    let third = settled(&cluster, &resources).await?;
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
    async fn of(cluster: &Cluster, resources: &BTreeSet<String>) -> Result<Self> {
        let request = http::Request::get("/metrics").body(Vec::new())?;
        let page = cluster.admin.request_text(request).await.context("the API server's metrics")?;
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

/// The count once it agrees with the audit log: both are written a moment after the answer.
async fn settled(cluster: &Cluster, resources: &BTreeSet<String>) -> Result<Count> {
    let last = std::sync::Mutex::new(None);
    until("the API server to have counted everything", PATIENCE, || async {
        let mutations = |entry: &&Entry| entry.mutates() && entry.succeeded() && entry.subresource.is_empty();
        let entries = cluster.plane.audit().entries()?;
        let audited =
            entries.iter().filter(mutations).filter(|entry| resources.contains(&entry.resource)).count();
        let count = Count::of(cluster, resources).await?;
        let agrees = u64::try_from(audited)? == count.writes;
        let told = format!("{count:?}, and {audited} in the audit log");
        if let Ok(mut last) = last.lock() {
            *last = Some(told);
        }
        Ok(agrees.then_some(count))
    })
    .await
    .with_context(|| format!("{:?}", last.lock().map(|last| last.clone())))
}
