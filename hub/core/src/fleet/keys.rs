//! The keys that a cluster goes by: which certificate is let in, and which may be renewed.
//!
//! A spoke changes its key with each renewal, and only the last one counts. The serial number of a certificate says of
//! which enrolment it is, and the how-manieth of it. So a hub whose database was restored from an older dump can tell a
//! certificate that is *later* than what it knows, which it takes up, from a *former* one, which it never does.

use jiff::{SignedDuration, Timestamp};

use crate::digest::Digest;

/// How long after its end a certificate can still be renewed: a hub that was away for a holiday has not locked its fleet
/// out, and a key that was left lying about is worth nothing after it.
pub const RENEWABLE_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Which certificate of which enrolment: what its serial number says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Drawn at random at the enrolment; never 0, and below 2^63.
    pub enrolment: u64,
    /// From 1, one more with each renewal. 0 is the row of a cluster whose certificate was issued before they were
    /// numbered: no certificate says that.
    pub number: u64,
}

impl Life {
    /// The first certificate of an enrolment that these random bytes stand for.
    #[must_use]
    pub fn first(random: [u8; 8]) -> Self {
        Self { enrolment: (u64::from_be_bytes(random) >> 1).max(1), number: 1 }
    }

    /// The certificate after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self { number: self.number.saturating_add(1), ..self }
    }

    /// The serial number of the certificate.
    #[must_use]
    pub fn serial(self) -> [u8; 16] {
        let both = u128::from(self.enrolment) << 64 | u128::from(self.number);
        both.to_be_bytes()
    }

    /// What a serial number says, with or without leading zeros. None for one that this hub never gives; a serial number
    /// from before they said anything is read as some life that no row has.
    #[must_use]
    pub fn of_serial(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.strip_prefix(&[0]).filter(|rest| rest.len() == 16).unwrap_or(bytes);
        let mut whole = [0; 16];
        whole.get_mut(16usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
        let both = u128::from_be_bytes(whole);
        let (enrolment, number) = (both >> 64, both & u128::from(u64::MAX));
        let life = Self { enrolment: enrolment.try_into().ok()?, number: number.try_into().ok()? };
        (life.enrolment > 0 && life.enrolment >> 63 == 0 && life.number > 0).then_some(life)
    }
}

/// What a cluster goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Current {
    /// sha-256 of the key that was certified last.
    pub key: Digest,
    /// Which certificate that was.
    pub life: Life,
}

/// Whether a cluster goes by anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// No such cluster, or no spoke of it ever enrolled.
    None,
    /// It was detached.
    Detached,
    /// It is of the fleet.
    Active(Current),
}

/// A certificate of our authority for this cluster that somebody shows, and whose key he has proved to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// sha-256 of its key.
    pub key: Digest,
    /// What its serial number says; none if it is no number of ours.
    pub life: Option<Life>,
}

/// Whether a certificate is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is the last one.
    Current,
    /// It is later than what this database knows: take it up, and let it in.
    Later(Current),
    /// It is not.
    Refused(Refusal),
}

/// Why a certificate is neither let in nor renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such cluster.
    #[error("this cluster is not of the fleet")]
    Unknown,
    /// Its membership was ended.
    #[error("this cluster was detached from the fleet")]
    Detached,
    /// Another key was certified since.
    #[error("the key is a former one: the cluster was certified for another since")]
    FormerKey,
    /// It ended too long ago.
    #[error("the certificate expired at {expired_at}, and is renewed for {} days after that at most", RENEWABLE_FOR.as_hours() / 24)]
    TooLate {
        /// When it ended.
        expired_at: Timestamp,
    },
    /// The new key is the old one.
    #[error("the request is for the key of the certificate that it renews: a renewal is for a new key")]
    SameKey,
}

/// What becomes of a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// Certify the new key as this, and store that the cluster goes by it in place of what it went by.
    Issue(Current),
    /// It was certified before, and its spoke did not hear of it: certify it as the same again, and store nothing.
    SameAgain(Life),
    /// Nothing.
    Refused(Refusal),
}

/// Whether a certificate that is good is let in.
#[must_use]
pub fn admit(membership: Membership, shown: Shown) -> Admission {
    let current = match membership {
        Membership::None => return Admission::Refused(Refusal::Unknown),
        Membership::Detached => return Admission::Refused(Refusal::Detached),
        Membership::Active(current) => current,
    };
    if shown.key == current.key {
        return Admission::Current;
    }
    match later(current, shown) {
        Some(life) => Admission::Later(Current { key: shown.key, life }),
        None => Admission::Refused(Refusal::FormerKey),
    }
}

/// What becomes of a request to certify `next` by a certificate that ends at `expires_at`. Whoever asks holds both keys.
#[must_use]
pub fn renew(
    membership: Membership,
    (shown, expires_at): (Shown, Timestamp),
    next: Digest,
    now: Timestamp,
) -> Renewal {
    let current = match membership {
        Membership::None => return Renewal::Refused(Refusal::Unknown),
        Membership::Detached => return Renewal::Refused(Refusal::Detached),
        Membership::Active(current) => current,
    };
    if now.duration_since(expires_at) > RENEWABLE_FOR {
        return Renewal::Refused(Refusal::TooLate { expired_at: expires_at });
    }
    if shown.key == next {
        return Renewal::Refused(Refusal::SameKey);
    }
    if shown.key == current.key {
        return Renewal::Issue(Current { key: next, life: current.life.next() });
    }
    match later(current, shown) {
        Some(life) => Renewal::Issue(Current { key: next, life: life.next() }),
        // Whoever holds the last key is the spoke; it only lost its certificate.
        None if next == current.key => Renewal::SameAgain(current.life),
        None => Renewal::Refused(Refusal::FormerKey),
    }
}

