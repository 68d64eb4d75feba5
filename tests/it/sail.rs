//! A mesh by Sail over four providers, from its first day over an upgrade to its removal.

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment},
    core::v1::{ConfigMap, Namespace},
};
use kube::{Api, Client, ResourceExt, api::DynamicObject};
use serde_json::{Value, json};
use tests::{
    clusters::{audit::Entry, standin::sail},
    fleet::{Cluster, Dress, SPOKE_USER},
    proof::sail::{Four, on_all},
};

use crate::{
    rig::{Rig, target},
    team,
};

const NAMES: [&str; 4] = ["eks-1", "gke-1", "aks-1", "rosa-1"];

const MESH: &str = "\
apiVersion: meshfleet.dev/v1
kind: MeshConfig
metadata: {name: payments}
spec:
  clusters: {matchLabels: {mesh: payments}}
  base:
    mesh: {id: payments, trustDomain: payments.example.com}
    network: {fromLabel: network}
    istio: {version: 1.29.6}
    installer: {kind: sail}
    dataPlane: {namespaces: {matchLabels: {team: payments}}}
    values: {istiod: {pilot: {autoscaleMin: 2}}}
  overrides:
    - {rule: istio.kubernetes, clusters: {matchLabels: {mesh: payments}}, owner: tests, reason: newer API servers, expires: 2099-12-31}
";

