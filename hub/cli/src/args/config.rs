//! `config`.

use clap::{Args, Subcommand};

use super::value;

#[derive(Debug, Subcommand)]
pub enum Config {
    /// All mesh configs
    #[command(after_help = LIST)]
    List,
    /// One version of a config, as written or as it holds for one cluster
    #[command(after_help = SHOW)]
    Show(Show),
    /// All versions of a config, newest first
    #[command(after_help = HISTORY)]
    History {
        #[arg(value_parser = value::config)]
        name: String,
    },
    /// What one version of a config says differently from another
    #[command(after_help = DIFF)]
    Diff(Diff),
    /// Remove the mesh from clusters that no config selects any more
    #[command(after_help = UNASSIGN)]
    Unassign(Unassign),
}

const LIST: &str = "\
Examples:
  meshfleet config list
  meshfleet config list -o wide       with all the clusters that each selects";

const SHOW: &str = "\
Examples:
  meshfleet config show payments
  meshfleet config show payments --version 3 -o yaml
  meshfleet config show payments --effective --cluster shop-eu-1   merged";

const HISTORY: &str = "\
Examples:
  meshfleet config history payments";

const DIFF: &str = "\
Examples:
  meshfleet config diff payments 3 4
  meshfleet config diff payments 3    against the newest version";

const UNASSIGN: &str = "\
Examples:
  meshfleet config unassign shop-eu-1 --preview
  meshfleet config unassign shop-eu-1 --wait
  meshfleet config unassign shop-eu-1 shop-eu-2 --confirm-deletions 24";

#[derive(Debug, Args)]
pub struct Show {
    /// The name of a MeshConfig
    #[arg(value_parser = value::config)]
    pub name: String,
    /// This version, instead of the newest
    #[arg(long, value_parser = value::version)]
    pub version: Option<u64>,
    /// What holds for one cluster, merged from base, layers and defaults
    #[arg(long, requires = "cluster")]
    pub effective: bool,
    /// The cluster for which it holds
    #[arg(long, value_parser = value::cluster, requires = "effective")]
    pub cluster: Option<String>,
}

#[derive(Debug, Args)]
pub struct Diff {
    /// The name of a MeshConfig
    #[arg(value_parser = value::config)]
    pub name: String,
    /// A version
    #[arg(value_name = "A", value_parser = value::version)]
    pub from: u64,
    /// The version to compare it with; without one, the newest
    #[arg(value_name = "B", value_parser = value::version)]
    pub to: Option<u64>,
}

#[derive(Debug, Args)]
pub struct Unassign {
    /// Clusters that no config selects any more
    #[arg(required = true, value_name = "CLUSTER", value_parser = value::cluster)]
    pub clusters: Vec<String>,
    /// Only say what would be deleted and what would stay
    #[arg(long, conflicts_with_all = ["confirm_deletions", "wait"])]
    pub preview: bool,
    /// How many objects are deleted, exactly: asked for where they are many
    #[arg(long, value_name = "N")]
    pub confirm_deletions: Option<u32>,
    /// Follow the rollout to its end, as `rollout watch` does
    #[arg(long)]
    pub wait: bool,
}
