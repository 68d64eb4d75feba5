//! Simulated spokes: many in one process, over the real protocol and real mTLS, without clusters. Each takes whatever
//! target it is offered, and says at once that everything of it is applied and healthy.
//!
//! For tests and benches of the hub with fleets that real spokes are too dear for. What crosses the wire is counted.

mod hub;
mod memory;
mod spoke;
mod traffic;

pub use hub::{Hub, enrol};
pub use memory::Memory;
pub use spoke::Simulated;
pub use traffic::{Crossed, Traffic};
