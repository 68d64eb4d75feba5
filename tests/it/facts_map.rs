//! The map of what is known of platforms, by number: which rule, finding or table answers each fact, or why none can.
//!
//! A fact is followed from here: its id is searched for in `hub/core/src`, where it stands in a rule or in the referee, and
//! in `hub/core/src/plan/tests` and `platform/tests`, where the test of it is.

mod clouds;
mod mesh;
mod redhat;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use hub_core::plan::{ACCEPTABLE, rule};

/// What answers a fact.
#[derive(Debug, Clone, Copy)]
enum Answer {
    /// A rule plans for it.
    Rule(&'static str),
    /// The referee, or a preview, says it.
    Finding(&'static str),
    /// A file of `hub/core/src` holds it as data or reads it, with a test of its own.
    Code(&'static str),
    /// Nobody can see it from within the cluster, for this reason.
    Unseen(&'static str),
    /// It concerns what no config can ask for so far.
    NotServed(&'static str),
    /// It is known and not answered yet, with what is missing.
    Open(&'static str),
}

/// A fact by its number: the section of the project's collection, then its place there.
type Fact = (&'static str, &'static str, &'static [Answer]);

fn map() -> impl Iterator<Item = &'static Fact> {
    mesh::FACTS.iter().chain(&redhat::FACTS).chain(&clouds::FACTS)
}

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(root, &path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source");
                let within = path.strip_prefix(root).expect("below its root").to_owned();
                found.push((within, text));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hub/core/src");
    let mut found = Vec::new();
    walk(&root, &root, &mut found);
    found
}

#[test]
fn every_fact_is_answered_by_what_there_is() {
    let sources = sources();
    let code =
        || sources.iter().filter(|(path, _)| !path.components().any(|part| part.as_os_str() == "tests"));
    let written = |id: &str| code().any(|(_, text)| text.contains(&format!("\"{id}\"")));
    let told_of_each = |id: &str| {
        id.split_once('.').is_some_and(|(_, what)| {
            code().any(|(_, text)| text.contains(&format!("\"{{platform}}.{what}\"")))
        })
    };
    // Findings about a webhook are named after it, and the catalogue names those; some are told of each platform.
    let named =
        |id: &str| written(id) || id.strip_prefix("rosa.webhook.").is_some_and(written) || told_of_each(id);
    let file = |name: &str| code().any(|(path, _)| path.ends_with(name));
    let mut wrong = Vec::new();
    for (number, fact, answers) in map() {
        if fact.is_empty() || answers.is_empty() {
            wrong.push(format!("{number} has no answer"));
        }
        for answer in *answers {
            let sound = match answer {
                Answer::Rule(id) => rule::registry().iter().any(|rule| rule.id.0 == *id),
                Answer::Finding(id) => named(id),
                Answer::Code(name) => file(name),
                Answer::Unseen(why) | Answer::NotServed(why) | Answer::Open(why) => why.len() > 10,
            };
            if !sound {
                wrong.push(format!("{number}: {answer:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn numbers_are_given_once_and_without_a_gap() {
    let numbers: Vec<&str> = map().map(|(number, ..)| *number).collect();
    let distinct: BTreeSet<&str> = numbers.iter().copied().collect();
    assert_eq!(distinct.len(), numbers.len());
    for number in &numbers {
        let (section, place) = number.rsplit_once('/').expect("a section and a place");
        let place: u32 = place.parse().expect("a place is a number");
        assert!(
            place > 0 && (place == 1 || distinct.contains(format!("{section}/{}", place - 1).as_str())),
            "{number}"
        );
    }
}

/// What is not answered yet is counted, so that it is not forgotten, and none is added unseen.
#[test]
fn what_is_open_is_known() {
    let open = map().filter(|(_, _, answers)| answers.iter().any(|answer| matches!(answer, Answer::Open(_))));
    let open: Vec<&str> = open.map(|(number, ..)| *number).collect();
    assert_eq!(
        open,
        ["2.2/5", "2.3/7", "2.3/9", "2.4/5", "3.1/2", "3.2/8", "4.2/8", "4.2/9", "4.3/4"],
        "take out what is answered now"
    );
}

#[test]
fn what_can_be_accepted_is_a_finding() {
    let sources = sources();
    for id in ACCEPTABLE {
        assert!(sources.iter().any(|(_, text)| text.contains(&format!("\"{id}\""))), "{id}");
    }
}
