//! Applying the accepted target: the only code that changes the cluster for a plan.
//!
//! # Design notes
//! *Flow*: namespaces, then phase after phase, each until its `until` holds, then deletions. What fails for a reason that
//! may pass is tried again; what cannot succeed is said, and looked at again slowly, because a person may clear the way.
//! Once all is through, the target is tended: what it says of objects that others make and of namespaces that come later
//! is carried out when they come. The same is done between the other steps, so that nobody waits for a phase.
//! *Guarantees*: nothing is written when nothing would change; an object that is not ours is not touched; a newer target
//! stops this at the next write. *Assumptions*: one apply runs at a time, and it alone writes the inventory.

mod addition;
mod conflict;
mod delete;
mod failure;
mod frozen;
mod heal;
mod in_use;
mod instance;
mod manifest;
mod object;
mod order;
mod recover;
mod restore;
mod standing;
mod tend;

pub(crate) use manifest::keeping_mark;
pub use recover::recover;
pub use tend::{Begin, Tending};

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use failure::{Failure, Round};
use object::{Made, Wanted};
use proto_telemetry::{TARGET, trace};
use tend::woken;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{
    Instrument as _, Span,
    field::{self, Empty},
    info_span,
};

use crate::{
    cluster::Cluster,
    document::{Deletion, ObjectId, ObjectKey, Phase, Plan, Until},
    fence::Content,
    freeze::Freeze,
    heal::{Healer, Healing, Told},
    health::{HOLDS_FOR, Verdict},
    inventory::{self, Inventory},
    metrics::METRICS,
    namespaces::{self, View},
    observe::Live,
    report::Outcome,
    writes::Writes,
};

/// How long to wait before looking again at what cannot succeed as things are.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// How often an object that changes under our hands is looked at again before others get their turn.
const ATTEMPTS: usize = 4;

/// How far an apply is.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Of which target.
    pub generation: u64,
    /// What it does now.
    pub stage: Stage,
    /// What became of objects under this target.
    pub objects: BTreeMap<ObjectKey, Done>,
    /// Instances of templates that are asked for.
    pub instances: BTreeSet<ObjectId>,
    /// Everything that is to go, instances of templates one by one.
    pub deletions: Vec<Deletion>,
    /// What is ours.
    pub inventory: Arc<Inventory>,
    /// What is told of healing.
    pub healing: Arc<Told>,
}

impl Progress {
    /// The objects that are applied under the target, with their uids.
    pub fn applied<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = (&'a ObjectId, &'a str)> {
        let ours = |id: &'a ObjectId| self.inventory.get(id).map(|entry| (id, entry.uid.as_str()));
        let applied = |id: &ObjectId| match self.objects.get(&id.key()) {
            Some(done) => done.outcome.is_applied(),
            None => self.stage == Stage::Done,
        };
        let planned = plan.objects().map(|planned| &planned.id).filter(move |id| applied(id));
        let instances = self.inventory.entries().filter(|entry| plan.template_of(entry).is_some());
        planned.filter_map(ours).chain(instances.map(|entry| (&entry.id, entry.uid.as_str())))
    }

    /// The instances that could not be made, and why.
    pub fn not_made(&self) -> impl Iterator<Item = (&ObjectId, &str)> {
        self.instances.iter().filter_map(|id| {
            let done = self.objects.get(&id.key()).filter(|done| !done.outcome.is_applied())?;
            Some((id, done.message.as_str()))
        })
    }
}

/// What an apply does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// It writes, or waits to be able to; with what it waits for, or empty.
    Applying(String),
    /// It waits for health.
    AwaitingHealth,
    /// It still waits for health, past the deadline or against a standing sign of failure.
    Overdue(String),
    /// Something cannot be applied as things are.
    Failed(String),
    /// All is applied, and health was seen where the plan asks for it.
    Done,
}

