//! The hub's half of a session with a spoke, as a step function: what comes in, and what is to be done about it.
//!
//! A session begins with the spoke's Hello. The hub offers the cluster's newest target unless the spoke has it, or is
//! ahead of the database; the spoke asks for the bodies it lacks, accepts, and reports. The shell feeds events, carries
//! out commands in their order, and decides nothing.
//!
//! # Guarantees
//! - Nothing happens before Hello, and nothing after a close.
//! - A header is never sent for what the spoke's fence has reached already.
//! - A body leaves only if a header of *this* session offered it; absent and foreign ones get the same refusal.
//! - Only what this session offered can be accepted, and only what was accepted can be reported on.
//! - Only a question or a wish that this session told can be answered, once; a schema that was not asked for, or is none, is
//!   not stored.

mod asked;
mod session;
#[cfg(test)]
mod tests;

pub use session::Session;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use uuid::Uuid;

use crate::{
    digest::Digest,
    drift::{DriftItem, HealAnswer, HealEntry, HealRequest},
    fleet::Facts,
    probe::{Answer, Probe},
    report::{Fence, Refusal, RefusalCode, Report},
    schema::Schema,
};

/// A target as the database has it, with the bodies that belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedTarget {
    /// Epoch of the hub that made it.
    pub epoch: u64,
    /// Its generation.
    pub generation: u64,
    /// sha-256 of `bytes`.
    pub digest: Digest,
    /// The target document.
    pub bytes: Vec<u8>,
    /// The plan document and every body that it names, with sizes.
    pub bodies: BTreeMap<Digest, u64>,
    /// Of these, what the plan has that the spoke accepted last: it is there already, or is asked for.
    pub accepted: BTreeSet<Digest>,
    /// W3C trace context of what made it; empty if none.
    pub traceparent: String,
}

/// What a spoke says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Version of the protocol that it speaks.
    pub protocol_version: u32,
    /// Version of the spoke.
    pub spoke_version: String,
    /// What it last accepted; none before its first target.
    pub fence: Option<Fence>,
    /// uid of the namespace kube-system.
    pub kube_system_uid: String,
    /// What it saw of its cluster.
    pub facts: Facts,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The spoke's first message.
    Hello(Box<Hello>),
    /// The spoke persisted a target.
    Accepted {
        /// Its epoch.
        epoch: u64,
        /// Its generation.
        generation: u64,
        /// Its digest.
        target: Digest,
    },
    /// The spoke will not take a target.
    Refused(Refusal),
    /// The spoke asks for bodies.
    Want {
        /// Of which target.
        generation: u64,
        /// Which.
        digests: Vec<Digest>,
    },
    /// The state of the accepted target.
    Report(Report),
    /// Everything that differs now.
    Drift {
        /// Rises in a session.
        sequence: u64,
        /// Generation that the items were seen under.
        generation: u64,
        /// What differs.
        items: Vec<DriftItem>,
        /// Entries of its journal that it does not know to be stored.
        heals: Vec<HealEntry>,
    },
    /// What the spoke sees of its cluster.
    Facts(Box<Facts>),
    /// The spoke is there.
    Heartbeat,
    /// The cluster's target in the database, when the session begins and whenever it may have changed.
    TargetChanged(Box<OfferedTarget>),
    /// The question in the database that is to be asked; the same again while nobody answered.
    ProbeAsked(Box<Probe>),
    /// The spoke says what exists.
    ProbeAnswered {
        /// Id of the question.
        id: Uuid,
        /// What it found.
        answer: Answer,
    },
    /// The wish in the database that is to be told; the same again while nobody answered.
    HealAsked(Box<HealRequest>),
    /// The spoke says what came of a wish.
    HealAnswered {
        /// Which.
        id: Uuid,
        /// What came of it.
        answer: HealAnswer,
    },
    /// The answer to [`Command::LoadBodies`], one body at a time.
    BodyLoaded {
        /// Which.
        digest: Digest,
        /// None if it is not in the database.
        bytes: Option<Vec<u8>>,
    },
    /// Schemas that the spoke's facts name, and that this session is to ask for.
    SchemasLacking(Vec<Digest>),
    /// The spoke tells a schema.
    SchemaTold {
        /// Which.
        digest: Digest,
        /// Its JSON; empty if the cluster does not have it any more.
        bytes: Vec<u8>,
    },
    /// Time passed.
    Tick,
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Store the session with the spoke's fence and facts.
    Attach(Box<Hello>),
    /// Answer Hello.
    Welcome,
    /// Offer a target.
    SendHeader {
        /// The target.
        target: Box<OfferedTarget>,
        /// Bodies that ride with it. One that cannot be loaded is left out: the spoke asks for it.
        inline: Vec<Digest>,
    },
    /// Load bodies, and give each back as [`Event::BodyLoaded`].
    LoadBodies(Vec<Digest>),
    /// Send a body.
    SendBody {
        /// Which.
        digest: Digest,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Tell the spoke that something is not done.
    SendRefused(Refusal),
    /// Store that a target is accepted.
    RecordAccepted {
        /// Its epoch.
        epoch: u64,
        /// Its generation.
        generation: u64,
        /// Its digest.
        target: Digest,
    },
    /// Store that a target is refused.
    RecordRefused(Refusal),
    /// Store a report.
    SaveReport(Report),
    /// Store drift, then confirm `sequence`.
    SaveDrift {
        /// What to confirm.
        sequence: u64,
        /// Generation that the items were seen under.
        generation: u64,
        /// What differs.
        items: Vec<DriftItem>,
        /// Entries of the journal, to be stored whatever becomes of the items.
        heals: Vec<HealEntry>,
    },
    /// Store facts.
    SaveFacts(Box<Facts>),
    /// Ask what exists.
    SendProbe(Box<Probe>),
    /// Store what exists, unless the question is another one by now.
    SaveProbeAnswer {
        /// Id of the question.
        id: Uuid,
        /// What was found.
        answer: Answer,
    },
    /// Tell a wish.
    SendHeal(Box<HealRequest>),
    /// Store what came of a wish.
    SaveHealAnswer {
        /// Which.
        id: Uuid,
        /// What came of it.
        answer: HealAnswer,
    },
    /// Ask for schemas.
    WantSchemas(Vec<Digest>),
    /// Store a schema, by its digest.
    SaveSchema {
        /// It, read.
        schema: Arc<Schema>,
        /// The bytes that it was read from.
        bytes: Vec<u8>,
    },
    /// End the stream.
    Close(CloseReason),
}

