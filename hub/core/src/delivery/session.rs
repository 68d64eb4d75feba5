//! The machine itself.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::RangeInclusive,
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{CloseReason, Command, Event, Hello, Mistake, OfferedTarget, asked::AskedQuestions};
use crate::{
    digest::Digest,
    drift::{DriftItem, HealAnswer, HealEntry, HealRequest},
    probe::{Answer, Probe},
    report::{Fence, Refusal, Report},
    schema::Schema,
};

/// Headers of a session that can still be answered. A spoke answers in order and a target lives for minutes at least;
/// an answer to an older one is a mistake.
const REMEMBERED_HEADERS: usize = 8;

/// Digests in one Want: no plan has as many bodies.
pub(super) const MOST_WANTED: usize = 4096;

/// Bytes of bodies that ride with a header, together: what a small change needs. More is asked for, body by body.
pub(super) const INLINE_BYTES: u64 = 64 * 1024;

/// Mistakes before the stream is closed: one may be a race, five are a broken or hostile spoke.
pub(super) const STRIKES: u8 = 5;

/// A refusal that passes by itself is answered by the same offer after this long.
pub(super) const OFFER_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(5);

/// One session of a spoke.
#[derive(Debug)]
pub struct Session {
    versions: RangeInclusive<u32>,
    state: State,
}

#[derive(Debug)]
enum State {
    New,
    Open(Box<Open>),
    Closed,
}

/// A session after Hello.
#[derive(Debug)]
struct Open {
    fence: Option<Fence>,
    target: Option<OfferedTarget>,
    /// Newest last.
    headers: VecDeque<Header>,
    /// What is on its way out of the database, and for which generation it was asked.
    loading: BTreeMap<Digest, u64>,
    offer_again_at: Option<Timestamp>,
    /// What was asked about the cluster.
    probes: AskedQuestions,
    /// Wishes of people.
    heals: AskedQuestions,
    /// Schemas that were asked for and not told.
    schemas: BTreeSet<Digest>,
    drift_sequence: u64,
    strikes: u8,
}

/// What of a sent header can be answered.
#[derive(Debug)]
struct Header {
    epoch: u64,
    generation: u64,
    target: Digest,
    bodies: BTreeSet<Digest>,
}

/// How a target of the database stands to what a session knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It was looked at before.
    Known,
    /// The spoke has accepted it.
    Accepted(Fence),
    /// The spoke is ahead of the database, or of a hub's later life: only a person can decide who is right.
    Behind,
    /// It is to be offered.
    Lacking,
}

impl Session {
    /// A session that waits for Hello. `versions` are those that this hub speaks.
    #[must_use]
    pub fn new(versions: RangeInclusive<u32>) -> Self {
        Self { versions, state: State::New }
    }

    /// Takes an event, and says what is to be done, in order.
    pub fn on(&mut self, event: Event, now: Timestamp) -> Vec<Command> {
        let commands = match (&mut self.state, event) {
            (State::Closed, _) => Vec::new(),
            (State::New, Event::Hello(hello)) => self.begin(hello),
            (
                State::New,
                Event::TargetChanged(_)
                | Event::ProbeAsked(_)
                | Event::HealAsked(_)
                | Event::BodyLoaded { .. }
                | Event::SchemasLacking(_)
                | Event::Tick,
            ) => Vec::new(),
            (State::New, _) => vec![Command::Close(CloseReason::NotHello)],
            (State::Open(_), Event::Hello(_)) => vec![Command::Close(CloseReason::HelloTwice)],
            (State::Open(open), event) => open.on(event, now),
        };
        if commands.iter().any(|command| matches!(command, Command::Close(_))) {
            self.state = State::Closed;
        }
        commands
    }

    /// Whether a target would be offered now. One that would not needs none of its bodies: the fleet comes back after each
    /// restart of a hub, and most of it has what it should.
    #[must_use]
    pub fn lacks(&self, generation: u64, digest: Digest) -> bool {
        match &self.state {
            State::Open(open) => open.standing(generation, digest) == Standing::Lacking,
            State::New | State::Closed => false,
        }
    }

    fn begin(&mut self, hello: Box<Hello>) -> Vec<Command> {
        let spoke = hello.protocol_version;
        if !self.versions.contains(&spoke) {
            let (oldest, newest) = (*self.versions.start(), *self.versions.end());
            return vec![Command::Close(CloseReason::ProtocolVersion { spoke, oldest, newest })];
        }
        self.state = State::Open(Box::new(Open::new(hello.fence)));
        vec![Command::Attach(hello), Command::Welcome]
    }
}

impl Open {
    fn new(fence: Option<Fence>) -> Self {
        Self {
            fence,
            target: None,
            headers: VecDeque::new(),
            loading: BTreeMap::new(),
            offer_again_at: None,
            probes: AskedQuestions::default(),
            heals: AskedQuestions::default(),
            schemas: BTreeSet::new(),
            drift_sequence: 0,
            strikes: 0,
        }
    }

