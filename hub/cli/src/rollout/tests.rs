use super::*;
use crate::screen::golden;

fn now() -> Timestamp {
    "2026-11-24T10:00:00Z".parse().unwrap()
}

/// A rollout of two waves of which the first is done.
pub fn rollout() -> Rollout {
    let done = RolloutTarget {
        cluster: "eks-eu-1".to_owned(),
        wave: 1,
        wave_name: "first".to_owned(),
        state: "Succeeded".to_owned(),
        reason: String::new(),
        generation: 4,
        plan_digest: "8d3f0a1b2c3d4e5f6a7b".to_owned(),
        started_at: "2026-11-24T09:58:00Z".to_owned(),
        ended_at: "2026-11-24T09:58:47Z".to_owned(),
    };
    let waits = RolloutTarget {
        cluster: "rosa-eu-1".to_owned(),
        wave: 2,
        wave_name: "openshift".to_owned(),
        state: "Converging".to_owned(),
        reason: "DaemonSet istio-system/istio-cni-node-payments: 1 of 3 pods are ready".to_owned(),
        generation: 2,
        plan_digest: "0123456789abcdef".to_owned(),
        started_at: "2026-11-24T09:58:50Z".to_owned(),
        ended_at: String::new(),
    };
    Rollout {
        number: 3,
        config: "payments".to_owned(),
        version: 2,
        strategy: "careful".to_owned(),
        state: "Running".to_owned(),
        reason: "wave 2 of 2".to_owned(),
        started_by: "admin".to_owned(),
        started_at: "2026-11-24T09:58:00Z".to_owned(),
        ended_at: String::new(),
        targets: vec![done, waits],
    }
}

#[test]
fn a_rollout_shows_its_waves() {
    insta::assert_snapshot!("rollout", golden(120, |screen| draw(screen, &rollout(), now())));
    insta::assert_snapshot!("rollout_at_80_columns", golden(80, |screen| draw(screen, &rollout(), now())));
}

#[test]
fn rollouts_are_listed() {
    let failed = Rollout {
        number: 2,
        strategy: String::new(),
        state: "Failed".to_owned(),
        reason: "eks-eu-1 was not healthy within 900 s".to_owned(),
        started_at: "2026-11-23T10:00:00Z".to_owned(),
        ..rollout()
    };
    let list = [rollout(), failed];
    insta::assert_snapshot!(golden(100, |screen| draw_list(screen, &list, now())));
    insta::assert_snapshot!(golden(80, |screen| draw_list(screen, &[], now())));
}

#[test]
fn json_has_stable_names() {
    let mut rollout = rollout();
    rollout.targets.truncate(1);
    insta::assert_snapshot!(format!("{:#}", to_json(&rollout)));
}

#[test]
fn every_rollout_begins_a_trace_of_its_own() {
    let (one, other) = (begin_trace().unwrap(), begin_trace().unwrap());
    assert_ne!(one, other);
    assert_eq!(TraceContext::parse(&one.traceparent), Some(one));
}
