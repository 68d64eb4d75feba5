//! One session: a loop that feeds the core's step function and carries out what it says.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use hub_core::{
    delivery::{Command, Event, Hello, OfferedTarget, Session},
    digest::Digest,
    drift::{DriftItem, HealEntry, HealRequest},
    fleet::{ClusterId, Facts},
    probe::Probe,
    report::Report,
};
use proto::v1::FromSpoke;
use proto_telemetry::{TARGET, trace};
use sqlx::PgConnection;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tonic::Streaming;
use tracing::{Instrument, Span, info_span};
use uuid::Uuid;

use super::{VERSIONS, convert, ending::Ending, outbox::Outbox, sessions::Slot};
use crate::{
    app::{
        App, Error, Kind, asked_since,
        definitions::{self, Asker},
        heals, probes, reports,
        sessions::{self, Cut},
    },
    fail_point,
    identity::callers::Spoke,
    metrics::{METRICS, Outcome},
    signal::Listening,
    store::{
        self,
        asked::Asked,
        targets::{Content, StoredTarget},
    },
    telemetry,
};

/// A spoke counts as gone after this many heartbeats that were not heard; with one less, a short pause of its machine
/// would end the session.
const MISSED_HEARTBEATS: u32 = 3;

/// How often time passes for the step function, and how often a target that could not be loaded is tried again.
const TICK: Duration = Duration::from_secs(1);

/// First and longest pause before a write is tried again while the database is gone.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A session, ready to run.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) app: App,
    pub(super) spoke: Spoke,
    pub(super) slot: Slot,
    pub(super) heartbeat: Duration,
    pub(super) outbox: Outbox,
    pub(super) stop: CancellationToken,
    /// The `traceparent` of the call that opened it, to which its messages are linked.
    pub(super) began_in: String,
}

/// What changes while it runs.
struct Conversation {
    machine: Session,
    /// None before Hello was stored.
    attached: Option<Uuid>,
    /// Wakes when the cluster's target may have changed, or its spoke is asked something.
    wake: Listening,
    /// Whether target and question have to be read. It stays so until the read succeeded.
    woken: bool,
    /// Tells that the session must end.
    cut: watch::Sender<Option<Cut>>,
    /// When the spoke was heard last, but for the time in which nobody listened.
    heard_at: Instant,
    /// The `traceparent` of the message that was heard last; empty if it had none.
    told_in: String,
    /// The generation that was offered last, and when.
    offered: Option<(u64, Instant)>,
    /// This session, as one that asks for schemas.
    asker: Arc<Asker>,
    /// Schemas that the facts name and nobody may know yet.
    named: BTreeSet<Digest>,
}

impl Conversation {
    fn names(&mut self, facts: &Facts) {
        self.named = facts.schemas.iter().map(|named| named.digest).collect();
    }
}

impl Running {
    /// Runs the session to its end.
    pub(super) async fn run(self, incoming: Streaming<FromSpoke>) {
        let span = tracing::info_span!("session", cluster.name = %self.spoke.name);
        self.run_in_span(incoming).instrument(span).await;
    }

    async fn run_in_span(self, incoming: Streaming<FromSpoke>) {
        let (cut, cut_off) = watch::channel(None);
        let mut conversation = Conversation {
            machine: Session::new(VERSIONS),
            attached: None,
            wake: self.app.signals.cluster(self.spoke.cluster),
            woken: false,
            cut,
            heard_at: Instant::now(),
            told_in: String::new(),
            offered: None,
            asker: Arc::default(),
            named: BTreeSet::new(),
        };
        let ending = tokio::select! {
            ending = self.interrupted(cut_off) => ending,
            ending = self.converse(&mut conversation, incoming) => ending,
        };
        if let Some(status) = ending.status() {
            self.outbox.end(status);
        }
        let why = telemetry::chain(&ending);
        if ending.is_odd() {
            tracing::warn!(why, "the session ended");
        } else {
            tracing::info!(why, "the session ended");
        }
        match (conversation.attached, &ending) {
            // The newer one takes its row over, or ends it. A spoke that changes its certificate was never away.
            (None, _) | (Some(_), Ending::Cut(Cut::Replaced)) => {}
            (Some(session), _) => self.detach(session).await,
        }
    }

