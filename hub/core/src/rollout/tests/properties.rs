//! Properties of whole rollouts over made-up fleets, with people who hold, resume and end them at any moment.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::{
    option,
    prelude::{Just, prop_assert, prop_assert_eq, prop_oneof, proptest},
    strategy::Strategy as Generator,
};

use super::*;

/// What may be seen of a cluster of a rollout, sensible or not.
fn any_seen() -> impl Generator<Value = SeenCluster> {
    let phase = prop_oneof![
        1 => Just(Phase::Applying),
        1 => Just(Phase::Converging),
        6 => Just(Phase::Healthy),
        1 => Just(Phase::Unhealthy),
        1 => Just(Phase::Failed),
    ];
    let computed = prop_oneof![
        4 => Just(Some(unchanged())),
        1 => Just(Some(another())),
        1 => Just(Some(Computed::Blocked)),
        1 => Just(None),
    ];
    let fence = option::of(0..3_u64);
    let reported = option::of((0..3_u64, phase));
    let mostly = || proptest::bool::weighted(0.9);
    (mostly(), mostly(), computed, fence, reported).prop_map(
        |(connected, held, computed, fence, reported)| {
            let fence = fence.map(|generation| {
                let target = delivery(generation).target;
                Fence { epoch: 1, generation, target, completed: generation }
            });
            let report = reported.map(|(generation, phase)| SeenReport {
                generation,
                target: delivery(generation).target,
                completed: generation,
                ..report(phase)
            });
            let presence = if connected { Presence::Here } else { AWAY };
            SeenCluster { presence, held_by: held.then_some(7), computed, fence, report, ..ready() }
        },
    )
}

/// What a person may do before a look.
#[derive(Debug, Clone, Copy)]
enum Act {
    Nothing,
    Pause,
    Resume,
    Abort,
}

fn any_act() -> impl Generator<Value = Act> {
    prop_oneof![
        20 => Just(Act::Nothing),
        3 => Just(Act::Pause),
        4 => Just(Act::Resume),
        1 => Just(Act::Abort),
    ]
}

/// A rollout that is driven through looks at its fleet, as the task drives it: what a step names is sent at once.
struct Drive {
    rollout: Rollout,
    sent: BTreeMap<ClusterId, u32>,
}

impl Drive {
    fn of(rollout: Rollout) -> Self {
        Self { rollout, sent: BTreeMap::new() }
    }

    /// Does what a person wants; at an end it is refused, and nothing else changes what has ended.
    fn act(&mut self, act: Act, now: Timestamp) {
        let before = self.rollout.clone();
        let done = match act {
            Act::Nothing => Ok(before.clone()),
            Act::Pause => before.clone().pause(),
            Act::Resume => before.clone().resume(),
            Act::Abort => before.clone().abort(now),
        };
        match done {
            Ok(after) if before.state.is_live() => {
                for (old, new) in before.targets().zip(after.targets()) {
                    assert!(old.state.ended_at().is_none() || old.state == new.state, "an end stays");
                }
                self.rollout = after;
            }
            Ok(after) => assert_eq!(after, before, "an end stays"),
            Err(refused) => assert!(!before.state.is_live(), "{refused}"),
        }
        self.check();
    }

    fn look(&mut self, clusters: &[SeenCluster], now: Timestamp) {
        let mut seen = seen(clusters.iter().cloned());
        for (id, cluster) in &mut seen.clusters {
            let delivery =
                self.rollout.targets().find(|target| target.cluster == *id).unwrap().state.delivery();
            cluster.current = delivery.map(|delivery| CurrentTarget {
                generation: delivery.generation,
                target: delivery.target,
                plan: TargetPlan::Known(pinned()),
                heal: HealClasses::NONE,
            });
        }
        let before = self.rollout.clone();
        let step = advance(&before, &seen, now);
        assert_eq!(step, advance(&before, &seen, now), "the same inputs give the same step");
        for (old, new) in before.targets().zip(step.rollout.targets()) {
            if old.state.ended_at().is_some() {
                assert_eq!(old.state, new.state, "an end stays");
            }
        }
        if !before.state.is_live() {
            assert_eq!((&before, step.retarget.len()), (&step.rollout, 0), "an end stays");
        }
        if before.state == RolloutState::Paused {
            assert_eq!(step.retarget, [], "what is held starts nothing");
        }
        self.rollout = step.rollout;
        for cluster in step.retarget {
            let delivery = Delivery { sent_at: now, ..delivery(1) };
            self.rollout = self.rollout.clone().sent(cluster, delivery).expect("only what waits is started");
            *self.sent.entry(cluster).or_default() += 1;
        }
        self.check();
    }

