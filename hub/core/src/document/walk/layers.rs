//! What layers unset must be known, set before, and not required; what they lay over a named item must make a whole one.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::{NAME, NOT_SERVED, Place, Walk, field, names};
use crate::{
    config::path,
    document::{
        kinds,
        mistake::{join, quote},
        nearest::nearest,
        schema::{Field, MapRule, Shape, Unique, served},
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
        let mut named = Named::default();
        if let Some(Node { value: Value::Map(base), .. }) = field(spec, "base") {
            named.note(base);
        }
        let Some(Node { value: Value::List(layers), .. }) = field(spec, "layers") else { return };
        for (index, layer) in layers.iter().enumerate() {
            let Value::Map(layer) = &layer.value else { continue };
            let path = format!("{}[{index}]", join(&place.path, "layers"));
            let set = map_outline(layer, "set");
            let unset = unset(layer, &path);
            let known: Vec<&Unset<'_>> =
                unset.iter().filter(|unset| self.is_set(unset, &earlier, &set)).collect();
            self.leaves_what_is_required(&known, &earlier, &set);
            named.forget(&known);
            if let Some(Node { value: Value::Map(set), .. }) = field(layer, "set") {
                self.new_ones_are_whole(set, &named, &format!("{path}.set"));
                named.note(set);
            }
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

    /// An item of a named list that nothing earlier has must say everything.
    fn new_ones_are_whole(&mut self, set: &[Entry], earlier: &Named<'_>, path: &str) {
        for (list, fields, items) in named_lists(set) {
            for (index, node) in items.iter().enumerate() {
                let Some((name, item)) = named_item(node).filter(|(name, _)| !earlier.has(list, name)) else {
                    continue;
                };
                let lacks =
                    fields.iter().filter(|wanted| wanted.required && field(item, wanted.name).is_none());
                for lacking in lacks {
                    let place = join(&format!("{}[{index}]", join(path, list)), lacking.name);
                    let message = format!(
                        "missing: neither the base nor an earlier layer has {} in {list}",
                        quote(name)
                    );
                    let hint = match earlier.near(list, name) {
                        Some(meant) => {
                            format!("did you mean {}? a new one needs it, {}", quote(meant), lacking.example)
                        }
                        None => lacking.example.to_owned(),
                    };
                    self.add(node.at, &place, message, hint);
                }
            }
        }
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

/// Names of the items that stand in named lists so far.
#[derive(Default)]
struct Named<'a>(BTreeSet<(&'static str, &'a str)>);

impl<'a> Named<'a> {
    fn note(&mut self, base: &'a [Entry]) {
        for (list, _, items) in named_lists(base) {
            self.0.extend(items.iter().filter_map(|item| Some((list, named_item(item)?.0))));
        }
    }

    fn forget(&mut self, unset: &[&Unset<'_>]) {
        let taken = |list: &str| unset.iter().any(|unset| unset.keys.len() == 1 && unset.keys[0] == list);
        self.0.retain(|(list, _)| !taken(list));
    }

    fn near(&self, list: &'static str, name: &str) -> Option<&'a str> {
        let names = self.0.iter().filter(|(of, _)| *of == list).map(|(_, name)| *name);
        nearest(name, names.take(MOST_SIBLINGS))
    }

    fn has(&self, list: &'static str, name: &'a str) -> bool {
        self.0.contains(&(list, name))
    }
}

/// The lists of a base whose items are told by their names: the list's name, the fields of an item, the items.
fn named_lists(base: &[Entry]) -> impl Iterator<Item = (&'static str, &'static [Field], &[Node])> {
    let Shape::Map { fields, .. } = &kinds::BASE_SHAPE else { return None.into_iter().flatten() };
    let lists = fields.iter().filter_map(|list| match (&list.shape, &field(base, list.name)?.value) {
        (Shape::List { item: Shape::Map { fields, .. }, unique: Unique::Name, .. }, Value::List(items)) => {
            Some((list.name, *fields, items.as_slice()))
        }
        _ => None,
    });
    Some(lists).into_iter().flatten()
}

/// The name and the fields of an item.
fn named_item(node: &Node) -> Option<(&str, &[Entry])> {
    let Value::Map(entries) = &node.value else { return None };
    let Value::Scalar { text, .. } = &field(entries, NAME)?.value else { return None };
    Some((text, entries))
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