    fn on(&mut self, event: Event, now: Timestamp) -> Vec<Command> {
        match event {
            Event::TargetChanged(target) => self.target_changed(*target),
            Event::Accepted { epoch, generation, target } => self.accepted(epoch, generation, target),
            Event::Refused(refusal) => self.refused(refusal, now),
            Event::Want { generation, digests } => self.want(generation, digests),
            Event::BodyLoaded { digest, bytes } => self.body_loaded(digest, bytes),
            Event::Report(report) => self.report(report),
            Event::Drift { sequence, generation, items, heals } => {
                self.drift((sequence, generation), items, heals)
            }
            Event::Facts(facts) => vec![Command::SaveFacts(facts)],
            Event::ProbeAsked(probe) => self.probe_asked(*probe),
            Event::ProbeAnswered { id, answer } => self.probe_answered(id, answer),
            Event::HealAsked(heal) => self.heal_asked(*heal),
            Event::HealAnswered { id, answer } => self.heal_answered(id, answer),
            Event::SchemasLacking(digests) => self.schemas_lacking(digests),
            Event::SchemaTold { digest, bytes } => self.schema_told(digest, bytes),
            Event::Tick => self.tick(now),
            Event::Hello(_) | Event::Heartbeat => Vec::new(),
        }
    }

    /// How a target of the database stands to what this session knows. A level: the same target again is nothing new, and
    /// one older than what was offered is a read that came late.
    fn standing(&self, generation: u64, digest: Digest) -> Standing {
        let known = self.target.as_ref().map_or(0, |known| known.generation);
        match self.fence {
            _ if generation <= known => Standing::Known,
            Some(fence) if (fence.generation, fence.target) == (generation, digest) => {
                Standing::Accepted(fence)
            }
            Some(fence) if fence.generation >= generation => Standing::Behind,
            Some(_) | None => Standing::Lacking,
        }
    }

    fn target_changed(&mut self, target: OfferedTarget) -> Vec<Command> {
        let commands = match self.standing(target.generation, target.digest) {
            Standing::Known => return Vec::new(),
            // The hub may have been killed before it stored the acceptance, so it is stored again.
            Standing::Accepted(Fence { epoch, generation, target, .. }) => {
                vec![Command::RecordAccepted { epoch, generation, target }]
            }
            // The spoke is ahead of the database: only a person can decide who is right.
            Standing::Behind => Vec::new(),
            // To a hub of a former life the spoke itself says so, which a person then sees.
            Standing::Lacking => vec![self.send_header(&target)],
        };
        self.offer_again_at = None;
        self.target = Some(target);
        commands
    }

    fn send_header(&mut self, target: &OfferedTarget) -> Command {
        self.headers.retain(|header| header.generation != target.generation);
        if self.headers.len() == REMEMBERED_HEADERS {
            self.headers.pop_front();
        }
        self.headers.push_back(Header {
            epoch: target.epoch,
            generation: target.generation,
            target: target.digest,
            bodies: target.bodies.keys().copied().collect(),
        });
        Command::SendHeader { target: Box::new(target.clone()), inline: inline(target) }
    }

    fn accepted(&mut self, epoch: u64, generation: u64, target: Digest) -> Vec<Command> {
        let offered = self
            .headers
            .iter()
            .any(|header| (header.epoch, header.generation, header.target) == (epoch, generation, target));
        if !offered {
            return self.mistake(Mistake::AnsweredUnoffered, generation);
        }
        self.offer_again_at = None;
        // An acceptance that was overtaken by the next one moves no fence back.
        if self.fence.is_none_or(|fence| fence.generation < generation) {
            let completed = self.fence.map_or(0, |fence| fence.completed);
            self.fence = Some(Fence { epoch, generation, target, completed });
        }
        vec![Command::RecordAccepted { epoch, generation, target }]
    }

    /// A spoke that cannot read a target cannot say its generation either: then it means the newest one.
    fn refused(&mut self, mut refusal: Refusal, now: Timestamp) -> Vec<Command> {
        if let (0, Some(newest)) = (refusal.generation, self.headers.back()) {
            refusal.generation = newest.generation;
        }
        if !self.headers.iter().any(|header| header.generation == refusal.generation) {
            return self.mistake(Mistake::AnsweredUnoffered, refusal.generation);
        }
        let newest = self.target.as_ref().is_some_and(|target| target.generation == refusal.generation);
        let reached = self.fence.is_some_and(|fence| fence.generation >= refusal.generation);
        if newest && !reached && refusal.code.passes() {
            self.offer_again_at = Some(now + OFFER_AGAIN_AFTER);
        }
        vec![Command::RecordRefused(refusal)]
    }

    fn tick(&mut self, now: Timestamp) -> Vec<Command> {
        let due = self.offer_again_at.is_some_and(|at| at <= now);
        match (due, self.target.take()) {
            (true, Some(target)) => {
                self.offer_again_at = None;
                let header = self.send_header(&target);
                self.target = Some(target);
                vec![header]
            }
            (_, target) => {
                self.target = target;
                Vec::new()
            }
        }
    }