impl Default for Stage {
    fn default() -> Self {
        Self::Applying(String::new())
    }
}

/// What became of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The outcome.
    pub outcome: Outcome,
    /// Why, or who; may be empty.
    pub message: String,
}

/// Everything that an apply works with.
pub struct Apply {
    /// Where to read.
    pub cluster: Cluster,
    /// How to write.
    pub writes: Writes,
    /// What is seen of objects; responses to writes are shown there at once.
    pub live: Live,
    /// The namespaces that are there, where the plan has templates.
    pub namespaces: watch::Receiver<Arc<View>>,
    /// Namespace of this spoke.
    pub own_namespace: String,
    /// What is accepted.
    pub content: Arc<Content>,
    /// What is said of health.
    pub health: watch::Receiver<Arc<Verdict>>,
    /// What is ours.
    pub inventory: Inventory,
    /// Where that is written down.
    pub store: inventory::Store,
    /// Stops it before its next write.
    pub stop: CancellationToken,
    /// Where its progress is told.
    pub progress: watch::Sender<Arc<Progress>>,
    /// What is looked after beside the phases.
    pub tending: Tending,
    /// What heals, and what it works with.
    pub healing: Healing,
    /// Whether the cluster is frozen.
    pub freeze: watch::Receiver<Freeze>,
    /// W3C trace context of what is done now: that of the acceptance, or of a go over a phase below it.
    pub traceparent: String,
}

/// What an apply gives back.
pub struct Ended {
    /// What is ours.
    pub inventory: Inventory,
    /// Where that is written down.
    pub store: inventory::Store,
    /// What heals.
    pub healer: Healer,
}

/// Stopped from outside.
#[derive(Debug)]
struct Interrupted;

impl Apply {
    /// Applies the target, and then tends it, until it is stopped.
    pub async fn run(mut self) -> Ended {
        let Err(Interrupted) = self.carry_out().await;
        if self.inventory.is_dirty()
            && let Err(error) = self.store.flush(&mut self.inventory).await
        {
            tracing::warn!(error = %crate::chain(&error), "the inventory is not written down yet");
        }
        Ended { inventory: self.inventory, store: self.store, healer: self.healing.healer }
    }

    async fn carry_out(&mut self) -> Result<Infallible, Interrupted> {
        if !self.tending.is_through() {
            self.all().await?;
            self.tending.through();
            self.enter(Stage::Done);
        } else {
            self.take_up_deletions();
        }
        loop {
            let due = self.tend().await?;
            self.wait(due).await?;
        }
    }

    fn generation(&self) -> u64 {
        self.content.target.generation
    }

    async fn all(&mut self) -> Result<(), Interrupted> {
        let content = Arc::clone(&self.content);
        self.enter(Stage::default());
        for phase in &content.plan.phases {
            tracing::info!(generation = self.generation(), phase = %phase.name, "phase begins");
            self.phase(phase).await?;
        }
        if content.plan.phases.is_empty() {
            self.without_phases().await?;
        }
        self.releases().await?;
        self.deletions().await?;
        self.write_down().await
    }

    async fn without_phases(&mut self) -> Result<(), Interrupted> {
        loop {
            self.thaw().await?;
            let mut round = Round::default();
            self.namespaces(&mut round).await?;
            self.instances(&mut round).await?;
            if self.settle(round, None).await? {
                return Ok(());
            }
        }
    }

    async fn phase(&mut self, phase: &Phase) -> Result<(), Interrupted> {
        let mut deadline = Instant::now() + Duration::from_secs(phase.deadline_s.into());
        loop {
            deadline += self.thaw().await?;
            let mut round = Round::default();
            self.go_over(phase, &mut round).await?;
            if self.settle(round, Some((phase, deadline))).await? {
                break;
            }
        }
        match phase.until {
            Until::Applied => Ok(()),
            Until::Healthy => self.await_health(phase, deadline).await,
        }
    }

