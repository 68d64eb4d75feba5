//! `meshfleet status`: the six conditions of every cluster, and what to do where one does not hold.

mod change;
mod json;
mod restarts;

use jiff::Timestamp;
use proto::v1::{
    ClusterStatus, Condition, DriftClass, DriftItem, ObjectState, Outcome as ObjectOutcome,
    ReportDriftRequest, ShowClusterRequest, ShowStatusRequest,
};
use serde_json::json;

use crate::{
    args,
    call::{Call, Outcome, now},
    cluster::{platform_words, reference},
    drift::class,
    failure::Failure,
    hub::Hub,
    plan::named,
    screen::{Piece, Screen, bad, faint, good, or_dash, plain, strong, warning},
    time, watch,
};

use restarts::Restart;

/// How many objects of a cluster are listed.
const MOST_OBJECTS: usize = 30;

/// What is asked of a hub in one look.
struct Look {
    clusters: Vec<ClusterStatus>,
    /// Of the one cluster that was asked for.
    drifted: Vec<DriftItem>,
    restarts: Vec<Restart>,
}

/// `status [CLUSTER]`.
pub async fn show(call: &Call, arguments: args::Status) -> Result<Outcome, Failure> {
    let name = arguments.cluster;
    if !arguments.watch {
        let found = look(&call.hub().await?, name.as_deref()).await?;
        tell(call, name.is_some(), &found)?;
        return Ok(Outcome::Done);
    }
    let look = async |hub: &Hub| look(hub, name.as_deref()).await;
    watch::poll(call, look, |before, after| {
        match before {
            None => tell(call, name.is_some(), after)?,
            Some(before) => change::tell(call, &before.clusters, &after.clusters)?,
        }
        Ok(None)
    })
    .await
}

async fn look(hub: &Hub, cluster: Option<&str>) -> Result<Look, Failure> {
    let request = ShowStatusRequest { cluster: cluster.unwrap_or_default().to_owned() };
    let answer = hub.status().show(request).await.map_err(|status| hub.refused(&status))?;
    let (drifted, restarts) = match cluster {
        Some(name) => (drifted(hub, name).await?, needed_restarts(hub, name).await?),
        None => (Vec::new(), Vec::new()),
    };
    Ok(Look { clusters: answer.into_inner().clusters, drifted, restarts })
}

fn tell(call: &Call, one: bool, look: &Look) -> Result<(), Failure> {
    let clusters = &look.clusters;
    let json = || match one {
        true => json!({
            "clusters": clusters.iter().map(json::cluster).collect::<Vec<_>>(),
            "restarts": look.restarts.iter().map(json::restart).collect::<Vec<_>>(),
        }),
        false => json!({"clusters": clusters.iter().map(json::cluster).collect::<Vec<_>>()}),
    };
    let names = || clusters.iter().map(|status| reference(&status.cluster)).collect();
    match clusters.as_slice() {
        [cluster] if one => {
            let draw = |screen: &mut Screen| {
                draw_cluster(screen, cluster, &look.drifted, now());
                restarts::draw(screen, &look.restarts);
            };
            call.answer(draw, json, names)
        }
        _ => call.answer(|screen| draw_fleet(screen, clusters, now()), json, names),
    }
}

/// What drifted in a cluster: an object's own state says what became of its last apply, not what others did since.
async fn drifted(hub: &Hub, cluster: &str) -> Result<Vec<DriftItem>, Failure> {
    let request = ReportDriftRequest { cluster: cluster.to_owned() };
    let answer = hub.drift().report(request).await.map_err(|status| hub.refused(&status))?;
    Ok(answer.into_inner().items.into_iter().filter_map(|entry| entry.item).collect())
}

/// What runs an older proxy than its control plane, by what its spoke saw last.
async fn needed_restarts(hub: &Hub, cluster: &str) -> Result<Vec<Restart>, Failure> {
    let request = ShowClusterRequest { name: cluster.to_owned() };
    let answer = hub.clusters().facts(request).await.map_err(|status| hub.refused(&status))?;
    Ok(answer.into_inner().facts.as_ref().map(restarts::restarts).unwrap_or_default())
}

