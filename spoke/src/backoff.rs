//! Growing pauses between attempts, with jitter, so that a fleet that lost its hub does not come back in one wave.

use std::time::Duration;

/// Pauses that double from the first to the longest.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Pauses from `first` to `longest`.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// The next pause: at least half of it is certain, the rest is chance.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (self.next * 2).min(self.longest);
        let mut random = [0; 2];
        // Without randomness all pauses are whole, which is only less polite.
        let chance =
            getrandom::fill(&mut random).map_or(1.0, |()| f64::from(u16::from_le_bytes(random)) / 65535.0);
        pause.mul_f64(0.5 + chance / 2.0)
    }

    /// Begins anew: something worked.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_not_beyond() {
        let longest = Duration::from_secs(5);
        let mut backoff = Backoff::new(Duration::from_millis(250), longest);
        assert!(backoff.pause() <= Duration::from_millis(250));
        for _ in 0..20 {
            assert!(backoff.pause() <= longest);
        }
        assert!(backoff.pause() >= longest / 2);
        backoff.reset();
        assert!(backoff.pause() <= Duration::from_millis(250));
    }
}
