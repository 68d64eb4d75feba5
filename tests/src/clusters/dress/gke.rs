//! Google Kubernetes Engine, Standard, with one node pool.

use anyhow::Result;
use kube::Client;
use serde_json::{Value, json};

use super::{MANAGER, Node};
use crate::clusters::apply::Applier;
use crate::clusters::definitions::{self, GKE};

/// What GKE's API server puts behind its version. A cluster that is to show it
/// is started with it: [`crate::clusters::Options::version_suffix`].
pub const GKE_SUFFIX: &str = "-gke.1";

const NODES: [(&str, &str, &str); 3] = [
    (
        "gke-payments-workers-1a2b3c4d-x1b2",
        "europe-west1-b",
        "gce://payments-prod/europe-west1-b/gke-payments-workers-1a2b3c4d-x1b2",
    ),
    (
        "gke-payments-workers-2b3c4d5e-x2c3",
        "europe-west1-c",
        "gce://payments-prod/europe-west1-c/gke-payments-workers-2b3c4d5e-x2c3",
    ),
    (
        "gke-payments-workers-3c4d5e6f-x3d4",
        "europe-west1-d",
        "gce://payments-prod/europe-west1-d/gke-payments-workers-3c4d5e6f-x3d4",
    ),
];

/// Dresses the cluster as GKE with three nodes. Detection asks for the API group and the node labels together.
pub async fn gke(client: &Client) -> Result<()> {
    let mut applier = Applier::new(client, MANAGER);
    applier.apply_all(NODES.map(node)).await?;
    applier.apply(anetd()).await?;
    definitions::apply(client, &mut applier, &GKE).await
}

/// One node that Google alone manages, as all of an Autopilot cluster's are: known by the beginning of its name.
pub async fn gke_autopilot_node(client: &Client) -> Result<()> {
    let name = "gk3-payments-pool-2-4d5e6f70-y4e5";
    let provider_id = format!("gce://payments-prod/europe-west1-b/{name}");
    Applier::new(client, MANAGER).apply(node((name, "europe-west1-b", &provider_id))).await
}

/// The agent of Dataplane V2, which new clusters have, shortened to what a mesh planner looks at.
fn anetd() -> Value {
    let labels = json!({"k8s-app": "cilium"});
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "anetd", "namespace": "kube-system", "labels": labels},
        "spec": {
            "selector": {"matchLabels": {"k8s-app": "cilium"}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "hostNetwork": true,
                    "priorityClassName": "system-node-critical",
                    "containers": [{"name": "cilium-agent", "image": "gke.gcr.io/cilium/cilium:v1.17.4-gke.1"}],
                },
            },
        },
    })
}

fn node((name, zone, provider_id): (&str, &str, &str)) -> Value {
    Node {
        name,
        region: "europe-west1",
        zone,
        external_ip: "203.0.113.10",
        machine: "e2-standard-4",
        provider_id,
        labels: vec![
            ("cloud.google.com/gke-nodepool", "workers"),
            ("cloud.google.com/gke-os-distribution", "cos"),
            ("cloud.google.com/gke-container-runtime", "containerd"),
            ("cloud.google.com/machine-family", "e2"),
        ],
        kubelet_version: "v1.36.3-gke.1",
        os_image: "Container-Optimized OS from Google",
        container_runtime: "containerd://2.1.5",
    }
    .object()
}
