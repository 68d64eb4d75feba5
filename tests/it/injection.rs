//! What Calisti's operator does not make on OpenShift, where applications are: it comes and stays with the namespaces
//! that are injected, whether or not the hub is there.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client,
    api::{DynamicObject, ListParams},
};
use serde_json::{Value, json};
use tests::{
    clusters::{standin::calisti::Behaviour, wait::until},
    fleet::{Cluster, Dress, PATIENCE, SPOKE_USER},
    proof::{ATTACHMENT, CONTROL_PLANE, ROLE_BINDING, find, resource},
};
use tokio::time::Duration;

use crate::{
    rig::{Rig, target},
    team,
};

const ATTACHMENTS: &str = "network-attachment-definitions";

/// Long enough for a hub to be killed and started in the middle, on two busy cores.
const NOTICED_AFTER: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread")]
async fn what_injected_pods_need_comes_with_the_label_and_stays_with_the_pod() -> Result<()> {
    let mut rig = Rig::start().await?;
    let mut rosa = rig.cluster("rosa-1", Dress::Rosa, Behaviour::Late(NOTICED_AFTER)).await?;
    let before = team::namespace("shop", &[team::BY_CALISTI]);
    let others = ["billing", "later", "web"].map(|name| team::namespace(name, &[]));
    team::apply(&rosa.admin, others.into_iter().chain([before])).await?;
    rig.join(&mut [&mut rosa]).await?;
    rig.apply_mesh(&["rosa-1"]).await?;
    rig.is_explained("rosa-1").await?;

    survives_a_restart_of_the_hub(&mut rig, &rosa).await?;
    follows_labels_without_the_hub(&mut rig, &rosa).await?;
    stays_under_a_running_pod(&rig, &rosa).await?;
    rig.passed().await
}

/// The hub dies when the templates' first instances are there and the control plane is not yet.
async fn survives_a_restart_of_the_hub(rig: &mut Rig, rosa: &Cluster) -> Result<()> {
    let number = rig.fleet.roll_out(&["payments"]).await?;
    attached(&rosa.admin, "shop").await?;
    rig.fleet.hub.kill().await?;
    team::label(&rosa.admin, "billing", team::BY_CALISTI).await?;
    attached(&rosa.admin, "billing").await?;
    at_once(rosa, "billing").await?;
    rig.fleet.restart_hub(&[]).await?;
    let running = rig.shown(number).await?;
    ensure!(running["state"] == "Running", "the hub was to die in the middle: {running:#}");
    let ended = rig.fleet.succeeded(number).await?;
    ensure!(target(&ended, "rosa-1")["generation"] == 1, "the target was sent anew: {ended:#}");
    Ok(())
}

/// A namespace that starts to be injected while nobody can ask the hub.
async fn follows_labels_without_the_hub(rig: &mut Rig, rosa: &Cluster) -> Result<()> {
    rig.fleet.hub.kill().await?;
    team::label(&rosa.admin, "later", team::BY_CALISTI).await?;
    attached(&rosa.admin, "later").await?;
    at_once(rosa, "later").await?;
    for namespace in ["shop", "billing", "later"] {
        let bound = sidecars_are_bound(&rosa.admin, namespace).await?;
        ensure!(bound, "sidecars in {namespace} may not run as user 1337");
    }
    ensure!(find(&rosa.admin, &ATTACHMENT, "web", "istio-cni").await?.is_none(), "web is not injected");
    rig.fleet.restart_hub(&[]).await?;
    until("the hub to be told of the new instance", PATIENCE, || async {
        let status = rig.fleet.command_line.json(&["status", "rosa-1"]).await?;
        let objects = status["clusters"][0]["objects"].as_array().context("objects")?;
        let told = objects.iter().any(|one| {
            one["role"] == "instance" && one["id"]["namespace"] == "later" && one["id"]["name"] == "istio-cni"
        });
        Ok(told.then_some(()))
    })
    .await?;
    ensure!(rig.condition("rosa-1", "Healthy").await?["status"] == "True");
    Ok(())
}

