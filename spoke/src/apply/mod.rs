//! Applying the accepted target: the only code that changes the cluster for a plan.
//!
//! # Design notes
//! *Flow*: namespaces, then phase after phase, each until its `until` holds, then deletions. What fails for a reason that
//! may pass is tried again; what cannot succeed is said, and looked at again slowly, because a person may clear the way.
//! *Guarantees*: nothing is written when nothing would change; an object that is not ours is not touched; a newer target
//! stops this at the next write. *Assumptions*: one apply runs at a time, and it alone writes the inventory.

mod conflict;
mod delete;
mod manifest;
mod object;
mod order;
mod recover;
mod standing;

pub use recover::recover;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    cluster::{Cluster, Retry},
    document::{ObjectId, ObjectKey, Phase, Until},
    fence::Content,
    health::{HOLDS_FOR, Verdict},
    inventory::{self, Inventory},
    namespaces,
    observe::Live,
    report::Outcome,
    writes::{self, Writes},
};

/// How long to wait before looking again at what cannot succeed as things are.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// How often an object that changes under our hands is looked at again before others get their turn.
const ATTEMPTS: usize = 4;

/// How far an apply is.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// What it does now.
    pub stage: Stage,
    /// What became of objects under this target.
    pub objects: BTreeMap<ObjectKey, Done>,
    /// What is ours.
    pub inventory: Arc<Inventory>,
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
    /// Where responses to writes are shown at once.
    pub live: Live,
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
}

/// How an apply ended, with what it gives back.
pub struct Ended {
    /// What is ours.
    pub inventory: Inventory,
    /// Where that is written down.
    pub store: inventory::Store,
    /// Whether it came to its end.
    pub completed: bool,
}

/// Stopped from outside.
#[derive(Debug)]
struct Interrupted;

/// Why an object is not as planned.
#[derive(Debug)]
enum Failure {
    /// It cannot be, as things are.
    Hopeless(Done),
    /// Not now; after this time perhaps.
    Later(Duration, String),
    /// It was asked for and is on its way; to be looked at after this time.
    Underway(Duration, String),
    /// It changed under our hands: look again.
    Again,
    /// A newer target was accepted.
    Interrupted,
}

impl From<writes::Error> for Failure {
    fn from(error: writes::Error) -> Self {
        let message = crate::chain(&error);
        match error {
            writes::Error::NoLease(_) => Self::Later(Duration::from_secs(1), message),
            writes::Error::Superseded(_) => Self::Interrupted,
            writes::Error::Cluster(error) => match error.retry() {
                Retry::Now => Self::Again,
                Retry::After(pause) => Self::Later(pause, message),
                Retry::Never => Self::Hopeless(Done { outcome: Outcome::Rejected, message }),
            },
        }
    }
}

/// What one go over many objects left.
#[derive(Debug, Default)]
struct Round {
    /// The first that is hopeless.
    hopeless: Option<String>,
    /// The first that waits, and the shortest pause.
    waiting: Option<(Duration, String)>,
}

impl Round {
    fn waits(&mut self, pause: Duration, what: String) {
        let (shortest, first) = self.waiting.take().unwrap_or((pause, what));
        self.waiting = Some((shortest.min(pause), first));
    }
}

impl Apply {
    /// Applies the target until it is through or stopped.
    pub async fn run(mut self) -> Ended {
        let completed = self.all().await.is_ok();
        if self.inventory.is_dirty()
            && let Err(error) = self.store.flush(&mut self.inventory).await
        {
            tracing::warn!(error = %crate::chain(&error), "the inventory is not written down yet");
        }
        if completed {
            self.enter(Stage::Done);
        }
        Ended { inventory: self.inventory, store: self.store, completed }
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
        self.deletions().await?;
        self.write_down().await
    }

    async fn phase(&mut self, phase: &Phase) -> Result<(), Interrupted> {
        let deadline = Instant::now() + Duration::from_secs(phase.deadline_s.into());
        loop {
            let mut round = Round::default();
            self.namespaces(&mut round).await?;
            if round.waiting.is_none() && round.hopeless.is_none() {
                self.objects(phase, &mut round).await?;
            }
            if self.settle(round, Some((phase, deadline))).await? {
                break;
            }
        }
        match phase.until {
            Until::Applied => Ok(()),
            Until::Healthy => self.await_health(phase, deadline).await,
        }
    }

    async fn namespaces(&mut self, round: &mut Round) -> Result<(), Interrupted> {
        let content = Arc::clone(&self.content);
        for name in &content.plan.namespaces {
            let made = namespaces::ensure(&self.cluster, &self.writes, self.generation(), name).await;
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
            let mut applied = Err(Failure::Again);
            for _ in 0..ATTEMPTS {
                if self.stop.is_cancelled() {
                    return Err(Interrupted);
                }
                applied = self.object(planned).await;
                if !matches!(applied, Err(Failure::Again)) {
                    break;
                }
            }
            self.take_note(&planned.id, applied, round)?;
        }
        Ok(())
    }

    /// Notes what became of an object.
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
        self.tell(|progress| drop(progress.objects.insert(id.key(), done)));
        Ok(())
    }

    /// Ends a go over many objects: true if nothing is left to do, else after the pause that it needs.
    async fn settle(&mut self, round: Round, phase: Option<(&Phase, Instant)>) -> Result<bool, Interrupted> {
        let inventory = Arc::new(self.inventory.clone());
        self.tell(|progress| progress.inventory = inventory);
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
        self.pause(pause).await?;
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
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
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

    fn tell(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(|progress| change(Arc::make_mut(progress)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{lease, samples, secrets::Secrets};

    #[tokio::test]
    async fn a_stage_is_told_once() {
        let cluster = Cluster::new(samples::client(|_| 500));
        let writes = Writes::new(watch::channel(lease::State::HeldBy(String::new())).1, watch::channel(1).1);
        let (progress, mut told) = watch::channel(Arc::default());
        let apply = Apply {
            store: inventory::Store::new(Secrets::new(&cluster, "meshfleet", writes.clone())),
            cluster,
            writes,
            live: Live::default(),
            content: Arc::new(samples::content(1, &[])),
            health: watch::channel(Arc::default()).1,
            inventory: Inventory::default(),
            stop: CancellationToken::new(),
            progress,
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
