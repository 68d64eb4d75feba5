//! The test clusters themselves: do they show what a provider's cluster shows?

mod dresses;
mod goldens;
mod sail;
mod schemas;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tests::clusters::apply::Applier;
use tests::clusters::audit::Entry;
use tests::clusters::standin::{CalistiStandIn, calisti};
use tests::clusters::wait::until;
use tests::clusters::{ControlPlane, Etcd, Options, definitions, dress};

fn kind(group: &str, version: &str, kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

async fn groups(client: &Client) -> Result<Vec<String>> {
    let groups = client.list_api_groups().await.context("listing API groups")?.groups;
    Ok(groups.into_iter().map(|group| group.name).collect())
}

async fn get(client: &Client, resource: &ApiResource, name: &str) -> Result<Value> {
    let object = Api::<DynamicObject>::all_with(client.clone(), resource).get(name).await?;
    Ok(object.data)
}

async fn nodes_with_label(client: &Client, label: &str) -> Result<usize> {
    let nodes: Api<Node> = Api::all(client.clone());
    Ok(nodes.list(&ListParams::default().labels(label)).await?.items.len())
}

#[tokio::test]
async fn two_clusters_on_one_etcd_show_their_providers() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let etcd = Etcd::start(directory.path()).await?;
    let (eks, rosa) = tokio::try_join!(
        ControlPlane::start(&etcd, "payments", Options::default()),
        ControlPlane::start(&etcd, "orders", Options::default()),
    )?;
    let (on_eks, on_rosa) = (eks.admin_client().await?, rosa.admin_client().await?);
    tokio::try_join!(dress::eks(&on_eks), dress::rosa(&on_rosa, "4.11.59"))?;

    assert_eq!(nodes_with_label(&on_eks, "eks.amazonaws.com/nodegroup").await?, 3);
    assert!(!groups(&on_eks).await?.iter().any(|group| group.ends_with("openshift.io")));

    let version = get(&on_rosa, &kind("config.openshift.io", "v1", "ClusterVersion"), "version").await?;
    assert_eq!(version["status"]["history"][0]["version"], "4.11.59");
    assert_eq!(version["status"]["history"][0]["state"], "Completed");
    let infrastructure =
        get(&on_rosa, &kind("config.openshift.io", "v1", "Infrastructure"), "cluster").await?;
    assert_eq!(infrastructure["status"]["controlPlaneTopology"], "HighlyAvailable");
    let tag = &infrastructure["status"]["platformStatus"]["aws"]["resourceTags"][0];
    assert_eq!((&tag["key"], &tag["value"]), (&"red-hat-clustertype".into(), &"rosa".into()));
    assert_eq!(nodes_with_label(&on_rosa, "node.openshift.io/os_id=rhcos").await?, 4);
    assert!(groups(&on_rosa).await?.contains(&"k8s.cni.cncf.io".to_owned()));

    for client in [&on_eks, &on_rosa] {
        let theirs = |group: &String| group == "servicemesh.cisco.com" || group == "sailoperator.io";
        assert!(!groups(client).await?.iter().any(theirs), "a dress brings no operator");
    }
    Ok(())
}

/// An IstioControlPlane as a plan for OpenShift would write it.
fn control_plane(name: &str, version: &str, overlay: bool) -> Value {
    let cni = json!({
        "enabled": true,
        "chained": false,
        "binDir": "/var/lib/cni/bin",
        "confDir": "/etc/cni/multus/net.d",
        "confFileName": "istio-cni.conf",
        "daemonset": {"securityContext": {"privileged": true}},
    });
    let privileged = json!([{
        "groupVersionKind": {"group": "apps", "version": "v1", "kind": "DaemonSet"},
        "objectKey": {"name": "istio-cni-node-mesh", "namespace": "istio-system"},
        "patches": [{
            "type": "replace",
            "path": "/spec/template/spec/containers/name=install-cni/securityContext/privileged?",
            "value": "true",
            "parseValue": true,
        }],
    }]);
    json!({
        "apiVersion": "servicemesh.cisco.com/v1alpha1",
        "kind": "IstioControlPlane",
        "metadata": {"name": name, "namespace": "istio-system"},
        "spec": {
            "version": version,
            "mode": "ACTIVE",
            "meshID": "mesh",
            "networkName": "orders",
            "clusterID": "orders",
            "containerImageConfiguration": {"hub": "docker.io/istio", "tag": version},
            "proxyInit": {"cni": cni},
            "k8sResourceOverlays": if overlay { privileged } else { json!([]) },
        },
    })
}

