//! Health: whether the mesh is what the plan says it must be, by the plan's own criteria.
//!
//! Pure: live objects and the time come in, a verdict comes out. An installer's own "healthy" is no proof, and a "not
//! healthy" of some milliseconds is no failure, so a verdict turns only when what it rests on has stood for a while.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    apply::Progress,
    document::{Addition, Criterion, Expectation, ObjectId, ObjectKey, Plan, Requirement},
    inventory::{Entry, Role},
    observe::{Live, Sight},
};

/// How long everything must hold before it counts. Installers report success early and take it back.
pub const HOLDS_FOR: Duration = Duration::from_secs(3);

/// How long something must be wrong before it counts: installers err for some milliseconds in ordinary work.
pub const BROKEN_FOR: Duration = Duration::from_secs(5);

/// What is said of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Nothing has stood for long enough yet.
    #[default]
    Unknown,
    /// Everything holds and has held.
    Healthy,
    /// Something is wrong and has been.
    Unhealthy,
}

/// What is said of one criterion or expectation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It holds.
    Holds,
    /// It holds, but has not stood still for long enough.
    Settling(String),
    /// It does not hold.
    Unmet(String),
    /// It says that it failed, and has said so for long enough.
    Failing(String),
}

/// The verdict on a plan.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// On the whole.
    pub level: Level,
    /// Since when everything holds.
    pub holding_since: Option<Instant>,
    /// A failure that a criterion names, standing for long enough.
    pub failing: Option<String>,
    /// What is wrong or awaited first; empty if all holds.
    pub message: String,
    /// What is wrong, by object; an object that is not here is well.
    pub objects: BTreeMap<ObjectKey, String>,
    /// For each expectation, in the plan's order, whether it has been unfulfilled for long enough to count as drift.
    pub unfulfilled: Vec<bool>,
    /// For each addition, in the plan's order, whether it has not been there for long enough to count as drift.
    pub unadded: Vec<bool>,
    /// When to look again though nothing changes.
    pub again_in: Option<Duration>,
}

/// What health remembers between two looks.
#[derive(Debug, Default)]
pub struct Tracker {
    level: Level,
    holding_since: Option<Instant>,
    /// When something was first wrong, since everything held for long enough: what comes and goes is wrong all the time.
    broken_since: Option<Instant>,
    failing_since: BTreeMap<usize, Instant>,
    holding: BTreeMap<usize, Instant>,
    unfulfilled_since: BTreeMap<usize, Instant>,
    unadded_since: BTreeMap<usize, Instant>,
}

/// What health is judged of.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// What must hold.
    pub plan: &'a Plan,
    /// What is applied, and what is ours.
    pub progress: &'a Progress,
    /// What is seen.
    pub live: &'a Live,
}

impl Tracker {
    /// Looks at everything that the plan says of health.
    pub fn assess(&mut self, judged: Judged<'_>, now: Instant) -> Verdict {
        let Judged { plan, progress, live } = judged;
        let mut verdict = Verdict::default();
        let mut standings = Vec::new();
        // What was applied must still be there, whether the plan asks more of it or not.
        standings.extend(progress.applied(plan).map(|(id, uid)| (id, there(uid, &live.sight(id)))));
        standings.extend(progress.not_made().map(|(id, why)| (id, Standing::Unmet(why.to_owned()))));
        for (index, criterion) in plan.healthy_when.iter().enumerate() {
            let sight = live.sight(&criterion.id);
            let failing_for = self.failing_for(index, criterion, &sight, now);
            let standing = judge(criterion, &sight, failing_for, now);
            standings.push((&criterion.id, self.held(index, criterion, standing, now)));
        }
        for (index, expectation) in plan.expectations.iter().enumerate() {
            let standing = fulfilled(expectation, &live.sight(&expectation.id));
            let lacks = standing != Standing::Holds;
            verdict.unfulfilled.push(long(stands(&mut self.unfulfilled_since, index, lacks, now)));
            standings.push((&expectation.id, standing));
        }
        for (index, addition) in plan.additions.iter().enumerate() {
            let standing = added(addition, progress, &live.sight(&addition.id));
            let lacks = standing != Standing::Holds;
            verdict.unadded.push(long(stands(&mut self.unadded_since, index, lacks, now)));
            standings.push((&addition.id, standing));
        }
        self.sum_up(&standings, verdict, now)
    }

