//! What may be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs a fleet of service meshes on mixed Kubernetes providers.
#[derive(Debug, Parser)]
#[command(name = "meshfleet", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "\
Exit codes: 0 done, 1 refused or failed, 2 usage, 3 differences or drift found where a check was asked for.")]
pub struct Arguments {
    /// The context of a hub: its address, and who you are there. Default: the one that a hub on this machine wrote
    #[arg(long, global = true, env = "MESHFLEET_CONTEXT", value_name = "FILE", help_heading = "Everywhere")]
    pub context: Option<PathBuf>,
    /// How the answer is written
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table, help_heading = "Everywhere")]
    pub output: Format,
    #[command(subcommand)]
    pub command: Command,
}

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people
    Table,
    /// JSON for programs: field names are stable
    Json,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Store documents: all of them, or none and every mistake
    Apply(Files),
    /// Clusters of the fleet
    #[command(subcommand)]
    Cluster(Cluster),
    /// Show what a config would make of its clusters, and why; changes nothing
    Plan(Preview),
    /// Rollouts: from a config to its clusters, wave by wave
    #[command(subcommand)]
    Rollout(Rollout),
    /// The conditions of the fleet, or of one cluster
    Status {
        /// One cluster, with its objects
        #[arg(value_parser = name)]
        cluster: Option<String>,
    },
    /// Drift: what was changed by others than meshfleet
    #[command(subcommand)]
    Drift(Drift),
}

#[derive(Debug, Args)]
pub struct Files {
    /// A file with one or more documents; - for standard input
    #[arg(short = 'f', long = "file", required = true, num_args = 1.., value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Cluster {
    /// Print a token with which a spoke joins as this cluster; used once
    Enrol {
        /// The cluster's name; it is made if there is none of that name
        #[arg(value_parser = name)]
        name: String,
        /// How long the token can be used: 90s, 10m, 2h
        #[arg(long, default_value = "10m", value_parser = seconds)]
        ttl: u32,
    },
    /// All clusters
    List,
}

#[derive(Debug, Args)]
pub struct Preview {
    /// The name of a MeshConfig
    #[arg(value_parser = name)]
    pub config: String,
    /// Only this cluster
    #[arg(long, value_parser = name)]
    pub cluster: Option<String>,
    /// This version of the config, instead of its newest
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub version: Option<u64>,
    /// Print the whole manifest of every object
    #[arg(long)]
    pub show_manifests: bool,
    /// Exit with 3 if a rollout would change anything, or if a finding blocks it
    #[arg(long)]
    pub detailed_exitcode: bool,
}

#[derive(Debug, Subcommand)]
pub enum Rollout {
    /// Begin a rollout of a config to the clusters that it selects
    Start(Start),
    /// One rollout with its clusters
    Show {
        /// As `rollout start` and `rollout list` say it
        #[arg(value_parser = rollout)]
        number: u64,
    },
    /// All rollouts, newest first
    List,
    /// Follow a rollout to its end: exit with 0 if it succeeds, with 1 if it fails
    Watch {
        /// As `rollout start` and `rollout list` say it
        #[arg(value_parser = rollout)]
        number: u64,
    },
}

#[derive(Debug, Args)]
pub struct Start {
    /// The name of a MeshConfig
    #[arg(value_parser = name)]
    pub config: String,
    /// The strategy that orders the clusters; without one, all go at once
    #[arg(long, value_parser = name)]
    pub strategy: Option<String>,
    /// This version of the config, instead of its newest
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub version: Option<u64>,
    /// Put right the drift that is known now: exactly those fields are taken by force
    #[arg(long)]
    pub overwrite_drift: bool,
    /// Follow it to its end, as `rollout watch` does
    #[arg(long)]
    pub wait: bool,
}

#[derive(Debug, Subcommand)]
pub enum Drift {
    /// Every difference between what was applied and what is there, and who made it
    Report(Report),
}

#[derive(Debug, Args)]
pub struct Report {
    /// Only this cluster
    #[arg(value_parser = name)]
    pub cluster: Option<String>,
    /// Exit with 3 if there is drift
    #[arg(long)]
    pub exit_code: bool,
}

/// A name as the hub takes it: said here, it is a mistake of usage and no question to the hub.
fn name(text: &str) -> Result<String, String> {
    let inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let ends = !text.starts_with('-') && !text.ends_with('-');
    if (1..=63).contains(&text.len()) && text.bytes().all(inner) && ends {
        return Ok(text.to_owned());
    }
    Err("a name has 1 to 63 of a-z, 0-9 and '-', with a letter or digit at both ends".to_owned())
}

/// The number of a rollout.
fn rollout(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| "rollouts have numbers, as in `rollout show 3`: `meshfleet rollout list`".to_owned())
}

/// A span of time with its unit.
fn seconds(text: &str) -> Result<u32, String> {
    let (number, unit) =
        text.split_at(text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic()).len());
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err("write a number and s, m or h, as in 10m".to_owned()),
    };
    let plain = number.bytes().all(|byte| byte.is_ascii_digit());
    let seconds =
        plain.then(|| number.parse().ok()).flatten().and_then(|number: u32| number.checked_mul(unit));
    seconds.filter(|seconds| *seconds > 0).ok_or_else(|| "write a whole number above 0, as in 10m".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn spans_of_time_carry_their_unit() {
        for (text, expected) in [("90s", Some(90)), ("10m", Some(600)), ("2h", Some(7200))] {
            assert_eq!(seconds(text).ok(), expected, "{text}");
        }
        for text in ["", "10", "m", "0m", "-1s", "1.5h", "99999999h", "10 m", "10d", "é"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn usage_is_refused_without_asking_the_hub() {
        for line in [
            "meshfleet",
            "meshfleet aply -f x",
            "meshfleet apply",
            "meshfleet plan payments --cluster ",
            "meshfleet plan payments --cluster *",
            "meshfleet plan payments --version 0",
            "meshfleet cluster enrol Rosa",
            "meshfleet rollout show latest",
            "meshfleet status -o yaml",
            "meshfleet status a b",
        ] {
            let error = Arguments::try_parse_from(line.split(' ')).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