fn clusters(mesh: &str) -> String {
    let of = |name: &str| {
        format!(
            "apiVersion: meshfleet.dev/v1\nkind: Cluster\nmetadata: {{name: {name}, labels: {{mesh: {mesh}, network: net-{name}}}}}\n"
        )
    };
    NAMES.map(of).join("---\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_mesh_lives_over_four_providers_as_each_needs_it() -> Result<()> {
    let rig = Rig::start().await?;
    let (mut eks, mut gke, mut aks, mut rosa) = tokio::try_join!(
        rig.sail("eks-1", Dress::Eks),
        rig.sail("gke-1", Dress::Gke),
        rig.sail("aks-1", Dress::Aks),
        rig.sail("rosa-1", Dress::RosaHcp),
    )?;
    for cluster in [&eks, &gke, &aks, &rosa] {
        let checkout = team::namespace("checkout", &[team::BY_SAIL, ("team", "payments")]);
        team::apply(&cluster.admin, [checkout]).await?;
    }
    rig.join(&mut [&mut eks, &mut gke, &mut aks, &mut rosa]).await?;
    let four = Four { eks: &eks, gke: &gke, aks: &aks, rosa: &rosa };
    rig.fleet.apply("clusters.yaml", &clusters("payments")).await?;
    rig.fleet.apply("mesh.yaml", MESH).await?;

    let first = rig.fleet.roll_out(&["payments"]).await?;
    rig.fleet.succeeded(first).await?;
    hold(four).await?;
    for name in NAMES {
        rig.is_explained(name).await?;
    }

    rig.fleet.apply("mesh.yaml", &MESH.replace("1.29.6", "1.30.3")).await?;
    let second = rig.fleet.roll_out(&["payments"]).await?;
    let ended = rig.fleet.succeeded(second).await?;
    ensure!(ended["version"] == 2, "{ended:#}");
    for cluster in all(four) {
        workloads_came_first(cluster, &ended).await?;
    }
    hold(four).await?;

    is_left_by_its_config(&rig, four).await?;
    is_removed(&rig, four).await?;
    rig.passed().await
}

fn all(four: Four<'_>) -> [&Cluster; 4] {
    [four.eks, four.gke, four.aks, four.rosa]
}

async fn hold(four: Four<'_>) -> Result<()> {
    let claims = on_all(four).await?;
    let broken: Vec<&str> =
        claims.iter().filter(|claim| !claim.holds).map(|claim| claim.text.as_str()).collect();
    ensure!(claims.len() >= 16 && broken.is_empty(), "these do not hold: {broken:#?}");
    Ok(())
}

/// The rollout counted a cluster as done only after its workloads carried the version and were rolled out. The operator
/// itself calls it healthy before that.
async fn workloads_came_first(cluster: &Cluster, ended: &Value) -> Result<()> {
    let version = |labels: &std::collections::BTreeMap<String, String>| {
        labels.get("app.kubernetes.io/version").cloned().unwrap_or_default()
    };
    let deployments: Api<Deployment> = Api::namespaced(cluster.admin.clone(), "istio-system");
    let istiod = deployments.get("istiod").await?;
    ensure!(version(istiod.labels()) == "1.30.3", "{}: istiod is {:?}", cluster.name, istiod.labels());
    if cluster.name == "rosa-1" {
        let sets: Api<DaemonSet> = Api::namespaced(cluster.admin.clone(), "istio-cni");
        let node = sets.get("istio-cni-node").await?;
        ensure!(version(node.labels()) == "1.30.3", "{}: {:?}", cluster.name, node.labels());
    }
    let rolled_out = |entry: &Entry| {
        entry.resource == "deployments"
            && entry.name == "istiod"
            && entry.subresource == "status"
            && entry.mutates()
            && entry.request_body.as_ref().is_some_and(|body| body["status"]["unavailableReplicas"] == 0)
    };
    let entries = cluster.plane.audit().entries()?;
    let rolled_out = entries.iter().rfind(|entry| rolled_out(entry)).context("a roll-out of istiod")?;
    let done = target(ended, &cluster.name)["endedAt"].as_str().context("when it ended")?;
    let done: Timestamp = done.parse()?;
    ensure!(done > rolled_out.answered_at, "{} counted as done before its istiod was", cluster.name);
    Ok(())
}

/// Without its label, a cluster is nobody's, and its mesh stays.
async fn is_left_by_its_config(rig: &Rig, four: Four<'_>) -> Result<()> {
    rig.fleet.apply("clusters.yaml", &clusters("none")).await?;
    for name in NAMES {
        let planned = rig.condition_is(name, "Planned", "Unassigned").await?;
        let told = format!("{} {}", planned["message"], planned["hint"]);
        ensure!(told.contains("keeps its mesh"), "{planned:#}");
        ensure!(told.contains(&format!("meshfleet config unassign {name}")), "{planned:#}");
    }
    hold(four).await
}

async fn is_removed(rig: &Rig, four: Four<'_>) -> Result<()> {
    let by_hand = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "of-somebody", "namespace": "istio-system"}, "data": {}});
    team::apply(&four.rosa.admin, [by_hand]).await?;
    let unassign = [&["config", "unassign"][..], &NAMES].concat();

    let preview = rig.fleet.command_line.json(&[&unassign[..], &["--preview"]].concat()).await?;
    ensure!(preview["deletions"] == 5 && preview["rollout"] == 0, "{preview:#}");
    let of_rosa = preview["clusters"].as_array().into_iter().flatten().find(|one| one["cluster"] == "rosa-1");
    let of_rosa = of_rosa.context("rosa-1 in the preview")?;
    let has = |list: &str, wanted: &str| {
        let list = of_rosa[list].as_array().into_iter().flatten();
        list.filter_map(Value::as_str).any(|text| text.contains(wanted))
    };
    ensure!(has("deletes", "Istio default") && has("deletes", "IstioCNI default"), "{of_rosa:#}");
    for stays in
        ["Namespace istio-system", "Namespace istio-cni", "istio-ca-secret", "CustomResourceDefinitions"]
    {
        ensure!(has("stays", stays) && !has("deletes", stays), "{stays}: {of_rosa:#}");
    }

    let written = four.rosa.plane.audit().mutations_by(SPOKE_USER)?.len();
    let refused = rig.ends_with(1, &unassign).await?;
    ensure!(refused.contains("eks-1 gke-1 aks-1 rosa-1 --confirm-deletions 5"), "{refused}");
    let wrong = rig.ends_with(1, &[&unassign[..], &["--confirm-deletions", "4"]].concat()).await?;
    ensure!(wrong.contains("--confirm-deletions 5"), "{wrong}");
    let deleted = |entry: &Entry| entry.verb == "delete";
    let since = four.rosa.plane.audit().mutations_by(SPOKE_USER)?.split_off(written);
    ensure!(!since.iter().any(deleted), "a refusal deletes nothing: {since:#?}");

    rig.ends_with(0, &[&unassign[..], &["--confirm-deletions", "5", "--wait"]].concat()).await?;
    for cluster in all(four) {
        is_gone(&cluster.admin).await.with_context(|| cluster.name.clone())?;
        let planned = rig.condition(&cluster.name, "Planned").await?;
        ensure!(planned["message"].to_string().contains("its mesh was removed"), "{planned:#}");
    }
    let maps: Api<ConfigMap> = Api::namespaced(four.rosa.admin.clone(), "istio-system");
    ensure!(maps.get_opt("of-somebody").await?.is_some(), "what somebody made was deleted");
    Ok(())
}

async fn is_gone(admin: &Client) -> Result<()> {
    let istios: Api<DynamicObject> = Api::all_with(admin.clone(), &sail::istios());
    let cnis: Api<DynamicObject> = Api::all_with(admin.clone(), &sail::istio_cnis());
    ensure!(istios.get_opt("default").await?.is_none(), "an Istio is left");
    ensure!(cnis.get_opt("default").await?.is_none(), "an IstioCNI is left");
    let namespaces: Api<Namespace> = Api::all(admin.clone());
    for name in ["istio-system", "checkout"] {
        let kept = namespaces.get(name).await.with_context(|| format!("namespace {name}"))?;
        ensure!(kept.metadata.deletion_timestamp.is_none(), "namespace {name} is being deleted");
    }
    Ok(())
}
