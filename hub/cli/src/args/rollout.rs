//! `rollout`.

use clap::{Args, Subcommand};

use super::value;

#[derive(Debug, Subcommand)]
pub enum Rollout {
    /// Begin a rollout of a config to the clusters that it selects
    #[command(after_help = START)]
    Start(Start),
    /// Follow a rollout to its end: exit with 0 if it succeeds, with 1 if it fails or is aborted
    #[command(after_help = WATCH)]
    Watch {
        /// As `rollout start` and `rollout list` say it
        #[arg(value_parser = value::rollout)]
        number: u64,
    },
    /// One rollout: how far it is, wave by wave, and what it waits for
    #[command(after_help = SHOW)]
    Show {
        /// As `rollout start` and `rollout list` say it
        #[arg(value_parser = value::rollout)]
        number: u64,
        /// Stay to its end, and print what changes
        #[arg(short, long)]
        watch: bool,
    },
    /// All rollouts, newest first
    #[command(after_help = LIST)]
    List {
        /// Stay, and print what changes
        #[arg(short, long)]
        watch: bool,
    },
    /// Start no further cluster; what is in flight goes on
    #[command(after_help = PAUSE)]
    Pause(Verb),
    /// Go on with a paused rollout
    #[command(after_help = RESUME)]
    Resume(Verb),
    /// End a rollout: clusters that were not started keep what they have
    #[command(after_help = ABORT)]
    Abort(Verb),
}

const START: &str = "\
Examples:
  meshfleet rollout start payments --wait
  meshfleet rollout start payments --strategy careful
  meshfleet rollout start payments --version 3        back to an earlier version
  meshfleet rollout start payments --overwrite-drift  put drift right";

const WATCH: &str = "\
Examples:
  meshfleet rollout watch 3
  meshfleet rollout watch 3 -o json   one event a line";

const SHOW: &str = "\
Examples:
  meshfleet rollout show 3
  meshfleet rollout show 3 -o wide    all clusters, none folded";

const LIST: &str = "\
Examples:
  meshfleet rollout list
  meshfleet rollout list --watch";

const PAUSE: &str = "\
Examples:
  meshfleet rollout pause 3 --reason 'latency in eu-1'
  meshfleet rollout resume 3";

const RESUME: &str = "\
Examples:
  meshfleet rollout resume 3";

const ABORT: &str = "\
Examples:
  meshfleet rollout abort 3 --reason 'wrong version'";

#[derive(Debug, Args)]
pub struct Verb {
    /// As `rollout start` and `rollout list` say it
    #[arg(value_parser = value::rollout)]
    pub number: u64,
    /// Why, for those who look at it later
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

#[derive(Debug, Args)]
pub struct Start {
    /// The name of a MeshConfig
    #[arg(value_parser = value::config)]
    pub config: String,
    /// The strategy that orders the clusters; without one, all go at once
    #[arg(long, value_parser = value::strategy)]
    pub strategy: Option<String>,
    /// This version of the config, instead of its newest
    #[arg(long, value_parser = value::version)]
    pub version: Option<u64>,
    /// Put right the drift that is known now: exactly those fields are taken by force
    #[arg(long)]
    pub overwrite_drift: bool,
    /// How many objects are deleted, exactly: asked for where they are many
    #[arg(long, value_name = "N")]
    pub confirm_deletions: Option<u32>,
    /// Follow it to its end, as `rollout watch` does
    #[arg(long)]
    pub wait: bool,
}
