//! The Lease: at most one spoke writes into a cluster.
//!
//! # Design notes
//! The Deployment's strategy `Recreate` makes a second spoke rare; the Lease makes it harmless. What counts is this
//! process's own clock: the Lease is held until the time at which the last renewal was *sent* plus its duration, and
//! another's is over when its renewal was not seen to move for its duration. A spoke that was killed leaves its Lease
//! behind; one that starts in the same process namespace of the same boot can see that the holder is dead, and need not
//! wait.
//! What a spoke knows of fence and inventory is good for one *term*, the time from acquiring the Lease to losing it: in
//! between another may have written. A Lease that is acquired again begins a new term, and writes of the old one are over.

mod holder;

pub use holder::Holder;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{Api, api::ObjectMeta};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    cluster::{self, Cluster, bounded},
    metrics::METRICS,
    writes::as_manager,
};

/// Name of the Lease.
const NAME: &str = "spoke";

/// How long a Lease lives without renewal. It must exceed the longest write by several renewals, or one slow answer
/// stops all writes.
const DURATION: Duration = Duration::from_secs(24);

/// How often it is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(4);

/// How often a spoke without the Lease looks again.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Whether this spoke may write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Not acquired yet, and why.
    Waiting(String),
    /// Held until then, unless it is renewed.
    Held {
        /// By this process's clock.
        until: Instant,
        /// Rises each time that this process acquires it.
        term: u64,
    },
    /// Another holds it.
    HeldBy(String),
}

impl State {
    /// Whether a write of `term` that ends before `by` may begin.
    ///
    /// # Errors
    /// With the reason why not.
    pub fn allows(&self, term: u64, by: Instant) -> Result<(), String> {
        match self {
            Self::Held { term: now, .. } if *now != term => Err("it was lost in between".to_owned()),
            Self::Held { until, .. } if by < *until => Ok(()),
            Self::Held { .. } => Err("it could not be renewed in time".to_owned()),
            Self::Waiting(why) => Err(why.clone()),
            Self::HeldBy(holder) => Err(format!("{holder} holds it")),
        }
    }

    /// The term, while it is held.
    #[must_use]
    pub fn term(&self) -> Option<u64> {
        match self {
            Self::Held { term, .. } => Some(*term),
            Self::Waiting(_) | Self::HeldBy(_) => None,
        }
    }

    /// Whether `term` is over for good. A Lease that only could not be renewed yet may still be this spoke's.
    #[must_use]
    pub fn ends(&self, term: u64) -> bool {
        match self {
            Self::Held { term: now, .. } => *now != term,
            Self::HeldBy(_) => true,
            Self::Waiting(_) => false,
        }
    }
}

/// Another's Lease, as it was last seen to move.
struct Seen {
    holder: String,
    renewed: Option<MicroTime>,
    at: Instant,
}

/// Acquires and renews the Lease until `stop`, then gives it back.
pub struct Keeper {
    api: Api<Lease>,
    me: Holder,
    state: watch::Sender<State>,
    seen: Option<Seen>,
    term: u64,
}

