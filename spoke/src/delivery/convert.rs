//! Between the wire's types and the spoke's own.

use proto::v1::{self, from_spoke::Message};

use super::{
    intake::{Header, Piece},
    schemas,
};
use crate::{
    agent::Drift,
    digest::{Digest, NotADigest},
    document::ObjectId,
    drift::{self, Actor, Class, Item, State},
    fence::Fence,
    heal,
    probe::{self, Answer, Asked, Question},
    refusal::{Code, Refusal},
    report::{ObjectState, Outcome, Phase, Report, Role},
    rights,
};

fn id(id: &ObjectId) -> v1::ObjectId {
    let ObjectId { group, version, kind, namespace, name } = id.clone();
    v1::ObjectId { group, version, kind, namespace, name }
}

fn bytes(digest: Digest) -> Vec<u8> {
    digest.as_bytes().to_vec()
}

pub(super) fn fence(fence: &Fence) -> v1::Fence {
    let Fence { epoch, generation, target, completed } = *fence;
    v1::Fence { epoch, generation, target_digest: bytes(target), completed_generation: completed }
}

pub(super) fn accepted(fence: &Fence) -> Message {
    let Fence { epoch, generation, target, completed: _ } = *fence;
    Message::Accepted(v1::Accepted { epoch, generation, target_digest: bytes(target) })
}

pub(super) fn refused(refusal: &Refusal) -> Message {
    let code = match refusal.code {
        Code::StaleGeneration => v1::RefusalCode::StaleGeneration,
        Code::StaleEpoch => v1::RefusalCode::StaleEpoch,
        Code::GenerationConflict => v1::RefusalCode::GenerationConflict,
        Code::WrongCluster => v1::RefusalCode::WrongCluster,
        Code::Malformed => v1::RefusalCode::Malformed,
        Code::Floor => v1::RefusalCode::Floor,
        Code::Protocol => v1::RefusalCode::Protocol,
        Code::Unavailable => v1::RefusalCode::Unavailable,
    };
    let Refusal { code: _, generation, message } = refusal.clone();
    Message::Refused(v1::Refused { code: code.into(), generation, message })
}

pub(super) fn want(generation: u64, digests: &[Digest]) -> Message {
    Message::Want(v1::Want { generation, digests: digests.iter().copied().map(bytes).collect() })
}

/// A header: the target, the offers, and the bodies that came with it.
pub(super) fn header(header: v1::Header) -> Result<Header, NotADigest> {
    let v1::Header { target, offers, bodies } = header;
    let offer = |v1::Offer { digest, size }| Ok((Digest::try_from(digest.as_slice())?, size));
    let body = |v1::OfferedBody { digest, data }| Ok((Digest::try_from(digest.as_slice())?, data));
    Ok(Header {
        target,
        offers: offers.into_iter().map(offer).collect::<Result<_, _>>()?,
        bodies: bodies.into_iter().map(body).collect::<Result<_, _>>()?,
    })
}

/// A question, unless it is larger than the spoke answers.
pub(super) fn question(probe: v1::Probe) -> Result<Question, String> {
    let v1::Probe { id, objects, rights } = probe;
    let bytes: usize = objects.iter().map(|object| object.manifest.len()).sum();
    if objects.len() > probe::MAX_OBJECTS || bytes > probe::MAX_BYTES {
        return Err(format!(
            "a probe of {} objects and {bytes} bytes; at most {} and {} are taken",
            objects.len(),
            probe::MAX_OBJECTS,
            probe::MAX_BYTES
        ));
    }
    let most_verbs = rights.iter().map(|right| right.verbs.len()).max().unwrap_or_default();
    if rights.len() > rights::MAX_RIGHTS || most_verbs > rights::MAX_VERBS {
        return Err(format!(
            "a probe of {} rights of {most_verbs} verbs; at most {} of {} are taken",
            rights.len(),
            rights::MAX_RIGHTS,
            rights::MAX_VERBS
        ));
    }
    let read = |id: Option<v1::ObjectId>| {
        let v1::ObjectId { group, version, kind, namespace, name } = id.ok_or("a probed object has no id")?;
        Ok::<_, String>(ObjectId { group, version, kind, namespace, name })
    };
    let asked = |v1::ProbedObject { id, manifest }| Ok::<_, String>(Asked { id: read(id)?, manifest });
    let needed = |v1::NeededRight { id, verbs }| Ok::<_, String>(rights::Needed { id: read(id)?, verbs });
    Ok(Question {
        id,
        objects: objects.into_iter().map(asked).collect::<Result<_, _>>()?,
        rights: rights.into_iter().map(needed).collect::<Result<_, _>>()?,
    })
}

