//! A spoke spoken by hand.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use proto::v1::{
    Facts, FromHub, FromSpoke, Heartbeat, Hello, delivery_client::DeliveryClient, from_hub,
    from_spoke::Message,
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{interval, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming, transport::Identity};

use super::house::{House, SOON};

/// How often a played spoke is heard; the hub asks for half of that.
const BEAT: Duration = Duration::from_millis(250);

/// The far end of a session.
pub struct Played {
    say: mpsc::Sender<FromSpoke>,
    hear: Streaming<FromHub>,
    /// Heartbeats, as long as it lives.
    beats: JoinSet<()>,
}

impl Played {
    /// Opens a stream and says nothing yet.
    pub async fn open(house: &House, identity: Identity) -> Result<Self> {
        let (say, said) = mpsc::channel(8);
        let mut delivery = DeliveryClient::new(house.connect(Some(identity)).await?);
        let hear = delivery.attach(ReceiverStream::new(said)).await?.into_inner();
        Ok(Self { say, hear, beats: JoinSet::new() })
    }

    /// Opens a session that is heard as long as it lives.
    pub async fn attach(house: &House, identity: Identity) -> Result<Self> {
        Self::attach_as(house, identity, hello()).await
    }

    /// Opens a session that begins with this Hello and is heard as long as it lives.
    pub async fn attach_as(house: &House, identity: Identity, hello: Message) -> Result<Self> {
        let mut played = Self::open(house, identity).await?;
        played.greet(hello).await?;
        let say = played.say.clone();
        played.beats.spawn(async move {
            let mut beats = interval(BEAT);
            let beat = || FromSpoke { trace: None, message: Some(Message::Heartbeat(Heartbeat {})) };
            while say.send(beat()).await.is_ok() {
                beats.tick().await;
            }
        });
        Ok(played)
    }

    /// Opens a session and says no more than it must.
    pub async fn attach_silent(house: &House, identity: Identity) -> Result<Self> {
        let mut played = Self::open(house, identity).await?;
        played.greet(hello()).await?;
        Ok(played)
    }

    async fn greet(&mut self, hello: Message) -> Result<()> {
        self.say(hello).await?;
        match self.next().await?? {
            from_hub::Message::Welcome(_) => Ok(()),
            other => bail!("Hello was answered with {other:?}"),
        }
    }

    pub async fn say(&self, message: Message) -> Result<()> {
        Ok(self.say.send(FromSpoke { trace: None, message: Some(message) }).await?)
    }

    /// The next message, or how the stream ended.
    pub async fn next(&mut self) -> Result<Result<from_hub::Message, Status>> {
        match timeout(SOON, self.hear.message()).await? {
            Ok(Some(message)) => Ok(Ok(message.message.context("an empty message")?)),
            Ok(None) => bail!("the stream ended without a word"),
            Err(status) => Ok(Err(status)),
        }
    }

    /// Sees that the stream goes on for so long.
    pub async fn still_heard(&mut self, time: Duration) -> Result<()> {
        match timeout(time, self.ending()).await {
            Err(_) => Ok(()),
            Ok(ended) => bail!("the session ended: {:?}", ended?),
        }
    }

    /// How the stream ends, whatever comes before.
    pub async fn ending(&mut self) -> Result<Status> {
        loop {
            if let Err(status) = self.next().await? {
                return Ok(status);
            }
        }
    }
}

pub fn hello() -> Message {
    Message::Hello(Hello {
        protocol_version: proto::PROTOCOL_VERSION,
        spoke_version: "played".to_owned(),
        facts: Some(Facts { kubernetes_version: "v1.33.0".to_owned(), ..Facts::default() }),
        ..Hello::default()
    })
}
