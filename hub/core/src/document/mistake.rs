//! Mistakes in documents, and their words.

use super::{secret, tree::Position};

/// Most mistakes that are kept of one file: a person reads a screen of them, and a file made of mistakes must not fill
/// the hub's memory.
const MOST_PER_FILE: usize = 100;

/// Most mistakes that are kept of all files together: they travel in one message.
pub(super) const MOST: usize = 500;

/// Longest path that is shown, in characters; served fields stand below a hundred.
const LONGEST_PATH: usize = 200;

/// Longest piece of a document that is quoted, in characters.
const LONGEST_QUOTE: usize = 60;

/// One mistake: where, what, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file, as the operator named it.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    /// Path of the field, for example `spec.base.istio.version`; empty where the file itself is meant.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would be right; may be empty.
    pub hint: String,
}

impl Mistake {
    /// Says after this mistake that there are more.
    pub(super) fn and_more(self, count: usize, place: &str) -> Self {
        let message = format!("{count} more mistakes in {place} are not shown");
        Self { path: String::new(), message, hint: "put these right first".to_owned(), ..self }
    }
}

impl std::fmt::Display for Mistake {
    /// As compilers say it: `mesh.yaml:7:11: spec.base.istio.verison: unknown field`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// The mistakes of one file.
pub(super) struct Mistakes<'file> {
    file: &'file str,
    found: Vec<Mistake>,
    left_out: usize,
}

impl<'file> Mistakes<'file> {
    pub(super) fn of(file: &'file str) -> Self {
        Self { file, found: Vec::new(), left_out: 0 }
    }

    /// How many there are, also those that are not kept.
    pub(super) fn count(&self) -> usize {
        self.found.len() + self.left_out
    }

    /// Whether further mistakes are only counted, so that looking for good hints is of no use.
    pub(super) fn is_full(&self) -> bool {
        self.found.len() == MOST_PER_FILE
    }

    pub(super) fn add(
        &mut self,
        at: Position,
        path: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        if self.found.len() == MOST_PER_FILE {
            self.left_out += 1;
            return;
        }
        self.found.push(Mistake {
            file: file_name(self.file),
            line: at.line,
            column: at.column,
            path: cut(path, LONGEST_PATH),
            message: message.into(),
            hint: hint.into(),
        });
    }

    /// All mistakes by position, and how many more there are.
    pub(super) fn finish(mut self) -> Vec<Mistake> {
        self.found.sort_by_key(|mistake| (mistake.line, mistake.column));
        if self.left_out > 0 {
            let last = self.found.last().cloned();
            self.found.extend(last.map(|last| last.and_more(self.left_out, "this file")));
        }
        self.found
    }
}

/// The name of a file, short and without control characters: whoever sends a file chooses it.
pub(super) fn file_name(name: &str) -> String {
    printable(&cut(name, LONGEST_PATH))
}

/// A piece of a document, short and without control characters, in double quotes; nothing of a private key.
pub(super) fn quote(text: &str) -> String {
    if secret::is_private_key(text) {
        return "a private key".to_owned();
    }
    format!("\"{}\"", printable(&cut(text, LONGEST_QUOTE)))
}

fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// The path of `key` below `path`. Keys that are not plain words stand in brackets, as in `labels["a.b/c"]`.
pub(super) fn join(path: &str, key: &str) -> String {
    let plain = !key.is_empty()
        && key.len() <= LONGEST_QUOTE
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match (plain, path.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{path}.{key}"),
        (false, _) => format!("{path}[{}]", quote(key)),
    }
}

fn printable(text: &str) -> String {
    text.chars()
        .map(
            |character| {
                if shows(character) { character.to_string() } else { character.escape_unicode().to_string() }
            },
        )
        .collect()
}

/// Whether a terminal shows the character as itself: no control, and nothing that turns the direction of a line or has
/// no width.
fn shows(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
