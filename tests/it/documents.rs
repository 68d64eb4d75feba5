//! Documents by the command line, against a hub with one cluster: what differs, what is stored, what is refused and why.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{
    clusters::standin::sail::{self, Behaviour},
    fleet::{Cluster, Dress},
};

use crate::{
    rig::{Rig, target},
    team,
};

const FLEET: &str = "\
apiVersion: meshfleet.dev/v1
kind: Cluster
metadata: {name: eks-1, labels: {mesh: payments, env: staging}}
spec: {network: eu, variables: {ZONE: eu-west-1a}}
---
apiVersion: meshfleet.dev/v1
kind: RolloutStrategy
metadata: {name: careful}
spec:
  maxUnavailable: 1
  waves:
    - {name: all, clusters: {matchLabels: {mesh: payments}}}
";

const MESH: &str = "\
apiVersion: meshfleet.dev/v1
kind: MeshConfig
metadata: {name: payments}
spec:
  clusters: {matchLabels: {mesh: payments}}
  base:
    mesh: {id: payments, trustDomain: payments.example.com}
    istio: {version: 1.30.2}
    installer: {kind: sail}
    dataPlane: {namespaces: {names: [shop]}}
    values: {istiod: {pilot: {autoscaleMin: 2, env: {WHERE: \"${cluster}-${ZONE}\"}}}}
  layers:
    - name: staging
      clusters: {matchLabels: {env: staging}}
      set: {istio: {version: 1.30.3}, values: {istiod: {pilot: {autoscaleMin: 1}}}}
  overrides:
    - {rule: sail.platform, path: values.istiod.global.platform, value: k3s, clusters: {names: [eks-1]},
       owner: ana, reason: a trial, expires: 2099-01-31}
";

/// The same cluster, for another mesh.
const OTHER: &str = "\
apiVersion: meshfleet.dev/v1
kind: MeshConfig
metadata: {name: ledger}
spec:
  clusters: {names: [eks-1]}
  base:
    mesh: {id: ledger}
    istio: {version: 1.30.3}
    installer: {kind: sail}
    dataPlane: {namespaces: {names: [ledger]}}
";

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_compared_kept_and_refused_as_a_person_expects() -> Result<()> {
    let rig = Rig::start().await?;
    // Nobody installs anything: what is rolled out stays under way.
    let absent = sail::Options { behaviour: Behaviour::Absent, ..sail::Options::default() };
    let mut eks = Cluster::start(&rig.etcd, "eks-1", Dress::Eks, absent).await?;
    team::apply(&eks.admin, [team::namespace("shop", &[team::BY_SAIL])]).await?;
    rig.join(&mut [&mut eks]).await?;
    rig.fleet.apply("fleet.yaml", FLEET).await?;
    rig.fleet.apply("mesh.yaml", MESH).await?;

    differences_are_an_exit_code(&rig).await?;
    rig.is_explained("eks-1").await?;
    override_and_variables_are_explained(&rig).await?;
    what_was_got_is_applied_unchanged(&rig).await?;
    two_configs_block_and_are_named(&rig).await?;
    what_is_used_is_not_deleted(&rig).await?;
    rig.passed().await
}

async fn differences_are_an_exit_code(rig: &Rig) -> Result<()> {
    rig.ends_with(0, &["plan", "payments"]).await?;
    rig.ends_with(3, &["plan", "payments", "--detailed-exitcode"]).await?;
    let same = rig.path().join("mesh.yaml").display().to_string();
    rig.ends_with(0, &["diff", "-f", &same]).await?;
    let changed = rig.path().join("changed.yaml");
    std::fs::write(&changed, MESH.replace("autoscaleMin: 2", "autoscaleMin: 3"))?;
    let said = rig.ends_with(3, &["diff", "-f", &changed.display().to_string()]).await?;
    ensure!(said.contains("autoscaleMin"), "{said}");
    let history = rig.fleet.command_line.json(&["config", "history", "payments"]).await?;
    let versions = history["versions"].as_array().context("versions")?;
    ensure!(versions.len() == 1, "a comparison stores nothing: {history:#}");
    Ok(())
}

async fn override_and_variables_are_explained(rig: &Rig) -> Result<()> {
    let explained =
        rig.fleet.command_line.json(&["plan", "explain", "eks-1", "Istio/default", ".spec"]).await?;
    let leaves = explained["objects"][0]["leaves"].as_array().context("leaves")?;
    let leaf = |path: &str| {
        leaves.iter().find(|leaf| leaf["path"] == path).with_context(|| format!("no {path}: {explained:#}"))
    };
    let version = leaf(".spec.version")?;
    ensure!(version["value"] == "v1.30.3" && version["layer"] == "staging", "{version:#}");
    ensure!(
        version["line"] == 15 && version["file"].as_str().is_some_and(|file| file.ends_with("mesh.yaml")),
        "{version:#}"
    );
    let place = leaf(".spec.values.pilot.env.WHERE")?;
    ensure!(place["value"] == "eks-1-eu-west-1a" && place["layer"] == "base", "{place:#}");
    let network = leaf(".spec.values.global.network")?;
    ensure!(network["value"] == "eu" && network["layer"] == "cluster", "{network:#}");
    let platform = leaf(".spec.values.global.platform")?;
    ensure!(platform["origin"] == "override" && platform["note"].to_string().contains("ana"), "{platform:#}");
    Ok(())
}

async fn what_was_got_is_applied_unchanged(rig: &Rig) -> Result<()> {
    let got = rig.fleet.command_line.done(&["get", "-o", "yaml"]).await?;
    for name in ["eks-1", "careful", "payments"] {
        ensure!(got.contains(name), "{name} is not in:\n{got}");
    }
    let said = rig.fleet.command_line.fed(&["apply", "-f", "-", "-o", "json"], &got).await?;
    ensure!(said.code == 0, "{said:?}");
    let applied: Value = serde_json::from_str(&said.stdout)?;
    let results = applied["applied"].as_array().context("what was applied")?;
    ensure!(results.len() == 3, "{applied:#}");
    ensure!(results.iter().all(|one| one["result"] == "unchanged"), "{applied:#}");
    Ok(())
}

async fn two_configs_block_and_are_named(rig: &Rig) -> Result<()> {
    rig.fleet.apply("other.yaml", OTHER).await?;
    let planned = rig.fleet.command_line.json(&["plan", "payments"]).await?;
    let findings = planned["clusters"][0]["findings"].as_array().context("findings")?;
    let two = findings.iter().find(|finding| finding["rule"] == "config.two").context("a finding")?;
    ensure!(two["blocking"] == true && names_both(&two["message"].to_string()), "{two:#}");
    ensure!(names_both(&rig.ends_with(3, &["plan", "payments", "--detailed-exitcode"]).await?));
    let unread = rig.fleet.command_line.unread(&["plan", "payments", "--detailed-exitcode"]).await?;
    ensure!(unread == Some(3), "{unread:?}: the exit code holds also if nobody reads to the end");
    let condition = rig.condition_is("eks-1", "Planned", "TwoConfigs").await?;
    ensure!(names_both(&condition["message"].to_string()), "{condition:#}");
    let shown = rig.ends_with(0, &["status"]).await?;
    ensure!(names_both(&shown), "{shown}");
    ensure!(names_both(&rig.ends_with(1, &["plan", "explain", "eks-1"]).await?));
    for config in ["payments", "ledger"] {
        let refused = rig.ends_with(1, &["rollout", "start", config]).await?;
        ensure!(names_both(&refused), "{refused}");
    }
    let rollouts = rig.fleet.command_line.json(&["rollout", "list"]).await?;
    ensure!(rollouts["rollouts"].as_array().is_some_and(Vec::is_empty), "{rollouts:#}");
    Ok(())
}

fn names_both(text: &str) -> bool {
    text.contains("payments") && text.contains("ledger")
}

async fn what_is_used_is_not_deleted(rig: &Rig) -> Result<()> {
    let other = rig.path().join("other.yaml").display().to_string();
    rig.ends_with(0, &["delete", "-f", &other]).await?;
    rig.ends_with(1, &["delete", "meshconfig", "ledger"]).await?;
    let active = rig.ends_with(1, &["delete", "cluster", "eks-1"]).await?;
    ensure!(active.contains("meshfleet cluster detach eks-1"), "{active}");

    let number = rig.fleet.roll_out(&["payments"]).await?;
    let rolling = rig.ends_with(1, &["delete", "meshconfig/payments"]).await?;
    ensure!(rolling.contains(&format!("meshfleet rollout abort {number}")), "{rolling}");
    rig.until(number, "the target to be under way", |shown| {
        matches!(target(shown, "eks-1")["state"].as_str(), Some("Applying" | "Converging"))
    })
    .await?;
    rig.ends_with(0, &["rollout", "abort", &number.to_string(), "--reason", "a trial"]).await?;
    let runs = rig.ends_with(1, &["delete", "meshconfig", "payments"]).await?;
    ensure!(runs.contains("eks-1") && runs.contains("config unassign"), "{runs}");
    // One that cannot be deleted keeps all others.
    let both = rig.path().join("fleet.yaml").display().to_string();
    rig.ends_with(1, &["delete", "-f", &both]).await?;
    rig.ends_with(0, &["get", "rolloutstrategy/careful"]).await?;
    rig.ends_with(0, &["delete", "rolloutstrategy", "careful"]).await?;
    Ok(())
}