async fn stays_under_a_running_pod(rig: &Rig, rosa: &Cluster) -> Result<()> {
    team::run_injected_pod(&rosa.admin, "shop", "cart").await?;
    let by_hand = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "of-somebody", "namespace": "shop"}, "data": {}});
    team::apply(&rosa.admin, [by_hand.clone()]).await?;
    let text = "apiVersion: meshfleet.dev/v1\nkind: Cluster\nmetadata: {name: rosa-1}\n";
    rig.fleet.apply("cluster.yaml", text).await?;
    rig.condition_is("rosa-1", "Planned", "Unassigned").await?;
    ensure!(
        find(&rosa.admin, &CONTROL_PLANE, "istio-system", "payments").await?.is_some(),
        "its mesh is gone"
    );

    let preview = rig.fleet.command_line.json(&["config", "unassign", "rosa-1", "--preview"]).await?;
    let count = preview["deletions"].to_string();
    ensure!(
        preview["deletions"].as_u64() >= Some(10),
        "three namespaces with two each, and more: {preview:#}"
    );
    let refused = rig.ends_with(1, &["config", "unassign", "rosa-1"]).await?;
    let command = format!("meshfleet config unassign rosa-1 --confirm-deletions {count}");
    ensure!(refused.contains(&command), "{refused}");
    let confirmed = ["config", "unassign", "rosa-1", "--confirm-deletions", &count];
    let started = rig.fleet.command_line.json(&confirmed).await?;
    let number = started["rollout"].as_u64().context("a rollout's number")?;

    let waits = rig.until(number, "the target to say what is in use", |shown| {
        target(shown, "rosa-1")["reason"].as_str().is_some_and(|reason| reason.contains("in use"))
    });
    let waits = waits.await?;
    let reason = target(&waits, "rosa-1")["reason"].to_string();
    ensure!(reason.contains("shop/cart"), "{waits:#}");
    ensure!(waits["state"] == "Running", "{waits:#}");
    let told = rig.ends_with(0, &["rollout", "show", &number.to_string()]).await?;
    ensure!(told.contains("in use") && told.contains("cart"), "{told}");
    until("what no pod needs to go", PATIENCE, || async {
        let later = find(&rosa.admin, &ATTACHMENT, "later", "istio-cni").await?;
        let billing = find(&rosa.admin, &ATTACHMENT, "billing", "istio-cni").await?;
        Ok((later.is_none() && billing.is_none()).then_some(()))
    })
    .await?;
    ensure!(find(&rosa.admin, &ATTACHMENT, "shop", "istio-cni").await?.is_some(), "deleted under its pod");
    ensure!(sidecars_are_bound(&rosa.admin, "shop").await?, "unbound under its pod");

    team::end_pod(&rosa.admin, "shop", "cart").await?;
    rig.fleet.succeeded(number).await?;
    only_ours_is_gone(rosa).await
}

async fn only_ours_is_gone(rosa: &Cluster) -> Result<()> {
    for namespace in ["shop", "billing", "later"] {
        let left = find(&rosa.admin, &ATTACHMENT, namespace, "istio-cni").await?;
        ensure!(left.is_none(), "an attachment definition is left in {namespace}");
        ensure!(!sidecars_are_bound(&rosa.admin, namespace).await?, "a binding is left in {namespace}");
    }
    ensure!(find(&rosa.admin, &CONTROL_PLANE, "istio-system", "payments").await?.is_none());
    let namespaces: Api<Namespace> = Api::all(rosa.admin.clone());
    for namespace in ["shop", "billing", "later", "istio-system"] {
        let kept = namespaces.get(namespace).await.with_context(|| format!("namespace {namespace}"))?;
        ensure!(kept.metadata.deletion_timestamp.is_none(), "namespace {namespace} is being deleted");
    }
    let deleted = rosa.plane.audit().mutations_by(SPOKE_USER)?;
    let deleted = deleted.iter().filter(|entry| entry.verb == "delete");
    let others: Vec<_> =
        deleted.filter(|entry| entry.resource == "configmaps" && entry.namespace != "meshfleet").collect();
    ensure!(others.is_empty(), "what somebody made was deleted: {others:#?}");
    Ok(())
}

async fn attached(admin: &Client, namespace: &str) -> Result<Value> {
    let found = || find(admin, &ATTACHMENT, namespace, "istio-cni");
    until(&format!("an attachment definition in {namespace}"), PATIENCE, found).await
}

/// By the API server's own clock: within a second of the label.
async fn at_once(rosa: &Cluster, namespace: &str) -> Result<()> {
    let audit = rosa.plane.audit();
    let took = || async { Ok(team::took(&audit, namespace, ATTACHMENTS).ok()) };
    let took = until("both requests to be in the audit log", PATIENCE, took).await?;
    ensure!(took.as_millis() < 1000, "it took {took:#}");
    ensure!(audit.creator(ATTACHMENTS, namespace, "istio-cni")?.as_deref() == Some(SPOKE_USER));
    Ok(())
}

async fn sidecars_are_bound(admin: &Client, namespace: &str) -> Result<bool> {
    let bindings: Api<DynamicObject> =
        Api::namespaced_with(admin.clone(), namespace, &resource(&ROLE_BINDING));
    let everyone = format!("system:serviceaccounts:{namespace}");
    Ok(bindings.list(&ListParams::default()).await?.iter().any(|binding| {
        binding.data["roleRef"]["name"] == "system:openshift:scc:nonroot-v2"
            && binding.data["subjects"].to_string().contains(&everyone)
    }))
}
