use proto::v1::{RolloutProgress, RolloutTarget};

use super::{show::*, *};
use crate::screen::{golden, golden_wide};

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
        disruption: "config-push".to_owned(),
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
        disruption: "node-cni".to_owned(),
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
        kind: "Assign".to_owned(),
        progress: Some(RolloutProgress {
            total: 2,
            succeeded: 1,
            in_flight: 1,
            ..RolloutProgress::default()
        }),
        max_unavailable: 1,
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
    let removal = Rollout { number: 1, kind: "Unassign".to_owned(), config: String::new(), ..failed.clone() };
    let list = [rollout(), failed, removal];
    insta::assert_snapshot!("rollouts_at_80_columns", golden(80, |screen| draw_list(screen, &list, now())));
    insta::assert_snapshot!(golden(120, |screen| draw_list(screen, &list, now())));
    insta::assert_snapshot!(golden(80, |screen| draw_list(screen, &[], now())));
}

#[test]
fn whoever_stopped_it_is_told_how_to_go_on() {
    let mut shown = String::new();
    for (state, reason) in [("Paused", "by ana: latency in eu-1"), ("Aborted", "by ana"), ("Running", "")] {
        let rollout = Rollout { state: state.to_owned(), reason: reason.to_owned(), ..rollout() };
        shown.push_str(&golden(80, |screen| draw_turned(screen, &rollout, now())));
        shown.push_str("---\n");
    }
    let mut failed = Rollout { state: "Failed".to_owned(), kind: "Unassign".to_owned(), ..rollout() };
    failed.targets[1].state = "TimedOut".to_owned();
    failed.progress =
        Some(RolloutProgress { total: 2, succeeded: 1, failed: 1, ..RolloutProgress::default() });
    shown.push_str(&golden(80, |screen| draw(screen, &failed, now())));
    insta::assert_snapshot!(shown);
}

/// A rollout of three waves and many clusters.
fn large() -> Rollout {
    let mut large = rollout();
    let [done, waits] = [0, 1].map(|index| large.targets[index].clone());
    large.targets.clear();
    for number in 1..=60 {
        let mut target = match number {
            1..=20 => done.clone(),
            21..=22 => waits.clone(),
            _ => RolloutTarget { reason: String::new(), state: "Pending".to_owned(), ..waits.clone() },
        };
        target.cluster = format!("cluster-{number}");
        (target.wave, target.wave_name) = match number {
            1..=5 => (1, "first".to_owned()),
            6..=40 => (2, "the-rest-of-europe".to_owned()),
            _ => (3, String::new()),
        };
        large.targets.push(target);
    }
    let progress =
        RolloutProgress { total: 60, succeeded: 20, in_flight: 2, pending: 38, ..Default::default() };
    Rollout { progress: Some(progress), ..large }
}

#[test]
fn of_many_clusters_those_at_work_are_shown() {
    insta::assert_snapshot!(
        "large_rollout_at_80_columns",
        golden(80, |screen| draw(screen, &large(), now()))
    );
    let all = golden_wide(120, |screen| draw(screen, &large(), now()));
    assert!((1..=60).all(|number| all.contains(&format!("cluster-{number} "))) && !all.contains("folded"));
}

#[test]
fn json_has_stable_names() {
    let mut rollout = rollout();
    rollout.targets.truncate(1);
    insta::assert_snapshot!(format!("{:#}", json::rollout(&rollout)));
}
