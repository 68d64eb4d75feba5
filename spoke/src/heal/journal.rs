//! The journal: what was healed and what is about to be, until the hub has stored it.
//!
//! Pure, and small: at most [`MOST_ENTRIES`], each of bounded size, so that it fits into one Secret. Entries that the hub
//! stored stay for as long as there is room, because they are what heals are counted by.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Key, fight};
use crate::{
    document::ObjectId,
    drift::{Class, Item, shown_within},
    report::shortened,
};

/// Most entries. With all of them waiting for a hub, nothing is healed.
pub const MOST_ENTRIES: usize = 200;

/// Most fights that are remembered: as many as differences are reported.
const MOST_FIGHTS: usize = 500;

/// Longest value of an entry that is shown in full, and longest message: all entries must fit into one Secret.
const MAX_VALUE_BYTES: usize = 512;

/// The only format this spoke reads.
const FORMAT: u32 = 1;

/// What came of a heal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// It is written down; what came of it is not known yet.
    Begun,
    /// It was done.
    Healed,
    /// It was right again, or said something else, before anything was written.
    Moved,
    /// The API server refused it, or it could not be sent.
    Failed,
    /// It would be done. Never in a journal.
    WouldHeal,
    /// The spoke may not now. Never in a journal.
    Held,
}

/// One heal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Rises for ever.
    pub number: u64,
    /// Of the accepted target.
    pub generation: u64,
    /// Of which object.
    pub id: ObjectId,
    /// Its uid; empty if it was gone.
    pub uid: String,
    /// Of which field; empty for the whole object.
    pub path: String,
    /// What kind of difference.
    pub class: Class,
    /// The value that it is given back, as it is shown; never a Secret's.
    pub baseline: String,
    /// The value that was there, as it is shown; never a Secret's.
    pub found: String,
    /// Who had written that; empty where it is not known.
    pub manager: String,
    /// `Apply` or `Update`; empty where it is not known.
    pub operation: String,
    /// The question of a person; empty if the target asked for it.
    pub asked_by: String,
    /// When it was written down.
    pub at: Timestamp,
    /// What came of it.
    pub outcome: Outcome,
    /// Why it was not done; may be empty.
    pub message: String,
    /// Whether something may have been written: then it counts, whatever came of it.
    written: bool,
}

/// A heal that is about to be done.
#[derive(Debug, Clone)]
pub struct Draft<'a> {
    /// Of what.
    pub item: &'a Item,
    /// The question of a person; empty if the target asked for it.
    pub asked_by: &'a str,
}

/// All entries wait for the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the journal is full: {MOST_ENTRIES} heals wait for the hub to store them")]
pub struct Full;

/// A difference that came back after each heal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Fight {
    generation: u64,
    id: ObjectId,
    path: String,
    class: Class,
}

impl Fight {
    fn key(&self) -> Key {
        Key { object: self.id.key(), path: self.path.clone(), class: self.class }
    }
}

/// What was healed and what is about to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    format: u32,
    /// Of the next entry.
    next: u64,
    /// The hub has these entries, with their outcomes.
    stored_through: u64,
    entries: Vec<Entry>,
    fights: Vec<Fight>,
    /// Whether something is not written down.
    #[serde(skip)]
    pub(super) is_dirty: bool,
}

impl Entry {
    /// Which difference it is about.
    #[must_use]
    pub fn key(&self) -> Key {
        Key { object: self.id.key(), path: self.path.clone(), class: self.class }
    }

    /// Whether a person asked for it.
    #[must_use]
    pub fn is_by_hand(&self) -> bool {
        !self.asked_by.is_empty()
    }
}

