//! Documents of Kubernetes write `null` where they mean nothing: read as the default.

use serde::{Deserialize, Deserializer};

/// The value, or its default for `null`.
pub fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
