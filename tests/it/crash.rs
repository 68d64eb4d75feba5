//! Killed at every point: a process that dies at any named point, or right after each single write, and is started again,
//! reaches the same end as one that never dies.

mod grid;
mod lane;
mod stopped;

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use http::Request;
use serde_json::{Value, json};
use tests::{
    clusters::{audit::Entry, standin::calisti::Behaviour},
    fleet::{Cluster, Dress, Fleet, SPOKE_USER},
};
use tokio::time::{Duration, timeout};

use crate::{rig::Rig, team};

/// A whole rollout with a death after each write takes many lives; each takes seconds.
const ALL_LIVES: Duration = Duration::from_secs(300);

/// More writes than a rollout can need: a spoke that makes no progress fails here and not by time.
const MOST_LIVES: usize = 80;

/// A mesh by Sail, for the cluster whose operator makes objects that fields of ours are put on.
const CLOUD: &str = "\
apiVersion: meshfleet.dev/v1
kind: Cluster
metadata: {name: aks-dying, labels: {mesh: cloud}}
---
apiVersion: meshfleet.dev/v1
kind: MeshConfig
metadata: {name: cloud}
spec:
  clusters: {matchLabels: {mesh: cloud}}
  base:
    mesh: {id: cloud}
    istio: {version: 1.30.3}
    installer: {kind: sail}
    dataPlane: {namespaces: {names: [shop]}}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_spoke_that_dies_after_each_write_reaches_the_same_end() -> Result<()> {
    let rig = Rig::start().await?;
    let (mut steady, mut dying, mut cloud) = tokio::try_join!(
        rig.cluster("rosa-steady", Dress::Rosa, Behaviour::Normal),
        rig.cluster("rosa-dying", Dress::Rosa, Behaviour::Normal),
        rig.sail("aks-dying", Dress::Aks),
    )?;
    for cluster in [&steady, &dying] {
        let injected = ["shop", "billing"].map(|name| team::namespace(name, &[team::BY_CALISTI]));
        team::apply(&cluster.admin, injected).await?;
    }
    rig.join(&mut [&mut steady, &mut dying, &mut cloud]).await?;
    rig.apply_mesh(&["rosa-steady", "rosa-dying"]).await?;
    rig.fleet.apply("cloud.yaml", CLOUD).await?;
    for cluster in [&mut dying, &mut cloud] {
        cluster.spoke.take().context("a spoke")?.kill().await?;
    }
    let number = rig.fleet.roll_out(&["payments"]).await?;
    let over_there = rig.fleet.roll_out(&["cloud"]).await?;
    let lives = futures::future::try_join(
        live_and_die(&rig.fleet, &mut dying, number),
        live_and_die(&rig.fleet, &mut cloud, over_there),
    );
    let (lives, of_cloud) = timeout(ALL_LIVES, lives).await.context("it took too long")??;
    ensure!(lives > 12, "only {lives} lives: were the writes between them seen?");
    ensure!(of_cloud > 8, "only {of_cloud} lives: were the writes between them seen?");
    rig.fleet.succeeded(number).await?;
    rig.fleet.succeeded(over_there).await?;
    same_end(&steady, &dying).await?;
    never_back_and_forth(&dying)?;
    has_instances_and_additions(&dying, &cloud).await?;
    never_back_and_forth(&cloud)?;
    rig.passed().await
}

/// What is not simply applied is there too: instances of templates, and fields on what the operator makes.
async fn has_instances_and_additions(rosa: &Cluster, aks: &Cluster) -> Result<()> {
    let there: Vec<String> = end(rosa).await?.into_keys().collect();
    for namespace in ["shop", "billing"] {
        let attachment = format!("network-attachment-definitions {namespace}/istio-cni");
        let binding = format!("rolebindings {namespace}/");
        ensure!(there.contains(&attachment), "no {attachment} in {there:#?}");
        ensure!(there.iter().any(|one| one.starts_with(&binding)), "no {binding} in {there:#?}");
    }
    let there = end(aks).await?.into_iter();
    let added: Vec<_> = there.filter(|(name, _)| name.contains("webhookconfigurations ")).collect();
    ensure!(added.len() >= 2, "only {added:#?} carry fields of ours");
    for (name, object) in added {
        ensure!(
            object["metadata"]["annotations"]["admissions.enforcer/disabled"] == "true",
            "{name} lost what was added: {object:#}"
        );
    }
    Ok(())
}

