//! The walk of an object along a schema.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    Extent,
    at::At,
    node::{Node, Rest, ToldBy, Type},
    rules::{Bounds, Rules},
    violation::{Judgement, MOST, Violation, Wrong},
};
use crate::document::nearest;

/// Fields of every object of Kubernetes, which no schema need name. What stands in metadata is not judged.
const OF_ANY_OBJECT: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Longest part of a value that is told, in characters.
const TOLD: usize = 60;

pub(super) fn judge(root: &Node, object: &Value, extent: Extent) -> Judgement {
    let mut walk = Walk { extent, found: Judgement::default(), is_silent: false };
    walk.value(root, object, &At::TOP, true);
    walk.found
}

struct Walk {
    extent: Extent,
    found: Judgement,
    /// Only whether something is wrong is asked.
    is_silent: bool,
}

impl Walk {
    fn value(&mut self, node: &Node, value: &Value, at: &At<'_>, is_object_of_kubernetes: bool) {
        if value.is_null() && node.nullable {
            return;
        }
        if let Some(wanted) = other_type(node, value) {
            self.refuse(at, || {
                (format!("{} is {}", told(value), type_of(value)), format!("it must be {wanted}"))
            });
            return;
        }
        match value {
            Value::Object(fields) => self.fields(node, fields, at, is_object_of_kubernetes),
            Value::Array(items) => self.items(node, items, at),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        let Some(rules) = &node.rules else { return };
        self.rules(rules, value, at);
        if let Value::Object(fields) = value {
            self.required(node, &rules.required, fields, at);
        }
    }

    fn fields(
        &mut self,
        node: &Node,
        fields: &Map<String, Value>,
        at: &At<'_>,
        is_object_of_kubernetes: bool,
    ) {
        for (name, value) in fields {
            if is_object_of_kubernetes && OF_ANY_OBJECT.contains(&name.as_str()) {
                continue;
            }
            let at = at.field(name);
            match (node.fields.get(name), &node.rest) {
                (Some(field), _) => self.value(field, value, &at, field.embedded),
                (None, Rest::Each(each)) => self.value(each, value, &at, each.embedded),
                (None, Rest::Kept) => {}
                // A part of a schema that only adds rules names no fields but those it asks something of.
                (None, Rest::Unknown) if self.is_silent => {}
                (None, Rest::Unknown) => self.add(&at, || {
                    let known = node.fields.keys();
                    let nearest = nearest(name, known.clone().map(String::as_str)).map(str::to_owned);
                    Wrong::UnknownField { nearest, known: known.cloned().collect() }
                }),
            }
        }
    }

    fn required(&mut self, node: &Node, required: &[String], fields: &Map<String, Value>, at: &At<'_>) {
        if self.extent == Extent::Part {
            return;
        }
        let lacks = required.iter().filter(|name| !fields.contains_key(*name));
        for name in lacks.filter(|name| !node.fields.get(*name).is_some_and(|field| field.has_default)) {
            self.refuse(&at.field(name), || ("missing".to_owned(), "it is required".to_owned()));
        }
    }

    fn items(&mut self, node: &Node, items: &[Value], at: &At<'_>) {
        if let Some(item) = &node.item {
            for (index, value) in items.iter().enumerate() {
                self.value(item, value, &at.item(items, index), item.embedded);
            }
        }
        let identity = |item: &Value| match &node.told_by {
            ToldBy::Place => None,
            ToldBy::Value => Some(item.to_string()),
            ToldBy::Keys(keys) => {
                let default = Value::Null;
                let parts = keys.iter().map(|key| item.get(key).unwrap_or(&default).to_string());
                Some(parts.collect::<Vec<_>>().join(","))
            }
        };
        let mut seen = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            if identity(item).is_some_and(|identity| !seen.insert(identity)) {
                let keys = match &node.told_by {
                    ToldBy::Keys(keys) => format!("items must differ in {}", keys.join(" and ")),
                    ToldBy::Place | ToldBy::Value => "items must differ".to_owned(),
                };
                self.refuse(&At::item(at, items, index), || ("stands twice in the list".to_owned(), keys));
            }
        }
    }

    fn rules(&mut self, rules: &Rules, value: &Value, at: &At<'_>) {
        if let Some(words) = rules.words.as_ref().filter(|words| !words.contains(value)) {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            self.refuse(at, || {
                (format!("{} is none of the known values", told(value)), wanted_word(value, &words))
            });
        }
        match value {
            Value::String(text) => self.text(rules, text, at),
            Value::Number(number) => self.number(rules, number.as_f64().unwrap_or_default(), value, at),
            Value::Array(items) => self.count(rules.items, items.len(), "item", at),
            Value::Object(fields) if self.extent == Extent::Whole => {
                self.count(rules.fields, fields.len(), "field", at);
            }
            Value::Null | Value::Bool(_) | Value::Object(_) => {}
        }
        if let Some(format) = rules.format.filter(|format| !format.holds(value)) {
            self.refuse(at, || {
                (
                    format!("{} is not {}", told(value), format.words()),
                    format!("it must be {}", format.words()),
                )
            });
        }
        if self.extent == Extent::Whole {
            self.alternatives(rules, value, at);
        }
    }

    fn text(&mut self, rules: &Rules, text: &str, at: &At<'_>) {
        let length = text.chars().count() as u64;
        if let Some(wanted) = rules.length.against(length) {
            self.refuse(at, || (format!("has {length} characters"), format!("it must have {wanted}")));
        }
        if let Some(pattern) = rules.pattern.as_ref().filter(|pattern| !pattern.holds(text)) {
            let value = Value::String(text.to_owned());
            self.refuse(at, || {
                (format!("{} has another form", told(&value)), format!("it must match {}", pattern.text))
            });
        }
    }

