//! The points at which a test kills or stops this spoke; how it asks for that, [`proto_fail_point`] says.

pub use proto_fail_point::{Point, passed};

macro_rules! points {
    ($($(#[$at:meta])* $point:ident = $name:literal,)*) => {
        $($(#[$at])* pub const $point: Point = Point::new($name);)*
        /// Every point there is.
        pub const ALL: &[Point] = &[$($point,)*];
    };
}

points! {
    /// A target is good to be taken, and nothing of it is stored.
    FENCE_BEFORE = "fence.before",
    /// All of it is stored, and it is not the accepted one.
    FENCE_STORED = "fence.stored",
    /// It is the accepted one, and nobody was told.
    FENCE_SET = "fence.set",
    /// The hub was told that it is accepted.
    FENCE_TOLD = "fence.told",
    /// What older targets left is to be removed.
    CLEAN_BEFORE = "clean.before",
    /// It is removed.
    CLEAN_AFTER = "clean.after",
    /// The accepted target was applied to its end, and the fence does not say so.
    COMPLETED_BEFORE = "completed.before",
    /// The fence says so.
    COMPLETED_AFTER = "completed.after",
    /// What is ours is to be written down.
    INVENTORY_BEFORE = "inventory.before",
    /// It is written down.
    INVENTORY_AFTER = "inventory.after",
    /// A write that carries out a target is about to be sent.
    OBJECT_BEFORE = "object.before",
    /// It was done.
    OBJECT_AFTER = "object.after",
    /// Any write at all is about to be sent.
    WRITE_BEFORE = "write.before",
    /// It was done.
    WRITE_AFTER = "write.after",
    /// What is about to be healed stands in the journal.
    HEAL_JOURNALLED = "heal.journalled",
    /// It was healed, and the journal does not say so.
    HEAL_WRITTEN = "heal.written",
    /// A report is about to be sent.
    REPORT_BEFORE = "report.before",
    /// It was handed to the stream.
    REPORT_AFTER = "report.after",
    /// What differs is about to be told.
    DRIFT_BEFORE = "drift.before",
    /// It was handed to the stream.
    DRIFT_AFTER = "drift.after",
    /// The next key is to be written down.
    RENEWAL_KEY_BEFORE = "renewal.key-before",
    /// It is written down, and the hub was not asked.
    RENEWAL_KEY_AFTER = "renewal.key-after",
    /// The hub certified it, and nobody here knows.
    RENEWAL_CERTIFIED = "renewal.certified",
    /// Its certificate is written down, and not used.
    RENEWAL_STORED = "renewal.stored",
    /// The hub welcomed this spoke.
    SESSION_BEGAN = "session.began",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_told_apart() {
        let names: BTreeSet<_> = ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), ALL.len());
    }
}
