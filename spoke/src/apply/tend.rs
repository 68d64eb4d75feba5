//! What a target asks for beside its phases, because others bring it about: instances in namespaces that come, additions on
//! objects that are made, deletions of what is in use until it is not.
//!
//! *Flow*: a change of namespaces or of watched objects wakes, what is due is done, failures are due again after a pause.
//! *Guarantees*: it runs between the writes of an apply, never beside them. What is due is decided from what was seen and
//! what is written down, so that a spoke that was killed goes on where it was.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;
use tracing::Instrument as _;

use super::{Apply, Done, Failure, Interrupted, LOOK_AGAIN, Round, outcome};
use crate::{
    document::{Deletion, ObjectKey},
    namespaces::View,
    observe::Live,
    report::Outcome,
};

/// How often it is looked whether an object is still in use.
const IN_USE_EVERY: Duration = Duration::from_secs(5);

/// How soon the inventory is written down again, if it could not be.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// An object that is made anew again and again gets its additions after these pauses, and in between not.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// After this time it counts as made anew for the first time.
const CALM_AFTER: Duration = Duration::from_secs(300);

/// How long nothing need be due.
const NEVER: Duration = Duration::from_secs(3600);

/// An object, and the uid of what it depends on: of its namespace, or of the object itself.
pub(super) type Spot = (ObjectKey, String);

/// How an apply begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// With the first phase.
    Anew,
    /// All phases are through.
    Through,
}

/// What is remembered of what is tended. It holds one thing of each object, so it does not grow with time.
#[derive(Debug)]
pub struct Tending {
    begun: Begin,
    /// What became of each, by the uid of what it depends on.
    known: BTreeMap<ObjectKey, (String, State)>,
    /// How fast objects that hold additions are made anew.
    paces: BTreeMap<ObjectKey, Pace>,
    /// What is left because it is in use.
    kept: Vec<Deletion>,
    /// Whether instances are to be looked for although no namespace changed.
    unsettled: bool,
    changes: watch::Receiver<()>,
}

/// What became of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It was done under this target.
    Made,
    /// It is due at this time.
    DueAt(Instant),
}

/// How fast an object is made anew.
#[derive(Debug)]
struct Pace {
    written_at: Instant,
    /// How long it is not written after that.
    pause: Duration,
}

impl Pace {
    fn written(before: Option<&Self>, now: Instant) -> Self {
        let soon = before.filter(|before| now.duration_since(before.written_at) < CALM_AFTER);
        let pause = soon.map_or(SHORTEST_PAUSE, |before| (before.pause * 2).min(LONGEST_PAUSE));
        Self { written_at: now, pause }
    }
}

impl Tending {
    /// Nothing is remembered yet.
    #[must_use]
    pub fn new(live: &Live, begun: Begin) -> Self {
        let mut changes = live.changes();
        changes.mark_changed();
        let (known, paces) = (BTreeMap::new(), BTreeMap::new());
        Self { begun, known, paces, kept: Vec::new(), unsettled: true, changes }
    }

    pub(super) fn is_through(&self) -> bool {
        self.begun == Begin::Through
    }

    pub(super) fn through(&mut self) {
        self.begun = Begin::Through;
    }

    pub(super) fn is_made(&self, spot: &Spot) -> bool {
        self.state(spot) == Some(State::Made)
    }

    pub(super) fn keep(&mut self, deletions: Vec<Deletion>) {
        self.kept = deletions;
    }

    /// Notes what became of something.
    pub(super) fn note(&mut self, spot: Spot, became: &Result<Done, Failure>) {
        let pause = match became {
            Ok(Done { outcome: Outcome::InUse, .. }) => in_use_every(self.kept.len()),
            Ok(_) => {
                self.known.insert(spot.0, (spot.1, State::Made));
                return;
            }
            Err(Failure::Hopeless(_)) => LOOK_AGAIN,
            Err(Failure::Later(pause, _) | Failure::Underway(pause, _)) => *pause,
            Err(Failure::Again | Failure::Interrupted) => Duration::from_secs(1),
        };
        self.known.insert(spot.0, (spot.1, State::DueAt(Instant::now() + pause)));
    }

    pub(super) fn forget(&mut self, key: &ObjectKey) {
        self.known.remove(key);
    }

    /// Takes note of an object that is to hold additions. One that is made anew again and again is not due at once.
    fn comes(&mut self, spot: &Spot) {
        if self.state(spot).is_none() {
            let due = self.paces.get(&spot.0).map_or_else(Instant::now, |pace| pace.written_at + pace.pause);
            self.known.insert(spot.0.clone(), (spot.1.clone(), State::DueAt(due)));
        }
    }

    /// Takes note that additions were sent to an object, whatever came of it.
    fn tried(&mut self, key: &ObjectKey) {
        let pace = Pace::written(self.paces.get(key), Instant::now());
        self.paces.insert(key.clone(), pace);
    }

    fn state(&self, spot: &Spot) -> Option<State> {
        self.known.get(&spot.0).filter(|(uid, _)| *uid == spot.1).map(|(_, state)| *state)
    }

    fn is_due(&self, spot: &Spot) -> bool {
        match self.state(spot) {
            Some(State::DueAt(due)) => due <= Instant::now(),
            Some(State::Made) | None => true,
        }
    }

