//! Heal: putting differences right, because the accepted target names their class, or because a person asks for one.
//!
//! What is decided here is pure; [`crate::apply`] does it, between its other writes. Recreated objects and unfulfilled
//! expectations are never healed: they are somebody else's.
//!
//! # Design notes
//! *Flow*: what differs is told as ever; what differs in the same way for [`SETTLE`] is confirmed; what is confirmed, and of
//! a class that the target names, is due; it is written into the [journal](Journal), then done, then its outcome is written
//! there. *Guarantees*: nothing is healed that is not in the journal; one difference is healed at most
//! [`fight::MOST_HEALS`] times within [`fight::WINDOW`], whichever process did it, because the journal counts. *Caveats*: a
//! spoke that was killed in between does not know whether it had healed: it looks, and that heal counts.

mod confirm;
pub mod fight;
mod journal;
mod store;

pub use confirm::{Confirming, SETTLE};
pub use journal::{Draft, Entry, Full, Journal, MOST_ENTRIES, Outcome};
pub use store::{Error, Store};

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    agent::Drift,
    digest::Digest,
    document::{ObjectId, ObjectKey},
    drift::{Class, Item, State},
    fence::Content,
    inventory::{Entry as Owned, Inventory, Role},
    secrets::Secrets,
};

/// How long a person's wish may wait in here. The hub waits about as long for the answer: what is done later comes as a
/// surprise.
pub const ASKED_WITHIN: Duration = Duration::from_secs(10);

/// Which difference is meant, whatever its values are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Of which object.
    pub object: ObjectKey,
    /// Of which field; empty for the whole object.
    pub path: String,
    /// What kind of difference.
    pub class: Class,
}

impl From<&Item> for Key {
    fn from(item: &Item) -> Self {
        Self { object: item.id.key(), path: item.path.clone(), class: item.class }
    }
}

/// What the session says of the hub.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heard {
    /// The last entry of the journal that the hub stored with its outcome.
    pub stored_through: u64,
    /// When the last session began. What differs is observed anew from then on: the hub may have another target.
    pub attached_at: Option<Instant>,
}

/// A person's wish, about one difference as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Names it.
    pub id: String,
    /// Under which generation it was seen.
    pub generation: u64,
    /// Of which object.
    pub object: ObjectId,
    /// Its uid; empty if it is gone.
    pub uid: String,
    /// Of which field; empty for the whole object.
    pub path: String,
    /// What kind of difference.
    pub class: Class,
    /// Of the value that was seen; none where nothing is, and for Secrets.
    pub found: Option<Digest>,
    /// Whether only what would be done is asked.
    pub dry_run: bool,
}

/// What came of a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Of which question.
    pub id: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Why not, or what stands in the way; may be empty.
    pub message: String,
    /// The value before, as it is shown; empty where there is none, and for Secrets.
    pub before: String,
    /// The value after.
    pub after: String,
}

impl Answer {
    /// Nothing was written, for this reason.
    #[must_use]
    pub fn not_done(id: &str, outcome: Outcome, why: &str) -> Self {
        let (before, after) = (String::new(), String::new());
        Self { id: id.to_owned(), outcome, message: why.to_owned(), before, after }
    }
}

/// A wish on its way, and where the answer goes.
#[derive(Debug)]
pub struct Ask {
    /// The wish.
    pub question: Question,
    /// After this time it is not done any more.
    pub by: Instant,
    /// Where the answer goes. Nobody waits for it any more once that is closed, and nothing is done.
    pub answer: oneshot::Sender<Answer>,
}

impl Ask {
    /// Answers that nothing was written, for this reason.
    pub fn hold(self, why: &str) {
        let answer = Answer::not_done(&self.question.id, Outcome::Held, why);
        // The session may be gone.
        let _ = self.answer.send(answer);
    }

    /// Whether somebody still waits for it.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        !self.answer.is_closed() && Instant::now() < self.by
    }
}