    fn sum_up(&mut self, standings: &[(&ObjectId, Standing)], mut verdict: Verdict, now: Instant) -> Verdict {
        for (id, standing) in standings {
            let (Standing::Settling(why) | Standing::Unmet(why) | Standing::Failing(why)) = standing else {
                continue;
            };
            verdict.objects.entry(id.key()).or_insert_with(|| why.clone());
            if verdict.message.is_empty() {
                verdict.message = format!("{id}: {why}");
            }
            if matches!(standing, Standing::Failing(_)) && verdict.failing.is_none() {
                verdict.failing = Some(format!("{id}: {why}"));
            }
        }
        self.turn(standings.iter().map(|(_, standing)| standing), now);
        verdict.level = self.level;
        verdict.holding_since = self.holding_since;
        // Every limit here is of whole seconds: a look each second while something is under way finds each in time.
        let quiet =
            self.holding_since.is_some() && self.level == Level::Healthy && self.failing_since.is_empty();
        verdict.again_in = (!quiet).then_some(Duration::from_secs(1));
        verdict
    }

    fn failing_for(
        &mut self,
        index: usize,
        criterion: &Criterion,
        sight: &Sight,
        now: Instant,
    ) -> Option<Duration> {
        let fails = match sight {
            Sight::Present { object, .. } => criterion.fails_on.iter().any(|sign| sign.stands_in(object)),
            Sight::Unknown(_) | Sight::Absent => false,
        };
        stands(&mut self.failing_since, index, fails, now)
    }

    /// Holds only once it has held for as long as the criterion says.
    fn held(&mut self, index: usize, criterion: &Criterion, standing: Standing, now: Instant) -> Standing {
        let held_for = stands(&mut self.holding, index, standing == Standing::Holds, now);
        let wanted = Duration::from_secs(criterion.held_for_s.into());
        if held_for.is_some_and(|held_for| held_for < wanted) {
            let why = format!("is as wanted, but for less than {} s so far", criterion.held_for_s);
            return Standing::Settling(why);
        }
        standing
    }

    fn turn<'a>(&mut self, standings: impl Iterator<Item = &'a Standing>, now: Instant) {
        let (mut holds, mut broken) = (true, false);
        for standing in standings {
            holds &= *standing == Standing::Holds;
            broken |= matches!(standing, Standing::Unmet(_) | Standing::Failing(_));
        }
        let for_long =
            |since: Option<Instant>, long| since.is_some_and(|since| now.duration_since(since) >= long);
        self.holding_since = holds.then(|| self.holding_since.unwrap_or(now));
        if broken {
            self.broken_since.get_or_insert(now);
        }
        if for_long(self.holding_since, HOLDS_FOR) {
            self.level = Level::Healthy;
            self.broken_since = None;
        } else if broken && for_long(self.broken_since, BROKEN_FOR) {
            self.level = Level::Unhealthy;
        }
    }
}

/// Whether something has stood for so long that it counts.
fn long(stands: Option<Duration>) -> bool {
    stands.is_some_and(|long| long >= BROKEN_FOR)
}

/// For how long `holds` has been true.
fn stands(since: &mut BTreeMap<usize, Instant>, index: usize, holds: bool, now: Instant) -> Option<Duration> {
    if !holds {
        since.remove(&index);
        return None;
    }
    Some(now.duration_since(*since.entry(index).or_insert(now)))
}

impl Requirement {
    /// Whether the value stands there.
    #[must_use]
    pub fn stands_in(&self, object: &Value) -> bool {
        self.path.get(object) == Some(&self.value)
    }

    fn lack(&self, object: &Value) -> Option<String> {
        if self.stands_in(object) {
            return None;
        }
        let found =
            self.path.get(object).map_or_else(|| "nothing".to_owned(), |found| shortened(&found.to_string()));
        Some(format!("{} is {found}, wanted {}", self.path, shortened(&self.value.to_string())))
    }
}

fn shortened(text: &str) -> String {
    const LONGEST: usize = 120;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain("…".chars()).collect()
}

/// What is to be said of an object that was applied and had this uid.
fn there(uid: &str, sight: &Sight) -> Standing {
    match sight {
        Sight::Unknown(why) => Standing::Unmet(why.clone()),
        Sight::Absent => Standing::Unmet("it was deleted".to_owned()),
        Sight::Present { object, .. } if object["metadata"]["uid"] != uid => {
            Standing::Unmet("it was deleted, and another stands in its place".to_owned())
        }
        Sight::Present { .. } => Standing::Holds,
    }
}

/// What is to be said of an addition.
fn added(addition: &Addition, progress: &Progress, sight: &Sight) -> Standing {
    let object = match sight {
        Sight::Unknown(why) => return Standing::Unmet(why.clone()),
        Sight::Absent => {
            let why = "does not exist yet: whoever makes it has not, and fields are to be put on it";
            return Standing::Unmet(why.to_owned());
        }
        Sight::Present { object, .. } => object,
    };
    let here =
        |entry: &&Entry| entry.role == Role::Addition && object["metadata"]["uid"] == entry.uid.as_str();
    if progress.inventory.get(&addition.id).filter(here).is_some_and(|entry| entry.body == addition.body) {
        return Standing::Holds;
    }
    let refused = progress.objects.get(&addition.id.key()).filter(|done| !done.outcome.is_applied());
    let why = refused.map(|done| done.message.as_str()).filter(|why| !why.is_empty());
    Standing::Unmet(why.map_or_else(
        || "our fields are not on it yet".to_owned(),
        |why| format!("our fields cannot be put on it: {why}"),
    ))
}

