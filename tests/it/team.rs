//! What an application team does in its own namespaces, as an administrator of the cluster sees it.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tests::clusters::{
    apply::Applier,
    audit::{AuditLog, Entry},
};

/// The label by which a namespace joins the mesh `payments` of Calisti's operator.
pub const BY_CALISTI: (&str, &str) = ("istio.io/rev", "payments.istio-system");

/// The label by which a namespace joins a mesh of Sail's.
pub const BY_SAIL: (&str, &str) = ("istio-injection", "enabled");

/// A namespace's manifest.
pub fn namespace(name: &str, labels: &[(&str, &str)]) -> Value {
    let labels: serde_json::Map<String, Value> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

/// Applies manifests, as `kubectl apply` does.
pub async fn apply(client: &Client, objects: impl IntoIterator<Item = Value>) -> Result<()> {
    Applier::new(client, "kubectl").apply_all(objects).await
}

/// Labels a namespace that is there, as `kubectl label` does.
pub async fn label(client: &Client, namespace: &str, (key, value): (&str, &str)) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let patch = Patch::Merge(json!({"metadata": {"labels": {key: value}}}));
    namespaces.patch(namespace, &PatchParams::default(), &patch).await.context("labelling a namespace")?;
    Ok(())
}

/// Runs an injected pod, as far as anybody can tell from its object. It brings its sidecar along, as `istioctl
/// kube-inject` makes it: the webhook, behind which no istiod runs, is not asked.
pub async fn run_injected_pod(client: &Client, namespace: &str, name: &str) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let annotations = json!({"sidecar.istio.io/status": "{}"});
    let labels = json!({"sidecar.istio.io/inject": "false"});
    let pod = json!({
        "metadata": {"name": name, "annotations": annotations, "labels": labels},
        "spec": {"containers": [{"name": "app", "image": "app"}]},
    });
    pods.create(&PostParams::default(), &serde_json::from_value(pod)?).await.context("making a pod")?;
    let running = Patch::Merge(json!({"status": {"phase": "Running"}}));
    pods.patch_status(name, &PatchParams::default(), &running).await.context("running a pod")?;
    Ok(())
}

/// Ends a pod at once.
pub async fn end_pod(client: &Client, namespace: &str, name: &str) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    pods.delete(name, &DeleteParams::default().grace_period(0)).await.context("ending a pod")?;
    Ok(())
}

/// How long it took, by the API server's own clock, from the label of a namespace until `resource` was made in it.
pub fn took(audit: &AuditLog, namespace: &str, resource: &str) -> Result<jiff::SignedDuration> {
    let entries = audit.entries()?;
    let labelled = |entry: &&Entry| {
        entry.resource == "namespaces"
            && entry.name == namespace
            && entry.verb == "patch"
            && entry.subresource.is_empty()
    };
    let made = |entry: &&Entry| {
        entry.resource == resource && entry.namespace == namespace && entry.response_code == 201
    };
    let labelled = entries.iter().rfind(labelled).context("the label is in the audit log")?.answered_at;
    let made = entries.iter().find(made).with_context(|| format!("no {resource} in the audit log"))?;
    Ok(made.answered_at.duration_since(labelled))
}
