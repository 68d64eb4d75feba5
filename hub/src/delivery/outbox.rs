//! Messages to one spoke: written, cut into pieces, and handed to its stream, which holds only so many.

use std::time::Duration;

use hub_core::{
    delivery::OfferedTarget,
    digest::Digest,
    drift::HealRequest,
    plan::rights::Need,
    probe::{Asked, Probe},
    report::Refusal,
};
use proto::v1::{self, from_hub::Message};
use tokio::{sync::mpsc, time::timeout};
use tonic::Status;

use super::{convert, ending::Ending};

/// A spoke that takes nothing for so long is not going to.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// The way to a spoke.
#[derive(Debug)]
pub(super) struct Outbox(mpsc::Sender<Result<v1::FromHub, Status>>);

impl Outbox {
    pub(super) fn new(sender: mpsc::Sender<Result<v1::FromHub, Status>>) -> Self {
        Self(sender)
    }

    /// Answers Hello.
    pub(super) async fn welcome(&self, heartbeat: Duration) -> Result<(), Ending> {
        let message = v1::Welcome {
            protocol_version: proto::PROTOCOL_VERSION,
            hub_version: env!("CARGO_PKG_VERSION").to_owned(),
            heartbeat_ms: u32::try_from(heartbeat.as_millis()).unwrap_or(u32::MAX),
        };
        self.send(Message::Welcome(message)).await
    }

    /// Offers a target, in the trace of what made it. Small bodies ride along.
    pub(super) async fn header(
        &self,
        target: OfferedTarget,
        bodies: Vec<(Digest, Vec<u8>)>,
        traceparent: &str,
    ) -> Result<(), Ending> {
        let trace = v1::TraceContext::parse(traceparent);
        let offer =
            |(digest, size): (&Digest, &u64)| v1::Offer { digest: digest.as_bytes().to_vec(), size: *size };
        let offers = target.bodies.iter().map(offer).collect();
        let body =
            |(digest, data): (Digest, Vec<u8>)| v1::OfferedBody { digest: digest.as_bytes().to_vec(), data };
        let bodies = bodies.into_iter().map(body).collect();
        let message = Message::Header(v1::Header { target: target.bytes, offers, bodies });
        self.put(v1::FromHub { trace, message: Some(message) }).await
    }

    /// Sends a body, piece by piece. An empty one has one empty piece.
    pub(super) async fn body(&self, digest: Digest, bytes: &[u8]) -> Result<(), Ending> {
        let mut offset = 0;
        loop {
            let end = bytes.len().min(offset + proto::BODY_CHUNK_BYTES);
            let last = end == bytes.len();
            let chunk = v1::BodyChunk {
                digest: digest.as_bytes().to_vec(),
                offset: offset as u64,
                data: bytes[offset..end].to_vec(),
                last,
            };
            self.send(Message::Chunk(chunk)).await?;
            if last {
                return Ok(());
            }
            offset = end;
        }
    }

    /// Tells the spoke that something is not done.
    pub(super) async fn refused(&self, refusal: Refusal) -> Result<(), Ending> {
        self.send(Message::Refused(convert::refused(refusal))).await
    }

    /// Asks what exists, and which rights there are.
    pub(super) async fn probe(&self, probe: Probe) -> Result<(), Ending> {
        let Probe { id, question } = probe;
        let object = |asked: Asked| v1::ProbedObject {
            id: Some(convert::wire_object_id(asked.id)),
            manifest: asked.manifest.into_bytes(),
        };
        let objects = question.objects.into_iter().map(object).collect();
        let right = |need: Need| v1::NeededRight {
            id: Some(convert::wire_object_id(need.id)),
            verbs: need.verbs.iter().map(|verb| verb.as_str().to_owned()).collect(),
        };
        let rights = question.needs.into_iter().map(right).collect();
        self.send(Message::Probe(v1::Probe { id: id.to_string(), objects, rights })).await
    }

    /// Asks for schemas.
    pub(super) async fn want_schemas(&self, digests: &[Digest]) -> Result<(), Ending> {
        let digests = digests.iter().map(|digest| digest.as_bytes().to_vec()).collect();
        self.send(Message::WantSchemas(v1::WantSchemas { digests })).await
    }

    /// Tells a person's wish.
    pub(super) async fn heal(&self, request: HealRequest) -> Result<(), Ending> {
        self.send(Message::Heal(convert::wire_heal(request))).await
    }

    /// Confirms that drift is stored, and the journal up to one of its entries; 0 if none came.
    pub(super) async fn drift_stored(&self, sequence: u64, heals_through: u64) -> Result<(), Ending> {
        self.send(Message::DriftStored(v1::DriftStored { sequence, heals_through })).await
    }

    /// The last word. A spoke that is not there, or takes nothing, does not hear it.
    pub(super) fn end(&self, status: Status) {
        let _ = self.0.try_send(Err(status));
    }

    async fn send(&self, message: Message) -> Result<(), Ending> {
        self.put(v1::FromHub { trace: None, message: Some(message) }).await
    }

    async fn put(&self, message: v1::FromHub) -> Result<(), Ending> {
        match timeout(TAKEN_WITHIN, self.0.send(Ok(message))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Ending::SpokeLeft),
            Err(_) => Err(Ending::Stuck),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pieces(bytes: &[u8]) -> Vec<v1::BodyChunk> {
        let (sender, mut receiver) = mpsc::channel(16);
        Outbox::new(sender).body(Digest::of(bytes), bytes).await.unwrap();
        let mut pieces = Vec::new();
        while let Some(Ok(v1::FromHub { message: Some(Message::Chunk(piece)), .. })) = receiver.recv().await {
            pieces.push(piece);
        }
        pieces
    }

    #[tokio::test]
    async fn the_pieces_of_a_body_are_the_body() {
        for length in
            [0, 1, proto::BODY_CHUNK_BYTES, proto::BODY_CHUNK_BYTES + 1, 3 * proto::BODY_CHUNK_BYTES]
        {
            let bytes: Vec<u8> = (0..length).map(|index| index.to_le_bytes()[0]).collect();
            let pieces = pieces(&bytes).await;
            let joined: Vec<u8> = pieces.iter().flat_map(|piece| piece.data.clone()).collect();
            assert!(joined == bytes, "{length}");
            let lasts: Vec<bool> = pieces.iter().map(|piece| piece.last).collect();
            assert_eq!(lasts.iter().filter(|last| **last).count(), 1);
            assert_eq!(lasts.last(), Some(&true));
        }
    }
}
