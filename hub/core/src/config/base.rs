//! The base: what a config says of the mesh itself.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Gateway, IstioVersion, Monitoring};
use crate::fleet::{Labels, MatchExpression, Name};

/// What holds in a cluster, once layers are laid over what is the same everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Base {
    /// Identity of the mesh.
    pub mesh: Mesh,
    /// Where clusters that name no network take it from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkSource>,
    /// The Istio to run.
    pub istio: Istio,
    /// Who installs it.
    pub installer: Installer,
    /// Where workloads are in the mesh, and how.
    pub data_plane: DataPlane,
    /// What watches the mesh and is installed beside it, by others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<Monitoring>,
    /// Proxies of their own at the edge of the mesh.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<Gateway>,
    /// Any further value of Istio's charts that no rule requires otherwise.
    #[serde(default, skip_serializing_if = "Values::is_empty")]
    pub values: Values,
}

/// Identity of the mesh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mesh {
    /// The same in all clusters of one mesh.
    pub id: Name,
    /// The trust domain of the workloads' identities; the installer's own if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_domain: Option<String>,
}

/// Where a cluster that names no network takes it from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkSource {
    /// Key of the cluster's label that names the network.
    pub from_label: String,
}

/// The Istio to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Istio {
    /// For example `1.30.2`.
    pub version: IstioVersion,
    /// The control plane's namespace.
    #[serde(default = "istio_system")]
    pub namespace: Name,
    /// How one version follows another.
    #[serde(default)]
    pub update_strategy: UpdateStrategy,
    /// How long a control plane that nothing uses any more stays, in seconds; the installer's own if not given. Only
    /// where one comes up beside the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inactive_revision_grace_seconds: Option<u32>,
}

fn istio_system() -> Name {
    Name::parse("istio-system").expect("a DNS label")
}

/// How one version of the control plane follows another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum UpdateStrategy {
    /// The new one takes the place of the old one.
    #[default]
    InPlace,
    /// The new one comes up beside the old one, which stays while workloads use it.
    RevisionBased,
}

/// Who installs Istio from the custom resources that a plan contains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Installer {
    /// Which operator.
    pub kind: InstallerKind,
}

/// The operators that are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstallerKind {
    /// The Sail operator.
    Sail,
    /// Calisti's Istio operator.
    Calisti,
}

/// Where workloads are in the mesh, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataPlane {
    /// What stands beside a workload.
    #[serde(default)]
    pub mode: DataPlaneMode,
    /// How traffic gets there.
    #[serde(default)]
    pub interception: Interception,
    /// Who sets up that traffic gets there.
    #[serde(default)]
    pub cni: CniPlugin,
    /// The namespaces.
    pub namespaces: NamespaceSelector,
}

/// What stands beside a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataPlaneMode {
    /// A proxy in each pod.
    #[default]
    Sidecar,
}

/// How a pod's traffic gets to its proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Interception {
    /// Rewritten to the proxy's address: Istio's `REDIRECT`.
    #[default]
    Redirect,
    /// Handed over with its addresses kept: Istio's `TPROXY`.
    TProxy,
}

/// Who sets up the redirection of a pod's traffic to its proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CniPlugin {
    /// Istio's CNI plugin where a platform needs it; elsewhere a container in each pod, which must be allowed NET_ADMIN.
    #[default]
    Auto,
    /// Istio's CNI plugin on every node, on every platform.
    Enabled,
}

/// Chooses the namespaces of workloads. All given parts must hold; at least one is given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamespaceSelector {
    /// Namespaces by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<Name>,
    /// Labels that must have exactly these values.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub match_labels: Labels,
    /// Further conditions on labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<MatchExpression>,
}

/// Values of Istio's charts, one map per chart.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Values {
    /// Of the control plane.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub istiod: Map<String, Value>,
    /// Of the CNI plugin.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub cni: Map<String, Value>,
}

impl Base {
    /// As a document says it, with all defaults written out.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::to_value(self).expect("plain data becomes JSON")
    }
}

impl NamespaceSelector {
    /// Whether it has no part at all; then it chooses nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// Whether it chooses a namespace of this name and these labels.
    #[must_use]
    pub fn matches(&self, name: &str, labels: &Labels) -> bool {
        !self.is_empty()
            && (self.names.is_empty() || self.names.iter().any(|chosen| chosen.as_str() == name))
            && self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|expression| expression.holds(labels))
    }
}

impl Values {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.istiod.is_empty() && self.cni.is_empty()
    }
}
