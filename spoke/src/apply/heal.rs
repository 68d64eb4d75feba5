//! Healing: what is due by policy and what a person asked for, one object after the other.
//!
//! *Flow*: look at the object, write into the journal, put it right, write the outcome there. *Guarantees*: it runs between
//! the other writes of an apply, once all of it is through; nothing is put right that the journal does not hold; what is
//! found to be otherwise than it was told is left. *Caveats*: who was killed in between looks at what he had begun first.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::Value;
use tracing::Instrument as _;

use super::{
    Apply, Done, Failure, Interrupted,
    manifest::{mark, marked},
    object::Written,
    restore::{Restoration, Sending},
    standing::{Planned, Standing, standing},
};
use crate::{
    cluster, document,
    document::ObjectId,
    drift::{self, Class, Item, shown},
    fail_point,
    heal::{self, Answer, Ask, Draft, Outcome, Question, cannot_heal},
    inventory::{self, Entry, Role},
    metrics::METRICS,
    writes::Purpose,
};

/// How soon it is tried again to write down, or to look.
const AGAIN: Duration = Duration::from_secs(1);

/// What came of one attempt.
struct Attempt {
    outcome: Outcome,
    /// Whether something may have been written.
    written: bool,
    message: String,
}

impl Attempt {
    fn new(outcome: Outcome, message: impl Into<String>) -> Self {
        Self { outcome, written: outcome == Outcome::Healed, message: message.into() }
    }
}

impl Apply {
    /// Puts right what is due. Returns when something else is.
    pub(super) async fn tend_heals(&mut self) -> Result<Option<Instant>, Interrupted> {
        if !self.tending.is_through() {
            self.healing
                .asked()
                .into_iter()
                .for_each(|ask| ask.hold("the target is being applied: ask again once it is"));
            return Ok(None);
        }
        let heard = *self.healing.heard.borrow_and_update();
        self.healing.healer.journal.stored(heard.stored_through);
        let looked = self.look_at_unended().await?;
        let next = match looked {
            true => {
                self.grant_wishes().await?;
                self.heal_due(heard.attached_at).await?
            }
            false => Some(Instant::now() + AGAIN),
        };
        let saved = self.healing.healer.save().await;
        if let Err(error) = &saved {
            tracing::warn!(error = %crate::chain(error), "what was healed is not written down yet");
        }
        self.tell_healing();
        Ok(next.into_iter().chain(saved.is_err().then(|| Instant::now() + AGAIN)).min())
    }

    async fn heal_due(&mut self, attached_at: Option<Instant>) -> Result<Option<Instant>, Interrupted> {
        let generation = self.generation();
        // Before all was looked for, what differs is not known.
        let Some(drift) = self.healing.observed(generation).filter(|_| self.live.looked_for_all()) else {
            return Ok(None);
        };
        let now = (Instant::now(), Timestamp::now());
        let healer = &mut self.healing.healer;
        healer.observe(generation, &drift.items, now);
        let due = healer.due(generation, &drift.items, attached_at, now);
        if due.now.is_empty() {
            return Ok(due.next);
        }
        if let Err(error) = self.writes.allowed(Purpose::Target(generation)) {
            tracing::debug!(reason = %crate::chain(&error), "what is due is not healed now");
            return Ok(Some(Instant::now() + AGAIN));
        }
        for items in due.now.into_values() {
            if self.stop.is_cancelled() {
                return Err(Interrupted);
            }
            self.heal_object(&items).await?;
        }
        // What was healed is seen to be right before it can be due again.
        Ok(Some(Instant::now() + AGAIN))
    }

