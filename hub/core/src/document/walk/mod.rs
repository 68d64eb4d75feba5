//! The walk of a tree along a schema: every mistake, and the JSON of what is right.

mod free;
mod layers;

use std::ops::RangeInclusive;

use serde_json::{Map, Value as Json};

use super::{
    mistake::{Mistakes, join, quote},
    nearest::nearest,
    schema::{Choice, Field, MapRule, Shape, Text, Texts, Unique, served},
    secret,
    tree::{Entry, Node, Position, Value},
};

/// The field that tells items of some lists.
const NAME: &str = "name";

const NOT_SERVED: &str = "not served by this release";

/// One walk of one document.
pub(super) struct Walk<'m, 'file> {
    pub(super) mistakes: &'m mut Mistakes<'file>,
    /// The schema of the whole document: a field in the wrong place is looked for in all of it.
    pub(super) whole: &'static Shape,
    /// Nothing is required here: the values are laid over others.
    partial: bool,
    /// Length of the keys from a chart down to where the walk stands.
    free_length: usize,
}

/// Where the walk stands.
struct Place {
    path: String,
    /// The key that the value belongs to: what is missing in the value is said there.
    owner: Position,
}

impl<'m, 'file> Walk<'m, 'file> {
    pub(super) fn of(whole: &'static Shape, mistakes: &'m mut Mistakes<'file>) -> Self {
        Self { mistakes, whole, partial: false, free_length: 0 }
    }

    /// Walks a whole document. The JSON has holes (null) where there are mistakes.
    pub(super) fn document(&mut self, tree: &Node) -> Json {
        self.value(tree, self.whole, &Place { path: String::new(), owner: tree.at })
    }

    fn value(&mut self, node: &Node, shape: &Shape, place: &Place) -> Json {
        if matches!(node.value, Value::Refused) || matches!(shape, Shape::Anything | Shape::NotYet) {
            return Json::Null;
        }
        if let Value::Scalar { text, .. } = &node.value
            && secret::is_private_key(text)
        {
            self.add(node.at, &place.path, secret::MESSAGE_OF_KEY, secret::HINT);
            return Json::Null;
        }
        if let Shape::Partial(whole) = shape {
            let required_before = std::mem::replace(&mut self.partial, true);
            let json = self.value(node, whole, place);
            self.partial = required_before;
            return json;
        }
        if node.is_nothing() {
            self.nothing(node, shape, place);
            return Json::Null;
        }
        match (shape, &node.value) {
            (Shape::Map { fields, rule }, Value::Map(entries)) => {
                let map = self.fields(entries, fields, place);
                if let Some(rule) = rule {
                    self.map_rule(*rule, entries, place);
                }
                map
            }
            (Shape::List { item, least, most, unique }, Value::List(items)) => {
                self.length(node, items.len(), *least..=*most, place);
                self.unique(items, *unique, place);
                // Lists are replaced, so that their items are whole also where nothing else is required; but for those
                // whose items are told by their names.
                let laid_over = self.partial && matches!(unique, Unique::Name);
                let partial_before = std::mem::replace(&mut self.partial, laid_over);
                if laid_over {
                    self.are_named(items, place);
                }
                let json = self.items(items.iter().take(*most), item, place);
                self.partial = partial_before;
                json
            }
            (Shape::Texts(texts), Value::Map(entries)) => self.texts(node, entries, texts, place),
            (Shape::FreeMap, Value::Map(_)) | (Shape::Free, _) => self.free(node, place),
            (Shape::Text(rule), Value::Scalar { text, .. }) => self.text(node.at, text, rule, place),
            (Shape::Choice(choice), Value::Scalar { text, .. }) => self.choice(node.at, text, choice, place),
            (Shape::Number { least, most }, Value::Scalar { text, plain: true }) => {
                self.number(node.at, text, *least..=*most, place)
            }
            (expected, _) => {
                self.wrong_type(node, expected, place);
                Json::Null
            }
        }
    }

    fn nothing(&mut self, node: &Node, shape: &Shape, place: &Place) {
        if self.partial {
            let hint = "a layer takes a value away by its path: list it under `unset`";
            self.add(node.at, &place.path, "no value", hint);
            return;
        }
        let hint = match &node.value {
            Value::Scalar { text, .. } if !matches!(text.as_str(), "" | "~") => {
                format!("write {}, or remove the field; quote {text} if that text is meant", shape.expected())
            }
            _ => format!("write {}, or remove the field", shape.expected()),
        };
        self.add(node.at, &place.path, "no value", hint);
    }

