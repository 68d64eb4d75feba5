//! One step of a rollout.
//!
//! *Flow*: look at targets in flight; if one failed, skip what was not started and end once none is in flight; else, unless
//! it is held, look at the open wave and name the clusters that may be given their targets.
//!
//! *Guarantees*: a wave opens only when every target of the wave before it succeeded. No more than `max_unavailable`
//! targets are started and not yet succeeded. A held rollout names no cluster. A target is named once: the caller notes it
//! as sent in the same transaction. A state that is an end stays. The same inputs give the same step.

use jiff::Timestamp;

use super::{
    Blocker, Computed, CurrentTarget, DeletionCount, Delivery, FailureReason, Repair, Rollout, RolloutState,
    RolloutTarget, Seen, SeenCluster, SeenReport, Skip, Stage, TargetState, WaitingOn, state::deadline,
};
use crate::{fleet::ClusterId, plan, report::Phase};

/// What a step gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The rollout now.
    pub rollout: Rollout,
    /// Clusters to be given their targets; each is then noted with [`Rollout::sent`].
    pub retarget: Vec<ClusterId>,
    /// What the rollout waits for besides.
    pub waiting_on: Vec<WaitingOn>,
}

/// Looks at a rollout and moves it on.
#[must_use]
pub fn advance(rollout: &Rollout, seen: &Seen, now: Timestamp) -> Step {
    let mut rollout = rollout.clone();
    let mut retarget = Vec::new();
    if rollout.state.is_live() {
        let look = Look { seen, now, deadline_s: rollout.deadline_s, rollout: rollout.number };
        for target in rollout.waves.iter_mut().flat_map(|wave| &mut wave.targets) {
            target.state = look.at(target);
        }
        if rollout.is_failing() {
            rollout = rollout.skip(now, Skip::Failure);
        } else if rollout.state == RolloutState::Running {
            retarget = look.open(&mut rollout);
        }
        rollout.state = outcome(&rollout, now);
    }
    let waiting_on = rollout.waiting_on(&seen.clusters);
    Step { rollout, retarget, waiting_on }
}

fn outcome(rollout: &Rollout, now: Timestamp) -> RolloutState {
    let failed =
        rollout.waves.iter().position(|wave| wave.targets.iter().any(|target| target.state.is_failure()));
    match failed {
        Some(_) if rollout.targets().any(|target| target.state.is_in_flight()) => rollout.state,
        Some(index) => RolloutState::Failed { at: now, wave: u32::try_from(index + 1).unwrap_or(u32::MAX) },
        None if rollout.open_wave().is_none() => RolloutState::Succeeded { at: now },
        None => rollout.state,
    }
}

/// One look at the fleet.
struct Look<'a> {
    seen: &'a Seen,
    now: Timestamp,
    deadline_s: u32,
    rollout: u64,
}

