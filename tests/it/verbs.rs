//! A rollout in the hands of a person: held, let go on, ended.

use anyhow::{Result, ensure};
use serde_json::Value;
use tests::{
    clusters::audit::Entry,
    fleet::{Dress, SPOKE_USER},
};

use crate::{
    rig::{Rig, target},
    team,
};

const FLEET: &str = "\
apiVersion: meshfleet.dev/v1
kind: Cluster
metadata: {name: eks-1, labels: {mesh: payments}}
---
apiVersion: meshfleet.dev/v1
kind: Cluster
metadata: {name: eks-2, labels: {mesh: payments}}
---
apiVersion: meshfleet.dev/v1
kind: RolloutStrategy
metadata: {name: careful}
spec:
  maxUnavailable: 1
  waves:
    - {name: all, clusters: {matchLabels: {mesh: payments}}}
---
apiVersion: meshfleet.dev/v1
kind: MeshConfig
metadata: {name: payments}
spec:
  clusters: {matchLabels: {mesh: payments}}
  base:
    mesh: {id: payments}
    istio: {version: 1.30.3}
    installer: {kind: sail}
    dataPlane: {namespaces: {names: [shop]}}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_is_held_goes_on_and_is_ended() -> Result<()> {
    let rig = Rig::start().await?;
    let (mut one, mut two) = tokio::try_join!(rig.sail("eks-1", Dress::Eks), rig.sail("eks-2", Dress::Eks))?;
    for cluster in [&one, &two] {
        team::apply(&cluster.admin, [team::namespace("shop", &[team::BY_SAIL])]).await?;
    }
    rig.join(&mut [&mut one, &mut two]).await?;
    rig.fleet.apply("fleet.yaml", FLEET).await?;

    // A cluster counts as healthy after some seconds at the earliest, so the second has not begun.
    let number = rig.fleet.roll_out(&["payments", "--strategy", "careful"]).await?;
    let name = number.to_string();
    rig.until(number, "the first cluster to begin", |shown| shown["progress"]["inFlight"] == 1).await?;
    rig.ends_with(0, &["rollout", "pause", &name, "--reason", "latency in eu"]).await?;
    rig.ends_with(1, &["rollout", "start", "payments"]).await?;
    let held = rig.until(number, "the first cluster to be done", |shown| shown["progress"]["succeeded"] == 1);
    let held = held.await?;
    let (done, waiting) =
        if target(&held, "eks-1")["state"] == "Succeeded" { (&one, &two) } else { (&two, &one) };
    ensure!(held["state"] == "Paused" && target(&held, &waiting.name)["state"] == "Pending", "{held:#}");
    let shown = rig.ends_with(0, &["rollout", "show", &name]).await?;
    ensure!(shown.contains("latency in eu"), "{shown}");
    untouched(waiting.plane.audit().mutations_by(SPOKE_USER)?)?;

    rig.ends_with(0, &["rollout", "resume", &name]).await?;
    let began = |shown: &Value| {
        let state = target(shown, &waiting.name)["state"].clone();
        ["Sent", "Accepted", "Applying", "Converging"].iter().any(|under_way| state == *under_way)
    };
    rig.until(number, "the second cluster to begin", began).await?;
    rig.ends_with(0, &["rollout", "abort", &name, "--reason", "wrong version"]).await?;
    let ended = rig.fleet.ended(number).await?;
    ensure!(ended["state"] == "Aborted", "{ended:#}");
    ensure!(target(&ended, &done.name)["state"] == "Succeeded", "{ended:#}");
    let shown = rig.ends_with(0, &["rollout", "show", &name]).await?;
    ensure!(shown.contains("wrong version"), "{shown}");
    rig.ends_with(1, &["rollout", "resume", &name]).await?;
    rig.ends_with(1, &["rollout", "watch", &name]).await?;

    let again =
        rig.fleet.command_line.done(&["rollout", "start", "payments", "--strategy", "careful", "--wait"]);
    again.await?;
    for cluster in ["eks-1", "eks-2"] {
        rig.condition_is(cluster, "Healthy", "Healthy").await?;
    }
    let runs = rig.ends_with(1, &["delete", "meshconfig", "payments"]).await?;
    ensure!(runs.contains("eks-1, eks-2") && runs.contains("config unassign"), "{runs}");
    rig.ends_with(0, &["plan", "payments", "--detailed-exitcode"]).await?;
    rig.passed().await
}

fn untouched(written: Vec<Entry>) -> Result<()> {
    ensure!(written.iter().all(|entry| entry.namespace == "meshfleet"), "it was touched: {written:#?}");
    Ok(())
}
