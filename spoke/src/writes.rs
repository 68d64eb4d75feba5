//! The one way to write into the cluster. Everything but the Lease goes through here.
//!
//! A write is sent only while the Lease is held for longer than the write can take, in the term in which what is accepted
//! and what is ours was read, and, if it carries out a target, only while that target is the accepted one and nobody in the
//! cluster froze it. The check is made at each write, not once before a row of them.

use std::{future::Future, time::Instant};

use kube::api::PostParams;
use tokio::sync::watch;

use crate::{
    cluster::{self, REQUEST_TIMEOUT, bounded},
    fail_point::{self, Point},
    freeze::Freeze,
    lease,
    metrics::METRICS,
    owned,
};

/// Why a write was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another spoke may be writing.
    #[error("the Lease is not held: {0}")]
    NoLease(String),
    /// A newer target was accepted.
    #[error("generation {0} is not the accepted one any more")]
    Superseded(u64),
    /// Somebody in the cluster has stopped all writes of a plan, or that is not known yet.
    #[error("{0}")]
    Frozen(Freeze),
    /// The API server did not do it, or did not say.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
}

/// What a write is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The spoke's own Secrets.
    Bookkeeping,
    /// Carrying out the target of this generation.
    Target(u64),
}

/// The right to write. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Writes {
    lease: watch::Receiver<lease::State>,
    term: Option<u64>,
    accepted: watch::Receiver<u64>,
    freeze: watch::Receiver<Freeze>,
}

impl Writes {
    /// The right to write in the present term of the Lease and, for a target's writes, while its generation is the
    /// accepted one and the cluster is not frozen.
    #[must_use]
    pub fn new(
        lease: watch::Receiver<lease::State>,
        accepted: watch::Receiver<u64>,
        freeze: watch::Receiver<Freeze>,
    ) -> Self {
        let term = lease.borrow().term();
        Self { lease, term, accepted, freeze }
    }

    /// Whether the cluster is frozen, as it changes.
    #[must_use]
    pub fn freeze(&self) -> watch::Receiver<Freeze> {
        self.freeze.clone()
    }

    /// Sends one write.
    ///
    /// # Errors
    /// If it must not be sent now, or failed.
    pub async fn send<T>(
        &self,
        purpose: Purpose,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Error> {
        let sent = self.send_if_allowed(purpose, request).await;
        METRICS.write(purpose, &sent);
        sent
    }

    async fn send_if_allowed<T>(
        &self,
        purpose: Purpose,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Error> {
        passed(purpose, (fail_point::WRITE_BEFORE, fail_point::OBJECT_BEFORE));
        // After the point: who was stopped there may not have the right any more.
        self.allowed(purpose)?;
        let done = bounded(request).await?;
        passed(purpose, (fail_point::WRITE_AFTER, fail_point::OBJECT_AFTER));
        Ok(done)
    }

    /// Whether a write could be sent now.
    ///
    /// # Errors
    /// With the reason why not.
    pub fn allowed(&self, purpose: Purpose) -> Result<(), Error> {
        let term = self.term.ok_or_else(|| Error::NoLease("it was not held yet".to_owned()))?;
        self.lease.borrow().allows(term, Instant::now() + REQUEST_TIMEOUT).map_err(Error::NoLease)?;
        match purpose {
            Purpose::Target(generation) if generation != *self.accepted.borrow() => {
                Err(Error::Superseded(generation))
            }
            Purpose::Target(_) => match &*self.freeze.borrow() {
                Freeze::Free => Ok(()),
                frozen @ (Freeze::Frozen(_) | Freeze::Unseen(_)) => Err(Error::Frozen(frozen.clone())),
            },
            Purpose::Bookkeeping => Ok(()),
        }
    }
}

fn passed(purpose: Purpose, (any, target): (Point, Point)) {
    fail_point::passed(any);
    match purpose {
        Purpose::Target(_) => fail_point::passed(target),
        Purpose::Bookkeeping => {}
    }
}

/// Parameters of creating and replacing, under our field manager.
#[must_use]
pub fn as_manager() -> PostParams {
    PostParams { field_manager: Some(owned::MANAGER.to_owned()), ..PostParams::default() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn writes(lease: lease::State, accepted: u64) -> Writes {
        Writes::new(watch::channel(lease).1, watch::channel(accepted).1, watch::channel(Freeze::Free).1)
    }

    fn held(longer: Duration) -> lease::State {
        lease::State::Held { until: Instant::now() + longer, term: 1 }
    }

    #[tokio::test]
    async fn nothing_is_written_without_the_lease() {
        let lost = lease::State::HeldBy("another".to_owned());
        let ends_soon = held(REQUEST_TIMEOUT - Duration::from_secs(1));
        for state in [lost, ends_soon, lease::State::Waiting("not acquired yet".to_owned())] {
            let sent = writes(state, 1).send(Purpose::Bookkeeping, async { panic!("it was sent") }).await;
            assert!(matches!(sent, Err::<(), _>(Error::NoLease(_))));
        }
    }

    #[tokio::test]
    async fn what_was_known_before_the_lease_was_lost_is_written_no_more() {
        let (lease, state) = watch::channel(held(REQUEST_TIMEOUT * 2));
        let writes = Writes::new(state, watch::channel(1).1, watch::channel(Freeze::Free).1);
        assert!(writes.send(Purpose::Bookkeeping, async { Ok(()) }).await.is_ok());
        lease.send_replace(lease::State::Held { until: Instant::now() + REQUEST_TIMEOUT * 2, term: 2 });
        let sent = writes.send(Purpose::Bookkeeping, async { panic!("it was sent") }).await;
        assert!(matches!(sent, Err::<(), _>(Error::NoLease(_))));
    }

    #[tokio::test]
    async fn nothing_is_written_for_a_target_that_is_not_the_accepted_one() {
        let writes = writes(held(REQUEST_TIMEOUT * 2), 3);
        let sent = writes.send(Purpose::Target(2), async { panic!("it was sent") }).await;
        assert!(matches!(sent, Err::<(), _>(Error::Superseded(2))));
        assert!(writes.send(Purpose::Target(3), async { Ok(()) }).await.is_ok());
    }

    #[tokio::test]
    async fn nothing_of_a_plan_is_written_while_the_cluster_is_frozen() {
        let lease = watch::channel(held(REQUEST_TIMEOUT * 2)).1;
        let (freeze, level) = watch::channel(Freeze::default());
        let writes = Writes::new(lease, watch::channel(1).1, level);
        for state in [Freeze::default(), Freeze::Frozen("audit".to_owned())] {
            freeze.send_replace(state);
            let sent = writes.send(Purpose::Target(1), async { panic!("it was sent") }).await;
            assert!(matches!(sent, Err::<(), _>(Error::Frozen(_))));
            assert!(
                writes.send(Purpose::Bookkeeping, async { Ok(()) }).await.is_ok(),
                "a target must be taken"
            );
        }
        freeze.send_replace(Freeze::Free);
        assert!(writes.send(Purpose::Target(1), async { Ok(()) }).await.is_ok());
    }
}
