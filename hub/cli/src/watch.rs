//! `meshfleet rollout watch`: looks once a second and says what changed, to the end of the rollout.

use std::time::Duration;

use jiff::Timestamp;
use proto::v1::{Rollout, RolloutTarget};
use serde_json::{Value, json};

use crate::{
    call::{Call, Outcome, now},
    failure::Failure,
    hub::Hub,
    rollout::{self, state, target_to_json},
    screen::{Piece, Screen, bad, faint, plain, strong, warning},
    time,
};

/// How often the hub is asked. A person sees no difference below it, and the hub does not feel it.
const EVERY: Duration = Duration::from_secs(1);

/// Follows a rollout to its end. A hub that is away is waited for: the rollout goes on where it is, and interrupting
/// this command does not stop it.
pub async fn follow(call: &Call, number: u64) -> Result<Outcome, Failure> {
    let mut hub = Some(call.hub().await?);
    let mut seen = None;
    let mut away = false;
    loop {
        match look(call, &mut hub, number).await {
            Ok(rollout) => {
                away = false;
                for change in changes(seen.as_ref(), &rollout) {
                    call.event(|screen| change.draw(screen, now()), || change.to_json())?;
                }
                if let Some(outcome) = ended(&rollout) {
                    return Ok(outcome);
                }
                seen = Some(rollout);
            }
            Err(failure) if failure.passes() => {
                if !away {
                    call.remark(|screen| draw_away(screen, &failure));
                }
                away = true;
            }
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn draw_away(screen: &mut Screen, failure: &Failure) {
    let pieces = [warning("the hub is away"), plain(format!(" ({}); waiting for it", failure.chain()))];
    screen.line(2, &pieces);
}

/// Looks once. After a failure the next look connects anew.
async fn look(call: &Call, hub: &mut Option<Hub>, number: u64) -> Result<Rollout, Failure> {
    let connected = match hub.take() {
        Some(connected) => connected,
        None => call.hub().await?,
    };
    let rollout = rollout::find(&connected, number).await?;
    *hub = Some(connected);
    Ok(rollout)
}

/// What a rollout in an end state comes to. States of later hubs that this release does not know count as running.
fn ended(rollout: &Rollout) -> Option<Outcome> {
    match rollout.state.as_str() {
        "Succeeded" => Some(Outcome::Done),
        "Failed" => Some(Outcome::Failed),
        _ => None,
    }
}

/// Something that changed between two looks.
#[derive(Debug)]
enum Event<'a> {
    Rollout(&'a Rollout),
    Target { before: Option<&'a RolloutTarget>, after: &'a RolloutTarget },
}

fn changes<'a>(before: Option<&'a Rollout>, after: &'a Rollout) -> Vec<Event<'a>> {
    let mut events = Vec::new();
    let same = |before: &Rollout| before.state == after.state && before.reason == after.reason;
    let changed = !before.is_some_and(same);
    // The end of a rollout comes after what brought it about.
    if changed && ended(after).is_none() {
        events.push(Event::Rollout(after));
    }
    for target in &after.targets {
        let earlier =
            before.and_then(|before| before.targets.iter().find(|earlier| earlier.cluster == target.cluster));
        let same = |earlier: &RolloutTarget| earlier.state == target.state && earlier.reason == target.reason;
        if !earlier.is_some_and(same) {
            events.push(Event::Target { before: earlier, after: target });
        }
    }
    if changed && ended(after).is_some() {
        events.push(Event::Rollout(after));
    }
    events
}

impl Event<'_> {
    fn draw(&self, screen: &mut Screen, now: Timestamp) {
        let clock = faint(now.strftime("%H:%M:%SZ  ").to_string());
        match self {
            Self::Rollout(rollout) => {
                let name = strong(format!("rollout/{} ", rollout.number));
                let reason = time::spoken(now, &rollout.reason);
                let told = if rollout.state == "Failed" { bad(reason) } else { plain(reason) };
                screen.line(11, &with_reason([clock, name, state(&rollout.state)], &rollout.reason, told));
            }
            Self::Target { before, after } => {
                let mut pieces =
                    vec![clock, plain(format!("wave {}  ", after.wave)), strong(&after.cluster), plain("  ")];
                if let Some(before) = before.filter(|before| before.state != after.state) {
                    pieces.push(faint(format!("{} -> ", before.state)));
                }
                pieces.push(state(&after.state));
                screen.line(11, &with_reason(pieces, &after.reason, plain(time::spoken(now, &after.reason))));
            }
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Rollout(rollout) => {
                json!({"rollout": {"number": rollout.number, "state": rollout.state, "reason": rollout.reason}})
            }
            Self::Target { before, after } => {
                json!({"target": target_to_json(after), "before": before.map(|before| before.state.as_str())})
            }
        }
    }
}

fn with_reason(pieces: impl IntoIterator<Item = Piece>, reason: &str, told: Piece) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = pieces.into_iter().collect();
    if !reason.is_empty() {
        pieces.extend([plain(": "), told]);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{rollout::tests::rollout, screen::golden};

    fn shown(before: Option<&Rollout>, after: &Rollout) -> String {
        let now = "2026-11-24T10:00:00Z".parse().unwrap();
        golden(80, |screen| changes(before, after).iter().for_each(|event| event.draw(screen, now)))
    }

    #[test]
    fn the_first_look_says_everything_and_the_next_only_what_changed() {
        let first = rollout();
        let mut second = rollout();
        second.targets[1].state = "Succeeded".to_owned();
        second.targets[1].reason.clear();
        second.state = "Succeeded".to_owned();
        second.reason.clear();
        let looks = [shown(None, &first), shown(Some(&first), &first), shown(Some(&first), &second)];
        insta::assert_snapshot!(looks.join("---\n"));
        assert_eq!((ended(&first), ended(&second)), (None, Some(Outcome::Done)));
    }

    #[test]
    fn a_failure_is_the_last_word() {
        let first = rollout();
        let mut second = rollout();
        second.targets[1].state = "Failed".to_owned();
        second.targets[1].reason = "IstioControlPlane istio-system/payments: rejected".to_owned();
        second.state = "Failed".to_owned();
        second.reason = "rosa-eu-1 failed; no further wave begins".to_owned();
        insta::assert_snapshot!(shown(Some(&first), &second));
        assert_eq!(ended(&second), Some(Outcome::Failed));
    }
}
