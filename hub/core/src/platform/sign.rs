//! Signs: what in the facts speaks for a platform, and how much it weighs.

/// What speaks for a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// How much it weighs.
    pub strength: Strength,
    /// For people.
    pub words: String,
}

/// How much a sign weighs. Where stronger ones speak, weaker ones are not heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Nothing else was seen, by somebody who looked.
    Absence,
    /// Usual there and found elsewhere too: it decides nothing, but forbids to conclude from absence.
    Hint,
    /// A mark of the provider's own.
    Mark,
    /// Only a cluster of this platform has it; it is true whatever else is seen.
    Proof,
}

impl Sign {
    /// Nothing else was seen.
    pub(super) fn absence(words: String) -> Self {
        Self { strength: Strength::Absence, words }
    }

    /// Something that is found elsewhere too.
    pub(super) fn hint(words: String) -> Self {
        Self { strength: Strength::Hint, words }
    }

    /// A mark of the provider's own.
    pub(super) fn mark(words: String) -> Self {
        Self { strength: Strength::Mark, words }
    }

    /// Something that only this platform has.
    pub(super) fn proof(words: String) -> Self {
        Self { strength: Strength::Proof, words }
    }
}
