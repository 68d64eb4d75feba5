//! Named points at which a test kills a process, or stops it, to show that it may die anywhere. Only in debug builds: a
//! release passes them without a look.
//!
//! `MESHFLEET_FAIL_POINT=NAME[:N][=stop]` says where: at the N-th pass (the first, if no number is given) the process gets
//! SIGKILL, or SIGSTOP. `MESHFLEET_FAIL_POINT=@FILE` reads the same from a file at every pass, so that a process that runs
//! can be told. The file is removed by the one that goes down by it: of several processes that are told the same, one.
//!
//! Which points there are, each program says in a table of its own.

/// A point, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point(&'static str);

impl Point {
    /// The point of this name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
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
        thread,
        time::{Duration, Instant},
    };

    use rustix::process::{Signal, getpid, kill_process};

    /// How long a stop may take to come about.
    const STOPS_WITHIN: Duration = Duration::from_secs(5);

    /// How often it is looked for.
    const STEP: Duration = Duration::from_millis(1);

    /// What no step takes but one in which the process was stopped.
    const STOPPED_FOR: Duration = Duration::from_millis(500);

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
            until_stopped();
        }
    }

    /// A process is stopped some time after it was told so, and this thread must not be past its point by then. That it was
    /// stopped shows as a step that took far too long.
    fn until_stopped() {
        let (end, mut last) = (Instant::now() + STOPS_WITHIN, Instant::now());
        while last < end {
            thread::sleep(STEP);
            let now = Instant::now();
            if now.duration_since(last) > STOPPED_FOR {
                return;
            }
            last = now;
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
    use rustix::process::Signal;

    use super::*;

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
