//! The report: the present state of the accepted target.
//!
//! Pure. A level, not an event: it is made anew from everything that is known, and sent when it differs from the last.

use std::collections::BTreeMap;

use crate::{
    apply::{Progress, Stage},
    digest::Digest,
    document::{Deletion, Expectation, ObjectId, ObjectKey, PlannedObject},
    fence::{Content, Fence},
    freeze::Freeze,
    health::{Level, Verdict},
    inventory::{self, Entry},
    observe::{Live, Sight},
};

/// Longest message of one object.
const MAX_MESSAGE_BYTES: usize = 1024;

/// What a spoke says of its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Generation of the target.
    pub generation: u64,
    /// Its digest.
    pub target: Digest,
    /// How far it is.
    pub phase: Phase,
    /// What is awaited or what failed; may be empty.
    pub message: String,
    /// Everything that is managed or expected.
    pub objects: Vec<ObjectState>,
    /// The last generation that was applied to its end.
    pub completed: u64,
    /// Why somebody in the cluster stopped all writes of the plan; empty if nobody did.
    pub frozen: String,
}

/// How far a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Objects are being written.
    Applying,
    /// All is written; health is awaited.
    Converging,
    /// Applied to its end and healthy now.
    Healthy,
    /// Not healthy, after it was or after its deadline.
    Unhealthy,
    /// It cannot be applied.
    Failed,
}

/// One object under a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectState {
    /// Which.
    pub id: ObjectId,
    /// How it became known.
    pub role: Role,
    /// Empty while it is absent.
    pub uid: String,
    /// What was applied; none for expectations.
    pub body: Option<Digest>,
    /// What became of it.
    pub outcome: Outcome,
    /// Whether it meets what the plan asks of it.
    pub healthy: bool,
    /// Why not, or who holds it.
    pub message: String,
    /// The generation under which this outcome came.
    pub generation: u64,
}

/// How an object became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// We made it, or are to make it.
    Created,
    /// We took it over.
    Adopted,
    /// Somebody else makes it.
    Expected,
    /// Somebody else makes it, and fields of it are ours.
    Addition,
    /// A template asks for it.
    Instance,
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Not yet its turn, or not gone yet.
    Pending,
    /// Made.
    Created,
    /// Changed.
    Changed,
    /// As it should be already.
    Unchanged,
    /// Deleted.
    Deleted,
    /// Somebody else holds fields that we would write.
    Conflict,
    /// It exists and is not ours.
    AdoptionRequired,
    /// Refused; again would not help.
    Rejected,
    /// Could not be sent; tried again.
    Unreachable,
    /// To be deleted, but not in the inventory.
    Left,
    /// An expectation that does not hold.
    Unfulfilled,
    /// An expectation that holds.
    Fulfilled,
    /// To be deleted, and left for as long as it is used.
    InUse,
}

impl Outcome {
    /// Whether the object is as the target wants it.
    #[must_use]
    pub fn is_applied(self) -> bool {
        matches!(self, Self::Created | Self::Changed | Self::Unchanged)
    }
}

impl From<inventory::Outcome> for Outcome {
    fn from(outcome: inventory::Outcome) -> Self {
        match outcome {
            inventory::Outcome::Created => Self::Created,
            inventory::Outcome::Changed => Self::Changed,
            inventory::Outcome::Unchanged => Self::Unchanged,
        }
    }
}

/// Everything that a report is made from.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// What was accepted.
    pub fence: &'a Fence,
    /// What that stands for.
    pub content: &'a Content,
    /// How far the apply is.
    pub progress: &'a Progress,
    /// What is said of health.
    pub verdict: &'a Verdict,
    /// What is seen of the cluster.
    pub live: &'a Live,
    /// Whether the cluster is frozen.
    pub freeze: &'a Freeze,
}

