//! Drift: where live objects differ from what our apply left there, and who made them differ.
//!
//! Pure. It compares locally, from watches, so it goes on while the hub is away. What differs is reported; what becomes of
//! it, [`crate::heal`] says.

mod actor;
mod compare;

pub use actor::Actor;
pub use compare::{compare, same};

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    digest::Digest,
    document::{ObjectId, ObjectKey},
    fence::Content,
    health::Verdict,
    inventory::{Entry, Inventory, Role},
    observe::{Live, Sight},
};

/// Most items in one report, so that it stays far below the limit of a message.
const MAX_ITEMS: usize = 500;

/// Longest value that is shown in full.
const MAX_VALUE_BYTES: usize = 2048;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Of which object.
    pub id: ObjectId,
    /// Its uid; empty if it is gone.
    pub uid: String,
    /// Of which field; empty for the whole object.
    pub path: String,
    /// What kind of difference.
    pub class: Class,
    /// What our apply left there.
    pub baseline: Option<Value>,
    /// What stands there now.
    pub found: Option<Value>,
    /// Who wrote it; none where managedFields do not tell.
    pub actor: Option<Actor>,
    /// What becomes of it while it lasts.
    pub state: State,
    /// How often it was healed by policy lately.
    pub heals: u32,
}

/// What becomes of a difference while it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// Nothing of the spoke's puts it right.
    #[default]
    Seen,
    /// The target says that it is put right, and it will be.
    Healing,
    /// It came back after each heal.
    Fighting,
}

/// What kind of difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// A field of ours has another value, or another owner.
    Overwritten,
    /// A field of ours is gone.
    Removed,
    /// The object is gone.
    Deleted,
    /// Another object stands in its place.
    Recreated,
    /// An expectation does not hold.
    Unfulfilled,
}

impl Item {
    /// The digest of the value that stands there now.
    #[must_use]
    pub fn found_digest(&self) -> Option<Digest> {
        self.found.as_ref().map(Digest::of_value)
    }
}

/// A value as it is shown: itself, or what is known of it where it is too long.
#[must_use]
pub fn shown(value: &Value) -> String {
    shown_within(value, MAX_VALUE_BYTES)
}

/// A value as it is shown where there is room for so many bytes.
#[must_use]
pub fn shown_within(value: &Value, longest: usize) -> String {
    let text = value.to_string();
    if text.len() <= longest {
        return text;
    }
    Value::String(format!("{} bytes, sha-256 {}", text.len(), Digest::of_value(value))).to_string()
}

/// Everything that differs now: of what we applied, and of what we expect if `verdict` says that it has been missing for
/// long enough. Objects that the target deletes do not count. Of an object that cannot be seen now, what was `before` still
/// stands: not to see a difference is not to see that it is gone.
#[must_use]
pub fn observe(
    content: &Content,
    inventory: &Inventory,
    live: &Live,
    verdict: &Verdict,
    before: &[Item],
) -> Vec<Item> {
    let still = |id: &ObjectId| before.iter().filter(|item| item.id == *id).cloned().collect();
    let mut items = Vec::new();
    let stays = |entry: &&Entry| {
        let goes = entry
            .origin()
            .is_some_and(|origin| content.target.deletes_instance(&origin.template, &entry.id).is_some());
        !goes && !content.target.deletes(&entry.id)
    };
    let unadded = content.plan.additions.iter().zip(&verdict.unadded).filter(|(_, long)| **long);
    let unadded: BTreeSet<ObjectKey> = unadded.map(|(addition, _)| addition.id.key()).collect();
    for entry in inventory.entries().filter(stays) {
        // An object that others make may be made anew: then our fields come back at once.
        let bearable = entry.role == Role::Addition && !unadded.contains(&entry.id.key());
        items.extend(match live.sight(&entry.id) {
            Sight::Unknown(_) => still(&entry.id),
            Sight::Absent if bearable => Vec::new(),
            Sight::Present { object, .. } if bearable && object["metadata"]["uid"] != entry.uid.as_str() => {
                Vec::new()
            }
            Sight::Absent => compare(entry, None),
            Sight::Present { object, .. } => compare(entry, Some(&object)),
        });
    }
    let expectations = content.plan.expectations.iter().zip(&verdict.unfulfilled);
    for (expectation, _) in expectations.filter(|(_, long)| **long) {
        items.extend(match live.sight(&expectation.id) {
            Sight::Unknown(_) => still(&expectation.id),
            Sight::Absent => compare::unfulfilled(expectation, None),
            Sight::Present { object, .. } => compare::unfulfilled(expectation, Some(&object)),
        });
    }
    items.truncate(MAX_ITEMS);
    items
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::{inventory::Outcome, samples};

    #[test]
    fn a_difference_still_stands_while_its_object_cannot_be_seen() {
        let content = samples::content(1, &["a".to_owned()]);
        let planned = content.plan.objects().next().unwrap();
        let (mut inventory, live, verdict) = (Inventory::default(), Live::default(), Verdict::default());
        inventory.put(Entry {
            id: planned.id.clone(),
            uid: "u".to_owned(),
            role: Role::Created,
            generation: 1,
            outcome: Outcome::Created,
            body: planned.body,
            baseline: Vec::new(),
        });
        let key = planned.id.key();
        live.want(&BTreeSet::from([planned.id.clone()]));
        live.missing(&key);
        let deleted = observe(&content, &inventory, &live, &verdict, &[]);
        assert_eq!(deleted.len(), 1);
        live.lost_sight([&key], "the API server is away");
        assert_eq!(observe(&content, &inventory, &live, &verdict, &deleted), deleted);
        live.saw(&key, json!({"metadata": {"uid": "u", "resourceVersion": "9"}}), std::time::Instant::now());
        assert!(observe(&content, &inventory, &live, &verdict, &deleted).is_empty());
    }
}
