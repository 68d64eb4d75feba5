//! Amazon EKS with a managed node group and the VPC CNI.

use anyhow::Result;
use kube::Client;
use serde_json::{Value, json};

use super::{MANAGER, Node};
use crate::clusters::apply::Applier;

const NODES: [(&str, &str, &str); 3] = [
    ("ip-10-1-1-11.eu-west-1.compute.internal", "eu-west-1a", "aws:///eu-west-1a/i-0a11c3d5e7f901011"),
    ("ip-10-1-2-12.eu-west-1.compute.internal", "eu-west-1b", "aws:///eu-west-1b/i-0a11c3d5e7f901012"),
    ("ip-10-1-3-13.eu-west-1.compute.internal", "eu-west-1c", "aws:///eu-west-1c/i-0a11c3d5e7f901013"),
];

/// Dresses the cluster as EKS with three nodes.
pub async fn eks(client: &Client) -> Result<()> {
    let mut applier = Applier::new(client, MANAGER);
    applier.apply_all(NODES.map(node)).await?;
    applier.apply_all([kube_dns(), aws_node()]).await
}

/// One node of Fargate's, which stands for one pod: it runs no DaemonSet.
pub async fn eks_fargate_node(client: &Client) -> Result<()> {
    let node = Node {
        name: "fargate-ip-10-1-1-21.eu-west-1.compute.internal",
        region: "eu-west-1",
        zone: "eu-west-1a",
        external_ip: "",
        machine: "",
        provider_id: "aws:///eu-west-1a/0a1b2c3d4e-0123456789abcdef/fargate-ip-10-1-1-21.eu-west-1.compute.internal",
        labels: vec![("eks.amazonaws.com/compute-type", "fargate")],
        kubelet_version: "v1.36.3-eks-3abbec1",
        os_image: "Amazon Linux 2",
        container_runtime: "containerd://2.1.5",
    };
    Applier::new(client, MANAGER).apply(node.object()).await
}

fn node((name, zone, provider_id): (&str, &str, &str)) -> Value {
    Node {
        name,
        region: "eu-west-1",
        zone,
        external_ip: "",
        machine: "m5.xlarge",
        provider_id,
        labels: vec![
            ("eks.amazonaws.com/nodegroup", "workers"),
            ("eks.amazonaws.com/nodegroup-image", "ami-0c1b2d3e4f5a60718"),
            ("eks.amazonaws.com/capacityType", "ON_DEMAND"),
        ],
        kubelet_version: "v1.36.3-eks-3abbec1",
        os_image: "Amazon Linux 2023.8.20260101",
        container_runtime: "containerd://2.1.5",
    }
    .object()
}

fn kube_dns() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "kube-dns",
            "namespace": "kube-system",
            "labels": {
                "eks.amazonaws.com/component": "kube-dns",
                "k8s-app": "kube-dns",
                "kubernetes.io/cluster-service": "true",
                "kubernetes.io/name": "CoreDNS",
            },
        },
        "spec": {
            "clusterIP": "10.0.0.10",
            "selector": {"k8s-app": "kube-dns"},
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
            ],
        },
    })
}

/// The VPC CNI, shortened to what a mesh planner looks at.
fn aws_node() -> Value {
    let labels = json!({"k8s-app": "aws-node", "app.kubernetes.io/name": "aws-node"});
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "aws-node", "namespace": "kube-system", "labels": labels},
        "spec": {
            "selector": {"matchLabels": {"k8s-app": "aws-node"}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "hostNetwork": true,
                    "priorityClassName": "system-node-critical",
                    "serviceAccountName": "aws-node",
                    "containers": [{
                        "name": "aws-node",
                        "image": "602401143452.dkr.ecr.eu-west-1.amazonaws.com/amazon-k8s-cni:v1.20.4",
                        "env": [
                            {"name": "ENABLE_POD_ENI", "value": "false"},
                            {"name": "POD_SECURITY_GROUP_ENFORCING_MODE", "value": "strict"},
                        ],
                    }],
                },
            },
        },
        "status": {
            "observedGeneration": 1,
            "currentNumberScheduled": NODES.len(),
            "desiredNumberScheduled": NODES.len(),
            "updatedNumberScheduled": NODES.len(),
            "numberAvailable": NODES.len(),
            "numberReady": NODES.len(),
            "numberMisscheduled": 0,
        },
    })
}
