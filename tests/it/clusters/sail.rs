//! The stand-in of the Sail operator: does it do what the real one was seen to do?

mod fight;
mod plans;
mod refusals;

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tests::clusters::Etcd;
use tests::clusters::apply::Applier;
use tests::clusters::audit::Entry;
use tests::clusters::standin::sail;
use tests::clusters::wait::until;
use tests::fleet::{Cluster, Dress};

use super::kind;

/// Two cores, three API servers at once.
const WITHIN: Duration = Duration::from_secs(40);

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

fn istio(version: &str, values: &Value) -> Value {
    let istio = json!({
        "apiVersion": "sailoperator.io/v1",
        "kind": "Istio",
        "metadata": {"name": "default"},
        "spec": {
            "version": version,
            "namespace": "istio-system",
            "updateStrategy": {"type": "InPlace"},
        },
    });
    with_values(istio, values)
}

fn istio_cni(version: &str, values: &Value) -> Value {
    let cni = json!({
        "apiVersion": "sailoperator.io/v1",
        "kind": "IstioCNI",
        "metadata": {"name": "default"},
        "spec": {"version": version, "namespace": "istio-cni"},
    });
    with_values(cni, values)
}

/// Without values if there are none: an empty object in the place of a fuller one
/// becomes null in a server-side apply, which the schema refuses.
fn with_values(mut object: Value, values: &Value) -> Value {
    if *values != json!({}) {
        object["spec"]["values"] = values.clone();
    }
    object
}

async fn apply(client: &Client, objects: impl IntoIterator<Item = Value>) -> Result<()> {
    Applier::new(client, "tests").apply_all(objects).await
}

/// Waits until the object named `default` is in a state, of its present generation.
async fn state_is(client: &Client, kind: &ApiResource, wanted: &str) -> Result<DynamicObject> {
    let objects: Api<DynamicObject> = Api::all_with(client.clone(), kind);
    until(&format!("{} {wanted}", kind.kind), WITHIN, || async {
        let object = objects.get("default").await?;
        let status = &object.data["status"];
        let observed = status["observedGeneration"].as_i64() == object.metadata.generation;
        Ok((observed && status["state"] == wanted).then_some(object))
    })
    .await
}

/// Waits until the object named `default` says in its message why it was not reconciled.
async fn refused(client: &Client, kind: &ApiResource, because: &str) -> Result<()> {
    let objects: Api<DynamicObject> = Api::all_with(client.clone(), kind);
    until(&format!("{} to be refused: {because}", kind.kind), WITHIN, || async {
        let status = objects.get("default").await?.data["status"].clone();
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let said = conditions.iter().any(|condition| {
            condition["type"] == "Reconciled"
                && condition["status"] == "False"
                && condition["message"].as_str().is_some_and(|message| message.contains(because))
        });
        Ok((said && status["state"] == "ReconcileError").then_some(()))
    })
    .await
}

/// Waits until istiod of a version is rolled out, as its label says.
async fn istiod_is(client: &Client, version: &str) -> Result<Deployment> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "istio-system");
    until(&format!("istiod {version}"), WITHIN, || async {
        let istiod = deployments.get("istiod").await?;
        let status = istiod.status.clone().unwrap_or_default();
        let rolled_out = status.observed_generation == istiod.metadata.generation
            && status.available_replicas == Some(1)
            && status.updated_replicas == Some(1);
        let labelled = istiod.labels().get("app.kubernetes.io/version").is_some_and(|label| label == version);
        Ok((rolled_out && labelled).then_some(istiod))
    })
    .await
}

async fn cni(client: &Client) -> Result<DaemonSet> {
    let sets: Api<DaemonSet> = Api::namespaced(client.clone(), "istio-cni");
    sets.get("istio-cni-node").await.context("reading the CNI's DaemonSet")
}

fn attachments(client: &Client) -> Api<DynamicObject> {
    let mut kind = kind("k8s.cni.cncf.io", "v1", "NetworkAttachmentDefinition");
    "network-attachment-definitions".clone_into(&mut kind.plural);
    Api::namespaced_with(client.clone(), "default", &kind)
}

