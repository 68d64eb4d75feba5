//! The demo's story, in the order of the data's path: config, plan, rollout, delivery, apply, report, drift.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use tests::{
    clusters::{standin::sail, wait::until},
    fleet::{Cluster, PATIENCE},
};

use crate::{documents, proof, say, stage::Stage};

/// Enrolment to drift, each step checked.
pub async fn tell(stage: &mut Stage) -> Result<()> {
    enrol(stage).await?;
    configure(stage).await?;
    plan(stage).await?;
    adopt(stage).await?;
    roll_out(stage).await?;
    proof::variants(stage).await?;
    edit_by_hand(stage).await?;
    overwrite(stage).await
}

async fn enrol(stage: &mut Stage) -> Result<()> {
    say::step(2, "Enrolment: a single-use token for each cluster, then mutual TLS");
    let began = Instant::now();
    stage.enrol().await?;
    say::done("five spokes run as their own service accounts and are connected", began.elapsed());
    stage.meshfleet.show(&["cluster", "list"]).await
}

async fn configure(stage: &Stage) -> Result<()> {
    say::step(3, "Config: one mesh for four providers, with nothing of any provider in it");
    say::document("payments.yaml", documents::PAYMENTS);
    say::note(
        "ledger.yaml is the article's mesh, by Calisti's operator; fleet.yaml labels and orders the clusters",
    );
    stage.meshfleet.show(&["apply", "-f", "fleet.yaml", "payments.yaml", "ledger.yaml"]).await
}

async fn plan(stage: &Stage) -> Result<()> {
    say::step(4, "Plan: what each platform needs, in groups of equal changes, and why");
    planned(stage, "payments", 4).await?;
    planned(stage, "ledger", 1).await?;
    stage.meshfleet.show(&["plan", "payments"]).await?;
    say::note("each byte of it can be asked why it is there:");
    stage.meshfleet.show(&["plan", "explain", "gke-us-1", "Istio/default", ".spec"]).await
}

/// The mesh that somebody made on AKS is left alone, until the config says that it may be taken over.
async fn adopt(stage: &Stage) -> Result<()> {
    say::step(5, "Adoption: on aks-eu-1 somebody has made an Istio by hand");
    let before = istios(&stage.aks).get("default").await?;
    let blocked = stage.fleet.command_line.json(&["plan", "payments", "--cluster", "aks-eu-1"]).await?;
    let findings = blocked["clusters"][0]["findings"].as_array().context("findings of a plan")?.clone();
    let told = findings.iter().any(|one| one["rule"] == "adoption.required" && one["blocking"] == true);
    say::claim(told, "the plan says so beforehand, and nothing is rolled out over it");
    ensure!(told, "the plan does not block: {findings:#?}");

    stage.write("payments.yaml", &documents::payments_adopting())?;
    say::note("payments.yaml now says `adopt: IfNoDiff`: what is exactly as planned may be taken over");
    stage.meshfleet.show_ending_with(3, &["diff", "-f", "payments.yaml"]).await?;
    stage.meshfleet.show(&["apply", "-f", "payments.yaml"]).await?;
    stage.meshfleet.show(&["plan", "payments", "--cluster", "aks-eu-1"]).await?;
    let after = istios(&stage.aks).get("default").await?;
    let untouched = before.metadata.generation == after.metadata.generation;
    say::claim(untouched, "asking changed nothing");
    ensure!(untouched, "the preview changed the Istio on aks-eu-1");
    Ok(())
}

async fn roll_out(stage: &Stage) -> Result<()> {
    say::step(6, "Rollout: staging, then two clouds at once, then OpenShift; each wave waits for health");
    let ledger = stage.fleet.roll_out(&["ledger"]).await?;
    stage.meshfleet.show(&["rollout", "start", "payments", "--strategy", "careful", "--wait"]).await?;
    say::note("the article's mesh was rolled out beside it");
    stage.fleet.succeeded(ledger).await?;
    stage.meshfleet.show(&["rollout", "list"]).await?;
    stage.meshfleet.show(&["status"]).await
}

/// Somebody pins another version on GKE, as `kubectl edit` would.
async fn edit_by_hand(stage: &Stage) -> Result<()> {
    say::step(8, "Drift: a hand edit on gke-us-1, seen by watch, with who did it");
    let began = Instant::now();
    let parameters = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
    let edit = json!({"spec": {"version": "v1.29.6"}});
    istios(&stage.gke).patch("default", &parameters, &Patch::Merge(edit)).await?;
    say::note("kubectl edit istio default: version: v1.29.6");
    let item = until("the hand edit to be reported", PATIENCE, || async {
        Ok(drift(stage).await?.into_iter().find(|item| item["path"] == ".spec.version"))
    })
    .await?;
    say::done("reported", began.elapsed());
    stage.meshfleet.show(&["drift", "report"]).await?;
    let told = item["manager"] == "kubectl-edit" && item["found"] == "v1.29.6";
    say::claim(told, "the report names the field, both values and kubectl-edit");
    ensure!(told, "the drift report does not say who did it: {item}");
    Ok(())
}

async fn overwrite(stage: &Stage) -> Result<()> {
    say::step(9, "Overwriting: exactly the reported field is taken back");
    stage.meshfleet.show(&["rollout", "start", "payments", "--overwrite-drift", "--wait"]).await?;
    until("the drift to be gone", PATIENCE, || async { Ok(drift(stage).await?.is_empty().then_some(())) })
        .await?;
    let live = istios(&stage.gke).get("default").await?;
    let found = live.data.pointer("/spec/version");
    let back = found == Some(&Value::from("v1.30.2"));
    say::claim(
        back,
        "gke-us-1 runs v1.30.2 again, no other cluster was given anything, and no drift is left",
    );
    ensure!(back, "the version is {found:?}");
    stage.meshfleet.show(&["drift", "report"]).await
}

async fn planned(stage: &Stage, config: &str, count: usize) -> Result<()> {
    until(&format!("the plans of {config} to be computed from facts"), PATIENCE, || async {
        let planned = stage.fleet.command_line.json(&["plan", config]).await?;
        let clusters = planned["clusters"].as_array().context("a plan for each cluster")?;
        Ok((clusters.len() == count && clusters.iter().all(|plan| plan["planDigest"] != "")).then_some(()))
    })
    .await
}

async fn drift(stage: &Stage) -> Result<Vec<Value>> {
    let report = stage.fleet.command_line.json(&["drift", "report"]).await?;
    let items = report["items"].as_array().context("a drift report has items")?;
    Ok(items.iter().map(|item| item["item"].clone()).collect())
}

/// The Istios of a cluster.
pub fn istios(cluster: &Cluster) -> Api<DynamicObject> {
    Api::all_with(cluster.admin.clone(), &sail::istios())
}
