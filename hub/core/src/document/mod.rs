//! Documents: what an operator writes, from bytes to types.
//!
//! YAML becomes a tree with positions (`tree`), the tree is walked against a schema that is data (`schema`,
//! `kinds`), and only a tree without a mistake becomes typed. All mistakes are found, not the first; each says file,
//! line, column, path and what would be right. The bytes come from anyone who may call the API, so nothing here
//! panics, hangs or grows faster than its input.
//!
//! # Design notes
//!
//! The schema, not YAML, decides what a plain scalar is: `version: 1.17` and `name: no` are texts, because their fields
//! are. That keeps YAML's guesses (and their differences between libraries) out of the data. Anchors, aliases, tags and
//! merge keys are refused for the same reason: what stands in the file is what is stored.

mod changes;
mod json_schema;
mod kinds;
mod lines;
mod mistake;
mod nearest;
mod schema;
mod secret;
mod syntax;
mod tree;
mod typed;
mod walk;

#[cfg(test)]
mod tests;

pub use changes::{Change, changes};
pub use json_schema::schema_json;
pub use mistake::Mistake;
pub(crate) use nearest::nearest;
pub use typed::{Unreadable, read_stored};

use std::collections::BTreeMap;

use crate::{
    config::{MeshConfig, SourceMap},
    drift::DriftPolicy,
    fleet::{Labels, Name},
    platform::PlatformName,
    rollout::Strategy,
};
use mistake::{Mistakes, file_name, quote};

/// The one version of the documents so far.
pub const API_VERSION: &str = "meshfleet.dev/v1";

/// Largest file that is read, in bytes. A mesh of hundreds of clusters fits many times; above it, reading would cost
/// the hub memory for no honest use.
pub const MAX_SOURCE_BYTES: usize = 1024 * 1024;

/// A file as it came, with any number of documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// As the operator named it; used in mistakes only.
    pub name: String,
    /// Its bytes.
    pub text: Vec<u8>,
}

/// A document without a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The file that it stands in.
    pub file: String,
    /// Its first line in that file, from 1.
    pub line: u32,
    /// Its name; unique within its kind.
    pub name: Name,
    /// What it says.
    pub spec: Spec,
    /// Canonical JSON of the whole document with its defaults written out: a stored version keeps its meaning when a
    /// default changes. Equal bytes mean that nothing changed.
    pub canonical: Vec<u8>,
    /// The lines of its values.
    pub source: SourceMap,
}

impl Document {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.spec.kind()
    }
}

/// What a document says, by kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// A cluster as the operator describes it.
    Cluster(ClusterSpec),
    /// A mesh.
    MeshConfig(MeshConfig),
    /// How a rollout goes through a fleet.
    RolloutStrategy(Strategy),
    /// What spokes do about drift by themselves.
    DriftPolicy(DriftPolicy),
}

impl Spec {
    /// The kind that says such things.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Cluster(_) => Kind::Cluster,
            Self::MeshConfig(_) => Kind::MeshConfig,
            Self::RolloutStrategy(_) => Kind::RolloutStrategy,
            Self::DriftPolicy(_) => Kind::DriftPolicy,
        }
    }
}

/// What a `Cluster` document says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterSpec {
    /// `metadata.labels`: what selectors look at.
    pub labels: Labels,
    /// The platform that the operator declares; else it is detected.
    pub platform: Option<PlatformName>,
    /// The mesh network that the cluster stands in.
    pub network: Option<Name>,
    /// What `${NAME}` stands for in the values of mesh configs.
    pub variables: BTreeMap<String, String>,
}

/// The kinds that are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `Cluster`
    Cluster,
    /// `MeshConfig`
    MeshConfig,
    /// `RolloutStrategy`
    RolloutStrategy,
    /// `DriftPolicy`
    DriftPolicy,
}

impl Kind {
    /// All of them, in the order in which people meet them.
    pub const ALL: [Self; 4] = [Self::Cluster, Self::MeshConfig, Self::RolloutStrategy, Self::DriftPolicy];

    /// As documents spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "Cluster",
            Self::MeshConfig => "MeshConfig",
            Self::RolloutStrategy => "RolloutStrategy",
            Self::DriftPolicy => "DriftPolicy",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads all documents of all sources, or says every mistake: in the order of the sources and of their lines.
pub fn parse(sources: &[Source]) -> Result<Vec<Document>, Vec<Mistake>> {
    let mut documents = Vec::new();
    let mut found = Vec::new();
    let mut seen = BTreeMap::new();
    for source in sources {
        let mut mistakes = Mistakes::of(&source.name);
        for tree in tree::read(&source.text, &mut mistakes) {
            if let Some(((kind, name), at)) = typed::identity(&tree) {
                let first = seen.entry((kind, name.to_owned())).or_insert((source.name.as_str(), at));
                if *first != (source.name.as_str(), at) {
                    let hint = format!(
                        "the first stands in {}:{}; keep one of them",
                        file_name(first.0),
                        first.1.line
                    );
                    mistakes.add(at, "metadata.name", format!("{kind} {} is given twice", quote(name)), hint);
                }
            }
            documents.extend(typed::document(&source.name, &tree, &mut mistakes));
        }
        found.extend(mistakes.finish());
    }
    if found.len() > mistake::MOST {
        let left_out = found.len() - mistake::MOST;
        found.truncate(mistake::MOST);
        found.extend(found.last().cloned().map(|last| last.and_more(left_out, "the other files")));
    }
    if found.is_empty() { Ok(documents) } else { Err(found) }
}