/// The life of a certificate that came after the last one that is known, in the same enrolment.
fn later(current: Current, shown: Shown) -> Option<Life> {
    shown.life.filter(|life| life.enrolment == current.life.enrolment && life.number > current.life.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn key(name: &str) -> Digest {
        Digest::of(name.as_bytes())
    }

    fn life(enrolment: u64, number: u64) -> Life {
        Life { enrolment, number }
    }

    fn active(name: &str, life: Life) -> Membership {
        Membership::Active(Current { key: key(name), life })
    }

    fn shown(name: &str, life: Life) -> Shown {
        Shown { key: key(name), life: Some(life) }
    }

    #[test]
    fn only_the_last_key_and_a_later_one_of_the_same_enrolment_are_let_in() {
        let row = active("third", life(7, 3));
        let former = Admission::Refused(Refusal::FormerKey);
        for (certificate, expected) in [
            (shown("third", life(7, 3)), Admission::Current),
            // As the key counts, whatever the serial number says.
            (Shown { key: key("third"), life: None }, Admission::Current),
            (shown("second", life(7, 2)), former),
            (shown("other", life(7, 3)), former),
            (shown("fifth", life(7, 5)), Admission::Later(Current { key: key("fifth"), life: life(7, 5) })),
            (shown("fifth", life(8, 5)), former),
            (Shown { key: key("fifth"), life: None }, former),
        ] {
            assert_eq!(admit(row, certificate), expected, "{certificate:?}");
        }
        let third = shown("third", life(7, 3));
        assert_eq!(admit(Membership::Detached, third), Admission::Refused(Refusal::Detached));
        assert_eq!(admit(Membership::None, third), Admission::Refused(Refusal::Unknown));
    }

    fn renewed(row: Membership, certificate: Shown, next: &str) -> Renewal {
        renew(row, (certificate, NOW), key(next), NOW)
    }

    #[test]
    fn the_last_key_names_its_successor_once() {
        let before = active("a", life(7, 1));
        let issued = Renewal::Issue(Current { key: key("b"), life: life(7, 2) });
        assert_eq!(renewed(before, shown("a", life(7, 1)), "b"), issued);
        let after = active("b", life(7, 2));
        assert_eq!(renewed(after, shown("a", life(7, 1)), "b"), Renewal::SameAgain(life(7, 2)));
        let refused = Renewal::Refused(Refusal::FormerKey);
        assert_eq!(renewed(after, shown("a", life(7, 1)), "c"), refused);
        let much_later = active("c", life(7, 3));
        assert_eq!(renewed(much_later, shown("a", life(7, 1)), "b"), refused);
        assert_eq!(renewed(before, shown("a", life(7, 1)), "a"), Renewal::Refused(Refusal::SameKey));
    }

    #[test]
    fn a_restored_database_renews_what_it_does_not_know_yet() {
        let restored = active("a", life(7, 1));
        let issued = Renewal::Issue(Current { key: key("f"), life: life(7, 6) });
        assert_eq!(renewed(restored, shown("e", life(7, 5)), "f"), issued);
        let replaced = active("z", life(8, 1));
        assert_eq!(renewed(replaced, shown("e", life(7, 5)), "f"), Renewal::Refused(Refusal::FormerKey));
    }

    #[test]
    fn a_certificate_from_before_they_were_numbered_counts_by_its_key() {
        let row = active("a", life(7, 0));
        let foreign = Shown { key: key("a"), life: Life::of_serial(&[0x5a; 16]) };
        assert_eq!(admit(row, foreign), Admission::Current);
        let issued = Renewal::Issue(Current { key: key("b"), life: life(7, 1) });
        assert_eq!(renewed(row, foreign, "b"), issued);
    }

    #[test]
    fn a_certificate_is_renewed_until_thirty_days_after_its_end() {
        let row = active("a", life(7, 1));
        let ask = |since: SignedDuration| renew(row, (shown("a", life(7, 1)), NOW), key("b"), NOW + since);
        assert!(matches!(ask(RENEWABLE_FOR), Renewal::Issue(_)));
        let late = ask(RENEWABLE_FOR + SignedDuration::from_secs(1));
        assert_eq!(late, Renewal::Refused(Refusal::TooLate { expired_at: NOW }));
        let words = Refusal::TooLate { expired_at: NOW }.to_string();
        assert!(words.ends_with("for 30 days after that at most"), "{words}");
    }

    #[test]
    fn a_detached_cluster_renews_nothing() {
        let certificate = shown("a", life(7, 1));
        for (row, expected) in
            [(Membership::Detached, Refusal::Detached), (Membership::None, Refusal::Unknown)]
        {
            assert_eq!(renewed(row, certificate, "b"), Renewal::Refused(expected));
        }
    }

    #[test]
    fn a_serial_number_says_which_life() {
        for known in [life(1, 1), life(u64::MAX >> 1, u64::MAX), life(0x80, 0x100)] {
            let serial = known.serial();
            assert_eq!(Life::of_serial(&serial), Some(known));
            // DER has no leading zeros, but for one that says that the number is not negative.
            let short = &serial[serial.iter().take_while(|byte| **byte == 0).count()..];
            assert_eq!(Life::of_serial(short), Some(known));
            assert_eq!(Life::of_serial(&[&[0], &serial[..]].concat()), Some(known));
        }
        for foreign in [&[0; 16][..], &[0xff; 16], &[1; 17], &[], &[1, 2, 3]] {
            assert_eq!(Life::of_serial(foreign), None, "{foreign:?}");
        }
    }

    #[test]
    fn an_enrolment_is_never_zero_and_never_negative() {
        assert_eq!(Life::first([0; 8]), life(1, 1));
        assert_eq!(Life::first([0xff; 8]), life(u64::MAX >> 1, 1));
    }
}