    /// Ends when the session must, whatever it is doing.
    async fn interrupted(&self, mut cut_off: watch::Receiver<Option<Cut>>) -> Ending {
        let left = self.spoke.expires_at.duration_since(self.app.clock.now());
        let expiry = Instant::now().checked_add(left.try_into().unwrap_or(Duration::ZERO));
        let expired = async {
            match expiry {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.stop.cancelled() => Ending::HubStops,
            () = self.slot.replaced.cancelled() => Ending::Cut(Cut::Replaced),
            Ok(Some(cut)) = async { cut_off.wait_for(Option::is_some).await.map(|cut| *cut) } => Ending::Cut(cut),
            () = expired => Ending::Expired,
        }
    }

    async fn converse(&self, conversation: &mut Conversation, mut incoming: Streaming<FromSpoke>) -> Ending {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let silent_at = conversation.heard_at + self.heartbeat * MISSED_HEARTBEATS;
            let event = tokio::select! {
                message = timeout_at(silent_at, incoming.message()) => match self.heard(conversation, message) {
                    Ok(event) => Some(event),
                    Err(ending) => return ending,
                },
                () = conversation.wake.woken() => {
                    conversation.woken = true;
                    None
                }
                _ = ticks.tick() => Some(Event::Tick),
            };
            let begun = Instant::now();
            if let Err(ending) = self.step(conversation, event).await {
                return ending;
            }
            conversation.heard_at += begun.elapsed();
        }
    }

    /// Reads a message, or says why there is none.
    fn heard(
        &self,
        conversation: &mut Conversation,
        message: Result<Result<Option<FromSpoke>, tonic::Status>, tokio::time::error::Elapsed>,
    ) -> Result<Event, Ending> {
        let message =
            message.map_err(|_| Ending::Silent)?.map_err(Ending::Broken)?.ok_or(Ending::SpokeLeft)?;
        conversation.heard_at = Instant::now();
        conversation.told_in =
            message.trace.as_ref().map_or_else(String::new, |trace| trace.traceparent.clone());
        if let Some(session) = conversation.attached {
            sessions::heartbeat(&self.app, session);
        }
        convert::event(message).map_err(Ending::BadMessage)
    }

    /// Feeds an event, then target and question if they may have changed, and carries out what they lead to.
    async fn step(&self, conversation: &mut Conversation, event: Option<Event>) -> Result<(), Ending> {
        let mut commands: VecDeque<Command> = VecDeque::new();
        if let Some(event) = event {
            commands.extend(conversation.machine.on(event, self.app.clock.now()));
        }
        loop {
            while let Some(command) = commands.pop_front() {
                self.carry_out(conversation, command, &mut commands).await?;
            }
            self.ask_for_schemas(conversation, &mut commands).await?;
            if !commands.is_empty() {
                continue;
            }
            if conversation.attached.is_none() || !std::mem::take(&mut conversation.woken) {
                return Ok(());
            }
            match load_levels(&self.app, self.spoke.cluster, &conversation.machine).await {
                Ok(Levels { target, probe, heal }) => {
                    if let Some(target) = target {
                        conversation.wake.has_read(target.generation);
                        let changed = Event::TargetChanged(Box::new(target));
                        commands.extend(conversation.machine.on(changed, self.app.clock.now()));
                    }
                    if let Some(probe) = probe {
                        let asked = Event::ProbeAsked(Box::new(probe));
                        commands.extend(conversation.machine.on(asked, self.app.clock.now()));
                    }
                    if let Some(heal) = heal {
                        let asked = Event::HealAsked(Box::new(heal));
                        commands.extend(conversation.machine.on(asked, self.app.clock.now()));
                    }
                }
                Err(error) if error.kind() == Kind::Unavailable => {
                    // Tried again with the next tick.
                    conversation.woken = true;
                    return Ok(());
                }
                Err(error) => return Err(Ending::Failed(error)),
            }
        }
    }

