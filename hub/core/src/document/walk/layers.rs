//! What layers unset: it must be known, set before, and not required.

use serde_json::{Map, Value as Json};

use super::{NOT_SERVED, Place, Walk, names};
use crate::{
    config::path,
    document::{
        kinds,
        mistake::{join, quote},
        nearest::nearest,
        schema::{MapRule, Shape, served},
        tree::{Entry, Node, Position, Value},
    },
};

/// Most keys among which the nearest is looked for: a comparison costs the square of a key's length.
const MOST_SIBLINGS: usize = 500;

/// One path of one `unset`.
struct Unset<'a> {
    at: Position,
    /// Where it stands.
    place: String,
    text: &'a str,
    keys: Vec<String>,
}

impl Walk<'_, '_> {
    /// Looks at the layers of a config, one after the other: each over all that the base and earlier layers set.
    pub(super) fn layers(&mut self, spec: &[Entry], place: &Place) {
        let mut earlier = map_outline(spec, "base");
        let Some(Node { value: Value::List(layers), .. }) = field(spec, "layers") else { return };
        for (index, layer) in layers.iter().enumerate() {
            let Value::Map(layer) = &layer.value else { continue };
            let path = format!("{}[{index}]", join(&place.path, "layers"));
            let set = map_outline(layer, "set");
            let unset = unset(layer, &path);
            let known: Vec<&Unset<'_>> =
                unset.iter().filter(|unset| self.is_set(unset, &earlier, &set)).collect();
            self.leaves_what_is_required(&known, &earlier, &set);
            lay(&mut earlier, set);
        }
    }

    /// Whether a path is known and was set before. If not, says so.
    fn is_set(&mut self, unset: &Unset<'_>, earlier: &Json, set: &Json) -> bool {
        if let Err((message, hint)) = is_known(&kinds::BASE_SHAPE, &unset.keys) {
            self.add(unset.at, &unset.place, format!("{message} {}", quote(unset.text)), hint);
            return false;
        }
        if find(earlier, &unset.keys).is_some() {
            return true;
        }
        let meant = if self.mistakes.is_full() { None } else { near(earlier, &unset.keys) };
        let hint = match meant {
            _ if find(set, &unset.keys).is_some() => {
                "`set` of this layer sets it; remove it from one of the two".to_owned()
            }
            Some(path) => format!("did you mean `{path}`?"),
            None => "remove it: there is nothing to take away".to_owned(),
        };
        let message = format!("neither the base nor an earlier layer sets {}", quote(unset.text));
        self.add(unset.at, &unset.place, message, hint);
        false
    }

    fn leaves_what_is_required(&mut self, unset: &[&Unset<'_>], earlier: &Json, set: &Json) {
        let before = missing(&kinds::BASE_SHAPE, earlier);
        // Nothing is required below values, and they are what is long.
        let mut after: Json = earlier
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(key, _)| *key != "values")
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        for unset in unset {
            remove(&mut after, &unset.keys);
        }
        lay(&mut after, set.clone());
        let lost = missing(&kinds::BASE_SHAPE, &after).into_iter().filter(|path| !before.contains(path));
        let lost: Vec<String> = lost.collect();
        for unset in unset {
            let path = unset.keys.iter().fold(String::new(), |path, key| path::join(&path, key));
            let gone = lost.iter().find(|lost| path::is_within(lost, &path) || path::is_within(&path, lost));
            if let Some(gone) = gone {
                let message = if path::is_within(gone, &path) {
                    format!("{gone} is required and cannot be taken away")
                } else {
                    format!("nothing would be left of {gone}, which is required")
                };
                self.add(unset.at, &unset.place, message, "give it another value under `set` instead");
            }
        }
    }
}

fn field<'a>(entries: &'a [Entry], name: &str) -> Option<&'a Node> {
    entries.iter().find(|entry| entry.key == name).map(|entry| &entry.value)
}

fn unset<'a>(layer: &'a [Entry], path: &str) -> Vec<Unset<'a>> {
    let Some(Node { value: Value::List(items), .. }) = field(layer, "unset") else { return Vec::new() };
    let read = |(index, item): (usize, &'a Node)| match &item.value {
        Value::Scalar { text, .. } => {
            let place = format!("{}[{index}]", join(path, "unset"));
            Some(Unset { at: item.at, place, text, keys: path::keys(text)? })
        }
        Value::List(_) | Value::Map(_) | Value::Refused => None,
    };
    items.iter().enumerate().filter_map(read).collect()
}