impl Journal {
    /// An empty journal. Its numbers begin with the time, so that they are above those of a journal that was lost.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let next = u64::try_from(now.as_millisecond()).unwrap_or(1).max(1);
        Self {
            format: FORMAT,
            next,
            stored_through: 0,
            entries: Vec::new(),
            fights: Vec::new(),
            is_dirty: false,
        }
    }

    /// Reads a journal; none if it is not one that this spoke knows.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let journal: Self = serde_json::from_slice(bytes).ok()?;
        (journal.format == FORMAT).then_some(journal)
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        // Of strings and numbers only: it cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Whether it takes no more entries.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.entries.len() >= MOST_ENTRIES && !self.entries.iter().any(|entry| self.is_stored(entry))
    }

    /// Begins heals: they must be written down before they are done. Gives their numbers.
    ///
    /// # Errors
    /// If there is no room for all of them; then none is begun.
    pub fn begin(&mut self, generation: u64, drafts: &[Draft<'_>], now: Timestamp) -> Result<Vec<u64>, Full> {
        self.make_room(drafts.len())?;
        self.is_dirty = true;
        let numbers = drafts.iter().map(|draft| {
            let number = self.next;
            self.next += 1;
            self.entries.push(entry(number, generation, draft, now));
            number
        });
        Ok(numbers.collect())
    }

    /// Drops stored entries, the oldest first, until so many more fit.
    fn make_room(&mut self, more: usize) -> Result<(), Full> {
        let excess = (self.entries.len() + more).saturating_sub(MOST_ENTRIES);
        if self.entries.iter().filter(|entry| self.is_stored(entry)).count() < excess {
            return Err(Full);
        }
        let (mut left, through) = (excess, self.stored_through);
        self.entries.retain(|entry| {
            let goes = left > 0 && is_stored(entry, through);
            left -= usize::from(goes);
            !goes
        });
        Ok(())
    }

    /// Takes entries back that could not be written down: what they say was not done.
    pub fn withdraw(&mut self, numbers: &[u64]) {
        self.entries.retain(|entry| !numbers.contains(&entry.number));
        self.is_dirty = true;
    }

    /// Notes what came of heals, and whether something may have been written.
    pub fn end(&mut self, numbers: &[u64], (outcome, written): (Outcome, bool), message: &str) {
        self.is_dirty = true;
        for entry in self.entries.iter_mut().filter(|entry| numbers.contains(&entry.number)) {
            entry.outcome = outcome;
            entry.written = written;
            entry.message = shortened(message, MAX_VALUE_BYTES);
        }
    }

    /// Entries of which it is not known what came of them: of a former life, unless a heal is under way.
    #[must_use]
    pub fn unended(&self) -> Vec<Entry> {
        self.entries.iter().filter(|entry| entry.outcome == Outcome::Begun).cloned().collect()
    }

    /// The entry of a person's question.
    #[must_use]
    pub fn asked_by(&self, question: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.asked_by == question)
    }

    /// The hub has these entries, with their outcomes. That is written down with the next entry.
    pub fn stored(&mut self, through: u64) {
        // A hub that says more than it was told was told by a journal that is lost.
        let last = self.next.saturating_sub(1);
        self.stored_through = self.stored_through.max(through.min(last));
    }

    /// Entries that the hub does not have, in their order.
    pub fn unstored(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| !self.is_stored(entry))
    }

    fn is_stored(&self, entry: &Entry) -> bool {
        is_stored(entry, self.stored_through)
    }

    /// When something was healed by policy under a generation, since a person healed it. What was refused does not count;
    /// what may have been done does.
    #[must_use]
    pub fn heals(&self, key: &Key, generation: u64) -> Vec<Timestamp> {
        let mut heals = Vec::new();
        let of = |entry: &&Entry| entry.generation == generation && entry.key() == *key;
        for entry in self.entries.iter().filter(of) {
            if !entry.is_by_hand() {
                heals.extend(Some(entry.at).filter(|_| entry.written));
            } else if entry.outcome == Outcome::Healed {
                heals.clear();
            }
        }
        heals
    }

    /// How often each difference was healed by policy within the window.
    #[must_use]
    pub fn counts(&self, generation: u64, now: Timestamp) -> BTreeMap<Key, u32> {
        let recent = self.entries.iter().filter(|entry| fight::counts(entry.at, now));
        let keys: BTreeSet<Key> = recent.map(Entry::key).collect();
        let count = |key: Key| {
            let heals = self.heals(&key, generation);
            let count = heals.iter().filter(|at| fight::counts(**at, now)).count();
            (count > 0).then(|| (key, u32::try_from(count).unwrap_or(u32::MAX)))
        };
        keys.into_iter().filter_map(count).collect()
    }

    /// What is fought over.
    pub fn fights(&self) -> impl Iterator<Item = Key> {
        self.fights.iter().map(Fight::key)
    }

    /// Whether something is fought over.
    #[must_use]
    pub fn is_fought(&self, key: &Key) -> bool {
        self.fights.iter().any(|fight| fight.key() == *key)
    }

    /// Begins a fight over what was healed before, unless it is one. Whether it was none.
    pub fn fight(&mut self, key: &Key, generation: u64) -> bool {
        let healed = self.entries.iter().find(|entry| entry.key() == *key);
        let Some(healed) = healed.filter(|_| !self.is_fought(key)) else { return false };
        let Entry { id, path, class, .. } = healed.clone();
        self.fights.push(Fight { generation, id, path, class });
        let excess = self.fights.len().saturating_sub(MOST_FIGHTS);
        self.fights.drain(..excess);
        self.is_dirty = true;
        true
    }

    /// Ends fights, by the generation in which they began and what they are over.
    pub fn end_fights(&mut self, ends: impl Fn(u64, &Key) -> bool) {
        let before = self.fights.len();
        self.fights.retain(|fight| !ends(fight.generation, &fight.key()));
        self.is_dirty |= self.fights.len() != before;
    }
}

fn is_stored(entry: &Entry, through: u64) -> bool {
    entry.number <= through && entry.outcome != Outcome::Begun
}

fn entry(number: u64, generation: u64, draft: &Draft<'_>, at: Timestamp) -> Entry {
    let Draft { item, asked_by } = draft;
    let value = |value: &Option<serde_json::Value>| {
        value.as_ref().map(|value| shown_within(value, MAX_VALUE_BYTES)).unwrap_or_default()
    };
    let (manager, operation) = match &item.actor {
        Some(actor) => (actor.manager.clone(), actor.operation.clone()),
        None => Default::default(),
    };
    Entry {
        number,
        generation,
        id: item.id.clone(),
        uid: item.uid.clone(),
        path: item.path.clone(),
        class: item.class,
        baseline: value(&item.baseline),
        found: value(&item.found),
        manager,
        operation,
        asked_by: (*asked_by).to_owned(),
        at,
        outcome: Outcome::Begun,
        message: String::new(),
        written: true,
    }
}

#[cfg(test)]
mod tests;
