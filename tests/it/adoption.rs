//! A mesh that somebody made by hand beforehand: the plan says what a rollout would do with it, and the rollout does that.

use anyhow::{Context, Result, ensure};
use kube::{
    api::{Api, DynamicObject, Patch, PatchParams},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};
use tests::{
    clusters::standin::calisti::Behaviour,
    fleet::{Dress, MESH},
};

use crate::rig::Rig;

/// The mesh, with another Istio and another word about adoption.
fn mesh(adopt: &str, version: &str) -> String {
    MESH.replace("1.17.8", version).replace("  base:", &format!("  adopt: {adopt}\n  base:"))
}

async fn plan(rig: &Rig) -> Result<Value> {
    let plan = rig.fleet.command_line.json(&["plan", "payments", "--cluster", "eks-1"]).await?;
    let cluster = plan["clusters"][0].clone();
    ensure!(cluster["probed"] == true, "{plan:#}");
    Ok(cluster)
}

/// The control plane in a plan.
fn control_plane(plan: &Value) -> Result<Value> {
    let objects = plan["objects"].as_array().context("objects")?;
    let found = objects.iter().find(|object| object["id"]["kind"] == "IstioControlPlane");
    Ok(found.context("a control plane")?.clone())
}

fn finding<'a>(plan: &'a Value, rule: &str) -> Option<&'a Value> {
    plan["findings"].as_array()?.iter().find(|finding| finding["rule"] == rule)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_mesh_is_left_alone_or_taken_over_as_the_plan_said() -> Result<()> {
    let rig = Rig::start().await?;
    let mut cluster = rig.cluster("eks-1", Dress::Eks, Behaviour::Normal).await?;
    rig.fleet.enrol(&mut cluster, &[]).await?;
    rig.fleet.connected("eks-1").await?;
    rig.apply_mesh(&["eks-1"]).await?;

    // The mesh of an earlier version shows what somebody would have written by hand.
    rig.fleet.apply("earlier.yaml", &mesh("Never", "1.16.7")).await?;
    let planned = control_plane(&plan(&rig).await?)?;
    ensure!(planned["change"] == "create" && planned["adoption"] == "", "{planned:#}");
    let manifest = match &planned["manifest"] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let manifest: Value = serde_json::from_str(&manifest.replace("1.16.7", "1.17.8"))?;
    let kind = GroupVersionKind::gvk("servicemesh.cisco.com", "v1alpha1", "IstioControlPlane");
    let resource = ApiResource::from_gvk(&kind);
    let namespaces: Api<DynamicObject> = Api::all_with(
        cluster.admin.clone(),
        &ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Namespace")),
    );
    let by_hand = PatchParams::apply("by-hand");
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}});
    namespaces.patch("istio-system", &by_hand, &Patch::Apply(namespace)).await?;
    let planes: Api<DynamicObject> = Api::namespaced_with(cluster.admin.clone(), "istio-system", &resource);
    let name = manifest["metadata"]["name"].as_str().context("a name")?.to_owned();
    let made = planes.patch(&name, &by_hand, &Patch::Apply(&manifest)).await?;

    // Never: the plan blocks, and says who holds it.
    rig.fleet.apply("never.yaml", &mesh("Never", "1.17.8")).await?;
    let never = plan(&rig).await?;
    let required = finding(&never, "adoption.required").context("a finding")?;
    ensure!(
        required["blocking"] == true && required["message"].to_string().contains("by-hand"),
        "{required:#}"
    );
    let adopted = control_plane(&never)?;
    ensure!(adopted["adoption"].as_str().is_some_and(|text| text.starts_with("left alone")), "{adopted:#}");

    // IfNoDiff with a difference blocks; without one it is taken over without a change.
    rig.fleet.apply("differs.yaml", &mesh("IfNoDiff", "1.16.7").replace("billing", "ledger")).await?;
    let differs = plan(&rig).await?;
    ensure!(finding(&differs, "adoption.differs").is_some(), "{differs:#}");
    rig.fleet.apply("same.yaml", &mesh("IfNoDiff", "1.17.8")).await?;
    let same = plan(&rig).await?;
    let adopted = control_plane(&same)?;
    let text = adopted["adoption"].as_str().unwrap_or_default();
    ensure!(text.starts_with("taken over without a change"), "{adopted:#}");
    let number = rig.fleet.roll_out(&["payments"]).await?;
    rig.fleet.succeeded(number).await?;
    let after = planes.get(&name).await?;
    ensure!(after.metadata.uid == made.metadata.uid, "it was made anew");
    ensure!(after.metadata.generation == made.metadata.generation, "its spec was changed");
    let ours = control_plane(&plan(&rig).await?)?;
    ensure!(ours["adoption"] == "", "it is ours now: {ours:#}");

    // What was taken over can be changed: the one who made it by hand holds it no longer.
    rig.fleet.apply("moved.yaml", &mesh("IfNoDiff", "1.17.5")).await?;
    let number = rig.fleet.roll_out(&["payments"]).await?;
    rig.fleet.succeeded(number).await?;
    let moved = planes.get(&name).await?;
    ensure!(moved.metadata.uid == made.metadata.uid, "it was made anew");
    ensure!(moved.data["spec"]["version"] == "1.17.5", "{:#}", moved.data);
    rig.passed().await
}
