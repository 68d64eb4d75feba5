//! `meshfleet status`: the six conditions of every cluster, and what to do where one does not hold.

use jiff::Timestamp;
use proto::v1::{
    ClusterStatus, Condition, DriftClass, DriftItem, ObjectState, Outcome as ObjectOutcome,
    ReportDriftRequest, Role, ShowStatusRequest,
};
use serde_json::{Value, json};

use crate::{
    call::{Call, Outcome, now},
    cluster::{or_dash, platform_words},
    drift::class,
    failure::Failure,
    hub::Hub,
    plan::{self, named},
    screen::{Piece, Screen, bad, faint, good, plain, strong, warning},
    time,
};

/// `status [CLUSTER]`.
pub async fn show(call: &Call, cluster: Option<String>) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let request = ShowStatusRequest { cluster: cluster.clone().unwrap_or_default() };
    let answer = hub.status().show(request).await.map_err(|status| hub.refused(&status))?;
    let clusters = answer.into_inner().clusters;
    let drifted = match &cluster {
        Some(name) => drifted(&hub, name).await?,
        None => Vec::new(),
    };
    let json = || json!({"clusters": clusters.iter().map(to_json).collect::<Vec<_>>()});
    match (cluster, clusters.as_slice()) {
        (Some(_), [one]) => call.answer(|screen| draw_cluster(screen, one, &drifted, now()), json)?,
        _ => call.answer(|screen| draw_fleet(screen, &clusters, now()), json)?,
    }
    Ok(Outcome::Done)
}

/// What drifted in a cluster: an object's own state says what became of its last apply, not what others did since.
async fn drifted(hub: &Hub, cluster: &str) -> Result<Vec<DriftItem>, Failure> {
    let request = ReportDriftRequest { cluster: cluster.to_owned() };
    let answer = hub.drift().report(request).await.map_err(|status| hub.refused(&status))?;
    Ok(answer.into_inner().items.into_iter().filter_map(|entry| entry.item).collect())
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
        draw_unmet(screen, &names.join(", "), &group, now);
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
    hints.retain(|hint| !hint.is_empty());
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
    let rows: Vec<Vec<Piece>> =
        objects.into_iter().map(|(object, drift)| object_row(object, drift)).collect();
    screen.blank();
    screen.columns(&["HEALTHY", "OUTCOME", "ROLE", "OBJECT"], &rows);
}

fn object_row(object: &ObjectState, drift: Option<DriftClass>) -> Vec<Piece> {
    let outcome = match object.outcome() {
        outcome if failed(outcome) => bad(outcome_word(outcome)),
        ObjectOutcome::Pending => warning("pending"),
        outcome => plain(outcome_word(outcome)),
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
    let mut row = vec![healthy, outcome, plain(role(object.role())), plain(name)];
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
        | ObjectOutcome::Created
        | ObjectOutcome::Changed
        | ObjectOutcome::Unchanged
        | ObjectOutcome::Deleted
        | ObjectOutcome::Left
        | ObjectOutcome::Fulfilled => false,
    }
}

fn outcome_word(outcome: ObjectOutcome) -> &'static str {
    match outcome {
        ObjectOutcome::Unspecified => "unspecified",
        ObjectOutcome::Pending => "pending",
        ObjectOutcome::Created => "created",
        ObjectOutcome::Changed => "changed",
        ObjectOutcome::Unchanged => "unchanged",
        ObjectOutcome::Deleted => "deleted",
        ObjectOutcome::Conflict => "conflict",
        ObjectOutcome::AdoptionRequired => "adoptionRequired",
        ObjectOutcome::Rejected => "rejected",
        ObjectOutcome::Unreachable => "unreachable",
        ObjectOutcome::Left => "left",
        ObjectOutcome::Unfulfilled => "unfulfilled",
        ObjectOutcome::Fulfilled => "fulfilled",
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Unspecified => "unspecified",
        Role::Created => "created",
        Role::Adopted => "adopted",
        Role::Expected => "expected",
    }
}

fn to_json(status: &ClusterStatus) -> Value {
    let ClusterStatus {
        cluster,
        platform,
        platform_detail,
        config,
        version,
        generation,
        conditions,
        objects,
    } = status;
    let conditions = conditions.iter().map(|Condition { r#type, status, reason, message, hint }| {
        json!({"type": r#type, "status": status, "reason": reason, "message": message, "hint": hint})
    });
    json!({
        "cluster": cluster, "platform": platform, "platformDetail": platform_detail, "config": config,
        "version": version, "generation": generation, "conditions": conditions.collect::<Vec<_>>(),
        "objects": objects.iter().map(object_to_json).collect::<Vec<_>>(),
    })
}

fn object_to_json(object: &ObjectState) -> Value {
    let ObjectState { id, role: _, uid, body_digest, outcome: _, healthy, message, generation } = object;
    let digest: String = body_digest.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "id": plan::json::id(id.as_ref()), "role": role(object.role()), "uid": uid, "bodyDigest": digest,
        "outcome": outcome_word(object.outcome()), "healthy": healthy, "message": message, "generation": generation,
    })
}

#[cfg(test)]
mod tests {
    use proto::v1::ObjectId;

    use super::*;
    use crate::screen::golden;

    const TYPES: [&str; 6] = ["Connected", "Planned", "Delivered", "Applied", "Healthy", "InSync"];

    fn at() -> Timestamp {
        "2026-11-24T10:00:00Z".parse().unwrap()
    }

