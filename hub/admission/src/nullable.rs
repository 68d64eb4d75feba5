//! Documents of Kubernetes write `null` where they mean nothing: read as the default.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serializer};

/// The value, or its default for `null`.
pub fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A list of names that are shared from now on, or none for `null`.
pub fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Arc<str>>, D::Error> {
    let names: Vec<String> = nullable(deserializer)?;
    Ok(names.into_iter().map(Arc::from).collect())
}

/// The same way back.
pub fn write_names<S: Serializer>(names: &[Arc<str>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(names.iter().map(AsRef::<str>::as_ref))
}