/// Where the plugin is put on the nodes.
fn bin_directory(set: &DaemonSet) -> Option<&str> {
    let pod = set.spec.as_ref()?.template.spec.as_ref()?;
    let volume = pod.volumes.as_ref()?.iter().find(|volume| volume.name == "cni-bin-dir")?;
    Some(&volume.host_path.as_ref()?.path)
}

#[tokio::test]
async fn sail_stand_in_becomes_healthy_on_eks_heals_upgrades_and_cleans_up() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let etcd = Etcd::start(directory.path()).await?;
    let cluster = Cluster::start(&etcd, "payments", Dress::Eks, sail::Options::default()).await?;
    let client = &cluster.admin;
    apply(client, [namespace("istio-system"), istio("v1.29.6", &json!({}))]).await?;
    let healthy = state_is(client, &sail::istios(), "Healthy").await?;
    assert_eq!(healthy.data["status"]["activeRevisionName"], "default");
    assert!(healthy.finalizers().is_empty(), "none on Istio");
    let istiod = istiod_is(client, "1.29.6").await?;
    assert_eq!(istiod.labels().get("managed-by").map(String::as_str), Some("sail-operator"));
    let managers = istiod.managed_fields().iter().filter(|entry| entry.subresource.is_none());
    let managers: Vec<_> =
        managers.map(|entry| (entry.manager.as_deref(), entry.operation.as_deref())).collect();
    assert_eq!(managers, [(Some(sail::MANAGER), Some("Update"))]);
    assert!(groups_lack_openshift(client).await?);

    // Nothing moves now. Right after a change the Istio is Healthy, of the new generation, and nothing has happened yet.
    let generation = healthy.metadata.generation.map(|former| former + 1);
    apply(client, [istio("v1.30.3", &json!({}))]).await?;
    istiod_is(client, "1.30.3").await?;
    let says_healthy = |entry: &Entry| {
        entry.resource == "istios"
            && entry.request_body.as_ref().is_some_and(|body| {
                body["status"]["state"] == "Healthy"
                    && body["status"]["observedGeneration"].as_i64() == generation
            })
    };
    let upgrades = |entry: &Entry| {
        let version = "/metadata/labels/app.kubernetes.io~1version";
        entry.resource == "deployments"
            && entry.name == "istiod"
            && entry.request_body.as_ref().and_then(|body| body.pointer(version)) == Some(&"1.30.3".into())
    };
    let (said, upgraded) = until("the audit log to tell", WITHIN, || async {
        let made = cluster.plane.audit().mutations_by(sail::USER)?;
        Ok(made.iter().position(says_healthy).zip(made.iter().position(upgrades)))
    })
    .await?;
    assert!(said < upgraded, "Healthy comes before anything was done");

    // An edit of what the chart sets is healed; an addition stays.
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "istio-system");
    let edit = json!({
        "metadata": {"labels": {"managed-by": "hand", "added": "by-hand"}},
        "spec": {"template": {"spec": {"containers": [{"name": "discovery", "image": "other"}]}}},
    });
    deployments.patch("istiod", &PatchParams::default(), &Patch::Strategic(edit)).await?;
    until("the edit to be healed", WITHIN, || async {
        let live = deployments.get("istiod").await?;
        let image =
            live.spec.as_ref().and_then(|spec| spec.template.spec.as_ref()?.containers[0].image.as_ref());
        let healed = image.is_some_and(|image| image.ends_with("pilot:1.30.3"))
            && live.labels().get("managed-by").is_some_and(|label| label == "sail-operator");
        Ok((healed && live.labels().contains_key("added")).then_some(()))
    })
    .await?;

    // The upgrade and the edit; in between, many looks that found nothing to write.
    let patches = |entry: &Entry| entry.resource == "deployments" && entry.verb == "patch";
    let written = cluster.plane.audit().mutations_by(sail::USER)?;
    assert!(written.into_iter().filter(patches).count() <= 3);

    let istios: Api<DynamicObject> = Api::all_with(client.clone(), &sail::istios());
    istios.delete("default", &DeleteParams::default()).await?;
    let revisions: Api<DynamicObject> = Api::all_with(client.clone(), &sail::istio_revisions());
    until("the revision to be gone", WITHIN, || async {
        Ok(revisions.get_opt("default").await?.is_none().then_some(()))
    })
    .await?;
    assert!(deployments.get_opt("istiod").await?.is_none());
    assert!(
        cluster.plane.audit().creator("deployments", "istio-system", "istiod")?.as_deref()
            == Some(sail::USER)
    );
    cluster.operator.stop().await
}

