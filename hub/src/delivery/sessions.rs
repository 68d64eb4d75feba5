//! The sessions of this process: at most one a cluster, the newest.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hub_core::{digest::Digest, fleet::ClusterId};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{identity::callers::Spoke, metrics::METRICS};

/// All sessions. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Sessions(Arc<Mutex<HashMap<ClusterId, Entry>>>);

#[derive(Debug)]
struct Entry {
    slot: Uuid,
    public_key: Digest,
    replaced: CancellationToken,
}

/// A session's place; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    sessions: Sessions,
    cluster: ClusterId,
    slot: Uuid,
    /// Cancelled when a newer session takes the place, or the key is no longer the cluster's.
    pub(super) replaced: CancellationToken,
}

impl Sessions {
    /// Takes the place of a cluster. An older session of it ends: its connection may be dead without knowing.
    pub(super) fn begin(&self, spoke: &Spoke) -> Slot {
        let (slot, replaced) = (Uuid::now_v7(), CancellationToken::new());
        let entry = Entry { slot, public_key: spoke.public_key, replaced: replaced.clone() };
        let mut sessions = self.lock();
        if let Some(older) = sessions.insert(spoke.cluster, entry) {
            older.replaced.cancel();
        }
        count(&sessions);
        drop(sessions);
        Slot { sessions: self.clone(), cluster: spoke.cluster, slot, replaced }
    }

    /// Ends the session of a cluster unless it goes by this key.
    pub(super) fn end_other_keys(&self, cluster: ClusterId, public_key: Digest) {
        if let Some(entry) = self.lock().get(&cluster).filter(|entry| entry.public_key != public_key) {
            entry.replaced.cancel();
        }
    }

    /// A map of tokens is sound after any panic: nothing is left half done in it.
    fn lock(&self) -> MutexGuard<'_, HashMap<ClusterId, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut sessions = self.sessions.lock();
        if sessions.get(&self.cluster).is_some_and(|entry| entry.slot == self.slot) {
            sessions.remove(&self.cluster);
            count(&sessions);
        }
    }
}

fn count(sessions: &HashMap<ClusterId, Entry>) {
    METRICS.sessions.set(i64::try_from(sessions.len()).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests {
    use hub_core::fleet::Name;
    use jiff::Timestamp;

    use super::*;

    fn spoke(key: &[u8]) -> Spoke {
        Spoke {
            cluster: ClusterId(Uuid::from_u128(1)),
            name: Name::parse("one").unwrap(),
            public_key: Digest::of(key),
            expires_at: Timestamp::MAX,
        }
    }

    #[test]
    fn a_newer_session_ends_the_older_and_keeps_its_place_when_that_goes() {
        let sessions = Sessions::default();
        let older = sessions.begin(&spoke(b"key"));
        let newer = sessions.begin(&spoke(b"key"));
        assert!(older.replaced.is_cancelled() && !newer.replaced.is_cancelled());
        drop(older);
        assert_eq!(sessions.lock().len(), 1);
        drop(newer);
        assert!(sessions.lock().is_empty());
    }

    #[test]
    fn a_session_with_a_former_key_ends() {
        let sessions = Sessions::default();
        let session = sessions.begin(&spoke(b"former"));
        sessions.end_other_keys(session.cluster, Digest::of(b"former"));
        assert!(!session.replaced.is_cancelled());
        sessions.end_other_keys(session.cluster, Digest::of(b"present"));
        assert!(session.replaced.is_cancelled());
    }
}