    /// One go over everything that a phase makes. It has a span of its own, which the objects' hang below: a phase may last
    /// for hours, and is not known to a collector before its end.
    async fn go_over(&mut self, phase: &Phase, round: &mut Round) -> Result<(), Interrupted> {
        let above = self.traceparent.clone();
        let generation = self.generation();
        let span = info_span!(target: TARGET, "apply", phase = phase.name, generation);
        let span = trace::under(span, &above);
        self.traceparent = trace::below(&span, &above);
        let gone_over = self.make_all(phase, round).await;
        self.traceparent = above;
        gone_over
    }

    async fn make_all(&mut self, phase: &Phase, round: &mut Round) -> Result<(), Interrupted> {
        self.namespaces(round).await?;
        if round.waiting.is_none() && round.hopeless.is_none() {
            self.objects(phase, round).await?;
            self.instances(round).await?;
        }
        Ok(())
    }

    /// The span of what is done to one object. Its outcome is recorded by [`outcome`].
    fn span(&self, name: &'static str, id: &ObjectId) -> Span {
        let span = info_span!(
            target: TARGET, "object", otel.name = name, object = %id, generation = self.generation(), outcome = Empty
        );
        trace::under(span, &self.traceparent)
    }

    async fn namespaces(&mut self, round: &mut Round) -> Result<(), Interrupted> {
        let content = Arc::clone(&self.content);
        for name in &content.plan.namespaces {
            let span = info_span!(target: TARGET, "namespace", otel.name = "ensure namespace", object = name);
            let span = trace::under(span, &self.traceparent);
            let made = namespaces::ensure(&self.cluster, &self.writes, self.generation(), name);
            let made = made.instrument(span).await;
            match made.map_err(Failure::from) {
                Ok(()) => {}
                Err(Failure::Interrupted) => return Err(Interrupted),
                Err(Failure::Again) => round.waits(Duration::from_secs(1), format!("namespace {name}")),
                Err(Failure::Later(pause, why) | Failure::Underway(pause, why)) => {
                    round.waits(pause, format!("namespace {name}: {why}"))
                }
                Err(Failure::Hopeless(done)) => {
                    round.hopeless.get_or_insert(format!("namespace {name}: {}", done.message));
                }
            }
        }
        Ok(())
    }

    async fn objects(&mut self, phase: &Phase, round: &mut Round) -> Result<(), Interrupted> {
        for planned in &phase.objects {
            if self.woken() {
                self.tend().await?;
            }
            let wanted = self.planned(planned);
            let made = self.attempt(&wanted).await;
            let became = self.note(made);
            self.take_note(&planned.id, became, round)?;
        }
        Ok(())
    }

    /// Makes an object what it is wanted to be, again if it changes under our hands.
    async fn attempt(&self, wanted: &Wanted) -> Result<Made, Failure> {
        // Once an object is as it should be, looking at it again is not worth a span.
        let known = self.progress.borrow().objects.get(&wanted.id.key()).cloned();
        let span = match known {
            Some(done) if done.outcome.is_applied() => Span::none(),
            Some(_) | None => self.span("apply object", &wanted.id),
        };
        let made = self.attempts(wanted).instrument(span.clone()).await;
        outcome(&span, made.as_ref().map(|made| &made.done));
        made
    }

    async fn attempts(&self, wanted: &Wanted) -> Result<Made, Failure> {
        for _ in 0..ATTEMPTS {
            if self.stop.is_cancelled() {
                return Err(Failure::Interrupted);
            }
            match self.object(wanted).await {
                Err(Failure::Again) => {}
                made => return made,
            }
        }
        Err(Failure::Again)
    }

    /// Takes what was made into the inventory.
    fn note(&mut self, made: Result<Made, Failure>) -> Result<Done, Failure> {
        let Made { done, entry } = made?;
        if let Some(entry) = entry {
            self.inventory.put(entry);
        }
        Ok(done)
    }

