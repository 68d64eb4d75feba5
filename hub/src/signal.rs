//! "Look again": how one part of this process tells another that a row changed.
//!
//! A signal carries no data and may be lost with the process; every consumer also polls. It is sent after the commit,
//! never before.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
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
    clusters: Arc<Mutex<HashMap<ClusterId, Listeners>>>,
    woken: Arc<AtomicU64>,
}

/// Who listens for one cluster.
#[derive(Debug, Default)]
struct Listeners {
    sender: Signal,
    /// The generation that each of them has read last.
    read: Vec<Weak<AtomicU64>>,
}

/// One listener for a cluster.
#[derive(Debug)]
pub struct Listening {
    wake: watch::Receiver<()>,
    read: Arc<AtomicU64>,
}

impl Listening {
    /// Resolves after the next wake; never if nobody wakes any more.
    pub async fn woken(&mut self) {
        if self.wake.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// Notes which generation of the target was read. Who polls for changes wakes only those that have read another one.
    pub fn has_read(&self, generation: u64) {
        self.read.store(generation, Ordering::Relaxed);
    }
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
    /// Listens for changes of one cluster's target, and for questions to its spoke. Several sessions may listen; the last
    /// that goes takes the entry along at the next [`Signals::listened`].
    #[must_use]
    pub fn cluster(&self, cluster: ClusterId) -> Listening {
        let mut clusters = self.lock();
        let listeners = clusters.entry(cluster).or_default();
        let read = Arc::new(AtomicU64::new(0));
        listeners.read.push(Arc::downgrade(&read));
        Listening { wake: listeners.sender.listen(), read }
    }

    /// Says that a cluster's target changed, or that its spoke is asked something.
    pub fn wake_cluster(&self, cluster: ClusterId) {
        if let Some(listeners) = self.lock().get(&cluster) {
            listeners.sender.wake();
            self.woken.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often listeners for a cluster were woken, since this process began: a change of one cluster adds one.
    #[must_use]
    pub fn woken(&self) -> u64 {
        self.woken.load(Ordering::Relaxed)
    }

    /// The clusters that somebody in this process listens for, each with the oldest generation that one of these has read;
    /// forgets the others.
    #[must_use]
    pub fn listened(&self) -> HashMap<ClusterId, u64> {
        let mut clusters = self.lock();
        clusters.retain(|_, listeners| {
            listeners.read.retain(|read| read.strong_count() > 0);
            !listeners.read.is_empty()
        });
        clusters.iter().map(|(cluster, listeners)| (*cluster, listeners.oldest_read())).collect()
    }

    /// A map of senders is sound after any panic: nothing is left half done in it.
    fn lock(&self) -> MutexGuard<'_, HashMap<ClusterId, Listeners>> {
        self.clusters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listeners {
    fn oldest_read(&self) -> u64 {
        let read = self.read.iter().filter_map(Weak::upgrade);
        read.map(|read| read.load(Ordering::Relaxed)).min().unwrap_or(0)
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
        assert!(mine.wake.has_changed().unwrap());
        assert!(!theirs.wake.has_changed().unwrap());
        signals.wake_cluster(ClusterId(Uuid::from_u128(3)));
        assert_eq!(signals.woken(), 1, "a wake that nobody hears is none");
    }

    #[test]
    fn of_two_that_listen_the_one_that_has_read_less_counts() {
        let signals = Signals::default();
        let cluster = ClusterId(Uuid::from_u128(1));
        let (one, other) = (signals.cluster(cluster), signals.cluster(cluster));
        one.has_read(7);
        assert_eq!(signals.listened()[&cluster], 0);
        other.has_read(6);
        assert_eq!(signals.listened()[&cluster], 6);
        drop(other);
        assert_eq!(signals.listened()[&cluster], 7);
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
