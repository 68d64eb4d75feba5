//! Rollouts, step by step: the cases that a person would ask about.

mod properties;
mod verbs;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::*;
use crate::{
    digest::Digest,
    drift::{HealClass, HealClasses},
    fleet::{ClusterId, Name},
    plan::{Disruption, ObjectId},
    report::{Fence, ObjectState, Outcome, Phase, Refusal, RefusalCode, Role},
    target::Overwrite,
};

const DEADLINE_S: u32 = 100;

const AWAY: Presence = Presence::Away { since: Some(Timestamp::UNIX_EPOCH) };

fn at(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
}

fn cluster(index: usize) -> ClusterId {
    ClusterId(Uuid::from_u128(index as u128))
}

fn name(index: usize) -> Name {
    Name::parse(&format!("c{index}")).unwrap()
}

fn pinned() -> Digest {
    Digest::of(b"plan")
}

/// A rollout with these many targets in its waves.
fn rollout(waves: &[usize]) -> Rollout {
    let mut next = 0..;
    let target = |index| RolloutTarget {
        cluster: cluster(index),
        name: name(index),
        plan: pinned(),
        repair: Repair::Nothing,
        deletions: 0,
        disruption: Disruption::ConfigPush,
        heal: HealClasses::NONE,
        state: TargetState::Pending,
    };
    let wave = |size: &usize| RolloutWave {
        name: Name::parse("wave").unwrap(),
        targets: next.by_ref().take(*size).map(target).collect(),
    };
    Rollout {
        number: 7,
        deadline_s: DEADLINE_S,
        max_unavailable: None,
        state: RolloutState::Running,
        waves: waves.iter().map(wave).collect(),
    }
}

/// The pinned plan, computed anew, without deletions.
fn unchanged() -> Computed {
    Computed::Plan { digest: pinned(), deletions: DeletionCount::default() }
}

fn another() -> Computed {
    Computed::Plan { digest: Digest::of(b"another"), deletions: DeletionCount::default() }
}

fn ready() -> SeenCluster {
    SeenCluster {
        presence: Presence::Here,
        held_by: Some(7),
        computed: Some(unchanged()),
        current: None,
        fence: None,
        refusal: None,
        report: None,
        differences: 0,
    }
}

fn delivery(generation: u64) -> Delivery {
    Delivery { generation, target: Digest::of(&generation.to_be_bytes()), sent_at: at(0) }
}

fn report(phase: Phase) -> SeenReport {
    let delivery = delivery(1);
    let completed = if phase == Phase::Healthy { 1 } else { 0 };
    SeenReport {
        generation: 1,
        target: delivery.target,
        phase,
        message: "why".to_owned(),
        completed,
        failed: Vec::new(),
        in_use: Vec::new(),
        frozen: None,
    }
}

fn seen(clusters: impl IntoIterator<Item = SeenCluster>) -> Seen {
    let clusters = clusters.into_iter().enumerate().map(|(index, seen)| (cluster(index), seen));
    Seen { clusters: clusters.collect(), deadlines_from: Timestamp::MIN }
}

/// The state of the only target after one step.
fn step_of(state: TargetState, seen_cluster: SeenCluster, now: Timestamp) -> (TargetState, Vec<ClusterId>) {
    let mut rollout = rollout(&[1]);
    rollout.waves[0].targets[0].state = state;
    let step = advance(&rollout, &seen([seen_cluster]), now);
    (step.rollout.waves[0].targets[0].state.clone(), step.retarget)
}

fn in_flight(seen_cluster: SeenCluster) -> TargetState {
    let (state, retarget) = step_of(TargetState::Sent(delivery(1)), seen_cluster, at(1));
    assert!(retarget.is_empty());
    state
}

#[test]
fn a_target_starts_only_when_nothing_keeps_it() {
    let other = Fence { epoch: 1, generation: 9, target: pinned(), completed: 0 };
    for (expected, cluster) in [
        (None, ready()),
        (Some(Blocker::Offline), SeenCluster { presence: AWAY, ..ready() }),
        (Some(Blocker::Held), SeenCluster { held_by: Some(8), ..ready() }),
        (Some(Blocker::Held), SeenCluster { held_by: None, ..ready() }),
        (Some(Blocker::SpokeAhead), SeenCluster { fence: Some(other), ..ready() }),
        (Some(Blocker::PlanBlocked), SeenCluster { computed: Some(Computed::Blocked), ..ready() }),
        (Some(Blocker::PlanChanged), SeenCluster { computed: Some(another()), ..ready() }),
        (Some(Blocker::Selected), SeenCluster { computed: Some(Computed::Selected), ..ready() }),
    ] {
        let (state, retarget) = step_of(TargetState::Pending, cluster, at(1));
        let expected_state =
            expected.map_or(TargetState::Pending, |by| TargetState::Blocked { by, since: at(1) });
        assert_eq!(state, expected_state);
        assert_eq!(retarget.is_empty(), expected.is_some());
    }
}