    /// Tells what became of an object.
    fn take_note(
        &mut self,
        id: &ObjectId,
        became: Result<Done, Failure>,
        round: &mut Round,
    ) -> Result<(), Interrupted> {
        let done = match became {
            Ok(done) => done,
            Err(Failure::Interrupted) => return Err(Interrupted),
            Err(Failure::Hopeless(done)) => {
                if self.progress.borrow().objects.get(&id.key()) != Some(&done) {
                    tracing::warn!(object = %id, outcome = ?done.outcome, reason = %done.message, "cannot be applied");
                }
                round.hopeless.get_or_insert(format!("{id}: {}", done.message));
                done
            }
            Err(Failure::Again) => {
                round.waits(Duration::from_secs(1), format!("{id} keeps changing"));
                Done {
                    outcome: Outcome::Unreachable,
                    message: "it keeps changing under our hands".to_owned(),
                }
            }
            Err(Failure::Later(pause, message)) => {
                round.waits(pause, format!("{id}: {message}"));
                Done { outcome: Outcome::Unreachable, message }
            }
            Err(Failure::Underway(pause, message)) => {
                round.waits(pause, format!("{id}: {message}"));
                Done { outcome: Outcome::Pending, message }
            }
        };
        if self.progress.borrow().objects.get(&id.key()) != Some(&done) {
            METRICS.outcome(&done);
        }
        self.tell(|progress| drop(progress.objects.insert(id.key(), done)));
        Ok(())
    }

    /// Ends a go over many objects: true if nothing is left to do, else after the pause that it needs.
    async fn settle(&mut self, round: Round, phase: Option<(&Phase, Instant)>) -> Result<bool, Interrupted> {
        self.tell_inventory();
        if self.inventory.is_dirty() {
            self.write_down().await?;
        }
        let overdue = phase.filter(|(_, deadline)| Instant::now() >= *deadline);
        let (pause, stage) = match (round.hopeless, round.waiting) {
            (None, None) => return Ok(true),
            (Some(why), None) => (LOOK_AGAIN, Stage::Failed(why)),
            (Some(why), Some((pause, _))) => (pause, Stage::Failed(why)),
            (None, Some((pause, what))) => match overdue {
                Some((phase, _)) => {
                    (pause, Stage::Failed(format!("phase {} is past its deadline: {what}", phase.name)))
                }
                None => (pause, Stage::Applying(what)),
            },
        };
        self.enter(stage);
        self.rest(pause).await?;
        Ok(false)
    }

    /// Writes the inventory down, for as long as it takes: what comes next may rest on it.
    async fn write_down(&mut self) -> Result<(), Interrupted> {
        while let Err(error) = self.store.flush(&mut self.inventory).await {
            self.enter(Stage::Applying(crate::chain(&error)));
            self.pause(Duration::from_secs(1)).await?;
        }
        Ok(())
    }

    async fn await_health(&mut self, phase: &Phase, deadline: Instant) -> Result<(), Interrupted> {
        let written_at = Instant::now();
        loop {
            let due = self.tend().await?;
            let verdict = Arc::clone(&self.health.borrow_and_update());
            // What held before our own writes says nothing of what they lead to.
            let holding_since = verdict.holding_since.map(|since| since.max(written_at));
            if holding_since.is_some_and(|since| since.elapsed() >= HOLDS_FOR) {
                return Ok(());
            }
            self.enter(match &verdict.failing {
                Some(_) => Stage::Overdue("it says that it failed".to_owned()),
                None if Instant::now() >= deadline => {
                    Stage::Overdue(format!("not healthy within {} s", phase.deadline_s))
                }
                None => Stage::AwaitingHealth,
            });
            tokio::select! {
                () = self.stop.cancelled() => return Err(Interrupted),
                changed = self.health.changed() => changed.map_err(|_| Interrupted)?,
                () = tokio::time::sleep_until(due.min(Instant::now() + Duration::from_secs(1)).into()) => {}
                () = woken(&mut self.namespaces, &mut self.tending) => {}
                () = self.healing.woken() => {}
                Ok(()) = self.freeze.changed() => {}
            }
        }
    }

