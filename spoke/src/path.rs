//! Paths of fields: `.spec.containers[name="discovery"].image`.
//!
//! The spelling is the one that API servers use in conflicts, so that a conflict, a drift item and an allowance to
//! overwrite name a field with the same text. That spelling does not quote names with dots in them, so it is compared as
//! text or looked up among known paths; what is kept is the spelling of managedFields, which loses nothing.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One step into an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element {
    /// A field of a map.
    Field(String),
    /// The item of a list that has these values.
    Key(Map<String, Value>),
    /// The item of a list that is this value.
    Item(Value),
    /// The item of a list at this place.
    Index(usize),
}

/// A path of a field.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Path(Vec<Element>);

/// A text that is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a path: {text:?} at {at:?}; a path looks like .spec.containers[name=\"x\"].image")]
pub struct NotAPath {
    text: String,
    at: String,
}

impl Path {
    /// The steps.
    #[must_use]
    pub fn elements(&self) -> &[Element] {
        &self.0
    }

    /// This path and one step more.
    #[must_use]
    pub fn then(&self, element: Element) -> Self {
        let mut elements = self.0.clone();
        elements.push(element);
        Self(elements)
    }

    /// The value that stands there.
    #[must_use]
    pub fn get<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(object, |value, element| element.get(value))
    }

    /// Replaces the value that stands there, if there is one.
    pub fn replace(&self, object: &mut Value, with: Value) {
        if let Some(place) = self.0.iter().try_fold(object, |value, element| element.get_mut(value)) {
            *place = with;
        }
    }

    /// Takes the value away that stands there, and what holds nothing else: maps and lists that would be empty, and an item
    /// of a list that would lack what it is told apart by.
    pub fn remove(&self, object: &mut Value) {
        remove(object, &self.0);
    }
}

/// Whether `value` holds nothing any more.
fn remove(value: &mut Value, path: &[Element]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    let Some(child) = first.get_mut(value) else { return false };
    let loses_its_key = match (first, rest) {
        (Element::Key(key), [Element::Field(name)]) => key.contains_key(name),
        _ => false,
    };
    if loses_its_key || remove(child, rest) {
        first.take_out(value);
    }
    match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

impl Element {
    fn get<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Field(name) => value.get(name),
            Self::Key(key) => value.as_array()?.iter().find(|item| has_key(item, key)),
            Self::Item(wanted) => value.as_array()?.iter().find(|item| *item == wanted),
            Self::Index(index) => value.as_array()?.get(*index),
        }
    }

    fn get_mut<'a>(&self, value: &'a mut Value) -> Option<&'a mut Value> {
        match self {
            Self::Field(name) => value.get_mut(name),
            Self::Key(_) | Self::Item(_) | Self::Index(_) => {
                let place = self.place(value.as_array()?)?;
                value.get_mut(place)
            }
        }
    }

    /// Which item of a list is meant.
    fn place(&self, items: &[Value]) -> Option<usize> {
        match self {
            Self::Field(_) => None,
            Self::Key(key) => items.iter().position(|item| has_key(item, key)),
            Self::Item(wanted) => items.iter().position(|item| item == wanted),
            Self::Index(index) => (*index < items.len()).then_some(*index),
        }
    }

    fn take_out(&self, value: &mut Value) {
        match (self, value) {
            (Self::Field(name), Value::Object(fields)) => drop(fields.remove(name)),
            (_, Value::Array(items)) => {
                if let Some(place) = self.place(items) {
                    items.remove(place);
                }
            }
            _ => {}
        }
    }

    /// Reads a key of managedFields: `f:name`, `k:{…}`, `v:…`, `i:0`. None for `.`, which is the node itself.
    #[must_use]
    pub fn from_managed(key: &str) -> Option<Self> {
        let (tag, rest) = key.split_once(':')?;
        match tag {
            "f" => Some(Self::Field(rest.to_owned())),
            "k" => serde_json::from_str(rest).ok().map(Self::Key),
            "v" => serde_json::from_str(rest).ok().map(Self::Item),
            "i" => rest.parse().ok().map(Self::Index),
            _ => None,
        }
    }

    fn to_managed(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(key) => format!("k:{}", Value::Object(key.clone())),
            Self::Item(value) => format!("v:{value}"),
            Self::Index(index) => format!("i:{index}"),
        }
    }
}

