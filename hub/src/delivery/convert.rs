//! Messages of spokes, read: whole, with their fields bounded. A spoke may be broken or hostile; what it says is never
//! larger than it may be, and has no control characters when it gets to a log, a row or a terminal.

mod facts;
mod heal;
mod probe;

pub(super) use heal::wire_heal;

use hub_core::{
    delivery::{Event, Hello},
    digest::Digest,
    drift::{Actor, DriftClass, DriftItem, DriftState, MOST_HEAL_ENTRIES},
    plan::ObjectId,
    report::{Fence, ObjectState, Outcome, Phase, Refusal, RefusalCode, Report, Role},
};
use jiff::Timestamp;
use proto::v1::{self, from_spoke::Message};

/// A message that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub(super) struct Error {
    /// The field, as the `.proto` files name it.
    pub(super) field: &'static str,
    /// What is wrong with it.
    pub(super) why: String,
}

/// Objects in one report; a plan has at most half as many.
const MOST_OBJECTS: usize = 4_000;

/// Drift items in one report.
const MOST_DRIFT_ITEMS: usize = 10_000;

/// Bytes of a schema.
const MOST_SCHEMA_BYTES: usize = 1024 * 1024;

/// Longest sentence for people, in bytes.
const LONGEST_MESSAGE: usize = 4 * 1024;

/// Longest value of a field that drifted, in bytes: it is shown, and compared by its digest only.
const LONGEST_VALUE: usize = 16 * 1024;

/// Longest name of anything in Kubernetes, in bytes.
const LONGEST_NAME: usize = 253;

/// Longest path of a field, in bytes.
const LONGEST_PATH: usize = 2 * 1024;

pub(super) fn wrong(field: &'static str, why: impl Into<String>) -> Error {
    Error { field, why: why.into() }
}

/// Reads a message.
pub(super) fn event(message: v1::FromSpoke) -> Result<Event, Error> {
    let v1::FromSpoke { trace: _, message } = message;
    match message.ok_or_else(|| wrong("message", "is missing, or of a kind that this hub does not know"))? {
        Message::Hello(message) => hello(message).map(|hello| Event::Hello(Box::new(hello))),
        Message::Accepted(v1::Accepted { epoch, generation, target_digest }) => Ok(Event::Accepted {
            epoch: number("accepted.epoch", epoch)?,
            generation: number("accepted.generation", generation)?,
            target: digest("accepted.target_digest", &target_digest)?,
        }),
        Message::Refused(message) => refusal(message).map(Event::Refused),
        Message::Want(v1::Want { generation, digests }) => Ok(Event::Want {
            generation: number("want.generation", generation)?,
            digests: digests.iter().map(|bytes| digest("want.digests", bytes)).collect::<Result<_, _>>()?,
        }),
        Message::Report(message) => report(message).map(Event::Report),
        Message::Heartbeat(v1::Heartbeat {}) => Ok(Event::Heartbeat),
        Message::Drift(v1::DriftReport { sequence, generation, items, heals }) => {
            at_most("drift.items", items.len(), MOST_DRIFT_ITEMS)?;
            at_most("drift.heals", heals.len(), MOST_HEAL_ENTRIES)?;
            Ok(Event::Drift {
                sequence,
                generation: number("drift.generation", generation)?,
                items: items.into_iter().map(drift_item).collect::<Result<_, _>>()?,
                heals: heals.into_iter().map(heal::entry).collect::<Result<_, _>>()?,
            })
        }
        Message::Facts(message) => facts::facts(message).map(|facts| Event::Facts(Box::new(facts))),
        Message::ProbeAnswer(message) => probe::answer(message),
        Message::HealAnswer(message) => heal::answer(message),
        Message::Schema(v1::SchemaAnswer { digest: named, schema }) => {
            at_most("schema.schema", schema.len(), MOST_SCHEMA_BYTES)?;
            Ok(Event::SchemaTold { digest: digest("schema.digest", &named)?, bytes: schema })
        }
    }
}

fn hello(message: v1::Hello) -> Result<Hello, Error> {
    let v1::Hello { protocol_version, spoke_version, fence, kube_system_uid, facts } = message;
    let facts = facts.ok_or_else(|| wrong("hello.facts", "is missing"))?;
    Ok(Hello {
        protocol_version,
        spoke_version: sentence(&spoke_version, 64),
        fence: fence.map(read_fence).transpose()?,
        kube_system_uid: word("hello.kube_system_uid", kube_system_uid)?,
        facts: facts::facts(facts)?,
    })
}

fn read_fence(message: v1::Fence) -> Result<Fence, Error> {
    let v1::Fence { epoch, generation, target_digest, completed_generation } = message;
    Ok(Fence {
        epoch: number("hello.fence.epoch", epoch)?,
        generation: number("hello.fence.generation", generation)?,
        target: digest("hello.fence.target_digest", &target_digest)?,
        completed: number("hello.fence.completed_generation", completed_generation)?,
    })
}

