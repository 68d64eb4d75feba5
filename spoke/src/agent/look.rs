//! What the agent sees of its cluster, told as levels; and what it says to a person's wish.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{Agent, Drift, LOOK_EVERY, RETRY_EVERY};
use crate::{
    apply::{Progress, Stage},
    drift,
    fence::Content,
    freeze::Freeze,
    heal::Ask,
    health::{Judged, Verdict},
    metrics::METRICS,
    report::Seen,
};

impl Agent {
    /// Looks at health and drift and tells the levels. Returns when to look again.
    pub(super) fn look(&mut self) -> Duration {
        let progress = Arc::clone(&self.progress.borrow_and_update());
        // What was told last is what was watched for.
        if !Arc::ptr_eq(&progress.inventory, &self.setup.outlets.inventory.borrow()) {
            self.setup.outlets.inventory.send_replace(Arc::clone(&progress.inventory));
            self.watch();
        }
        let (Some(fence), Some(content)) = (&self.accepted.fence, &self.accepted.content) else {
            return LOOK_EVERY;
        };
        let judged = Judged { plan: &content.plan, progress: &progress, live: &self.live };
        let verdict = Arc::new(self.tracker.assess(judged, Instant::now()));
        let freeze = self.setup.writes.freeze().borrow().clone();
        let seen = Seen {
            fence,
            content,
            progress: &progress,
            verdict: &verdict,
            live: &self.live,
            freeze: &freeze,
        };
        let report = seen.report();
        METRICS.report(&report);
        tell(&self.setup.outlets.report, report);
        // While objects are being written, a baseline and a watch are not of the same moment. Before all was looked for,
        // what differs is not known, and to tell of nothing would mean that nothing does.
        if !matches!(progress.stage, Stage::Applying(_)) && self.live.looked_for_all() {
            let drift = self.differences(fence.generation, content, (&progress, &verdict));
            METRICS.drift(&drift.items);
            tell(&self.setup.outlets.drift, drift);
        }
        let again_in = verdict.again_in.unwrap_or(if self.unrecorded { RETRY_EVERY } else { LOOK_EVERY });
        self.verdict.send_replace(verdict);
        again_in
    }

    fn differences(
        &self,
        generation: u64,
        content: &Content,
        (progress, verdict): (&Progress, &Verdict),
    ) -> Drift {
        let expected = progress.stage == Stage::Done;
        let mut known = Verdict::clone(verdict);
        let late = known.unfulfilled.iter_mut().chain(&mut known.unadded);
        late.for_each(|unfulfilled| *unfulfilled &= expected);
        let told = self.setup.outlets.drift.borrow().clone();
        let before = told.as_ref().map_or(&[][..], |drift| &drift.items);
        let mut items = drift::observe(content, &progress.inventory, &self.live, &known, before);
        for item in &mut items {
            progress.healing.describe(content, &progress.inventory, item);
        }
        Drift { generation, items, heals: progress.healing.entries.clone() }
    }

    /// Passes a person's wish on to the apply that runs, unless it cannot be done now.
    pub(super) fn pass_on(&self, ask: Ask) {
        match self.stands_against(&ask) {
            Some(why) => ask.hold(&why),
            None => {
                if let Err(error) = self.wishes.try_send(ask) {
                    error.into_inner().hold("the spoke has its hands full: ask again");
                }
            }
        }
    }

    fn stands_against(&self, ask: &Ask) -> Option<String> {
        let generation = self.accepted.fence.map_or(0, |fence| fence.generation);
        if self.accepted.content.is_none() || ask.question.generation != generation {
            return Some(format!(
                "generation {} was asked about, and {generation} is the accepted one: look at the report again",
                ask.question.generation
            ));
        }
        match &*self.setup.writes.freeze().borrow() {
            Freeze::Free => {}
            frozen @ (Freeze::Frozen(_) | Freeze::Unseen(_)) => return Some(frozen.to_string()),
        }
        let done = self.progress.borrow().stage == Stage::Done;
        (!done).then(|| "the target is being applied: ask again once it is".to_owned())
    }
}

/// Tells a level if it differs from the last.
fn tell<T: PartialEq>(outlet: &watch::Sender<Option<Arc<T>>>, level: T) {
    outlet.send_if_modified(|told| {
        let changed = told.as_deref() != Some(&level);
        if changed {
            *told = Some(Arc::new(level));
        }
        changed
    });
}
