//! The fleet: clusters, how they are named and selected, and what their spokes saw.

mod facts;
mod name;
mod selector;

pub use facts::{ClusterVersion, Facts, Infrastructure, NamespaceFacts, NodeGroup, UnreadFact};
pub use name::{InvalidName, Labels, Name};
pub use selector::{MatchExpression, Operator, Selector};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::platform::PlatformName;

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
    /// The mesh network it stands in; its own name if not given.
    pub network: Option<Name>,
    /// None before its spoke was attached for the first time.
    pub facts: Option<Facts>,
}

impl Cluster {
    /// The mesh network of this cluster: the declared one, else one of its own.
    #[must_use]
    pub fn network(&self) -> &Name {
        self.network.as_ref().unwrap_or(&self.name)
    }
}