/// What is told of healing, for whoever reports what differs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// What came back after each heal.
    pub fights: BTreeSet<Key>,
    /// How often each was healed lately.
    pub heals: BTreeMap<Key, u32>,
    /// Whether the journal takes no more entries: nothing is healed by policy before the hub has stored some.
    pub full: bool,
    /// Entries that the hub has not stored yet, in their order.
    pub entries: Vec<Entry>,
}

impl Told {
    /// Says of a difference what becomes of it while it lasts, and how often it was healed.
    pub fn describe(&self, content: &Content, inventory: &Inventory, item: &mut Item) {
        let key = Key::from(&*item);
        item.heals = self.heals.get(&key).copied().unwrap_or(0);
        item.state = match self.fights.contains(&key) {
            true => State::Fighting,
            false if !self.full && is_wanted(content, inventory, item) => State::Healing,
            false => State::Seen,
        };
    }
}

/// Whether the target says that such a difference is healed, and it can be.
#[must_use]
pub fn is_wanted(content: &Content, inventory: &Inventory, item: &Item) -> bool {
    let named = content.target.heal.iter().any(|class| Class::from(*class) == item.class);
    named && inventory.get(&item.id).is_some_and(|entry| cannot_heal(content, entry, item.class).is_none())
}

/// Why a difference of an object in the inventory cannot be healed; none if it can.
#[must_use]
pub fn cannot_heal(content: &Content, entry: &Owned, class: Class) -> Option<&'static str> {
    const NOT_IN_PLAN: &str =
        "the accepted target does not say what it should be: roll out a version that does";
    match (class, &entry.role) {
        (Class::Recreated, _) => {
            Some("somebody else made it anew: say adopt in the mesh config, or delete it and heal then")
        }
        (Class::Unfulfilled, _) => Some("it is somebody else's: only that one can bring it about"),
        (Class::Deleted, Role::Addition) => {
            Some("only fields of it were ours, and they come back with it: have its owner make it")
        }
        _ => accepted_body(content, entry).is_none().then_some(NOT_IN_PLAN),
    }
}

/// The digest of the body that the accepted target has of an object, if our last apply was of that one.
fn accepted_body(content: &Content, entry: &Owned) -> Option<Digest> {
    let (plan, key) = (&content.plan, entry.id.key());
    let body = match &entry.role {
        Role::Addition => plan.additions.iter().find(|addition| addition.id.key() == key)?.body,
        Role::Instance(_) => plan.template_of(entry)?.body,
        Role::Created | Role::Adopted => plan.objects().find(|planned| planned.id.key() == key)?.body,
    };
    (body == entry.body).then_some(body)
}

/// What heals, and remembers it.
pub struct Healer {
    /// What was done, and what is about to be.
    pub journal: Journal,
    store: Store,
    confirming: Confirming,
    /// What could not be healed: how often in a row, and when it is tried again.
    failed: BTreeMap<Key, (u32, Instant)>,
}

/// What a healer works with besides.
pub struct Healing {
    /// What heals.
    pub healer: Healer,
    /// What differs.
    pub drift: watch::Receiver<Option<Arc<Drift>>>,
    /// What the session says of the hub.
    pub heard: watch::Receiver<Heard>,
    /// Wishes of people.
    pub asks: mpsc::Receiver<Ask>,
    /// Those that were taken, and not answered yet.
    pub waiting: Vec<Ask>,
}

impl Healing {
    /// Waits until something differs otherwise, the hub stored something, or a person asks.
    pub async fn woken(&mut self) {
        tokio::select! {
            Ok(()) = self.drift.changed() => {}
            Ok(()) = self.heard.changed() => {}
            Some(ask) = self.asks.recv() => self.waiting.push(ask),
            else => std::future::pending().await,
        }
    }

    /// Every wish that came, each once.
    pub fn asked(&mut self) -> Vec<Ask> {
        while let Ok(ask) = self.asks.try_recv() {
            self.waiting.push(ask);
        }
        std::mem::take(&mut self.waiting)
    }

