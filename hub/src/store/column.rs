//! Columns: how values of the domain are written, and read back or found to be corrupt.

use hub_core::{
    digest::Digest,
    drift::{HealClass, HealClasses},
    fleet::Name,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::Error;

/// A row that is being read: names it where a column cannot be.
pub(super) struct Row {
    table: &'static str,
    id: String,
}

impl Row {
    pub(super) fn of(table: &'static str, id: impl ToString) -> Self {
        Self { table, id: id.to_string() }
    }

    /// The error for a column of this row.
    pub(super) fn corrupt(&self, column: &'static str) -> Error {
        Error::Corrupt { table: self.table, column, id: self.id.clone() }
    }

    pub(super) fn number(&self, column: &'static str, number: i64) -> Result<u64, Error> {
        u64::try_from(number).map_err(|_| self.corrupt(column))
    }

    pub(super) fn digest(&self, column: &'static str, bytes: &[u8]) -> Result<Digest, Error> {
        Digest::try_from(bytes).map_err(|_| self.corrupt(column))
    }

    pub(super) fn maybe_digest(
        &self,
        column: &'static str,
        bytes: Option<&[u8]>,
    ) -> Result<Option<Digest>, Error> {
        bytes.map(|bytes| self.digest(column, bytes)).transpose()
    }

    pub(super) fn name(&self, column: &'static str, text: &str) -> Result<Name, Error> {
        Name::parse(text).map_err(|_| self.corrupt(column))
    }

    /// A word of one of our enums.
    pub(super) fn word<T: DeserializeOwned>(&self, column: &'static str, word: &str) -> Result<T, Error> {
        self.json(column, Value::String(word.to_owned()))
    }

    /// Words of classes of drift that are healed.
    pub(super) fn heal(&self, column: &'static str, words: &[String]) -> Result<HealClasses, Error> {
        words.iter().map(|word| self.word::<HealClass>(column, word)).collect()
    }

    pub(super) fn json<T: DeserializeOwned>(&self, column: &'static str, value: Value) -> Result<T, Error> {
        serde_json::from_value(value).map_err(|_| self.corrupt(column))
    }

    /// A value that must be there in the state that the row says.
    pub(super) fn given<T>(&self, column: &'static str, value: Option<T>) -> Result<T, Error> {
        value.ok_or_else(|| self.corrupt(column))
    }
}

/// Generations and epochs come from spokes too; what Postgres cannot hold is as good as its largest number: ahead of
/// everything that this hub ever gave out.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The words of classes of drift that are healed.
pub(super) fn heal(classes: HealClasses) -> Vec<String> {
    classes.iter().map(|class| class.as_str().to_owned()).collect()
}

pub(super) fn bytes(digest: &Digest) -> &[u8] {
    digest.as_bytes()
}

/// JSON of plain data, as a jsonb column takes it.
pub(super) fn json<T: Serialize>(value: &T) -> Value {
    let mut value = serde_json::to_value(value).expect("plain data becomes JSON");
    strip(&mut value);
    value
}

/// The word of one of our enums.
pub(super) fn word<T: Serialize>(value: &T) -> String {
    match json(value) {
        Value::String(word) => word,
        other => other.to_string(),
    }
}

/// Text as Postgres takes it: a spoke may send a NUL, which it does not.
pub(super) fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn strip(value: &mut Value) {
    match value {
        Value::String(one) if one.contains('\0') => *one = text(one),
        Value::Array(items) => items.iter_mut().for_each(strip),
        Value::Object(map) => {
            map.retain(|key, _| !key.contains('\0'));
            map.values_mut().for_each(strip);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use hub_core::report::Phase;
    use serde_json::json;

    use super::*;

    #[test]
    fn words_survive_their_column() {
        let row = Row::of("report", 1);
        let phase: Phase = row.word("phase", &word(&Phase::Converging)).unwrap();
        assert_eq!(phase, Phase::Converging);
        let error = row.word::<Phase>("phase", "Asleep").unwrap_err();
        assert_eq!(error.to_string(), "report.phase of row 1 cannot be read");
    }

    #[test]
    fn what_postgres_cannot_hold_is_replaced() {
        assert_eq!(json(&json!({"a": ["b\0"], "c\0": 1})), json!({"a": ["b\u{fffd}"]}));
        assert_eq!(signed(u64::MAX), i64::MAX);
    }
}
