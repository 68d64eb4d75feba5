//! What a config says of the monitoring beside a mesh: others install it, and some clusters ask for more than its charts
//! give it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fleet::Name;

/// What watches the mesh. Nothing of it is installed by a plan: a plan lets its pods be admitted, and sets resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Monitoring {
    /// Where it runs.
    pub namespace: Name,
    /// The exporter on each node, if there is one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_exporter: Option<NodeExporter>,
    /// The Prometheus, if there is one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<Prometheus>,
    /// Containers whose charts give them too little; each deployment and container once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ContainerResources>,
}

/// An exporter on each node, with the node's network, process ids and paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeExporter {
    /// The service account that it runs under.
    #[serde(default = "node_exporter")]
    pub service_account: Name,
    /// The port of the node that it listens on.
    #[serde(default = "node_exporter_port")]
    pub port: u16,
    /// Whether its container adds capabilities.
    #[serde(default)]
    pub capabilities: Capabilities,
}

/// Whether a container adds capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Capabilities {
    /// It adds none.
    #[default]
    None,
    /// It adds some, as that of kube-prometheus adds `SYS_TIME`.
    Added,
}

/// A Prometheus with a fixed user and group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Prometheus {
    /// The service account that it runs under.
    #[serde(default = "prometheus")]
    pub service_account: Name,
}

/// What a container of somebody else's Deployment is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerResources {
    /// The Deployment, in the namespace of the monitoring.
    pub deployment: Name,
    /// The container.
    pub container: Name,
    /// What it may use at most.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub limits: Amounts,
    /// What it is sure to have.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub requests: Amounts,
    /// Why its chart's amounts do not do, in one line.
    pub reason: String,
}

/// Amounts of cpu and memory, as Kubernetes spells them.
pub type Amounts = BTreeMap<String, String>;

fn node_exporter() -> Name {
    Name::parse("node-exporter").expect("a DNS label")
}

/// The port that the exporter's own documentation gives it.
fn node_exporter_port() -> u16 {
    9100
}

/// The account of kube-prometheus.
fn prometheus() -> Name {
    Name::parse("prometheus-k8s").expect("a DNS label")
}
