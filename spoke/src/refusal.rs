//! Why a target is not taken. The codes are stable: hubs and tests decide by them.

use std::fmt;

/// The kind of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Older than the accepted generation.
    StaleGeneration,
    /// From a hub of a former life.
    StaleEpoch,
    /// The accepted generation with another target.
    GenerationConflict,
    /// For another cluster.
    WrongCluster,
    /// It cannot be read, or its bytes are not its digest's.
    Malformed,
    /// It breaks the floor compiled into this spoke.
    Floor,
    /// The hub's message is not allowed here.
    Protocol,
    /// It cannot be persisted now; the hub may offer it again.
    Unavailable,
}

/// A refusal, as the hub gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its kind.
    pub code: Code,
    /// Of which generation; 0 where none is concerned.
    pub generation: u64,
    /// What was wrong, in one sentence.
    pub message: String,
}

impl Refusal {
    /// A refusal of a generation.
    #[must_use]
    pub fn new(code: Code, generation: u64, message: impl Into<String>) -> Self {
        Self { code, generation, message: message.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "generation {} refused ({:?}): {}", self.generation, self.code, self.message)
    }
}
