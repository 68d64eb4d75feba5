//! What people read of drift.

use proto::v1::{Condition, HealDriftResponse, HealEntry, HealResult, ObjectId};

use super::*;
use crate::screen::golden;

fn now() -> Timestamp {
    "2026-11-24T10:00:00Z".parse().unwrap()
}

fn items() -> Vec<ClusterDriftItem> {
    let control_plane = ObjectId {
        group: "servicemesh.cisco.com".to_owned(),
        version: "v1alpha1".to_owned(),
        kind: "IstioControlPlane".to_owned(),
        namespace: "istio-system".to_owned(),
        name: "payments".to_owned(),
    };
    let overwritten = DriftItem {
        id: Some(control_plane.clone()),
        uid: "6f0e".to_owned(),
        path: ".spec.proxyInit.cni.confDir".to_owned(),
        class: DriftClass::Overwritten.into(),
        baseline: "\"/etc/cni/multus/net.d\"".to_owned(),
        found: "\"/etc/cni/net.d\"".to_owned(),
        found_digest: vec![1, 2],
        manager: "kubectl-edit".to_owned(),
        operation: "Update".to_owned(),
        subresource: String::new(),
        written_at: "2026-11-24T09:57:00Z".to_owned(),
        ..DriftItem::default()
    };
    let removed = DriftItem {
        path: ".spec.mode".to_owned(),
        class: DriftClass::Removed.into(),
        baseline: "\"ACTIVE\"".to_owned(),
        found: String::new(),
        manager: String::new(),
        written_at: String::new(),
        ..overwritten.clone()
    };
    let deleted = DriftItem {
        id: Some(ObjectId {
            kind: "RoleBinding".to_owned(),
            namespace: "ledger".to_owned(),
            ..control_plane
        }),
        path: String::new(),
        class: DriftClass::Deleted.into(),
        baseline: String::new(),
        ..removed.clone()
    };
    let at = |cluster: &str, item| ClusterDriftItem {
        cluster: cluster.to_owned(),
        item: Some(item),
        first_seen_at: "2026-11-24T09:57:01Z".to_owned(),
        number: 12,
    };
    vec![at("rosa-eu-1", overwritten), at("rosa-eu-1", removed), at("rosa-eu-2", deleted)]
}

fn running(config: &str) -> Around {
    let configs = ["rosa-eu-1", "rosa-eu-2"].map(|cluster| (cluster.to_owned(), config.to_owned()));
    Around { configs: configs.into(), ..Around::default() }
}

#[test]
fn drift_says_who_changed_what() {
    insta::assert_snapshot!(golden(80, |screen| draw(screen, (&items(), &[]), &running("payments"), now())));
}

#[test]
fn no_drift_is_said() {
    insta::assert_snapshot!(golden(80, |screen| draw(screen, (&[], &[]), &Around::default(), now())));
}

#[test]
fn a_cluster_that_nobody_looked_at_is_no_cluster_without_drift() {
    let status = |cluster: &str, generation, status: &str| ClusterStatus {
        cluster: cluster.to_owned(),
        generation,
        conditions: vec![Condition {
            r#type: "InSync".to_owned(),
            status: status.to_owned(),
            message: "its spoke is away since 3 minutes".to_owned(),
            ..Condition::default()
        }],
        ..ClusterStatus::default()
    };
    let clusters =
        vec![status("eks-eu-1", 4, "True"), status("rosa-eu-1", 2, "Unknown"), status("new", 0, "Unknown")];
    let around = Around::of(clusters);
    let alone = golden(80, |screen| draw(screen, (&[], &[]), &around, now()));
    let with_items = golden(80, |screen| draw(screen, (&items()[2..], &[]), &around, now()));
    insta::assert_snapshot!(format!("{alone}======\n{with_items}"));
}

#[test]
fn json_has_stable_names() {
    insta::assert_snapshot!(format!("{:#}", json::entry(&items()[0])));
}

#[test]
fn a_fight_names_both_and_what_is_being_healed_says_so() {
    let mut items = items();
    let state = |entry: &mut ClusterDriftItem, number, state: DriftState, heals| {
        entry.number = number;
        let item = entry.item.as_mut().unwrap();
        (item.state, item.heals) = (state.into(), heals);
    };
    state(&mut items[0], 12, DriftState::Fighting, 5);
    state(&mut items[1], 13, DriftState::Healing, 1);
    state(&mut items[2], 14, DriftState::Healing, 0);
    insta::assert_snapshot!(golden(80, |screen| draw(screen, (&items, &[]), &running("payments"), now())));
}

fn heal(at: &str, result: HealResult) -> ClusterHeal {
    let item = items().remove(0).item.unwrap();
    let entry = HealEntry {
        number: 1,
        id: item.id.clone(),
        uid: item.uid.clone(),
        path: item.path.clone(),
        class: item.class,
        baseline: item.baseline.clone(),
        found: item.found.clone(),
        manager: item.manager.clone(),
        operation: item.operation.clone(),
        asked_by: String::new(),
        at: at.to_owned(),
        result: result.into(),
        message: String::new(),
    };
    ClusterHeal {
        cluster: "rosa-eu-1".to_owned(),
        entry: Some(entry),
        operator: String::new(),
        reason: String::new(),
    }
}

#[test]
fn heals_are_told_once_for_each_difference() {
    let mut heals = vec![
        heal("2026-11-24T09:58:00Z", HealResult::Healed),
        heal("2026-11-24T09:54:00Z", HealResult::Healed),
        heal("2026-11-24T09:50:00Z", HealResult::Healed),
    ];
    let mut failed = heal("2026-11-24T08:00:00Z", HealResult::Failed);
    failed.operator = "ana".to_owned();
    failed.reason = "edited by mistake".to_owned();
    let entry = failed.entry.as_mut().unwrap();
    entry.path = ".spec.mode".to_owned();
    entry.message = "the API server said no".to_owned();
    heals.push(failed);
    let drawn = golden(80, |screen| draw(screen, (&[], &heals), &Around::default(), now()));
    insta::assert_snapshot!(format!("{drawn}======\n{:#}", json::report(&[], &heals[3..], &[])));
}

#[test]
fn a_heal_says_what_came_of_it() {
    let answer = |result: HealResult, message: &str, after: &str| HealDriftResponse {
        item: items().remove(0).item,
        result: result.into(),
        message: message.to_owned(),
        before: "\"/etc/cni/net.d\"".to_owned(),
        after: after.to_owned(),
    };
    let after = "\"/etc/cni/multus/net.d\"";
    let answers = [
        answer(HealResult::Healed, "", after),
        answer(HealResult::WouldHeal, "", after),
        answer(HealResult::Moved, "it says something else now than what was seen", ""),
        answer(HealResult::Held, "the cluster is frozen: an audit", ""),
        answer(HealResult::Failed, "the API server refused it: no", ""),
    ];
    let drawn = answers
        .map(|answer| golden(80, |screen| heal::draw(screen, ("rosa-eu-1", 12), &answer, now())))
        .join("======\n");
    insta::assert_snapshot!(drawn);
}
