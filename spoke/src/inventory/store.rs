//! The inventory's Secrets: `inventory-<n>`.

use std::collections::BTreeMap;

use super::Inventory;
use crate::{
    cluster, fail_point,
    secrets::{Data, Secrets, Version},
    writes,
};

const PREFIX: &str = "inventory-";
const KEY: &str = "inventory.json";

/// What can go wrong with the inventory.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be read.
    #[error("cannot read the inventory")]
    Read(#[source] cluster::Error),
    /// A Secret does not hold what this spoke wrote. Nothing may be deleted or taken as ours on a guess.
    #[error(
        "the Secret {0} is no inventory that this spoke can read: restore it, or delete it to have objects adopted anew"
    )]
    Corrupt(String),
    /// It could not be written.
    #[error("cannot write the inventory")]
    Write(#[source] writes::Error),
}

/// Reads and writes the inventory.
pub struct Store {
    secrets: Secrets,
    versions: BTreeMap<usize, Version>,
}

impl Store {
    /// A store over the spoke's Secrets.
    #[must_use]
    pub fn new(secrets: Secrets) -> Self {
        Self { secrets, versions: BTreeMap::new() }
    }

    /// Reads everything that is written down.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn load(&mut self) -> Result<Inventory, Error> {
        let mut inventory = Inventory::default();
        self.versions.clear();
        for secret in self.secrets.list(PREFIX).await.map_err(Error::Read)? {
            let corrupt = || Error::Corrupt(secret.name.clone());
            let shard: usize = secret.name[PREFIX.len()..].parse().map_err(|_| corrupt())?;
            let content = secret.bytes(KEY).ok_or_else(corrupt)?;
            inventory.read(shard, content).map_err(|_| corrupt())?;
            self.versions.insert(shard, secret.version);
        }
        Ok(inventory)
    }

    /// Writes down what is not.
    ///
    /// # Errors
    /// If something could not be written; what was written counts as written.
    pub async fn flush(&mut self, inventory: &mut Inventory) -> Result<(), Error> {
        for (shard, content) in inventory.unwritten() {
            fail_point::passed(fail_point::INVENTORY_BEFORE);
            self.write(shard, content).await?;
            fail_point::passed(fail_point::INVENTORY_AFTER);
            inventory.written(shard);
        }
        Ok(())
    }

    async fn write(&mut self, shard: usize, content: Option<Vec<u8>>) -> Result<(), Error> {
        let name = format!("{PREFIX}{shard}");
        let Some(content) = content else {
            if let Some(version) = self.versions.get(&shard) {
                self.secrets.delete(&name, version).await.map_err(Error::Write)?;
                self.versions.remove(&shard);
            }
            return Ok(());
        };
        let put = self.secrets.put(&name, self.versions.get(&shard), Data::from([(KEY, content)])).await;
        match put {
            Ok(version) => {
                self.versions.insert(shard, version);
                Ok(())
            }
            Err(error) => {
                self.look_again(shard, &name, &error).await;
                Err(Error::Write(error))
            }
        }
    }

    /// Only this spoke writes here, so a Secret in another state is one that a person touched, or a write of ours whose
    /// answer was lost. What this spoke knows is right; the next attempt replaces what stands there.
    async fn look_again(&mut self, shard: usize, name: &str, error: &writes::Error) {
        let moved =
            matches!(error, writes::Error::Cluster(error) if error.is_conflict() || error.is_not_found());
        if !moved {
            return;
        }
        match self.secrets.find(name).await {
            Ok(Some(found)) => self.versions.insert(shard, found.version),
            Ok(None) => self.versions.remove(&shard),
            Err(_) => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;
    use tokio::sync::watch;

    use super::*;
    use crate::{
        cluster::Cluster,
        digest::Digest,
        freeze::Freeze,
        inventory::{Entry, Outcome, Role},
        lease, samples,
        writes::Writes,
    };

    fn entry() -> Entry {
        let id = json!({"group": "", "version": "v1", "kind": "ConfigMap", "namespace": "mesh", "name": "x"});
        Entry {
            id: serde_json::from_value(id).unwrap(),
            uid: "u".to_owned(),
            role: Role::Created,
            generation: 1,
            outcome: Outcome::Created,
            body: Digest::of(b""),
            baseline: Vec::new(),
        }
    }

    #[tokio::test]
    async fn an_empty_secret_that_could_not_be_deleted_is_deleted_the_next_time() {
        let cluster = Cluster::new(samples::client(|method| if method == "DELETE" { 503 } else { 200 }));
        let held = lease::State::Held { until: Instant::now() + Duration::from_secs(60), term: 1 };
        let writes = Writes::new(watch::channel(held).1, watch::channel(1).1, watch::channel(Freeze::Free).1);
        let mut store = Store::new(Secrets::new(&cluster, "meshfleet", writes));
        let mut inventory = Inventory::default();
        inventory.put(entry());
        store.flush(&mut inventory).await.unwrap();
        inventory.remove(&entry().id);
        for attempt in ["first", "second"] {
            assert!(store.flush(&mut inventory).await.is_err(), "{attempt}: what is gone would come back");
        }
    }
}
