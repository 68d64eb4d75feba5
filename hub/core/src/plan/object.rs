//! Objects of Kubernetes, by identity and by body.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::{self, Digest};

/// Identity of an object within a cluster. `version` says which API version the body is written in; two ids that differ
/// only there are the same object, see [`ObjectId::same_object`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectId {
    /// API group; empty for the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl ObjectId {
    /// The id of an object.
    #[must_use]
    pub fn new(group: &str, version: &str, kind: &str, namespace: &str, name: &str) -> Self {
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Whether both name the same object, perhaps in different API versions.
    #[must_use]
    pub fn same_object(&self, other: &Self) -> bool {
        self.key() == other.key()
    }

    /// What the same object has in all versions: group, kind, namespace and name.
    #[must_use]
    pub fn key(&self) -> (&str, &str, &str, &str) {
        (&self.group, &self.kind, &self.namespace, &self.name)
    }

    /// `group/version`, or `version` in the core group.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

impl std::fmt::Display for ObjectId {
    /// `Kind namespace/name`, as people say it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ", self.kind)?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

/// A manifest with its identity, as a plan holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Which object.
    pub id: ObjectId,
    /// Canonical JSON of the manifest.
    pub bytes: Vec<u8>,
    /// sha-256 of the bytes.
    pub digest: Digest,
}

impl Body {
    /// Seals a manifest: writes `apiVersion`, `kind`, `metadata.name` and `metadata.namespace` from `id` into it, then
    /// fixes its bytes.
    ///
    /// # Panics
    /// If `manifest`, or its `metadata`, is not a JSON object: manifests are built by rules, not read.
    #[must_use]
    pub fn seal(id: ObjectId, mut manifest: Value) -> Self {
        manifest["apiVersion"] = id.api_version().into();
        manifest["kind"] = id.kind.clone().into();
        manifest["metadata"]["name"] = id.name.clone().into();
        if !id.namespace.is_empty() {
            manifest["metadata"]["namespace"] = id.namespace.clone().into();
        }
        let bytes = digest::canonical(&manifest);
        Self { id, digest: Digest::of(&bytes), bytes }
    }
}
