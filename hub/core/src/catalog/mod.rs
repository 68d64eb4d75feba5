//! What is true of which version: data with its sources, looked up by rules and by the referee. No decisions.
//!
//! [`entries`] shows all of it in one form, for people.

pub mod calico;
pub mod calisti;
pub mod cni;
pub mod constraints;
mod entry;
pub mod istio;
pub mod istio_pods;
pub mod kube_prometheus;
pub mod kubernetes;
mod leftovers;
pub mod openshift;
pub mod rosa;
pub mod sail;
pub mod sail_values;
pub mod scc;
pub mod service_mesh;
mod support;
mod version;

pub use entry::{Entry, Pairing, Product, UnknownProduct, entries};
pub use leftovers::{LEFTOVERS, Leftover};
pub use support::{SOON_DAYS, Support};
pub use version::{InvalidVersion, MinorVersion};

use jiff::civil::{Date, date};

/// The day on which the tables were last held against their sources. What was released later is not in them.
pub const AS_OF: Date = date(2026, 11, 21);
