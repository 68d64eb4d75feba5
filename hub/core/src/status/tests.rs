//! Each condition, from what is known.

use jiff::Timestamp;

use super::*;
use crate::{
    drift::HealClasses,
    report::{Fence, Phase, RefusalCode},
    rollout::TargetPlan,
};

fn known() -> Known {
    let target = CurrentTarget {
        generation: 3,
        target: Digest::of(b"target"),
        plan: TargetPlan::Known(Digest::of(b"plan")),
        heal: HealClasses::NONE,
    };
    Known {
        cluster: Name::parse("eu-1").unwrap(),
        session: Session::Open,
        planned: Planned::Plan {
            digest: Digest::of(b"plan"),
            config: Name::parse("payments").unwrap(),
            version: 2,
        },
        target: Some(target),
        fence: Some(Fence { epoch: 1, generation: 3, target: target.target, completed: 3 }),
        refusal: None,
        report: Some(report(Phase::Healthy)),
        drift: Some(drift(0)),
    }
}

fn drift(open: u64) -> DriftSeen {
    DriftSeen { generation: 3, open, healing: 0, fighting: 0 }
}

fn report(phase: Phase) -> SeenReport {
    SeenReport {
        generation: 3,
        target: Digest::of(b"target"),
        phase,
        message: String::new(),
        completed: 3,
        failed: Vec::new(),
        in_use: Vec::new(),
        frozen: None,
    }
}

fn truths(known: &Known) -> [Truth; 6] {
    conditions(known).map(|condition| condition.status)
}

fn check(known: &Known, kind: ConditionKind, status: Truth, reason: Reason) {
    let all = conditions(known);
    let condition = all.iter().find(|condition| condition.kind == kind).unwrap();
    assert_eq!((condition.status, condition.reason), (status, reason), "{known:?}");
    assert!(!condition.message.is_empty());
}

#[test]
fn a_cluster_in_order_has_six_true_conditions() {
    assert_eq!(truths(&known()), [Truth::True; 6]);
}

#[test]
fn no_data_is_never_true() {
    let nothing = Known {
        session: Session::Never,
        planned: Planned::NotYet,
        target: None,
        fence: None,
        refusal: None,
        report: None,
        drift: None,
        ..known()
    };
    assert_eq!(truths(&nothing), [Truth::Unknown; 6]);
}

#[test]
fn a_spoke_that_is_away_leaves_health_and_drift_unknown() {
    let away = Known { session: Session::Gone { last_seen_at: Timestamp::UNIX_EPOCH }, ..known() };
    check(&away, ConditionKind::Connected, Truth::False, Reason::SessionGone);
    check(&away, ConditionKind::Delivered, Truth::True, Reason::Accepted);
    check(&away, ConditionKind::Healthy, Truth::Unknown, Reason::SessionGone);
    check(&away, ConditionKind::InSync, Truth::Unknown, Reason::SessionGone);
}

#[test]
fn what_to_do_about_a_detached_cluster_is_said_once() {
    let gone = Session::Gone { last_seen_at: Timestamp::UNIX_EPOCH };
    let detached = Known { session: gone, planned: Planned::Detached, ..known() };
    let hints = conditions(&detached).map(|condition| condition.hint);
    let said: Vec<&String> = hints.iter().filter(|hint| !hint.is_empty()).collect();
    assert!(matches!(said[..], [only] if only.contains("meshfleet cluster enrol eu-1")), "{hints:?}");
}

#[test]
fn a_report_of_an_older_generation_says_nothing_of_the_present_target() {
    let old = Known { report: Some(SeenReport { generation: 2, ..report(Phase::Healthy) }), ..known() };
    check(&old, ConditionKind::Applied, Truth::Unknown, Reason::NoReport);
    check(&old, ConditionKind::Healthy, Truth::Unknown, Reason::NoReport);
    let old = Known { drift: Some(DriftSeen { generation: 2, ..drift(0) }), ..known() };
    check(&old, ConditionKind::InSync, Truth::Unknown, Reason::NoReport);
}

#[test]
fn a_target_is_delivered_only_when_exactly_it_was_accepted() {
    let fence = |generation, target: &[u8]| Known {
        fence: Some(Fence { epoch: 1, generation, target: Digest::of(target), completed: 0 }),
        ..known()
    };
    check(&fence(2, b"older"), ConditionKind::Delivered, Truth::False, Reason::AwaitingAcceptance);
    check(&fence(3, b"other"), ConditionKind::Delivered, Truth::False, Reason::SpokeAhead);
    check(&fence(4, b"newer"), ConditionKind::Delivered, Truth::False, Reason::SpokeAhead);
    let refused = Known {
        refusal: Some(Refusal { generation: 3, code: RefusalCode::Floor, message: "too big".to_owned() }),
        ..fence(2, b"older")
    };
    check(&refused, ConditionKind::Delivered, Truth::False, Reason::Refused);
}

#[test]
fn phases_decide_applied_and_healthy() {
    for (phase, applied, healthy) in [
        (Phase::Applying, (Truth::False, Reason::Applying), (Truth::False, Reason::Converging)),
        (Phase::Converging, (Truth::True, Reason::Applied), (Truth::False, Reason::Converging)),
        (Phase::Unhealthy, (Truth::True, Reason::Applied), (Truth::False, Reason::Unhealthy)),
        (Phase::Failed, (Truth::False, Reason::ApplyFailed), (Truth::False, Reason::Unhealthy)),
    ] {
        let known = Known { report: Some(report(phase)), ..known() };
        check(&known, ConditionKind::Applied, applied.0, applied.1);
        check(&known, ConditionKind::Healthy, healthy.0, healthy.1);
    }
}