/// The outline of a field that must be a map; nothing of one that is none.
fn map_outline(entries: &[Entry], name: &str) -> Json {
    let outline = field(entries, name).map(outline).filter(Json::is_object);
    outline.unwrap_or_else(|| Json::Object(Map::new()))
}

/// The maps and keys of a node; all else is one leaf.
fn outline(node: &Node) -> Json {
    match &node.value {
        Value::Map(entries) => {
            Json::Object(entries.iter().map(|entry| (entry.key.clone(), outline(&entry.value))).collect())
        }
        Value::Scalar { .. } | Value::List(_) | Value::Refused => Json::Bool(true),
    }
}

/// Lays one outline over another.
fn lay(into: &mut Json, from: Json) {
    match (into, from) {
        (Json::Object(into), Json::Object(from)) => {
            for (key, value) in from {
                lay(into.entry(key).or_insert(Json::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

fn remove(from: &mut Json, keys: &[String]) {
    let (Some((key, below)), Json::Object(fields)) = (keys.split_first(), from) else { return };
    if below.is_empty() {
        fields.remove(key);
    } else if let Some(value) = fields.get_mut(key) {
        remove(value, below);
        if value.as_object().is_some_and(Map::is_empty) {
            fields.remove(key);
        }
    }
}

fn find<'a>(outline: &'a Json, keys: &[String]) -> Option<&'a Json> {
    keys.iter().try_fold(outline, |value, key| value.get(key))
}

/// The path that was probably meant: with another last key, or another key where the path leaves what is set.
fn near(outline: &Json, keys: &[String]) -> Option<String> {
    let depth = (0..keys.len()).rev().find(|depth| find(outline, &keys[..*depth]).is_some())?;
    let siblings = find(outline, &keys[..depth])?.as_object()?;
    let meant = nearest(&keys[depth], siblings.keys().take(MOST_SIBLINGS).map(String::as_str))?.to_owned();
    let corrected: Vec<String> =
        keys[..depth].iter().chain([&meant]).chain(&keys[depth + 1..]).cloned().collect();
    find(outline, &corrected)?;
    Some(corrected.iter().fold(String::new(), |path, key| path::join(&path, key)))
}

/// Whether keys lead to something that a shape knows, or what is wrong with the first that does not.
fn is_known(shape: &'static Shape, keys: &[String]) -> Result<(), (String, String)> {
    let Some((key, below)) = keys.split_first() else { return Ok(()) };
    match shape {
        Shape::Map { fields, .. } => match fields.iter().find(|field| field.name == key) {
            Some(field) if matches!(field.shape, Shape::NotYet) => {
                Err((format!("{NOT_SERVED}:"), "remove it: a later release brings it".to_owned()))
            }
            Some(field) => is_known(&field.shape, below),
            None => Err((
                "unknown field in".to_owned(),
                match nearest(key, served(fields).map(|field| field.name)) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => format!("known there: {}", names(fields)),
                },
            )),
        },
        Shape::Partial(whole) => is_known(whole, keys),
        Shape::Texts(_) | Shape::FreeMap | Shape::Free | Shape::Anything => Ok(()),
        Shape::List { .. } | Shape::Text(_) | Shape::Choice(_) | Shape::Number { .. } | Shape::NotYet => {
            let hint = "end the path before the last key; lists are taken away whole".to_owned();
            Err(("a single value or a list has no keys:".to_owned(), hint))
        }
    }
}

/// Paths of what is required and not there.
fn missing(shape: &Shape, outline: &Json) -> Vec<String> {
    let mut found = Vec::new();
    collect_missing(shape, outline, "", &mut found);
    found
}

fn collect_missing(shape: &Shape, outline: &Json, at: &str, found: &mut Vec<String>) {
    let (Shape::Map { fields, rule }, Json::Object(there)) = (shape, outline) else { return };
    if matches!(rule, Some(MapRule::AnyField)) && there.is_empty() {
        found.push(at.to_owned());
    }
    for field in *fields {
        let path = path::join(at, field.name);
        match there.get(field.name) {
            Some(value) => collect_missing(&field.shape, value, &path, found),
            None if field.required => found.push(path),
            None => {}
        }
    }
}