async fn groups_lack_openshift(client: &Client) -> Result<bool> {
    Ok(!super::groups(client).await?.iter().any(|group| group.ends_with("openshift.io")))
}

#[tokio::test]
async fn sail_stand_in_fills_in_what_gke_and_openshift_need() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let etcd = Etcd::start(directory.path()).await?;
    let (gke, rosa) = tokio::try_join!(
        Cluster::start(&etcd, "gke", Dress::Gke, sail::Options::default()),
        Cluster::start(&etcd, "rosa", Dress::RosaHcp, sail::Options::default()),
    )?;
    for client in [&gke.admin, &rosa.admin] {
        apply(client, ["istio-system", "istio-cni"].map(namespace)).await?;
    }
    let gke_values = json!({"global": {"platform": "gke"}, "pilot": {"cni": {"enabled": true}}});
    let gke_cni = istio_cni("v1.30.3", &json!({"global": {"platform": "gke"}}));
    apply(&gke.admin, [istio("v1.30.3", &gke_values), gke_cni]).await?;
    apply(&rosa.admin, [istio("v1.30.3", &json!({}))]).await?;

    // OpenShift needs the CNI, whatever the Istio says.
    state_is(&rosa.admin, &sail::istios(), "IstioCNINotFound").await?;
    assert!(attachments(&rosa.admin).get_opt("istio-cni").await?.is_none());
    apply(&rosa.admin, [istio_cni("v1.30.3", &json!({}))]).await?;
    for client in [&gke.admin, &rosa.admin] {
        state_is(client, &sail::istio_cnis(), "Healthy").await?;
        state_is(client, &sail::istio_revisions(), "Healthy").await?;
        state_is(client, &sail::istios(), "Healthy").await?;
        istiod_is(client, "1.30.3").await?;
        let roles: Api<ClusterRole> = Api::all(client.clone());
        let rules = roles.get("istio-cni").await?.rules.unwrap_or_default();
        assert!(rules.iter().any(|rule| rule.verbs == ["use"]), "the rule for constraints is everywhere");
    }
    assert_eq!(bin_directory(&cni(&rosa.admin).await?), Some("/var/lib/cni/bin"));
    let written = rosa.plane.audit().mutations_by(sail::USER)?;
    let changes_set = |entry: &Entry| entry.resource == "daemonsets" && entry.verb != "create";
    assert!(!written.iter().any(changes_set), "what stands is not written again");
    let attachment = attachments(&rosa.admin).get("istio-cni").await?;
    assert_eq!(attachment.annotations()["meta.helm.sh/release-namespace"], "istio-cni");
    let by_version = if etcd.has_given_binaries() { "/opt/cni/bin" } else { "/home/kubernetes/bin" };
    assert_eq!(bin_directory(&cni(&gke.admin).await?), Some(by_version));
    let quotas: Api<k8s_openapi::api::core::v1::ResourceQuota> =
        Api::namespaced(gke.admin.clone(), "istio-cni");
    quotas.get("istio-cni-resource-quota").await?;

    let cnis: Api<DynamicObject> = Api::all_with(rosa.admin.clone(), &sail::istio_cnis());
    cnis.delete("default", &DeleteParams::default()).await?;
    until("the CNI to be gone", WITHIN, || async {
        Ok(cnis.get_opt("default").await?.is_none().then_some(()))
    })
    .await?;
    assert!(attachments(&rosa.admin).get_opt("istio-cni").await?.is_none(), "the attachment goes with it");
    state_is(&rosa.admin, &sail::istios(), "IstioCNINotFound").await?;
    Ok(())
}