    fn want(&mut self, generation: u64, digests: Vec<Digest>) -> Vec<Command> {
        if digests.len() > MOST_WANTED {
            return self.mistake(Mistake::WantedTooMuch, generation);
        }
        let header = self.headers.iter().find(|header| header.generation == generation);
        let offered = |digest: &Digest| header.is_some_and(|header| header.bodies.contains(digest));
        if !digests.iter().all(offered) || header.is_none() {
            return self.mistake(Mistake::WantedUnoffered, generation);
        }
        // What is on its way already comes once.
        let wanted: Vec<Digest> =
            digests.into_iter().filter(|digest| self.loading.insert(*digest, generation).is_none()).collect();
        if wanted.is_empty() { Vec::new() } else { vec![Command::LoadBodies(wanted)] }
    }

    fn body_loaded(&mut self, digest: Digest, bytes: Option<Vec<u8>>) -> Vec<Command> {
        let Some(generation) = self.loading.remove(&digest) else { return Vec::new() };
        match bytes {
            Some(bytes) => vec![Command::SendBody { digest, bytes }],
            // The hub's own loss, so it costs the spoke nothing; it reads the same.
            None => vec![refusal(Mistake::WantedUnoffered, generation)],
        }
    }

    fn report(&mut self, report: Report) -> Vec<Command> {
        match self.fence {
            Some(fence) if (fence.generation, fence.target) == (report.generation, report.target) => {
                vec![Command::SaveReport(report)]
            }
            // Sent before the spoke knew better.
            Some(fence) if report.generation < fence.generation => Vec::new(),
            Some(_) | None => self.mistake(Mistake::ReportedUnaccepted, report.generation),
        }
    }

    fn drift(
        &mut self,
        (sequence, generation): (u64, u64),
        items: Vec<DriftItem>,
        heals: Vec<HealEntry>,
    ) -> Vec<Command> {
        if sequence <= self.drift_sequence {
            return self.mistake(Mistake::DriftSequence, generation);
        }
        match self.fence {
            Some(fence) if fence.generation == generation => {
                self.drift_sequence = sequence;
                vec![Command::SaveDrift { sequence, generation, items, heals }]
            }
            Some(fence) if generation < fence.generation => Vec::new(),
            Some(_) | None => self.mistake(Mistake::ReportedUnaccepted, generation),
        }
    }

    fn probe_asked(&mut self, probe: Probe) -> Vec<Command> {
        if self.probes.ask(probe.id) { vec![Command::SendProbe(Box::new(probe))] } else { Vec::new() }
    }

    fn probe_answered(&mut self, id: Uuid, answer: Answer) -> Vec<Command> {
        if self.probes.answer(id) {
            vec![Command::SaveProbeAnswer { id, answer }]
        } else {
            self.mistake(Mistake::AnsweredUnasked, 0)
        }
    }

    fn heal_asked(&mut self, heal: HealRequest) -> Vec<Command> {
        if self.heals.ask(heal.id) { vec![Command::SendHeal(Box::new(heal))] } else { Vec::new() }
    }

    fn heal_answered(&mut self, id: Uuid, answer: HealAnswer) -> Vec<Command> {
        if self.heals.answer(id) {
            vec![Command::SaveHealAnswer { id, answer }]
        } else {
            self.mistake(Mistake::AnsweredUnasked, 0)
        }
    }

    fn schemas_lacking(&mut self, mut digests: Vec<Digest>) -> Vec<Command> {
        digests.retain(|digest| self.schemas.insert(*digest));
        if digests.is_empty() { Vec::new() } else { vec![Command::WantSchemas(digests)] }
    }

    fn schema_told(&mut self, digest: Digest, bytes: Vec<u8>) -> Vec<Command> {
        if !self.schemas.remove(&digest) {
            return self.mistake(Mistake::OtherSchema, 0);
        }
        // It changed since: the facts say so, too.
        if bytes.is_empty() {
            return Vec::new();
        }
        match Schema::parse(&bytes) {
            Ok(schema) if schema.digest() == digest => {
                vec![Command::SaveSchema { schema: Arc::new(schema), bytes }]
            }
            Ok(_) | Err(_) => self.mistake(Mistake::OtherSchema, 0),
        }
    }

    fn mistake(&mut self, mistake: Mistake, generation: u64) -> Vec<Command> {
        self.strikes += 1;
        let mut commands = vec![refusal(mistake, generation)];
        if self.strikes >= STRIKES {
            commands.push(Command::Close(CloseReason::Mistakes(mistake)));
        }
        commands
    }
}

/// What rides with the header: everything that the spoke probably lacks, the plan document too, or nothing if that is too
/// much.
fn inline(target: &OfferedTarget) -> Vec<Digest> {
    let lacking = || target.bodies.iter().filter(|(digest, _)| !target.accepted.contains(digest));
    let bytes = lacking().fold(0_u64, |sum, (_, size)| sum.saturating_add(*size));
    if bytes > INLINE_BYTES { Vec::new() } else { lacking().map(|(digest, _)| *digest).collect() }
}

fn refusal(mistake: Mistake, generation: u64) -> Command {
    Command::SendRefused(Refusal { generation, code: mistake.code(), message: mistake.to_string() })
}
