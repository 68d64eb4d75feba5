//! Heal: putting a difference right. A spoke does it by itself where its target says so, or because a person asks; what it
//! does is first written into a journal in its cluster, of which the hub is told.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::DriftClass;
use crate::{digest::Digest, plan::ObjectId};

/// Entries of a journal in one report: as many as a journal has.
pub const MOST_ENTRIES: usize = 200;

/// The classes of drift that can be healed, in the order in which a target names them. What stands in another's place is
/// somebody else's, and what an expectation asks for is never ours to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HealClass {
    /// An object of ours is gone: it is made again.
    Deleted,
    /// A field of ours has another value.
    Overwritten,
    /// A field of ours is gone.
    Removed,
}

impl HealClass {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Deleted, Self::Overwritten, Self::Removed];

    /// The word for it, as documents and targets spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "Deleted",
            Self::Overwritten => "Overwritten",
            Self::Removed => "Removed",
        }
    }

    /// The class of drift.
    #[must_use]
    pub fn drift(self) -> DriftClass {
        match self {
            Self::Deleted => DriftClass::Deleted,
            Self::Overwritten => DriftClass::Overwritten,
            Self::Removed => DriftClass::Removed,
        }
    }
}

/// Some of the classes that can be healed; written as their words, sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<HealClass>", into = "Vec<HealClass>")]
pub struct HealClasses([bool; HealClass::ALL.len()]);

impl HealClasses {
    /// No class: differences are reported, and nothing is healed by itself.
    pub const NONE: Self = Self([false; HealClass::ALL.len()]);

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// Whether a class is among them.
    #[must_use]
    pub fn contains(self, class: HealClass) -> bool {
        self.0[class as usize]
    }

    /// The classes, in their order.
    pub fn iter(self) -> impl Iterator<Item = HealClass> {
        HealClass::ALL.into_iter().filter(move |class| self.contains(*class))
    }
}

impl FromIterator<HealClass> for HealClasses {
    fn from_iter<I: IntoIterator<Item = HealClass>>(classes: I) -> Self {
        let mut all = Self::NONE;
        classes.into_iter().for_each(|class| all.0[class as usize] = true);
        all
    }
}

impl From<Vec<HealClass>> for HealClasses {
    fn from(classes: Vec<HealClass>) -> Self {
        classes.into_iter().collect()
    }
}

impl From<HealClasses> for Vec<HealClass> {
    fn from(classes: HealClasses) -> Self {
        classes.iter().collect()
    }
}

impl fmt::Display for HealClasses {
    /// For example `Deleted and Removed`; `nothing` if there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.iter().map(HealClass::as_str).collect();
        match words.split_last() {
            None => f.write_str("nothing"),
            Some((last, [])) => f.write_str(last),
            Some((last, before)) => write!(f, "{} and {last}", before.join(", ")),
        }
    }
}

impl DriftClass {
    /// How it is healed; none if it cannot be.
    #[must_use]
    pub fn heal(self) -> Option<HealClass> {
        match self {
            Self::Deleted => Some(HealClass::Deleted),
            Self::Overwritten => Some(HealClass::Overwritten),
            Self::Removed => Some(HealClass::Removed),
            Self::Recreated | Self::Unfulfilled => None,
        }
    }
}

/// What came of a heal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HealResult {
    /// It is written down, and about to be done.
    Begun,
    /// It was done.
    Healed,
    /// It was right again, or said something else, before anything was written.
    Moved,
    /// The API server refused it, or it could not be sent.
    Failed,
    /// It would be done.
    WouldHeal,
    /// The spoke may not now.
    Held,
}

/// One heal, as a spoke's journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealEntry {
    /// Its number in the journal: rises for ever, until the journal is lost.
    pub number: u64,
    /// Of which object.
    pub id: ObjectId,
    /// Its uid; empty if it was gone.
    pub uid: String,
    /// Of which field; empty for the whole object.
    pub path: String,
    /// What kind of difference.
    pub class: HealClass,
    /// JSON of the value that it is given back; never a Secret's.
    pub baseline: Option<String>,
    /// JSON of the value that was there; never a Secret's.
    pub found: Option<String>,
    /// Who had written that; empty where managedFields did not tell.
    pub manager: String,
    /// `Apply` or `Update`; empty where that is not known.
    pub operation: String,
    /// The wish of a person; none if the target's policy asked for it.
    pub asked_by: Option<Uuid>,
    /// When it was written down, by the spoke's clock.
    pub at: Timestamp,
    /// What came of it.
    pub result: HealResult,
    /// Why it was not done; may be empty.
    pub message: String,
}

/// A person's wish about one difference, as he saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealRequest {
    /// Names it.
    pub id: Uuid,
    /// What is wished.
    pub question: HealQuestion,
    /// Whether only what would be done is asked.
    pub dry_run: bool,
}

/// Which difference. Where the spoke finds another value than the one that was seen, it writes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealQuestion {
    /// Under which generation it was seen.
    pub generation: u64,
    /// Of which object.
    pub object: ObjectId,
    /// Its uid; empty if it is gone.
    pub uid: String,
    /// Of which field; empty for the whole object.
    pub path: String,
    /// What kind of difference.
    pub class: HealClass,
    /// sha-256 of the canonical JSON of the value that was seen; none where nothing is.
    pub found: Option<Digest>,
}

/// What a spoke did about a wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealAnswer {
    /// What came of it.
    pub result: HealResult,
    /// Why not, or what stands in the way; may be empty.
    pub message: String,
    /// JSON of the value before; never a Secret's.
    pub before: Option<String>,
    /// JSON of the value after; never a Secret's.
    pub after: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_ours_to_write_can_be_healed() {
        for class in HealClass::ALL {
            assert_eq!(class.drift().heal(), Some(class));
            assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
        }
        assert_eq!(DriftClass::Recreated.heal(), None);
        assert_eq!(DriftClass::Unfulfilled.heal(), None);
    }

    #[test]
    fn targets_name_the_classes_in_the_order_of_their_words() {
        assert!(HealClass::ALL.map(HealClass::as_str).is_sorted());
        assert!(HealClass::ALL.is_sorted());
        let classes: HealClasses =
            serde_json::from_str(r#"["Removed","Deleted","Removed"]"#).expect("words of classes");
        assert_eq!(serde_json::to_string(&classes).unwrap(), r#"["Deleted","Removed"]"#);
        assert_eq!(classes.to_string(), "Deleted and Removed");
        assert_eq!(
            HealClass::ALL.into_iter().collect::<HealClasses>().to_string(),
            "Deleted, Overwritten and Removed"
        );
        assert_eq!(HealClasses::default().to_string(), "nothing");
    }
}
