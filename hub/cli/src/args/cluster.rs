//! `cluster`.

use clap::{Args, Subcommand};

use super::value;

#[derive(Debug, Subcommand)]
pub enum Cluster {
    /// All clusters
    #[command(after_help = LIST)]
    List,
    /// One cluster: its state, its network, its labels and variables
    #[command(after_help = SHOW)]
    Show {
        /// The cluster's name
        #[arg(value_parser = value::cluster)]
        name: String,
    },
    /// What its spoke saw of a cluster, and what that was taken for
    #[command(after_help = FACTS)]
    Facts {
        /// The cluster's name
        #[arg(value_parser = value::cluster)]
        name: String,
    },
    /// Print a token with which a spoke joins as this cluster; used once
    #[command(after_help = ENROL)]
    Enrol(Enrol),
    /// End a cluster's membership: its spoke is refused from now on, what runs there stays as it is
    #[command(after_help = DETACH)]
    Detach {
        /// The cluster's name
        #[arg(value_parser = value::cluster)]
        name: String,
    },
    /// Decide who is right where a spoke is ahead of the hub's database; without an answer, only look
    #[command(after_help = RECONCILE)]
    Reconcile(Reconcile),
}

const LIST: &str = "\
Examples:
  meshfleet cluster list
  meshfleet cluster list -o wide      with ids and when each was seen last";

const SHOW: &str = "\
Examples:
  meshfleet cluster show shop-eu-1
  meshfleet cluster show shop-eu-1 -o json";

const FACTS: &str = "\
Examples:
  meshfleet cluster facts shop-eu-1
  meshfleet cluster facts shop-eu-1 -o wide   all of its kinds and namespaces";

const ENROL: &str = "\
Examples:
  meshfleet cluster enrol shop-eu-1 > token
  meshfleet cluster enrol shop-eu-1 --ttl 2h";

const DETACH: &str = "\
Examples:
  meshfleet config unassign shop-eu-1 --preview   to remove its mesh, first
  meshfleet cluster detach shop-eu-1              its mesh stays";

const RECONCILE: &str = "\
Examples:
  meshfleet cluster reconcile shop-eu-1               what each way would do
  meshfleet cluster reconcile shop-eu-1 --keep-hub    back to the hub's target
  meshfleet cluster reconcile shop-eu-1 --keep-spoke  what it runs stands";

#[derive(Debug, Args)]
pub struct Reconcile {
    /// The cluster's name
    #[arg(value_parser = value::cluster)]
    pub name: String,
    /// The hub is right: its target is sent again, above the spoke's
    #[arg(long, conflicts_with = "keep_spoke")]
    pub keep_hub: bool,
    /// The spoke is right: what it runs stands until the next rollout
    #[arg(long)]
    pub keep_spoke: bool,
    /// How many objects are deleted, exactly: asked for where they are many
    #[arg(long, value_name = "N", requires = "keep_hub", conflicts_with = "keep_spoke")]
    pub confirm_deletions: Option<u32>,
}

#[derive(Debug, Args)]
pub struct Enrol {
    /// The cluster's name; it is made if there is none of that name
    #[arg(value_parser = value::cluster)]
    pub name: String,
    /// How long the token can be used: 90s, 10m, 2h
    #[arg(long, default_value = "10m", value_parser = value::seconds)]
    pub ttl: u32,
}
