//! A rollout as people see it: how far it is, wave by wave, what it waits for, and how to go on.

use jiff::Timestamp;
use proto::v1::{Rollout, RolloutProgress, RolloutTarget};

use super::{reference, state};
use crate::{
    config,
    plan::short,
    screen::{Piece, Screen, Tone, bad, faint, good, or_dash, plain, strong},
    time,
};

/// How many clusters are listed; where there are more, those that need no look are folded first.
const MOST_TARGETS: usize = 24;

/// How wide the bars are.
const BAR: usize = 20;

/// A rollout with its clusters.
pub fn draw(screen: &mut Screen, rollout: &Rollout, now: Timestamp) {
    let Rollout { reason, started_by, started_at, ended_at, targets, max_unavailable, .. } = rollout;
    screen.line(2, &[strong(reference(rollout.number)), plain(title(rollout))]);
    let mut pieces = vec![state(&rollout.state)];
    if !reason.is_empty() {
        pieces.push(plain(format!(": {}", time::spoken(now, reason))));
    }
    screen.line(2, &pieces);
    let mut times = format!("started {} by {}", time::since(now, started_at), or_dash(started_by));
    if !ended_at.is_empty() {
        times = format!("{times}, ended {}{}", time::since(now, ended_at), took(started_at, ended_at));
    } else if *max_unavailable > 0 {
        times = format!("{times}, at most {max_unavailable} at once");
    }
    screen.line(2, &[faint(times)]);
    draw_waves(screen, rollout);
    draw_targets(screen, targets);
    for (clusters, target) in by_reason(targets) {
        screen.blank();
        let names = screen.names(&clusters, 8);
        screen.line(4, &[strong(names), plain("  "), state(&target.state)]);
        screen.line(4, &[plain("    "), plain(time::spoken(now, &target.reason))]);
    }
    draw_next(screen, rollout);
}

fn title(rollout: &Rollout) -> String {
    let strategy = match rollout.strategy.as_str() {
        "" => "all at once",
        strategy => strategy,
    };
    match rollout.kind.as_str() {
        "Unassign" => format!(" removes the mesh, {strategy}"),
        _ => format!(" of {} v{}, {strategy}", config::reference(&rollout.config), rollout.version),
    }
}

/// What an operator did to a rollout, and what comes next.
pub fn draw_turned(screen: &mut Screen, rollout: &Rollout, now: Timestamp) {
    let mut pieces = vec![strong(reference(rollout.number)), plain(" "), state(&rollout.state)];
    if !rollout.reason.is_empty() {
        pieces.push(plain(format!(": {}", time::spoken(now, &rollout.reason))));
    }
    screen.line(2, &pieces);
    if let Some(progress) = &rollout.progress {
        screen.line(2, &counts(progress, is_over(rollout)));
    }
    draw_next(screen, rollout);
}

/// What may be typed next.
pub fn draw_next(screen: &mut Screen, rollout: &Rollout) {
    let number = rollout.number;
    let again = match rollout.kind.as_str() {
        "Unassign" => "meshfleet config unassign CLUSTER...".to_owned(),
        _ => format!("meshfleet rollout start {}", rollout.config),
    };
    let lines: &[(&str, String)] = match rollout.state.as_str() {
        "Paused" => &[
            (
                "clusters in flight go on, no further one is started. Go on with:",
                format!("meshfleet rollout resume {number}"),
            ),
            ("or end it with:", format!("meshfleet rollout abort {number}")),
        ],
        "Aborted" => &[("clusters that were not started keep what they have. Begin anew with:", again)],
        "Failed" => &[
            (
                "look at what failed with:",
                format!("meshfleet status {}", failed(rollout).unwrap_or("CLUSTER")),
            ),
            ("clusters that were not started keep what they have. Begin anew with:", again),
        ],
        _ => return,
    };
    screen.blank();
    for (words, command) in lines {
        screen.line(2, &[plain(words)]);
        screen.command(command);
    }
}

/// The first cluster that failed.
fn failed(rollout: &Rollout) -> Option<&str> {
    let failed = |target: &&RolloutTarget| matches!(target.state.as_str(), "Failed" | "TimedOut" | "Refused");
    rollout.targets.iter().find(failed).map(|target| target.cluster.as_str())
}

/// How far a rollout is, in words: `5 of 12 done, 2 in flight, 5 pending`. What was in flight when it came to its end is
/// left to its spokes.
pub fn counts(progress: &RolloutProgress, over: bool) -> Vec<Piece> {
    let RolloutProgress { total, succeeded, failed, in_flight, blocked, pending, skipped } = progress;
    let mut pieces = vec![strong(format!("{succeeded} of {total} done"))];
    let parts = [
        (failed, "failed", Tone::Bad),
        (blocked, "blocked", Tone::Warning),
        (in_flight, if over { "left to finish by itself" } else { "in flight" }, Tone::Plain),
        (pending, if over { "not begun" } else { "pending" }, Tone::Faint),
        (skipped, "skipped", Tone::Faint),
    ];
    for (count, words, tone) in parts {
        if *count > 0 {
            pieces.extend([plain(", "), Piece::new(format!("{count} {words}"), tone)]);
        }
    }
    pieces
}

/// Whether a rollout came to its end.
fn is_over(rollout: &Rollout) -> bool {
    matches!(rollout.state.as_str(), "Succeeded" | "Failed" | "Aborted")
}