/// Why the hub ends a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The spoke began with something else.
    #[error("the first message must be Hello")]
    NotHello,
    /// The spoke said Hello again.
    #[error("Hello came twice")]
    HelloTwice,
    /// The two sides have no version in common.
    #[error("the spoke speaks protocol version {spoke}, this hub {oldest} to {newest}")]
    ProtocolVersion {
        /// What the spoke speaks.
        spoke: u32,
        /// The oldest that the hub speaks.
        oldest: u32,
        /// The newest.
        newest: u32,
    },
    /// Too many mistakes.
    #[error("too many messages that make no sense, the last one: {0}")]
    Mistakes(Mistake),
}

/// A message that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// An answer to a target that this session did not offer.
    #[error("a target that was not offered in this session was answered")]
    AnsweredUnoffered,
    /// A report of a target that the spoke did not accept.
    #[error("a target that was not accepted was reported on")]
    ReportedUnaccepted,
    /// Too many bodies at once.
    #[error("too many bodies were asked for at once")]
    WantedTooMuch,
    /// A body that was not offered.
    #[error("a body that was not offered in this session was asked for")]
    WantedUnoffered,
    /// An answer to a question that was not asked, or was answered already.
    #[error("a question that is not open in this session was answered")]
    AnsweredUnasked,
    /// A schema that was not asked for, or that is another one, or none.
    #[error("a schema was told that is not the one that was asked for in this session")]
    OtherSchema,
    /// A drift report that does not come after the last one.
    #[error("the sequence of drift reports must rise")]
    DriftSequence,
}

impl Mistake {
    /// The code under which the spoke is told.
    #[must_use]
    pub fn code(self) -> RefusalCode {
        match self {
            Self::WantedUnoffered => RefusalCode::NotOffered,
            Self::AnsweredUnoffered
            | Self::ReportedUnaccepted
            | Self::WantedTooMuch
            | Self::AnsweredUnasked
            | Self::OtherSchema
            | Self::DriftSequence => RefusalCode::Protocol,
        }
    }
}