    async fn carry_out(
        &self,
        conversation: &mut Conversation,
        command: Command,
        more: &mut VecDeque<Command>,
    ) -> Result<(), Ending> {
        let (app, cluster) = (&self.app, self.spoke.cluster);
        match command {
            Command::Attach(hello) => {
                let hello = hello_for_app(*hello);
                let (hello, cut) = (&hello, &conversation.cut);
                let attach = || sessions::attach(app, cluster, self.spoke.public_key, (hello, cut));
                conversation.attached = Some(self.persist(attach).await?.session);
                conversation.woken = true;
                conversation.names(&hello.facts);
                tracing::info!(spoke.version = hello.spoke_version, "a session began");
            }
            Command::Welcome => self.outbox.welcome(self.heartbeat).await?,
            Command::SendHeader { target, inline } => {
                conversation.offered = Some((target.generation, Instant::now()));
                METRICS.offers.inc();
                self.offer(*target, &inline).await?;
            }
            Command::LoadBodies(digests) => {
                self.load_bodies(conversation, digests, more).await?;
            }
            Command::SendBody { digest, bytes } => self.outbox.body(digest, &bytes).await?,
            Command::SendRefused(refusal) => {
                tracing::warn!(refusal.code = ?refusal.code, refusal.message, "a message was refused");
                self.outbox.refused(refusal).await?;
            }
            Command::RecordAccepted { epoch, generation, target } => {
                let span = self.told(conversation, "store acceptance");
                let accepted = || reports::accepted(app, cluster, epoch, (generation, target));
                self.persist(accepted).instrument(span).await?;
                if let Some((_, at)) = conversation.offered.take_if(|(offered, _)| *offered == generation) {
                    METRICS.accept_duration.observe(at.elapsed().as_secs_f64());
                }
                tracing::debug!(generation, "a target is accepted");
            }
            Command::RecordRefused(refusal) => {
                let generation = refusal.generation;
                tracing::warn!(generation, refusal.code = ?refusal.code, refusal.message, "the spoke refused a target");
                self.persist(|| reports::refused(app, cluster, &refusal)).await?;
            }
            Command::SaveReport(report) => self.save_report(conversation, &report).await?,
            Command::SaveDrift { sequence, generation, items, heals } => {
                self.save_drift((sequence, generation), &items, &heals).await?;
            }
            Command::SendProbe(probe) => self.outbox.probe(*probe).await?,
            Command::SaveProbeAnswer { id, answer } => {
                self.persist(|| probes::answered(app, cluster, id, &answer)).await?;
            }
            Command::SendHeal(request) => {
                tracing::info!(heal.id = %request.id, dry_run = request.dry_run, "the spoke is asked to heal");
                self.outbox.heal(*request).await?;
            }
            Command::SaveHealAnswer { id, answer } => {
                self.persist(|| heals::answered(app, cluster, id, &answer)).await?;
                // Another wish may have waited for this one.
                conversation.woken = true;
            }
            Command::SaveFacts(facts) => {
                self.persist(|| sessions::facts(app, cluster, &facts)).await?;
                conversation.names(&facts);
            }
            Command::WantSchemas(digests) => self.outbox.want_schemas(&digests).await?,
            Command::SaveSchema { schema, bytes } => {
                self.persist(|| definitions::told(app, &schema, &bytes)).await?;
            }
            Command::Close(reason) => return Err(Ending::Closed(reason)),
        }
        Ok(())
    }

    /// Asks for the schemas that are not known, unless another session does: then it is looked at again with each step.
    async fn ask_for_schemas(
        &self,
        conversation: &mut Conversation,
        more: &mut VecDeque<Command>,
    ) -> Result<(), Ending> {
        if conversation.named.is_empty() {
            return Ok(());
        }
        let (app, named, asker) = (&self.app, &conversation.named, &conversation.asker);
        let lacking = self.persist(|| definitions::lacking(app, named.iter().copied(), asker)).await?;
        conversation.named = lacking.awaited;
        more.extend(conversation.machine.on(Event::SchemasLacking(lacking.ask), app.clock.now()));
        Ok(())
    }

    /// Each leaves before the next is loaded: a large plan is never in memory as a whole.
    async fn load_bodies(
        &self,
        conversation: &mut Conversation,
        digests: Vec<Digest>,
        more: &mut VecDeque<Command>,
    ) -> Result<(), Ending> {
        let app = &self.app;
        for digest in digests {
            let bytes = self.persist(|| load_body(app, digest)).await?;
            more.extend(conversation.machine.on(Event::BodyLoaded { digest, bytes }, app.clock.now()));
            self.send_bodies(more).await?;
        }
        Ok(())
    }

    async fn save_report(&self, conversation: &Conversation, report: &Report) -> Result<(), Ending> {
        let (span, timed) = (self.told(conversation, "store report"), Instant::now());
        let save = || reports::save(&self.app, self.spoke.cluster, conversation.attached, report);
        let saved = self.persist(save).instrument(span).await?;
        METRICS.report_duration.observe(timed.elapsed().as_secs_f64());
        METRICS.reports.get_or_create(&Outcome { outcome: saved.name() }).inc();
        Ok(())
    }

    /// Stores what differs and what was healed, and only then says so: the spoke forgets what it was told is stored.
    async fn save_drift(
        &self,
        (sequence, generation): (u64, u64),
        items: &[DriftItem],
        heals: &[HealEntry],
    ) -> Result<(), Ending> {
        let save = || reports::save_drift(&self.app, self.spoke.cluster, generation, (items, heals));
        let saved = self.persist(save).await?;
        METRICS.drift_reports.get_or_create(&Outcome { outcome: saved.name() }).inc();
        let through = heals.iter().map(|heal| heal.number).max().unwrap_or(0);
        self.outbox.drift_stored(sequence, through).await
    }