    fn fields(&mut self, entries: &[Entry], fields: &'static [Field], place: &Place) -> Json {
        let mut map = Map::new();
        let mut misspelled = Vec::new();
        for entry in entries {
            let path = join(&place.path, &entry.key);
            match fields.iter().find(|field| field.name == entry.key) {
                None => misspelled.extend(self.unknown(entry, fields, &path)),
                Some(Field { shape: Shape::NotYet, .. }) => {
                    self.add(entry.at, &path, NOT_SERVED, "remove it: a later release brings it");
                }
                Some(field) => {
                    let value = self.value(&entry.value, &field.shape, &Place { path, owner: entry.at });
                    map.insert(entry.key.clone(), value);
                }
            }
        }
        let partial = self.partial;
        for field in fields.iter().filter(|field| field.required && !partial) {
            let there = entries.iter().any(|entry| entry.key == field.name);
            if !there && !misspelled.contains(&field.name) {
                self.add(place.owner, &join(&place.path, field.name), "missing", field.example);
            }
        }
        Json::Object(map)
    }

    /// Says that a field is unknown, and returns the one that was probably meant.
    fn unknown(&mut self, entry: &Entry, fields: &'static [Field], path: &str) -> Option<&'static str> {
        let elsewhere = self.whole.places_of(&entry.key);
        let meant = nearest(&entry.key, served(fields).map(|field| field.name));
        let later = nearest(&entry.key, fields.iter().map(|field| field.name));
        let hint = match (meant, later, elsewhere.as_slice()) {
            (Some(name), _, _) => format!("did you mean `{name}`?"),
            (None, Some(name), _) => format!("did you mean `{name}`? it is {NOT_SERVED}"),
            (None, None, [place]) => format!("`{}` stands in {place}", entry.key),
            (None, None, _) => format!("known here: {}", names(fields)),
        };
        self.add(entry.at, path, "unknown field", hint);
        meant
    }

    fn map_rule(&mut self, rule: MapRule, entries: &[Entry], place: &Place) {
        match rule {
            MapRule::AnyField if entries.is_empty() && !self.partial => {
                let hint = "give names, matchLabels or matchExpressions; a label that all have chooses all";
                self.add(place.owner, &place.path, "an empty selector chooses nothing", hint);
            }
            MapRule::AnyField => {}
            MapRule::ValuesFitOperator => self.values_fit_operator(entries, place),
            // A key of another name is a misspelling, and said.
            MapRule::SetOrUnset
                if entries.iter().all(|entry| ["name", "clusters"].contains(&entry.key.as_str())) =>
            {
                let hint = "give `set`, `unset` or both; or remove the layer";
                self.add(place.owner, &place.path, "a layer that changes nothing", hint);
            }
            MapRule::SetOrUnset => {}
            MapRule::Layers => self.layers(entries, place),
            MapRule::PathWithValue => self.path_with_value(entries, place),
        }
    }

    fn path_with_value(&mut self, entries: &[Entry], place: &Place) {
        let has = |name: &str| entries.iter().any(|entry| entry.key == name);
        let (missing, hint) = match (has("path"), has("value")) {
            (true, false) => ("value", "what stands at `path` instead, for example `value: /etc/x`"),
            (false, true) => ("path", "where `value` stands, for example `path: values.cni.cniConfDir`"),
            (true, true) | (false, false) => return,
        };
        self.add(place.owner, &join(&place.path, missing), "missing", hint);
    }

    fn values_fit_operator(&mut self, entries: &[Entry], place: &Place) {
        let entry = |name: &str| entries.iter().find(|entry| entry.key == name);
        let Some(Value::Scalar { text: operator, .. }) = entry("operator").map(|entry| &entry.value.value)
        else {
            return;
        };
        let path = join(&place.path, "values");
        match (operator.as_str(), entry("values")) {
            ("In" | "NotIn", None) => {
                let hint = format!("{operator} compares with values: for example `values: [prod]`");
                self.add(place.owner, &path, "missing", hint);
            }
            ("Exists" | "DoesNotExist", Some(values)) => {
                self.add(values.at, &path, format!("{operator} takes no values"), "remove them");
            }
            _ => {}
        }
    }

    fn length(&mut self, node: &Node, length: usize, range: RangeInclusive<usize>, place: &Place) {
        if !range.contains(&length) {
            let message = if length == 0 { "nothing in it".to_owned() } else { format!("{length} items") };
            self.add(node.at, &place.path, message, format!("give {} to {}", range.start(), range.end()));
        }
    }

    fn items<'n>(&mut self, items: impl Iterator<Item = &'n Node>, shape: &Shape, place: &Place) -> Json {
        let walked = items.enumerate().map(|(index, item)| {
            let path = format!("{}[{index}]", place.path);
            self.value(item, shape, &Place { path, owner: item.at })
        });
        Json::Array(walked.collect())
    }

    fn unique(&mut self, items: &[Node], unique: Unique, place: &Place) {
        let mut seen = std::collections::BTreeMap::new();
        for (index, item) in items.iter().enumerate() {
            let Some((node, text)) = identity(item, unique) else { continue };
            let first = *seen.entry(text).or_insert(index);
            if first != index {
                let hint = format!("the first is {}[{first}]; keep one of them", place.path);
                self.add(
                    node.at,
                    &format!("{}[{index}]", place.path),
                    format!("{} stands twice", quote(text)),
                    hint,
                );
            }
        }
    }

