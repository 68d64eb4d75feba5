//! Structural schemas of custom resources, and what an API server would say of an object by them: which fields it does
//! not know, and which values it refuses.
//!
//! A schema is read once from the `openAPIV3Schema` of a CustomResourceDefinition and judges any number of objects.
//!
//! # Design notes
//! An API server does two things with an object. It takes away what the schema does not name, or refuses it where it is
//! asked to be strict; and it holds values against the rest of the schema. Both are one walk here, because they end at
//! the same person. What is not judged: rules in CEL (`x-kubernetes-validations`), metadata (that is Kubernetes' own), and
//! formats that API servers do not check either. A comparison with a real API server stands in `tests/it/clusters`.

mod at;
mod format;
mod node;
mod read;
mod rules;
mod violation;
mod walk;

#[cfg(test)]
mod tests;

pub use read::NotASchema;
pub use violation::{Judgement, Violation, Wrong};

use std::cmp::Ordering;

use serde_json::Value;

use crate::digest::{self, Digest};
use node::Node;

/// The schema of one kind in one version.
#[derive(Debug)]
pub struct Schema {
    digest: Digest,
    root: Node,
}

/// How much of an object is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it is there.
    Whole,
    /// Some fields of it, that are applied onto what somebody else made: nothing is missing.
    Part,
}

impl Schema {
    /// Reads the JSON of an `openAPIV3Schema`.
    ///
    /// # Errors
    /// What is no JSON, or no schema, with the place.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotASchema> {
        let tree: Value = serde_json::from_slice(bytes).map_err(NotASchema::Json)?;
        let root = read::root(&tree)?;
        Ok(Self { digest: Digest::of(&digest::canonical(&tree)), root })
    }

    /// What facts call it: the sha-256 of its canonical JSON.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Everything that an API server would take away or refuse, up to a limit.
    #[must_use]
    pub fn judge(&self, object: &Value, extent: Extent) -> Judgement {
        walk::judge(&self.root, object, extent)
    }

    /// The words that a field may be, where the schema lists them: the field by its keys, from the top.
    #[must_use]
    pub fn words(&self, keys: &[&str]) -> Option<Vec<&str>> {
        let field = keys.iter().try_fold(&self.root, |node, key| node.fields.get(*key))?;
        let words = field.rules.as_ref()?.words.as_ref()?;
        Some(words.iter().filter_map(Value::as_str).collect())
    }
}

/// Schemas are the same if their bytes are.
impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Schema {}

impl PartialOrd for Schema {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Schema {
    fn cmp(&self, other: &Self) -> Ordering {
        self.digest.cmp(&other.digest)
    }
}
