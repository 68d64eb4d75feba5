use proto::v1::{ObjectId, Role};

use super::*;
use crate::screen::golden;

const TYPES: [&str; 6] = ["Connected", "Planned", "Delivered", "Applied", "Healthy", "InSync"];

fn at() -> Timestamp {
    "2026-11-24T10:00:00Z".parse().unwrap()
}

pub fn cluster(name: &str) -> ClusterStatus {
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

pub fn troubled() -> ClusterStatus {
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
    insta::assert_snapshot!("fleet_at_80_columns", golden(80, |screen| draw_fleet(screen, &clusters, at())));
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
    insta::assert_snapshot!(format!("{:#}", json::cluster(&status)));
}

#[test]
fn many_objects_are_folded_behind_what_is_wrong() {
    let mut status = troubled();
    let healthy = status.objects[0].clone();
    status.objects.splice(0..0, std::iter::repeat_n(healthy, 40));
    let folded = golden(80, |screen| draw_objects(screen, &status.objects, &[]));
    assert!(folded.contains("… 12 more") && folded.contains("unfulfilled"), "{folded}");
}