impl Look<'_> {
    /// The state of a target after what was seen; targets that were not started only run out of time here.
    fn at(&self, target: &RolloutTarget) -> TargetState {
        let cluster = self.seen.clusters.get(&target.cluster);
        match &target.state {
            TargetState::Blocked { by, since } if self.is_over(*since) => TargetState::TimedOut {
                at: self.now,
                delivery: None,
                during: Stage::Blocked(*by),
                message: String::new(),
            },
            TargetState::Sent(delivery) => self.in_flight(*delivery, Stage::Sent, cluster),
            TargetState::Accepted(delivery) => self.in_flight(*delivery, Stage::Accepted, cluster),
            TargetState::Applying(delivery) => self.in_flight(*delivery, Stage::Applying, cluster),
            TargetState::Converging(delivery) => self.in_flight(*delivery, Stage::Converging, cluster),
            unmoved @ (TargetState::Pending
            | TargetState::Blocked { .. }
            | TargetState::Succeeded { .. }
            | TargetState::Failed { .. }
            | TargetState::TimedOut { .. }
            | TargetState::Refused { .. }
            | TargetState::Skipped { .. }
            | TargetState::Left { .. }) => unmoved.clone(),
        }
    }

    /// A cluster of which nothing is known stays as far as it was, and its time runs on.
    fn in_flight(&self, delivery: Delivery, stage: Stage, cluster: Option<&SeenCluster>) -> TargetState {
        let Some(cluster) = cluster else { return self.unfinished(delivery, stage, String::new()) };
        let report = cluster.report_of(delivery.generation, delivery.target);
        if report.is_some_and(SeenReport::is_success) {
            return TargetState::Succeeded { at: self.now, delivery: Some(delivery) };
        }
        if let Some(reason) = report.and_then(failure) {
            return TargetState::Failed { at: self.now, delivery, reason };
        }
        let accepted = report.is_some() || cluster.accepted(delivery.generation, delivery.target);
        let refusal = cluster.refusal.as_ref().filter(|refusal| refusal.generation == delivery.generation);
        match refusal.filter(|refusal| !accepted && !refusal.code.passes()) {
            Some(refusal) => TargetState::Refused {
                at: self.now,
                delivery,
                code: refusal.code,
                message: refusal.message.clone(),
            },
            None => {
                let said = report.map(said).unwrap_or_default();
                // What a spoke said before it went away is no longer why nothing comes of it.
                let message = cluster.presence.away().map_or(said, |away| format!("its spoke {away}"));
                self.unfinished(delivery, reached(report, accepted), message)
            }
        }
    }

    fn unfinished(&self, delivery: Delivery, stage: Stage, message: String) -> TargetState {
        if self.is_over(delivery.sent_at) {
            return TargetState::TimedOut { at: self.now, delivery: Some(delivery), during: stage, message };
        }
        match stage {
            Stage::Blocked(_) | Stage::Sent => TargetState::Sent(delivery),
            Stage::Accepted => TargetState::Accepted(delivery),
            Stage::Applying => TargetState::Applying(delivery),
            Stage::Converging => TargetState::Converging(delivery),
        }
    }

    fn is_over(&self, since: Timestamp) -> bool {
        self.now >= deadline(since, self.deadline_s).max(self.seen.deadlines_from)
    }

    /// Looks at the open wave: what is kept from starting, what runs already, what may be started.
    fn open(&self, rollout: &mut Rollout) -> Vec<ClusterId> {
        let Some(index) = rollout.open_wave() else { return Vec::new() };
        let budget = rollout.budget();
        let mut retarget = Vec::new();
        for target in &mut rollout.waves[index].targets {
            if !target.state.is_waiting_to_start() {
                continue;
            }
            match self.gate(target) {
                Gate::Start if retarget.len() < budget => retarget.push(target.cluster),
                // Nothing that is known keeps it but its turn, which has no deadline.
                Gate::Start | Gate::NotComputed => target.state = TargetState::Pending,
                Gate::RunsAlready => target.state = TargetState::Succeeded { at: self.now, delivery: None },
                Gate::Blocked(by) => target.state = self.blocked(&target.state, by),
            }
        }
        retarget
    }

    fn blocked(&self, state: &TargetState, by: Blocker) -> TargetState {
        let since = if let TargetState::Blocked { since, .. } = state { *since } else { self.now };
        TargetState::Blocked { by, since }
    }

    fn gate(&self, target: &RolloutTarget) -> Gate {
        let Some(cluster) = self.seen.clusters.get(&target.cluster) else {
            return Gate::Blocked(Blocker::Offline);
        };
        if let Some(obstacle) = cluster.obstacle(self.rollout) {
            return Gate::Blocked(obstacle);
        }
        match cluster.computed {
            None => Gate::NotComputed,
            Some(Computed::Blocked) => Gate::Blocked(Blocker::PlanBlocked),
            Some(Computed::Selected) => Gate::Blocked(Blocker::Selected),
            Some(Computed::Plan { digest, .. }) if digest != target.plan => {
                Gate::Blocked(Blocker::PlanChanged)
            }
            Some(Computed::Plan { .. }) if runs_already(target, cluster) => Gate::RunsAlready,
            Some(Computed::Plan { deletions, .. }) if exceeds(target, deletions) => {
                Gate::Blocked(Blocker::Deletions)
            }
            Some(Computed::Plan { .. }) => Gate::Start,
        }
    }
}

/// Why a target is not done yet, as its spoke says it. That somebody stopped it comes first: nothing else ends meanwhile.
fn said(report: &SeenReport) -> String {
    match &report.frozen {
        Some(why) => format!("the cluster is frozen: {why}"),
        None => report.message.clone(),
    }
}

/// How far a target has come by what its spoke says.
fn reached(report: Option<&SeenReport>, accepted: bool) -> Stage {
    match report.map(|report| report.phase) {
        Some(Phase::Applying | Phase::Failed) => Stage::Applying,
        Some(Phase::Converging | Phase::Healthy | Phase::Unhealthy) => Stage::Converging,
        None if accepted => Stage::Accepted,
        None => Stage::Sent,
    }
}

/// Whether a target may start.
enum Gate {
    Start,
    RunsAlready,
    Blocked(Blocker),
    /// Nobody computed its plan: its wave opened within this step, or others use up the budget.
    NotComputed,
}

/// Whether the cluster runs exactly this plan, to its end and healthy, and no drift is to be put right, neither now nor by
/// the spoke itself in another way than so far: then a new generation would change nothing.
fn runs_already(target: &RolloutTarget, cluster: &SeenCluster) -> bool {
    let is_same = |current: &CurrentTarget| {
        current.plan.is(target.plan) && current.heal == target.heal && target.repair == Repair::Nothing
    };
    let current = cluster.current.filter(is_same);
    let report = current.and_then(|current| cluster.report_of(current.generation, current.target));
    report.is_some_and(SeenReport::is_success)
}

/// Whether it would delete more than was seen when the rollout started, and so much that a person must confirm it.
fn exceeds(target: &RolloutTarget, DeletionCount { deletions, inventory }: DeletionCount) -> bool {
    deletions > target.deletions && plan::brake(&[(target.name.clone(), deletions, inventory)]).is_some()
}

fn failure(report: &SeenReport) -> Option<FailureReason> {
    // An outcome of an older generation is about to be tried again.
    let failed = report.failed.iter().find(|object| object.generation == report.generation);
    if let Some(object) = failed.filter(|object| object.outcome.is_failure()) {
        let message = object.message.clone();
        return Some(FailureReason::Object { id: object.id.clone(), outcome: object.outcome, message });
    }
    match report.phase {
        Phase::Failed => Some(FailureReason::Apply { message: report.message.clone() }),
        Phase::Unhealthy => Some(FailureReason::Unhealthy { message: report.message.clone() }),
        Phase::Applying | Phase::Converging | Phase::Healthy => None,
    }
}
