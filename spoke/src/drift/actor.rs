//! Who wrote a field.
//!
//! managedFields say it only of what is there: a removal leaves no trace of who did it, and the answer is then unknown.
//! Nobody is ever guessed.

use serde_json::Value;

use crate::{
    owned::{Manager, Ownership, managers},
    path::Path,
};

/// Who wrote a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Field manager, for example `kubectl-edit`.
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// Empty for the object itself.
    pub subresource: String,
    /// When, where the server tells.
    pub written_at: Option<String>,
}

/// The other manager that wrote the value at `path`, or the value that it is a part of. The latest, if there are more.
#[must_use]
pub fn of(object: &Value, path: &Path) -> Option<Actor> {
    let wrote = |manager: &Manager<'_>| !manager.is_ours() && manager.owns(path) == Ownership::Written;
    let latest = managers(object).filter(wrote).max_by_key(|manager| manager.time)?;
    Some(Actor {
        manager: latest.name.to_owned(),
        operation: latest.operation.to_owned(),
        subresource: latest.subresource.to_owned(),
        written_at: latest.time.map(str::to_owned),
    })
}