/// The whole, and each wave where there are several.
fn draw_waves(screen: &mut Screen, rollout: &Rollout) {
    let Some(progress) = rollout.progress.filter(|progress| progress.total > 0) else { return };
    screen.blank();
    let mut line = bar(progress.succeeded as usize, progress.failed as usize, progress.total as usize);
    line.push(plain("  "));
    line.extend(counts(&progress, is_over(rollout)));
    screen.line(BAR + 4, &line);
    let waves = waves(&rollout.targets);
    if waves.len() < 2 {
        return;
    }
    let rows: Vec<Vec<Piece>> = waves.iter().map(Wave::row).collect();
    screen.columns(&["WAVE", "DONE", ""], &rows);
}

/// One wave of a rollout.
#[derive(Default)]
struct Wave {
    title: String,
    total: usize,
    succeeded: usize,
    failed: usize,
    started: bool,
}

fn waves(targets: &[RolloutTarget]) -> Vec<Wave> {
    let mut waves: Vec<Wave> = Vec::new();
    for target in targets {
        let title = wave_title(target);
        if waves.last().is_none_or(|wave| wave.title != title) {
            waves.push(Wave { title, ..Wave::default() });
        }
        let Some(wave) = waves.last_mut() else { continue };
        wave.total += 1;
        wave.started |= !matches!(target.state.as_str(), "Pending" | "Skipped");
        match target.state.as_str() {
            "Succeeded" => wave.succeeded += 1,
            "Failed" | "TimedOut" | "Refused" => wave.failed += 1,
            _ => {}
        }
    }
    waves
}

impl Wave {
    fn row(&self) -> Vec<Piece> {
        let done = format!("{}/{}", self.succeeded, self.total);
        let title = if self.started { plain(&self.title) } else { faint(&self.title) };
        let mut row = vec![title, plain(done)];
        row.extend(bar(self.succeeded, self.failed, self.total));
        row
    }
}

fn wave_title(target: &RolloutTarget) -> String {
    match target.wave_name.as_str() {
        "" => target.wave.to_string(),
        name => format!("{} {name}", target.wave),
    }
}

/// A bar: what is done, what failed, what is left. What is there at all is seen.
fn bar(done: usize, failed: usize, total: usize) -> Vec<Piece> {
    let share = |count: usize| match count * BAR / total.max(1) {
        0 if count > 0 => 1,
        share => share,
    };
    let failed = share(failed);
    let done = share(done).min(BAR - failed);
    let left = BAR - failed - done;
    vec![faint("["), good("#".repeat(done)), bad("!".repeat(failed)), faint(format!("{}]", ".".repeat(left)))]
}

/// The clusters. Where they are many, those that wait or are done are counted above and folded here.
fn draw_targets(screen: &mut Screen, targets: &[RolloutTarget]) {
    if targets.is_empty() {
        return;
    }
    screen.blank();
    let mut ordered: Vec<&RolloutTarget> = targets.iter().collect();
    if !screen.is_wide() && targets.len() > MOST_TARGETS {
        ordered.sort_by_key(|target| is_quiet(target));
    }
    let at_work = targets.iter().filter(|target| !is_quiet(target)).count();
    let (shown, more) = screen.fold_behind(&ordered, at_work, MOST_TARGETS);
    if !shown.is_empty() {
        let rows: Vec<Vec<Piece>> = shown.iter().map(|target| row(target)).collect();
        screen.table(&["WAVE", "CLUSTER", "STATE", "GENERATION", "PLAN", "DISRUPTION", "TOOK"], &[], &rows);
    }
    if more > 0 {
        let of = if shown.is_empty() { "clusters" } else { "more" };
        let quiet = if at_work <= MOST_TARGETS { ", with nothing to look at" } else { "" };
        screen.line(2, &[faint(format!("… {more} {of}{quiet}"))]);
    }
}

/// Whether there is nothing to look at.
fn is_quiet(target: &RolloutTarget) -> bool {
    matches!(target.state.as_str(), "Pending" | "Skipped" | "Succeeded")
}

fn row(target: &RolloutTarget) -> Vec<Piece> {
    let RolloutTarget { cluster, state, generation, plan_digest, disruption, .. } = target;
    let took = took(&target.started_at, &target.ended_at);
    let generation = if *generation == 0 { "-".to_owned() } else { generation.to_string() };
    vec![
        plain(wave_title(target)),
        strong(cluster),
        super::state(state),
        plain(generation),
        faint(or_dash(&short(plan_digest))),
        plain(or_dash(disruption)),
        plain(or_dash(took.strip_prefix(" after ").unwrap_or_default())),
    ]
}

/// The clusters of which there is something to say; those of which the same is to be said together.
fn by_reason(targets: &[RolloutTarget]) -> Vec<(Vec<&str>, &RolloutTarget)> {
    let mut groups: Vec<(Vec<&str>, &RolloutTarget)> = Vec::new();
    for target in targets.iter().filter(|target| !target.reason.is_empty()) {
        let same = |other: &RolloutTarget| other.state == target.state && other.reason == target.reason;
        match groups.iter_mut().find(|(_, other)| same(other)) {
            Some((clusters, _)) => clusters.push(&target.cluster),
            None => groups.push((vec![&target.cluster], target)),
        }
    }
    groups
}

fn took(started_at: &str, ended_at: &str) -> String {
    match ended_at.parse::<Timestamp>() {
        Ok(end) if !started_at.is_empty() => match time::ago(end, started_at).as_str() {
            "now" => " after 0s".to_owned(),
            span => format!(" after {span}"),
        },
        _ => String::new(),
    }
}
