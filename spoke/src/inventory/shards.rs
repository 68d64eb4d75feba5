//! Which Secret holds which entry.
//!
//! Pure. An entry stays where it is while it fits, so that one change writes one Secret. The limit is far below what an
//! API server takes of a Secret (1 MiB).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Entry, Inventory};
use crate::document::ObjectKey;

/// Most bytes of entries in one Secret.
const SHARD_BYTES: usize = 512 * 1024;

/// Largest entry. The baseline of a larger one is left out: its drift is then seen only as a whole.
const ENTRY_BYTES: usize = 384 * 1024;

/// What stands in one Secret.
#[derive(Debug, Serialize, Deserialize)]
struct Shard {
    format: u32,
    entries: Vec<Entry>,
}

/// Where an entry stands, and how long it is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    shard: usize,
    size: usize,
}

impl Inventory {
    /// Takes an entry in, and finds a Secret for it.
    pub(super) fn place(&mut self, key: ObjectKey, mut entry: Entry) {
        if size(&entry) > ENTRY_BYTES {
            entry.baseline.clear();
        }
        let size = size(&entry);
        let before = self.leave(&key);
        let fits = |shard: &usize| self.filled.get(shard).copied().unwrap_or(0) + size <= SHARD_BYTES;
        // Never to an earlier one: the later is written first, so the entry always stands in one of them.
        let shard = (before.unwrap_or(0)..).find(fits).unwrap_or(0);
        self.dirty.extend(before.into_iter().chain([shard]));
        self.stand(key, entry, Place { shard, size });
    }

    fn stand(&mut self, key: ObjectKey, entry: Entry, place: Place) {
        *self.filled.entry(place.shard).or_default() += place.size;
        self.places.insert(key.clone(), place);
        self.entries.insert(key, Arc::new(entry));
    }

    /// Gives up an entry's place, and says which Secret that was in.
    pub(super) fn leave(&mut self, key: &ObjectKey) -> Option<usize> {
        let place = self.places.remove(key)?;
        if let Some(filled) = self.filled.get_mut(&place.shard) {
            *filled = filled.saturating_sub(place.size);
        }
        Some(place.shard)
    }

    /// The Secrets to write, the last first: an entry moves to a later one, and is written where it went before it is
    /// taken from where it was. None stands for a Secret that is empty now.
    pub(super) fn unwritten(&self) -> Vec<(usize, Option<Vec<u8>>)> {
        self.dirty.iter().rev().map(|shard| (*shard, self.content(*shard))).collect()
    }

    fn content(&self, shard: usize) -> Option<Vec<u8>> {
        let here = self.places.iter().filter(|(_, place)| place.shard == shard);
        let entries: Vec<Arc<Entry>> = here.filter_map(|(key, _)| self.entries.get(key)).cloned().collect();
        let entries: Vec<Entry> = entries.iter().map(|entry| Entry::clone(entry)).collect();
        let shard = Shard { format: 1, entries };
        (!shard.entries.is_empty()).then(|| serde_json::to_vec(&shard).expect("plain data becomes JSON"))
    }

    /// A Secret is as it should be.
    pub(super) fn written(&mut self, shard: usize) {
        self.dirty.remove(&shard);
    }

    /// Reads a Secret. Of an object that stands in two, because the spoke was killed while it moved, the later counts.
    pub(super) fn read(&mut self, shard: usize, content: &[u8]) -> Result<(), serde_json::Error> {
        let read: Shard = serde_json::from_slice(content)?;
        for entry in read.entries {
            let key = entry.id.key();
            if let Some(other) = self.entries.get(&key) {
                if other.generation > entry.generation {
                    self.dirty.insert(shard);
                    continue;
                }
                let stale = self.leave(&key);
                self.dirty.extend(stale);
            }
            let size = size(&entry);
            self.stand(key, entry, Place { shard, size });
        }
        Ok(())
    }
}

