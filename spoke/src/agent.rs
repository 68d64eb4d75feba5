//! The agent: one select loop that owns what is accepted and decides what runs.
//!
//! # Design notes
//! *Flow*: an offered target is checked against fence and floor, the running apply is stopped and drained, what a former
//! life wrote is found again, the target is persisted; then it is the accepted one and its apply begins. Beside that the
//! agent looks at health and drift whenever something is seen to change, and tells the present state as levels.
//! *Guarantees*: one apply at a time; the fence is written by this loop alone. *Caveats*: while a target is being persisted
//! the loop does nothing else; heartbeats and the Lease are kept by tasks of their own.

mod look;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use proto_telemetry::{TARGET, trace};
use tokio::{
    sync::{mpsc, watch},
    task::{JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;
use tracing::{
    Instrument as _,
    field::{self, Empty},
    info_span,
};

use crate::{
    apply::{self, Apply, Begin, Ended, Progress, Stage, Tending},
    cluster::Cluster,
    delivery::Offer,
    document::ObjectId,
    drift,
    fence::{self, Content, Decision, Fence},
    floor,
    heal::{self, Ask, Healer, Healing, Heard},
    health::{Tracker, Verdict},
    inventory::{self, Inventory},
    metrics::METRICS,
    namespaces,
    observe::{Live, Watches},
    refusal::{Code, Refusal},
    report::Report,
    secrets::Secrets,
    writes::Writes,
};

/// How long changes are gathered before health and drift are looked at.
const GATHER: Duration = Duration::from_millis(20);

/// How soon what could not be written down or read is tried again.
const RETRY_EVERY: Duration = Duration::from_secs(2);

/// How often the agent looks though nothing changes and nothing is awaited. It costs the more, the larger the mesh is.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Wishes that wait for an apply to be between two writes; more are refused.
const MOST_WISHES: usize = 4;

/// What is accepted.
#[derive(Debug, Default)]
pub struct Accepted {
    /// The fence; none before the first target.
    pub fence: Option<Fence>,
    /// What it stands for; none before the first target, or if it was lost.
    pub content: Option<Arc<Content>>,
    /// W3C trace context of its acceptance; empty if there is none.
    pub traceparent: String,
}

impl Accepted {
    /// The fence as the hub is told of it. If what it stands for was lost, it is not told: then the hub offers its target
    /// again, which is checked against the fence all the same.
    #[must_use]
    pub fn told(&self) -> Option<Fence> {
        self.fence.filter(|_| self.content.is_some())
    }
}

/// Everything that differs now.
#[derive(Debug, PartialEq, Eq)]
pub struct Drift {
    /// Generation of the accepted target.
    pub generation: u64,
    /// The differences.
    pub items: Vec<drift::Item>,
    /// What was healed and the hub has not stored.
    pub heals: Vec<heal::Entry>,
}

/// Where the agent tells its levels.
#[derive(Clone)]
pub struct Outlets {
    /// What is accepted.
    pub accepted: watch::Sender<Arc<Accepted>>,
    /// The accepted generation, for [`Writes`].
    pub generation: watch::Sender<u64>,
    /// State of the target.
    pub report: watch::Sender<Option<Arc<Report>>>,
    /// Differences.
    pub drift: watch::Sender<Option<Arc<Drift>>>,
    /// What is ours.
    pub inventory: watch::Sender<Arc<Inventory>>,
}

/// What an agent is made with.
pub struct Setup {
    /// The API server.
    pub cluster: Cluster,
    /// The right to write.
    pub writes: Writes,
    /// The spoke's Secrets.
    pub secrets: Secrets,
    /// UUID of this cluster.
    pub cluster_id: String,
    /// Namespace of this spoke.
    pub namespace: String,
    /// Where levels go.
    pub outlets: Outlets,
    /// Offered targets.
    pub offers: mpsc::Receiver<Offer>,
    /// Wishes of people to heal something.
    pub asks: mpsc::Receiver<Ask>,
    /// What the session says of the hub.
    pub heard: watch::Receiver<Heard>,
}

/// Why an agent cannot begin yet.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The fence cannot be read.
    #[error(transparent)]
    Fence(#[from] fence::Error),
    /// The inventory cannot be read.
    #[error(transparent)]
    Inventory(#[from] inventory::Error),
    /// The journal of heals cannot be read.
    #[error(transparent)]
    Journal(#[from] heal::Error),
}

/// What is written down beside the target, and the means to do so.
struct Kept {
    inventory: Inventory,
    store: inventory::Store,
    healer: Healer,
}

/// The agent.
pub struct Agent {
    setup: Setup,
    fences: fence::Store,
    accepted: Arc<Accepted>,
    /// What is kept, while no apply has it.
    idle: Option<Kept>,
    applies: JoinSet<Ended>,
    /// Wishes for the apply that runs.
    wishes: mpsc::Sender<Ask>,
    stop_apply: CancellationToken,
    progress: watch::Receiver<Arc<Progress>>,
    /// The apply is through and the fence does not say so yet.
    unrecorded: bool,
    taken_up_at: Instant,
    live: Live,
    watches: Watches,
    /// What is watched.
    watched: BTreeSet<ObjectId>,
    namespaces: watch::Sender<Arc<namespaces::View>>,
    /// The watch of namespaces, once a plan needs it.
    namespace_watch: JoinSet<()>,
    tracker: Tracker,
    verdict: watch::Sender<Arc<Verdict>>,
}

impl Agent {
    /// An agent that knows what was accepted and what is ours.
    ///
    /// # Errors
    /// If that cannot be read.
    pub async fn begin(setup: Setup, stop: &CancellationToken) -> Result<Self, (Setup, Error)> {
        let mut fences = fence::Store::new(setup.secrets.clone());
        let loaded = match load(&mut fences, &setup.secrets).await {
            Ok(loaded) => loaded,
            Err(error) => return Err((setup, error)),
        };
        let (accepted, kept) = loaded;
        let live = Live::default();
        let watches = Watches::new(setup.cluster.clone(), live.clone(), stop.child_token());
        let agent = Self {
            setup,
            fences,
            accepted: Arc::new(Accepted::default()),
            progress: watch::channel(Arc::new(Progress {
                inventory: Arc::new(kept.inventory.clone()),
                ..Progress::default()
            }))
            .1,
            idle: Some(kept),
            applies: JoinSet::new(),
            wishes: mpsc::channel(1).0,
            stop_apply: CancellationToken::new(),
            unrecorded: false,
            taken_up_at: Instant::now(),
            live,
            watches,
            watched: BTreeSet::new(),
            namespaces: watch::Sender::default(),
            namespace_watch: JoinSet::new(),
            tracker: Tracker::default(),
            verdict: watch::Sender::default(),
        };
        Ok(agent.with(accepted))
    }

    fn with(mut self, accepted: Accepted) -> Self {
        self.take_up(accepted);
        self
    }

    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let (mut changes, mut freeze) = (self.live.changes(), self.setup.writes.freeze());
        // Beside a target that is through, what is stored is not what it replaced but the next one, half written: the hub
        // will offer that again.
        if self.accepted.fence.is_some_and(|fence| fence.completed != fence.generation) {
            self.clean().await;
        }
        self.resume();
        let mut look_at = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(offer) = self.setup.offers.recv() => {
                    self.consider(offer).await;
                    look_at = Instant::now();
                }
                Some(ended) = self.applies.join_next() => {
                    self.apply_ended(ended).await;
                    look_at = Instant::now();
                }
                Some(ask) = self.setup.asks.recv() => self.pass_on(ask),
                Ok(()) = freeze.changed() => look_at = Instant::now(),
                Ok(()) = changes.changed() => look_at = look_at.min(Instant::now() + GATHER),
                Ok(()) = self.progress.changed() => look_at = look_at.min(Instant::now() + GATHER),
                () = tokio::time::sleep_until(look_at.into()) => {
                    self.note_end();
                    self.record().await;
                    look_at = Instant::now() + self.look();
                }
            }
        }
        self.halt().await;
    }

    /// Decides on an offered target.
    async fn consider(&mut self, offer: Offer) {
        let Offer { content, traceparent, answer } = offer;
        let generation = content.target.generation;
        let span = info_span!(target: TARGET, "accept", otel.kind = "consumer", generation, outcome = Empty);
        let span = trace::under(span, &traceparent);
        let below = trace::below(&span, &traceparent);
        let decided = self.accept(&content, below).instrument(span.clone()).await;
        match &decided {
            Ok(()) => span.record("outcome", "accepted"),
            Err(refusal) => span.record("outcome", field::debug(refusal.code)),
        };
        drop(span);
        match &decided {
            Ok(()) => tracing::info!(generation, traceparent = %traceparent, "accepted"),
            Err(refusal) => {
                METRICS.refused();
                tracing::warn!(%refusal, "a target was refused");
            }
        }
        // The session may be gone: then the next one begins with the fence.
        let _ = answer.send(decided);
        self.resume();
        self.clean().await;
    }

    async fn accept(&mut self, content: &Arc<Content>, traceparent: String) -> Result<(), Refusal> {
        let target = &content.target;
        let fence = self.accepted.fence.as_ref();
        let decision = fence::decide(fence, &self.setup.cluster_id, target, content.digest)?;
        if decision == Decision::Again && self.accepted.content.is_some() {
            return Ok(());
        }
        floor::check(target, &content.plan, &content.bodies, &self.setup.namespace)?;
        self.halt().await;
        let unavailable = |why: String| Refusal::new(Code::Unavailable, target.generation, why);
        self.recover().await.map_err(unavailable)?;
        let completed = self.accepted.fence.map_or(0, |fence| fence.completed);
        match self.fences.accept(content, completed, &traceparent).await {
            Ok(fence) => {
                self.take_up(Accepted {
                    fence: Some(fence),
                    content: Some(Arc::clone(content)),
                    traceparent,
                });
                Ok(())
            }
            Err(error) => {
                let why = crate::chain(&error);
                if matches!(error, fence::Error::Moved) {
                    self.reread().await;
                }
                Err(unavailable(why))
            }
        }
    }

    /// Somebody else wrote the fence. What stands there now counts, if it is newer.
    async fn reread(&mut self) {
        match self.fences.load().await {
            Ok(Some(loaded))
                if Some(loaded.fence.generation) > self.accepted.fence.map(|fence| fence.generation) =>
            {
                let (content, traceparent) = (loaded.content.ok(), loaded.traceparent);
                self.take_up(Accepted { fence: Some(loaded.fence), content, traceparent });
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(error = %crate::chain(&error), "the fence could not be read again"),
        }
    }

    /// What a former life or a stopped apply wrote and did not write down.
    async fn recover(&mut self) -> Result<(), String> {
        let Accepted { fence: Some(fence), content: Some(content), .. } = &*self.accepted else {
            return Ok(());
        };
        let Some(Kept { inventory, store, .. }) = &mut self.idle else { return Ok(()) };
        apply::recover(&self.setup.cluster, fence, content, inventory)
            .await
            .map_err(|error| crate::chain(&error))?;
        if inventory.is_dirty() {
            store.flush(inventory).await.map_err(|error| crate::chain(&error))?;
        }
        Ok(())
    }

    /// Makes something the accepted target, in this process.
    fn take_up(&mut self, accepted: Accepted) {
        let generation = accepted.fence.map_or(0, |fence| fence.generation);
        self.accepted = Arc::new(accepted);
        self.taken_up_at = Instant::now();
        METRICS.fence(self.accepted.fence.as_ref());
        self.unrecorded = false;
        self.tracker = Tracker::default();
        self.verdict.send_replace(Arc::default());
        self.setup.outlets.generation.send_replace(generation);
        self.setup.outlets.accepted.send_replace(Arc::clone(&self.accepted));
        self.watch();
        let templates = |content: &Arc<Content>| !content.plan.templates.is_empty();
        if self.namespace_watch.is_empty() && self.accepted.content.as_ref().is_some_and(templates) {
            self.namespace_watch
                .spawn(namespaces::watch(self.setup.cluster.clone(), self.namespaces.clone()));
        }
    }

    fn watch(&mut self) {
        let wanted = self.wanted();
        if wanted != self.watched {
            self.watches.watch(&wanted);
            self.watched = wanted;
        }
    }

    /// Everything that is managed or expected.
    fn wanted(&self) -> BTreeSet<ObjectId> {
        let mut ids = BTreeSet::new();
        if let Some(content) = &self.accepted.content {
            ids.extend(content.plan.additions.iter().map(|addition| addition.id.clone()));
            ids.extend(content.plan.objects().map(|planned| planned.id.clone()));
            ids.extend(content.plan.expectations.iter().map(|expectation| expectation.id.clone()));
            ids.extend(content.plan.healthy_when.iter().map(|criterion| criterion.id.clone()));
        }
        let known: BTreeSet<_> = ids.iter().map(ObjectId::key).collect();
        let progress = Arc::clone(&self.progress.borrow());
        let inventory = self.idle.as_ref().map_or(progress.inventory.as_ref(), |kept| &kept.inventory);
        ids.extend(inventory.entries().map(|entry| entry.id.clone()).filter(|id| !known.contains(&id.key())));
        ids
    }

    /// Begins the apply of what is accepted, or goes on tending it, unless that runs.
    fn resume(&mut self) {
        let (Some(fence), Some(content)) = (self.accepted.fence, self.accepted.content.clone()) else {
            if self.accepted.fence.is_some() {
                tracing::error!("what was accepted is lost: nothing is written until the hub sends it again");
            }
            return;
        };
        let Some(Kept { inventory, store, healer }) = self.idle.take() else { return };
        let through = fence.completed == fence.generation || self.unrecorded;
        let (begin, stage) = match through {
            true => (Begin::Through, Stage::Done),
            false => (Begin::Anew, Stage::default()),
        };
        let before = Arc::clone(&self.progress.borrow());
        let first = Progress {
            generation: fence.generation,
            stage,
            inventory: Arc::new(inventory.clone()),
            healing: Arc::new(healer.told(fence.generation, Timestamp::now())),
            ..Progress::default()
        };
        // What was told of objects by an apply that came through is kept.
        let first = match through && before.generation == fence.generation && before.stage == Stage::Done {
            true => {
                Progress { inventory: first.inventory, healing: first.healing, ..Progress::clone(&before) }
            }
            false => first,
        };
        let (progress, receiver) = watch::channel(Arc::new(first));
        self.progress = receiver;
        self.progress.mark_changed();
        self.stop_apply = CancellationToken::new();
        let (wishes, asks) = mpsc::channel(MOST_WISHES);
        self.wishes = wishes;
        let (drift, heard) = (self.setup.outlets.drift.subscribe(), self.setup.heard.clone());
        let apply = Apply {
            cluster: self.setup.cluster.clone(),
            writes: self.setup.writes.clone(),
            tending: Tending::new(&self.live, begin),
            healing: Healing { healer, drift, heard, asks, waiting: Vec::new() },
            freeze: self.setup.writes.freeze(),
            live: self.live.clone(),
            namespaces: self.namespaces.subscribe(),
            own_namespace: self.setup.namespace.clone(),
            content,
            health: self.verdict.subscribe(),
            inventory,
            store,
            stop: self.stop_apply.clone(),
            progress,
            traceparent: self.accepted.traceparent.clone(),
        };
        self.applies.spawn(apply.run());
    }

    /// Stops the apply, if one runs, once its write in flight is done.
    async fn halt(&mut self) {
        self.stop_apply.cancel();
        while let Some(ended) = self.applies.join_next().await {
            self.take_back(ended).await;
        }
    }

    async fn apply_ended(&mut self, ended: Result<Ended, JoinError>) {
        self.take_back(ended).await;
        self.resume();
    }

    /// Notes that the apply came through.
    fn note_end(&mut self) {
        let Some(fence) = self.accepted.fence else { return };
        let progress = self.progress.borrow();
        let through = progress.generation == fence.generation && progress.stage == Stage::Done;
        if through && fence.completed != fence.generation {
            self.unrecorded = true;
        }
    }

    /// Takes back what an apply had.
    async fn take_back(&mut self, ended: Result<Ended, JoinError>) {
        match ended {
            Ok(Ended { inventory, store, healer }) => {
                self.idle = Some(Kept { inventory, store, healer });
            }
            Err(error) => {
                tracing::error!(%error, "an apply broke off: beginning anew from what is written down");
                tokio::time::sleep(RETRY_EVERY).await;
                self.reload().await;
            }
        }
    }

    /// Reads again what is kept, for as long as it takes: without it nothing may be written.
    async fn reload(&mut self) {
        loop {
            match kept(&self.setup.secrets).await {
                Ok(kept) => {
                    self.idle = Some(kept);
                    return;
                }
                Err(error) => {
                    tracing::warn!(error = %crate::chain(&error), "what is ours cannot be read");
                }
            }
            tokio::time::sleep(RETRY_EVERY).await;
        }
    }

    /// Writes into the fence that the accepted target is through.
    async fn record(&mut self) {
        let (true, Some(fence)) = (self.unrecorded, self.accepted.fence) else { return };
        match self.fences.complete(fence).await {
            Ok(fence) => {
                self.unrecorded = false;
                tracing::info!(generation = fence.generation, "applied to its end");
                let Accepted { content, traceparent, .. } = &*self.accepted;
                let (content, traceparent) = (content.clone(), traceparent.clone());
                self.accepted = Arc::new(Accepted { fence: Some(fence), content, traceparent });
                self.setup.outlets.accepted.send_replace(Arc::clone(&self.accepted));
                METRICS.fence(Some(&fence));
                METRICS.applied(self.taken_up_at.elapsed().as_secs_f64());
            }
            Err(error) => {
                tracing::warn!(error = %crate::chain(&error), "the end of the apply is not written down yet");
                if matches!(error, fence::Error::Moved) {
                    self.reread().await;
                }
            }
        }
    }

    /// Removes what older targets left. What cannot be removed now goes the next time.
    async fn clean(&self) {
        let Some(fence) = self.accepted.fence else { return };
        if let Err(error) = self.fences.clean(fence.target).await {
            tracing::debug!(error = %crate::chain(&error), "older targets are still stored");
        }
    }
}

async fn load(fences: &mut fence::Store, secrets: &Secrets) -> Result<(Accepted, Kept), Error> {
    let accepted = match fences.load().await? {
        None => Accepted::default(),
        Some(loaded) => {
            let content = loaded.content.inspect_err(|error| {
                tracing::error!(error = %crate::chain(error), "the accepted target is damaged");
            });
            Accepted { fence: Some(loaded.fence), content: content.ok(), traceparent: loaded.traceparent }
        }
    };
    Ok((accepted, kept(secrets).await?))
}

async fn kept(secrets: &Secrets) -> Result<Kept, Error> {
    let mut store = inventory::Store::new(secrets.clone());
    Ok(Kept { inventory: store.load().await?, store, healer: Healer::load(secrets.clone()).await? })
}
