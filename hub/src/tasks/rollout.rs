//! Moves live rollouts on: load, advance, save, in one transaction each. Two hubs do no harm: a rollout's row is locked,
//! and one that is locked is passed over.

mod look;
mod send;

use std::collections::{BTreeMap, BTreeSet};

use hub_core::{
    fleet::ClusterId,
    rollout::{self, Rollout, RolloutState, Step},
};
use jiff::{SignedDuration, Timestamp};
use proto_telemetry::trace;
use sqlx::{Postgres, Transaction};
use tracing::{Instrument, Span, error, info};

use super::{Task, unreadable::Unreadable};
use crate::{
    app::{App, Error, Kind, deletions::Deleting, rollouts},
    fail_point,
    metrics::{METRICS, Outcome, State},
    store::{self, audit, rollouts::StoredRollout},
    telemetry::{self, chain},
};
use look::Looked;

/// After its start a hub lets no deadline strike for so long: spokes went on while it was away, and come back within
/// seconds to say how far they are.
const GRACE: SignedDuration = SignedDuration::from_secs(30);

/// The task.
pub(super) struct RolloutTask {
    app: App,
    deadlines_from: Timestamp,
    /// Rollouts whose last step failed: that is logged once for each.
    failing: BTreeSet<u64>,
    unreadable: Unreadable,
}

impl RolloutTask {
    pub(super) fn new(app: App) -> Self {
        let deadlines_from = app.clock.now().saturating_add(GRACE).unwrap_or(Timestamp::MAX);
        Self { app, deadlines_from, failing: BTreeSet::new(), unreadable: Unreadable::default() }
    }
}

impl Task for RolloutTask {
    /// One step of each live rollout. One that cannot be moved does not keep the others from it.
    async fn look(&mut self) -> Result<(), Error> {
        let mut tx = store::begin(&self.app.pool).await?;
        let live = store::rollouts::live(&mut tx).await?;
        drop(tx);
        let mut corrupt = Vec::new();
        for number in live {
            match self.step(number, &mut corrupt).await {
                Ok(()) => {
                    self.failing.remove(&number);
                }
                Err(error) if error.kind() == Kind::Unavailable => return Err(error),
                Err(error) => {
                    if self.failing.insert(number) {
                        error!(
                            rollout.id = number,
                            error = chain(&error),
                            "rollout {number} cannot be moved on"
                        );
                    }
                }
            }
        }
        self.unreadable.note(&corrupt);
        Ok(())
    }
}

impl RolloutTask {
    async fn step(&self, number: u64, corrupt: &mut Vec<store::Error>) -> Result<(), Error> {
        let now = self.app.clock.now();
        let mut tx = store::begin(&self.app.pool).await?;
        let Some(stored) = store::rollouts::lock_live(&mut tx, number).await? else { return Ok(()) };
        let looked = Looked::at(&self.app, &mut tx, &stored, now).await?;
        let seen = rollout::Seen { clusters: looked.clusters, deadlines_from: self.deadlines_from };
        let step = rollout::advance(&stored.rollout, &seen, now);
        corrupt.extend(looked.corrupt);
        // A step that changes nothing is not worth a span, and that is nearly all of them.
        let moves = !step.retarget.is_empty() || step.rollout != stored.rollout;
        let span = if moves { telemetry::transaction("rollout step") } else { Span::none() };
        let span = trace::under(span, &stored.traceparent);
        span.record("rollout.id", number);
        let looked = (&looked.deleting, &seen);
        self.carry_out((tx, now), stored, looked, step).instrument(span).await
    }

    /// Carries out what a step says, in the transaction in which it was looked at.
    async fn carry_out(
        &self,
        (mut tx, now): (Transaction<'static, Postgres>, Timestamp),
        mut stored: StoredRollout,
        (deleting, seen): (&BTreeMap<ClusterId, Deleting>, &rollout::Seen),
        step: Step,
    ) -> Result<(), Error> {
        // What comes of it hangs below this transaction.
        stored.traceparent = trace::below(&Span::current(), &stored.traceparent);
        let (after, retargeted) = send::targets(&mut tx, (&stored, seen, deleting), step, now).await?;
        send::origins(&mut tx, (&stored, &after), now).await?;
        if !store::rollouts::save(&mut tx, &stored.rollout, &after).await? {
            return Ok(());
        }
        let events = rollouts::events((&stored.rollout, &after), (&stored.aim, &seen.clusters), now);
        audit::record_all(&mut tx, &events).await?;
        if !after.state.is_live() {
            store::holds::release(&mut tx, after.number).await?;
        }
        store::commit_of(commit(&after, &retargeted), tx).await?;
        log(&stored.rollout, &after);
        count(&stored.rollout, &after, now);
        retargeted.iter().for_each(|cluster| self.app.signals.wake_cluster(*cluster));
        // A step may open the next wave: look again at once.
        self.app.signals.rollouts.wake();
        Ok(())
    }
}

/// What a step comes to, for those who look for a place to die.
fn commit(after: &Rollout, retargeted: &[ClusterId]) -> fail_point::Commit {
    match after.state {
        _ if !retargeted.is_empty() => fail_point::RETARGET,
        _ if !after.state.is_live() => fail_point::END,
        _ => fail_point::PROGRESS,
    }
}

fn count(before: &Rollout, after: &Rollout, now: Timestamp) {
    for (old, new) in before.targets().zip(after.targets()) {
        let ended = old.state.ended_at().is_none() && new.state.ended_at().is_some();
        if let Some(delivery) = new.state.delivery().filter(|_| ended) {
            let outcome = Outcome { outcome: new.state.name() };
            let took = now.duration_since(delivery.sent_at).as_secs_f64();
            METRICS.target_duration.get_or_create(&outcome).observe(took);
        }
    }
    if before.state.is_live() && !after.state.is_live() {
        METRICS.rollouts_ended.get_or_create(&State { state: after.state.name() }).inc();
    }
}

fn log(before: &Rollout, after: &Rollout) {
    for (old, new) in before.targets().zip(after.targets()) {
        if old.state.name() != new.state.name() {
            info!(
                rollout.id = after.number,
                cluster.name = %new.name,
                generation = new.state.delivery().map(|delivery| delivery.generation),
                reason = new.state.reason(),
                "{} is {} in rollout {}",
                new.name,
                new.state.name(),
                after.number,
            );
        }
    }
    match after.state {
        RolloutState::Running | RolloutState::Paused | RolloutState::Aborted { .. } => {}
        RolloutState::Succeeded { .. } => {
            info!(rollout.id = after.number, "rollout {} succeeded", after.number)
        }
        RolloutState::Failed { .. } => {
            info!(rollout.id = after.number, reason = after.failure(), "rollout {} failed", after.number);
        }
    }
}