    /// Of an item that is laid over another the name alone is required.
    fn are_named(&mut self, items: &[Node], place: &Place) {
        for (index, item) in items.iter().enumerate() {
            let Value::Map(entries) = &item.value else { continue };
            if field(entries, NAME).is_none() {
                let path = format!("{}[{index}].{NAME}", place.path);
                self.add(item.at, &path, "missing", "it says over which of the earlier ones this is laid");
            }
        }
    }

    fn texts(&mut self, node: &Node, entries: &[Entry], texts: &Texts, place: &Place) -> Json {
        self.length(node, entries.len(), texts.least..=texts.most, place);
        let mut map = Map::new();
        for entry in entries.iter().take(texts.most) {
            let path = join(&place.path, &entry.key);
            let place = Place { path, owner: entry.at };
            self.text(entry.at, &entry.key, texts.key, &place);
            let value = self.value(&entry.value, &Shape::Text(texts.value), &place);
            map.insert(entry.key.clone(), value);
        }
        Json::Object(map)
    }

    fn text(&mut self, at: Position, text: &str, rule: &Text, place: &Place) -> Json {
        if text.chars().count() > rule.longest || !(rule.holds)(text) {
            self.add(at, &place.path, format!("{} is not {}", quote(text), rule.what), rule.rule);
        }
        Json::String(text.to_owned())
    }

    fn choice(&mut self, at: Position, text: &str, choice: &Choice, place: &Place) -> Json {
        let words = (choice.words)();
        if choice.not_yet.contains(&text) {
            let message = format!("{} {} is {NOT_SERVED}", choice.what, quote(text));
            self.add(at, &place.path, message, format!("served: {}", words.join(", ")));
        } else if !words.contains(&text) {
            let known = format!("known: {}", words.join(", "));
            let later = nearest(text, choice.not_yet.iter().copied());
            let hint = match (nearest(text, words), later) {
                (Some(word), _) => format!("did you mean `{word}`? {known}"),
                (None, Some(word)) => format!("did you mean `{word}`? it is {NOT_SERVED}; {known}"),
                (None, None) => known,
            };
            self.add(at, &place.path, format!("unknown {} {}", choice.what, quote(text)), hint);
        }
        Json::String(text.to_owned())
    }

    fn number(&mut self, at: Position, text: &str, range: RangeInclusive<u32>, place: &Place) -> Json {
        let number = whole_number(text).filter(|number| range.contains(number));
        if number.is_none() {
            let message =
                format!("{} is not a whole number of {} to {}", quote(text), range.start(), range.end());
            self.add(at, &place.path, message, "write it in plain digits, without quotes and unit");
        }
        number.into()
    }

    fn wrong_type(&mut self, node: &Node, expected: &Shape, place: &Place) {
        let found = match &node.value {
            Value::Scalar { plain: true, .. } => "a single value",
            Value::Scalar { plain: false, .. } => "a text in quotes",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Refused => "nothing",
        };
        let hint = match expected {
            Shape::Map { fields, .. } => format!("its fields are {}", names(fields)),
            Shape::List { .. } => {
                "write it in brackets, as in [one, two], or one item a line, after `- `".to_owned()
            }
            Shape::Texts(texts) => {
                format!("write it in braces, as in {}, or one `key: value` a line", texts.example)
            }
            Shape::FreeMap => "write one `key: value` a line".to_owned(),
            Shape::Text(text) => text.rule.to_owned(),
            Shape::Choice(choice) => format!("known: {}", (choice.words)().join(", ")),
            Shape::Number { least, most } => format!("write {least} to {most}, without quotes"),
            Shape::Free | Shape::Partial(_) | Shape::Anything | Shape::NotYet => String::new(),
        };
        self.add(node.at, &place.path, format!("expected {}, found {found}", expected.expected()), hint);
    }

    fn add(&mut self, at: Position, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.mistakes.add(at, path, message, hint);
    }
}

fn field<'a>(entries: &'a [Entry], name: &str) -> Option<&'a Node> {
    entries.iter().find(|entry| entry.key == name).map(|entry| &entry.value)
}

/// The names of the fields that are served.
fn names(fields: &'static [Field]) -> String {
    served(fields).map(|field| field.name).collect::<Vec<_>>().join(", ")
}

/// What must be unique of an item: where it stands and its text.
fn identity(item: &Node, unique: Unique) -> Option<(&Node, &str)> {
    let node = match (unique, &item.value) {
        (Unique::Items, _) => item,
        (Unique::Field(name), Value::Map(entries)) => field(entries, name)?,
        (Unique::Name, Value::Map(entries)) => field(entries, NAME)?,
        (Unique::Field(_) | Unique::Name | Unique::Nothing, _) => return None,
    };
    match &node.value {
        Value::Scalar { text, .. } => Some((node, text)),
        Value::List(_) | Value::Map(_) | Value::Refused => None,
    }
}

/// Plain decimal digits only: other spellings (`0o17`, `017`, `1_000`, `3.0`, `1e3`) mean different numbers to different
/// readers.
fn whole_number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}