/// Starts the spoke again and again, each time to die after one write, until the rollout has ended.
async fn live_and_die(fleet: &Fleet, cluster: &mut Cluster, rollout: u64) -> Result<usize> {
    for life in 1..MOST_LIVES {
        fleet.start_spoke(
            cluster,
            None,
            &[("MESHFLEET_FAIL_POINT", spoke::fail_point::WRITE_AFTER.name())],
        )?;
        let spoke = cluster.spoke.as_mut().context("a spoke that was just started")?;
        tokio::select! {
            died = spoke.ended() => drop(died?),
            ended = fleet.ended(rollout) => return ended.map(|_| life),
        }
    }
    bail!("{MOST_LIVES} lives of one write each did not end the rollout")
}

/// What is there in the end of all that the spoke ever sent. The audit log alone does not tell: of several writes side by
/// side, those that a dying spoke did not wait for may have been done.
async fn end(cluster: &Cluster) -> Result<BTreeMap<String, Value>> {
    let sent = cluster.plane.audit().entries()?.into_iter().filter(|entry| {
        entry.user == SPOKE_USER
            && entry.mutates()
            && entry.namespace != "meshfleet"
            && !entry.name.is_empty()
    });
    let paths: BTreeMap<String, String> = sent.map(|entry| (object(&entry), path(&entry))).collect();
    let mut there = BTreeMap::new();
    for (name, path) in paths {
        let request = Request::get(&path).body(Vec::new())?;
        match cluster.admin.request::<Value>(request).await {
            Ok(found) => drop(there.insert(name, found)),
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => return Err(error).with_context(|| format!("reading {path}")),
        }
    }
    Ok(there)
}

/// The path of the object that a request was about.
fn path(entry: &Entry) -> String {
    let path = entry.request_uri.split('?').next().unwrap_or_default();
    let name = format!("/{}", entry.name);
    if path.ends_with(&name) { path.to_owned() } else { format!("{path}{name}") }
}

/// An object without what differs by design: who it is, its cluster, and what its operator says of it.
fn alike(mut object: Value) -> Value {
    let (name, namespace) = (object["metadata"]["name"].take(), object["metadata"]["namespace"].take());
    object["metadata"] = json!({"name": name, "namespace": namespace});
    object["status"] = Value::Null;
    for field in ["clusterID", "networkName"] {
        if object["spec"].get(field).is_some() {
            object["spec"][field] = Value::Null;
        }
    }
    object
}

async fn same_end(one: &Cluster, other: &Cluster) -> Result<()> {
    let alike = |end: BTreeMap<String, Value>| -> BTreeMap<String, Value> {
        end.into_iter().map(|(name, object)| (name, alike(object))).collect()
    };
    let (one, other) = (alike(end(one).await?), alike(end(other).await?));
    ensure!(one.len() >= 9, "a mesh on ROSA has more objects than {:?}", one.keys());
    ensure!(one == other, "not the same end:\n{one:#?}\n{other:#?}");
    Ok(())
}

/// No object is written to be A, then B, then A again.
fn never_back_and_forth(cluster: &Cluster) -> Result<()> {
    let mut history: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for entry in meshes(cluster)? {
        let bodies = history.entry(object(&entry)).or_default();
        let mut body = entry.request_body.unwrap_or_default();
        // A uid stands there once the object was looked at.
        body.pointer_mut("/metadata/uid").map(Value::take);
        if bodies.last() == Some(&body) {
            continue;
        }
        ensure!(!bodies.contains(&body), "an object went back: {:?}", bodies);
        bodies.push(body);
    }
    ensure!(!history.is_empty(), "the audit log shows no write of the spoke");
    Ok(())
}

/// The spoke's writes outside its own namespace, oldest first.
fn meshes(cluster: &Cluster) -> Result<Vec<Entry>> {
    let written = cluster.plane.audit().mutations_by(SPOKE_USER)?;
    Ok(written.into_iter().filter(|entry| entry.namespace != "meshfleet").collect())
}

fn object(entry: &Entry) -> String {
    format!("{} {}/{}", entry.resource, entry.namespace, entry.name)
}