    fn cluster(name: &str) -> ClusterStatus {
        let condition = |r#type: &str| Condition {
            r#type: r#type.to_owned(),
            status: "True".to_owned(),
            reason: "AsPlanned".to_owned(),
            ..Condition::default()
        };
        ClusterStatus {
            cluster: name.to_owned(),
            platform: "eks".to_owned(),
            config: "payments".to_owned(),
            version: 2,
            generation: 4,
            conditions: TYPES.map(condition).into(),
            ..ClusterStatus::default()
        }
    }

    fn troubled() -> ClusterStatus {
        let mut status = cluster("rosa-eu-1");
        status.platform = "rosa".to_owned();
        status.platform_detail = "ROSA classic, OpenShift 4.11.59".to_owned();
        let set = |condition: &mut Condition, words: [&str; 4]| {
            let [status, reason, message, hint] = words.map(str::to_owned);
            *condition = Condition { r#type: condition.r#type.clone(), status, reason, message, hint };
        };
        set(
            &mut status.conditions[4],
            [
                "False",
                "ObjectUnhealthy",
                "DaemonSet istio-system/istio-cni-node-payments: 1 of 3 pods are ready",
                "",
            ],
        );
        set(
            &mut status.conditions[5],
            [
                "Unknown",
                "NotReported",
                "the spoke has not looked under this generation",
                "see `meshfleet drift report rosa-eu-1`",
            ],
        );
        let id = |kind: &str, name: &str| {
            Some(ObjectId {
                kind: kind.to_owned(),
                namespace: "istio-system".to_owned(),
                name: name.to_owned(),
                ..ObjectId::default()
            })
        };
        status.objects = vec![
            ObjectState {
                id: id("IstioControlPlane", "payments"),
                role: Role::Created.into(),
                uid: "6f0e".to_owned(),
                body_digest: vec![0xab, 0x01],
                outcome: ObjectOutcome::Created.into(),
                healthy: true,
                generation: 4,
                ..ObjectState::default()
            },
            ObjectState {
                id: id("DaemonSet", "istio-cni-node-payments"),
                role: Role::Expected.into(),
                outcome: ObjectOutcome::Unfulfilled.into(),
                message: "1 of 3 pods are ready\u{1b}[31m".to_owned(),
                generation: 4,
                ..ObjectState::default()
            },
        ];
        status
    }

    #[test]
    fn the_fleet_at_a_glance_and_then_what_does_not_hold() {
        let clusters = [cluster("eks-eu-1"), troubled()];
        insta::assert_snapshot!(golden(100, |screen| draw_fleet(screen, &clusters, at())));
        insta::assert_snapshot!(
            "fleet_at_80_columns",
            golden(80, |screen| draw_fleet(screen, &clusters, at()))
        );
    }

    #[test]
    fn what_has_one_cause_is_said_once() {
        let mut status = cluster("aks-us-1");
        for condition in &mut status.conditions[2..] {
            condition.status = "Unknown".to_owned();
            condition.reason = "NoTarget".to_owned();
            condition.message = "it has no target yet".to_owned();
        }
        status.conditions[2].hint = "start a rollout".to_owned();
        insta::assert_snapshot!(golden(80, |screen| draw_fleet(screen, &[status.clone()], at())));
    }

    #[test]
    fn what_several_clusters_have_is_said_once_and_what_is_false_first() {
        let mut invited = cluster("new-1");
        let set = |condition: &mut Condition, status: &str, reason: &str, message: &str| {
            condition.status = status.to_owned();
            condition.reason = reason.to_owned();
            condition.message = message.to_owned();
        };
        set(&mut invited.conditions[0], "Unknown", "NeverAttached", "its spoke was never attached");
        set(&mut invited.conditions[1], "False", "Unassigned", "no mesh config selects it");
        for condition in &mut invited.conditions[2..] {
            set(condition, "Unknown", "NoTarget", "it has no target yet");
        }
        let other = ClusterStatus { cluster: "new-2".to_owned(), ..invited.clone() };
        let mut away = cluster("rosa-eu-1");
        let heard = "its spoke was heard last at 2026-11-24T09:59:30.087944Z";
        set(&mut away.conditions[0], "False", "SessionGone", heard);
        let clusters = [invited, other, away];
        insta::assert_snapshot!(golden(80, |screen| draw_fleet(screen, &clusters, at())));
    }

    #[test]
    fn what_drifted_is_marked_and_stands_first() {
        let mut status = troubled();
        status.objects.reverse();
        status.objects[0].healthy = true;
        status.objects[0].outcome = ObjectOutcome::Fulfilled.into();
        let item = DriftItem {
            id: status.objects[1].id.clone(),
            class: DriftClass::Deleted.into(),
            ..DriftItem::default()
        };
        insta::assert_snapshot!(golden(80, |screen| draw_objects(
            screen,
            &status.objects,
            std::slice::from_ref(&item)
        )));
    }

    #[test]
    fn one_cluster_with_its_objects() {
        insta::assert_snapshot!(golden(120, |screen| draw_cluster(screen, &troubled(), &[], at())));
        insta::assert_snapshot!(
            "cluster_at_80_columns",
            golden(80, |screen| draw_cluster(screen, &troubled(), &[], at()))
        );
    }

    #[test]
    fn json_has_stable_names() {
        let mut status = troubled();
        status.conditions.truncate(1);
        status.objects.truncate(1);
        insta::assert_snapshot!(format!("{:#}", to_json(&status)));
    }
}
