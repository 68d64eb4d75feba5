//! From bytes to a tree that knows where each of its parts stands.
//!
//! What YAML offers beyond texts, lists and maps is refused here, once: anchors, aliases, tags, merge keys, directives,
//! keys that are no texts. The tree keeps a hole where something was refused, so that one mistake is said once.

use std::collections::BTreeMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span};

use super::{
    MAX_SOURCE_BYTES,
    mistake::{Mistakes, join},
    secret, syntax,
};

/// Deepest nesting that is read. Documents need a dozen levels; dropping a tree recurses once a level.
const DEEPEST: usize = 64;

/// Most values that are read of one file: a tree takes some hundred bytes for each, however short it is in the file.
const MOST_VALUES: usize = 50_000;

/// A place in a file. Both from 1; columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: u32,
    pub(super) column: u32,
}

impl Position {
    pub(super) const START: Self = Self { line: 1, column: 1 };

    fn of(marker: granit_parser::Marker) -> Self {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self { line: number(marker.line()), column: number(marker.col()).saturating_add(1) }
    }
}

/// A part of a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) value: Value,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value {
    Scalar {
        text: String,
        /// Without quotes: the schema decides what it is.
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// Something stood here that was refused: the mistake is said already.
    Refused,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Where the key stands.
    pub(super) at: Position,
    pub(super) value: Node,
}

/// Reads the documents of one file. Documents before an unreadable place are returned, so that their mistakes are found
/// too.
pub(super) fn read(bytes: &[u8], mistakes: &mut Mistakes<'_>) -> Vec<Node> {
    let before = mistakes.count();
    let Some(text) = decode(bytes, mistakes) else { return Vec::new() };
    let mut builder = Builder { open: Vec::new(), documents: Vec::new(), anchored: String::new(), values: 0 };
    for event in Parser::new_from_str_with_options(text, options()) {
        match event {
            Ok((_, span)) if builder.values > MOST_VALUES => {
                let message = format!("the file has more than the {MOST_VALUES} values that are read");
                mistakes.add(Position::of(span.start), "", message, "split it into several files");
                break;
            }
            Ok((event, span)) => builder.on(event, &span, mistakes),
            Err(error) => {
                let (message, hint) = syntax::words(error.kind());
                mistakes.add(Position::of(*error.marker()), &builder.path(), message, hint);
                break;
            }
        }
    }
    if builder.documents.is_empty() && mistakes.count() == before {
        let hint = "write apiVersion, kind, metadata and spec";
        mistakes.add(Position::START, "", "there is no document in this file", hint);
    }
    builder.documents
}

fn options() -> Options {
    let mut options = granit_parser::options! {
        disallow_directives: true,
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        flow_nesting_limit: DEEPEST,
        block_nesting_limit: DEEPEST,
    };
    options.set_emit_comments(false);
    options
}

/// The bytes as text, if they are one that YAML allows.
fn decode<'a>(bytes: &'a [u8], mistakes: &mut Mistakes<'_>) -> Option<&'a str> {
    if bytes.len() > MAX_SOURCE_BYTES {
        let message =
            format!("the file has {} bytes, more than the {MAX_SOURCE_BYTES} that are read", bytes.len());
        mistakes.add(Position::START, "", message, "split it into several files");
        return None;
    }
    let (valid, message) = match std::str::from_utf8(bytes) {
        Ok(text) => match text.char_indices().find(|(_, character)| !is_text(*character)) {
            None => return Some(text),
            Some((index, character)) => {
                (&bytes[..index], format!("a control character, {}", character.escape_unicode()))
            }
        },
        Err(error) => (&bytes[..error.valid_up_to()], "not UTF-8".to_owned()),
    };
    mistakes.add(
        end_of(&String::from_utf8_lossy(valid)),
        "",
        message,
        "save the file as plain text in UTF-8",
    );
    None
}

/// What YAML 1.2 calls printable, without the delete character.
fn is_text(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | '\u{85}')
        || !(character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}'))
}

/// The position after a text.
fn end_of(text: &str) -> Position {
    let last = text.rsplit('\n').next().unwrap_or_default();
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Position { line: number(text.matches('\n').count() + 1), column: number(last.chars().count() + 1) }
}

/// A collection that is not yet closed.
enum Open {
    List {
        at: Position,
        items: Vec<Node>,
    },
    Map {
        at: Position,
        entries: Vec<Entry>,
        keys: BTreeMap<String, Position>,
        key: Option<Key>,
    },
    /// A collection in the place of a key: skipped, whatever it holds.
    Skipped,
}

enum Key {
    Good {
        text: String,
        at: Position,
    },
    /// Refused: its value is read and left out.
    Bad,
}

struct Builder {
    open: Vec<Open>,
    documents: Vec<Node>,
    /// Path of the last node that carried an anchor: the anchor itself is said after its node.
    anchored: String,
    values: usize,
}