fn draw_fleet(screen: &mut Screen, clusters: &[ClusterStatus], now: Timestamp) {
    let Some(first) = clusters.first() else {
        screen.line(2, &[plain("no clusters yet: invite one with `meshfleet cluster enrol NAME`")]);
        return;
    };
    let titles: Vec<String> =
        first.conditions.iter().map(|condition| condition.r#type.to_uppercase()).collect();
    let mut header = vec!["CLUSTER"];
    header.extend(titles.iter().map(String::as_str));
    header.push("CONFIG");
    let row = |cluster: &ClusterStatus| {
        let mut row = vec![strong(&cluster.cluster)];
        row.extend(cluster.conditions.iter().map(|condition| truth(&condition.status)));
        row.push(plain(config(cluster)));
        row
    };
    screen.columns(&header, &clusters.iter().map(row).collect::<Vec<_>>());
    for (names, group) in troubles(clusters) {
        screen.blank();
        let names = screen.names(&names, 8);
        draw_unmet(screen, &names, &group, now);
    }
}

/// What does not hold, and in which clusters: what is to be said of several is said once. What is false stands before
/// what is only not known.
fn troubles(clusters: &[ClusterStatus]) -> Vec<(Vec<&str>, Vec<&Condition>)> {
    let mut troubles: Vec<(Vec<&str>, Vec<&Condition>)> = Vec::new();
    for cluster in clusters {
        for group in causes(&cluster.conditions) {
            match troubles.iter_mut().find(|(_, other)| *other == group) {
                Some((names, _)) => names.push(&cluster.cluster),
                None => troubles.push((vec![&cluster.cluster], group)),
            }
        }
    }
    troubles.sort_by_key(|(_, group)| group.iter().all(|condition| condition.status != "False"));
    troubles
}

/// What does not hold, without what only follows from the rest: without a plan there is no target.
fn causes(conditions: &[Condition]) -> Vec<Vec<&Condition>> {
    let mut groups = unmet(conditions);
    if groups.len() > 1 {
        groups.retain(|group| group[0].reason != "NoTarget");
    }
    groups
}

/// Conditions that do not hold; those with the same cause together.
fn unmet(conditions: &[Condition]) -> Vec<Vec<&Condition>> {
    let mut groups: Vec<Vec<&Condition>> = Vec::new();
    for condition in conditions.iter().filter(|condition| condition.status != "True") {
        let cause = |other: &Condition| (other.reason.clone(), other.message.clone());
        match groups.iter_mut().find(|group| cause(group[0]) == cause(condition)) {
            Some(group) => group.push(condition),
            None => groups.push(vec![condition]),
        }
    }
    groups
}

fn draw_unmet(screen: &mut Screen, clusters: &str, group: &[&Condition], now: Timestamp) {
    let mut title = vec![strong(clusters), plain("  ")];
    for condition in group {
        let name = &condition.r#type;
        title.push(match condition.status.as_str() {
            "False" => bad(format!("not {name}  ")),
            _ => warning(format!("{name}?  ")),
        });
    }
    title.push(plain(&group[0].reason));
    screen.line(4, &title);
    if !group[0].message.is_empty() {
        screen.line(4, &[plain("    "), plain(time::spoken(now, &group[0].message))]);
    }
    let mut hints: Vec<&str> = group.iter().map(|condition| condition.hint.as_str()).collect();
    hints.dedup();
    for hint in hints.into_iter().filter(|hint| !hint.is_empty()) {
        screen.line(10, &[plain("    "), faint("hint: "), plain(hint)]);
    }
}

fn draw_cluster(screen: &mut Screen, cluster: &ClusterStatus, drifted: &[DriftItem], now: Timestamp) {
    let platform = platform_words(&cluster.platform, &cluster.platform_detail);
    screen.line(2, &[strong(&cluster.cluster), plain(format!("  {platform}"))]);
    let target = match cluster.generation {
        0 => "no target yet".to_owned(),
        generation if cluster.config.is_empty() => format!("no config, generation {generation}"),
        generation => format!("{}, generation {generation}", config(cluster)),
    };
    screen.line(2, &[faint(target)]);
    screen.blank();
    let row = |condition: &Condition| {
        let Condition { r#type, status, reason, message, hint: _ } = condition;
        vec![strong(r#type), truth(status), plain(reason), plain(or_dash(&time::spoken(now, message)))]
    };
    let rows: Vec<Vec<Piece>> = cluster.conditions.iter().map(row).collect();
    screen.table(&["CONDITION", "HOLDS", "REASON", "MESSAGE"], &[3], &rows);
    let mut hints: Vec<&str> = cluster.conditions.iter().map(|condition| condition.hint.as_str()).collect();
    // What this very command shows below needs no hint.
    let here = format!("`meshfleet status {}` ", cluster.cluster);
    hints.retain(|hint| !hint.is_empty() && !hint.starts_with(&here));
    hints.dedup();
    if !hints.is_empty() {
        screen.blank();
    }
    for hint in hints {
        screen.line(6, &[strong("hint: "), plain(hint)]);
    }
    draw_objects(screen, &cluster.objects, drifted);
}

/// The objects, what is wrong first. The last column is broken between words only, so that names can be copied.
fn draw_objects(screen: &mut Screen, objects: &[ObjectState], drifted: &[DriftItem]) {
    if objects.is_empty() {
        return;
    }
    let drift = |object: &ObjectState| {
        let mut items = drifted.iter().filter(|item| item.id == object.id);
        items.next().map(DriftItem::class)
    };
    let mut objects: Vec<_> = objects.iter().map(|object| (object, drift(object))).collect();
    objects.sort_by_key(|(object, drift)| object.healthy && !failed(object.outcome()) && drift.is_none());
    let (shown, more) = screen.fold(&objects, MOST_OBJECTS);
    let rows: Vec<Vec<Piece>> = shown.iter().map(|(object, drift)| object_row(object, *drift)).collect();
    screen.blank();
    screen.columns(&["HEALTHY", "OUTCOME", "ROLE", "OBJECT"], &rows);
    if more > 0 {
        screen.line(2, &[faint(format!("… {more} more"))]);
    }
}

fn object_row(object: &ObjectState, drift: Option<DriftClass>) -> Vec<Piece> {
    let outcome = match object.outcome() {
        outcome if failed(outcome) => bad(json::outcome(outcome)),
        ObjectOutcome::Pending | ObjectOutcome::InUse => warning(json::outcome(object.outcome())),
        outcome => plain(json::outcome(outcome)),
    };
    let healthy = match drift {
        Some(DriftClass::Deleted) => bad("gone"),
        _ if object.healthy => good("yes"),
        _ => bad("NO"),
    };
    let mut name = named(object.id.as_ref());
    if !object.message.is_empty() {
        name = format!("{name}: {}", object.message);
    }
    let mut row = vec![healthy, outcome, plain(json::role(object.role())), plain(name)];
    if let Some(drift) = drift {
        row.extend([plain("  drifted: "), class(drift)]);
    }
    row
}

fn config(cluster: &ClusterStatus) -> String {
    match cluster.config.as_str() {
        "" => "-".to_owned(),
        config => format!("{config} v{}", cluster.version),
    }
}

fn truth(status: &str) -> Piece {
    match status {
        "True" => good("yes"),
        "False" => bad("NO"),
        "Unknown" => warning("?"),
        other => plain(other),
    }
}

fn failed(outcome: ObjectOutcome) -> bool {
    match outcome {
        ObjectOutcome::Conflict
        | ObjectOutcome::AdoptionRequired
        | ObjectOutcome::Rejected
        | ObjectOutcome::Unreachable
        | ObjectOutcome::Unfulfilled => true,
        ObjectOutcome::Unspecified
        | ObjectOutcome::Pending
        | ObjectOutcome::InUse
        | ObjectOutcome::Created
        | ObjectOutcome::Changed
        | ObjectOutcome::Unchanged
        | ObjectOutcome::Deleted
        | ObjectOutcome::Left
        | ObjectOutcome::Fulfilled => false,
    }
}

#[cfg(test)]
pub mod tests;
