//! Where a value was written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The name that [`ConfigOrigin::layer`] has for the base; no layer may have it.
pub const BASE: &str = "base";

/// The name that [`ConfigOrigin::layer`] has for what nobody wrote; no layer may have it.
pub const DEFAULT: &str = "default";

/// The lines of a document, by the paths of its values below `spec`, for example `base.istio.version` or
/// `layers[production].set.values.istiod.pilot.autoscaleMin`. Layers and waves go by their `name`, all other items of lists
/// by their place.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SourceMap {
    /// As the operator named it.
    pub file: String,
    /// From 1.
    pub lines: BTreeMap<String, u32>,
}

/// Where a value of an effective config comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConfigOrigin {
    /// [`BASE`], the name of a layer, or [`DEFAULT`]. Defaults that were written out when the config was stored count as
    /// the base's here; [`SourceMap::place`] tells them apart.
    pub layer: String,
    /// Its path in the document: a key of [`SourceMap::lines`].
    pub path: String,
    /// The text as it was written, for example `mesh-${cluster}`, where it names variables of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
}

/// Where people find a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// [`BASE`], the name of a layer, or [`DEFAULT`].
    pub layer: &'a str,
    /// Its path in the document; of a default, which stands in no document, its path in the effective config.
    pub path: &'a str,
    /// The file and the line; none for a default, and for a config whose lines are not known.
    pub line: Option<(&'a str, u32)>,
}

impl SourceMap {
    /// Where people find a value of this document.
    #[must_use]
    pub fn place<'a>(&'a self, origin: &'a ConfigOrigin) -> Place<'a> {
        let line = self.lines.get(&origin.path).map(|line| (self.file.as_str(), *line));
        let written = origin.layer != DEFAULT && (line.is_some() || self.lines.is_empty());
        if written {
            return Place { layer: &origin.layer, path: &origin.path, line };
        }
        // Where a layer took away what the base says, the line of that is not where the default comes from.
        let path =
            origin.path.strip_prefix(BASE).map_or(origin.path.as_str(), |path| path.trim_start_matches('.'));
        Place { layer: DEFAULT, path, line: None }
    }
}