#[test]
fn a_cluster_that_nobody_saw_counts_as_offline() {
    let step = advance(&rollout(&[1]), &seen([]), at(1));
    assert!(step.retarget.is_empty());
    assert_eq!(step.waiting_on[0].what, Wait::Unblocking(Blocker::Offline));
}

#[test]
fn a_blocked_target_keeps_its_deadline_when_the_reason_changes() {
    let since = at(1);
    let offline = SeenCluster { presence: AWAY, ..ready() };
    let (state, _) = step_of(TargetState::Blocked { by: Blocker::Held, since }, offline.clone(), at(50));
    assert_eq!(state, TargetState::Blocked { by: Blocker::Offline, since });
    let (state, _) = step_of(state, offline, at(101));
    assert!(
        matches!(state, TargetState::TimedOut { during: Stage::Blocked(Blocker::Offline), .. }),
        "{state:?}"
    );
}

#[test]
fn a_target_in_flight_follows_its_spoke() {
    let delivery = delivery(1);
    let fence = Some(Fence { epoch: 1, generation: 1, target: delivery.target, completed: 0 });
    assert_eq!(in_flight(ready()), TargetState::Sent(delivery));
    assert_eq!(in_flight(SeenCluster { fence, ..ready() }), TargetState::Accepted(delivery));
    for (phase, expected) in [
        (Phase::Applying, TargetState::Applying(delivery)),
        (Phase::Converging, TargetState::Converging(delivery)),
        (Phase::Healthy, TargetState::Succeeded { at: at(1), delivery: Some(delivery) }),
    ] {
        assert_eq!(in_flight(SeenCluster { fence, report: Some(report(phase)), ..ready() }), expected);
    }
}

#[test]
fn only_a_report_of_exactly_this_target_is_success() {
    let healthy = report(Phase::Healthy);
    for almost in [
        SeenReport { generation: 2, completed: 2, ..healthy.clone() },
        SeenReport { target: pinned(), ..healthy.clone() },
        SeenReport { completed: 0, ..healthy.clone() },
    ] {
        let state = in_flight(SeenCluster { report: Some(almost), ..ready() });
        assert!(!state.is_success() && !state.is_failure(), "{state:?}");
    }
}

fn object(outcome: Outcome, generation: u64) -> ObjectState {
    ObjectState {
        id: ObjectId {
            group: String::new(),
            version: "v1".to_owned(),
            kind: "ConfigMap".to_owned(),
            namespace: "a".to_owned(),
            name: "b".to_owned(),
        },
        role: Role::Created,
        uid: String::new(),
        body: None,
        outcome,
        healthy: false,
        message: "held by kubectl".to_owned(),
        generation,
    }
}

#[test]
fn failures_say_why() {
    let object = |generation| object(Outcome::Conflict, generation);
    let with =
        |phase, failed| SeenCluster { report: Some(SeenReport { failed, ..report(phase) }), ..ready() };
    for (cluster, words) in [
        (with(Phase::Failed, Vec::new()), "it cannot be applied: why"),
        (with(Phase::Unhealthy, Vec::new()), "it is not healthy: why"),
        (with(Phase::Applying, vec![object(1)]), "ConfigMap a/b: Conflict: held by kubectl"),
    ] {
        let state = in_flight(cluster);
        assert!(matches!(state, TargetState::Failed { .. }));
        assert_eq!(state.reason(), words);
    }
    // What failed under an older generation is about to be tried again.
    assert!(in_flight(with(Phase::Applying, vec![object(0)])).is_in_flight());
}

#[test]
fn a_refusal_that_passes_by_itself_is_waited_for() {
    let refused = |code| {
        let refusal = Refusal { generation: 1, code, message: "no".to_owned() };
        in_flight(SeenCluster { refusal: Some(refusal), ..ready() })
    };
    assert_eq!(refused(RefusalCode::Unavailable), TargetState::Sent(delivery(1)));
    assert!(matches!(refused(RefusalCode::Floor), TargetState::Refused { code: RefusalCode::Floor, .. }));
}

