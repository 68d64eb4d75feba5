//! The inventory: every object that is ours, by uid, with what our last apply left in it.
//!
//! It is kept in Secrets of the spoke's namespace and written in groups. An object that was made and not yet written down
//! is found again by its annotation, see [`crate::apply`].

mod shards;
mod store;

pub use store::{Error, Store};

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    document::{ObjectId, ObjectKey},
    owned::OwnedField,
};

/// An object that is ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Which.
    pub id: ObjectId,
    /// Its uid: another object of the same name is not ours.
    pub uid: String,
    /// How it became ours.
    pub role: Role,
    /// The generation under which it was written last.
    pub generation: u64,
    /// What came of that write.
    pub outcome: Outcome,
    /// sha-256 of the body that was applied.
    pub body: Digest,
    /// Our fields, with the values that the API server answered to our apply.
    pub baseline: Vec<OwnedField>,
}

/// How an object became ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// We made it.
    Created,
    /// We took it over.
    Adopted,
    /// It is somebody else's; fields of it are ours. It is never deleted.
    Addition,
    /// It is there because a template selects its namespace.
    Instance(Origin),
}

/// Where an instance comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Which template.
    pub template: String,
    /// uid of the namespace: in one made anew the instance is made anew.
    pub namespace: String,
}

impl Entry {
    /// Where an instance comes from; none for other objects.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        match &self.role {
            Role::Instance(origin) => Some(origin),
            Role::Created | Role::Adopted | Role::Addition => None,
        }
    }
}

/// What came of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The object was made.
    Created,
    /// It was changed.
    Changed,
    /// It was so already.
    Unchanged,
}

/// Everything that is ours. A clone is cheap enough to be handed to whoever looks for drift.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    entries: BTreeMap<ObjectKey, Arc<Entry>>,
    /// In which Secret each entry stands.
    places: BTreeMap<ObjectKey, shards::Place>,
    /// How many bytes of entries each Secret holds.
    filled: BTreeMap<usize, usize>,
    /// Secrets whose contents are not what they should be.
    dirty: BTreeSet<usize>,
}

impl Inventory {
    /// All entries.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().map(Arc::as_ref)
    }

    /// The entry of an object.
    #[must_use]
    pub fn get(&self, id: &ObjectId) -> Option<&Entry> {
        self.entries.get(&id.key()).map(Arc::as_ref)
    }

    /// Whether something is not written down yet.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Takes an object in, or takes note of what was written of it.
    pub fn put(&mut self, entry: Entry) {
        let key = entry.id.key();
        if self.entries.get(&key).is_none_or(|known| **known != entry) {
            self.place(key, entry);
        }
    }

    /// Lets an object go.
    pub fn remove(&mut self, id: &ObjectId) {
        let key = id.key();
        self.entries.remove(&key);
        if let Some(shard) = self.leave(&key) {
            self.dirty.insert(shard);
        }
    }
}
