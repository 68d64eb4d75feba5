//! What a spoke put right, and what it says to a person's wish, read; and the wish, written.

use hub_core::{
    delivery::Event,
    drift::{HealAnswer, HealClass, HealEntry, HealQuestion, HealRequest, HealResult},
};
use jiff::Timestamp;
use proto::v1;
use uuid::Uuid;

use super::{
    Error, LONGEST_MESSAGE, LONGEST_NAME, LONGEST_PATH, bounded, drift_class, number, object_id, sentence,
    unknown, value, wire_object_id, word, wrong,
};

/// Reads an entry of a journal.
pub(super) fn entry(message: v1::HealEntry) -> Result<HealEntry, Error> {
    let class = drift_class("drift.heals.class", message.class())?;
    let result = result("drift.heals.result", message.result())?;
    let v1::HealEntry {
        number: place,
        id,
        uid,
        path,
        class: _,
        baseline,
        found,
        manager,
        operation,
        asked_by,
        at,
        result: _,
        message,
    } = message;
    if place == 0 {
        return Err(wrong("drift.heals.number", "entries are numbered from 1"));
    }
    let asked_by = (!asked_by.is_empty()).then(|| Uuid::parse_str(&asked_by)).transpose();
    let at: Timestamp = at.parse().map_err(|_| wrong("drift.heals.at", "is no time of RFC 3339"))?;
    if at < Timestamp::UNIX_EPOCH {
        return Err(wrong("drift.heals.at", "is before 1970"));
    }
    Ok(HealEntry {
        number: number("drift.heals.number", place)?,
        id: object_id(id)?,
        uid: word("drift.heals.uid", uid)?,
        path: bounded("drift.heals.path", path, LONGEST_PATH)?,
        class: class.heal().ok_or_else(|| wrong("drift.heals.class", "is none that can be healed"))?,
        baseline: value(&baseline),
        found: value(&found),
        manager: sentence(&manager, LONGEST_NAME),
        operation: sentence(&operation, LONGEST_NAME),
        asked_by: asked_by.map_err(|_| wrong("drift.heals.asked_by", "is no id of a wish"))?,
        at,
        result,
        message: sentence(&message, LONGEST_MESSAGE),
    })
}

/// Reads what came of a wish.
pub(super) fn answer(message: v1::HealAnswer) -> Result<Event, Error> {
    let result = result("heal_answer.result", message.result())?;
    let v1::HealAnswer { id, result: _, message, before, after } = message;
    let id = Uuid::parse_str(&id).map_err(|_| wrong("heal_answer.id", "is no id of a wish"))?;
    let answer = HealAnswer {
        result,
        message: sentence(&message, LONGEST_MESSAGE),
        before: value(&before),
        after: value(&after),
    };
    Ok(Event::HealAnswered { id, answer })
}

fn result(field: &'static str, result: v1::HealResult) -> Result<HealResult, Error> {
    match result {
        v1::HealResult::Unspecified => Err(unknown(field)),
        v1::HealResult::Begun => Ok(HealResult::Begun),
        v1::HealResult::Healed => Ok(HealResult::Healed),
        v1::HealResult::Moved => Ok(HealResult::Moved),
        v1::HealResult::Failed => Ok(HealResult::Failed),
        v1::HealResult::WouldHeal => Ok(HealResult::WouldHeal),
        v1::HealResult::Held => Ok(HealResult::Held),
    }
}

/// A wish, written.
pub(in crate::delivery) fn wire_heal(request: HealRequest) -> v1::Heal {
    let HealRequest { id, question, dry_run } = request;
    let HealQuestion { generation, object, uid, path, class, found } = question;
    let class = match class {
        HealClass::Deleted => v1::DriftClass::Deleted,
        HealClass::Overwritten => v1::DriftClass::Overwritten,
        HealClass::Removed => v1::DriftClass::Removed,
    };
    v1::Heal {
        id: id.to_string(),
        generation,
        object: Some(wire_object_id(object)),
        uid,
        path,
        class: class.into(),
        found_digest: found.map(|digest| digest.as_bytes().to_vec()).unwrap_or_default(),
        dry_run,
    }
}