fn refusal(message: v1::Refused) -> Result<Refusal, Error> {
    use v1::RefusalCode as Wire;
    let code = match message.code() {
        Wire::Unspecified => return Err(unknown("refused.code")),
        Wire::StaleGeneration => RefusalCode::StaleGeneration,
        Wire::StaleEpoch => RefusalCode::StaleEpoch,
        Wire::GenerationConflict => RefusalCode::GenerationConflict,
        Wire::WrongCluster => RefusalCode::WrongCluster,
        Wire::Malformed => RefusalCode::Malformed,
        Wire::Floor => RefusalCode::Floor,
        Wire::NotOffered => RefusalCode::NotOffered,
        Wire::Protocol => RefusalCode::Protocol,
        Wire::Unavailable => RefusalCode::Unavailable,
    };
    let v1::Refused { code: _, generation, message } = message;
    let generation = number("refused.generation", generation)?;
    Ok(Refusal { generation, code, message: sentence(&message, LONGEST_MESSAGE) })
}

/// A refusal, written.
pub(super) fn refused(refusal: Refusal) -> v1::Refused {
    use v1::RefusalCode as Wire;
    let Refusal { generation, code, message } = refusal;
    let code = match code {
        RefusalCode::StaleGeneration => Wire::StaleGeneration,
        RefusalCode::StaleEpoch => Wire::StaleEpoch,
        RefusalCode::GenerationConflict => Wire::GenerationConflict,
        RefusalCode::WrongCluster => Wire::WrongCluster,
        RefusalCode::Malformed => Wire::Malformed,
        RefusalCode::Floor => Wire::Floor,
        RefusalCode::NotOffered => Wire::NotOffered,
        RefusalCode::Protocol => Wire::Protocol,
        RefusalCode::Unavailable => Wire::Unavailable,
    };
    v1::Refused { code: code.into(), generation, message }
}

fn report(message: v1::Report) -> Result<Report, Error> {
    use v1::TargetPhase as Wire;
    let phase = match message.phase() {
        Wire::Unspecified => return Err(unknown("report.phase")),
        Wire::Applying => Phase::Applying,
        Wire::Converging => Phase::Converging,
        Wire::Healthy => Phase::Healthy,
        Wire::Unhealthy => Phase::Unhealthy,
        Wire::Failed => Phase::Failed,
    };
    let v1::Report { generation, target_digest, phase: _, message, objects, completed_generation, frozen } =
        message;
    at_most("report.objects", objects.len(), MOST_OBJECTS)?;
    Ok(Report {
        generation: number("report.generation", generation)?,
        target: digest("report.target_digest", &target_digest)?,
        phase,
        message: sentence(&message, LONGEST_MESSAGE),
        objects: objects.into_iter().map(object_state).collect::<Result<_, _>>()?,
        completed: number("report.completed_generation", completed_generation)?,
        frozen: (!frozen.is_empty()).then(|| sentence(&frozen, LONGEST_MESSAGE)),
    })
}

fn object_state(message: v1::ObjectState) -> Result<ObjectState, Error> {
    let (role, outcome) = (role(message.role())?, outcome(message.outcome())?);
    let v1::ObjectState { id, role: _, uid, body_digest, outcome: _, healthy, message, generation } = message;
    let body = (!body_digest.is_empty()).then(|| digest("report.objects.body_digest", &body_digest));
    Ok(ObjectState {
        id: object_id(id)?,
        role,
        uid: word("report.objects.uid", uid)?,
        body: body.transpose()?,
        outcome,
        healthy,
        message: sentence(&message, LONGEST_MESSAGE),
        generation: number("report.objects.generation", generation)?,
    })
}

fn role(role: v1::Role) -> Result<Role, Error> {
    match role {
        v1::Role::Unspecified => Err(unknown("report.objects.role")),
        v1::Role::Created => Ok(Role::Created),
        v1::Role::Adopted => Ok(Role::Adopted),
        v1::Role::Expected => Ok(Role::Expected),
        v1::Role::Addition => Ok(Role::Addition),
        v1::Role::Instance => Ok(Role::Instance),
    }
}

fn outcome(outcome: v1::Outcome) -> Result<Outcome, Error> {
    use v1::Outcome as Wire;
    match outcome {
        Wire::Unspecified => Err(unknown("report.objects.outcome")),
        Wire::Pending => Ok(Outcome::Pending),
        Wire::Created => Ok(Outcome::Created),
        Wire::Changed => Ok(Outcome::Changed),
        Wire::Unchanged => Ok(Outcome::Unchanged),
        Wire::Deleted => Ok(Outcome::Deleted),
        Wire::Conflict => Ok(Outcome::Conflict),
        Wire::AdoptionRequired => Ok(Outcome::AdoptionRequired),
        Wire::Rejected => Ok(Outcome::Rejected),
        Wire::Unreachable => Ok(Outcome::Unreachable),
        Wire::Left => Ok(Outcome::Left),
        Wire::Unfulfilled => Ok(Outcome::Unfulfilled),
        Wire::Fulfilled => Ok(Outcome::Fulfilled),
        Wire::InUse => Ok(Outcome::InUse),
    }
}

