//! The first run, end to end: what the demo shows, and what happens when something does not go well.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use tests::{
    clusters::{standin::calisti::Behaviour, wait::until},
    fleet::{Dress, PATIENCE, SPOKE_USER},
    programs::Programs,
};
use tokio::process::Command;

use crate::rig::{Rig, target};

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_holds_every_claim_it_makes() -> Result<()> {
    let programs = tokio::task::spawn_blocking(Programs::build).await??;
    let demo = programs.meshfleet().with_file_name("demo");
    let output = Command::new(demo)
        .arg("--once")
        .stdin(Stdio::null())
        .output()
        .await
        .context("cannot run the demo")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    ensure!(said.matches('✓').count() >= 12 && !said.contains('✗'), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_stops_the_next_wave() -> Result<()> {
    let rig = Rig::start().await?;
    let mut sick = rig.cluster("eks-sick", Dress::Eks, Behaviour::NeverReady).await?;
    let mut next = rig.cluster("eks-next", Dress::Eks, Behaviour::Normal).await?;
    rig.fleet.enrol(&mut sick, &[]).await?;
    rig.fleet.enrol(&mut next, &[]).await?;
    rig.fleet.connected("eks-sick").await?;
    rig.fleet.connected("eks-next").await?;
    rig.apply_mesh(&["eks-sick", "eks-next"]).await?;
    rig.apply_waves("careful", &["eks-sick", "eks-next"], 20).await?;

    let number = rig.fleet.roll_out(&["payments", "--strategy", "careful"]).await?;
    let ended = rig.fleet.ended(number).await?;
    ensure!(ended["state"] == "Failed", "{ended:#}");
    ensure!(ended["reason"].as_str().is_some_and(|reason| reason.contains("eks-sick")), "{ended:#}");
    ensure!(target(&ended, "eks-sick")["state"] == "TimedOut", "{ended:#}");
    ensure!(target(&ended, "eks-next")["state"] == "Skipped", "{ended:#}");
    // The target would be the same; that it was not reached is a difference all the same.
    let again = ["plan", "payments", "--cluster", "eks-sick", "--detailed-exitcode"];
    let said = rig.ends_with(3, &again).await?;
    ensure!(said.contains("target.unreached") && said.contains("meshfleet status eks-sick"), "{said}");
    let written = next.plane.audit().mutations_by(SPOKE_USER)?;
    ensure!(
        written.iter().all(|entry| entry.namespace == "meshfleet"),
        "the next wave was touched: {written:#?}"
    );
    rig.passed().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_api_server_is_a_state_and_not_a_dead_spoke() -> Result<()> {
    let rig = Rig::start().await?;
    let mut cluster = rig.cluster("eks-1", Dress::Eks, Behaviour::Normal).await?;
    rig.fleet.enrol(&mut cluster, &[]).await?;
    rig.fleet.connected("eks-1").await?;
    rig.apply_mesh(&["eks-1"]).await?;
    cluster.plane.kill().await?;
    let number = rig.fleet.roll_out(&["payments"]).await?;
    until("the lost API server to be told", PATIENCE, || async {
        let shown = rig.fleet.command_line.json(&["rollout", "show", &number.to_string()]).await?;
        let told = shown["reason"].as_str().is_some_and(|reason| reason.contains("eks-1"));
        Ok((shown["state"] == "Running" && told).then_some(()))
    })
    .await?;
    cluster.plane.restart().await?;
    rig.fleet.succeeded(number).await?;
    let spoke = cluster.spoke.as_mut().context("a spoke")?;
    let ended = tokio::time::timeout(Duration::ZERO, spoke.ended()).await;
    ensure!(ended.is_err(), "the spoke died with its API server");
    rig.passed().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detached_cluster_comes_back_with_a_new_token() -> Result<()> {
    let rig = Rig::start().await?;
    let mut cluster = rig.cluster("eks-1", Dress::Eks, Behaviour::Normal).await?;
    rig.fleet.enrol(&mut cluster, &[]).await?;
    let before = rig.fleet.connected("eks-1").await?;
    rig.fleet.command_line.done(&["cluster", "detach", "eks-1"]).await?;
    until("the detached cluster to be gone", PATIENCE, || async {
        let listed = rig.fleet.command_line.json(&["cluster", "list"]).await?;
        let gone = listed["clusters"][0]["connected"] == false;
        Ok((gone && listed["clusters"][0]["state"] == "Detached").then_some(()))
    })
    .await?;
    let spoke = cluster.spoke.take().context("a spoke")?;
    spoke.stop().await?;
    rig.fleet.enrol(&mut cluster, &[]).await?;
    let after = rig.fleet.connected("eks-1").await?;
    ensure!(after["id"] == before["id"] && after["state"] == "Active", "{after:#}");
    rig.passed().await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_is_told_and_nothing_is_stored() -> Result<()> {
    let rig = Rig::start().await?;
    let text = "\
apiVersion: meshfleet.dev/v1
kind: Cluster
metadata: {name: eks-1}
spec: {platform: openshft}
---
apiVersion: meshfleet.dev/v1
kind: MeshConfig
metadata: {name: payments}
spec:
  clusters: {names: [eks-1]}
  base:
    mesh: {id: payments}
    istio: {verison: 1.17.8}
    installer: {kind: calisti}
    dataPlane: {namespaces: {names: [shop]}}
";
    let path = rig.path().join("bad.yaml");
    std::fs::write(&path, text)?;
    let said = rig.fleet.command_line.run(&["apply", "-f", &path.display().to_string()]).await?;
    ensure!(said.code == 1, "{said:?}");
    let told = format!("{}{}", said.stdout, said.stderr);
    for expected in ["bad.yaml:4:", "spec.platform", "bad.yaml:13:", "spec.base.istio.verison", "version"] {
        ensure!(told.contains(expected), "{expected} is not in:\n{told}");
    }
    let listed = rig.fleet.command_line.json(&["cluster", "list"]).await?;
    ensure!(listed["clusters"].as_array().is_some_and(Vec::is_empty), "{listed}");
    let planned = rig.fleet.command_line.run(&["plan", "payments"]).await?;
    ensure!(planned.code == 1, "{planned:?}");
    rig.passed().await
}