fn size(entry: &Entry) -> usize {
    serde_json::to_vec(entry).map_or(0, |bytes| bytes.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        digest::Digest,
        inventory::{Outcome, Role},
        owned::OwnedField,
    };

    fn entry(name: &str, bytes: usize) -> Entry {
        let id =
            json!({"group": "", "version": "v1", "kind": "ConfigMap", "namespace": "mesh", "name": name});
        Entry {
            id: serde_json::from_value(id).unwrap(),
            uid: format!("uid of {name}"),
            role: Role::Created,
            generation: 1,
            outcome: Outcome::Created,
            body: Digest::of(name.as_bytes()),
            baseline: vec![OwnedField { path: ".data".parse().unwrap(), value: json!("x".repeat(bytes)) }],
        }
    }

    fn reread(inventory: &Inventory) -> Inventory {
        let mut read = Inventory::default();
        for (shard, content) in inventory.unwritten() {
            if let Some(content) = content {
                assert!(content.len() < 1024 * 1024);
                read.read(shard, &content).unwrap();
            }
        }
        read
    }

    #[test]
    fn what_is_written_can_be_read_back() {
        let mut inventory = Inventory::default();
        for number in 0..40 {
            inventory.put(entry(&format!("x{number}"), 50_000));
        }
        assert!(inventory.unwritten().len() > 3);
        assert_eq!(reread(&inventory).entries, inventory.entries);
    }

    #[test]
    fn one_change_writes_one_secret() {
        let mut inventory = Inventory::default();
        for number in 0..40 {
            inventory.put(entry(&format!("x{number}"), 50_000));
        }
        inventory.dirty.clear();
        inventory.put(entry("x7", 50_000));
        assert!(!inventory.is_dirty(), "nothing changed");
        inventory.put(entry("x7", 49_000));
        assert_eq!(inventory.unwritten().len(), 1);
        inventory.dirty.clear();
        inventory.remove(&entry("x7", 0).id);
        assert_eq!(inventory.unwritten().len(), 1);
    }

    #[test]
    fn an_entry_that_grew_moves_and_is_never_lost() {
        let mut inventory = Inventory::default();
        for number in 0..10 {
            inventory.put(entry(&format!("x{number}"), 50_000));
        }
        inventory.dirty.clear();
        inventory.put(entry("x0", 300_000));
        let first = inventory.unwritten().remove(0);
        let mut read = Inventory::default();
        read.read(first.0, &first.1.unwrap()).unwrap();
        assert!(read.get(&entry("x0", 0).id).is_some(), "it is written where it went first");
    }

    #[test]
    fn an_entry_never_moves_to_a_secret_that_is_written_later() {
        let mut inventory = Inventory::default();
        for number in 0..20 {
            inventory.put(entry(&format!("x{number}"), 50_000));
        }
        let shard = |inventory: &Inventory, name: &str| inventory.places[&entry(name, 0).id.key()].shard;
        assert_eq!((shard(&inventory, "x0"), shard(&inventory, "x19")), (0, 1));
        (0..9).for_each(|number| inventory.remove(&entry(&format!("x{number}"), 0).id));
        inventory.put(entry("x19", 300_000));
        assert!(shard(&inventory, "x19") > 1, "killed between the two writes, it would be lost");
    }

    #[test]
    fn of_an_entry_in_two_secrets_the_later_counts() {
        let shard = |generation: u64| {
            let mut entry = entry("x", 10);
            entry.generation = generation;
            serde_json::to_vec(&Shard { format: 1, entries: vec![entry] }).unwrap()
        };
        for (first, second) in [(1, 2), (2, 1)] {
            let mut read = Inventory::default();
            read.read(0, &shard(first)).unwrap();
            read.read(1, &shard(second)).unwrap();
            assert_eq!(read.get(&entry("x", 0).id).unwrap().generation, 2);
            assert!(read.is_dirty(), "the stale one is to be rewritten");
        }
    }

    #[test]
    fn a_baseline_too_large_for_a_secret_is_left_out() {
        let mut inventory = Inventory::default();
        inventory.put(entry("x", 2 * ENTRY_BYTES));
        assert!(inventory.get(&entry("x", 0).id).unwrap().baseline.is_empty());
    }
}
