//! The mesh config: what an operator wants, said once for all clusters that a selector chooses.
//!
//! It says nothing of platforms: what a platform needs on top is the work of the platform rules. What is written stays
//! as it is written ([`MeshConfig`]: a base, layers in order, overrides); what it means for one cluster is worked out
//! by [`effective()`], which also says of every value where it comes from.

mod base;
mod effective;
mod gateways;
mod merge;
mod monitoring;
pub mod path;
mod source;
mod variable;
mod version;

pub use base::{
    Base, CniPlugin, DataPlane, DataPlaneMode, Installer, InstallerKind, Interception, Istio, Mesh,
    NamespaceSelector, NetworkSource, UpdateStrategy, Values,
};
pub use effective::{Effective, EffectiveProblem, effective};
pub use gateways::{Exposure, Gateway, GatewayKind, GatewayPort, PortProtocol};
pub use monitoring::{Amounts, Capabilities, ContainerResources, Monitoring, NodeExporter, Prometheus};
pub use source::{BASE, ConfigOrigin, DEFAULT, Place, SourceMap};
pub(crate) use variable::is_name as is_variable_name;
pub use variable::{InvalidTemplate, Template};
pub use version::{InvalidVersion, IstioVersion};

use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::fleet::{Name, Selector};

/// One version of a mesh config. Immutable once stored; the number belongs to its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigVersion {
    /// Name of the config.
    pub name: Name,
    /// From 1, rising by one with each published change.
    pub number: u64,
    /// What it says.
    pub config: MeshConfig,
    /// Where in the operator's file it says so.
    pub source: SourceMap,
}

/// `spec` of a `MeshConfig` document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MeshConfig {
    /// The clusters that form the mesh.
    pub clusters: Selector,
    /// What to do with objects that exist and are not ours.
    #[serde(default)]
    pub adopt: Adopt,
    /// What is the same in every cluster, with its defaults written out: a [`Base`] as JSON.
    #[serde(deserialize_with = "with_defaults")]
    pub base: Value,
    /// What differs; in order, later wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Layer>,
    /// The only way past a required rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
}

/// What differs in some clusters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Unique in its config.
    pub name: Name,
    /// Where it holds.
    pub clusters: Selector,
    /// Values in the shape of the base, none of them required; laid over what the base and earlier layers say.
    #[serde(
        default = "nothing",
        skip_serializing_if = "is_nothing",
        deserialize_with = "with_plain_version"
    )]
    pub set: Value,
    /// Paths of values of the base or of earlier layers that are taken away, before `set` is laid over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<String>,
}

/// A value against a required rule, or a finding that is lived with; in either case somebody answers for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Id of the rule, for example `calisti.images`; or of the finding, for example `istio.kubernetes`.
    pub rule: String,
    /// Path of the value, for example `values.cni.cniConfDir`. Without path and value, the finding of that id keeps no
    /// plan back, where it is one that can be lived with. Documents have both or neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What stands there instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Where it holds.
    pub clusters: Selector,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// The last day on which it is meant to hold.
    pub expires: Date,
}

/// What to do with an object that exists and is not in the spoke's inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Adopt {
    /// Leave it alone and say so.
    #[default]
    Never,
    /// Take it over if our fields would change nothing.
    IfNoDiff,
    /// Take it over.
    Always,
}

impl Override {
    /// The value and its path; none where a finding is accepted.
    #[must_use]
    pub fn instead(&self) -> Option<(&str, &Value)> {
        self.path.as_deref().zip(self.value.as_ref())
    }
}

impl MeshConfig {
    /// The layers that hold in a cluster, in order.
    pub fn layers_of<'a>(&'a self, cluster: &'a crate::fleet::Cluster) -> impl Iterator<Item = &'a Layer> {
        self.layers.iter().filter(|layer| layer.clusters.matches(&cluster.name, &cluster.labels))
    }
}

fn with_defaults<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    Base::deserialize(deserializer).map(|base| base.json())
}

/// Versions are spelled with and without `v`: one spelling is kept, so that the other is no change.
fn with_plain_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    let mut set = Value::deserialize(deserializer)?;
    if let Some(Value::String(text)) = set.pointer_mut("/istio/version")
        && let Ok(version) = IstioVersion::parse(text)
    {
        *text = version.to_string();
    }
    Ok(set)
}

fn nothing() -> Value {
    Value::Object(Map::new())
}

fn is_nothing(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}

#[cfg(test)]
mod tests;
