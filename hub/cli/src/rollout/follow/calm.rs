//! What of a rollout's changes a person is told: each new state with its first words, and what a wait still says once it
//! has said it for a while. Programs are told everything.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use proto::v1::{Rollout, RolloutTarget};

use super::{Event, outcome};

/// How long new words of a wait must stand: what passes by itself is no news.
const STANDS: SignedDuration = SignedDuration::from_secs(10);

/// How many clusters the first look names each; of more, only those at work.
const MOST_AT_FIRST: usize = 20;

/// What was told of each cluster.
#[derive(Debug, Default)]
pub struct Calm {
    clusters: HashMap<String, Told>,
}

#[derive(Debug, Default)]
struct Told {
    state: String,
    words: String,
    /// The words of the last look, and since when they stand.
    seen: String,
    since: Timestamp,
}

impl Calm {
    /// Leaves of the changes what is worth a line.
    pub fn keep<'a>(
        &mut self,
        events: Vec<Event<'a>>,
        before: Option<&Rollout>,
        after: &'a Rollout,
        now: Timestamp,
    ) -> Vec<Event<'a>> {
        let mut kept: Vec<Event<'a>> =
            events.into_iter().filter(|event| self.is_news(event, before, after)).collect();
        if before.is_none() {
            fold(&mut kept);
        }
        self.remember(&kept, after, now);
        let stands: Vec<&RolloutTarget> =
            after.targets.iter().filter(|target| self.stands(target, now)).collect();
        for target in stands {
            self.tell(target);
            kept.push(Event::Target { before: Some(target), after: target });
        }
        merge(&mut kept);
        kept
    }

    fn is_news(&self, event: &Event<'_>, before: Option<&Rollout>, after: &Rollout) -> bool {
        match event {
            Event::Rollout { .. } => {
                let same = before.is_some_and(|before| before.state == after.state);
                !(same && after.state == "Running" && (after.reason.is_empty() || by_clusters(after)))
            }
            Event::Target { after, .. } => {
                let told = self.clusters.get(&after.cluster);
                !(is_at_work(after) && told.is_some_and(|told| told.state == after.state))
            }
            Event::Progress(..) => true,
        }
    }

    fn remember(&mut self, kept: &[Event<'_>], after: &Rollout, now: Timestamp) {
        for event in kept {
            if let Event::Target { after, .. } = event {
                self.tell(after);
            }
        }
        for target in &after.targets {
            let told = self.clusters.entry(target.cluster.clone()).or_default();
            if told.seen != target.reason {
                (told.seen, told.since) = (target.reason.clone(), now);
            }
        }
    }

    fn tell(&mut self, target: &RolloutTarget) {
        let told = self.clusters.entry(target.cluster.clone()).or_default();
        (told.state, told.words) = (target.state.clone(), target.reason.clone());
    }

    /// Whether a wait says something else than was told, and has done so for a while.
    fn stands(&self, target: &RolloutTarget, now: Timestamp) -> bool {
        let stands = |told: &Told| told.words != target.reason && now.duration_since(told.since) >= STANDS;
        is_at_work(target)
            && !target.reason.is_empty()
            && self.clusters.get(&target.cluster).is_some_and(stands)
    }
}

fn is_at_work(target: &RolloutTarget) -> bool {
    matches!(target.state.as_str(), "Sent" | "Accepted" | "Applying" | "Converging")
}

/// Whether the reason of a rollout says of clusters at work, or that failed, what their own lines say.
pub fn by_clusters(rollout: &Rollout) -> bool {
    let begins = |target: &RolloutTarget| rollout.reason.starts_with(&format!("{}: ", target.cluster));
    let failed = |target: &RolloutTarget| matches!(target.state.as_str(), "Failed" | "TimedOut" | "Refused");
    rollout.targets.iter().any(|target| (is_at_work(target) || failed(target)) && begins(target))
}