const WITHIN: Duration = Duration::from_secs(20);

/// The CNI's DaemonSet, once all its pods are available.
async fn cni_rolled_out(client: &Client, privileged: Option<bool>) -> Result<DaemonSet> {
    let sets: Api<DaemonSet> = Api::namespaced(client.clone(), "istio-system");
    until("the CNI to be rolled out", WITHIN, || async {
        let set = sets.get("istio-cni-node-mesh").await?;
        let status = set.status.clone().unwrap_or_default();
        let current =
            status.observed_generation == set.metadata.generation && status.number_available == Some(4);
        Ok((current && is_privileged(&set)? == privileged).then_some(set))
    })
    .await
}

fn is_privileged(set: &DaemonSet) -> Result<Option<bool>> {
    let pod =
        set.spec.as_ref().and_then(|spec| spec.template.spec.as_ref()).context("no pod in the DaemonSet")?;
    Ok(pod.containers[0].security_context.as_ref().and_then(|context| context.privileged))
}

#[tokio::test]
async fn calisti_stand_in_makes_a_privileged_cni_only_by_overlay() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let etcd = Etcd::start(directory.path()).await?;
    let plane = ControlPlane::start(&etcd, "orders", Options::default()).await?;
    let client = plane.admin_client().await?;
    dress::rosa(&client, "4.11.59").await?;
    let stand_in = CalistiStandIn::start(&plane, calisti::Options::default()).await?;
    let mut applier = Applier::new(&client, "tests");
    applier
        .apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}}))
        .await?;

    applier.apply(control_plane("next", "1.18.0", false)).await?;
    applier.apply(control_plane("mesh", "1.17.8", false)).await?;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "istio-system");
    let planes: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), "istio-system", &calisti::control_planes());
    cni_rolled_out(&client, None).await?;

    applier.apply(control_plane("mesh", "1.17.8", true)).await?;
    let set = cni_rolled_out(&client, Some(true)).await?;
    assert_eq!(
        set.spec.and_then(|spec| spec.template.spec).map(|pod| pod.containers[0].image.clone()),
        Some(Some("docker.io/istio/install-cni:1.17.8".to_owned()))
    );

    // Healed at once, and by the stand-in's own account.
    deployments.delete("istiod-mesh", &DeleteParams::default()).await?;
    until("istiod to be healed", WITHIN, || async { Ok(deployments.get_opt("istiod-mesh").await?) }).await?;
    let audit = plane.audit();
    until("the audit log to tell", WITHIN, || async {
        Ok((audit.creator("daemonsets", "istio-system", "istio-cni-node-mesh")?.as_deref()
            == Some(calisti::USER))
        .then_some(()))
    })
    .await?;
    let made = audit.mutations_by(calisti::USER)?;
    let theirs = |entry: &Entry| entry.field_manager() == Some(calisti::MANAGER) || entry.verb == "delete";
    assert!(made.iter().all(theirs), "one manager writes everything");
    let openshift = |entry: &Entry| entry.group.ends_with("openshift.io") || entry.group == "k8s.cni.cncf.io";
    assert!(!made.iter().any(openshift), "nothing of OpenShift is made");
    let says_available = |entry: &Entry| {
        entry.request_body.as_ref().is_some_and(|body| body["status"]["status"] == "Available")
    };
    let istiod = |entry: &Entry| entry.resource == "deployments" && entry.name == "istiod-mesh";
    let (available, made_istiod) = (made.iter().position(says_available), made.iter().position(istiod));
    assert!(available.is_some() && available < made_istiod, "Available comes before istiod");

    planes.delete("mesh", &DeleteParams::default()).await?;
    until("the control plane to be gone", WITHIN, || async {
        Ok(planes.get_opt("mesh").await?.is_none().then_some(()))
    })
    .await?;
    assert!(deployments.get_opt("istiod-mesh").await?.is_none());

    let other = planes.get("next").await?;
    assert!(
        other.metadata.finalizers.is_none() && other.data["status"].is_null(),
        "another version leaves no trace"
    );
    stand_in.stop().await
}

