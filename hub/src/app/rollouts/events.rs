//! What is told of a rollout that moved.

use hub_core::rollout::{Rollout, RolloutState};
use jiff::Timestamp;
use serde_json::json;

use crate::store::audit::{Actor, Event};

/// Audit events for what changed in a rollout: retargets, waves, and ends. Progress within a target is a column.
#[must_use]
pub fn events(before: &Rollout, after: &Rollout, at: Timestamp) -> Vec<Event> {
    let event = |action, subject, detail| Event { at, actor: Actor::Hub, action, subject, detail };
    let number = after.number;
    let mut events = Vec::new();
    for (old, new) in before.targets().zip(after.targets()) {
        let subject = || format!("cluster/{}", new.name);
        if let (None, Some(delivery)) = (old.state.delivery(), new.state.delivery()) {
            let detail = json!({ "rollout": number, "generation": delivery.generation, "plan": new.plan });
            events.push(event("target.set", subject(), detail));
        }
        if let (None, Some(_)) = (old.state.ended_at(), new.state.ended_at()) {
            let detail =
                json!({ "rollout": number, "state": new.state.name(), "reason": new.state.reason() });
            events.push(event("rollout.target_ended", subject(), detail));
        }
    }
    let subject = || format!("rollout/{number}");
    if let (true, Some(wave)) = (before.open_wave() != after.open_wave(), after.open_wave()) {
        let detail = json!({ "wave": wave + 1, "name": after.waves[wave].name });
        events.push(event("rollout.wave_opened", subject(), detail));
    }
    match after.state {
        // What a person did has an event of its own.
        RolloutState::Running | RolloutState::Paused | RolloutState::Aborted { .. } => {}
        RolloutState::Succeeded { .. } => events.push(event("rollout.succeeded", subject(), json!({}))),
        RolloutState::Failed { wave, .. } => {
            events.push(event(
                "rollout.failed",
                subject(),
                json!({ "wave": wave, "reason": after.reason() }),
            ));
        }
    }
    events
}
