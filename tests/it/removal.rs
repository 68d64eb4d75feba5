//! Taking a mesh away, from the command line to the API server: a cluster that no config selects keeps its mesh until a
//! person asks for the removal, and says how much of it; what others made stays.

use anyhow::{Context, Result, ensure};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use serde_json::Value;
use tests::{
    clusters::{standin::calisti::Behaviour, wait::until},
    fleet::{Cluster, Dress, PATIENCE},
};

use crate::{rig::Rig, team};

const ATTACHMENT: (&str, &str, &str) = ("k8s.cni.cncf.io", "v1", "NetworkAttachmentDefinition");
const CONTROL_PLANE: (&str, &str, &str) = ("servicemesh.cisco.com", "v1alpha1", "IstioControlPlane");

async fn exists(
    cluster: &Cluster,
    (group, version, kind): (&str, &str, &str),
    name: [&str; 2],
) -> Result<bool> {
    let mut resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    if kind == ATTACHMENT.2 {
        resource.plural = "network-attachment-definitions".to_owned();
    }
    let [namespace, name] = name;
    let api: Api<DynamicObject> = if namespace.is_empty() {
        Api::all_with(cluster.admin.clone(), &resource)
    } else {
        Api::namespaced_with(cluster.admin.clone(), namespace, &resource)
    };
    Ok(api.get_opt(name).await?.is_some())
}

fn conditions(status: &Value) -> Vec<Value> {
    status["clusters"][0]["conditions"].as_array().cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mesh_stays_until_its_removal_is_asked_for_by_number() -> Result<()> {
    let rig = Rig::start().await?;
    let mut cluster = rig.cluster("rosa-1", Dress::Rosa, Behaviour::Normal).await?;
    let injected = ["shop", "billing"].map(|name| team::namespace(name, &[team::BY_CALISTI]));
    team::apply(&cluster.admin, injected).await?;
    rig.fleet.enrol(&mut cluster, &[]).await?;
    rig.fleet.connected("rosa-1").await?;
    rig.apply_mesh(&["rosa-1"]).await?;
    let number = rig.fleet.roll_out(&["payments"]).await?;
    rig.fleet.succeeded(number).await?;
    ensure!(exists(&cluster, ATTACHMENT, ["shop", "istio-cni"]).await?, "no instance of the template");

    // While a config selects it, nothing is taken away; off the config, the mesh stays and status says so.
    let refused = rig.fleet.command_line.run(&["config", "unassign", "rosa-1"]).await?;
    ensure!(refused.code == 1 && refused.stderr.contains("payments"), "{refused:?}");
    rig.fleet
        .apply("off.yaml", "apiVersion: meshfleet.dev/v1\nkind: Cluster\nmetadata: {name: rosa-1}\n")
        .await?;
    let status = until("the cluster to be unassigned", PATIENCE, || async {
        let status = rig.fleet.command_line.json(&["status", "rosa-1"]).await?;
        Ok(conditions(&status).iter().any(|one| one["reason"] == "Unassigned").then_some(status))
    })
    .await?;
    ensure!(status.to_string().contains("config unassign"), "the way out is not told: {status:#}");
    ensure!(exists(&cluster, CONTROL_PLANE, ["istio-system", "payments"]).await?, "the mesh is gone");

    // The preview lists what goes and what stays; above the brake the number must be said.
    let preview = rig.fleet.command_line.json(&["config", "unassign", "rosa-1", "--preview"]).await?;
    let count = preview["deletions"].as_u64().context("a number of deletions")?;
    let stays = preview["clusters"][0]["stays"].to_string();
    ensure!(count >= 8 && stays.contains("istio-system"), "{preview:#}");
    let braked = rig.fleet.command_line.run(&["config", "unassign", "rosa-1"]).await?;
    let said = format!("{}{}", braked.stdout, braked.stderr);
    let wanted = format!("--confirm-deletions {count}");
    ensure!(braked.code == 1 && said.contains(&wanted), "{braked:?}");
    ensure!(exists(&cluster, CONTROL_PLANE, ["istio-system", "payments"]).await?, "the brake did not hold");

    let count = count.to_string();
    let arguments = ["config", "unassign", "rosa-1", "--confirm-deletions", &count, "--wait"];
    rig.fleet.command_line.done(&arguments).await?;
    for name in [["shop", "istio-cni"], ["billing", "istio-cni"]] {
        ensure!(!exists(&cluster, ATTACHMENT, name).await?, "{name:?} is left");
    }
    ensure!(
        !exists(&cluster, CONTROL_PLANE, ["istio-system", "payments"]).await?,
        "the control plane is left"
    );
    for name in ["shop", "billing", "istio-system"] {
        ensure!(exists(&cluster, ("", "v1", "Namespace"), ["", name]).await?, "namespace {name} was deleted");
    }
    rig.passed().await
}
