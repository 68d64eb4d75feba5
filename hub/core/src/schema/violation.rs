//! What is wrong with an object.

/// Most violations of one object that are told.
pub(super) const MOST: usize = 50;

/// What an API server would take away or refuse of one object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judgement {
    /// In the order of the object, at most fifty.
    pub violations: Vec<Violation>,
    /// Whether there are more.
    pub is_cut: bool,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where, as provenance spells it, for example `.spec.values.pilot`.
    pub path: String,
    /// What.
    pub what: Wrong,
}

/// What is wrong at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// The schema has no such field: an API server takes it away, and refuses it where it is asked to be strict.
    UnknownField {
        /// The one that was probably meant.
        nearest: Option<String>,
        /// All that are known there.
        known: Vec<String>,
    },
    /// A value is refused.
    Value {
        /// What it is and why that is wrong, for example `"x" is not one of these`.
        message: String,
        /// What would be taken.
        wanted: String,
    },
}

impl Violation {
    /// Whether the schema has no such field.
    #[must_use]
    pub fn is_unknown_field(&self) -> bool {
        matches!(self.what, Wrong::UnknownField { .. })
    }
}
