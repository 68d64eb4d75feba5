//! Paths into documents and configs: `values.istiod.pilot.autoscaleMin`, `waves[first].clusters`, `labels["a.b/c"]`.
//!
//! A path is made of keys, of names of items in brackets, and of indexes in brackets. The same value has the same path
//! wherever it is spoken of: in the map of a file's lines, in origins, in differences.

use std::collections::BTreeMap;

use serde_json::Value;

/// The path of `key` below `path`. Keys that are not plain words stand in brackets and quotes, as in `labels["a.b/c"]`.
#[must_use]
pub fn join(path: &str, key: &str) -> String {
    match (is_plain(key), path.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{path}.{key}"),
        (false, _) => format!("{path}[{}]", Value::from(key)),
    }
}

/// The path of an item by its place, from 0, or by its name.
#[must_use]
pub fn item(path: &str, item: impl std::fmt::Display) -> String {
    format!("{path}[{item}]")
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Whether `path` is `above` or stands below it.
#[must_use]
pub fn is_within(path: &str, above: &str) -> bool {
    let Some(rest) = path.strip_prefix(above) else { return false };
    above.is_empty() || rest.is_empty() || rest.starts_with(['.', '['])
}

/// The keys of a path that is made of keys only. None if it is not.
#[must_use]
pub fn keys(path: &str) -> Option<Vec<String>> {
    let mut keys = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('[') {
            let mut texts = serde_json::Deserializer::from_str(quoted).into_iter::<String>();
            keys.push(texts.next()?.ok()?);
            rest = quoted[texts.byte_offset()..].strip_prefix(']')?;
        } else {
            let plain = if keys.is_empty() { rest } else { rest.strip_prefix('.')? };
            let end = plain.find(['.', '[']).unwrap_or(plain.len());
            let (key, further) = plain.split_at(end);
            if !is_plain(key) {
                return None;
            }
            keys.push(key.to_owned());
            rest = further;
        }
    }
    if keys.is_empty() { None } else { Some(keys) }
}

/// All values that are no map and no list, and all empty maps and lists, by their paths below `path`. Items of lists go
/// by their place.
pub fn leaves<'v>(value: &'v Value, path: &str, found: &mut BTreeMap<String, &'v Value>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(key, value)| leaves(value, &join(path, key), found));
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(index, value)| leaves(value, &item(path, index), found));
        }
        leaf => {
            found.insert(path.to_owned(), leaf);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_from_their_path() {
        for keys_in in [vec!["a"], vec!["values", "x-1", "a.b/c"], vec!["a.b", "c"], vec!["a", "", "\"]"]] {
            let path = keys_in.iter().fold(String::new(), |path, key| join(&path, key));
            assert_eq!(keys(&path).unwrap(), keys_in, "{path}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "a[0]", "a[b]", "a[\"b\"", "a[\"b\"]c", "a b", "[\"a\"]b"] {
            assert_eq!(keys(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_longer_word_is_not_within_a_shorter_one() {
        assert!(is_within("a.b", "a") && is_within("a[0]", "a") && is_within("a", "a") && is_within("a", ""));
        assert!(!is_within("ab", "a") && !is_within("a", "a.b"));
    }
}