/// Of a first look, clusters that did not begin are only counted; where there are many, so are those that are done.
fn fold(events: &mut Vec<Event<'_>>) {
    let targets = events.iter().filter(|event| matches!(event, Event::Target { .. })).count();
    let quiet = |state: &str| match state {
        "Pending" => true,
        "Succeeded" | "Skipped" => targets > MOST_AT_FIRST,
        _ => false,
    };
    events.retain(|event| match event {
        Event::Rollout { .. } | Event::Progress(..) => true,
        Event::Target { after, .. } => {
            !after.reason.is_empty() && after.state == "Pending" || !quiet(&after.state)
        }
    });
}

/// The state of the rollout and how far it is stand in one line, where there is no more to say of the state.
fn merge(events: &mut Vec<Event<'_>>) {
    let Some(progress) = events.iter().position(|event| matches!(event, Event::Progress(..))) else { return };
    let plain = |event: &Event<'_>| match event {
        Event::Rollout { rollout, .. } => {
            rollout.reason.is_empty() || (outcome(rollout).is_none() && by_clusters(rollout))
        }
        Event::Target { .. } | Event::Progress(..) => false,
    };
    if !events.iter().any(plain) {
        return;
    }
    events.remove(progress);
    for event in events.iter_mut().filter(|event| plain(event)) {
        if let Event::Rollout { counted, .. } = event {
            *counted = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::v1::RolloutProgress;

    use super::{super::changes, *};
    use crate::{rollout::tests::rollout, screen::golden};

    /// The second of a look, and what changed since the one before.
    type Look<'a> = (i64, &'a dyn Fn(&mut Rollout));

    /// What is told at each look.
    fn told(looks: &[Look<'_>]) -> String {
        let mut calm = Calm::default();
        let mut before: Option<Rollout> = None;
        let mut text = String::new();
        let start: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
        for (second, change) in looks {
            let now = start + SignedDuration::from_secs(*second);
            let mut after = before.clone().unwrap_or_else(rollout);
            change(&mut after);
            let events = calm.keep(changes(before.as_ref(), &after), before.as_ref(), &after, now);
            text += &golden(80, |screen| events.iter().for_each(|event| event.draw(screen, now)));
            before = Some(after);
        }
        text
    }

    #[test]
    fn what_passes_is_not_told_and_what_stands_is() {
        let text = told(&[
            (0, &|rollout| {
                rollout.reason.clear();
                rollout.targets[1].state = "Pending".to_owned();
                rollout.targets[1].reason.clear();
            }),
            (1, &|rollout| {
                rollout.reason = "rosa-eu-1: it is not healthy yet".to_owned();
                rollout.targets[1].state = "Converging".to_owned();
                rollout.targets[1].reason = "Deployment istiod: does not exist yet".to_owned();
            }),
            (2, &|rollout| rollout.targets[1].reason = "Deployment istiod: is not ready".to_owned()),
            (5, &|rollout| rollout.targets[1].reason = "DaemonSet cni: 1 of 3 are ready".to_owned()),
            (14, &|_| {}),
            (15, &|_| {}),
            (16, &|_| {}),
            (40, &|rollout| rollout.targets[1].reason.clear()),
            (41, &|rollout| {
                rollout.state = "Succeeded".to_owned();
                rollout.reason.clear();
                rollout.targets[1].state = "Succeeded".to_owned();
                rollout.progress =
                    Some(RolloutProgress { total: 2, succeeded: 2, ..RolloutProgress::default() });
            }),
        ]);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn of_many_clusters_the_first_look_names_those_at_work() {
        let mut many = rollout();
        let mut waits = many.targets[1].clone();
        (waits.state, waits.reason) = ("Pending".to_owned(), String::new());
        many.targets.extend(
            (0..30).map(|number| RolloutTarget { cluster: format!("waits-{number}"), ..waits.clone() }),
        );
        let mut events = changes(None, &many);
        assert_eq!(events.len(), 34);
        fold(&mut events);
        assert_eq!(events.len(), 3, "{events:?}");
    }
}
