//! "Look again": how one part of this process tells another that a row changed.
//!
//! A signal carries no data and may be lost with the process; every consumer also polls. It is sent after the commit,
//! never before.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hub_core::fleet::ClusterId;
use tokio::sync::watch;

/// All signals of this process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// Inputs of plans changed: a config, a cluster, its facts.
    pub plans: Signal,
    /// A rollout was started, or something that one waits for was reported.
    pub rollouts: Signal,
    /// A session must end.
    pub sessions: Signal,
    /// A spoke answered a question.
    pub probes: Signal,
    clusters: Arc<Mutex<HashMap<ClusterId, watch::Sender<()>>>>,
}

/// One signal: any number of wakers and of sleepers. Wakes that nobody saw yet count as one.
#[derive(Debug, Clone)]
pub struct Signal(watch::Sender<()>);

impl Default for Signal {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl Signal {
    /// Wakes whoever listens.
    pub fn wake(&self) {
        self.0.send_replace(());
    }

    /// A receiver whose `changed()` resolves after the next wake.
    #[must_use]
    pub fn listen(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}

impl Signals {
    /// Listens for changes of one cluster's target, and for questions to its spoke. Several sessions may listen; the last that goes takes the entry along
    /// at the next [`Signals::listened`].
    #[must_use]
    pub fn cluster(&self, cluster: ClusterId) -> watch::Receiver<()> {
        self.lock().entry(cluster).or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    /// Says that a cluster's target changed, or that its spoke is asked something.
    pub fn wake_cluster(&self, cluster: ClusterId) {
        if let Some(sender) = self.lock().get(&cluster) {
            sender.send_replace(());
        }
    }

    /// The clusters that somebody in this process listens for; forgets the others.
    #[must_use]
    pub fn listened(&self) -> Vec<ClusterId> {
        let mut clusters = self.lock();
        clusters.retain(|_, sender| sender.receiver_count() > 0);
        clusters.keys().copied().collect()
    }

    /// A map of senders is sound after any panic: nothing is left half done in it.
    fn lock(&self) -> MutexGuard<'_, HashMap<ClusterId, watch::Sender<()>>> {
        self.clusters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use hub_core::fleet::ClusterId;
    use uuid::Uuid;

    use super::Signals;

    #[test]
    fn a_wake_reaches_only_its_cluster() {
        let signals = Signals::default();
        let (one, other) = (ClusterId(Uuid::from_u128(1)), ClusterId(Uuid::from_u128(2)));
        let (mine, theirs) = (signals.cluster(one), signals.cluster(other));
        signals.wake_cluster(one);
        assert!(mine.has_changed().unwrap());
        assert!(!theirs.has_changed().unwrap());
    }

    #[test]
    fn clusters_that_nobody_listens_for_are_forgotten() {
        let signals = Signals::default();
        let listener = signals.cluster(ClusterId(Uuid::from_u128(1)));
        assert_eq!(signals.listened().len(), 1);
        drop(listener);
        assert!(signals.listened().is_empty());
    }
}
