//! Red Hat OpenShift on AWS, in its two forms: classic, whose control plane runs
//! beside the nodes, and HCP, whose control plane is Red Hat's and elsewhere.
//!
//! What is missing, since only objects are dressed: SCC admission, Red Hat's
//! webhooks, and the controller that gives each new namespace its ranges (call
//! [`allocate_security_ranges`] after making namespaces).

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::{MANAGER, Node, scc};
use crate::clusters::apply::Applier;
use crate::clusters::definitions::{self, OPENSHIFT};

const UID_RANGE: &str = "openshift.io/sa.scc.uid-range";

/// Namespaces that every ROSA cluster has; the last three come with Red Hat's service.
const NAMESPACES: [&str; 7] = [
    "openshift",
    "openshift-infra",
    "openshift-node",
    "openshift-multus",
    "openshift-backplane",
    "openshift-managed-upgrade-operator",
    "openshift-validation-webhook",
];

const NODES: [(&str, &str, &str, &str); 4] = [
    ("ip-10-2-1-20.ec2.internal", "us-east-1a", "aws:///us-east-1a/i-0b22c3d5e7f902020", "master"),
    ("ip-10-2-1-21.ec2.internal", "us-east-1a", "aws:///us-east-1a/i-0b22c3d5e7f902021", "worker"),
    ("ip-10-2-2-22.ec2.internal", "us-east-1b", "aws:///us-east-1b/i-0b22c3d5e7f902022", "worker"),
    ("ip-10-2-3-23.ec2.internal", "us-east-1c", "aws:///us-east-1c/i-0b22c3d5e7f902023", "worker"),
];

/// Where the control plane is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Beside the nodes.
    Classic,
    /// With Red Hat: no master nodes here, and no machine configuration.
    Hosted,
}

/// Dresses the cluster as ROSA classic of a version such as `4.11.59`.
pub async fn rosa(client: &Client, version: &str) -> Result<()> {
    put_on(client, version, Form::Classic).await
}

/// Dresses the cluster as ROSA with a hosted control plane, of a version such as `4.20.5`.
pub async fn rosa_hcp(client: &Client, version: &str) -> Result<()> {
    put_on(client, version, Form::Hosted).await
}

async fn put_on(client: &Client, version: &str, form: Form) -> Result<()> {
    let minor = minor(version)?;
    let mut applier = Applier::new(client, MANAGER);
    definitions::apply(client, &mut applier, &OPENSHIFT).await?;
    applier.apply_all([cluster_version(version, minor), infrastructure(form), network()]).await?;
    applier.apply_all([api_server(), openshift_api_server()]).await?;
    let nodes = NODES.into_iter().filter(|(.., role)| form == Form::Classic || *role == "worker");
    applier.apply_all(nodes.map(|machine| node(machine, minor, form))).await?;
    applier.apply_all(scc::roles(minor)).await?;
    applier.apply_all(scc::constraints(minor)?).await?;
    applier.apply_all(NAMESPACES.map(namespace)).await?;
    allocate_security_ranges(client).await
}

/// Gives each namespace without one a range of user ids and a label for SELinux,
/// as OpenShift's own controller does a moment after a namespace was made.
pub async fn allocate_security_ranges(client: &Client) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespaces = namespaces.list(&ListParams::default()).await.context("listing namespaces")?.items;
    let (allocated, bare): (Vec<_>, Vec<_>) =
        namespaces.into_iter().partition(|namespace| namespace.annotations().contains_key(UID_RANGE));
    let mut applier = Applier::new(client, MANAGER);
    for (index, namespace) in bare.iter().enumerate() {
        applier.apply(with_range(&namespace.name_any(), allocated.len() + index)).await?;
    }
    Ok(())
}