impl Seen<'_> {
    /// The report.
    #[must_use]
    pub fn report(self) -> Report {
        let (phase, message) = self.phase();
        let mut objects: BTreeMap<ObjectKey, ObjectState> = BTreeMap::new();
        let plan = &self.content.plan;
        let planned = plan.objects().map(|planned| self.planned(planned));
        let expected = plan.expectations.iter().map(|expectation| self.expected(expectation));
        let added = plan.additions.iter().map(|addition| self.added(&addition.id));
        let instances = self.instances().map(|id| self.instance(id));
        let named = self.content.target.deletions.iter().chain(&self.progress.deletions);
        let deleted = named.map(|deletion| self.to_delete(deletion));
        let kept = self.progress.inventory.entries().map(|entry| self.kept(entry));
        for state in planned.chain(added).chain(instances).chain(expected).chain(deleted).chain(kept) {
            objects.entry(state.id.key()).or_insert(state);
        }
        Report {
            generation: self.fence.generation,
            target: self.fence.target,
            phase,
            message: shortened(&message, MAX_MESSAGE_BYTES),
            objects: objects.into_values().collect(),
            completed: self.fence.completed,
            frozen: self.freeze.reason().to_owned(),
        }
    }

    fn phase(self) -> (Phase, String) {
        let verdict = self.verdict;
        match &self.progress.stage {
            Stage::Applying(what) => (Phase::Applying, what.clone()),
            Stage::AwaitingHealth => (Phase::Converging, verdict.message.clone()),
            Stage::Overdue(why) => (Phase::Unhealthy, format!("{why}: {}", verdict.message)),
            Stage::Failed(why) => (Phase::Failed, why.clone()),
            Stage::Done if self.fence.completed != self.fence.generation => {
                (Phase::Converging, "all is applied; that is being written down".to_owned())
            }
            Stage::Done => match verdict.level {
                Level::Healthy => (Phase::Healthy, self.in_use()),
                Level::Unhealthy => (Phase::Unhealthy, verdict.message.clone()),
                Level::Unknown => (Phase::Converging, verdict.message.clone()),
            },
        }
    }

    /// What is to go and is left because it is in use.
    fn in_use(self) -> String {
        let done = |deletion: &Deletion| self.progress.objects.get(&deletion.id.key());
        let left = self
            .progress
            .deletions
            .iter()
            .filter(|deletion| done(deletion).is_some_and(|done| done.outcome == Outcome::InUse));
        match (left.clone().count(), left.map(|deletion| &deletion.id).next()) {
            (0, _) | (_, None) => String::new(),
            (1, Some(id)) => format!("{id} is in use and left until it is not"),
            (count, Some(id)) => {
                format!("{id} and {} more are in use and left until they are not", count - 1)
            }
        }
    }

    fn planned(self, planned: &PlannedObject) -> ObjectState {
        let id = &planned.id;
        self.ours(id, self.progress.inventory.get(id).map_or(Role::Created, role))
    }

    fn added(self, id: &ObjectId) -> ObjectState {
        self.ours(id, Role::Addition)
    }

    fn instance(self, id: &ObjectId) -> ObjectState {
        self.ours(id, Role::Instance)
    }

    /// The instances of the plan's templates: those that are known, and those that could not be made.
    fn instances(&self) -> impl Iterator<Item = &ObjectId> {
        let plan = &self.content.plan;
        let known = self.progress.inventory.entries().filter(|entry| plan.template_of(entry).is_some());
        known.map(|entry| &entry.id).chain(&self.progress.instances)
    }

    /// An object that the plan wants.
    fn ours(self, id: &ObjectId, role: Role) -> ObjectState {
        // Fields on an object are no object of ours, and the other way round.
        let entry = self.progress.inventory.get(id);
        let entry =
            entry.filter(|entry| (entry.role == inventory::Role::Addition) == (role == Role::Addition));
        let (outcome, message) = match (self.progress.objects.get(&id.key()), entry, &self.progress.stage) {
            (Some(done), _, _) => (done.outcome, done.message.clone()),
            // After a restart of a spoke that was through: what came of it stands in the inventory.
            (None, Some(entry), Stage::Done) if entry.generation == self.fence.generation => {
                (entry.outcome.into(), String::new())
            }
            (None, Some(_), Stage::Done) => (Outcome::Unchanged, String::new()),
            (None, _, _) => (Outcome::Pending, String::new()),
        };
        let unwell = self.verdict.objects.get(&id.key()).map_or("", String::as_str);
        ObjectState {
            id: id.clone(),
            role,
            uid: entry.map(|entry| entry.uid.clone()).unwrap_or_default(),
            body: entry.map(|entry| entry.body),
            outcome,
            healthy: outcome.is_applied() && unwell.is_empty(),
            message: shortened(if message.is_empty() { unwell } else { &message }, MAX_MESSAGE_BYTES),
            generation: self.fence.generation,
        }
    }

    fn expected(self, expectation: &Expectation) -> ObjectState {
        let uid = match self.live.sight(&expectation.id) {
            Sight::Present { object, .. } => {
                object["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
            }
            Sight::Absent | Sight::Unknown(_) => String::new(),
        };
        let unwell = self.verdict.objects.get(&expectation.id.key());
        ObjectState {
            id: expectation.id.clone(),
            role: Role::Expected,
            uid,
            body: None,
            outcome: if unwell.is_none() { Outcome::Fulfilled } else { Outcome::Unfulfilled },
            healthy: unwell.is_none(),
            message: shortened(unwell.map_or("", String::as_str), MAX_MESSAGE_BYTES),
            generation: self.fence.generation,
        }
    }

    /// An object that is to go. Once the target is through, it is gone or was left.
    fn to_delete(self, deletion: &Deletion) -> ObjectState {
        let id = &deletion.id;
        let entry = self.progress.inventory.get(id);
        let (outcome, message) = match (self.progress.objects.get(&id.key()), &self.progress.stage) {
            (Some(done), _) => (done.outcome, done.message.clone()),
            // After a restart of a spoke that was through: what it left is in the inventory.
            (None, Stage::Done) if entry.is_some() && deletion.keep_while.is_some() => {
                (Outcome::InUse, "left while it is in use".to_owned())
            }
            (None, Stage::Done) if entry.is_some() => (Outcome::Left, "it was left".to_owned()),
            (None, Stage::Done) => (Outcome::Deleted, String::new()),
            (None, _) => (Outcome::Pending, String::new()),
        };
        ObjectState {
            id: id.clone(),
            role: entry.map_or(Role::Created, role),
            uid: entry.map(|entry| entry.uid.clone()).unwrap_or_default(),
            body: entry.map(|entry| entry.body),
            outcome,
            healthy: true,
            message: shortened(&message, MAX_MESSAGE_BYTES),
            generation: self.fence.generation,
        }
    }

    /// An object that is ours and that the target does not speak of: it stays, and the hub gets to know of it.
    fn kept(self, entry: &Entry) -> ObjectState {
        let deleted = matches!(self.live.sight(&entry.id), Sight::Absent);
        ObjectState {
            id: entry.id.clone(),
            role: role(entry),
            uid: entry.uid.clone(),
            body: Some(entry.body),
            outcome: entry.outcome.into(),
            healthy: !deleted,
            message: if deleted { "it was deleted".to_owned() } else { String::new() },
            generation: entry.generation,
        }
    }
}

