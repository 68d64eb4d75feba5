use jiff::ToSpan as _;
use serde_json::json;

use super::*;
use crate::samples;

fn start() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn heal(journal: &mut Journal, name: &str, asked_by: &str, now: Timestamp) -> Result<u64, Full> {
    let item = samples::overwritten(name, &json!("2"));
    let numbers = journal.begin(1, &[Draft { item: &item, asked_by }], now)?;
    journal.end(&numbers, (Outcome::Healed, true), "");
    Ok(numbers[0])
}

fn key(name: &str) -> Key {
    Key::from(&samples::overwritten(name, &json!("2")))
}

#[test]
fn a_full_journal_takes_no_more_until_the_hub_stored_some() {
    let mut journal = Journal::new(start());
    let numbers: Vec<u64> =
        (0..MOST_ENTRIES).map(|_| heal(&mut journal, "x", "", start()).unwrap()).collect();
    assert!(numbers.is_sorted());
    assert!(journal.is_full());
    assert_eq!(heal(&mut journal, "x", "", start()), Err(Full));
    assert_eq!(journal.unstored().count(), MOST_ENTRIES, "an entry that nobody has is never dropped");

    journal.stored(numbers[1]);
    assert!(!journal.is_full());
    heal(&mut journal, "y", "", start()).unwrap();
    heal(&mut journal, "y", "", start()).unwrap();
    assert_eq!(heal(&mut journal, "y", "", start()), Err(Full));
    let oldest = journal.unstored().next().unwrap().number;
    assert_eq!(oldest, numbers[2], "the oldest that the hub has went first");
}

#[test]
fn what_is_not_ended_is_not_stored() {
    let mut journal = Journal::new(start());
    let item = samples::overwritten("x", &json!("2"));
    let numbers = journal.begin(1, &[Draft { item: &item, asked_by: "" }], start()).unwrap();
    journal.stored(numbers[0]);
    assert_eq!(journal.unstored().count(), 1, "its outcome would never be told");
    journal.end(&numbers, (Outcome::Healed, true), "");
    assert_eq!(journal.unstored().count(), 0);
}

#[test]
fn the_numbers_rise_although_the_journal_was_lost() {
    let mut lost = Journal::new(start());
    let last = (0..50).map(|_| heal(&mut lost, "x", "", start()).unwrap()).max().unwrap();
    let mut anew = Journal::new(start() + 1.second());
    let first = heal(&mut anew, "x", "", start()).unwrap();
    assert!(first > last);
    anew.stored(u64::MAX);
    heal(&mut anew, "x", "", start()).unwrap();
    assert_eq!(anew.unstored().count(), 1, "a hub cannot have what is not written yet");
}

#[test]
fn heals_are_counted_from_the_last_one_by_hand() {
    let mut journal = Journal::new(start());
    for second in 0..3 {
        heal(&mut journal, "x", "", start() + second.seconds()).unwrap();
    }
    heal(&mut journal, "y", "", start()).unwrap();
    assert_eq!(journal.heals(&key("x"), 1).len(), 3);
    assert!(journal.heals(&key("x"), 2).is_empty(), "another target is another wish");
    assert_eq!(journal.counts(1, start() + 5.seconds()), BTreeMap::from([(key("x"), 3), (key("y"), 1)]));
    assert!(journal.counts(1, start() + 20.minutes()).is_empty());

    heal(&mut journal, "x", "question", start() + 4.seconds()).unwrap();
    assert!(journal.heals(&key("x"), 1).is_empty());
    heal(&mut journal, "x", "", start() + 5.seconds()).unwrap();
    assert_eq!(journal.heals(&key("x"), 1), [start() + 5.seconds()]);

    let item = samples::overwritten("x", &json!("2"));
    let refused = journal.begin(1, &[Draft { item: &item, asked_by: "" }], start()).unwrap();
    assert_eq!(journal.heals(&key("x"), 1).len(), 2, "it may have been done");
    journal.end(&refused, (Outcome::Failed, false), "no");
    assert_eq!(journal.heals(&key("x"), 1).len(), 1, "nothing was written");
    journal.end(&refused, (Outcome::Failed, true), "no answer");
    assert_eq!(journal.heals(&key("x"), 1).len(), 2, "no answer is not a no");
}

#[test]
fn a_fight_outlives_the_process() {
    let mut journal = Journal::new(start());
    heal(&mut journal, "x", "", start()).unwrap();
    assert!(journal.fight(&key("x"), 1));
    assert!(!journal.fight(&key("x"), 1), "it is one already");
    let mut read = Journal::read(&journal.bytes()).unwrap();
    assert!(read.is_fought(&key("x")) && !read.is_fought(&key("y")));
    read.end_fights(|generation, _| generation != 2);
    assert!(!read.is_fought(&key("x")));
    assert_eq!(Journal::read(br#"{"format": 2}"#), None);
}

#[test]
fn the_largest_journal_fits_into_a_secret() {
    const LIMIT: usize = 1024 * 1024;
    let mut journal = Journal::new(start());
    let long = "\"".repeat(5000);
    for _ in 0..MOST_ENTRIES {
        let mut item = samples::overwritten(&"n".repeat(253), &json!(long));
        item.path = "p".repeat(600);
        let numbers = journal.begin(1, &[Draft { item: &item, asked_by: "" }], start()).unwrap();
        journal.end(&numbers, (Outcome::Failed, true), &long);
    }
    let keys: Vec<Key> = journal.entries.iter().map(Entry::key).collect();
    assert!(journal.fight(&keys[0], 1));
    let fight = journal.fights[0].clone();
    journal.fights = vec![fight; MOST_FIGHTS];
    let bytes = journal.bytes().len();
    // In base64, as the API server counts it not; but etcd does.
    assert!(bytes < LIMIT, "{bytes}");
}
