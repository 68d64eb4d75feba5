//! `meshfleet rollout watch`: says what changes, to the end of the rollout.

mod calm;

use jiff::Timestamp;
use proto::v1::{Rollout, RolloutProgress, RolloutTarget};
use serde_json::{Value, json};

use self::calm::Calm;
use super::{
    answer, find, reference,
    show::{counts, draw_next},
    state,
};
use crate::{
    call::{Call, Outcome, now},
    failure::Failure,
    screen::{Piece, Screen, bad, faint, plain, strong},
    time,
    watch::{self, HANG, clock},
};

/// Follows a rollout to its end. Interrupting this does not stop it.
pub async fn to_the_end(call: &Call, number: u64) -> Result<Outcome, Failure> {
    let look = async |hub: &crate::hub::Hub| find(hub, number).await;
    let mut calm = Calm::default();
    watch::poll(call, look, |before, after| {
        tell(call, &mut calm, before, after)?;
        end(call, after)
    })
    .await
}

/// Shows a rollout, and then follows it to its end.
pub async fn shown(call: &Call, number: u64) -> Result<Outcome, Failure> {
    let look = async |hub: &crate::hub::Hub| find(hub, number).await;
    let mut calm = Calm::default();
    watch::poll(call, look, |before, after| {
        match before {
            None => answer(call, after)?,
            Some(_) => tell(call, &mut calm, before, after)?,
        }
        Ok(outcome(after))
    })
    .await
}

/// Says which rollouts of a list changed.
pub fn tell_list(call: &Call, before: &[Rollout], after: &[Rollout]) -> Result<(), Failure> {
    for rollout in after.iter().rev() {
        let earlier = before.iter().find(|earlier| earlier.number == rollout.number);
        for change in changes(earlier, rollout) {
            change.tell(call)?;
        }
    }
    Ok(())
}

fn tell(call: &Call, calm: &mut Calm, before: Option<&Rollout>, after: &Rollout) -> Result<(), Failure> {
    let mut events = changes(before, after);
    if call.is_for_people() {
        events = calm.keep(events, before, after, now());
    }
    events.iter().try_for_each(|change| change.tell(call))
}

fn end(call: &Call, rollout: &Rollout) -> Result<Option<Outcome>, Failure> {
    let outcome = outcome(rollout);
    if outcome.is_some() {
        call.remark(|screen| draw_next(screen, rollout));
    }
    Ok(outcome)
}

/// What a rollout in an end state comes to. States of later hubs that this release does not know count as running.
fn outcome(rollout: &Rollout) -> Option<Outcome> {
    match rollout.state.as_str() {
        "Succeeded" => Some(Outcome::Done),
        "Failed" | "Aborted" => Some(Outcome::Failed),
        _ => None,
    }
}

/// Something that changed between two looks.
#[derive(Debug)]
enum Event<'a> {
    Rollout {
        rollout: &'a Rollout,
        /// Whether how far it is stands beside its state.
        counted: bool,
    },
    Target {
        before: Option<&'a RolloutTarget>,
        after: &'a RolloutTarget,
    },
    Progress(&'a Rollout, RolloutProgress),
}

fn changes<'a>(before: Option<&'a Rollout>, after: &'a Rollout) -> Vec<Event<'a>> {
    let mut events = Vec::new();
    let same = |before: &Rollout| before.state == after.state && before.reason == after.reason;
    let changed = !before.is_some_and(same);
    // The end of a rollout comes after what brought it about.
    if changed && outcome(after).is_none() {
        events.push(Event::Rollout { rollout: after, counted: false });
    }
    for target in &after.targets {
        let earlier =
            before.and_then(|before| before.targets.iter().find(|earlier| earlier.cluster == target.cluster));
        let same = |earlier: &RolloutTarget| earlier.state == target.state && earlier.reason == target.reason;
        // That a spoke has nothing more to say of a state is no news.
        let silent = |earlier: &RolloutTarget| earlier.state == target.state && target.reason.is_empty();
        if !earlier.is_some_and(|earlier| same(earlier) || silent(earlier)) {
            events.push(Event::Target { before: earlier, after: target });
        }
    }
    events.extend(progressed(before, after));
    if changed && outcome(after).is_some() {
        events.push(Event::Rollout { rollout: after, counted: false });
    }
    events
}

