//! The rollout as a whole: its waves, how far it is, and what it waits for.

use std::{collections::BTreeMap, fmt};

use jiff::{SignedDuration, Timestamp};

use super::{Blocker, Delivery, IllegalTransition, Presence, RolloutTarget, SeenCluster, TargetState};
use crate::fleet::{ClusterId, Name};

/// A rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    /// Its number: people name it by this.
    pub number: u64,
    /// How long one target may take, in seconds.
    pub deadline_s: u32,
    /// How far it is.
    pub state: RolloutState,
    /// One after the other; never changed once started.
    pub waves: Vec<RolloutWave>,
}

/// How far a rollout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutState {
    /// It goes through its waves, or waits for targets in flight after one failed.
    Running,
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

    /// Targets that the next step may start: their plans are computed anew before it.
    pub fn about_to_start(&self) -> impl Iterator<Item = &RolloutTarget> {
        let open = self.open_wave().filter(|_| self.state == RolloutState::Running && !self.is_failing());
        let targets = open.into_iter().flat_map(|index| &self.waves[index].targets);
        targets.filter(|target| target.state.is_waiting_to_start())
    }

    /// Whether a target did not succeed: then none is started any more.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.targets().any(|target| target.state.is_failure())
    }

    /// What it waits for, by cluster, with where the spokes are now; nothing once it has come to its end.
    #[must_use]
    pub fn waiting_on(&self, seen: &BTreeMap<ClusterId, SeenCluster>) -> Vec<WaitingOn> {
        if self.state != RolloutState::Running {
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
    pub fn reason(&self, config: &Name, seen: Option<&SeenCluster>) -> String {
        let reason = self.state.reason();
        let left = seen.map_or(0, |cluster| cluster.differences);
        match self.state {
            TargetState::Succeeded { delivery: None, .. } if left > 0 => {
                let (differences, them) = match left {
                    1 => ("difference remains", "it"),
                    _ => ("differences remain", "them"),
                };
                let command = format!("meshfleet rollout start {config} --overwrite-drift");
                format!("{reason}, and {left} {differences}: put {them} right with `{command}`")
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
            | TargetState::Refused { .. } => None,
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
