//! The rollout as a whole: its waves, how far it is, and what it waits for.

use std::{collections::BTreeMap, fmt};

use jiff::{SignedDuration, Timestamp};

use super::{
    Blocker, Delivery, IllegalTransition, Presence, RolloutTarget, SeenCluster, SeenReport, Skip, TargetState,
};
use crate::fleet::{ClusterId, Name};

/// Targets of which the plans are computed in one step, though fewer may start: those that run theirs already take no
/// turn, and shall not cost a step each.
pub(super) const COMPUTED_AT_ONCE: usize = 100;

/// A rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    /// Its number: people name it by this.
    pub number: u64,
    /// How long one target may take, in seconds.
    pub deadline_s: u32,
    /// How many targets may be started and not yet succeeded; none means all of a wave.
    pub max_unavailable: Option<u32>,
    /// How far it is.
    pub state: RolloutState,
    /// One after the other; never changed once started.
    pub waves: Vec<RolloutWave>,
}

/// What a rollout is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aim {
    /// Clusters get what a mesh config says.
    Assign {
        /// The config.
        config: Name,
        /// Its version.
        version: u64,
    },
    /// The mesh is removed from clusters that no config selects.
    Unassign,
}

impl Aim {
    /// The config that clusters get; none where a mesh is removed.
    #[must_use]
    pub fn config(&self) -> Option<&Name> {
        match self {
            Self::Assign { config, .. } => Some(config),
            Self::Unassign => None,
        }
    }
}

/// How far a rollout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutState {
    /// It goes through its waves, or waits for targets in flight after one failed.
    Running,
    /// A person holds it: no target is started, those in flight go on. It ends by itself if none is left to start.
    Paused,
    /// Every target succeeded.
    Succeeded {
        /// When.
        at: Timestamp,
    },
    /// A target of this wave did not succeed, and none is in flight any more.
    Failed {
        /// When.
        at: Timestamp,
        /// The first wave, from 1, with a target that did not succeed.
        wave: u32,
    },
    /// A person ended it.
    Aborted {
        /// When.
        at: Timestamp,
    },
}

/// A rollout that cannot be held, let go on or ended any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("rollout {number} is {state}: it cannot be {verb} any more")]
pub struct WrongState {
    /// Which.
    pub number: u64,
    /// The word for its state.
    pub state: &'static str,
    /// What was to be done with it.
    pub verb: &'static str,
}

impl RolloutState {
    /// The word for the state.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Paused => "Paused",
            Self::Succeeded { .. } => "Succeeded",
            Self::Failed { .. } => "Failed",
            Self::Aborted { .. } => "Aborted",
        }
    }

    /// Whether it is not at its end: then it holds its clusters.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.ended_at().is_none()
    }

    /// When it came to its end.
    #[must_use]
    pub fn ended_at(&self) -> Option<Timestamp> {
        match self {
            Self::Running | Self::Paused => None,
            Self::Succeeded { at } | Self::Failed { at, .. } | Self::Aborted { at } => Some(*at),
        }
    }
}

/// Targets that are started together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutWave {
    /// For people.
    pub name: Name,
    /// Its targets.
    pub targets: Vec<RolloutTarget>,
}

/// One thing that a rollout waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingOn {
    /// At which cluster.
    pub cluster: Name,
    /// What.
    pub what: Wait,
    /// Where its spoke is: nothing comes of one that is away.
    pub presence: Presence,
    /// When the waiting ends in failure.
    pub until: Timestamp,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// That nothing keeps it from starting any more.
    Unblocking(Blocker),
    /// That its spoke accepts the target.
    Acceptance,
    /// That all objects are written.
    Apply,
    /// That the mesh is healthy.
    Health,
}

impl Rollout {
    /// The first wave, by index, with a target that did not succeed yet.
    #[must_use]
    pub fn open_wave(&self) -> Option<usize> {
        self.waves.iter().position(|wave| !wave.targets.iter().all(|target| target.state.is_success()))
    }

    /// All targets, wave by wave.
    pub fn targets(&self) -> impl Iterator<Item = &RolloutTarget> {
        self.waves.iter().flat_map(|wave| &wave.targets)
    }