    /// Waits for this long and tends the target meanwhile.
    async fn rest(&mut self, pause: Duration) -> Result<(), Interrupted> {
        let until = Instant::now() + pause;
        loop {
            let due = self.tend().await?;
            self.wait(due.min(until)).await?;
            if Instant::now() >= until {
                return Ok(());
            }
        }
    }

    /// Waits until something is seen that may have to be tended, at most until `due`.
    async fn wait(&mut self, due: Instant) -> Result<(), Interrupted> {
        tokio::select! {
            () = self.stop.cancelled() => Err(Interrupted),
            () = tokio::time::sleep_until(due.into()) => Ok(()),
            () = woken(&mut self.namespaces, &mut self.tending) => Ok(()),
            () = self.healing.woken() => Ok(()),
            Ok(()) = self.freeze.changed() => Ok(()),
        }
    }

    async fn pause(&self, pause: Duration) -> Result<(), Interrupted> {
        tokio::select! {
            () = self.stop.cancelled() => Err(Interrupted),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }

    /// Tells a stage, if it is another: each telling makes the agent look anew, and what it sees wakes this.
    fn enter(&self, stage: Stage) {
        if self.progress.borrow().stage != stage {
            tracing::info!(generation = self.generation(), stage = ?stage, "the apply goes on");
            self.tell(|progress| progress.stage = stage);
        }
    }

    fn tell_inventory(&self) {
        let inventory = Arc::new(self.inventory.clone());
        self.tell(|progress| progress.inventory = inventory);
    }

    fn tell(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(|progress| change(Arc::make_mut(progress)));
    }
}

/// Records what became of an object. Messages are not: they may quote values.
fn outcome(span: &Span, became: Result<&Done, &Failure>) {
    match became {
        Ok(done) | Err(Failure::Hopeless(done)) => span.record("outcome", field::debug(done.outcome)),
        Err(Failure::Later(..)) => span.record("outcome", "Unreachable"),
        Err(Failure::Underway(..)) => span.record("outcome", "Pending"),
        Err(Failure::Again) => span.record("outcome", "Again"),
        Err(Failure::Interrupted) => span.record("outcome", "Interrupted"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{lease, samples, secrets::Secrets};

    #[tokio::test]
    async fn a_stage_is_told_once() {
        let cluster = Cluster::new(samples::client(|_| 500));
        let held = watch::channel(lease::State::HeldBy(String::new())).1;
        let freeze = watch::channel(Freeze::Free).1;
        let writes = Writes::new(held, watch::channel(1).1, freeze.clone());
        let secrets = Secrets::new(&cluster, "meshfleet", writes.clone());
        let (progress, mut told) = watch::channel(Arc::default());
        let apply = Apply {
            store: inventory::Store::new(secrets.clone()),
            healing: Healing::sample(secrets),
            freeze,
            cluster,
            writes,
            tending: Tending::new(&Live::default(), Begin::Anew),
            live: Live::default(),
            namespaces: watch::channel(Arc::default()).1,
            own_namespace: "meshfleet".to_owned(),
            content: Arc::new(samples::content(1, &[])),
            health: watch::channel(Arc::default()).1,
            inventory: Inventory::default(),
            stop: CancellationToken::new(),
            progress,
            traceparent: String::new(),
        };
        apply.enter(Stage::AwaitingHealth);
        assert!(told.has_changed().is_ok_and(|changed| changed));
        told.mark_unchanged();
        apply.enter(Stage::AwaitingHealth);
        assert!(
            !told.has_changed().is_ok_and(|changed| changed),
            "the agent would look again, and wake this"
        );
    }
}