fn with_range(name: &str, index: usize) -> Value {
    let range = format!("{}/10000", 1_000_000_000 + index * 10_000);
    let mut namespace = namespace(name);
    namespace["metadata"]["annotations"] = json!({
        UID_RANGE: range,
        "openshift.io/sa.scc.supplemental-groups": range,
        "openshift.io/sa.scc.mcs": format!("s0:c{},c{}", index + 1, index),
    });
    namespace
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

/// The Y of 4.Y.Z.
fn minor(version: &str) -> Result<u32> {
    let minor = version.split('.').nth(1).and_then(|minor| minor.parse().ok());
    minor.with_context(|| format!("{version} is not an OpenShift version such as 4.11.59"))
}

/// Installed one minor lower and then upgraded, so that the history has two entries.
fn cluster_version(version: &str, minor: u32) -> Value {
    let image = |version: &str| format!("quay.io/openshift-release-dev/ocp-release:{version}-x86_64");
    let entry = |version: &str, started: &str, completed: &str| {
        json!({
            "state": "Completed",
            "version": version,
            "image": image(version),
            "startedTime": started,
            "completionTime": completed,
            "verified": true,
        })
    };
    let first = format!("4.{}.40", minor.saturating_sub(1));
    json!({
        "apiVersion": "config.openshift.io/v1",
        "kind": "ClusterVersion",
        "metadata": {"name": "version"},
        "spec": {"clusterID": "5a3a9a3c-7d0e-4a3f-9c43-0d8f0f2b6f11", "channel": format!("stable-4.{minor}")},
        "status": {
            "availableUpdates": [],
            "desired": {"version": version, "image": image(version)},
            "history": [
                entry(version, "2024-02-01T08:00:00Z", "2024-02-01T09:10:00Z"),
                entry(&first, "2023-06-01T08:00:00Z", "2023-06-01T08:40:00Z"),
            ],
            "observedGeneration": 1,
            "versionHash": "kxXg7Y2nM4Q=",
        },
    })
}

fn infrastructure(form: Form) -> Value {
    let control_plane = match form {
        Form::Classic => "HighlyAvailable",
        Form::Hosted => "External",
    };
    json!({
        "apiVersion": "config.openshift.io/v1",
        "kind": "Infrastructure",
        "metadata": {"name": "cluster"},
        "spec": {"cloudConfig": {"name": ""}, "platformSpec": {"type": "AWS", "aws": {}}},
        "status": {
            "infrastructureName": "rosa-x7k2p",
            "apiServerURL": "https://api.rosa.example.com:6443",
            "apiServerInternalURI": "https://api-int.rosa.example.com:6443",
            "etcdDiscoveryDomain": "",
            "controlPlaneTopology": control_plane,
            "infrastructureTopology": "HighlyAvailable",
            "platform": "AWS",
            "platformStatus": {
                "type": "AWS",
                "aws": {
                    "region": "us-east-1",
                    "resourceTags": [
                        {"key": "red-hat-clustertype", "value": "rosa"},
                        {"key": "red-hat-managed", "value": "true"},
                    ],
                },
            },
        },
    })
}

fn network() -> Value {
    let network = json!({
        "clusterNetwork": [{"cidr": "10.128.0.0/14", "hostPrefix": 23}],
        "serviceNetwork": ["172.30.0.0/16"],
        "networkType": "OVNKubernetes",
    });
    json!({
        "apiVersion": "config.openshift.io/v1",
        "kind": "Network",
        "metadata": {"name": "cluster"},
        "spec": network,
        "status": network,
    })
}

/// Says how all API servers do TLS; the Sail operator will not start without it.
fn api_server() -> Value {
    json!({
        "apiVersion": "config.openshift.io/v1",
        "kind": "APIServer",
        "metadata": {"name": "cluster"},
        "spec": {"audit": {"profile": "Default"}},
    })
}

fn openshift_api_server() -> Value {
    json!({
        "apiVersion": "operator.openshift.io/v1",
        "kind": "OpenShiftAPIServer",
        "metadata": {"name": "cluster"},
        "spec": {"managementState": "Managed", "logLevel": "Normal"},
    })
}

fn node((name, zone, provider_id, role): (&str, &str, &str, &str), minor: u32, form: Form) -> Value {
    let role = format!("node-role.kubernetes.io/{role}");
    // OpenShift 4.Y carries Kubernetes 1.(Y + 13).
    let kubelet = format!("v1.{}.6+5658434", minor + 13);
    let mut labels = vec![("node.openshift.io/os_id", "rhcos"), (role.as_str(), "")];
    if form == Form::Hosted {
        labels.push(("hypershift.openshift.io/managed", "true"));
        labels.push(("hypershift.openshift.io/nodePool", "rosa-workers"));
    }
    Node {
        name,
        region: "us-east-1",
        zone,
        external_ip: "",
        machine: "m5.xlarge",
        provider_id,
        labels,
        kubelet_version: &kubelet,
        os_image: &format!("Red Hat Enterprise Linux CoreOS 4{minor}.86.202402010000-0 (Ootpa)"),
        container_runtime: &format!("cri-o://1.{}.4", minor + 13),
    }
    .object()
}
