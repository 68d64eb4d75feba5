//! Facts as a spoke reads them with the rights that its manifest gives, and no others.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use spoke::facts::{Facts, Reader};
use tests::clusters::{ControlPlane, Etcd, Options, apply::Applier, dress, wait::until};

const WITHIN: Duration = Duration::from_secs(30);

/// The kind by which Calico's operator makes an Istio of its own.
fn foreign_kind() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "istios.operator.tigera.io"},
        "spec": {
            "group": "operator.tigera.io",
            "scope": "Cluster",
            "names": {"kind": "Istio", "plural": "istios"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    })
}

/// A reader with the rights of a spoke, and no others.
async fn reader(plane: &ControlPlane, admin: &Client) -> Result<Reader> {
    let rights: Vec<Value> = serde_saphyr::from_multiple(spoke::deploy::RBAC).context("YAML")?;
    Applier::new(admin, "test").apply_all(rights).await?;
    let token = plane.service_account_token("meshfleet", "meshfleet-spoke").await?;
    Ok(Reader::new(plane.client(&token, "spoke").await?))
}

/// What the VPC CNI is told beside what an installation tells it.
fn pod_interfaces() -> Value {
    let env = json!([
        {"name": "ENABLE_POD_ENI", "value": "true"},
        {"name": "AWS_VPC_K8S_CNI_EXTERNALSNAT", "value": "true"},
        {"name": "WARM_ENI_TARGET", "value": "1"},
    ]);
    let init = json!({"name": "aws-vpc-cni-init", "image": "init", "env": [
        {"name": "DISABLE_TCP_EARLY_DEMUX", "value": "true"},
    ]});
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "aws-node", "namespace": "kube-system"},
        "spec": {
            "selector": {"matchLabels": {"k8s-app": "aws-node"}},
            "template": {"spec": {"initContainers": [init], "containers": [{"name": "aws-node", "env": env}]}},
        },
    })
}

/// Two kinds of nodes look different where a provider allows less on one of them.
#[tokio::test]
async fn a_cloud_is_told_by_its_nodes_and_by_what_its_network_plugin_is_told() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let etcd = Etcd::start(directory.path()).await?;
    let plane = ControlPlane::start(&etcd, "payments", Options::default()).await?;
    let admin = plane.admin_client().await?;
    dress::eks(&admin).await?;
    dress::eks_fargate_node(&admin).await?;
    dress::gke(&admin).await?;
    dress::gke_autopilot_node(&admin).await?;
    Applier::new(&admin, "person").apply(pod_interfaces()).await?;

    let facts = reader(&plane, &admin).await?.read().await;
    ensure!(facts.unread.is_empty(), "{:?}", facts.unread);
    let marked = |mark: &str| -> u32 {
        let groups = facts.nodes.iter().filter(|(kind, _)| kind.name_mark == mark);
        groups.map(|(_, count)| count).sum()
    };
    assert_eq!((marked(""), marked("fargate-"), marked("gk3-")), (6, 1, 1));
    let labelled =
        |label: &str| facts.nodes.keys().filter(|kind| kind.labels.iter().any(|key| key == label)).count();
    assert_eq!(labelled("eks.amazonaws.com/compute-type=fargate"), 1);
    assert_eq!(labelled("topology.kubernetes.io/region=eu-west-1"), 2);
    assert_eq!(labelled("topology.kubernetes.io/zone"), facts.nodes.len());
    ensure!(facts.nodes.keys().all(|kind| kind.external_address == (kind.provider == "gce")));

    let said = &facts.settings["apps/DaemonSet kube-system/aws-node"];
    let expected = [
        ("aws-node/AWS_VPC_K8S_CNI_EXTERNALSNAT", "true"),
        ("aws-node/ENABLE_POD_ENI", "true"),
        ("aws-node/POD_SECURITY_GROUP_ENFORCING_MODE", "strict"),
        ("aws-vpc-cni-init/DISABLE_TCP_EARLY_DEMUX", "true"),
    ];
    assert_eq!(*said, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    ensure!(facts.settings["apps/DaemonSet kube-system/anetd"].is_empty());
    assert_eq!(facts.settings.len(), 2);
    Ok(())
}

fn istiod(namespace: &str, labels: Value) -> Value {
    let pod = json!({"app": "istiod"});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "istiod", "namespace": namespace, "labels": labels},
        "spec": {"selector": {"matchLabels": pod}, "template": {
            "metadata": {"labels": pod},
            "spec": {"containers": [{"name": "discovery", "image": "docker.io/istio/pilot:1.29.6"}]},
        }},
    })
}

fn injector(name: &str, revision: &str) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name, "labels": {"app": "sidecar-injector", "istio.io/rev": revision}},
    })
}

