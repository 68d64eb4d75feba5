//! `meshfleet drift report`: what differs from what was applied, who made it so, and what was healed lately.

pub mod heal;
mod json;
mod lately;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proto::v1::{
    ClusterDriftItem, ClusterHeal, ClusterStatus, DriftClass, DriftItem, DriftState, ReportDriftRequest,
    ReportDriftResponse, ShowStatusRequest,
};

use crate::{
    args::Report,
    call::{Call, Outcome, now},
    cluster::reference,
    failure::Failure,
    plan::named,
    screen::{Piece, Screen, bad, counted, cut, faint, good, plain, strong, warning},
    time,
};

/// The manager that the spoke writes as.
const OURS: &str = "meshfleet";

/// The window in which the spoke counts heals.
const WINDOW: &str = "in 10 minutes";

/// How many differences are shown.
const MOST_ITEMS: usize = 40;

/// Longest value that is shown, in characters: `--output json` has all of it.
const LONGEST_VALUE: usize = 300;

/// A cluster of which nobody can say whether it drifted.
#[derive(Debug)]
struct Unseen {
    cluster: String,
    reason: String,
    message: String,
}

/// What the status of the clusters adds to a report of their drift.
#[derive(Debug, Default)]
struct Around {
    unseen: Vec<Unseen>,
    /// Which config each cluster runs.
    configs: BTreeMap<String, String>,
}

/// `drift report [CLUSTER]`. Silence is no proof: clusters whose spokes did not look are named, and fail a check.
pub async fn report(call: &Call, arguments: Report) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let cluster = arguments.cluster.unwrap_or_default();
    let request = ReportDriftRequest { cluster: cluster.clone() };
    let answer = hub.drift().report(request).await.map_err(|status| hub.refused(&status))?;
    let ReportDriftResponse { items, heals } = answer.into_inner();
    let answer = hub.status().show(ShowStatusRequest { cluster }).await;
    let around = Around::of(answer.map_err(|status| hub.refused(&status))?.into_inner().clusters);
    let json = || json::report(&items, &heals, &around.unseen);
    call.answer(|screen| draw(screen, (&items, &heals), &around, now()), json, || names(&items))?;
    Ok(match (arguments.exit_code, items.is_empty(), around.unseen.is_empty()) {
        (false, _, _) | (true, true, true) => Outcome::Done,
        (true, false, _) => Outcome::Differs,
        (true, true, false) => Outcome::Failed,
    })
}

