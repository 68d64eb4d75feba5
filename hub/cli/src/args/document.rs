//! Documents: `apply`, `diff`, `delete`, `get`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::value;

pub const APPLY: &str = "\
Examples:
  meshfleet apply -f fleet.yaml mesh.yaml
  kustomize build . | meshfleet apply -f -";

pub const DIFF: &str = "\
Examples:
  meshfleet diff -f mesh.yaml         3 if it differs: for pipelines

Exit codes: 0 no difference, 1 refused or failed, 2 usage, 3 differences.";

pub const DELETE: &str = "\
Examples:
  meshfleet delete rolloutstrategy careful
  meshfleet delete meshconfig/payments   refused while it runs in a cluster
  meshfleet delete -f old.yaml           the documents that stand in the file";

pub const GET: &str = "\
Examples:
  meshfleet get                          all documents
  meshfleet get cluster                  of one kind
  meshfleet get meshconfig payments -o yaml > mesh.yaml
  meshfleet get -o name";

pub const SCHEMA: &str = "\
Examples:
  meshfleet schema meshconfig > meshconfig.schema.json";

/// Kinds of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    #[value(name = "cluster", alias = "clusters")]
    Cluster,
    #[value(name = "meshconfig", aliases = ["meshconfigs", "config", "configs"])]
    MeshConfig,
    #[value(name = "rolloutstrategy", aliases = ["rolloutstrategies", "strategy", "strategies"])]
    RolloutStrategy,
    #[value(name = "driftpolicy", aliases = ["driftpolicies", "policy", "policies"])]
    DriftPolicy,
}

impl Kind {
    /// As documents spell it.
    pub fn spelled(self) -> &'static str {
        match self {
            Self::Cluster => "Cluster",
            Self::MeshConfig => "MeshConfig",
            Self::RolloutStrategy => "RolloutStrategy",
            Self::DriftPolicy => "DriftPolicy",
        }
    }
}

/// A kind, or one document as `--output name` prints it: `meshconfig/payments`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub kind: Kind,
    pub name: Option<String>,
}

fn wanted(text: &str) -> Result<Wanted, String> {
    let (kind, name) = match text.split_once('/') {
        Some((kind, name)) => (kind, Some(value::name(name)?)),
        None => (text, None),
    };
    let kind = Kind::from_str(kind, true)
        .map_err(|_| "kinds of documents: cluster, meshconfig, rolloutstrategy, driftpolicy".to_owned())?;
    Ok(Wanted { kind, name })
}

#[derive(Debug, Args)]
pub struct Files {
    /// A file with one or more documents; - for standard input
    #[arg(short = 'f', long = "file", required = true, num_args = 1.., value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Delete {
    /// The kind of the document; with its name behind a slash, the document
    #[arg(value_parser = wanted, required_unless_present = "files")]
    pub kind: Option<Wanted>,
    /// The document's name
    #[arg(value_parser = value::name)]
    pub name: Option<String>,
    /// Instead: files, of whose documents only kind and name count; - for standard input
    #[arg(short = 'f', long = "file", num_args = 1.., value_name = "FILE", conflicts_with_all = ["kind", "name"])]
    pub files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Get {
    /// Only this kind; with a name behind a slash, only that document
    #[arg(value_parser = wanted)]
    pub kind: Option<Wanted>,
    /// Only the document of this name
    #[arg(value_parser = value::name, requires = "kind")]
    pub name: Option<String>,
}