#[test]
fn a_deadline_does_not_strike_a_spoke_that_may_not_have_come_back_yet() {
    let mut rollout = rollout(&[1]);
    rollout.waves[0].targets[0].state = TargetState::Sent(delivery(1));
    let seen = Seen { deadlines_from: at(500), ..seen([SeenCluster { presence: AWAY, ..ready() }]) };
    assert_eq!(advance(&rollout, &seen, at(499)).rollout, rollout);
    let step = advance(&rollout, &seen, at(500));
    assert_eq!(step.rollout.state, RolloutState::Failed { at: at(500), wave: 1 });
    assert_eq!(
        step.rollout.failure(),
        "c0: deadline passed: its spoke had not accepted the target: its spoke has been away since 1970-01-01T00:00:00Z"
    );
}

#[test]
fn a_wait_says_that_the_spoke_is_away_and_since_when() {
    let never = Presence::Away { since: None };
    let since = Timestamp::UNIX_EPOCH + SignedDuration::from_millis(1_234);
    let gone = Presence::Away { since: Some(since) };
    let sent = Delivery { sent_at: since, ..delivery(1) };
    let blocked = TargetState::Blocked { by: Blocker::Offline, since };
    for (state, presence, expected) in [
        (TargetState::Applying(sent), Presence::Here, "objects are being written"),
        (
            TargetState::Applying(sent),
            gone,
            "not all objects were written when last heard: its spoke has been away since 1970-01-01T00:00:01Z",
        ),
        (
            TargetState::Sent(sent),
            gone,
            "its spoke has not accepted the target, and has been away since 1970-01-01T00:00:01Z",
        ),
        (
            TargetState::Converging(sent),
            gone,
            "it was not healthy when last heard: its spoke has been away since 1970-01-01T00:00:01Z",
        ),
        (blocked.clone(), never, "its spoke was never attached"),
        (blocked, gone, "its spoke has been away since 1970-01-01T00:00:01Z"),
    ] {
        let mut rollout = rollout(&[1]);
        rollout.waves[0].targets[0].state = state;
        let seen = seen([SeenCluster { presence, ..ready() }]);
        assert_eq!(rollout.reason(&seen.clusters), format!("c0: {expected} (until 1970-01-01T00:01:41Z)"));
    }
}

#[test]
fn a_cluster_that_runs_the_plan_says_which_differences_remain() {
    let mut target = rollout(&[1]).waves[0].targets[0].clone();
    target.state = TargetState::Succeeded { at: at(1), delivery: None };
    let config = Name::parse("payments").unwrap();
    let reason = |differences| target.reason(Some(&config), Some(&SeenCluster { differences, ..ready() }));
    assert_eq!(reason(0), "the cluster ran this plan already");
    assert_eq!(
        reason(2),
        "the cluster ran this plan already, and 2 differences remain: put them right with `meshfleet rollout start payments --overwrite-drift`"
    );
    assert_eq!(target.reason(Some(&config), None), "the cluster ran this plan already");
}

/// Runs the pinned plan, to its end and healthy.
fn running() -> SeenCluster {
    let delivery = delivery(1);
    SeenCluster {
        current: Some(CurrentTarget {
            generation: 1,
            target: delivery.target,
            plan: TargetPlan::Known(pinned()),
            heal: HealClasses::NONE,
        }),
        fence: Some(Fence { epoch: 1, generation: 1, target: delivery.target, completed: 1 }),
        report: Some(report(Phase::Healthy)),
        ..ready()
    }
}

#[test]
fn an_unchanged_plan_is_given_anew_where_another_policy_holds() {
    let classes = |class: &[HealClass]| class.iter().copied().collect::<HealClasses>();
    let (none, removed) = (HealClasses::NONE, classes(&[HealClass::Removed]));
    for (has, wanted, starts) in
        [(none, none, false), (removed, removed, false), (none, removed, true), (removed, none, true)]
    {
        let mut cluster_seen = running();
        cluster_seen.current = cluster_seen.current.map(|current| CurrentTarget { heal: has, ..current });
        let mut rollout = rollout(&[1]);
        rollout.waves[0].targets[0].heal = wanted;
        let step = advance(&rollout, &seen([cluster_seen]), at(1));
        assert_eq!(!step.retarget.is_empty(), starts, "{has} to {wanted}");
    }
}

#[test]
fn a_target_in_a_frozen_cluster_says_so() {
    let frozen = SeenReport { frozen: Some("an audit".to_owned()), ..report(Phase::Applying) };
    let cluster_seen = SeenCluster { report: Some(frozen), ..ready() };
    let (state, _) = step_of(TargetState::Sent(delivery(1)), cluster_seen.clone(), at(1));
    assert_eq!(state, TargetState::Applying(delivery(1)), "it waits");
    let (state, _) = step_of(state, cluster_seen, at(i64::from(DEADLINE_S)));
    assert_eq!(
        state.reason(),
        "deadline passed: objects were being written: the cluster is frozen: an audit"
    );
}

