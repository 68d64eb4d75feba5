//! One simulated spoke: a session that obeys.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use proto::v1::{
    Facts, FromHub, FromSpoke, Header, Heartbeat, Hello, Probe, ProbeAnswer, ProbedState, RightState,
    delivery_client::DeliveryClient, from_hub, from_spoke::Message,
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{interval, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Streaming, transport::Identity};

use super::{
    hub::Hub,
    memory::{Memory, Taking},
    traffic::Traffic,
};

/// Messages to the hub that wait to be sent.
const WAITING_MESSAGES: usize = 4;

/// How long a hub may take to answer Hello, with a thousand others that greet it.
const WELCOMED_WITHIN: Duration = Duration::from_secs(300);

/// A spoke in its session.
#[derive(Debug)]
pub struct Simulated {
    say: mpsc::Sender<FromSpoke>,
    traffic: Arc<Traffic>,
    stop: CancellationToken,
    session: JoinSet<Result<Memory>>,
}

impl Simulated {
    /// Attaches a spoke: it is welcome when this returns, and obeys until the session ends.
    pub async fn attach(
        hub: &Hub,
        (identity, facts): (&Identity, &Facts),
        memory: Memory,
        traffic: &Arc<Traffic>,
    ) -> Result<Self> {
        let (say, said) = mpsc::channel(WAITING_MESSAGES);
        let mut delivery = DeliveryClient::new(hub.connect(Some(identity)).await?);
        let hear = delivery.attach(ReceiverStream::new(said)).await?.into_inner();
        let mut session = Session { say, hear, memory, taking: None, traffic: Arc::clone(traffic) };
        let beat = session.greet(facts).await?;
        let (say, stop) = (session.say.clone(), CancellationToken::new());
        let mut running = JoinSet::new();
        running.spawn(session.run(beat, stop.clone()));
        Ok(Self { say, traffic: Arc::clone(traffic), stop, session: running })
    }

    /// Sends a heartbeat now; others go by themselves, as often as the hub asks for.
    pub async fn beat(&self) -> Result<()> {
        say(&self.say, &self.traffic, Message::Heartbeat(Heartbeat {})).await
    }

    /// Ends the session, if the hub did not, and gives what its cluster keeps.
    pub async fn leave(mut self) -> Result<Memory> {
        self.stop.cancel();
        self.session.join_next().await.context("a session")??
    }
}

struct Session {
    say: mpsc::Sender<FromSpoke>,
    hear: Streaming<FromHub>,
    memory: Memory,
    taking: Option<Taking>,
    traffic: Arc<Traffic>,
}

impl Session {
    /// Greets the hub, and learns how often it wants to hear something.
    async fn greet(&mut self, facts: &Facts) -> Result<Duration> {
        let hello = Hello {
            protocol_version: proto::PROTOCOL_VERSION,
            spoke_version: "simulated".to_owned(),
            fence: self.memory.fence().cloned(),
            kube_system_uid: "simulated".to_owned(),
            facts: Some(facts.clone()),
        };
        self.say(Message::Hello(hello)).await?;
        let answer = timeout(WELCOMED_WITHIN, self.hear.message()).await??.context("a welcome")?;
        self.traffic.received(&answer);
        match answer.message {
            Some(from_hub::Message::Welcome(welcome)) => {
                Ok(Duration::from_millis(welcome.heartbeat_ms.max(100).into()))
            }
            other => bail!("Hello was answered with {other:?}"),
        }
    }

    /// Obeys until the session ends. That a hub goes away is no mistake; what it says that makes no sense is.
    async fn run(mut self, beat: Duration, stop: CancellationToken) -> Result<Memory> {
        let mut beats = interval(beat);
        beats.reset();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(self.memory),
                message = self.hear.message() => match message {
                    Ok(Some(message)) => {
                        self.traffic.received(&message);
                        self.obey(message).await?;
                    }
                    Ok(None) | Err(_) => return Ok(self.memory),
                },
                _ = beats.tick() => self.say(Message::Heartbeat(Heartbeat {})).await?,
            }
        }
    }

    async fn obey(&mut self, message: FromHub) -> Result<()> {
        match message.message.context("an empty message")? {
            from_hub::Message::Header(header) => self.take(header).await,
            from_hub::Message::Chunk(chunk) => {
                let mut taking = self.taking.take().context("a body without an offer")?;
                if taking.piece(chunk)? {
                    return self.finish(taking).await;
                }
                self.taking = Some(taking);
                Ok(())
            }
            from_hub::Message::Probe(probe) => self.answer(probe).await,
            from_hub::Message::Refused(refusal) => bail!("the hub refused: {}", refusal.message),
            // Nothing else asks a cluster without anything in it to do something.
            _ => Ok(()),
        }
    }

    async fn take(&mut self, header: Header) -> Result<()> {
        let taking = self.memory.offered(header)?;
        match taking.want() {
            None => self.finish(taking).await,
            Some(want) => {
                self.taking = Some(taking);
                self.say(Message::Want(want)).await
            }
        }
    }

    async fn finish(&mut self, taking: Taking) -> Result<()> {
        let (accepted, report) = self.memory.accept(taking)?;
        self.say(Message::Accepted(accepted)).await?;
        self.say(Message::Report(report)).await
    }

    /// Nothing that the spoke did not make exists here, and it may do all that is asked of it.
    async fn answer(&mut self, probe: Probe) -> Result<()> {
        let objects = probe.objects.into_iter();
        let absent = objects.map(|object| ProbedState { id: object.id, ..ProbedState::default() });
        let held = probe.rights.into_iter().map(|needed| {
            let kind = needed.id.as_ref().map(|id| id.kind.to_lowercase()).unwrap_or_default();
            RightState { id: needed.id, resource: format!("{kind}s"), ..RightState::default() }
        });
        let answer = ProbeAnswer { id: probe.id, objects: absent.collect(), rights: held.collect() };
        self.say(Message::ProbeAnswer(answer)).await
    }

    async fn say(&self, message: Message) -> Result<()> {
        say(&self.say, &self.traffic, message).await
    }
}

/// Fails when the session has ended, which is heard as well.
async fn say(say: &mpsc::Sender<FromSpoke>, traffic: &Traffic, message: Message) -> Result<()> {
    let message = FromSpoke { trace: None, message: Some(message) };
    traffic.sent(&message);
    let _ = say.send(message).await;
    Ok(())
}
