//! The spoke's own Secrets: reading, creating and compare-and-set, each write through [`crate::writes`].

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api,
    api::{DeleteParams, ListParams, ObjectMeta, Preconditions},
};

use crate::{
    cluster::{self, Cluster, bounded},
    writes::{self, Purpose, Writes, as_manager},
};

/// The Secrets of the spoke's namespace. Cheap to clone.
#[derive(Clone)]
pub struct Secrets {
    api: Api<Secret>,
    writes: Writes,
}

/// A Secret as it was read. What it holds is in no debug text.
#[derive(Clone)]
pub struct Stored {
    /// Its name.
    pub name: String,
    /// For compare-and-set.
    pub version: Version,
    data: BTreeMap<String, ByteString>,
}

/// Which state of a Secret is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    uid: String,
    resource_version: String,
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stored").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Stored {
    /// What stands under `key`.
    #[must_use]
    pub fn bytes(&self, key: &str) -> Option<&[u8]> {
        self.data.get(key).map(|bytes| bytes.0.as_slice())
    }

    /// What stands under `key`, as text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<String> {
        self.bytes(key).and_then(|bytes| String::from_utf8(bytes.to_vec()).ok())
    }
}

/// What a Secret is to hold.
pub type Data = BTreeMap<&'static str, Vec<u8>>;

impl Secrets {
    /// The Secrets of `namespace`.
    #[must_use]
    pub fn new(cluster: &Cluster, namespace: &str, writes: Writes) -> Self {
        Self { api: Api::namespaced(cluster.client(), namespace), writes }
    }

    /// A Secret, if it exists.
    ///
    /// # Errors
    /// If the API server cannot be asked.
    pub async fn find(&self, name: &str) -> Result<Option<Stored>, cluster::Error> {
        Ok(bounded(self.api.get_opt(name)).await?.map(stored))
    }

    /// All Secrets whose names begin with `prefix`.
    ///
    /// # Errors
    /// If the API server cannot be asked.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Stored>, cluster::Error> {
        let all = bounded(self.api.list(&ListParams::default())).await?;
        Ok(all.items.into_iter().map(stored).filter(|secret| secret.name.starts_with(prefix)).collect())
    }

    /// Makes a Secret that can never be changed.
    ///
    /// # Errors
    /// If it exists, or could not be written.
    pub async fn create_immutable(&self, name: &str, data: Data) -> Result<Version, writes::Error> {
        let secret = Secret { immutable: Some(true), ..secret(name, data) };
        let made = self.writes.send(Purpose::Bookkeeping, self.api.create(&as_manager(), &secret)).await?;
        Ok(stored(made).version)
    }

    /// Makes a Secret, or replaces the state of it that is known.
    ///
    /// # Errors
    /// If it is not in that state, or could not be written.
    pub async fn put(
        &self,
        name: &str,
        known: Option<&Version>,
        data: Data,
    ) -> Result<Version, writes::Error> {
        let mut secret = secret(name, data);
        let made = match known {
            None => self.writes.send(Purpose::Bookkeeping, self.api.create(&as_manager(), &secret)).await?,
            Some(known) => {
                secret.metadata.uid = Some(known.uid.clone());
                secret.metadata.resource_version = Some(known.resource_version.clone());
                self.writes.send(Purpose::Bookkeeping, self.api.replace(name, &as_manager(), &secret)).await?
            }
        };
        Ok(stored(made).version)
    }

    /// Deletes a Secret. One that is gone already is no error.
    ///
    /// # Errors
    /// If it could not be deleted.
    pub async fn delete(&self, name: &str, known: &Version) -> Result<(), writes::Error> {
        let preconditions = Preconditions { uid: Some(known.uid.clone()), resource_version: None };
        let how = DeleteParams::default().preconditions(preconditions);
        match self.writes.send(Purpose::Bookkeeping, self.api.delete(name, &how)).await {
            Ok(_) => Ok(()),
            Err(writes::Error::Cluster(error)) if error.is_not_found() || error.is_conflict() => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn secret(name: &str, data: Data) -> Secret {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    let data = data.into_iter().map(|(key, bytes)| (key.to_owned(), ByteString(bytes))).collect();
    Secret { metadata, data: Some(data), ..Secret::default() }
}

fn stored(secret: Secret) -> Stored {
    let version = Version {
        uid: secret.metadata.uid.unwrap_or_default(),
        resource_version: secret.metadata.resource_version.unwrap_or_default(),
    };
    Stored { name: secret.metadata.name.unwrap_or_default(), version, data: secret.data.unwrap_or_default() }
}
