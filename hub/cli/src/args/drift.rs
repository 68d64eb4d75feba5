//! `drift`.

use clap::{Args, Subcommand};

use super::value;

#[derive(Debug, Subcommand)]
pub enum Drift {
    /// Every difference between what was applied and what is there, who made it, and what was healed lately
    #[command(after_help = REPORT)]
    Report(Report),
    /// Put one difference right, exactly as it was seen: a value that changed since is left alone
    #[command(after_help = HEAL)]
    Heal(Heal),
}

const REPORT: &str = "\
Examples:
  meshfleet drift report              the fleet
  meshfleet drift report shop-eu-1
  meshfleet drift report --exit-code  3 if there is drift: for pipelines";

const HEAL: &str = "\
Examples:
  meshfleet drift heal shop-eu-1 12 --dry-run
  meshfleet drift heal shop-eu-1 12 --reason 'edited by mistake'

What is healed without asking, a DriftPolicy says: meshfleet schema driftpolicy";

#[derive(Debug, Args)]
pub struct Report {
    /// Only this cluster
    #[arg(value_parser = value::cluster)]
    pub cluster: Option<String>,
    /// Exit with 3 if there is drift
    #[arg(long)]
    pub exit_code: bool,
}

#[derive(Debug, Args)]
pub struct Heal {
    /// In which cluster
    #[arg(value_parser = value::cluster)]
    pub cluster: String,
    /// The number before the difference in `drift report`
    #[arg(value_parser = value::difference)]
    pub item: u64,
    /// Only ask the spoke what it would do
    #[arg(long)]
    pub dry_run: bool,
    /// Why, for those who read the audit later
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}