    /// What differs of the target of this generation, as it was told last.
    #[must_use]
    pub fn observed(&mut self, generation: u64) -> Option<Arc<Drift>> {
        self.drift.borrow_and_update().clone().filter(|drift| drift.generation == generation)
    }
}

/// What is to be done about what differs.
#[derive(Debug, Default)]
pub struct Due {
    /// What is healed now, by object.
    pub now: BTreeMap<ObjectKey, Vec<Item>>,
    /// When something else is due.
    pub next: Option<Instant>,
}

impl Healer {
    /// Reads what was done before.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn load(secrets: Secrets) -> Result<Self, Error> {
        let mut store = Store::new(secrets);
        let journal = store.load(Timestamp::now()).await?;
        Ok(Self { journal, store, confirming: Confirming::default(), failed: BTreeMap::new() })
    }

    /// One that did nothing yet.
    #[cfg(test)]
    pub fn sample(secrets: Secrets) -> Self {
        let (journal, store) = (Journal::new(Timestamp::UNIX_EPOCH), Store::new(secrets));
        Self { journal, store, confirming: Confirming::default(), failed: BTreeMap::new() }
    }

    /// Writes the journal down.
    ///
    /// # Errors
    /// If it could not be written; then nothing may be healed that it does not hold.
    pub async fn save(&mut self) -> Result<(), Error> {
        self.store.save(&mut self.journal).await
    }

    /// Takes note of what differs now, and begins and ends fights.
    pub fn observe(&mut self, generation: u64, items: &[Item], (now, wall): (Instant, Timestamp)) {
        let fights: BTreeSet<Key> = self.journal.fights().collect();
        self.confirming.observe(items, &fights, now);
        let differs: BTreeSet<Key> = items.iter().map(Key::from).collect();
        self.failed.retain(|key, _| differs.contains(key));
        let over = |key: &Key| self.confirming.resolved_for(key, now) >= Some(fight::WINDOW);
        self.journal.end_fights(|fight, key| fight != generation || over(key));
        for key in differs {
            let heals = self.journal.heals(&key, generation);
            if fight::judge(&heals, wall) == fight::Verdict::Fighting && self.journal.fight(&key, generation)
            {
                tracing::warn!(
                    object = ?key.object, path = %key.path,
                    "it differs again after each heal: it is healed no more before a person asks or the target changes"
                );
            }
        }
    }

    /// What of `items` is due.
    #[must_use]
    pub fn due(
        &self,
        generation: u64,
        items: &[Item],
        attached_at: Option<Instant>,
        (now, wall): (Instant, Timestamp),
    ) -> Due {
        let mut due = Due::default();
        for item in items.iter().filter(|item| item.state == State::Healing) {
            let key = Key::from(item);
            let fight::Verdict::DueIn(pause) = fight::judge(&self.journal.heals(&key, generation), wall)
            else {
                continue;
            };
            if self.journal.is_fought(&key) {
                continue;
            }
            let confirmed = self.confirming.confirmed_at(item, attached_at);
            let tried = self.failed.get(&key).map_or(now, |(_, again_at)| *again_at);
            let Some(confirmed) = confirmed else { continue };
            let at = confirmed.max(now + pause).max(tried);
            if at <= now {
                due.now.entry(key.object).or_default().push(item.clone());
            } else {
                due.next = Some(due.next.map_or(at, |next| next.min(at)));
            }
        }
        due
    }

    /// Takes note that something could not be healed: it is tried ever more seldom.
    pub fn could_not(&mut self, key: Key, now: Instant) {
        let (times, again_at) = self.failed.entry(key).or_insert((0, now));
        *again_at = now + fight::after_failures(*times);
        *times = times.saturating_add(1);
    }

    /// What is to be told of it.
    #[must_use]
    pub fn told(&self, generation: u64, wall: Timestamp) -> Told {
        Told {
            fights: self.journal.fights().collect(),
            heals: self.journal.counts(generation, wall),
            full: self.journal.is_full(),
            entries: self.journal.unstored().cloned().collect(),
        }
    }
}