    /// Offers a target, in a span of its own below the transaction that made it, however long ago.
    async fn offer(&self, target: OfferedTarget, inline: &[Digest]) -> Result<(), Ending> {
        let (generation, above) = (target.generation, target.traceparent.clone());
        let span = info_span!(
            target: TARGET, "deliver", otel.kind = "producer", cluster.name = %self.spoke.name, generation
        );
        let span = trace::under(span, &above);
        trace::link(&span, &self.began_in);
        let traceparent = trace::below(&span, &above);
        tracing::info!(generation, traceparent, "a target is offered");
        let sent = async {
            let bodies = self.persist(|| load_bodies(&self.app, inline)).await?;
            fail_point::passed(fail_point::HEADER_BEFORE);
            self.outbox.header(target, bodies, &traceparent).await?;
            fail_point::passed(fail_point::HEADER_AFTER);
            Ok(())
        };
        sent.instrument(span).await
    }

    /// The span of storing what the spoke told in a trace; none if it told it in none.
    fn told(&self, conversation: &Conversation, name: &'static str) -> Span {
        if conversation.told_in.is_empty() {
            return Span::none();
        }
        let span = info_span!(
            target: TARGET, "store", otel.name = name, otel.kind = "consumer", cluster.name = %self.spoke.name
        );
        let span = trace::under(span, &conversation.told_in);
        trace::link(&span, &self.began_in);
        span
    }

    async fn send_bodies(&self, commands: &mut VecDeque<Command>) -> Result<(), Ending> {
        for command in std::mem::take(commands) {
            match command {
                Command::SendBody { digest, bytes } => self.outbox.body(digest, &bytes).await?,
                other => commands.push_back(other),
            }
        }
        Ok(())
    }

    /// Does something with the database, and again while it is gone: the spoke's messages wait meanwhile.
    async fn persist<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, Ending>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let (mut pause, longest) = PAUSES;
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) if error.kind() == Kind::Unavailable => {
                    tracing::debug!(
                        error = telemetry::chain(&error),
                        "the database is gone, the session waits"
                    );
                }
                Err(error) => return Err(Ending::Failed(error)),
            }
            sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// Says that the spoke is gone. Where that cannot be stored, its silence says it soon.
    async fn detach(&self, session: Uuid) {
        if let Err(error) = sessions::detach(&self.app, self.spoke.cluster, session).await {
            tracing::debug!(error = telemetry::chain(&error), "the end of a session was not stored");
        }
    }
}

fn hello_for_app(hello: Hello) -> sessions::Hello {
    let Hello { protocol_version: _, spoke_version, fence, kube_system_uid, facts } = hello;
    sessions::Hello { spoke_version, fence, kube_system_uid, facts }
}

/// What the database has for a cluster's spoke now.
struct Levels {
    /// Its target.
    target: Option<OfferedTarget>,
    /// What it is asked.
    probe: Option<Probe>,
    /// What a person wishes of it.
    heal: Option<HealRequest>,
}

/// A read goes straight to the store.
async fn load_levels(app: &App, cluster: ClusterId, machine: &Session) -> Result<Levels, Error> {
    let mut tx = store::begin(&app.pool).await?;
    let target = load_target(&mut tx, cluster, machine).await?;
    let Asked { probe, heal } = store::asked::open(&mut tx, cluster, asked_since(app.clock.now())).await?;
    Ok(Levels { target, probe, heal })
}

/// A cluster's target with everything that its spoke may ask for, if it is going to be offered.
async fn load_target(
    tx: &mut PgConnection,
    cluster: ClusterId,
    machine: &Session,
) -> Result<Option<OfferedTarget>, store::Error> {
    let Some(target) = store::targets::find(tx, cluster).await? else { return Ok(None) };
    let StoredTarget { epoch, generation, digest, content } = target;
    // What only the spoke knows cannot be sent: its spoke has it, and the next rollout brings one that can.
    let Content::Known { bytes, plan, traceparent } = content else { return Ok(None) };
    let (mut bodies, mut accepted) = (BTreeMap::new(), BTreeSet::new());
    if machine.lacks(generation, digest) {
        bodies = store::bodies::offers(tx, plan).await?.into_iter().collect();
        accepted = store::bodies::accepted(tx, cluster).await?;
    }
    Ok(Some(OfferedTarget { epoch, generation, digest, bytes, bodies, accepted, traceparent }))
}

async fn load_bodies(app: &App, digests: &[Digest]) -> Result<Vec<(Digest, Vec<u8>)>, Error> {
    if digests.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = store::begin(&app.pool).await?;
    Ok(store::bodies::load_some(&mut tx, digests).await?)
}

async fn load_body(app: &App, digest: Digest) -> Result<Option<Vec<u8>>, Error> {
    let mut tx = store::begin(&app.pool).await?;
    Ok(store::bodies::load(&mut tx, digest).await?)
}
