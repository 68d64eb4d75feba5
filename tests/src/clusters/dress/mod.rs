//! Dresses a cluster as a provider's: the objects by which it is known.
//!
//! Detection must work from what the provider really shows, so a dress is made
//! of objects and not of a switch. What it cannot change: `/version` tells the
//! release of our API server, whatever the dress. On every dress the Calisti
//! operator's definitions are installed, since the operator is.

mod eks;
mod node;
mod rosa;
mod scc;

use kube::Client;

use super::apply::Applier;
use super::definitions::{self, CALISTI};

pub use eks::eks;
pub use node::Node;
pub use rosa::{allocate_security_ranges, rosa};

/// Signs every field of a dress.
pub const MANAGER: &str = "dress";

async fn calisti_definitions(client: &Client, applier: &mut Applier) -> anyhow::Result<()> {
    definitions::apply(client, applier, &CALISTI).await
}
