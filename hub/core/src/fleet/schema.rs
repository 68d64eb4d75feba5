//! Schemas of custom resources as clusters have them. A cluster's facts name them by digest, so that one that many
//! clusters have is kept, and read, once.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;

/// The schema that a cluster has for a kind in one version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SchemaFact {
    /// As `group/Kind`.
    pub kind: String,
    /// For example `v1`.
    pub version: String,
    /// sha-256 of the canonical JSON of `openAPIV3Schema`.
    pub digest: Digest,
}

/// A structural schema, as a CustomResourceDefinition has it under `openAPIV3Schema`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Schema {
    /// Of its canonical JSON.
    digest: Digest,
    tree: String,
}

/// Why bytes are no schema.
#[derive(Debug, thiserror::Error)]
#[error("not the JSON of a schema")]
pub struct NotASchema(#[source] serde_json::Error);

impl Schema {
    /// Reads one from JSON.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotASchema> {
        let tree: serde_json::Map<String, Value> = serde_json::from_slice(bytes).map_err(NotASchema)?;
        let tree = crate::digest::canonical(&Value::Object(tree));
        Ok(Self { digest: Digest::of(&tree), tree: String::from_utf8_lossy(&tree).into_owned() })
    }

    /// What facts call it.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}

/// Schemas by digest: those of one cluster that are known to the hub.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Schemas(BTreeMap<Digest, Arc<Schema>>);

impl Schemas {
    /// The one with a digest, if it is known.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<&Schema> {
        self.0.get(digest).map(AsRef::as_ref)
    }
}

impl FromIterator<Arc<Schema>> for Schemas {
    fn from_iter<T: IntoIterator<Item = Arc<Schema>>>(schemas: T) -> Self {
        Self(schemas.into_iter().map(|schema| (schema.digest(), schema)).collect())
    }
}