fn role(entry: &Entry) -> Role {
    match entry.role {
        inventory::Role::Created => Role::Created,
        inventory::Role::Adopted => Role::Adopted,
        inventory::Role::Addition => Role::Addition,
        inventory::Role::Instance(_) => Role::Instance,
    }
}

/// A text of at most so many bytes; one that was cut shows it.
#[must_use]
pub fn shortened(text: &str, longest: usize) -> String {
    const CUT: &str = "…";
    if text.len() <= longest {
        return text.to_owned();
    }
    let end = (0..=longest.saturating_sub(CUT.len())).rev().find(|end| text.is_char_boundary(*end));
    format!("{}{CUT}", &text[..end.unwrap_or(0)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::content;

    fn phase(stage: Stage, level: Level, completed: u64) -> Phase {
        let content = content(3, &["a".to_owned()]);
        let fence = Fence { epoch: 1, generation: 3, target: content.digest, completed };
        let progress = Progress { generation: 3, stage, ..Progress::default() };
        let verdict = Verdict { level, ..Verdict::default() };
        let seen = Seen {
            fence: &fence,
            content: &content,
            progress: &progress,
            verdict: &verdict,
            live: &Live::default(),
            freeze: &Freeze::Free,
        };
        seen.report().phase
    }

    #[test]
    fn a_target_is_healthy_only_once_its_end_is_written_down() {
        assert_eq!(phase(Stage::Done, Level::Healthy, 2), Phase::Converging);
        assert_eq!(phase(Stage::Done, Level::Healthy, 3), Phase::Healthy);
        assert_eq!(phase(Stage::Done, Level::Unknown, 3), Phase::Converging);
        assert_eq!(phase(Stage::Done, Level::Unhealthy, 3), Phase::Unhealthy);
    }

    #[test]
    fn a_target_under_way_is_never_healthy() {
        assert_eq!(phase(Stage::Applying(String::new()), Level::Healthy, 2), Phase::Applying);
        assert_eq!(phase(Stage::AwaitingHealth, Level::Healthy, 2), Phase::Converging);
        assert_eq!(phase(Stage::Overdue(String::new()), Level::Unknown, 2), Phase::Unhealthy);
        assert_eq!(phase(Stage::Failed(String::new()), Level::Healthy, 2), Phase::Failed);
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let cut = shortened(&"ä".repeat(2000), MAX_MESSAGE_BYTES);
        assert!(cut.len() <= MAX_MESSAGE_BYTES && cut.ends_with('…'));
        assert_eq!(shortened("ä", 2), "ä");
    }
}