/// How far it is, once more clusters came to an end: what only began needs no count.
fn progressed<'a>(before: Option<&Rollout>, after: &'a Rollout) -> Option<Event<'a>> {
    let progress = after.progress.filter(|progress| progress.total > 0)?;
    let ended = |progress: &RolloutProgress| {
        (progress.succeeded, progress.failed, progress.blocked, progress.skipped)
    };
    let earlier = before.and_then(|before| before.progress);
    let same = earlier.is_some_and(|earlier| ended(&earlier) == ended(&progress));
    (!same).then_some(Event::Progress(after, progress))
}

impl Event<'_> {
    fn tell(&self, call: &Call) -> Result<(), Failure> {
        call.event(|screen| self.draw(screen, now()), || self.to_json(), || self.names())
    }

    fn draw(&self, screen: &mut Screen, now: Timestamp) {
        match self {
            Self::Rollout { rollout, counted } => {
                let name = strong(format!("{} ", reference(rollout.number)));
                let reason = time::spoken(now, &rollout.reason);
                let told = if rollout.state == "Failed" { bad(reason) } else { plain(reason) };
                let mut pieces = vec![clock(now), name, state(&rollout.state)];
                let progress = rollout.progress.filter(|_| *counted);
                if let Some(progress) = progress {
                    pieces.push(plain("  "));
                    pieces.extend(counts(&progress, outcome(rollout).is_some()));
                }
                let spoken = if progress.is_some() { "" } else { rollout.reason.as_str() };
                screen.line(HANG, &with_reason(pieces, spoken, told));
                if rollout.state == "Paused" {
                    let command = format!("go on with: meshfleet rollout resume {}", rollout.number);
                    screen.line(HANG, &[plain(" ".repeat(HANG)), faint(command)]);
                }
            }
            Self::Target { before, after } => {
                let mut pieces = vec![
                    clock(now),
                    plain(format!("wave {}  ", after.wave)),
                    strong(&after.cluster),
                    plain("  "),
                ];
                if let Some(before) = before.filter(|before| before.state != after.state) {
                    pieces.push(faint(format!("{} -> ", before.state)));
                }
                pieces.push(state(&after.state));
                let reason = plain(time::spoken(now, &after.reason));
                screen.line(HANG, &with_reason(pieces, &after.reason, reason));
            }
            Self::Progress(rollout, progress) => {
                let mut pieces = vec![clock(now), strong(format!("{} ", reference(rollout.number)))];
                pieces.extend(counts(progress, outcome(rollout).is_some()));
                screen.line(HANG, &pieces);
            }
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Rollout { rollout, .. } => {
                json!({"rollout": {"number": rollout.number, "state": rollout.state, "reason": rollout.reason}})
            }
            Self::Target { before, after } => {
                json!({"target": super::json::target(after), "before": before.map(|before| before.state.as_str())})
            }
            Self::Progress(rollout, progress) => {
                json!({"progress": super::json::progress(progress), "number": rollout.number})
            }
        }
    }

    /// Rollouts only: a cluster is named by them.
    fn names(&self) -> Vec<String> {
        match self {
            Self::Rollout { rollout, .. } => vec![reference(rollout.number)],
            Self::Target { .. } | Self::Progress(..) => Vec::new(),
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
        second.progress = Some(RolloutProgress { total: 2, succeeded: 2, ..RolloutProgress::default() });
        let looks = [shown(None, &first), shown(Some(&first), &first), shown(Some(&first), &second)];
        insta::assert_snapshot!(looks.join("---\n"));
        assert_eq!((outcome(&first), outcome(&second)), (None, Some(Outcome::Done)));
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
        assert_eq!(outcome(&second), Some(Outcome::Failed));
    }

    #[test]
    fn a_pause_says_how_to_go_on_and_is_no_end() {
        let first = rollout();
        let paused =
            Rollout { state: "Paused".to_owned(), reason: "by ana: latency".to_owned(), ..first.clone() };
        insta::assert_snapshot!(shown(Some(&first), &paused));
        let aborted = Rollout { state: "Aborted".to_owned(), ..first.clone() };
        assert_eq!((outcome(&paused), outcome(&aborted)), (None, Some(Outcome::Failed)));
    }
}