impl Keeper {
    /// A keeper for the spoke in `namespace`, and what it says.
    #[must_use]
    pub fn new(cluster: &Cluster, namespace: &str, me: Holder) -> (Self, watch::Receiver<State>) {
        let (state, receiver) = watch::channel(State::Waiting("not acquired yet".to_owned()));
        let api = Api::namespaced(cluster.client(), namespace);
        (Self { api, me, state, seen: None, term: 0 }, receiver)
    }

    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = self.keep_on() => {}
            () = stop.cancelled() => {}
        }
        self.give_back().await;
    }

    async fn keep_on(&mut self) {
        loop {
            let wait = self.keep().await;
            tokio::time::sleep(wait).await;
        }
    }

    /// One look. Returns when to look again.
    async fn keep(&mut self) -> Duration {
        let sent_at = Instant::now();
        match self.acquire(sent_at).await {
            Ok(state) => {
                let held = matches!(state, State::Held { .. });
                self.say(state);
                if held { RENEW_EVERY } else { LOOK_EVERY }
            }
            Err(error) => {
                self.fail(&error);
                LOOK_EVERY
            }
        }
    }

    /// A failed renewal leaves a held Lease held for the time that it has.
    fn fail(&self, error: &cluster::Error) {
        tracing::debug!(error = %crate::chain(error), "the Lease could not be renewed");
        let over = |state: &State| match state {
            State::Held { until, .. } => *until <= Instant::now(),
            State::Waiting(_) | State::HeldBy(_) => true,
        };
        if over(&self.state.borrow()) {
            self.say(State::Waiting(crate::chain(error)));
        }
    }

    fn say(&self, state: State) {
        let differs = |old: &State, new: &State| match (old, new) {
            (State::Held { term: old, .. }, State::Held { term: new, .. }) => old != new,
            (old, new) => old != new,
        };
        if differs(&self.state.borrow(), &state) {
            match &state {
                State::Held { .. } => tracing::info!(holder = %self.me, "the Lease is held"),
                State::HeldBy(other) => {
                    tracing::warn!(holder = %other, "another spoke holds the Lease: waiting")
                }
                State::Waiting(why) => {
                    tracing::warn!(reason = %why, "the Lease cannot be acquired: no writes")
                }
            }
        }
        METRICS.lease(state.term().is_some());
        self.state.send_replace(state);
    }

    async fn acquire(&mut self, sent_at: Instant) -> Result<State, cluster::Error> {
        let Some(mut lease) = bounded(self.api.get_opt(NAME)).await? else {
            let held = self.held(sent_at, false);
            let metadata = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(self.spec(None)) };
            return self.outcome(bounded(self.api.create(&as_manager(), &lease)).await, held);
        };
        if let Some(holder) = self.live_holder(&lease, sent_at) {
            return Ok(State::HeldBy(holder));
        }
        let held = self.held(sent_at, lease.spec.as_ref().is_some_and(|spec| self.is_mine(spec)));
        lease.spec = Some(self.spec(lease.spec.as_ref()));
        lease.metadata.managed_fields = None;
        self.outcome(bounded(self.api.replace(NAME, &as_manager(), &lease)).await, held)
    }

    /// What a write sent at `sent_at` gives. One that takes the Lease, rather than renewing it, begins a term.
    fn held(&mut self, sent_at: Instant, renewal: bool) -> State {
        if !renewal {
            self.term += 1;
        }
        State::Held { until: sent_at + DURATION, term: self.term }
    }

    fn is_mine(&self, spec: &LeaseSpec) -> bool {
        spec.holder_identity.as_deref() == Some(self.me.as_str())
    }

    /// Somebody else may have been faster: then look again.
    fn outcome(&self, done: Result<Lease, cluster::Error>, held: State) -> Result<State, cluster::Error> {
        match done {
            Ok(_) => Ok(held),
            Err(error) if error.is_conflict() => {
                Ok(State::Waiting("another spoke wrote it first".to_owned()))
            }
            Err(error) => Err(error),
        }
    }

    /// The other spoke that holds the Lease, unless its time is over or it is known to be dead.
    fn live_holder(&mut self, lease: &Lease, now: Instant) -> Option<String> {
        let spec = lease.spec.as_ref()?;
        let holder = spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())?;
        if holder == self.me.as_str() || self.me.knows_dead(holder) {
            return None;
        }
        let moved = |seen: &Seen| seen.holder != holder || seen.renewed != spec.renew_time;
        if self.seen.as_ref().is_none_or(moved) {
            self.seen = Some(Seen { holder: holder.to_owned(), renewed: spec.renew_time.clone(), at: now });
        }
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let duration = seconds.map_or(DURATION, Duration::from_secs);
        let over = self.seen.as_ref().is_some_and(|seen| now.duration_since(seen.at) > duration);
        (!over).then(|| holder.to_owned())
    }

    fn spec(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let mine = before.is_some_and(|spec| self.is_mine(spec));
        let now = MicroTime(Timestamp::now());
        let transitions = before.and_then(|spec| spec.lease_transitions).unwrap_or(0);
        LeaseSpec {
            holder_identity: Some(self.me.as_str().to_owned()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: before
                .filter(|_| mine)
                .and_then(|spec| spec.acquire_time.clone())
                .or(Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(if before.is_none() || mine { transitions } else { transitions + 1 }),
            ..LeaseSpec::default()
        }
    }

    /// Empties the Lease, so that the next spoke need not wait for its end.
    async fn give_back(&self) {
        if !matches!(*self.state.borrow(), State::Held { .. }) {
            return;
        }
        self.say(State::Waiting("given back".to_owned()));
        let Ok(Some(mut lease)) = bounded(self.api.get_opt(NAME)).await else { return };
        let Some(spec) = lease.spec.as_mut() else { return };
        if self.is_mine(spec) {
            spec.holder_identity = Some(String::new());
            lease.metadata.managed_fields = None;
            if let Err(error) = bounded(self.api.replace(NAME, &as_manager(), &lease)).await {
                tracing::debug!(error = %crate::chain(&error), "the Lease could not be given back");
            }
        }
    }
}
