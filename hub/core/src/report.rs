//! The report: what a spoke says of the target that it accepted. A level: the newest says everything.

use serde::{Deserialize, Serialize};

use crate::{digest::Digest, plan::ObjectId};

/// What a spoke last accepted, as it persisted it in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// Epoch of the accepted target.
    pub epoch: u64,
    /// Its generation.
    pub generation: u64,
    /// Its digest.
    pub target: Digest,
    /// The last generation that was applied to its end; 0 if none.
    pub completed: u64,
}

/// A spoke's answer to a target that it will not apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Generation of the refused target.
    pub generation: u64,
    /// Why, for machines.
    pub code: RefusalCode,
    /// Why, for people.
    pub message: String,
}

/// Why a target is refused. The words are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RefusalCode {
    /// Older than the accepted generation.
    StaleGeneration,
    /// From a hub of a former life.
    StaleEpoch,
    /// The accepted generation again, with another target digest.
    GenerationConflict,
    /// For another cluster.
    WrongCluster,
    /// Its bytes cannot be read, or are not those of its digest.
    Malformed,
    /// It breaks the limits compiled into the spoke.
    Floor,
    /// A body was asked for that was not offered in this session.
    NotOffered,
    /// It says what cannot be.
    Protocol,
    /// The cluster cannot be written now. The only refusal that passes by itself.
    Unavailable,
}

impl RefusalCode {
    /// Whether offering the same target again may help.
    #[must_use]
    pub fn passes(self) -> bool {
        match self {
            Self::Unavailable => true,
            Self::StaleGeneration
            | Self::StaleEpoch
            | Self::GenerationConflict
            | Self::WrongCluster
            | Self::Malformed
            | Self::Floor
            | Self::NotOffered
            | Self::Protocol => false,
        }
    }
}

/// The present state of an accepted target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Generation of the target.
    pub generation: u64,
    /// Digest of the target.
    pub target: Digest,
    /// How far it is.
    pub phase: Phase,
    /// What is awaited or what failed; may be empty.
    pub message: String,
    /// Everything that is managed or expected.
    pub objects: Vec<ObjectState>,
    /// The last generation that was applied to its end; 0 if none.
    pub completed: u64,
    /// Why somebody in the cluster stopped all writes of the plan; none if nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<String>,
}

/// How far a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Objects are being written.
    Applying,
    /// All is written; health is awaited.
    Converging,
    /// Applied to its end and healthy now.
    Healthy,
    /// Not healthy, after it was or after its deadline.
    Unhealthy,
    /// It cannot be applied.
    Failed,
}

/// One object under a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectState {
    /// Which.
    pub id: ObjectId,
    /// How it became known.
    pub role: Role,
    /// Empty while it is absent.
    pub uid: String,
    /// What was applied; none for expectations.
    pub body: Option<Digest>,
    /// What became of it.
    pub outcome: Outcome,
    /// Whether it meets what the plan asks of it.
    pub healthy: bool,
    /// Why not, or who holds it.
    pub message: String,
    /// The generation under which this came.
    pub generation: u64,
}

/// How an object became known to the spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// The spoke made it.
    Created,
    /// The spoke took it over.
    Adopted,
    /// Somebody else makes it: watched, never written.
    Expected,
    /// Somebody else made it, and it has fields of ours.
    Addition,
    /// The spoke made it from a template, in a namespace that the template selects.
    Instance,
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Not yet its turn.
    Pending,
    /// Made.
    Created,
    /// Changed.
    Changed,
    /// As it should be already: nothing was written.
    Unchanged,
    /// Deleted.
    Deleted,
    /// Somebody else holds fields that we would write.
    Conflict,
    /// It exists and is not ours.
    AdoptionRequired,
    /// Refused by the API server; again would not help.
    Rejected,
    /// Could not be sent; tried again.
    Unreachable,
    /// To be deleted, but not in the inventory.
    Left,
    /// An expectation that does not hold.
    Unfulfilled,
    /// An expectation that holds.
    Fulfilled,
    /// To be deleted, and still in use: left until it is not.
    InUse,
}

impl Outcome {
    /// Whether the object cannot come to be as planned without somebody's doing.
    #[must_use]
    pub fn is_failure(self) -> bool {
        match self {
            Self::Conflict | Self::AdoptionRequired | Self::Rejected => true,
            Self::Pending
            | Self::Created
            | Self::Changed
            | Self::Unchanged
            | Self::Deleted
            | Self::Unreachable
            | Self::Left
            | Self::Unfulfilled
            | Self::Fulfilled
            | Self::InUse => false,
        }
    }
}