    fn number(&mut self, rules: &Rules, number: f64, value: &Value, at: &At<'_>) {
        let little = |(least, open): (f64, bool)| number < least || open && number <= least;
        let much = |(most, open): (f64, bool)| number > most || open && number >= most;
        let open = |open: bool, word: &str| if open { format!("{word} than") } else { String::new() };
        if let Some((least, is_open)) = rules.least.filter(|bound| little(*bound)) {
            let least =
                if is_open { format!("{} {least}", open(true, "more")) } else { format!("at least {least}") };
            self.refuse(at, || (format!("{} is too little", told(value)), format!("it must be {least}")));
        }
        if let Some((most, is_open)) = rules.most.filter(|bound| much(*bound)) {
            let most =
                if is_open { format!("{} {most}", open(true, "less")) } else { format!("at most {most}") };
            self.refuse(at, || (format!("{} is too much", told(value)), format!("it must be {most}")));
        }
        if let Some(step) = rules.multiple_of.filter(|step| (number / step).fract() != 0.0) {
            self.refuse(at, || {
                (format!("{} is no multiple of {step}", told(value)), format!("it must be one of {step}"))
            });
        }
    }

    fn count(&mut self, bounds: Bounds, count: usize, what: &str, at: &At<'_>) {
        if let Some(wanted) = bounds.against(count as u64) {
            let s = if count == 1 { "" } else { "s" };
            self.refuse(at, || (format!("has {count} {what}{s}"), format!("it must have {wanted}")));
        }
    }

    fn alternatives(&mut self, rules: &Rules, value: &Value, at: &At<'_>) {
        if rules.all_of.iter().any(|one| !holds(one, value)) {
            self.refuse(at, || {
                ("does not fit together".to_owned(), "see what the definition asks there".to_owned())
            });
        }
        if !rules.any_of.is_empty() && !rules.any_of.iter().any(|one| holds(one, value)) {
            self.refuse(at, || {
                (format!("{} fits none of what may stand there", told(value)), alternatives(&rules.any_of))
            });
        }
        let fitting = rules.one_of.iter().filter(|one| holds(one, value)).count();
        if !rules.one_of.is_empty() && fitting != 1 {
            self.refuse(at, || {
                let message = if fitting == 0 {
                    "fits none of what may stand there"
                } else {
                    "says several things of which one may stand there"
                };
                (message.to_owned(), alternatives(&rules.one_of))
            });
        }
        if rules.not.as_ref().is_some_and(|not| holds(not, value)) {
            self.refuse(at, || {
                (
                    format!("{} may not stand there", told(value)),
                    "see what the definition forbids there".to_owned(),
                )
            });
        }
    }

    fn refuse(&mut self, at: &At<'_>, said: impl FnOnce() -> (String, String)) {
        self.add(at, || {
            let (message, wanted) = said();
            Wrong::Value { message, wanted }
        });
    }

    fn add(&mut self, at: &At<'_>, what: impl FnOnce() -> Wrong) {
        if self.is_silent || self.found.violations.len() >= MOST {
            self.found.is_cut = true;
            return;
        }
        self.found.violations.push(Violation { path: at.path(), what: what() });
    }
}

/// Whether a value is all that a part of a schema asks.
fn holds(node: &Node, value: &Value) -> bool {
    let mut walk = Walk { extent: Extent::Whole, found: Judgement::default(), is_silent: true };
    walk.value(node, value, &At::TOP, false);
    !walk.found.is_cut
}

/// The type that a value should have, if it has another.
fn other_type(node: &Node, value: &Value) -> Option<&'static str> {
    if node.int_or_text {
        let fits = value.is_string() || is_type(Type::Integer, value);
        return (!fits).then_some("a whole number or a text");
    }
    node.kind.filter(|kind| !is_type(*kind, value)).map(Type::words)
}

fn is_type(kind: Type, value: &Value) -> bool {
    match kind {
        Type::Object => value.is_object(),
        Type::Array => value.is_array(),
        Type::Text => value.is_string(),
        Type::Boolean => value.is_boolean(),
        Type::Number => value.is_number(),
        Type::Integer => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "no value",
        Value::Bool(_) => Type::Boolean.words(),
        Value::Number(_) => Type::Number.words(),
        Value::String(_) => Type::Text.words(),
        Value::Array(_) => Type::Array.words(),
        Value::Object(_) => Type::Object.words(),
    }
}

/// A value, or the beginning of a long one.
fn told(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(TOLD) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

fn wanted_word(value: &Value, words: &[&str]) -> String {
    let known = format!("known: {}", words.join(", "));
    match value.as_str().and_then(|word| nearest(word, words.iter().copied())) {
        Some(nearest) => format!("did you mean {nearest}? {known}"),
        None => known,
    }
}

/// What may stand there, as far as the parts tell it: their types, or the fields that they ask for.
fn alternatives(nodes: &[Node]) -> String {
    let required =
        |node: &Node| node.rules.as_ref().map(|rules| rules.required.join(" with ")).unwrap_or_default();
    let one = |node: &Node| match (node.kind, required(node)) {
        (Some(kind), _) => Some(kind.words().to_owned()),
        (None, required) if required.is_empty() => None,
        (None, required) => Some(required),
    };
    let told: Vec<String> = nodes.iter().filter_map(one).collect();
    match &told[..] {
        [] => "see what the definition asks there".to_owned(),
        told => format!("it may be {}", told.join(", or ")),
    }
}
