//! `plan`.

use clap::{Args, Subcommand};

use super::value;

pub const PREVIEW: &str = "\
Examples:
  meshfleet plan payments                       the fleet, in groups
  meshfleet plan payments --cluster shop-eu-1   one cluster
  meshfleet plan payments --detailed-exitcode   3 if there is a change
  meshfleet plan explain shop-eu-1              why is every value there
  meshfleet plan diff shop-eu-1 shop-us-1       why do two clusters differ";

/// `plan CONFIG`, or `plan explain CLUSTER`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Plan {
    #[command(flatten)]
    pub preview: Option<Preview>,
    #[command(subcommand)]
    pub verb: Option<PlanVerb>,
}

#[derive(Debug, Subcommand)]
pub enum PlanVerb {
    /// Why is this byte here: of each value the layer and line, or the rule, the fact and the source
    #[command(after_help = EXPLAIN)]
    Explain(Explain),
    /// What the plans of two clusters have different, and which rule, layer or fact makes it so
    #[command(after_help = DIFF)]
    Diff(Diff),
}

const DIFF: &str = "\
Examples:
  meshfleet plan diff shop-eu-1 shop-us-1
  meshfleet plan diff shop-eu-1 shop-us-1 -o json";

#[derive(Debug, Args)]
pub struct Diff {
    /// The name of a cluster
    #[arg(value_parser = value::cluster)]
    pub one: String,
    /// The name of another
    #[arg(value_parser = value::cluster)]
    pub other: String,
    /// Exit with 3 if the plans differ by more than the clusters' own names and networks
    #[arg(long)]
    pub detailed_exitcode: bool,
}

#[derive(Debug, Args)]
pub struct Preview {
    /// The name of a MeshConfig
    #[arg(value_parser = value::config)]
    pub config: String,
    /// Only this cluster
    #[arg(long, value_parser = value::cluster)]
    pub cluster: Option<String>,
    /// This version of the config, instead of its newest
    #[arg(long, value_parser = value::version)]
    pub version: Option<u64>,
    /// Print the whole manifest of every object
    #[arg(long)]
    pub show_manifests: bool,
    /// Exit with 3 if a rollout would change anything, if a finding blocks it, or if a cluster did not reach its last target
    #[arg(long)]
    pub detailed_exitcode: bool,
}

const EXPLAIN: &str = "\
Examples:
  meshfleet plan explain shop-eu-1
  meshfleet plan explain shop-eu-1 IstioCNI/default
  meshfleet plan explain shop-eu-1 IstioCNI/default .spec.values.cni
  meshfleet plan explain shop-eu-1 .spec.version     in all objects
  meshfleet plan explain shop-eu-1 -o name           the objects";

#[derive(Debug, Args)]
pub struct Explain {
    /// The name of a cluster
    #[arg(value_parser = value::cluster)]
    pub cluster: String,
    /// Only this object: Kind/name or Kind/namespace/name
    pub object: Option<String>,
    /// Only values at this path or below it: .spec.values
    pub path: Option<String>,
    /// This version of the config, instead of its newest
    #[arg(long, value_parser = value::version)]
    pub version: Option<u64>,
}

impl Explain {
    /// Object and path as the hub takes them. A path may stand alone, and an object may be typed as plans print it.
    pub fn places(&self) -> (String, String) {
        let object = self.object.clone().unwrap_or_default();
        match &self.path {
            None if object.starts_with('.') => (String::new(), object),
            path => (object.replace(' ', "/"), path.clone().unwrap_or_default()),
        }
    }
}
