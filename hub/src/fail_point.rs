//! Named points at which a test kills this process, or stops it, to show that it may die anywhere. Only in debug builds: a
//! release passes them without a look.
//!
//! `MESHFLEET_FAIL_POINT=NAME[:N][=stop]` says where: at the N-th pass (the first, if no number is given) the process gets
//! SIGKILL, or SIGSTOP. `MESHFLEET_FAIL_POINT=@FILE` reads the same from a file at every pass, so that a process that runs
//! can be told. The file is removed by the one that goes down by it: of several processes that are told the same, one.

/// A point, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point(&'static str);

impl Point {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

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
            Commit { before: Point(concat!($begin, ".before")), after: Point(concat!($begin, ".after")) };)*
        $($(#[$at])* pub const $point: Point = Point($name);)*
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

/// Says that a point is passed.
pub fn passed(point: Point) {
    #[cfg(debug_assertions)]
    armed::passed(point.0);
    #[cfg(not(debug_assertions))]
    let _ = point;
}

#[cfg(debug_assertions)]
mod armed {
    use std::{
        env, fs,
        sync::{LazyLock, Mutex, PoisonError},
    };

    use rustix::process::{Signal, getpid, kill_process};

    const VARIABLE: &str = "MESHFLEET_FAIL_POINT";

    static ASKED: LazyLock<Option<String>> = LazyLock::new(|| env::var(VARIABLE).ok());

    /// What was asked for, and how often its point was passed since.
    static PASSES: Mutex<(String, u64)> = Mutex::new((String::new(), 0));

    pub(super) fn passed(point: &str) {
        let Some(asked) = ASKED.as_deref() else { return };
        let file = asked.strip_prefix('@');
        let text = match file.map(fs::read_to_string) {
            None => asked.to_owned(),
            Some(Ok(text)) => text.trim().to_owned(),
            Some(Err(_)) => return,
        };
        let Some((number, signal)) = parse(&text, point) else { return };
        let mine = || file.is_none_or(|file| fs::remove_file(file).is_ok());
        if count(text) == number && mine() {
            // As if the machine had failed: no destructor, no goodbye.
            let _ = kill_process(getpid(), signal);
        }
    }

    fn count(text: String) -> u64 {
        let mut passes = PASSES.lock().unwrap_or_else(PoisonError::into_inner);
        if passes.0 != text {
            *passes = (text, 0);
        }
        passes.1 += 1;
        passes.1
    }

    /// At which pass of `point` what shall happen, if that point is meant.
    pub(super) fn parse(text: &str, point: &str) -> Option<(u64, Signal)> {
        let (text, signal) = match text.strip_suffix("=stop") {
            Some(text) => (text, Signal::STOP),
            None => (text, Signal::KILL),
        };
        let (name, number) = text.split_once(':').unwrap_or((text, "1"));
        (name == point).then_some((number.parse().ok()?, signal))
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use std::collections::BTreeSet;

    use rustix::process::Signal;

    use super::*;

    #[test]
    fn names_are_told_apart() {
        let names: BTreeSet<_> = ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn what_is_asked_for_is_a_point_a_pass_and_a_signal() {
        for (text, point, expected) in [
            ("report.before", "report.before", Some((1, Signal::KILL))),
            ("report.before:3", "report.before", Some((3, Signal::KILL))),
            ("report.before:2=stop", "report.before", Some((2, Signal::STOP))),
            ("report.before=stop", "report.before", Some((1, Signal::STOP))),
            ("report.before", "report.after", None),
            ("report.before:x", "report.before", None),
        ] {
            assert_eq!(armed::parse(text, point), expected, "{text}");
        }
    }
}
