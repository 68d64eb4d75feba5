//! Fights: a difference that comes back after each heal is somebody else's will. How often and how fast it is healed.
//!
//! Pure. It counts by the journal's times, so that a spoke that is started again goes on counting.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How often one difference is healed by policy within [`WINDOW`], before it is a fight.
pub const MOST_HEALS: usize = 5;

/// In which time heals are counted. A fight ends once the difference has been gone for as long.
pub const WINDOW: Duration = Duration::from_secs(600);

/// The pause after the first heal; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The pause after a heal that failed; it doubles with each, up to the longest: each attempt costs an entry of the journal.
const FIRST_PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(3600);

/// What is to be done about a difference that was healed at some times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may be healed after this time.
    DueIn(Duration),
    /// It was healed often enough.
    Fighting,
}

/// Judges what was healed at these times, the latest last.
#[must_use]
pub fn judge(heals: &[Timestamp], now: Timestamp) -> Verdict {
    let recent = heals.iter().filter(|at| counts(**at, now));
    let (count, latest) = recent.fold((0, None), |(count, _), at| (count + 1, Some(*at)));
    let Some(latest) = latest else { return Verdict::DueIn(Duration::ZERO) };
    if count >= MOST_HEALS {
        return Verdict::Fighting;
    }
    let pause = FIRST_PAUSE * (1 << (count - 1));
    // Of a clock that was set back, the whole pause is waited for and no more.
    let since = Duration::try_from(now.duration_since(latest)).unwrap_or_default();
    Verdict::DueIn(pause.saturating_sub(since))
}

/// Whether a heal at this time counts. One in the future is of a clock that was set back, and does.
#[must_use]
pub fn counts(at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(at) < SignedDuration::try_from(WINDOW).unwrap_or(SignedDuration::MAX)
}

/// How long to wait after so many failures before this one.
#[must_use]
pub fn after_failures(before: u32) -> Duration {
    let times = 1u32.checked_shl(before).unwrap_or(u32::MAX);
    FIRST_PAUSE_AFTER_FAILURE.saturating_mul(times).min(LONGEST_PAUSE_AFTER_FAILURE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn due_in(seconds: u64) -> Verdict {
        Verdict::DueIn(Duration::from_secs(seconds))
    }

    #[test]
    fn heals_are_paced_and_end_as_a_fight() {
        let cases: [(&[i64], i64, Verdict, &str); 9] = [
            (&[], 0, due_in(0), "never healed"),
            (&[0], 0, due_in(1), "just now"),
            (&[0], 1, due_in(0), "a second ago"),
            (&[0, 2], 2, due_in(2), "twice"),
            (&[0, 2, 6], 6, due_in(4), "three times"),
            (&[0, 2, 6, 12], 14, due_in(6), "four times"),
            (&[0, 2, 6, 12, 22], 23, Verdict::Fighting, "five times"),
            (&[0, 2, 6, 12, 22], 601, due_in(0), "the first two are long ago"),
            (&[50], 0, due_in(1), "the clock was set back"),
        ];
        for (heals, now, expected, case) in cases {
            let heals: Vec<Timestamp> = heals.iter().copied().map(at).collect();
            assert_eq!(judge(&heals, at(now)), expected, "{case}");
        }
    }

    #[test]
    fn failures_are_repeated_ever_more_seldom() {
        let pauses = [0, 1, 2, 6, 7, 40].map(|before| after_failures(before).as_secs());
        assert_eq!(pauses, [30, 60, 120, 1920, 3600, 3600]);
    }

    proptest! {
        /// Whenever the spoke looks, and however long each look takes.
        #[test]
        fn there_is_never_a_sixth_heal_within_the_window(looks in prop::collection::vec(0_i64..90, 1..400)) {
            let (mut heals, mut now) = (Vec::new(), 0);
            for pause in looks {
                now += pause;
                if judge(&heals, at(now)) == due_in(0) {
                    heals.push(at(now));
                }
            }
            for six in heals.windows(MOST_HEALS + 1) {
                prop_assert!(six[MOST_HEALS].duration_since(six[0]).as_secs() >= 600, "{six:?}");
            }
        }
    }
}
