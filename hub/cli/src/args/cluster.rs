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
    /// All that stands against a mesh in clusters, before anything is rolled out: platform, versions, definitions, rights
    #[command(after_help = CHECK)]
    Check(CheckClusters),
    /// Print what is applied in a cluster so that its spoke runs there and joins; used once
    #[command(after_help = ENROL)]
    Enrol(Enrol),
    /// Print the rights that a cluster's spoke lacks for its plan, as a manifest
    #[command(after_help = RBAC)]
    Rbac {
        /// The cluster's name
        #[arg(value_parser = value::cluster)]
        name: String,
        /// Everything that the plan needs, also what is there
        #[arg(long)]
        all: bool,
    },
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
  meshfleet cluster enrol shop-eu-1 --spoke-image IMAGE | kubectl apply -f -
  meshfleet cluster enrol shop-eu-1 --spoke-image IMAGE --hub hub.example.com:7443
  meshfleet cluster enrol shop-eu-1 -o name > token   the token alone
  meshfleet cluster enrol shop-eu-1 --replace -o name > token   for a spoke that lost its key";

const CHECK: &str = "\
Examples:
  meshfleet cluster check shop-eu-1       exit code 3 if something blocks
  meshfleet cluster check --all --strict  also if something is worth a warning";

const RBAC: &str = "\
Examples:
  meshfleet cluster rbac shop-eu-1 | kubectl apply -f -
  meshfleet cluster rbac shop-eu-1 --all";

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
pub struct CheckClusters {
    /// The clusters' names
    #[arg(value_parser = value::cluster, required_unless_present = "all", conflicts_with = "all")]
    pub names: Vec<String>,
    /// Every cluster of the fleet
    #[arg(long)]
    pub all: bool,
    /// Warnings count, too
    #[arg(long)]
    pub strict: bool,
}

#[derive(Debug, Args)]
pub struct Enrol {
    /// The cluster's name; it is made if there is none of that name
    #[arg(value_parser = value::cluster)]
    pub name: String,
    /// How long the token can be used: 90s, 10m, 2h
    #[arg(long, default_value = "10m", value_parser = value::seconds)]
    pub ttl: u32,
    /// Put a new spoke in the place of the one that the cluster has, which is refused for good once the token is used
    #[arg(long)]
    pub replace: bool,
    /// The image of the spoke, as the cluster pulls it
    #[arg(long, env = "MESHFLEET_SPOKE_IMAGE", value_name = "IMAGE")]
    pub spoke_image: Option<String>,
    /// Where the cluster reaches the hub, if that is not the address in your context
    #[arg(long, value_name = "HOST:PORT")]
    pub hub: Option<String>,
}