/// What is to be said of an expectation.
#[must_use]
pub fn fulfilled(expectation: &Expectation, sight: &Sight) -> Standing {
    match sight {
        Sight::Unknown(why) => Standing::Unmet(why.clone()),
        Sight::Absent => Standing::Unmet("does not exist yet".to_owned()),
        Sight::Present { object, .. } => lacks(&expectation.requires, object).unwrap_or(Standing::Holds),
    }
}

fn lacks(requires: &[Requirement], object: &Value) -> Option<Standing> {
    requires.iter().find_map(|required| required.lack(object)).map(Standing::Unmet)
}

/// What is to be said of one criterion. `failing_for` tells for how long a sign of failure has stood.
#[must_use]
pub fn judge(criterion: &Criterion, sight: &Sight, failing_for: Option<Duration>, now: Instant) -> Standing {
    let (object, changed_at) = match sight {
        Sight::Unknown(why) => return Standing::Unmet(why.clone()),
        Sight::Absent => return Standing::Unmet("does not exist yet".to_owned()),
        Sight::Present { object, changed_at } => (object, *changed_at),
    };
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    if failing_for.is_some_and(|long| long >= seconds(criterion.failed_for_s)) {
        let sign = criterion.fails_on.iter().find(|sign| sign.stands_in(object));
        let sign = sign.map_or_else(String::new, |sign| {
            format!("{} is {}", sign.path, shortened(&sign.value.to_string()))
        });
        return Standing::Failing(format!("{sign} for {} s or longer", criterion.failed_for_s));
    }
    if object["metadata"]["deletionTimestamp"].is_string() {
        return Standing::Unmet("is being deleted".to_owned());
    }
    if let Some(unmet) = lacks(&criterion.requires, object) {
        return unmet;
    }
    if criterion.observed
        && let Some(why) = not_observed(object)
    {
        return Standing::Unmet(why);
    }
    if criterion.rolled_out
        && let Some(why) = not_rolled_out(object)
    {
        return Standing::Unmet(why);
    }
    let still_for = now.saturating_duration_since(changed_at);
    if still_for < seconds(criterion.settled_for_s) {
        return Standing::Settling(format!("changed less than {} s ago", criterion.settled_for_s));
    }
    Standing::Holds
}

/// Why an object's status does not speak of it as it is now.
fn not_observed(object: &Value) -> Option<String> {
    let generation = object["metadata"]["generation"].as_i64().unwrap_or(0);
    let observed = object["status"]["observedGeneration"].as_i64();
    (observed != Some(generation)).then(|| format!("generation {generation} is not observed yet"))
}

/// Why an object's roll-out is not over, by the rules of its kind. Kinds without such rules need only be observed.
#[must_use]
pub fn not_rolled_out(object: &Value) -> Option<String> {
    let status = &object["status"];
    let number = |value: &Value| value.as_i64().unwrap_or(0);
    if let Some(why) = not_observed(object) {
        return Some(why);
    }
    let (wanted, counts): (i64, &[&str]) = match object["kind"].as_str() {
        Some("Deployment" | "StatefulSet") => {
            let wanted = object["spec"]["replicas"].as_i64().unwrap_or(1);
            (wanted, &["updatedReplicas", "replicas", "readyReplicas", "availableReplicas"])
        }
        Some("DaemonSet") => {
            let wanted = number(&status["desiredNumberScheduled"]);
            (wanted, &["updatedNumberScheduled", "numberReady", "numberAvailable"])
        }
        _ => return None,
    };
    if let Some(why) = deadline_exceeded(status) {
        return Some(why);
    }
    counts
        .iter()
        .find(|count| number(&status[**count]) != wanted)
        .map(|count| format!("{count} is {}, wanted {wanted}", number(&status[*count])))
}

fn deadline_exceeded(status: &Value) -> Option<String> {
    let conditions = status["conditions"].as_array()?;
    let exceeded = |condition: &&Value| condition["reason"] == "ProgressDeadlineExceeded";
    conditions.iter().find(exceeded).map(|condition| {
        format!("its progress deadline passed: {}", condition["message"].as_str().unwrap_or("no message"))
    })
}

#[cfg(test)]
mod tests;