pub(super) fn probe_answer(answer: Answer) -> Message {
    let Answer { id, objects, rights } = answer;
    Message::ProbeAnswer(v1::ProbeAnswer {
        id,
        objects: objects.into_iter().map(probed).collect(),
        rights: rights.into_iter().map(right).collect(),
    })
}

fn right(right: rights::Right) -> v1::RightState {
    let unknown = v1::RightState { id: Some(id(&right.id)), ..v1::RightState::default() };
    match right.held {
        Err(error) => v1::RightState { error, ..unknown },
        Ok(None) => unknown,
        Ok(Some(rights::Held { resource, lacks })) => v1::RightState { resource, lacks, ..unknown },
    }
}

fn probed(state: probe::State) -> v1::ProbedState {
    let unknown = v1::ProbedState { id: Some(id(&state.id)), ..v1::ProbedState::default() };
    match state.found {
        Err(error) => v1::ProbedState { error, ..unknown },
        Ok(None) => unknown,
        Ok(Some(probe::Found { uid, ours, managers, differs, error })) => v1::ProbedState {
            exists: true,
            uid,
            ours,
            managers: managers.into_iter().collect(),
            differs,
            error,
            ..unknown
        },
    }
}

pub(super) fn piece(chunk: v1::BodyChunk) -> Result<Piece, NotADigest> {
    let v1::BodyChunk { digest, offset, data, last } = chunk;
    Ok(Piece { digest: Digest::try_from(digest.as_slice())?, offset, data, last })
}

pub(super) fn report(report: &Report) -> Message {
    let phase = match report.phase {
        Phase::Applying => v1::TargetPhase::Applying,
        Phase::Converging => v1::TargetPhase::Converging,
        Phase::Healthy => v1::TargetPhase::Healthy,
        Phase::Unhealthy => v1::TargetPhase::Unhealthy,
        Phase::Failed => v1::TargetPhase::Failed,
    };
    Message::Report(v1::Report {
        generation: report.generation,
        target_digest: bytes(report.target),
        phase: phase.into(),
        message: report.message.clone(),
        objects: report.objects.iter().map(object).collect(),
        completed_generation: report.completed,
        frozen: report.frozen.clone(),
    })
}

fn object(state: &ObjectState) -> v1::ObjectState {
    let role = match state.role {
        Role::Created => v1::Role::Created,
        Role::Adopted => v1::Role::Adopted,
        Role::Expected => v1::Role::Expected,
        Role::Addition => v1::Role::Addition,
        Role::Instance => v1::Role::Instance,
    };
    v1::ObjectState {
        id: Some(id(&state.id)),
        role: role.into(),
        uid: state.uid.clone(),
        body_digest: state.body.map(bytes).unwrap_or_default(),
        outcome: outcome(state.outcome).into(),
        healthy: state.healthy,
        message: state.message.clone(),
        generation: state.generation,
    }
}

fn outcome(outcome: Outcome) -> v1::Outcome {
    match outcome {
        Outcome::Pending => v1::Outcome::Pending,
        Outcome::Created => v1::Outcome::Created,
        Outcome::Changed => v1::Outcome::Changed,
        Outcome::Unchanged => v1::Outcome::Unchanged,
        Outcome::Deleted => v1::Outcome::Deleted,
        Outcome::Conflict => v1::Outcome::Conflict,
        Outcome::AdoptionRequired => v1::Outcome::AdoptionRequired,
        Outcome::Rejected => v1::Outcome::Rejected,
        Outcome::Unreachable => v1::Outcome::Unreachable,
        Outcome::Left => v1::Outcome::Left,
        Outcome::Unfulfilled => v1::Outcome::Unfulfilled,
        Outcome::Fulfilled => v1::Outcome::Fulfilled,
        Outcome::InUse => v1::Outcome::InUse,
    }
}

pub(super) fn drift(sequence: u64, drift: &Drift) -> Message {
    let Drift { generation, items, heals } = drift;
    Message::Drift(v1::DriftReport {
        sequence,
        generation: *generation,
        items: items.iter().map(item).collect(),
        heals: heals.iter().map(heal_entry).collect(),
    })
}

