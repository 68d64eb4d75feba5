//! Values that the schema knows nothing of: what charts take.
//!
//! # Design notes
//! Elsewhere the field decides what a plain scalar is. Here nothing does, so JSON decides: `true`, `false` and numbers as
//! JSON prints them, all else is text. What other readers of YAML take for something else than a text (`yes`, `017`,
//! `0x1f`), and numbers that would not come back as they were written (`1.10`), are refused: quotes say what is meant.

use serde_json::{Map, Value as Json};

use super::{Place, Walk};
use crate::{
    config::{InvalidTemplate, Template},
    document::{
        mistake::{join, quote},
        secret,
        tree::{Entry, Node, Position, Value},
    },
};

/// Longest path below a chart, in bytes. The path of every leaf is kept, so that one long key over many leaves would
/// take memory out of all proportion to the file; charts need a hundred or two.
const LONGEST_PATH: usize = 500;

impl Walk<'_, '_> {
    pub(super) fn free(&mut self, node: &Node, place: &Place) -> Json {
        match &node.value {
            Value::Refused => Json::Null,
            Value::Map(entries) => self.free_map(entries, place),
            Value::List(items) => {
                let walked = items.iter().enumerate().map(|(index, item)| {
                    let path = format!("{}[{index}]", place.path);
                    self.free(item, &Place { path, owner: item.at })
                });
                Json::Array(walked.collect())
            }
            Value::Scalar { text, .. } if secret::is_private_key(text) => {
                self.add(node.at, &place.path, secret::MESSAGE_OF_KEY, secret::HINT);
                Json::Null
            }
            Value::Scalar { .. } if node.is_nothing() => {
                self.nothing(node, &super::Shape::Free, place);
                Json::Null
            }
            Value::Scalar { text, plain: true } => self.plain(node.at, text, place),
            Value::Scalar { text, plain: false } => self.template(node.at, text, place),
        }
    }

    fn free_map(&mut self, entries: &[Entry], place: &Place) -> Json {
        let has = |name: &str| entries.iter().find(|entry| entry.key == name);
        if let Some(Entry { value: Node { value: Value::Scalar { text, .. }, at }, .. }) = has("kind")
            && text == "Secret"
            && (has("data").is_some() || has("stringData").is_some())
        {
            self.add(*at, &join(&place.path, "kind"), secret::MESSAGE, secret::HINT);
            return Json::Null;
        }
        let mut map = Map::new();
        for entry in entries {
            let path = join(&place.path, &entry.key);
            let length_before = self.free_length;
            self.free_length += entry.key.len() + 1;
            if self.free_length > LONGEST_PATH {
                let message = format!("the keys down to here have more than {LONGEST_PATH} characters");
                self.add(entry.at, &path, message, "use shorter keys or less depth");
            } else {
                let value = self.free(&entry.value, &Place { path, owner: entry.at });
                map.insert(entry.key.clone(), value);
            }
            self.free_length = length_before;
        }
        Json::Object(map)
    }

    fn plain(&mut self, at: Position, text: &str, place: &Place) -> Json {
        match text {
            "true" => return Json::Bool(true),
            "false" => return Json::Bool(false),
            _ => {}
        }
        if let Ok(number) = serde_json::from_str::<serde_json::Number>(text) {
            if number.to_string() != text {
                let hint = format!("write {}, or put it in quotes if a text is meant", plainly(&number));
                let message = format!("the number {} is not spelled plainly", quote(text));
                self.add(at, &place.path, message, hint);
            }
            return Json::Number(number);
        }
        if let Some(other) = taken_for(text) {
            let message = format!("{} is {other} to some readers and a text to others", quote(text));
            self.add(at, &place.path, message, "put it in quotes if a text is meant, else write it plainly");
            return Json::Null;
        }
        self.template(at, text, place)
    }

    fn template(&mut self, at: Position, text: &str, place: &Place) -> Json {
        if let Err(error) = Template::parse(text) {
            let hint = match error {
                InvalidTemplate::Unclosed => "close it with }, or write $${ where ${ is meant as it is",
                InvalidTemplate::Name(_) => {
                    "use letters, digits and '_', as in ${cluster}; write $${ where ${ is meant as it is"
                }
            };
            let message = match error {
                InvalidTemplate::Unclosed => error.to_string(),
                InvalidTemplate::Name(name) => format!("{} is no name of a variable", quote(&name)),
            };
            self.add(at, &place.path, message, hint);
        }
        Json::String(text.to_owned())
    }
}

/// A number as it may be written.
fn plainly(number: &serde_json::Number) -> String {
    // All whole numbers below this are kept exactly.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if float.fract() == 0.0 && float.abs() < EXACT => {
            // Adding zero turns -0 into 0.
            format!("{:.0}", float + 0.0)
        }
        _ => number.to_string(),
    }
}

/// What some readers of YAML take a text for that JSON knows nothing of.
fn taken_for(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    if matches!(lower.as_str(), "yes" | "no" | "on" | "off" | "true" | "false") {
        return Some("a truth value");
    }
    let unsigned = lower.trim_start_matches(['+', '-']);
    let digits_in = |rest: &str, radix: u32| {
        !rest.is_empty() && rest.chars().all(|c| c.is_digit(radix) || c == '_') && rest != "_"
    };
    let with_prefix = [("0x", 16), ("0o", 8), ("0b", 2)];
    let prefixed = with_prefix
        .iter()
        .any(|(prefix, radix)| unsigned.strip_prefix(prefix).is_some_and(|rest| digits_in(rest, *radix)));
    let begins = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let decimal = begins && unsigned.replace('_', "").parse::<f64>().is_ok();
    let beyond = matches!(unsigned, ".inf" | ".nan");
    (prefixed || decimal || beyond).then_some("a number")
}

#[cfg(test)]
mod tests {
    use super::taken_for;

    #[test]
    fn what_readers_of_yaml_disagree_about_is_known() {
        for text in
            ["yes", "Off", "TRUE", "0x1F", "0o17", "017", "1_000", "+1", ".5", "5.", "-.inf", ".NaN", "-0b1"]
        {
            assert!(taken_for(text).is_some(), "{text}");
        }
        for text in [
            "y",
            "1.17.8",
            "100m",
            "2Gi",
            "inf",
            "nan",
            "v1",
            "0x",
            "2027-01-31",
            "12:30",
            "a_b",
            "-",
            ".",
            "_",
        ] {
            assert_eq!(taken_for(text), None, "{text}");
        }
    }
}
