//! The points at which a test kills or stops this hub; how it asks for that, [`proto_fail_point`] says.

pub use proto_fail_point::{Point, passed};

/// The points around one kind of commit.
#[derive(Debug, Clone, Copy)]
pub struct Commit {
    /// Everything is written and nothing of it holds.
    pub before: Point,
    /// All of it holds, and nobody was told.
    pub after: Point,
}

macro_rules! points {
    (commits { $($(#[$of:meta])* $commit:ident = $begin:literal,)* } points { $($(#[$at:meta])* $point:ident = $name:literal,)* }) => {
        $($(#[$of])* pub const $commit: Commit =
            Commit { before: Point::new(concat!($begin, ".before")), after: Point::new(concat!($begin, ".after")) };)*
        $($(#[$at])* pub const $point: Point = Point::new($name);)*
        /// Every point there is.
        pub const ALL: &[Point] = &[$($commit.before, $commit.after,)* $($point,)*];
    };
}

points! {
    commits {
        /// Documents of an operator.
        DOCUMENTS = "documents",
        /// A rollout that begins.
        START = "rollout.start",
        /// Targets of a wave that was opened.
        RETARGET = "rollout.retarget",
        /// A step that gave nobody a target and did not end the rollout.
        PROGRESS = "rollout.progress",
        /// The end of a rollout.
        END = "rollout.end",
        /// What the clusters would be made by the newest configs.
        PLANS = "plans",
        /// A key that a spoke renewed.
        RENEWAL = "renewal",
        /// A spoke that attached.
        SESSION = "session",
        /// A target that a spoke accepted.
        ACCEPTANCE = "acceptance",
        /// How far a spoke is.
        REPORT = "report",
        /// What differs in a cluster.
        DRIFT = "drift",
        /// Who was heard, of all spokes.
        HEARTBEATS = "heartbeats",
    }
    points {
        /// Within the transaction: a cluster has its target, and the rollout does not say so.
        TARGET_SET = "rollout.target-set",
        /// A target is about to be offered.
        HEADER_BEFORE = "header.before",
        /// A target was handed to the stream.
        HEADER_AFTER = "header.after",
    }
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
