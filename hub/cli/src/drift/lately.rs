//! What was healed lately: each difference once, with how often.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proto::v1::{ClusterHeal, HealEntry, HealResult};

use super::class;
use crate::{
    plan::named,
    screen::{Screen, bad, cut, faint, good, plain, strong},
    time,
};

/// How many differences are shown.
const MOST: usize = 10;

/// Longest reason that is shown, in characters.
const LONGEST_REASON: usize = 200;

/// Heals of one difference.
struct Healed<'a> {
    cluster: &'a str,
    /// Newest first; never empty.
    entries: Vec<(&'a HealEntry, &'a ClusterHeal)>,
}

/// Heals of the same difference together, that which was healed last first.
fn together(heals: &[ClusterHeal]) -> Vec<Healed<'_>> {
    let mut places = BTreeMap::new();
    let mut all: Vec<Healed<'_>> = Vec::new();
    for heal in heals {
        let Some(entry) = &heal.entry else { continue };
        let id = entry.id.as_ref().map(|id| (&id.group, &id.kind, &id.namespace, &id.name));
        let place = *places.entry((&heal.cluster, id, &entry.path, entry.class)).or_insert(all.len());
        if place == all.len() {
            all.push(Healed { cluster: &heal.cluster, entries: Vec::new() });
        }
        all[place].entries.push((entry, heal));
    }
    all
}

/// Draws them; nothing where nothing was healed.
pub(super) fn draw(screen: &mut Screen, heals: &[ClusterHeal], now: Timestamp) {
    let all = together(heals);
    if all.is_empty() {
        return;
    }
    screen.blank();
    screen.line(2, &[strong("healed lately")]);
    let (shown, more) = screen.fold(&all, MOST);
    for healed in shown {
        healed.draw(screen, now);
    }
    if more > 0 {
        screen.line(2, &[faint(format!("  … {more} more"))]);
    }
}

impl Healed<'_> {
    fn draw(&self, screen: &mut Screen, now: Timestamp) {
        let Some((last, heal)) = self.entries.first() else { return };
        let place = format!("{} {}", named(last.id.as_ref()), last.path);
        screen.line(6, &[plain("  "), strong(self.cluster), plain("  "), plain(place.trim_end())]);
        let done = self.entries.iter().filter(|(entry, _)| entry.result() == HealResult::Healed).count();
        let times = match done {
            0 => Vec::new(),
            1 => vec![good("healed once"), plain(format!(", {}", time::since(now, &last.at)))],
            _ => vec![good(format!("healed {done} times")), plain(self.span(now))],
        };
        let by = match last.manager.as_str() {
            "" => String::new(),
            manager => format!(" by {manager}"),
        };
        let separator = if times.is_empty() { "" } else { "; " };
        let what = [plain(separator), class(last.class()), plain(by)];
        screen.line(6, &[&[plain("    ")][..], &times, &what].concat());
        if !heal.operator.is_empty() {
            let reason = match heal.reason.as_str() {
                "" => String::new(),
                reason => format!(": {}", cut(reason, LONGEST_REASON)),
            };
            screen.line(6, &[plain("    "), faint(format!("asked for by {}{reason}", heal.operator))]);
        }
        if let Some(why) = not_done(last) {
            screen.line(6, &[plain("    "), bad(why)]);
        }
    }

    /// Since when, and when last.
    fn span(&self, now: Timestamp) -> String {
        let first = self.entries.last().map_or("", |(entry, _)| entry.at.as_str());
        let last = self.entries.first().map_or("", |(entry, _)| entry.at.as_str());
        format!(" in {}, last {}", time::ago(now, first), time::since(now, last))
    }
}

/// Why the last heal was not done; none if it was.
fn not_done(entry: &HealEntry) -> Option<String> {
    let said = match entry.result() {
        HealResult::Healed | HealResult::WouldHeal => return None,
        HealResult::Begun => "the last one was begun, and what came of it is not known yet",
        HealResult::Moved => "the last one was not done: it said something else by then",
        HealResult::Failed => "the last one failed",
        HealResult::Held => "the last one was held",
        HealResult::Unspecified => "what came of the last one is not known",
    };
    Some(match entry.message.as_str() {
        "" => said.to_owned(),
        message => format!("{said}: {message}"),
    })
}