#[tokio::test]
async fn cluster_comes_back_with_its_data_and_its_tokens() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let etcd = Etcd::start(directory.path()).await?;
    let mut plane = ControlPlane::start(&etcd, "payments", Options::default()).await?;
    let token = plane.service_account_token("meshfleet-system", "spoke").await?;
    let client = plane.client(&token, "spoke").await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client, "meshfleet-system");
    let status = |error| match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    };
    assert_eq!(
        accounts.get("spoke").await.map_err(status).err(),
        Some(Some(403)),
        "known, and allowed nothing"
    );

    plane.kill().await?;
    assert_eq!(accounts.get("spoke").await.map_err(status).err(), Some(None), "nobody answers");

    plane.restart().await?;
    assert_eq!(accounts.get("spoke").await.map_err(status).err(), Some(Some(403)), "still known");
    assert_eq!(plane.audit().forbidden_to("system:serviceaccount:meshfleet-system:spoke")?.len(), 2);
    plane.stop().await?;
    etcd.stop().await?;
    Ok(())
}

/// Waits for a status and returns when it stands.
async fn status_is(client: &Client, wanted: &str) -> Result<Value> {
    let planes: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), "istio-system", &calisti::control_planes());
    until(&format!("status {wanted}"), WITHIN, || async {
        let status = planes.get("mesh").await?.data["status"].clone();
        Ok((status["status"] == wanted).then_some(status))
    })
    .await
}

#[tokio::test]
async fn calisti_stand_in_can_fail_be_late_and_never_be_ready() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let etcd = Etcd::start(directory.path()).await?;
    let plane = ControlPlane::start(&etcd, "payments", Options::default()).await?;
    let client = plane.admin_client().await?;
    dress::eks(&client).await?;
    let behaving = |behaviour| calisti::Options { behaviour, early_by: Duration::from_millis(200) };
    let mut applier = Applier::new(&client, "tests");
    definitions::apply(&client, &mut applier, &definitions::CALISTI).await?;
    applier
        .apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}}))
        .await?;
    applier.apply(control_plane("mesh", "1.17.8", false)).await?;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "istio-system");

    let failing = CalistiStandIn::start(&plane, behaving(calisti::Behaviour::Failing("no room"))).await?;
    assert_eq!(status_is(&client, "ReconcileFailed").await?["errorMessage"], "no room");
    failing.stop().await?;
    assert!(deployments.get_opt("istiod-mesh").await?.is_none(), "what fails makes nothing");

    let late = Duration::from_secs(1);
    let looked_at = Instant::now();
    let tardy = CalistiStandIn::start(&plane, behaving(calisti::Behaviour::Late(late))).await?;
    until("istiod to be made", WITHIN, || async { Ok(deployments.get_opt("istiod-mesh").await?) }).await?;
    assert!(looked_at.elapsed() >= late);
    tardy.stop().await?;

    let stuck = CalistiStandIn::start(&plane, behaving(calisti::Behaviour::NeverReady)).await?;
    applier.apply(control_plane("mesh", "1.17.9", false)).await?;
    until("a roll-out that is stuck", WITHIN, || async {
        let istiod = deployments.get("istiod-mesh").await?;
        let status = istiod.status.unwrap_or_default();
        let current =
            status.observed_generation == istiod.metadata.generation && istiod.metadata.generation > Some(1);
        Ok((current && status.unavailable_replicas == Some(1)).then_some(()))
    })
    .await?;
    status_is(&client, "Available").await?;
    stuck.stop().await
}
