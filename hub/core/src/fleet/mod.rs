//! The fleet: clusters, how they are named and selected, and what their spokes saw.

mod facts;
pub mod keys;
mod name;
mod schema;
mod selector;

pub use facts::{
    ClusterVersion, ControlPlaneFacts, Facts, Infrastructure, InjectorFacts, NamespaceFacts, NodeGroup,
    ObjectSettings, ProxyGroup, UnreadFact,
};
pub use name::{InvalidName, Labels, Name};
pub use schema::{SchemaFact, Schemas};
pub use selector::{MatchExpression, Operator, Selector};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::platform::PlatformName;

/// The namespace that a spoke lives in, in its cluster.
pub const SPOKE_NAMESPACE: &str = "meshfleet";

/// Identity of a cluster: given by the hub at enrolment, carried in the spoke's certificate, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClusterId(pub Uuid);

impl std::fmt::Display for ClusterId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A cluster as the operator describes it, with the facts that its spoke reported last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Its identity.
    pub id: ClusterId,
    /// Its name: unique in the fleet, and the mesh's cluster id.
    pub name: Name,
    /// Labels that selectors look at.
    pub labels: Labels,
    /// The platform that the operator declared; detection must not contradict it.
    pub declared: Option<PlatformName>,
    /// The mesh network that its document names.
    pub network: Option<Name>,
    /// What `${NAME}` stands for in the values of mesh configs.
    pub variables: BTreeMap<String, String>,
    /// None before its spoke was attached for the first time.
    pub facts: Option<Facts>,
    /// Those of the schemas its facts name that the hub has read, from whichever cluster.
    pub schemas: Schemas,
}

impl Cluster {
    /// The mesh network of this cluster: what its document says, else its label `from_label`, else one of its own.
    pub fn network(&self, from_label: Option<&str>) -> Result<Name, InvalidName> {
        let label = from_label.and_then(|key| self.labels.get(key));
        match (&self.network, label) {
            (Some(network), _) => Ok(network.clone()),
            (None, Some(label)) => Name::parse(label),
            (None, None) => Ok(self.name.clone()),
        }
    }
}
