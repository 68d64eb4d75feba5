//! When a difference counts: once it has been the same for a while, so that a change that rolls is not fought.
//!
//! Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::Key;
use crate::{digest::Digest, drift::Item};

/// How long a difference must stand as it is before it is healed.
pub const SETTLE: Duration = Duration::from_secs(2);

/// A difference as it was seen first.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    uid: String,
    found: Option<Digest>,
    since: Instant,
}

/// What is remembered of differences. It holds no more than differ now, and those of fights.
#[derive(Debug, Default)]
pub struct Confirming {
    seen: BTreeMap<Key, Seen>,
    /// Since when those that were asked for do not differ.
    resolved: BTreeMap<Key, Instant>,
}

impl Confirming {
    /// Takes note of everything that differs now. Of `kept` it is remembered since when they do not.
    pub fn observe(&mut self, items: &[Item], kept: &BTreeSet<Key>, now: Instant) {
        let mut seen = BTreeMap::new();
        for item in items {
            let (key, found) = (Key::from(item), item.found_digest());
            let before =
                self.seen.remove(&key).filter(|before| before.uid == item.uid && before.found == found);
            let first = || Seen { uid: item.uid.clone(), found, since: now };
            seen.insert(key, before.unwrap_or_else(first));
        }
        self.seen = seen;
        let (seen, resolved) = (&self.seen, &mut self.resolved);
        resolved.retain(|key, _| kept.contains(key) && !seen.contains_key(key));
        for key in kept.iter().filter(|key| !seen.contains_key(*key)) {
            resolved.entry(key.clone()).or_insert(now);
        }
    }

    /// When a difference has been the same for long enough; none if it was not seen. Time before `anew` does not count.
    #[must_use]
    pub fn confirmed_at(&self, item: &Item, anew: Option<Instant>) -> Option<Instant> {
        let seen = self.seen.get(&Key::from(item))?;
        Some(anew.map_or(seen.since, |anew| anew.max(seen.since)) + SETTLE)
    }

    /// How long something has not differed; none if it differs, or is not remembered.
    #[must_use]
    pub fn resolved_for(&self, key: &Key, now: Instant) -> Option<Duration> {
        self.resolved.get(key).map(|since| now.duration_since(*since))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::samples;

    #[test]
    fn what_keeps_changing_is_never_confirmed() {
        let (mut confirming, start) = (Confirming::default(), Instant::now());
        for second in 0..10 {
            let now = start + Duration::from_secs(second);
            let item = samples::overwritten("x", &json!(second));
            confirming.observe(std::slice::from_ref(&item), &BTreeSet::new(), now);
            assert_eq!(confirming.confirmed_at(&item, None), Some(now + SETTLE));
        }
        let item = samples::overwritten("x", &json!(9));
        let later = start + Duration::from_secs(60);
        confirming.observe(std::slice::from_ref(&item), &BTreeSet::new(), later);
        assert_eq!(confirming.confirmed_at(&item, None), Some(start + Duration::from_secs(9) + SETTLE));
        assert_eq!(
            confirming.confirmed_at(&item, Some(later)),
            Some(later + SETTLE),
            "it is observed anew after the hub came back"
        );
    }

    #[test]
    fn what_is_gone_and_comes_back_begins_anew() {
        let (mut confirming, start) = (Confirming::default(), Instant::now());
        let item = samples::overwritten("x", &json!(1));
        let kept = BTreeSet::from([Key::from(&item)]);
        confirming.observe(std::slice::from_ref(&item), &kept, start);
        assert_eq!(confirming.resolved_for(&Key::from(&item), start), None);
        let gone = start + Duration::from_secs(5);
        confirming.observe(&[], &kept, gone);
        assert_eq!(confirming.confirmed_at(&item, None), None);
        confirming.observe(&[], &kept, gone + Duration::from_secs(1));
        let key = Key::from(&item);
        assert_eq!(
            confirming.resolved_for(&key, gone + Duration::from_secs(3)),
            Some(Duration::from_secs(3))
        );
        let back = gone + Duration::from_secs(7);
        confirming.observe(std::slice::from_ref(&item), &kept, back);
        assert_eq!(confirming.resolved_for(&key, back), None);
        assert_eq!(confirming.confirmed_at(&item, None), Some(back + SETTLE));
    }
}
