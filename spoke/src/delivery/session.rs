//! Sessions with the hub, one after the other.
//!
//! A hub that is away is a state, not an error: the session ends, the pause grows to a few seconds, the next begins with
//! the fence and the present levels.

use std::{sync::Arc, time::Duration};

use proto::v1::{
    FromHub, FromSpoke, Hello, TraceContext, Welcome, delivery_client::DeliveryClient, from_hub,
    from_spoke::Message,
};
use proto_telemetry::{TARGET, trace};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status, Streaming};
use tracing::{Instrument as _, field, info_span};

use super::{
    Offer, connect, convert, facts as wire_facts,
    heals::Heals,
    intake::{Intake, Known, Step},
    schemas::Schemas,
};
use crate::{
    agent::{Accepted, Drift},
    backoff::Backoff,
    cluster::Cluster,
    facts::Facts,
    fail_point,
    fence::Fence,
    heal::{Ask, Heard},
    identity::{self, Renewals},
    inventory::Inventory,
    metrics::METRICS,
    probe::{self, Answer, Question},
    refusal::{Code, Refusal},
    report::{Phase, Report},
};

/// Longest pause between two attempts to attach: a hub that comes back has its fleet within this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long changes of a report are gathered before it is sent: while objects are written it changes with each.
const GATHER: Duration = Duration::from_millis(100);

/// How long the hub may take to answer Hello.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(20);

/// How long the first session waits for the first facts, so that the hub can plan at once.
const FACTS_TIMEOUT: Duration = Duration::from_secs(15);

/// What the spoke has to say, each the newest of its kind.
#[derive(Clone)]
pub struct Levels {
    /// What is accepted.
    pub accepted: watch::Receiver<Arc<Accepted>>,
    /// State of the target; none before the first.
    pub report: watch::Receiver<Option<Arc<Report>>>,
    /// Differences; none before they were looked for.
    pub drift: watch::Receiver<Option<Arc<Drift>>>,
    /// Facts; none before they were read.
    pub facts: watch::Receiver<Option<Arc<Facts>>>,
    /// What is ours.
    pub inventory: watch::Receiver<Arc<Inventory>>,
}

