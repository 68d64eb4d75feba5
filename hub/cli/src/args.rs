//! What may be typed: one file for each noun, and here what holds everywhere.

mod admission;
mod catalog;
mod cluster;
mod config;
mod document;
mod drift;
mod operator;
mod plan;
mod rollout;
mod value;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::{
    admission::{Admission, Simulate},
    catalog::{Catalog, Check},
    cluster::{CheckClusters, Cluster, Enrol, Reconcile},
    config::{Config, Diff as ConfigDiff, Show as ConfigShow, Unassign},
    document::{Delete, Files, Get, Kind, Wanted},
    drift::{Drift, Heal, Report},
    operator::{Add as AddOperator, Operator},
    plan::{Diff as PlanDiff, Explain, Plan, PlanVerb, Preview},
    rollout::{Rollout, Start, Verb},
};

/// Runs a fleet of service meshes on mixed Kubernetes providers.
#[derive(Debug, Parser)]
#[command(name = "meshfleet", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "\
Examples:
  meshfleet apply -f fleet.yaml mesh.yaml
  meshfleet plan payments
  meshfleet rollout start payments --wait
  meshfleet status --watch

Exit codes: 0 done, 1 refused or failed, 2 usage, 3 differences or drift found where a check was asked for.")]
pub struct Arguments {
    /// The context of a hub: its address, and who you are there; else the one that a hub on this machine wrote
    #[arg(
        long,
        global = true,
        env = "MESHFLEET_CONTEXT",
        hide_env_values = true,
        value_name = "FILE",
        help_heading = "Everywhere"
    )]
    pub context: Option<PathBuf>,
    /// How the answer is written: table and wide for people, wide with nothing folded; json and yaml for programs, yaml
    /// of documents can be applied again; name for other commands
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table, help_heading = "Everywhere")]
    #[arg(hide_possible_values = true)]
    pub output: Format,
    #[command(subcommand)]
    pub command: Command,
}

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Wide,
    Json,
    Yaml,
    Name,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Store documents: all of them, or none and every mistake
    #[command(after_help = document::APPLY)]
    Apply(Files),
    /// Show what `apply` would change; exit with 3 if it would change anything
    #[command(after_help = document::DIFF)]
    Diff(Files),
    /// Forget documents: all of them, or none and every reason against it
    #[command(after_help = document::DELETE)]
    Delete(Delete),
    /// Print documents back, with their defaults
    #[command(after_help = document::GET)]
    Get(Get),
    /// The conditions of the fleet, or of one cluster
    #[command(after_help = STATUS)]
    Status(Status),
    /// Clusters of the fleet
    #[command(subcommand)]
    Cluster(Cluster),
    /// Mesh configs, with all their versions
    #[command(subcommand)]
    Config(Config),
    /// Show what a config would make of its clusters, and why; changes nothing
    #[command(after_help = plan::PREVIEW)]
    Plan(Plan),
    /// Rollouts: from a config to its clusters, wave by wave
    #[command(subcommand)]
    Rollout(Rollout),
    /// Drift: what was changed by others than meshfleet
    #[command(subcommand)]
    Drift(Drift),
    /// Versions: what goes with what, until when, and what changed
    #[command(subcommand)]
    Catalog(Catalog),
    /// Operators: who may call the hub, and as what
    #[command(subcommand)]
    Operator(Operator),
    /// What a cluster's admission would say
    #[command(subcommand)]
    Admission(Admission),
    /// The hub itself
    #[command(subcommand)]
    Hub(Hub),
    /// Print the JSON Schema of a kind of document
    #[command(after_help = document::SCHEMA)]
    Schema {
        /// A kind of document
        #[arg(value_enum, ignore_case = true)]
        kind: Kind,
    },
    /// Print what makes a shell complete these commands
    #[command(after_help = COMPLETION)]
    Completion {
        /// Your shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

const STATUS: &str = "\
Examples:
  meshfleet status              the fleet at a glance, then what does not hold
  meshfleet status shop-eu-1    one cluster, with its objects
  meshfleet status --watch      and then every change";

#[derive(Debug, Args)]
pub struct Status {
    /// One cluster, with its objects
    #[arg(value_parser = value::cluster)]
    pub cluster: Option<String>,
    /// Stay, and print what changes
    #[arg(short, long)]
    pub watch: bool,
}

#[derive(Debug, Subcommand)]
pub enum Hub {
    /// The epoch: which life of the hub this is, for spokes
    #[command(after_help = EPOCH)]
    Epoch {
        #[command(subcommand)]
        verb: Option<EpochVerb>,
    },
}

#[derive(Debug, Subcommand)]
pub enum EpochVerb {
    /// Begin a new epoch: spokes refuse hubs of former ones
    #[command(after_help = EPOCH)]
    New,
}

const EPOCH: &str = "\
Examples:
  meshfleet hub epoch         which it is
  meshfleet hub epoch new     after a hub was lost that may come back";

const COMPLETION: &str = "\
Examples:
  meshfleet completion bash > /etc/bash_completion.d/meshfleet
  meshfleet completion zsh > ~/.zfunc/_meshfleet
  meshfleet completion fish > ~/.config/fish/completions/meshfleet.fish";

#[cfg(test)]
mod tests;
