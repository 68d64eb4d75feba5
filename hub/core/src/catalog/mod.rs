//! What is true of which version: data with its sources, looked up by rules and by the referee. No decisions.

pub mod calisti;
pub mod istio;
mod leftovers;
pub mod openshift;
pub mod sail;
pub mod sail_values;
mod version;

pub use leftovers::{LEFTOVERS, Leftover};
pub use version::{InvalidVersion, MinorVersion};

use jiff::civil::{Date, date};

/// The day on which the tables were last held against their sources. What had ended by then is reported as ended; what
/// ends later is not, because the core has no clock.
pub const AS_OF: Date = date(2026, 11, 21);
