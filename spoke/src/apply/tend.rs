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

use super::{Apply, Done, Failure, Interrupted, LOOK_AGAIN, Round};
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

/// What is remembered of what is tended.
#[derive(Debug)]
pub struct Tending {
    begun: Begin,
    /// What was done under this target.
    made: BTreeSet<Spot>,
    /// What failed, and when it is due again.
    later: BTreeMap<Spot, Instant>,
    /// What is left because it is in use.
    kept: Vec<Deletion>,
    /// Whether instances are to be looked for although no namespace changed.
    unsettled: bool,
    changes: watch::Receiver<()>,
}

impl Tending {
    /// Nothing is remembered yet.
    #[must_use]
    pub fn new(live: &Live, begun: Begin) -> Self {
        let mut changes = live.changes();
        changes.mark_changed();
        let (made, later) = (BTreeSet::new(), BTreeMap::new());
        Self { begun, made, later, kept: Vec::new(), unsettled: true, changes }
    }

    pub(super) fn is_through(&self) -> bool {
        self.begun == Begin::Through
    }

    pub(super) fn through(&mut self) {
        self.begun = Begin::Through;
    }

    pub(super) fn is_made(&self, spot: &Spot) -> bool {
        self.made.contains(spot)
    }

    pub(super) fn keep(&mut self, deletions: Vec<Deletion>) {
        self.kept = deletions;
    }

    /// Notes what became of something.
    pub(super) fn note(&mut self, spot: Spot, became: &Result<Done, Failure>) {
        let pause = match became {
            Ok(Done { outcome: Outcome::InUse, .. }) => IN_USE_EVERY,
            Ok(_) => {
                self.later.remove(&spot);
                self.made.insert(spot);
                return;
            }
            Err(Failure::Hopeless(_)) => LOOK_AGAIN,
            Err(Failure::Later(pause, _) | Failure::Underway(pause, _)) => *pause,
            Err(Failure::Again | Failure::Interrupted) => Duration::from_secs(1),
        };
        self.later.insert(spot, Instant::now() + pause);
    }

    fn is_due(&self, spot: &Spot) -> bool {
        self.later.get(spot).is_none_or(|due| *due <= Instant::now())
    }
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
        self.tend_instances(&mut present, &mut round).await?;
        self.tend_additions(&mut present, &mut round).await?;
        self.tend_deletions(&mut present, &mut round).await?;
        self.tending.later.retain(|spot, _| present.contains(spot));
        let mut due = self.tending.later.values().min().copied();
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
        let changed = self.namespaces.has_changed().unwrap_or(false);
        let view = Arc::clone(&self.namespaces.borrow_and_update());
        let View::Seen(namespaces) = &*view else { return Ok(()) };
        if !changed && !self.tending.unsettled {
            return Ok(());
        }
        self.forget_lost(namespaces);
        let lacking = self.lacking(namespaces);
        self.tending.unsettled = !lacking.is_empty();
        for lacking in lacking {
            present.insert(lacking.spot());
            if self.tending.is_due(&lacking.spot()) {
                self.instantiate(lacking, round).await?;
            }
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
            if self.tending.is_due(&spot) {
                let became = self.add(&addition).await;
                self.tending.note(spot, &became);
                self.take_note(&addition.id, became, round)?;
            }
        }
        Ok(())
    }

    /// Deletes what was in use and is no more.
    async fn tend_deletions(
        &mut self,
        present: &mut BTreeSet<Spot>,
        round: &mut Round,
    ) -> Result<(), Interrupted> {
        for deletion in std::mem::take(&mut self.tending.kept) {
            let spot = (deletion.id.key(), deletion.uid.clone());
            present.insert(spot.clone());
            if self.stop.is_cancelled() {
                return Err(Interrupted);
            }
            if !self.tending.is_due(&spot) {
                self.tending.kept.push(deletion);
                continue;
            }
            let became = self.delete(&deletion).await;
            self.tending.note(spot.clone(), &became);
            let over = self.tending.is_made(&spot);
            self.take_note(&deletion.id, became, round)?;
            if !over {
                self.tending.kept.push(deletion);
            }
        }
        Ok(())
    }
}