#[test]
fn a_cluster_that_runs_the_plan_already_is_not_written_to() {
    let runs = running();
    let (state, retarget) = step_of(TargetState::Pending, runs.clone(), at(1));
    assert_eq!((state, retarget), (TargetState::Succeeded { at: at(1), delivery: None }, Vec::new()));

    let unhealthy = SeenCluster { report: Some(report(Phase::Unhealthy)), ..runs.clone() };
    assert_eq!(step_of(TargetState::Pending, unhealthy, at(1)).1.len(), 1);

    let mut repairing = rollout(&[1]);
    let overwrite = vec![Overwrite { uid: "u".to_owned(), path: ".x".to_owned(), found: pinned() }];
    repairing.waves[0].targets[0].repair = Repair::Drift { overwrite };
    assert_eq!(advance(&repairing, &seen([runs]), at(1)).retarget.len(), 1);
}

#[test]
fn a_failure_lets_targets_in_flight_finish_and_starts_none() {
    let mut before = rollout(&[3, 1]);
    let (failed, flying) = (delivery(1), delivery(1));
    before.waves[0].targets[0].state = TargetState::Sent(failed);
    before.waves[0].targets[1].state = TargetState::Sent(flying);
    let unhealthy = SeenCluster { report: Some(report(Phase::Unhealthy)), ..ready() };
    let step = advance(&before, &seen([unhealthy.clone(), ready(), ready(), ready()]), at(1));
    assert_eq!((step.rollout.state, step.retarget), (RolloutState::Running, Vec::new()));

    let healthy = SeenCluster { report: Some(report(Phase::Healthy)), ..ready() };
    let step = advance(&step.rollout, &seen([unhealthy, healthy, ready(), ready()]), at(2));
    assert_eq!(step.rollout.state, RolloutState::Failed { at: at(2), wave: 1 });
    assert_eq!(step.rollout.failure(), "c0: it is not healthy: why");
    let skipped = TargetState::Skipped { at: at(1), why: Skip::Failure };
    assert_eq!(step.rollout.waves[0].targets[2].state, skipped);
    assert_eq!(step.rollout.waves[1].targets[0].state, skipped);
    let progress = step.rollout.progress();
    assert_eq!((progress.total, progress.failed, progress.succeeded, progress.skipped), (4, 1, 1, 2));
}

#[test]
fn a_cluster_goes_with_the_first_wave_that_selects_it() {
    let strategy: Strategy = serde_json::from_value(serde_json::json!({ "waves": [
        { "name": "canary", "clusters": { "names": ["c0"] } },
        { "name": "rest", "clusters": { "names": ["c0", "c1"] } },
    ]}))
    .unwrap();
    let of = |index: usize| {
        let (id, name) = (cluster(index), name(index));
        let labels = BTreeMap::new();
        crate::fleet::Cluster {
            id,
            name,
            labels,
            declared: None,
            network: None,
            variables: Default::default(),
            facts: None,
            schemas: crate::fleet::Schemas::default(),
        }
    };
    assert_eq!(strategy.wave_of(&of(0)), Ok(0));
    assert_eq!(strategy.wave_of(&of(1)), Ok(1));
    assert_eq!(strategy.wave_of(&of(2)), Err(InNoWave(name(2))));
    assert_eq!(Strategy::all_at_once().wave_of(&of(2)), Ok(0));
}

/// While others use up the budget nobody looks what keeps a target, so its time must not run.
#[test]
fn a_target_that_waits_for_its_turn_only_has_no_deadline() {
    for (was, then) in [
        (SeenCluster { presence: AWAY, ..ready() }, SeenCluster { computed: None, ..ready() }),
        (SeenCluster { computed: Some(another()), ..ready() }, SeenCluster { computed: None, ..ready() }),
    ] {
        let mut first = rollout(&[2]);
        first.max_unavailable = Some(1);
        let step = advance(&first, &seen([ready(), was]), at(0));
        assert_eq!(step.retarget, [cluster(0)]);
        let sent = Delivery { sent_at: at(50), ..delivery(1) };
        let under_way = step.rollout.sent(cluster(0), sent).unwrap();
        let fleet = seen([ready(), then]);
        assert_eq!(under_way.to_compute(&fleet.clusters), []);
        let step = advance(&under_way, &fleet, at(60));
        let step = advance(&step.rollout, &fleet, at(101));
        assert_eq!(step.rollout.waves[0].targets[1].state, TargetState::Pending);
        assert_eq!(step.rollout.state, RolloutState::Running);
    }
}