impl Builder {
    fn on(&mut self, event: Event<'_>, span: &Span, mistakes: &mut Mistakes<'_>) {
        let at = Position::of(span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.meet(anchor, tag.is_some(), span, mistakes);
                self.scalar(&text, style == ScalarStyle::Plain, at, mistakes);
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.meet(anchor, tag.is_some(), span, mistakes);
                self.begin(Open::List { at, items: Vec::new() }, at, mistakes);
            }
            Event::MappingStart(_, anchor, tag) => {
                self.meet(anchor, tag.is_some(), span, mistakes);
                let map = Open::Map { at, entries: Vec::new(), keys: BTreeMap::new(), key: None };
                self.begin(map, at, mistakes);
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Anchor(..) => {
                let hint = "remove the &name and write values out where they are needed";
                mistakes.add(at, &self.anchored, "anchors are not read", hint);
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                mistakes.add(at, &self.path(), "aliases are not read", "write the value out here");
                self.hole(at);
            }
            // Starts and ends of stream and documents; whatever else a later parser says carries no value.
            _ => {}
        }
    }

    /// Counts a node and looks at what it carries besides its value.
    fn meet(&mut self, anchor: usize, tagged: bool, span: &Span, mistakes: &mut Mistakes<'_>) {
        self.values += 1;
        if anchor != 0 {
            self.anchored = self.path();
        }
        if tagged {
            let at = Position::of(span.tag_start.unwrap_or(span.start));
            let hint = "remove the !tag: the field decides what its value is";
            mistakes.add(at, &self.path(), "tags are not read", hint);
        }
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open::Map { key: None, .. }))
    }

    fn scalar(&mut self, text: &str, plain: bool, at: Position, mistakes: &mut Mistakes<'_>) {
        if !self.awaits_key() {
            self.put(Node { at, value: Value::Scalar { text: text.to_owned(), plain } });
            return;
        }
        let Some(Open::Map { keys, key, .. }) = self.open.last_mut() else { return };
        *key = Some(Key::Bad);
        if plain && text == "<<" {
            mistakes.add(at, &self.path(), "merge keys are not read", "write the fields out here");
        } else if text.is_empty() || (plain && text == "~") {
            mistakes.add(at, &self.path(), "an empty key", "write the name of a field before the colon");
        } else if secret::is_private_key(text) {
            mistakes.add(at, &self.path(), secret::MESSAGE_OF_KEY, secret::HINT);
        } else if let Some(first) = keys.get(text) {
            let hint = format!("the first stands in line {}; keep one of them", first.line);
            mistakes.add(at, &join(&self.path(), text), "given twice", hint);
        } else {
            keys.insert(text.to_owned(), at);
            *key = Some(Key::Good { text: text.to_owned(), at });
        }
    }

    fn begin(&mut self, collection: Open, at: Position, mistakes: &mut Mistakes<'_>) {
        if self.awaits_key() {
            let hint = "write the name of a field before the colon; quote texts that begin with { or [";
            mistakes.add(at, &self.path(), "a list or map in the place of a key", hint);
            self.open.push(Open::Skipped);
        } else {
            self.open.push(collection);
        }
    }

    fn end(&mut self) {
        match self.open.pop() {
            Some(Open::List { at, items }) => self.put(Node { at, value: Value::List(items) }),
            Some(Open::Map { at, entries, .. }) => self.put(Node { at, value: Value::Map(entries) }),
            Some(Open::Skipped) => self.hole(Position::START),
            None => {}
        }
    }

    /// Puts a hole where a key or a value was expected.
    fn hole(&mut self, at: Position) {
        match self.open.last_mut() {
            Some(Open::Map { key: key @ None, .. }) => *key = Some(Key::Bad),
            _ => self.put(Node { at, value: Value::Refused }),
        }
    }

    fn put(&mut self, node: Node) {
        match self.open.last_mut() {
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, key, .. }) => {
                if let Some(Key::Good { text, at }) = key.take() {
                    entries.push(Entry { key: text, at, value: node });
                }
            }
            Some(Open::Skipped) => {}
            None if node.is_nothing() => {}
            None => self.documents.push(node),
        }
    }

    /// Where the parser stands, by the keys and indexes of what is open.
    fn path(&self) -> String {
        self.open.iter().fold(String::new(), |path, open| match open {
            Open::List { items, .. } => format!("{path}[{}]", items.len()),
            Open::Map { key: Some(Key::Good { text, .. }), .. } => join(&path, text),
            Open::Map { .. } | Open::Skipped => path,
        })
    }
}

impl Node {
    /// Whether it says nothing: an empty document, or a field without a value.
    pub(super) fn is_nothing(&self) -> bool {
        match &self.value {
            Value::Scalar { text, plain } => {
                *plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            Value::List(_) | Value::Map(_) | Value::Refused => false,
        }
    }
}