/// The spoke's end of the stream.
pub struct Delivery {
    /// Address of the hub.
    pub hub: String,
    /// Who this spoke is, anew with each renewal.
    pub renewals: Renewals,
    /// What it has to say.
    pub levels: Levels,
    /// Where offered targets go.
    pub offers: mpsc::Sender<Offer>,
    /// Where wishes to heal go.
    pub asks: mpsc::Sender<Ask>,
    /// Where it is told what the hub says of heals.
    pub heard: watch::Sender<Heard>,
    /// Where questions are answered from.
    pub cluster: Cluster,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("cannot use this spoke's identity")]
    Identity(#[source] identity::Error),
    #[error("cannot reach the hub")]
    Connect(#[source] tonic::transport::Error),
    #[error("the hub ended the session: {}", .0.message())]
    Status(Status),
    #[error("the hub closed the session")]
    Closed,
    #[error("the hub did not answer in time")]
    Silent,
    #[error("the hub speaks protocol {0}, which is newer than this spoke: upgrade the spoke")]
    Protocol(u32),
    #[error("another spoke accepted a target meanwhile")]
    Moved,
    #[error("the spoke stops")]
    Stopped,
}

impl Ended {
    /// Whether the hub says that the certificate has expired. In TLS 1.3 it says so after the client thinks that it is
    /// connected, so that the word comes with the first answer.
    fn says_expired(&self) -> bool {
        match self {
            Self::Status(status) => status.code() == tonic::Code::Unauthenticated || shows_expired(status),
            Self::Connect(error) => shows_expired(error),
            Self::Identity(_)
            | Self::Closed
            | Self::Silent
            | Self::Protocol(_)
            | Self::Moved
            | Self::Stopped => false,
        }
    }
}

/// Whether TLS ended because of an expired certificate.
fn shows_expired(error: &(dyn std::error::Error + 'static)) -> bool {
    const EXPIRED: rustls::Error = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateExpired);
    std::iter::successors(Some(error), |error| error.source()).any(|error| {
        // An IO error is no link of the chain for what it carries.
        let carried = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        carried.and_then(|carried| carried.downcast_ref::<rustls::Error>()).is_some_and(|tls| *tls == EXPIRED)
    })
}

impl Delivery {
    /// Attaches again and again until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::new(Duration::from_millis(250), LONGEST_PAUSE);
        let mut said = String::new();
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tokio::time::timeout(FACTS_TIMEOUT, self.levels.facts.wait_for(Option::is_some)) => {}
        }
        while !stop.is_cancelled() {
            let began = Instant::now();
            let ended = tokio::select! {
                () = stop.cancelled() => return,
                ended = self.session() => ended,
            };
            if began.elapsed() > LONGEST_PAUSE {
                backoff.reset();
                said.clear();
            }
            let why = crate::chain(&ended);
            if why == said {
                tracing::debug!(reason = %why, "still not attached");
            } else {
                tracing::warn!(hub = %self.hub, reason = %why, "not attached to the hub: the cluster goes on by itself");
                said = why;
            }
            if ended.says_expired() {
                self.renewals.ask();
            }
            tokio::select! {
                () = stop.cancelled() => return,
                // It may be what was lacking.
                Ok(()) = self.renewals.current.changed() => {}
                () = tokio::time::sleep(backoff.pause()) => {}
            }
        }
    }

    /// One session after the other, as long as each takes over from the one before: when the certificate was renewed, the
    /// spoke attaches by the new one while the session goes on by the former.
    async fn session(&mut self) -> Ended {
        let mut session = match self.attach().await {
            Ok(session) => session,
            Err(ended) => return ended,
        };
        let _connected = Connected::begin();
        loop {
            session = {
                let serving = session.serve();
                tokio::pin!(serving);
                tokio::select! {
                    ended = &mut serving => return ended.err().unwrap_or(Ended::Closed),
                    Ok(()) = self.renewals.current.changed() => match self.take_over(serving.as_mut()).await {
                        Ok(next) => next,
                        Err(ended) => return ended,
                    },
                }
            };
        }
    }

    /// Attaches while the former session is served. That one ends when the hub has the new one, so its end counts only if
    /// there is no new one.
    async fn take_over(
        &mut self,
        mut former: std::pin::Pin<&mut impl Future<Output = Result<(), Ended>>>,
    ) -> Result<Session, Ended> {
        let mut backoff = Backoff::new(Duration::from_millis(250), LONGEST_PAUSE);
        loop {
            let failed = {
                let attaching = self.attach();
                tokio::pin!(attaching);
                let attached = tokio::select! {
                    attached = &mut attaching => attached,
                    _ = &mut former => return attaching.await,
                };
                match attached {
                    Ok(next) => return Ok(next),
                    Err(failed) => failed,
                }
            };
            tracing::warn!(reason = %crate::chain(&failed), "not attached by the new certificate yet");
            tokio::select! {
                ended = &mut former => return Err(ended.err().unwrap_or(Ended::Closed)),
                () = tokio::time::sleep(backoff.pause()) => {}
            }
        }
    }

    async fn attach(&mut self) -> Result<Session, Ended> {
        let identity = Arc::clone(&self.renewals.current.borrow_and_update());
        let tls = identity::client_config(&identity).map_err(Ended::Identity)?;
        let channel = connect(&self.hub, tls).await.map_err(Ended::Connect)?;
        // A hub that does not read fast enough holds up this side, and nothing else.
        let (outbox, messages) = mpsc::channel(16);
        let hello = self.hello();
        let told = hello.fence.as_ref().map_or(0, |fence| fence.generation);
        outbox
            .send(FromSpoke { trace: None, message: Some(Message::Hello(hello)) })
            .await
            .map_err(|_| Ended::Closed)?;
        let mut client = DeliveryClient::new(channel)
            .max_decoding_message_size(proto::MAX_MESSAGE_BYTES)
            .max_encoding_message_size(proto::MAX_MESSAGE_BYTES);
        // It ends when the hub has answered; the session's messages are linked to it.
        let span = info_span!(target: TARGET, "attach", otel.kind = "client");
        let began_in = trace::below(&span, "");
        let mut request = Request::new(ReceiverStream::new(messages));
        if let Ok(value) = began_in.parse() {
            request.metadata_mut().insert("traceparent", value);
        }
        let attached = client.attach(request).instrument(span);
        let attached = tokio::time::timeout(WELCOME_TIMEOUT, attached).await.map_err(|_| Ended::Silent)?;
        let mut inbox = attached.map_err(Ended::Status)?.into_inner();
        let welcome =
            tokio::time::timeout(WELCOME_TIMEOUT, inbox.message()).await.map_err(|_| Ended::Silent)?;
        let welcome = match welcome.map_err(Ended::Status)?.and_then(|message| message.message) {
            Some(from_hub::Message::Welcome(welcome)) => welcome,
            Some(_) | None => return Err(Ended::Closed),
        };
        self.welcomed(welcome, (told, began_in), (outbox, inbox))
    }

    fn hello(&mut self) -> Hello {
        // Facts that ride with Hello need not be sent again.
        let facts = self.levels.facts.borrow_and_update().clone();
        let fence = self.levels.accepted.borrow_and_update().told();
        Hello {
            protocol_version: proto::PROTOCOL_VERSION,
            spoke_version: env!("CARGO_PKG_VERSION").to_owned(),
            fence: fence.as_ref().map(convert::fence),
            kube_system_uid: facts.as_ref().map(|facts| facts.kube_system_uid.clone()).unwrap_or_default(),
            facts: facts.as_deref().map(wire_facts::facts),
        }
    }

    fn welcomed(
        &self,
        welcome: Welcome,
        (told, began_in): (u64, String),
        (outbox, inbox): (mpsc::Sender<FromSpoke>, Streaming<FromHub>),
    ) -> Result<Session, Ended> {
        let Welcome { protocol_version, hub_version, heartbeat_ms } = welcome;
        if protocol_version > proto::PROTOCOL_VERSION {
            return Err(Ended::Protocol(protocol_version));
        }
        tracing::info!(hub = %self.hub, hub_version = %hub_version, "attached");
        fail_point::passed(fail_point::SESSION_BEGAN);
        let mut levels = self.levels.clone();
        // Every session begins with the present levels, whatever the last one said.
        levels.report.mark_changed();
        levels.drift.mark_changed();
        let through = |fence: &Fence| (fence.completed == fence.generation).then_some(fence.generation);
        let ended = levels.accepted.borrow().fence.as_ref().and_then(through).unwrap_or(0);
        Ok(Session {
            cluster_id: self.renewals.current.borrow().cluster_id.clone(),
            cluster: self.cluster.clone(),
            probes: JoinSet::new(),
            schemas: Schemas::begin(self.cluster.clone()),
            heals: Heals::begin(self.asks.clone(), self.heard.clone()),
            levels,
            offers: self.offers.clone(),
            outbox,
            inbox,
            intake: Intake::default(),
            trace: None,
            began_in,
            ended,
            told,
            heartbeat: Duration::from_millis(heartbeat_ms.clamp(100, 60_000).into()),
            sequence: 0,
        })
    }
}

