//! The target: what a cluster should run now. Canonical JSON, format 1; its sha-256 is the target digest.
//!
//! The spoke reads the same JSON with types of its own.

use serde::{Deserialize, Serialize};

use crate::{
    config::Adopt,
    digest::{self, Digest},
    drift::HealClasses,
    fleet::ClusterId,
    plan::{KeepWhile, ObjectId},
};

/// The target document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Always 1.
    pub format: u32,
    /// The cluster it is for: a spoke refuses one for another.
    pub cluster: ClusterId,
    /// Tells a hub of a former life from the present one; rises rarely.
    pub epoch: u64,
    /// Rises with every target of this cluster, for ever.
    pub generation: u64,
    /// The plan.
    pub plan: Digest,
    /// What to delete once the plan is applied. Nothing else is ever deleted.
    pub deletions: Vec<Deletion>,
    /// The templates whose instances to delete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delete_templates: Vec<TemplateDeletion>,
    /// The only fields that may be taken by force.
    pub overwrite: Vec<Overwrite>,
    /// What to do with objects that are not ours.
    pub adopt: Adopt,
    /// The classes of drift that the spoke puts right by itself. Left out where there are none, so that a spoke that does
    /// not know of it takes such a target as well.
    #[serde(default, skip_serializing_if = "HealClasses::is_empty")]
    pub heal: HealClasses,
}

/// An object to delete, by uid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deletion {
    /// Which.
    pub id: ObjectId,
    /// Its uid; empty means the one in the spoke's inventory.
    pub uid: String,
    /// Why, for people and audit.
    pub why: String,
    /// While this holds it stays, and is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_while: Option<KeepWhile>,
}

/// A template whose instances are deleted: those in the spoke's inventory, by uid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateDeletion {
    /// Name of the template.
    pub template: String,
    /// What its instances are, without a namespace.
    pub id: ObjectId,
    /// Why, for people and audit.
    pub why: String,
    /// While this holds in its namespace, an instance stays, and is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_while: Option<KeepWhile>,
}

/// A field that drifted and may be taken back, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overwrite {
    /// uid of the object.
    pub uid: String,
    /// Path of the field.
    pub path: String,
    /// sha-256 of the canonical JSON of the value that was seen: another value is not taken.
    pub found: Digest,
}

impl Target {
    /// The canonical bytes and their digest.
    ///
    /// # Panics
    /// Never: a target is plain data, which always becomes JSON.
    #[must_use]
    pub fn seal(&self) -> (Vec<u8>, Digest) {
        let value = serde_json::to_value(self).expect("plain data becomes JSON");
        let bytes = digest::canonical(&value);
        let digest = Digest::of(&bytes);
        (bytes, digest)
    }
}