    fn check(&self) {
        assert!(self.sent.values().all(|times| *times == 1), "never retargeted twice");
        let waves = &self.rollout.waves;
        for (earlier, later) in waves.iter().zip(waves.iter().skip(1)) {
            let untouched = |target: &RolloutTarget| {
                matches!(target.state, TargetState::Pending | TargetState::Skipped { .. })
            };
            let begun = !later.targets.iter().all(untouched);
            let done = earlier.targets.iter().all(|target| target.state.is_success());
            assert!(done || !begun, "no wave begins before the one before it succeeded");
        }
        if let Some(most) = self.rollout.max_unavailable {
            let unavailable = self.rollout.targets().filter(|target| target.state.is_unavailable()).count();
            assert!(unavailable <= most as usize, "{unavailable} of at most {most} are in flight");
        }
        let progress = self.rollout.progress();
        let parts = [progress.succeeded, progress.failed, progress.in_flight, progress.blocked];
        assert_eq!(parts.iter().sum::<u32>() + progress.pending + progress.skipped, progress.total);
        if !self.rollout.state.is_live() {
            assert!(self.rollout.targets().all(|target| target.state.ended_at().is_some()));
            assert!(self.rollout.waiting_on(&BTreeMap::new()).is_empty());
        }
        let succeeded = self.rollout.targets().all(|target| target.state.is_success());
        assert_eq!(succeeded, matches!(self.rollout.state, RolloutState::Succeeded { .. }));
        if let RolloutState::Failed { .. } = self.rollout.state {
            assert!(self.rollout.is_failing());
            assert!(!self.rollout.targets().any(|target| target.state.is_in_flight()));
            assert!(!self.rollout.failure().is_empty());
        }
    }
}

proptest! {
    #[test]
    fn rollouts_keep_their_promises(
        waves in proptest::collection::vec(1..4_usize, 1..4),
        max_unavailable in option::of(1..3_u32),
        looks in proptest::collection::vec(
            (proptest::collection::vec(any_seen(), 9), any_act(), 0..60_i64),
            1..30,
        ),
    ) {
        let mut drive = Drive::of(Rollout { max_unavailable, ..rollout(&waves) });
        let mut second = 0;
        for (mut clusters, act, later) in looks {
            clusters.truncate(waves.iter().sum());
            second += later;
            drive.act(act, at(second));
            drive.look(&clusters, at(second));
        }
    }

    #[test]
    fn a_fleet_in_order_is_rolled_out_wave_by_wave(
        waves in proptest::collection::vec(1..4_usize, 1..5),
        max_unavailable in option::of(1..3_u32),
    ) {
        let size = waves.iter().sum();
        let mut drive = Drive::of(Rollout { max_unavailable, ..rollout(&waves) });
        for second in 0..=(waves.len() + size) as i64 * 2 {
            let healthy = |index| SeenCluster {
                report: drive.sent.contains_key(&cluster(index)).then(|| report(Phase::Healthy)),
                ..ready()
            };
            let clusters: Vec<SeenCluster> = (0..size).map(healthy).collect();
            drive.look(&clusters, at(second));
        }
        let sent: BTreeSet<ClusterId> = drive.sent.keys().copied().collect();
        prop_assert_eq!(sent.len(), size);
        let is_over = matches!(drive.rollout.state, RolloutState::Succeeded { .. });
        prop_assert!(is_over);
    }
}