/// The clusters that have a target and of which it is not known whether they are in sync with it.
fn unseen(clusters: Vec<ClusterStatus>) -> Vec<Unseen> {
    let unseen = |status: ClusterStatus| {
        let condition = status.conditions.into_iter().find(|condition| condition.r#type == "InSync")?;
        let unknown = status.generation > 0 && condition.status == "Unknown";
        unknown.then_some(Unseen {
            cluster: status.cluster,
            reason: condition.reason,
            message: condition.message,
        })
    };
    clusters.into_iter().filter_map(unseen).collect()
}

impl Around {
    fn of(clusters: Vec<ClusterStatus>) -> Self {
        let config = |status: &ClusterStatus| (status.cluster.clone(), status.config.clone());
        Self { configs: clusters.iter().map(config).collect(), unseen: unseen(clusters) }
    }

    /// Whether a difference can be healed now: its spoke is there, and it is ours to write.
    fn can_heal(&self, entry: &ClusterDriftItem) -> bool {
        let away = self.unseen.iter().any(|unseen| unseen.cluster == entry.cluster);
        let class = entry.item.as_ref().map(DriftItem::class);
        let ours = [DriftClass::Overwritten, DriftClass::Removed, DriftClass::Deleted];
        !away && class.is_some_and(|class| ours.contains(&class))
    }

    /// The configs of the clusters that drifted; where one is not known, the word that stands for it.
    fn configs(&self, items: &[ClusterDriftItem]) -> BTreeSet<&str> {
        let config = |item: &ClusterDriftItem| {
            let known = self.configs.get(&item.cluster).filter(|config| !config.is_empty());
            known.map_or("CONFIG", String::as_str)
        };
        items.iter().map(config).collect()
    }
}

/// The clusters that drifted.
fn names(items: &[ClusterDriftItem]) -> Vec<String> {
    let clusters: BTreeSet<&str> = items.iter().map(|item| item.cluster.as_str()).collect();
    clusters.into_iter().map(reference).collect()
}

fn draw(
    screen: &mut Screen,
    (items, heals): (&[ClusterDriftItem], &[ClusterHeal]),
    around: &Around,
    now: Timestamp,
) {
    let unseen = &around.unseen;
    draw_items(screen, items, now);
    for Unseen { cluster, message, .. } in unseen {
        screen.blank();
        let message = time::spoken(now, message);
        let pieces = [warning("not known  "), strong(cluster), plain(format!("  {message}"))];
        screen.line(11, &pieces);
    }
    lately::draw(screen, heals, now);
    if !items.is_empty() {
        draw_sum(screen, items, around);
    } else if unseen.is_empty() {
        if !heals.is_empty() {
            screen.blank();
        }
        screen.line(2, &[good("no drift"), plain(" in what was applied")]);
    }
}

fn draw_items(screen: &mut Screen, items: &[ClusterDriftItem], now: Timestamp) {
    let mut last = None;
    let (shown, more) = screen.fold(items, MOST_ITEMS);
    for entry in shown {
        let ClusterDriftItem { cluster, item, first_seen_at, number } = entry;
        let Some(item) = item else { continue };
        let place = (cluster, named(item.id.as_ref()));
        if last.as_ref() != Some(&place) {
            screen.blank();
            screen.line(2, &[strong(cluster), plain("  "), strong(&place.1)]);
        }
        last = Some(place);
        draw_item(screen, (*number, item), first_seen_at, now);
    }
    if more > 0 {
        screen.line(2, &[faint(format!("… {more} more"))]);
    }
}

fn draw_item(screen: &mut Screen, (number, item): (u64, &DriftItem), first_seen_at: &str, now: Timestamp) {
    let what = match item.path.as_str() {
        "" => plain("the object"),
        path => plain(path),
    };
    let seen = match item.written_at.as_str() {
        "" => format!(", seen {}", time::since(now, first_seen_at)),
        _ => String::new(),
    };
    let head = [plain("  "), faint(format!("#{number}  ")), what, plain("  ")];
    screen.line(6, &[&head[..], &[class(item.class()), plain(who(item, now)), plain(seen)]].concat());
    let mut value = |title: &str, json: &str, tone: fn(String) -> Piece| {
        if !json.is_empty() {
            screen.line(15, &[faint(format!("    {title:<9}")), tone(cut(json, LONGEST_VALUE))]);
        }
    };
    value("applied", &item.baseline, good);
    value("found", &item.found, bad);
    if leaves_no_trace(item) {
        screen.line(4, &[plain("    "), faint("by whom, only the API server's audit log can say")]);
    }
    draw_state(screen, item);
}

/// What becomes of a difference; nothing where nothing does.
fn draw_state(screen: &mut Screen, item: &DriftItem) {
    let healed = match item.heals {
        0 => String::new(),
        1 => format!("healed once {WINDOW}"),
        times => format!("healed {times} times {WINDOW}"),
    };
    let pieces = match (item.state(), item.heals) {
        (DriftState::Fighting, _) => {
            let other = if item.manager.is_empty() { "somebody" } else { &item.manager };
            let told =
                format!(": {OURS} and {other}: {healed}, and it came back each time; it is healed no more");
            vec![bad("fighting"), plain(told)]
        }
        (DriftState::Healing, 0) => vec![good("healing")],
        (DriftState::Healing, _) => vec![good("healing"), plain(format!(": {healed}"))],
        (DriftState::Seen | DriftState::Unspecified, 0) => return,
        (DriftState::Seen | DriftState::Unspecified, _) => vec![plain(healed)],
    };
    screen.line(4, &[&[plain("    ")][..], &pieces].concat());
}

/// Nothing in a cluster says who deleted what is gone.
fn leaves_no_trace(item: &DriftItem) -> bool {
    item.manager.is_empty() && matches!(item.class(), DriftClass::Deleted | DriftClass::Removed)
}

/// What became of an object or a field.
pub fn class(class: DriftClass) -> Piece {
    match class {
        DriftClass::Overwritten => bad("overwritten"),
        DriftClass::Removed => bad("removed"),
        DriftClass::Deleted => bad("deleted"),
        DriftClass::Recreated => bad("deleted and made anew"),
        DriftClass::Unfulfilled => warning("not as the plan expects it"),
        DriftClass::Unspecified => warning("changed"),
    }
}

/// Who wrote it, as far as the API server tells.
fn who(item: &DriftItem, now: Timestamp) -> String {
    if item.manager.is_empty() {
        return String::new();
    }
    let how = match (item.operation.as_str(), item.subresource.as_str()) {
        ("", _) => String::new(),
        (operation, "") => format!(" ({operation})"),
        (operation, subresource) => format!(" ({operation}/{subresource})"),
    };
    let when = match time::since(now, &item.written_at).as_str() {
        "" => String::new(),
        when => format!(" {when}"),
    };
    format!(" by {}{how}{when}", item.manager)
}

fn draw_sum(screen: &mut Screen, items: &[ClusterDriftItem], around: &Around) {
    let mut clusters: Vec<&str> = items.iter().map(|item| item.cluster.as_str()).collect();
    clusters.sort_unstable();
    clusters.dedup();
    screen.blank();
    let sum = format!("{} in {}", counted(items.len(), "difference"), counted(clusters.len(), "cluster"));
    screen.line(2, &[strong(sum)]);
    if items.iter().filter_map(|entry| entry.item.as_ref()).any(|item| item.state() == DriftState::Fighting) {
        let told =
            "a fight ends when one of the two stops: the other writer, or the DriftPolicy and a rollout";
        screen.line(2, &[warning(told)]);
    }
    if let Some(first) = items.iter().find(|entry| around.can_heal(entry)) {
        screen.line(2, &[plain("put one right with:")]);
        screen.command(format!("meshfleet drift heal {} {}", first.cluster, first.number));
    }
    screen.line(2, &[plain("put exactly these right with:")]);
    for config in around.configs(items) {
        screen.command(format!("meshfleet rollout start {config} --overwrite-drift --wait"));
    }
}

#[cfg(test)]
mod tests;