    /// Drops what waits and is not there any more. Returns when the first of the others is due.
    fn next_due(&mut self, present: &BTreeSet<Spot>) -> Option<Instant> {
        let there = |key: &ObjectKey, uid: &String| present.contains(&(key.clone(), uid.clone()));
        self.known.retain(|key, (uid, state)| *state == State::Made || there(key, uid));
        let due = self.known.values().filter_map(|(_, state)| match state {
            State::DueAt(due) => Some(*due),
            State::Made => None,
        });
        due.min()
    }
}

/// How often it is looked whether one of so many objects is still in use: not more than once a second for all of them.
fn in_use_every(count: usize) -> Duration {
    IN_USE_EVERY.max(Duration::from_secs(u64::try_from(count).unwrap_or(u64::MAX)))
}

/// Waits until something is seen that may have to be tended.
pub(super) async fn woken(namespaces: &mut watch::Receiver<Arc<View>>, tending: &mut Tending) {
    // Who sends lives as long as the agent, or never sends.
    tokio::select! {
        Ok(()) = namespaces.changed() => namespaces.mark_changed(),
        Ok(()) = tending.changes.changed() => {}
        else => std::future::pending().await,
    }
}

impl Apply {
    /// Whether a namespace came or went since it was tended last.
    pub(super) fn woken(&self) -> bool {
        !self.content.plan.templates.is_empty() && self.namespaces.has_changed().unwrap_or(false)
    }

    /// Does what is due now. Returns when something is due next.
    pub(super) async fn tend(&mut self) -> Result<Instant, Interrupted> {
        self.tending.changes.mark_unchanged();
        let mut present = BTreeSet::new();
        let mut round = Round::default();
        let mut due = None;
        if !self.is_frozen() {
            self.tend_instances(&mut present, &mut round).await?;
            self.tend_additions(&mut present, &mut round).await?;
            self.tend_deletions(&mut present, &mut round).await?;
            due = self.tending.next_due(&present);
        }
        due = due.into_iter().chain(self.tend_heals().await?).min();
        if self.inventory.is_dirty() {
            self.tell_inventory();
            if let Err(error) = self.store.flush(&mut self.inventory).await {
                tracing::warn!(error = %crate::chain(&error), "the inventory is not written down yet");
                due = Some(
                    due.map_or(Instant::now() + WRITE_AGAIN, |due| due.min(Instant::now() + WRITE_AGAIN)),
                );
            }
        }
        Ok(due.unwrap_or_else(|| Instant::now() + NEVER))
    }

    async fn tend_instances(
        &mut self,
        present: &mut BTreeSet<Spot>,
        round: &mut Round,
    ) -> Result<(), Interrupted> {
        if self.tending.unsettled || self.woken() {
            let lacking = self.make_lacking(|this, spot| this.tending.is_due(spot), round).await?;
            self.tending.unsettled = !lacking.is_empty();
            present.extend(lacking);
        }
        Ok(())
    }

    async fn tend_additions(
        &mut self,
        present: &mut BTreeSet<Spot>,
        round: &mut Round,
    ) -> Result<(), Interrupted> {
        for (addition, spot) in self.unadded() {
            present.insert(spot.clone());
            if self.stop.is_cancelled() {
                return Err(Interrupted);
            }
            self.tending.comes(&spot);
            if self.tending.is_due(&spot) {
                let span = self.span("apply addition", &addition.id);
                let made = self.add(&addition).instrument(span.clone()).await;
                outcome(&span, made.as_ref().map(|made| &made.done));
                drop(span);
                let became = self.note(made);
                // One that was made anew under our hands was tried too, and counts.
                if !matches!(became, Err(Failure::Underway(..) | Failure::Interrupted)) {
                    self.tending.tried(&spot.0);
                }
                self.tending.note(spot, &became);
                self.take_note(&addition.id, became, round)?;
            }
        }
        Ok(())
    }

    /// Deletes what was in use and is no more. Namespaces that come meanwhile do not wait for all of it.
    async fn tend_deletions(
        &mut self,
        present: &mut BTreeSet<Spot>,
        round: &mut Round,
    ) -> Result<(), Interrupted> {
        for deletion in self.tending.kept.clone() {
            let spot = (deletion.id.key(), deletion.uid.clone());
            present.insert(spot.clone());
            if self.stop.is_cancelled() {
                return Err(Interrupted);
            }
            if self.woken() || !self.tending.is_due(&spot) {
                continue;
            }
            let became = self.delete(&deletion).await;
            self.tending.note(spot.clone(), &became);
            self.take_note(&deletion.id, became, round)?;
        }
        let Tending { kept, known, .. } = &mut self.tending;
        let over = |key: &ObjectKey| known.get(key).is_some_and(|(_, state)| *state == State::Made);
        kept.retain(|deletion| !over(&deletion.id.key()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_anew_again_and_again_is_written_ever_more_seldom() {
        let start = Instant::now();
        let mut pace = None;
        let pauses: Vec<u64> =
            (0..8).map(|_| pace.insert(Pace::written(pace.as_ref(), start)).pause.as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        let later = Pace::written(pace.as_ref(), start + CALM_AFTER);
        assert_eq!(later.pause, SHORTEST_PAUSE, "it was left in peace");
    }

    #[test]
    fn many_objects_in_use_are_not_looked_at_more_often_than_a_few() {
        assert_eq!(in_use_every(1), IN_USE_EVERY);
        assert_eq!(in_use_every(200), Duration::from_secs(200));
    }
}
