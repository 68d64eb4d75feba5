//! What crosses the wire, for all spokes of a fleet together. Bytes are those of the messages: how TLS and HTTP/2 cut and
//! pack them depends on when they are sent.

use std::{
    ops::Sub,
    sync::atomic::{AtomicU64, Ordering},
};

use prost::Message;
use proto::v1::{FromHub, FromSpoke, from_hub};

/// Counters that all spokes of a fleet share.
#[derive(Debug, Default)]
pub struct Traffic {
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
    offers: AtomicU64,
    chunks: AtomicU64,
}

/// What crossed the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Crossed {
    /// Bytes of messages from the hub.
    pub received_bytes: u64,
    /// Bytes of messages to the hub.
    pub sent_bytes: u64,
    /// Targets that were offered.
    pub offers: u64,
    /// Pieces of bodies that came apart from an offer.
    pub chunks: u64,
}

impl Traffic {
    pub(super) fn received(&self, message: &FromHub) {
        self.received_bytes.fetch_add(message.encoded_len() as u64, Ordering::Relaxed);
        match message.message {
            Some(from_hub::Message::Header(_)) => self.offers.fetch_add(1, Ordering::Relaxed),
            Some(from_hub::Message::Chunk(_)) => self.chunks.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
    }

    pub(super) fn sent(&self, message: &FromSpoke) {
        self.sent_bytes.fetch_add(message.encoded_len() as u64, Ordering::Relaxed);
    }

    /// So far.
    #[must_use]
    pub fn so_far(&self) -> Crossed {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Crossed {
            received_bytes: read(&self.received_bytes),
            sent_bytes: read(&self.sent_bytes),
            offers: read(&self.offers),
            chunks: read(&self.chunks),
        }
    }
}

impl Sub for Crossed {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            received_bytes: self.received_bytes - before.received_bytes,
            sent_bytes: self.sent_bytes - before.sent_bytes,
            offers: self.offers - before.offers,
            chunks: self.chunks - before.chunks,
        }
    }
}