    /// Heals what is due of one object, as far as it still differs in the same way.
    async fn heal_object(&mut self, items: &[Item]) -> Result<(), Interrupted> {
        let Some(id) = items.first().map(|item| item.id.clone()) else { return Ok(()) };
        let Some(entry) = self.inventory.get(&id).cloned() else { return Ok(()) };
        let found = match self.differences(&entry).await {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(object = %id, error = %crate::chain(&error), "cannot be looked at now");
                return Ok(());
            }
        };
        let (live, differ) = found;
        let due = |item: &Item| items.iter().any(|due| is_same(due, item));
        let (chosen, left): (Vec<Item>, Vec<Item>) = differ.into_iter().partition(due);
        if chosen.is_empty() || live.as_ref().is_some_and(is_going) {
            return Ok(());
        }
        let restoration = Restoration { entry: &entry, live: live.as_ref(), chosen: &chosen, left: &left };
        let attempt = self.carry_through(restoration, "").await?;
        if matches!(attempt.outcome, Outcome::Failed | Outcome::Moved) {
            for item in &chosen {
                self.healing.healer.could_not(item.into(), Instant::now());
            }
        }
        Ok(())
    }

    /// An object as it is, and how it differs from what our last apply left.
    async fn differences(&self, entry: &Entry) -> Result<(Option<Value>, Vec<Item>), cluster::Error> {
        let live = self.cluster.get(&entry.id).await?;
        let differ = drift::compare(entry, live.as_ref());
        Ok((live, differ))
    }

    /// Writes into the journal what is about to be done, does it, and writes down what came of it.
    async fn carry_through(
        &mut self,
        restoration: Restoration<'_>,
        asked_by: &str,
    ) -> Result<Attempt, Interrupted> {
        let (generation, id) = (self.generation(), &restoration.entry.id);
        let drafts: Vec<Draft<'_>> = restoration.chosen.iter().map(|item| Draft { item, asked_by }).collect();
        let healer = &mut self.healing.healer;
        let numbers = match healer.journal.begin(generation, &drafts, Timestamp::now()) {
            Ok(numbers) => numbers,
            Err(full) => {
                tracing::warn!(object = %id, "not healed: {full}");
                return Ok(Attempt::new(Outcome::Held, full.to_string()));
            }
        };
        if let Err(error) = healer.save().await {
            healer.journal.withdraw(&numbers);
            let why = crate::chain(&error);
            tracing::warn!(object = %id, error = %why, "not healed: it could not be written down first");
            return Ok(Attempt::new(Outcome::Held, format!("it could not be written down first: {why}")));
        }
        fail_point::passed(fail_point::HEAL_JOURNALLED);
        let span = self.span("heal object", id);
        let restored = self.restore(restoration, Sending::Write).instrument(span.clone()).await;
        let attempt = self.restored(restored);
        span.record("outcome", tracing::field::debug(attempt.outcome));
        drop(span);
        fail_point::passed(fail_point::HEAL_WRITTEN);
        METRICS.heals(!asked_by.is_empty(), attempt.outcome, numbers.len());
        for item in restoration.chosen {
            let (path, class) = (&item.path, item.class);
            let actor = item.actor.as_ref().map_or("", |actor| actor.manager.as_str());
            let (outcome, reason) = (attempt.outcome, &attempt.message);
            tracing::info!(object = %id, %path, ?class, %actor, ?outcome, %reason, generation, "a heal");
        }
        if !self.is_written_down().await {
            // It is looked at again, and ended then.
            return if self.stop.is_cancelled() { Err(Interrupted) } else { Ok(attempt) };
        }
        let healer = &mut self.healing.healer;
        healer.journal.end(&numbers, (attempt.outcome, attempt.written), &attempt.message);
        if !asked_by.is_empty() && attempt.outcome == Outcome::Healed {
            let healed: BTreeSet<heal::Key> = restoration.chosen.iter().map(heal::Key::from).collect();
            healer.journal.end_fights(|_, key| healed.contains(key));
        }
        if let Err(error) = healer.save().await {
            tracing::warn!(error = %crate::chain(&error), "what came of a heal is not written down yet");
        }
        self.tell_healing();
        if self.stop.is_cancelled() { Err(Interrupted) } else { Ok(attempt) }
    }

    /// Writes the inventory down, if need be. A journal that says of an object that it was made anew before the inventory
    /// knows it would leave it to be taken for a stranger's.
    async fn is_written_down(&mut self) -> bool {
        if !self.inventory.is_dirty() {
            return true;
        }
        let flushed = self.store.flush(&mut self.inventory).await;
        if let Err(error) = &flushed {
            tracing::warn!(error = %crate::chain(error), "what was healed is not in the inventory yet");
        }
        self.tell_inventory();
        flushed.is_ok()
    }

    /// Takes what was put right into the inventory.
    fn restored(&mut self, restored: Result<Entry, Failure>) -> Attempt {
        match restored {
            Ok(entry) => {
                self.inventory.put(entry);
                Attempt::new(Outcome::Healed, "")
            }
            Err(Failure::Again) => Attempt::new(Outcome::Moved, "it changed meanwhile"),
            Err(Failure::Interrupted) => {
                Attempt::new(Outcome::Failed, "a newer target was accepted meanwhile")
            }
            Err(Failure::Hopeless(Done { message, .. })) => Attempt::new(Outcome::Failed, message),
            // Of a write without an answer it is not known whether it was done.
            Err(Failure::Later(_, message) | Failure::Underway(_, message)) => {
                Attempt { written: true, ..Attempt::new(Outcome::Failed, message) }
            }
        }
    }

    async fn grant_wishes(&mut self) -> Result<(), Interrupted> {
        for ask in self.healing.asked() {
            if !ask.is_awaited() {
                ask.hold("it came too late: ask again");
                continue;
            }
            let Ask { question, answer, by: _ } = ask;
            let granted = self.grant(&question).await?;
            // Who asked may be gone. What was done stands in the journal.
            let _ = answer.send(granted);
        }
        Ok(())
    }

    /// Heals what a person asked for, if it is still as he saw it.
    async fn grant(&mut self, question: &Question) -> Result<Answer, Interrupted> {
        let not_done = |outcome, why: &str| Answer::not_done(&question.id, outcome, why);
        if let Some(entry) = self.healing.healer.journal.asked_by(&question.id) {
            // Asked again, because the answer was lost.
            return Ok(not_done(entry.outcome, &entry.message));
        }
        let Some(entry) = self.inventory.get(&question.object).cloned() else {
            return Ok(not_done(Outcome::Held, "the object is not this spoke's any more"));
        };
        if let Some(why) = cannot_heal(&self.content, &entry, question.class) {
            return Ok(not_done(Outcome::Held, why));
        }
        if let Err(error) = self.writes.allowed(Purpose::Target(self.generation())) {
            return Ok(not_done(Outcome::Held, &crate::chain(&error)));
        }
        let (live, differ) = match self.differences(&entry).await {
            Ok(found) => found,
            Err(error) => return Ok(not_done(Outcome::Failed, &crate::chain(&error))),
        };
        let asked = |item: &Item| item.path == question.path && item.class == question.class;
        let (chosen, left): (Vec<Item>, Vec<Item>) = differ.into_iter().partition(asked);
        let Some(item) = chosen.first() else {
            return Ok(not_done(Outcome::Moved, "it does not differ in this way any more"));
        };
        if item.uid != question.uid || item.found_digest() != question.found {
            let why =
                "another value stands there now than the one that was reported: look at the report again";
            return Ok(not_done(Outcome::Moved, why));
        }
        let text = |value: &Option<Value>| value.as_ref().map(shown).unwrap_or_default();
        let (before, after) = (text(&item.found), text(&item.baseline));
        let restoration = Restoration { entry: &entry, live: live.as_ref(), chosen: &chosen, left: &left };
        let attempt = match question.dry_run {
            false => self.carry_through(restoration, &question.id).await?,
            true => match self.restore(restoration, Sending::DryRun).await {
                Ok(_) => Attempt::new(Outcome::WouldHeal, ""),
                refused => self.restored(refused),
            },
        };
        let Attempt { outcome, message, written: _ } = attempt;
        Ok(Answer { id: question.id.clone(), outcome, message, before, after })
    }

    /// Finds out what came of heals that a former life had begun. False if that could not be seen.
    async fn look_at_unended(&mut self) -> Result<bool, Interrupted> {
        let mut objects: BTreeMap<document::ObjectKey, Vec<heal::Entry>> = BTreeMap::new();
        for begun in self.healing.healer.journal.unended() {
            objects.entry(begun.id.key()).or_default().push(begun);
        }
        for begun in objects.into_values() {
            if self.stop.is_cancelled() {
                return Err(Interrupted);
            }
            let Some(id) = begun.first().map(|entry| entry.id.clone()) else { continue };
            let Ok(live) = self.cluster.get(&id).await else { return Ok(false) };
            self.take_in_made_anew(&id, live.as_ref());
            if !self.is_written_down().await {
                return Ok(false);
            }
            let differ = self.inventory.get(&id).map(|entry| drift::compare(entry, live.as_ref()));
            for entry in begun {
                let differs = differ.as_ref().is_none_or(|differ| {
                    differ.iter().any(|item| item.path == entry.path && item.class == entry.class)
                });
                let (outcome, message) = match differs {
                    true => (Outcome::Failed, "the spoke ended before this was done, or it came back since"),
                    false => (Outcome::Healed, ""),
                };
                METRICS.heals(entry.is_by_hand(), outcome, 1);
                let journal = &mut self.healing.healer.journal;
                journal.end(&[entry.number], (outcome, true), message);
                if entry.is_by_hand() && outcome == Outcome::Healed {
                    let healed = entry.key();
                    journal.end_fights(|_, key| *key == healed);
                }
            }
        }
        Ok(true)
    }

    /// Takes an object into the inventory that a former life made anew and did not write down.
    fn take_in_made_anew(&mut self, id: &ObjectId, live: Option<&Value>) {
        let (Some(live), Some(entry)) = (live, self.inventory.get(id)) else { return };
        let is_other = live["metadata"]["uid"] != entry.uid.as_str();
        if !is_other
            || entry.role == Role::Addition
            || cannot_heal(&self.content, entry, Class::Deleted).is_some()
        {
            return;
        }
        let body = self.body(entry.body);
        let body = match &entry.role {
            Role::Instance(_) => document::instance(body, &id.namespace),
            Role::Created | Role::Adopted | Role::Addition => body,
        };
        let mark = mark(&self.content.target.cluster, entry.body);
        let manifest = marked(body, &mark);
        let planned = Planned { manifest: &manifest, digest: entry.body, mark: &mark };
        if standing(Some(live), None, planned) == Standing::Written {
            let (digest, role) = (entry.body, entry.role.clone());
            let outcome = inventory::Outcome::Created;
            let made = self.made(Written { id, digest, object: live, role, outcome });
            tracing::info!(object = %id, "found again what was made anew before");
            made.entry.into_iter().for_each(|entry| self.inventory.put(entry));
        }
    }

    /// Tells what becomes of differences, if that changed.
    fn tell_healing(&self) {
        let told = self.healing.healer.told(self.generation(), Timestamp::now());
        METRICS.journal(told.entries.len());
        if *self.progress.borrow().healing != told {
            self.tell(|progress| progress.healing = Arc::new(told));
        }
    }
}

/// Whether a difference is still the one that was found due.
fn is_same(due: &Item, now: &Item) -> bool {
    due.path == now.path && due.class == now.class && due.uid == now.uid && due.found == now.found
}

/// Whether an object is being deleted: what is put right in it goes with it.
fn is_going(live: &Value) -> bool {
    live["metadata"]["deletionTimestamp"].is_string()
}