fn item(item: &Item) -> v1::DriftItem {
    let state = match item.state {
        State::Seen => v1::DriftState::Seen,
        State::Healing => v1::DriftState::Healing,
        State::Fighting => v1::DriftState::Fighting,
    };
    let (manager, operation, subresource, written_at) = match item.actor.clone() {
        Some(Actor { manager, operation, subresource, written_at }) => {
            (manager, operation, subresource, written_at.unwrap_or_default())
        }
        None => Default::default(),
    };
    v1::DriftItem {
        id: Some(id(&item.id)),
        uid: item.uid.clone(),
        path: item.path.clone(),
        class: class(item.class).into(),
        baseline: item.baseline.as_ref().map(drift::shown).unwrap_or_default(),
        found: item.found.as_ref().map(drift::shown).unwrap_or_default(),
        found_digest: item.found_digest().map(bytes).unwrap_or_default(),
        manager,
        operation,
        subresource,
        written_at,
        state: state.into(),
        heals: item.heals,
    }
}

fn class(class: Class) -> v1::DriftClass {
    match class {
        Class::Overwritten => v1::DriftClass::Overwritten,
        Class::Removed => v1::DriftClass::Removed,
        Class::Deleted => v1::DriftClass::Deleted,
        Class::Recreated => v1::DriftClass::Recreated,
        Class::Unfulfilled => v1::DriftClass::Unfulfilled,
    }
}

fn heal_entry(entry: &heal::Entry) -> v1::HealEntry {
    v1::HealEntry {
        number: entry.number,
        id: Some(id(&entry.id)),
        uid: entry.uid.clone(),
        path: entry.path.clone(),
        class: class(entry.class).into(),
        baseline: entry.baseline.clone(),
        found: entry.found.clone(),
        manager: entry.manager.clone(),
        operation: entry.operation.clone(),
        asked_by: entry.asked_by.clone(),
        at: entry.at.to_string(),
        result: heal_result(entry.outcome).into(),
        message: entry.message.clone(),
    }
}

fn heal_result(outcome: heal::Outcome) -> v1::HealResult {
    match outcome {
        heal::Outcome::Begun => v1::HealResult::Begun,
        heal::Outcome::Healed => v1::HealResult::Healed,
        heal::Outcome::Moved => v1::HealResult::Moved,
        heal::Outcome::Failed => v1::HealResult::Failed,
        heal::Outcome::WouldHeal => v1::HealResult::WouldHeal,
        heal::Outcome::Held => v1::HealResult::Held,
    }
}

/// A wish to heal something.
pub(super) fn wish(heal: v1::Heal) -> Result<heal::Question, String> {
    let class = match heal.class() {
        v1::DriftClass::Overwritten => Class::Overwritten,
        v1::DriftClass::Removed => Class::Removed,
        v1::DriftClass::Deleted => Class::Deleted,
        v1::DriftClass::Recreated => Class::Recreated,
        v1::DriftClass::Unfulfilled => Class::Unfulfilled,
        v1::DriftClass::Unspecified => return Err("a wish to heal a class that is not known".to_owned()),
    };
    let v1::Heal { id, generation, object, uid, path, class: _, found_digest, dry_run } = heal;
    let v1::ObjectId { group, version, kind, namespace, name } = object.ok_or("a wish to heal no object")?;
    let found = match found_digest.as_slice() {
        [] => None,
        digest => Some(Digest::try_from(digest).map_err(|error| format!("a wish to heal what is {error}"))?),
    };
    let object = ObjectId { group, version, kind, namespace, name };
    Ok(heal::Question { id, generation, object, uid, path, class, found, dry_run })
}

pub(super) fn heal_answer(answer: heal::Answer) -> Message {
    let heal::Answer { id, outcome, message, before, after } = answer;
    Message::HealAnswer(v1::HealAnswer { id, result: heal_result(outcome).into(), message, before, after })
}

/// The digests of schemas that a hub asks for.
pub(super) fn wanted_schemas(want: &v1::WantSchemas) -> Result<Vec<Digest>, String> {
    let digest = |bytes: &Vec<u8>| Digest::try_from(bytes.as_slice()).map_err(|error| error.to_string());
    want.digests.iter().map(digest).collect()
}

/// A schema, or that it is not there any more.
pub(super) fn schema((digest, bytes): schemas::Told) -> Message {
    Message::Schema(v1::SchemaAnswer {
        digest: digest.as_bytes().to_vec(),
        schema: bytes.unwrap_or_default(),
    })
}
