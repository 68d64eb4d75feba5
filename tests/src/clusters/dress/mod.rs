//! Dresses a cluster as a provider's: the objects by which it is known.
//!
//! Detection must work from what the provider really shows, so a dress is made
//! of objects and not of a switch. What objects cannot change is `/version`: a
//! provider that marks it needs an API server that was linked so, see
//! [`GKE_SUFFIX`]. A dress brings nothing of a mesh operator: each stand-in
//! brings its own definitions, as an operator's installation does.

mod aks;
mod eks;
mod gke;
mod node;
mod rosa;
mod scc;

pub use aks::aks;
pub use eks::{eks, eks_fargate_node};
pub use gke::{GKE_SUFFIX, gke, gke_autopilot_node};
pub use node::Node;
pub use rosa::{allocate_security_ranges, rosa, rosa_hcp};

/// Signs every field of a dress.
pub const MANAGER: &str = "dress";