/// Tells the metrics of a session, also of one that is cut off.
struct Connected;

impl Connected {
    fn begin() -> Self {
        METRICS.connected();
        Self
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        METRICS.disconnected();
    }
}

/// One session.
struct Session {
    cluster_id: String,
    cluster: Cluster,
    /// The question that is being answered: at most one.
    probes: JoinSet<Answer>,
    schemas: Schemas,
    heals: Heals,
    levels: Levels,
    offers: mpsc::Sender<Offer>,
    outbox: mpsc::Sender<FromSpoke>,
    inbox: Streaming<FromHub>,
    intake: Intake,
    /// Of the target that was offered last.
    trace: Option<TraceContext>,
    /// The `traceparent` of what opened the session.
    began_in: String,
    /// The generation whose end was told. What is said of it later, for years perhaps, is no part of its trace.
    ended: u64,
    /// The accepted generation that the hub knows of. What is to be said of a later one waits until it was told.
    told: u64,
    heartbeat: Duration,
    sequence: u64,
}

impl Session {
    async fn serve(&mut self) -> Result<(), Ended> {
        let mut heartbeat = tokio::time::interval(self.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut decision: Option<oneshot::Receiver<Result<(), Refusal>>> = None;
        loop {
            tokio::select! {
                message = self.inbox.message() => {
                    let Some(message) = message.map_err(Ended::Status)? else { return Err(Ended::Closed) };
                    if let Some(offered) = self.take(message).await? {
                        decision = Some(offered);
                    }
                }
                decided = decided(&mut decision) => {
                    decision = None;
                    self.answer(decided).await?;
                }
                changed = self.levels.report.changed() => {
                    changed.map_err(|_| Ended::Stopped)?;
                    tokio::time::sleep(GATHER).await;
                    self.send_report(decision.is_some()).await?;
                }
                changed = self.levels.drift.changed() => {
                    changed.map_err(|_| Ended::Stopped)?;
                    self.send_drift().await?;
                }
                changed = self.levels.facts.changed() => {
                    changed.map_err(|_| Ended::Stopped)?;
                    self.send_facts().await?;
                }
                Some(answered) = self.probes.join_next() => {
                    // One that a newer question replaced is not answered.
                    if let Ok(answer) = answered {
                        self.send(convert::probe_answer(answer)).await?;
                    }
                }
                told = self.schemas.told() => self.send(convert::schema(told)).await?,
                answer = self.heals.answered() => self.send(convert::heal_answer(answer)).await?,
                _ = heartbeat.tick() => self.send(Message::Heartbeat(proto::v1::Heartbeat {})).await?,
            }
        }
    }

    /// Takes a message of the hub. Gives where the agent's decision will come, if a target went to it.
    async fn take(
        &mut self,
        message: FromHub,
    ) -> Result<Option<oneshot::Receiver<Result<(), Refusal>>>, Ended> {
        let FromHub { trace, message } = message;
        let step = match message {
            Some(from_hub::Message::Header(header)) => {
                self.trace = trace;
                match convert::header(header) {
                    Ok(header) => {
                        let accepted = Arc::clone(&self.levels.accepted.borrow());
                        let known =
                            Known { fence: accepted.fence.as_ref(), content: accepted.content.as_deref() };
                        self.intake.header(&self.cluster_id, known, header)
                    }
                    Err(error) => Step::Refuse(Refusal::new(Code::Malformed, 0, error.to_string())),
                }
            }
            Some(from_hub::Message::Chunk(chunk)) => match convert::piece(chunk) {
                Ok(piece) => self.intake.piece(piece),
                Err(error) => Step::Refuse(Refusal::new(Code::Malformed, 0, error.to_string())),
            },
            Some(from_hub::Message::Refused(refused)) => {
                tracing::warn!(code = refused.code, reason = %refused.message, "the hub refused what was asked");
                Step::Nothing
            }
            Some(from_hub::Message::DriftStored(stored)) => {
                tracing::debug!(sequence = stored.sequence, "the hub stored the drift report");
                self.heals.stored(stored.sequence, stored.heals_through);
                Step::Nothing
            }
            Some(from_hub::Message::Welcome(_)) => {
                Step::Refuse(Refusal::new(Code::Protocol, 0, "a session has one Welcome"))
            }
            Some(from_hub::Message::Probe(probe)) => match convert::question(probe) {
                Ok(question) => {
                    self.probe(question);
                    Step::Nothing
                }
                Err(why) => Step::Refuse(Refusal::new(Code::Malformed, 0, why)),
            },
            Some(from_hub::Message::Heal(wish)) => match convert::wish(wish) {
                Ok(question) => {
                    self.heals.ask(question);
                    Step::Nothing
                }
                Err(why) => Step::Refuse(Refusal::new(Code::Malformed, 0, why)),
            },
            Some(from_hub::Message::WantSchemas(want)) => match convert::wanted_schemas(&want) {
                Ok(digests) => {
                    self.schemas.ask(digests, self.levels.facts.borrow().clone());
                    Step::Nothing
                }
                Err(why) => Step::Refuse(Refusal::new(Code::Malformed, 0, why)),
            },
            // A kind of message that a newer hub knows.
            None => Step::Nothing,
        };
        self.step(step).await
    }

    /// Begins to answer a question; an older one is dropped.
    fn probe(&mut self, question: Question) {
        self.probes.abort_all();
        let cluster = self.cluster.clone();
        let inventory = Arc::clone(&self.levels.inventory.borrow());
        self.probes.spawn(async move { probe::answer(&cluster, &inventory, question).await });
    }

    async fn step(&mut self, step: Step) -> Result<Option<oneshot::Receiver<Result<(), Refusal>>>, Ended> {
        match step {
            Step::Nothing => Ok(None),
            Step::Want { generation, digests } => {
                self.send(convert::want(generation, &digests)).await?;
                Ok(None)
            }
            Step::Again(fence) => {
                self.accepted(&fence).await?;
                Ok(None)
            }
            Step::Refuse(refusal) => {
                tracing::warn!(%refusal, "what the hub sent was refused");
                self.send(convert::refused(&refusal)).await?;
                Ok(None)
            }
            Step::Offer(content) => {
                let (answer, decision) = oneshot::channel();
                let traceparent =
                    self.trace.as_ref().map(|trace| trace.traceparent.clone()).unwrap_or_default();
                let offer = Offer { content: Arc::new(*content), traceparent, answer };
                self.offers.send(offer).await.map_err(|_| Ended::Stopped)?;
                Ok(Some(decision))
            }
        }
    }

    async fn answer(&mut self, decided: Option<Result<(), Refusal>>) -> Result<(), Ended> {
        if let Err(refusal) = decided.ok_or(Ended::Stopped)? {
            return self.send(convert::refused(&refusal)).await;
        }
        let fence = self.levels.accepted.borrow().fence;
        match fence {
            Some(fence) => self.accepted(&fence).await,
            None => Ok(()),
        }
    }

    /// Says that a target is accepted. What waited for that can be said now.
    async fn accepted(&mut self, fence: &Fence) -> Result<(), Ended> {
        self.put(self.trace.clone(), convert::accepted(fence)).await?;
        fail_point::passed(fail_point::FENCE_TOLD);
        self.told = fence.generation;
        self.levels.report.mark_changed();
        self.levels.drift.mark_changed();
        Ok(())
    }

    async fn send_report(&mut self, deciding: bool) -> Result<(), Ended> {
        let report = self.levels.report.borrow_and_update().clone();
        match report {
            Some(report) if report.generation <= self.told => {
                fail_point::passed(fail_point::REPORT_BEFORE);
                let trace = self.report_trace(&report);
                self.put(trace, convert::report(&report)).await?;
                fail_point::passed(fail_point::REPORT_AFTER);
                Ok(())
            }
            // Accepted, but not by this session.
            Some(_) if !deciding => Err(Ended::Moved),
            Some(_) | None => Ok(()),
        }
    }

    /// What a report is a part of: the trace of its target, for as long as that is under way.
    fn report_trace(&mut self, report: &Report) -> Option<TraceContext> {
        let accepted = Arc::clone(&self.levels.accepted.borrow());
        let of_accepted = accepted.fence.is_some_and(|fence| fence.generation == report.generation);
        if !of_accepted || report.generation <= self.ended {
            return None;
        }
        if report.completed == report.generation && report.phase == Phase::Healthy {
            self.ended = report.generation;
        }
        let phase = field::debug(report.phase);
        let span = info_span!(
            target: TARGET, "report", otel.kind = "producer", generation = report.generation, phase
        );
        let span = trace::under(span, &accepted.traceparent);
        trace::link(&span, &self.began_in);
        TraceContext::parse(&trace::below(&span, &accepted.traceparent))
    }

    async fn send_drift(&mut self) -> Result<(), Ended> {
        let drift = self.levels.drift.borrow_and_update().clone();
        let Some(drift) = drift.filter(|drift| drift.generation <= self.told) else { return Ok(()) };
        if !self.heals.is_news(&drift) {
            return Ok(());
        }
        self.sequence += 1;
        self.heals.told(self.sequence, &drift);
        fail_point::passed(fail_point::DRIFT_BEFORE);
        self.send(convert::drift(self.sequence, &drift)).await?;
        fail_point::passed(fail_point::DRIFT_AFTER);
        Ok(())
    }

    async fn send_facts(&mut self) -> Result<(), Ended> {
        let facts = self.levels.facts.borrow_and_update().clone();
        match facts {
            Some(facts) => self.send(Message::Facts(wire_facts::facts(&facts))).await,
            None => Ok(()),
        }
    }

    async fn send(&self, message: Message) -> Result<(), Ended> {
        self.put(None, message).await
    }

    async fn put(&self, trace: Option<TraceContext>, message: Message) -> Result<(), Ended> {
        let message = FromSpoke { trace, message: Some(message) };
        self.outbox.send(message).await.map_err(|_| Ended::Closed)
    }
}

/// The agent's decision, once there is one to wait for.
async fn decided(
    decision: &mut Option<oneshot::Receiver<Result<(), Refusal>>>,
) -> Option<Result<(), Refusal>> {
    match decision {
        Some(decision) => decision.await.ok(),
        None => std::future::pending().await,
    }
}
