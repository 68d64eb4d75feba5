//! What people do with a running rollout, how much of it is in flight at once, and the brake.

use super::{super::state::COMPUTED_AT_ONCE, *};

fn states(rollout: &Rollout) -> Vec<&'static str> {
    rollout.targets().map(|target| target.state.name()).collect()
}

fn healthy() -> SeenCluster {
    SeenCluster { report: Some(report(Phase::Healthy)), ..ready() }
}

/// A rollout with one target in each of these states.
fn with(targets: Vec<TargetState>) -> Rollout {
    let mut rollout = rollout(&[targets.len()]);
    for (target, state) in rollout.waves[0].targets.iter_mut().zip(targets) {
        target.state = state;
    }
    rollout
}

#[test]
fn a_held_rollout_starts_nothing_and_what_is_in_flight_goes_on() {
    let blocked = TargetState::Blocked { by: Blocker::Offline, since: at(0) };
    let before = with(vec![TargetState::Sent(delivery(1)), blocked, TargetState::Pending]);
    let held = before.pause().unwrap();
    assert_eq!(states(&held), ["Sent", "Pending", "Pending"]);
    let step = advance(&held, &seen([healthy(), ready(), ready()]), at(500));
    assert_eq!(states(&step.rollout), ["Succeeded", "Pending", "Pending"]);
    assert_eq!((step.rollout.state, step.retarget), (RolloutState::Paused, Vec::new()));
    assert_eq!(step.rollout.to_compute(&seen([healthy(), ready(), ready()]).clusters), []);
    let going = step.rollout.resume().unwrap();
    assert_eq!(advance(&going, &seen([healthy(), ready(), ready()]), at(501)).retarget.len(), 2);
}

#[test]
fn a_held_rollout_ends_by_itself_when_nothing_is_left_to_start() {
    let held = with(vec![TargetState::Sent(delivery(1))]).pause().unwrap();
    assert_eq!(
        advance(&held, &seen([healthy()]), at(1)).rollout.state,
        RolloutState::Succeeded { at: at(1) }
    );
    let unhealthy = SeenCluster { report: Some(report(Phase::Unhealthy)), ..ready() };
    let ended = advance(&held, &seen([unhealthy]), at(1)).rollout.state;
    assert_eq!(ended, RolloutState::Failed { at: at(1), wave: 1 });
}

#[test]
fn an_aborted_rollout_leaves_what_is_in_flight_to_its_spoke() {
    let done = TargetState::Succeeded { at: at(0), delivery: Some(delivery(1)) };
    let before = with(vec![done.clone(), TargetState::Converging(delivery(1)), TargetState::Pending]);
    let ended = before.abort(at(3)).unwrap();
    assert_eq!(ended.state, RolloutState::Aborted { at: at(3) });
    assert_eq!(states(&ended), ["Succeeded", "Left", "Skipped"]);
    let reasons: Vec<String> = ended.targets().map(|target| target.state.reason()).collect();
    assert_eq!(
        reasons,
        [
            "",
            "left to its spoke when the rollout was aborted: it had not become healthy",
            "the rollout was aborted before it began"
        ]
    );
    let progress = ended.progress();
    assert_eq!((progress.succeeded, progress.in_flight, progress.skipped), (1, 1, 1));
    assert_eq!(advance(&ended, &seen([healthy(), healthy(), ready()]), at(4)).rollout, ended);
}

#[test]
fn the_same_again_changes_nothing_and_a_wrong_state_is_refused() {
    let running = with(vec![TargetState::Pending]);
    let held = running.clone().pause().unwrap();
    let aborted = running.clone().abort(at(1)).unwrap();
    let succeeded = Rollout { state: RolloutState::Succeeded { at: at(1) }, ..running.clone() };
    assert_eq!(running.clone().resume().unwrap(), running);
    assert_eq!(held.clone().pause().unwrap(), held);
    assert_eq!(aborted.clone().abort(at(9)).unwrap(), aborted);
    for (refused, words) in [
        (succeeded.clone().pause(), "rollout 7 is Succeeded: it cannot be paused any more"),
        (succeeded.clone().resume(), "rollout 7 is Succeeded: it cannot be resumed any more"),
        (succeeded.abort(at(2)), "rollout 7 is Succeeded: it cannot be aborted any more"),
        (aborted.resume(), "rollout 7 is Aborted: it cannot be resumed any more"),
    ] {
        assert_eq!(refused.unwrap_err().to_string(), words);
    }
}