#[test]
fn a_frozen_cluster_says_why_and_how_it_goes_on() {
    let frozen = |phase| Known {
        report: Some(SeenReport { frozen: Some("an audit".to_owned()), ..report(phase) }),
        ..known()
    };
    for (phase, status, message) in [
        (Phase::Applying, Truth::False, "generation 3 waits, because somebody froze the cluster: an audit"),
        (
            Phase::Healthy,
            Truth::Unknown,
            "generation 3 was written, and nothing is since somebody froze the cluster: an audit",
        ),
    ] {
        check(&frozen(phase), ConditionKind::Applied, status, Reason::Frozen);
        let applied = &conditions(&frozen(phase))[3];
        assert_eq!(applied.message, message);
        assert!(applied.hint.contains("`kubectl annotate namespace meshfleet meshfleet.dev/freeze-`"));
    }
    check(&frozen(Phase::Healthy), ConditionKind::Healthy, Truth::True, Reason::Healthy);
}

#[test]
fn the_worst_that_becomes_of_a_difference_is_the_reason() {
    for (healing, fighting, reason, message) in [
        (3, 0, Reason::Healing, "3 differences from what was applied, being healed"),
        (1, 0, Reason::Drifted, "3 differences from what was applied, 1 of them being healed"),
        (
            1,
            1,
            Reason::Fighting,
            "3 differences from what was applied: 1 comes back after each heal, so it is not healed any more",
        ),
    ] {
        let drift = DriftSeen { healing, fighting, ..drift(3) };
        let known = Known { drift: Some(drift), ..known() };
        check(&known, ConditionKind::InSync, Truth::False, reason);
        assert_eq!(conditions(&known)[5].message, message);
    }
}

#[test]
fn open_drift_is_counted() {
    let drifted = Known { drift: Some(drift(2)), ..known() };
    check(&drifted, ConditionKind::InSync, Truth::False, Reason::Drifted);
    let all = conditions(&drifted);
    assert_eq!(all[5].message, "2 differences from what was applied");
}

#[test]
fn a_cluster_that_no_config_selects_keeps_its_mesh_and_says_what_to_do() {
    let unassigned = |target| Known { planned: Planned::Unassigned, target, ..known() };
    let target = known().target.unwrap();
    let removed = CurrentTarget { plan: TargetPlan::Known(crate::plan::empty().digest), ..target };
    for (target, message, hint) in [
        (Some(target), "keeps its mesh", "`meshfleet config unassign eu-1`"),
        (Some(removed), "was removed", "apply a MeshConfig"),
        (None, "no mesh config selects it", "apply a MeshConfig"),
    ] {
        let known = unassigned(target);
        check(&known, ConditionKind::Planned, Truth::False, Reason::Unassigned);
        let condition = &conditions(&known)[1];
        assert!(condition.message.contains(message) && condition.hint.contains(hint), "{condition:?}");
    }
}

#[test]
fn two_configs_are_both_named() {
    let name = |text| Name::parse(text).unwrap();
    let known = Known { planned: Planned::TwoConfigs(name("payments"), name("rival")), ..known() };
    check(&known, ConditionKind::Planned, Truth::False, Reason::TwoConfigs);
    let message = &conditions(&known)[1].message;
    assert!(message.contains("payments") && message.contains("rival"), "{message}");
}

#[test]
fn a_spoke_that_is_ahead_is_told_with_both_ways_out() {
    let fence = Fence { epoch: 1, generation: 4, target: Digest::of(b"newer"), completed: 4 };
    let ahead = Known { fence: Some(fence), ..known() };
    let delivered = &conditions(&ahead)[2];
    assert_eq!((delivered.status, delivered.reason), (Truth::False, Reason::SpokeAhead));
    for command in ["reconcile eu-1`", "reconcile eu-1 --keep-hub`", "reconcile eu-1 --keep-spoke`"] {
        assert!(delivered.hint.contains(&format!("`meshfleet cluster {command}")), "{}", delivered.hint);
    }
}

#[test]
fn what_only_the_spoke_knows_is_delivered_and_says_that_nobody_here_knows_it() {
    let target = CurrentTarget { plan: TargetPlan::Unknown, ..known().target.unwrap() };
    let kept = Known { target: Some(target), ..known() };
    check(&kept, ConditionKind::Delivered, Truth::True, Reason::Accepted);
    check(&kept, ConditionKind::Healthy, Truth::True, Reason::Healthy);
    let message = conditions(&kept)[2].message.clone();
    assert!(message.contains("this hub does not know") && message.contains("next rollout"), "{message}");
    let lost = Known { fence: None, ..kept };
    check(&lost, ConditionKind::Delivered, Truth::False, Reason::AwaitingAcceptance);
    assert_eq!(conditions(&lost)[2].hint, "start a rollout");
}

#[test]
fn a_hub_of_a_former_life_says_how_it_becomes_the_present_one() {
    let refusal = |code| Known {
        fence: Some(Fence { epoch: 2, generation: 2, target: Digest::of(b"older"), completed: 2 }),
        refusal: Some(Refusal { generation: 3, code, message: "epoch 1 is older".to_owned() }),
        ..known()
    };
    let hint = |code| conditions(&refusal(code))[2].hint.clone();
    assert!(hint(RefusalCode::StaleEpoch).contains("`meshfleet hub epoch new`"));
    assert_eq!(hint(RefusalCode::Floor), "");
}
