//! Reading a schema from its JSON.

use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value};

use super::{
    format::Format,
    node::{Node, Rest, ToldBy, Type},
    rules::{Bounds, Pattern, Rules},
};

/// Deepest schema that is read. Kubernetes itself has no such limit; those of Istio's operators go down about twenty.
const DEEPEST: usize = 100;

/// Keys that ask something beside type and fields.
const RULES: [&str; 19] = [
    "required",
    "enum",
    "pattern",
    "format",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
];

/// Why bytes are no schema.
#[derive(Debug, thiserror::Error)]
pub enum NotASchema {
    /// They are no JSON.
    #[error("not JSON")]
    Json(#[source] serde_json::Error),
    /// They are JSON, and no schema.
    #[error("{at}: {what}")]
    Shape {
        /// Where, from the top of the schema.
        at: String,
        /// What is wrong there.
        what: &'static str,
    },
}

type Read<T> = Result<T, NotASchema>;

/// Where the reader stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    above: Option<&'a Place<'a>>,
    step: &'a str,
    depth: usize,
    patterns: &'a Patterns,
}

/// The patterns of a schema, each once.
#[derive(Default)]
struct Patterns(RefCell<BTreeMap<String, Arc<Pattern>>>);

impl Patterns {
    fn of(&self, text: &str) -> Arc<Pattern> {
        let mut known = self.0.borrow_mut();
        Arc::clone(known.entry(text.to_owned()).or_insert_with(|| Arc::new(Pattern::new(text))))
    }
}

impl<'a> Place<'a> {
    fn below(&'a self, step: &'a str) -> Place<'a> {
        Place { above: Some(self), step, depth: self.depth + 1, patterns: self.patterns }
    }

    fn path(&self) -> String {
        match self.above {
            Some(above) => format!("{}/{}", above.path(), self.step),
            None => self.step.to_owned(),
        }
    }

    fn wrong(&self, what: &'static str) -> NotASchema {
        NotASchema::Shape { at: self.path(), what }
    }
}

pub(super) fn root(tree: &Value) -> Read<Node> {
    let patterns = Patterns::default();
    let place = Place { above: None, step: "openAPIV3Schema", depth: 0, patterns: &patterns };
    if !tree.is_object() {
        return Err(place.wrong("a schema is a map"));
    }
    node(tree, &place)
}

fn node(tree: &Value, place: &Place<'_>) -> Read<Node> {
    let Value::Object(said) = tree else { return Err(place.wrong("a schema is a map")) };
    if place.depth > DEEPEST {
        return Err(place.wrong("it is too deep"));
    }
    let is = |key: &str| said.get(key).and_then(Value::as_bool).unwrap_or_default();
    Ok(Node {
        kind: kind(said, place)?,
        nullable: is("nullable"),
        int_or_text: is("x-kubernetes-int-or-string"),
        embedded: is("x-kubernetes-embedded-resource"),
        has_default: said.contains_key("default"),
        fields: fields(said, place)?,
        rest: rest(said, is("x-kubernetes-preserve-unknown-fields"), place)?,
        item: said.get("items").map(|item| node(item, &place.below("items")).map(Box::new)).transpose()?,
        told_by: told_by(said, place)?,
        rules: RULES
            .iter()
            .any(|key| said.contains_key(*key))
            .then(|| rules(said, place).map(Box::new))
            .transpose()?,
    })
}

fn kind(said: &Map<String, Value>, place: &Place<'_>) -> Read<Option<Type>> {
    let Some(word) = said.get("type") else { return Ok(None) };
    let known = Type::ALL.into_iter().find(|(known, _)| word == known);
    known.map(|(_, kind)| Some(kind)).ok_or_else(|| place.below("type").wrong("no type of JSON"))
}

fn fields(said: &Map<String, Value>, place: &Place<'_>) -> Read<BTreeMap<String, Node>> {
    let place = place.below("properties");
    match said.get("properties") {
        None => Ok(Default::default()),
        Some(Value::Object(fields)) => {
            let read =
                |(name, field): (&String, &Value)| Ok((name.clone(), node(field, &place.below(name))?));
            fields.iter().map(read).collect()
        }
        Some(_) => Err(place.wrong("expected a map")),
    }
}

fn rest(said: &Map<String, Value>, is_kept: bool, place: &Place<'_>) -> Read<Rest> {
    match said.get("additionalProperties") {
        Some(Value::Bool(true)) => Ok(Rest::Kept),
        Some(each @ Value::Object(_)) => {
            Ok(Rest::Each(Box::new(node(each, &place.below("additionalProperties"))?)))
        }
        None | Some(Value::Bool(false)) => Ok(if is_kept { Rest::Kept } else { Rest::Unknown }),
        Some(_) => Err(place.below("additionalProperties").wrong("expected a schema, true or false")),
    }
}

fn told_by(said: &Map<String, Value>, place: &Place<'_>) -> Read<ToldBy> {
    match said.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => Ok(ToldBy::Value),
        Some("map") => Ok(ToldBy::Keys(texts(said, "x-kubernetes-list-map-keys", place)?)),
        Some(_) | None => Ok(ToldBy::Place),
    }
}

fn rules(said: &Map<String, Value>, place: &Place<'_>) -> Read<Rules> {
    let bound = |key: &'static str| match said.get(key) {
        None => Ok(None),
        Some(bound) => {
            bound.as_u64().map(Some).ok_or_else(|| place.below(key).wrong("expected a whole number"))
        }
    };
    let bounds = |least, most| Ok(Bounds { least: bound(least)?, most: bound(most)? });
    let number = |key: &str| said.get(key).and_then(Value::as_f64);
    let is = |key: &str| said.get(key).and_then(Value::as_bool).unwrap_or_default();
    let several = |key: &'static str| match said.get(key) {
        None => Ok(Vec::new()),
        Some(Value::Array(nodes)) => nodes.iter().map(|one| node(one, &place.below(key))).collect(),
        Some(_) => Err(place.below(key).wrong("expected a list of schemas")),
    };
    Ok(Rules {
        required: texts(said, "required", place)?,
        words: said.get("enum").and_then(Value::as_array).cloned(),
        pattern: said.get("pattern").and_then(Value::as_str).map(|text| place.patterns.of(text)),
        format: said.get("format").and_then(Value::as_str).and_then(Format::of),
        length: bounds("minLength", "maxLength")?,
        items: bounds("minItems", "maxItems")?,
        fields: bounds("minProperties", "maxProperties")?,
        least: number("minimum").map(|least| (least, is("exclusiveMinimum"))),
        most: number("maximum").map(|most| (most, is("exclusiveMaximum"))),
        multiple_of: number("multipleOf").filter(|step| *step > 0.0),
        all_of: several("allOf")?,
        any_of: several("anyOf")?,
        one_of: several("oneOf")?,
        not: said.get("not").map(|not| node(not, &place.below("not")).map(Box::new)).transpose()?,
    })
}

fn texts(said: &Map<String, Value>, key: &'static str, place: &Place<'_>) -> Read<Vec<String>> {
    let Some(value) = said.get(key) else { return Ok(Vec::new()) };
    let texts: Option<Vec<String>> = value
        .as_array()
        .and_then(|texts| texts.iter().map(|text| text.as_str().map(str::to_owned)).collect());
    texts.ok_or_else(|| place.below(key).wrong("expected a list of texts"))
}
