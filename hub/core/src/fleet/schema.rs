//! Schemas of custom resources as clusters have them. A cluster's facts name them by digest, so that one that many
//! clusters have is kept, and read, once.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{digest::Digest, schema::Schema};

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