/// Running, with a proxy as the injector writes it.
async fn injected(admin: &Client, name: &str, version: &str, phase: &str) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(admin.clone(), "shop");
    let pod = json!({
        "metadata": {
            "name": name,
            "labels": {"service.istio.io/canonical-name": "shop"},
            "annotations": {"sidecar.istio.io/status": "{}", "istio.io/rev": "default"},
        },
        "spec": {"containers": [
            {"name": "app", "image": "app"},
            {"name": "istio-proxy", "image": format!("docker.io/istio/proxyv2:{version}")},
        ]},
    });
    pods.create(&PostParams::default(), &serde_json::from_value(pod)?).await?;
    let status = Patch::Merge(json!({"status": {"phase": phase}}));
    pods.patch_status(name, &PatchParams::default(), &status).await?;
    Ok(())
}

#[tokio::test]
async fn control_planes_injectors_and_proxies_are_told_whoever_made_them() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let etcd = Etcd::start(directory.path()).await?;
    let plane = ControlPlane::start(&etcd, "payments", Options::default()).await?;
    let admin = plane.admin_client().await?;
    let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let ours = json!({
        "app": "istiod", "istio.io/rev": "default", "app.kubernetes.io/version": "1.30.3",
        "managed-by": "sail-operator", "app.kubernetes.io/managed-by": "Helm",
    });
    let objects = [
        namespace("shop"),
        namespace("istio-system"),
        namespace("old"),
        istiod("istio-system", ours),
        istiod("old", json!({"app": "istiod", "istio.io/rev": "canary"})),
        istiod("shop", json!({"app": "not-istiod"})),
        injector("istio-sidecar-injector", "default"),
    ];
    Applier::new(&admin, "test").apply_all(objects).await?;
    for (name, version, phase) in [
        ("a", "1.29.6", "Running"),
        ("b", "1.29.6", "Pending"),
        ("c", "1.30.3", "Running"),
        ("d", "1.28.1", "Succeeded"),
    ] {
        injected(&admin, name, version, phase).await?;
    }
    let reader = reader(&plane, &admin).await?;

    let facts = reader.read().await;
    ensure!(facts.unread.is_empty(), "{:?}", facts.unread);
    let planes: Vec<String> = facts
        .mesh
        .control_planes
        .iter()
        .map(|found| {
            format!("{} {} {} {:?}", found.namespace, found.revision, found.version, found.managed_by)
        })
        .collect();
    assert_eq!(planes, [r#"istio-system default 1.30.3 "sail-operator""#, r#"old canary 1.29.6 """#]);
    let injectors: Vec<&str> = facts.mesh.injectors.iter().map(|found| found.revision.as_str()).collect();
    assert_eq!(injectors, ["default"]);
    let counted = |facts: &Facts| -> Vec<String> {
        let proxies = facts.mesh.proxies.iter();
        proxies.map(|(proxy, count)| format!("{} {} {count}", proxy.namespace, proxy.version)).collect()
    };
    assert_eq!(counted(&facts), ["shop 1.29.6 2", "shop 1.30.3 1"]);

    // Whatever makes facts to be read anew, pods are not listed again so soon.
    injected(&admin, "e", "1.30.3", "Running").await?;
    assert_eq!(counted(&reader.read().await), counted(&facts));
    Ok(())
}

#[tokio::test]
async fn landmarks_are_read_with_the_spokes_own_rights() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let etcd = Etcd::start(directory.path()).await?;
    let plane = ControlPlane::start(&etcd, "payments", Options::default()).await?;
    let admin = plane.admin_client().await?;
    dress::eks(&admin).await?;
    let mut applier = Applier::new(&admin, "test");
    let reader = reader(&plane, &admin).await?;

    let before = reader.read().await;
    assert_eq!((before.unread.len(), before.landmarks.len()), (0, 0), "{:?}", before.unread);

    let access = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "aws-auth", "namespace": "kube-system"}, "data": {"mapRoles": "not to be read"},
    });
    applier.apply_all([access, foreign_kind()]).await?;
    until("the kind to be served", WITHIN, || async {
        Ok(reader.read().await.kinds.contains("operator.tigera.io/Istio").then_some(()))
    })
    .await?;
    let istio =
        json!({"apiVersion": "operator.tigera.io/v1", "kind": "Istio", "metadata": {"name": "default"}});
    Applier::new(&admin, "test").apply_all([istio]).await?;

    let after = reader.read().await;
    assert!(after.unread.is_empty(), "{:?}", after.unread);
    assert_eq!(
        Vec::from_iter(&after.landmarks),
        ["ConfigMap kube-system/aws-auth", "operator.tigera.io/Istio default"]
    );
    Ok(())
}