/// Whether an item of a list has all values of a key.
#[must_use]
pub fn has_key(item: &Value, key: &Map<String, Value>) -> bool {
    key.iter().all(|(name, value)| item.get(name) == Some(value))
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(key) => {
                f.write_str("[")?;
                let mut entries: Vec<_> = key.iter().collect();
                entries.sort_by_key(|(name, _)| *name);
                for (index, (name, value)) in entries.into_iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(f, "{comma}{name}={value}")?;
                }
                f.write_str("]")
            }
            Self::Item(value) => write!(f, "[={value}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|element| write!(f, "{element}"))
    }
}

impl From<Path> for Vec<String> {
    fn from(path: Path) -> Self {
        path.0.iter().map(Element::to_managed).collect()
    }
}

impl TryFrom<Vec<String>> for Path {
    type Error = NotAPath;

    fn try_from(keys: Vec<String>) -> Result<Self, NotAPath> {
        let read = |key: &String| {
            Element::from_managed(key).ok_or_else(|| NotAPath { text: keys.join(" "), at: key.clone() })
        };
        keys.iter().map(read).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Path {
    type Err = NotAPath;

    /// Reads the dotted spelling. A name with dots in it is written `["a.b/c"]`.
    fn from_str(text: &str) -> Result<Self, NotAPath> {
        let mut rest = text;
        let mut elements = Vec::new();
        while !rest.is_empty() {
            let Some((element, after)) = read_element(rest) else {
                return Err(NotAPath { text: text.to_owned(), at: rest.to_owned() });
            };
            elements.push(element);
            rest = after;
        }
        if elements.is_empty() {
            return Err(NotAPath { text: String::new(), at: String::new() });
        }
        Ok(Self(elements))
    }
}

fn read_element(text: &str) -> Option<(Element, &str)> {
    if let Some(name) = text.strip_prefix('.') {
        let end = name.find(['.', '[']).unwrap_or(name.len());
        let sound = end > 0 && !name[..end].contains([']', '"']);
        return sound.then(|| (Element::Field(name[..end].to_owned()), &name[end..]));
    }
    let inside = text.strip_prefix('[')?;
    if let Some(item) = inside.strip_prefix('=') {
        let (value, after) = read_json(item)?;
        return Some((Element::Item(value), after.strip_prefix(']')?));
    }
    if inside.starts_with('"') {
        let (Value::String(name), after) = read_json(inside)? else { return None };
        return Some((Element::Field(name), after.strip_prefix(']')?));
    }
    if inside.starts_with(|first: char| first.is_ascii_digit()) {
        let (index, after) = inside.split_once(']')?;
        return Some((Element::Index(index.parse().ok()?), after));
    }
    read_key(inside)
}

fn read_key(mut text: &str) -> Option<(Element, &str)> {
    let mut key = Map::new();
    loop {
        let (name, value) = text.split_once('=')?;
        if name.is_empty() || name.contains(['[', ']', '.', '"']) {
            return None;
        }
        let (value, after) = read_json(value)?;
        key.insert(name.to_owned(), value);
        match after.strip_prefix(',') {
            Some(more) => text = more,
            None => return Some((Element::Key(key), after.strip_prefix(']')?)),
        }
    }
}

/// A JSON value at the beginning of `text`, and what follows it.
fn read_json(text: &str) -> Option<(Value, &str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let value = values.next()?.ok()?;
    Some((value, &text[values.byte_offset()..]))
}

/// Paths in the dotted spelling, for serde.
pub mod dotted {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::Path;

    /// Writes a path.
    ///
    /// # Errors
    /// Only the serializer's own.
    pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(path)
    }

    /// Reads a path.
    ///
    /// # Errors
    /// If the text is no path.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Path, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
