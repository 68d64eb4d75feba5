//! Drift as JSON.

use proto::v1::{
    ClusterDriftItem, ClusterHeal, DriftClass, DriftItem, DriftState, HealDriftResponse, HealEntry,
    HealResult,
};
use serde_json::{Value, json};

use super::Unseen;
use crate::plan::json::{id, value};

/// A whole report.
pub(super) fn report(items: &[ClusterDriftItem], heals: &[ClusterHeal], unseen: &[Unseen]) -> Value {
    let unseen = unseen.iter().map(|Unseen { cluster, reason, message }| {
        json!({"cluster": cluster, "reason": reason, "message": message})
    });
    json!({
        "items": items.iter().map(entry).collect::<Vec<_>>(), "heals": heals.iter().map(heal).collect::<Vec<_>>(),
        "unknown": unseen.collect::<Vec<_>>(),
    })
}

/// One difference with what stands around it.
pub(super) fn entry(entry: &ClusterDriftItem) -> Value {
    let ClusterDriftItem { cluster, item, first_seen_at, number } = entry;
    json!({
        "cluster": cluster, "number": number, "firstSeenAt": first_seen_at, "item": item.as_ref().map(self::item),
    })
}

fn item(item: &DriftItem) -> Value {
    let DriftItem {
        id: object,
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
    } = item;
    let state = match item.state() {
        DriftState::Unspecified | DriftState::Seen => "seen",
        DriftState::Healing => "healing",
        DriftState::Fighting => "fighting",
    };
    let digest: String = found_digest.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "id": id(object.as_ref()), "uid": uid, "path": path, "class": class(item.class()), "baseline": value(baseline),
        "found": value(found), "foundDigest": digest, "manager": manager, "operation": operation,
        "subresource": subresource, "writtenAt": written_at, "state": state, "heals": heals,
    })
}

fn class(class: DriftClass) -> &'static str {
    match class {
        DriftClass::Unspecified => "unspecified",
        DriftClass::Overwritten => "overwritten",
        DriftClass::Removed => "removed",
        DriftClass::Deleted => "deleted",
        DriftClass::Recreated => "recreated",
        DriftClass::Unfulfilled => "unfulfilled",
    }
}

fn heal(heal: &ClusterHeal) -> Value {
    let ClusterHeal { cluster, entry, operator, reason } = heal;
    let mut said = entry.as_ref().map_or(json!({}), healed);
    said["cluster"] = json!(cluster);
    said["operator"] = json!(operator);
    said["reason"] = json!(reason);
    said
}

fn healed(entry: &HealEntry) -> Value {
    let HealEntry {
        number,
        id: object,
        uid,
        path,
        class: _,
        baseline,
        found,
        manager,
        operation,
        asked_by: _,
        at,
        result: _,
        message,
    } = entry;
    json!({
        "number": number, "id": id(object.as_ref()), "uid": uid, "path": path, "class": class(entry.class()),
        "baseline": value(baseline), "found": value(found), "manager": manager, "operation": operation, "at": at,
        "result": result(entry.result()), "message": message,
    })
}

fn result(result: HealResult) -> &'static str {
    match result {
        HealResult::Unspecified => "unspecified",
        HealResult::Begun => "begun",
        HealResult::Healed => "healed",
        HealResult::Moved => "moved",
        HealResult::Failed => "failed",
        HealResult::WouldHeal => "wouldHeal",
        HealResult::Held => "held",
    }
}

/// What came of a wish.
pub(super) fn answer(cluster: &str, number: u64, answer: &HealDriftResponse) -> Value {
    let HealDriftResponse { item, result: _, message, before, after } = answer;
    json!({
        "cluster": cluster, "number": number, "item": item.as_ref().map(self::item),
        "result": result(answer.result()), "message": message, "before": value(before), "after": value(after),
    })
}