    /// The targets whose plans are computed anew before the next step: all that something kept from starting, because
    /// their time runs, and of those whose turn has not come as many as may start now, or a few more. Each of these starts,
    /// is kept from it, or runs its plan already; so the others come to be looked at, and a step costs no more in a large
    /// wave than in a small one.
    #[must_use]
    pub fn to_compute(&self, seen: &BTreeMap<ClusterId, SeenCluster>) -> Vec<ClusterId> {
        let free = |target: &&RolloutTarget| {
            seen.get(&target.cluster).is_some_and(|cluster| cluster.obstacle(self.number).is_none())
        };
        let (pending, blocked): (Vec<_>, Vec<_>) =
            self.about_to_start().filter(free).partition(|target| target.state == TargetState::Pending);
        let next = pending.into_iter().take(self.budget().max(COMPUTED_AT_ONCE));
        blocked.into_iter().chain(next).map(|target| target.cluster).collect()
    }

    /// Targets that the next step may start.
    fn about_to_start(&self) -> impl Iterator<Item = &RolloutTarget> {
        let may_start = self.state == RolloutState::Running && !self.is_failing() && self.budget() > 0;
        let open = self.open_wave().filter(|_| may_start);
        let targets = open.into_iter().flat_map(|index| &self.waves[index].targets);
        targets.filter(|target| target.state.is_waiting_to_start())
    }

    /// Whether a target did not succeed: then none is started any more.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.targets().any(|target| target.state.is_failure())
    }

    /// How many more targets may be started now.
    #[must_use]
    pub fn budget(&self) -> usize {
        let Some(most) = self.max_unavailable else { return usize::MAX };
        let unavailable = self.targets().filter(|target| target.state.is_unavailable()).count();
        (most as usize).saturating_sub(unavailable)
    }

    /// Starts no further target. Holding one that is held changes nothing.
    pub fn pause(self) -> Result<Self, WrongState> {
        match self.state {
            RolloutState::Running => {
                Ok(Self { state: RolloutState::Paused, ..self.each(TargetState::paused) })
            }
            RolloutState::Paused => Ok(self),
            RolloutState::Succeeded { .. } | RolloutState::Failed { .. } | RolloutState::Aborted { .. } => {
                Err(self.wrong("paused"))
            }
        }
    }

    /// Goes on. One that is not held goes on as it is.
    pub fn resume(self) -> Result<Self, WrongState> {
        match self.state {
            RolloutState::Paused => Ok(Self { state: RolloutState::Running, ..self }),
            RolloutState::Running => Ok(self),
            RolloutState::Succeeded { .. } | RolloutState::Failed { .. } | RolloutState::Aborted { .. } => {
                Err(self.wrong("resumed"))
            }
        }
    }

    /// Ends it: what was not started is skipped, what is in flight is left to its spoke. One that was aborted stays as it
    /// is.
    pub fn abort(self, at: Timestamp) -> Result<Self, WrongState> {
        match self.state {
            RolloutState::Running | RolloutState::Paused => {
                Ok(Self { state: RolloutState::Aborted { at }, ..self.each(|state| state.aborted(at)) })
            }
            RolloutState::Aborted { .. } => Ok(self),
            RolloutState::Succeeded { .. } | RolloutState::Failed { .. } => Err(self.wrong("aborted")),
        }
    }

    fn wrong(&self, verb: &'static str) -> WrongState {
        WrongState { number: self.number, state: self.state.name(), verb }
    }

    /// Skips everything that was not started.
    pub(super) fn skip(self, at: Timestamp, why: Skip) -> Self {
        self.each(|state| state.skipped(at, why))
    }

    fn each(mut self, change: impl Fn(TargetState) -> TargetState) -> Self {
        for target in self.waves.iter_mut().flat_map(|wave| &mut wave.targets) {
            target.state = change(target.state.clone());
        }
        self
    }

    /// What it waits for, by cluster, with where the spokes are now; nothing once it has come to its end.
    #[must_use]
    pub fn waiting_on(&self, seen: &BTreeMap<ClusterId, SeenCluster>) -> Vec<WaitingOn> {
        if !self.state.is_live() {
            return Vec::new();
        }
        let presence = |target: &RolloutTarget| {
            seen.get(&target.cluster).map_or(Presence::Away { since: None }, |cluster| cluster.presence)
        };
        let targets = self.targets();
        targets.filter_map(|target| target.waiting_on(self.deadline_s, presence(target))).collect()
    }

    /// Notes that the cluster was given its target.
    pub fn sent(mut self, cluster: ClusterId, delivery: Delivery) -> Result<Self, IllegalTransition> {
        for target in self.waves.iter_mut().flat_map(|wave| &mut wave.targets) {
            if target.cluster == cluster {
                target.state = target.state.clone().sent(delivery)?;
            }
        }
        Ok(self)
    }

    /// Why it failed or is about to, in one sentence; empty if it did not.
    #[must_use]
    pub fn failure(&self) -> String {
        let failures = self.targets().filter(|target| target.state.is_failure());
        let failures: Vec<String> =
            failures.map(|target| format!("{}: {}", target.name, target.state.reason())).collect();
        failures.join("; ")
    }

    /// In one sentence: what it waits for, or why it failed. Empty if it succeeded.
    #[must_use]
    pub fn reason(&self, seen: &BTreeMap<ClusterId, SeenCluster>) -> String {
        let failure = self.failure();
        if !failure.is_empty() {
            return failure;
        }
        self.waiting_on(seen).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }
}