#[test]
fn no_more_are_in_flight_than_the_strategy_allows() {
    let rollout = Rollout { max_unavailable: Some(2), ..rollout(&[4]) };
    let all_ready = seen([ready(), ready(), ready(), ready()]);
    let step = advance(&rollout, &all_ready, at(1));
    assert_eq!(step.retarget, [cluster(0), cluster(1)]);
    let mut going = step.rollout;
    for started in step.retarget {
        going = going.sent(started, delivery(1)).unwrap();
    }
    assert_eq!((going.budget(), going.to_compute(&all_ready.clusters)), (0, Vec::new()));
    assert_eq!(advance(&going, &all_ready, at(2)).retarget, []);
    let step = advance(&going, &seen([healthy(), ready(), ready(), ready()]), at(3));
    assert_eq!(step.retarget, [cluster(2)]);
}

#[test]
fn plans_are_computed_for_those_whose_turn_it_is_and_for_those_whose_time_runs() {
    let number = 3 * COMPUTED_AT_ONCE;
    let mut rollout = Rollout { max_unavailable: Some(1), ..rollout(&[number]) };
    let last = number - 1;
    rollout.waves[0].targets[last].state = TargetState::Blocked { by: Blocker::PlanChanged, since: at(0) };
    let mut clusters = seen(vec![ready(); number]).clusters;
    let offline = SeenCluster { presence: AWAY, ..ready() };
    clusters.insert(cluster(0), offline);
    let computed = rollout.to_compute(&clusters);
    let expected: Vec<ClusterId> = [last].into_iter().chain(1..=COMPUTED_AT_ONCE).map(cluster).collect();
    assert_eq!(computed, expected);
    rollout.max_unavailable = None;
    assert_eq!(rollout.to_compute(&clusters).len(), number - 1);

    // Whoever runs its plan already makes room for the next.
    let mut clusters = seen(vec![SeenCluster { computed: None, ..ready() }; number]).clusters;
    rollout.max_unavailable = Some(1);
    let mut steps = 0;
    while rollout.state.is_live() {
        let computing = rollout.to_compute(&clusters);
        assert!(computing.len() <= COMPUTED_AT_ONCE + 1);
        for one in clusters.values_mut() {
            one.computed = None;
        }
        for one in &computing {
            clusters.insert(*one, running());
        }
        rollout =
            advance(&rollout, &Seen { clusters: clusters.clone(), deadlines_from: at(0) }, at(1)).rollout;
        steps += 1;
    }
    assert!(matches!(rollout.state, RolloutState::Succeeded { .. }) && steps <= 4, "{steps}");
}

#[test]
fn waiting_for_its_turn_has_no_deadline() {
    let blocked = TargetState::Blocked { by: Blocker::Offline, since: at(0) };
    let mut rollout = with(vec![TargetState::Sent(delivery(1)), TargetState::Pending, blocked]);
    rollout.max_unavailable = Some(2);
    // The second takes the last place; the third is not kept by anything any more but its turn.
    let step = advance(&rollout, &seen([ready(), ready(), ready()]), at(99));
    assert_eq!(step.retarget, [cluster(1)]);
    assert_eq!(states(&step.rollout), ["Sent", "Pending", "Pending"]);
}

#[test]
fn more_deletions_than_were_confirmed_keep_a_target_from_starting() {
    let would_delete = |deletions| {
        let deletions = DeletionCount { deletions, inventory: 30 };
        SeenCluster { computed: Some(Computed::Plan { digest: pinned(), deletions }), ..ready() }
    };
    for (confirmed, now, starts) in
        [(0, 10, true), (0, 11, false), (12, 12, true), (12, 11, true), (12, 13, false)]
    {
        let mut rollout = rollout(&[1]);
        rollout.waves[0].targets[0].deletions = confirmed;
        let step = advance(&rollout, &seen([would_delete(now)]), at(1));
        assert_eq!(step.retarget.len(), usize::from(starts), "{confirmed} {now}");
        let expected = TargetState::Blocked { by: Blocker::Deletions, since: at(1) };
        assert_eq!(step.rollout.waves[0].targets[0].state == expected, !starts);
    }
}

#[test]
fn what_is_in_use_is_no_success_and_no_failure() {
    let in_use = vec![object(Outcome::InUse, 1)];
    let report = SeenReport { in_use, ..report(Phase::Healthy) };
    assert_eq!(report.words(), "why; ConfigMap a/b is in use: held by kubectl");
    let state = in_flight(SeenCluster { report: Some(report), ..ready() });
    assert_eq!(state, TargetState::Converging(delivery(1)));
}
