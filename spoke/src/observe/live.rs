//! The present state of the objects that are watched.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use serde_json::Value;
use tokio::sync::watch;

use crate::document::{ObjectId, ObjectKey};

/// What is seen of one object.
#[derive(Debug, Clone)]
pub enum Sight {
    /// It cannot be seen now, and why. That is never taken for absence.
    Unknown(String),
    /// It does not exist.
    Absent,
    /// It exists.
    Present {
        /// As it is.
        object: Arc<Value>,
        /// When its resourceVersion was first seen.
        changed_at: Instant,
    },
}

/// A handle to what is seen. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Live {
    slots: Arc<Mutex<BTreeMap<ObjectKey, Slot>>>,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct Slot {
    state: Sight,
    /// resourceVersion of the newest thing known, to tell an old event from a new one. 0 if none.
    version: u64,
    /// Whether it was looked for at all, with success or without.
    looked_for: bool,
}

impl Slot {
    fn unseen() -> Self {
        Self { state: Sight::Unknown("not seen yet".to_owned()), version: 0, looked_for: false }
    }
}

impl Default for Live {
    fn default() -> Self {
        Self { slots: Arc::default(), changed: watch::Sender::new(()) }
    }
}

impl Live {
    /// Wakes when something changed.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Says which objects are of interest. Others are forgotten.
    pub fn want(&self, ids: &BTreeSet<ObjectId>) {
        let keys: BTreeSet<ObjectKey> = ids.iter().map(ObjectId::key).collect();
        let mut slots = self.lock();
        slots.retain(|key, _| keys.contains(key));
        for key in keys {
            slots.entry(key).or_insert_with(Slot::unseen);
        }
        drop(slots);
        self.changed.send_replace(());
    }

    /// What is seen of an object.
    #[must_use]
    pub fn sight(&self, id: &ObjectId) -> Sight {
        let slots = self.lock();
        slots
            .get(&id.key())
            .map_or_else(|| Sight::Unknown("not watched".to_owned()), |slot| slot.state.clone())
    }

    /// Whether every object of interest was looked for: before that, nothing is known of what differs.
    #[must_use]
    pub fn looked_for_all(&self) -> bool {
        self.lock().values().all(|slot| slot.looked_for)
    }

    /// An object was seen. An older state than the known one is dropped.
    pub fn saw(&self, key: &ObjectKey, object: Value, now: Instant) {
        let version = version(&object);
        let mut slots = self.lock();
        let Some(slot) = slots.get_mut(key) else { return };
        if version < slot.version {
            return;
        }
        let changed_at = match &slot.state {
            Sight::Present { changed_at, .. } if version == slot.version => *changed_at,
            Sight::Present { .. } | Sight::Absent | Sight::Unknown(_) => now,
        };
        *slot = Slot {
            state: Sight::Present { object: Arc::new(object), changed_at },
            version,
            looked_for: true,
        };
        drop(slots);
        self.changed.send_replace(());
    }

    /// We wrote an object, and this is the answer. It is of interest from now on.
    pub fn wrote(&self, id: &ObjectId, object: Value, now: Instant) {
        let key = id.key();
        self.lock().entry(key.clone()).or_insert_with(Slot::unseen);
        self.saw(&key, object, now);
    }

    /// An object was seen to go, in this last state.
    pub fn gone(&self, key: &ObjectKey, last: &Value) {
        self.become_absent(key, version(last));
    }

    /// An object was not among those that exist.
    pub fn missing(&self, key: &ObjectKey) {
        self.become_absent(key, u64::MAX);
    }

    fn become_absent(&self, key: &ObjectKey, at: u64) {
        let mut slots = self.lock();
        let Some(slot) = slots.get_mut(key) else { return };
        if at < slot.version {
            return;
        }
        slot.state = Sight::Absent;
        slot.looked_for = true;
        slot.version = if at == u64::MAX { slot.version } else { at };
        drop(slots);
        self.changed.send_replace(());
    }

    /// Objects cannot be seen now.
    pub fn lost_sight<'a>(&self, keys: impl IntoIterator<Item = &'a ObjectKey>, why: &str) {
        let mut slots = self.lock();
        for key in keys {
            if let Some(slot) = slots.get_mut(key) {
                slot.state = Sight::Unknown(why.to_owned());
                slot.looked_for = true;
            }
        }
        drop(slots);
        self.changed.send_replace(());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ObjectKey, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// resourceVersions of one kind can be compared as numbers; what is no number counts as newest.
fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()).unwrap_or(u64::MAX - 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn id() -> ObjectId {
        serde_json::from_value(
            json!({"group": "", "version": "v1", "kind": "ConfigMap", "namespace": "mesh", "name": "x"}),
        )
        .unwrap()
    }

    fn at(version: &str) -> Value {
        json!({"metadata": {"resourceVersion": version}})
    }

    fn seen(live: &Live) -> Option<String> {
        match live.sight(&id()) {
            Sight::Present { object, .. } => {
                object["metadata"]["resourceVersion"].as_str().map(str::to_owned)
            }
            Sight::Absent => Some("absent".to_owned()),
            Sight::Unknown(_) => None,
        }
    }

    #[test]
    fn an_older_event_never_hides_a_newer_state() {
        let (live, now) = (Live::default(), Instant::now());
        live.want(&BTreeSet::from([id()]));
        assert_eq!(seen(&live), None);
        live.saw(&id().key(), at("10"), now);
        live.saw(&id().key(), at("9"), now);
        live.gone(&id().key(), &at("8"));
        assert_eq!(seen(&live).as_deref(), Some("10"));
        live.gone(&id().key(), &at("11"));
        live.saw(&id().key(), at("10"), now);
        assert_eq!(seen(&live).as_deref(), Some("absent"));
    }

    #[test]
    fn an_object_counts_as_looked_for_once_anything_is_known_of_it() {
        let live = Live::default();
        live.want(&BTreeSet::from([id()]));
        assert!(!live.looked_for_all());
        live.lost_sight([&id().key()], "forbidden");
        assert!(live.looked_for_all());
    }

    #[test]
    fn what_nobody_wants_is_dropped() {
        let live = Live::default();
        live.saw(&id().key(), at("1"), Instant::now());
        assert_eq!(seen(&live), None);
    }

    #[test]
    fn the_same_version_seen_twice_has_not_changed() {
        let (live, now) = (Live::default(), Instant::now());
        live.want(&BTreeSet::from([id()]));
        live.saw(&id().key(), at("1"), now);
        live.saw(&id().key(), at("1"), now + std::time::Duration::from_secs(9));
        let Sight::Present { changed_at, .. } = live.sight(&id()) else { panic!("it was seen") };
        assert_eq!(changed_at, now);
    }
}