impl RolloutTarget {
    /// Why it is as it is, in one sentence, with what is known of its cluster now; empty where the state says it all.
    #[must_use]
    pub fn reason(&self, config: Option<&Name>, seen: Option<&SeenCluster>) -> String {
        let reason = self.state.reason();
        let left = seen.map_or(0, |cluster| cluster.differences);
        match (&self.state, config) {
            (TargetState::Succeeded { delivery: None, .. }, Some(config)) if left > 0 => {
                let (differences, them) = match left {
                    1 => ("difference remains", "it"),
                    _ => ("differences remain", "them"),
                };
                let command = format!("meshfleet rollout start {config} --overwrite-drift");
                format!("{reason}, and {left} {differences}: put {them} right with `{command}`")
            }
            // Also once it succeeded: what is still in use goes later, and the spoke says so.
            (state, _) if state.is_in_flight() || state.is_success() => {
                let report = state
                    .delivery()
                    .zip(seen)
                    .and_then(|(delivery, cluster)| cluster.report_of(delivery.generation, delivery.target));
                report.map(SeenReport::words).filter(|words| !words.is_empty()).unwrap_or(reason)
            }
            _ => reason,
        }
    }

    fn waiting_on(&self, deadline_s: u32, presence: Presence) -> Option<WaitingOn> {
        let wait = |what, since| {
            let until = deadline(since, deadline_s);
            Some(WaitingOn { cluster: self.name.clone(), what, presence, until })
        };
        match &self.state {
            TargetState::Blocked { by, since } => wait(Wait::Unblocking(*by), *since),
            TargetState::Sent(delivery) => wait(Wait::Acceptance, delivery.sent_at),
            TargetState::Accepted(delivery) | TargetState::Applying(delivery) => {
                wait(Wait::Apply, delivery.sent_at)
            }
            TargetState::Converging(delivery) => wait(Wait::Health, delivery.sent_at),
            TargetState::Pending
            | TargetState::Succeeded { .. }
            | TargetState::Failed { .. }
            | TargetState::TimedOut { .. }
            | TargetState::Refused { .. }
            | TargetState::Skipped { .. }
            | TargetState::Left { .. } => None,
        }
    }
}

/// When something that began at `since` is over its time.
pub(super) fn deadline(since: Timestamp, deadline_s: u32) -> Timestamp {
    since.saturating_add(SignedDuration::from_secs(deadline_s.into())).unwrap_or(Timestamp::MAX)
}

impl fmt::Display for WaitingOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.cluster)?;
        match (self.what, self.presence.away()) {
            (Wait::Unblocking(Blocker::Offline), Some(away)) => write!(f, "its spoke {away}")?,
            (Wait::Unblocking(by), _) => by.fmt(f)?,
            (Wait::Acceptance, None) => f.write_str("its spoke has not accepted the target yet")?,
            (Wait::Acceptance, Some(away)) => write!(f, "its spoke has not accepted the target, and {away}")?,
            (Wait::Apply, None) => f.write_str("objects are being written")?,
            (Wait::Apply, Some(away)) => {
                write!(f, "not all objects were written when last heard: its spoke {away}")?
            }
            (Wait::Health, None) => f.write_str("it is not healthy yet")?,
            (Wait::Health, Some(away)) => write!(f, "it was not healthy when last heard: its spoke {away}")?,
        }
        write!(f, " (until {:.0})", self.until)
    }
}