fn drift_item(message: v1::DriftItem) -> Result<DriftItem, Error> {
    let class = drift_class("drift.items.class", message.class())?;
    let state = match message.state() {
        // One that is older than these states heals nothing.
        v1::DriftState::Unspecified | v1::DriftState::Seen => DriftState::Seen,
        v1::DriftState::Healing => DriftState::Healing,
        v1::DriftState::Fighting => DriftState::Fighting,
    };
    let v1::DriftItem {
        id,
        uid,
        path,
        class: _,
        baseline,
        found,
        found_digest,
        manager,
        operation,
        subresource,
        written_at,
        state: _,
        heals,
    } = message;
    let found_digest = (!found_digest.is_empty()).then(|| digest("drift.items.found_digest", &found_digest));
    Ok(DriftItem {
        id: object_id(id)?,
        uid: word("drift.items.uid", uid)?,
        path: bounded("drift.items.path", path, LONGEST_PATH)?,
        class,
        baseline: value(&baseline),
        found: value(&found),
        found_digest: found_digest.transpose()?,
        actor: actor(manager, operation, subresource, &written_at)?,
        state,
        heals,
    })
}

fn drift_class(field: &'static str, class: v1::DriftClass) -> Result<DriftClass, Error> {
    match class {
        v1::DriftClass::Unspecified => Err(unknown(field)),
        v1::DriftClass::Overwritten => Ok(DriftClass::Overwritten),
        v1::DriftClass::Removed => Ok(DriftClass::Removed),
        v1::DriftClass::Deleted => Ok(DriftClass::Deleted),
        v1::DriftClass::Recreated => Ok(DriftClass::Recreated),
        v1::DriftClass::Unfulfilled => Ok(DriftClass::Unfulfilled),
    }
}

/// JSON of a value; none where there is none.
fn value(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| sentence(text, LONGEST_VALUE))
}

/// None where managedFields name nobody.
fn actor(
    manager: String,
    operation: String,
    subresource: String,
    written_at: &str,
) -> Result<Option<Actor>, Error> {
    if manager.is_empty() {
        return Ok(None);
    }
    let at = (!written_at.is_empty()).then(|| written_at.parse::<Timestamp>());
    Ok(Some(Actor {
        manager: sentence(&manager, LONGEST_NAME),
        operation: sentence(&operation, LONGEST_NAME),
        subresource: sentence(&subresource, LONGEST_NAME),
        at: at.transpose().map_err(|_| wrong("drift.items.written_at", "is no time of RFC 3339"))?,
    }))
}

fn object_id(message: Option<v1::ObjectId>) -> Result<ObjectId, Error> {
    let v1::ObjectId { group, version, kind, namespace, name } =
        message.ok_or_else(|| wrong("id", "is missing"))?;
    if version.is_empty() || kind.is_empty() || name.is_empty() {
        return Err(wrong("id", "needs version, kind and name"));
    }
    Ok(ObjectId {
        group: word("id.group", group)?,
        version: word("id.version", version)?,
        kind: word("id.kind", kind)?,
        namespace: word("id.namespace", namespace)?,
        name: word("id.name", name)?,
    })
}

/// An object's identity, written.
pub(super) fn wire_object_id(id: ObjectId) -> v1::ObjectId {
    let ObjectId { group, version, kind, namespace, name } = id;
    v1::ObjectId { group, version, kind, namespace, name }
}

fn digest(field: &'static str, bytes: &[u8]) -> Result<Digest, Error> {
    Digest::try_from(bytes).map_err(|error| wrong(field, error.to_string()))
}

/// What the database can hold: its numbers have a sign.
fn number(field: &'static str, number: u64) -> Result<u64, Error> {
    if i64::try_from(number).is_ok() {
        Ok(number)
    } else {
        Err(wrong(field, "is larger than any number here"))
    }
}

fn at_most(field: &'static str, count: usize, most: usize) -> Result<(), Error> {
    if count > most {
        Err(wrong(field, format!("has {count} items, at most {most} are taken")))
    } else {
        Ok(())
    }
}

/// A name or an id: taken as it is or not at all, because a shortened one would be another's.
fn word(field: &'static str, text: String) -> Result<String, Error> {
    bounded(field, text, LONGEST_NAME)
}

fn bounded(field: &'static str, text: String, longest: usize) -> Result<String, Error> {
    if text.len() > longest {
        return Err(wrong(field, format!("has {} bytes, at most {longest} are taken", text.len())));
    }
    if text.chars().any(char::is_control) {
        return Err(wrong(field, "has control characters"));
    }
    Ok(text)
}

/// A text for people: control characters become spaces, and what is too long is cut.
fn sentence(text: &str, longest: usize) -> String {
    let cut = &text[..text.floor_char_boundary(longest)];
    let mut said: String = cut.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if cut.len() < text.len() {
        said.push('…');
    }
    said
}

fn unknown(field: &'static str) -> Error {
    wrong(field, "is not set, or has a value that this hub does not know")
}

#[cfg(test)]
mod tests;
