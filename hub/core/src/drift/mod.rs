//! Drift: where live objects differ from what was applied, and who made them differ.

mod heal;
mod merge;
pub mod policy;

pub use heal::{
    HealAnswer, HealClass, HealClasses, HealEntry, HealQuestion, HealRequest, HealResult,
    MOST_ENTRIES as MOST_HEAL_ENTRIES,
};
pub use merge::{Changes, ItemKey, merge};
pub use policy::{DriftPolicy, NamedPolicy};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{digest::Digest, plan::ObjectId};

/// One difference, as a spoke saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftItem {
    /// Of which object.
    pub id: ObjectId,
    /// Its uid; empty if it is gone.
    pub uid: String,
    /// Of which field; empty for the whole object.
    pub path: String,
    /// What kind of difference.
    pub class: DriftClass,
    /// JSON of the value that our apply left there.
    pub baseline: Option<String>,
    /// JSON of the value there now.
    pub found: Option<String>,
    /// sha-256 of the canonical JSON of the value there now.
    pub found_digest: Option<Digest>,
    /// Who wrote it; none where managedFields do not tell.
    pub actor: Option<Actor>,
    /// What becomes of it.
    pub state: DriftState,
    /// How often the spoke healed it by policy, within the window in which that counts.
    pub heals: u32,
}

/// What becomes of a difference while it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DriftState {
    /// It is there, and the spoke does nothing about it by itself.
    Seen,
    /// The spoke is about to put it right.
    Healing,
    /// It came back after each heal: no more are tried until a person acts or it stays away.
    Fighting,
}

/// Who wrote a field, from managedFields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Field manager, for example `kubectl-edit`.
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// For example `status`; empty for the object itself.
    pub subresource: String,
    /// When, where managedFields tell.
    pub at: Option<Timestamp>,
}

/// What kind of difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DriftClass {
    /// A field of ours has another value.
    Overwritten,
    /// A field of ours is gone.
    Removed,
    /// The object is gone.
    Deleted,
    /// Another object stands in its place.
    Recreated,
    /// An expectation does not hold.
    Unfulfilled,
}
