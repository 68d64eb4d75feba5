//! The house rules that Cargo and clippy cannot enforce: what may stand where, and how long a file or function is.
//!
//! A new arrow between modules is a design change: edit the tables here in a commit of its own.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Everything that may stand at the top of the repository.
const TOP_LEVEL: [&str; 10] = [
    "Cargo.toml",
    "Cargo.lock",
    "LICENSE",
    "README.md",
    "rust-toolchain.toml",
    "hub",
    "migrations",
    "proto",
    "spoke",
    "tests",
];

/// Modules of the hub's shell that meet in Postgres only: none imports another.
const STRANGERS: [&str; 4] = ["api", "web", "tasks", "delivery"];

/// Where generated types of the wire may be named.
const WIRE: [&str; 8] = [
    "proto/",
    "hub/src/delivery/",
    "hub/src/api/",
    "hub/src/identity/",
    "hub/cli/",
    "spoke/src/delivery/",
    "spoke/src/identity/",
    "tests/",
];

/// Where SQL may stand.
const SQL: [&str; 2] = ["hub/src/store/", "tests/"];

/// Where words of platforms may stand.
const PLATFORMS: [&str; 7] = [
    "hub/core/src/platform/",
    "hub/core/src/catalog/",
    "hub/admission/",
    "spoke/src/facts.rs",
    "spoke/src/facts/",
    "spoke/deploy/",
    "tests/",
];

/// The words. The spoke and the rest of the hub must not know them.
const PLATFORM_WORDS: [&str; 5] = ["gke", "eks", "aks", "rosa", "openshift"];

const LONGEST_FILE: usize = 600;
const LONGEST_FUNCTION: usize = 80;

struct Source {
    /// Path below the repository, with forward slashes.
    path: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository").to_owned()
}

/// All Rust sources of the repository.
fn sources() -> Vec<Source> {
    let root = root();
    let mut found = Vec::new();
    for member in ["proto", "hub", "spoke", "tests"] {
        collect(&root, &root.join(member), &mut found);
    }
    assert!(found.len() > 20, "the sources were not found");
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).expect("UTF-8");
            let path = path.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
            found.push(Source { path, text });
        }
    }
}

impl Source {
    fn stands_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }

    /// Lines of code with their numbers, without comments and without the file's `mod tests`.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .take_while(|(_, line)| *line != "mod tests {")
            .map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
    }

    fn is_test(&self) -> bool {
        ["/tests/", "/benches/"].iter().any(|folder| self.path.contains(folder))
            || self.path.ends_with("/tests.rs")
    }
}

fn assert_none(what: &str, offences: Vec<String>) {
    assert!(offences.is_empty(), "{what}:\n  {}", offences.join("\n  "));
}

fn offences(sources: &[Source], offends: impl Fn(&Source, &str) -> bool) -> Vec<String> {
    let lines =
        sources.iter().flat_map(|source| source.code().map(move |(number, line)| (source, number, line)));
    lines
        .filter(|(source, _, line)| offends(source, line))
        .map(|(source, number, line)| format!("{}:{number}: {}", source.path, line.trim()))
        .collect()
}

/// Whether `word` stands in `line` as a word or as a part of an identifier between underscores.
fn names(line: &str, word: &str) -> bool {
    let line = line.to_ascii_lowercase();
    line.match_indices(word).any(|(start, _)| {
        let letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphabetic);
        let bytes = line.as_bytes();
        !letter(start.checked_sub(1).and_then(|before| bytes.get(before)))
            && !letter(bytes.get(start + word.len()))
    })
}

#[test]
fn the_top_level_is_fixed() {
    let stray = fs::read_dir(root())
        .expect("a readable folder")
        .map(|entry| entry.expect("a readable entry").file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && name != "target" && !TOP_LEVEL.contains(&name.as_str()));
    assert_none("not a place of this house", stray.collect());
}

#[test]
fn strangers_meet_in_postgres_only() {
    let sources = sources();
    let mut found = Vec::new();
    for one in STRANGERS {
        for other in STRANGERS.into_iter().filter(|other| *other != one) {
            let arrow = format!("crate::{other}");
            found.extend(offences(&sources, |source, line| {
                source.path.starts_with(&format!("hub/src/{one}/")) && line.contains(&arrow)
            }));
        }
    }
    assert_none("an arrow between strangers", found);
}

#[test]
fn the_wire_stays_at_the_edge() {
    let found = offences(&sources(), |source, line| !source.stands_in(&WIRE) && names(line, "proto::"));
    assert_none("a type of the wire inside the house", found);
}

#[test]
fn sql_stays_in_the_store() {
    let found = offences(&sources(), |source, line| {
        !source.stands_in(&SQL)
            && ["query!", "query_as!", "query_scalar!", "sqlx::query"].iter().any(|sql| line.contains(sql))
    });
    assert_none("SQL outside the store", found);
}

#[test]
fn platforms_stay_in_their_files() {
    let found = offences(&sources(), |source, line| {
        !source.stands_in(&PLATFORMS)
            && !source.is_test()
            && PLATFORM_WORDS.iter().any(|word| names(line, word))
            && !line.trim_start().starts_with("assert")
    });
    assert_none("a platform's name outside its file", found);
}

#[test]
fn only_the_clock_asks_what_time_it_is() {
    let found = offences(&sources(), |source, line| {
        !source.stands_in(&["hub/src/clock.rs", "spoke/", "tests/", "hub/cli/"])
            && ["Timestamp::now", "SystemTime::now", "Zoned::now"].iter().any(|clock| line.contains(clock))
    });
    assert_none("a second clock", found);
}

#[test]
fn files_are_short() {
    let long = |source: &Source| source.text.lines().count() > LONGEST_FILE;
    assert_none("too long a file", sources().into_iter().filter(long).map(|source| source.path).collect());
}

#[test]
fn functions_are_short() {
    let long = |source: &Source| {
        let lines: Vec<&str> = source.text.lines().collect();
        let starts = lines.iter().enumerate().filter(|(_, line)| is_function(line));
        let spans = starts.filter_map(|(start, line)| {
            let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
            let length = lines[start..].iter().position(|line| *line == end)? + 1;
            (length > LONGEST_FUNCTION).then(|| format!("{}:{}: {length} lines", source.path, start + 1))
        });
        spans.collect::<Vec<_>>()
    };
    assert_none("too long a function", sources().iter().flat_map(long).collect());
}

fn is_function(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().take_while(|word| !word.contains('(')).collect();
    let before_the_name = ["fn", "async", "const", "unsafe", "pub", "pub(crate)", "pub(super)"];
    let name = line.split_whitespace().nth(words.len()).is_some();
    name && words.contains(&"fn") && words.iter().all(|word| before_the_name.contains(word))
}

#[test]
fn the_checks_see_what_they_look_for() {
    assert!(is_function("    pub async fn start(&self) -> u8 {"));
    assert!(is_function("fn main() {"));
    assert!(!is_function("    let fn_name = call(x);"));
    assert!(names("let x = Platform::OpenShift;", "openshift"));
    assert!(names("eks_nodes()", "eks"));
    assert!(!names("the weeks of leaks", "eks"));
    assert!(!names("tasks and masks", "aks"));
}
