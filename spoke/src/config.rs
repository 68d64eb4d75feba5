//! What the spoke is started with.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The agent of a cluster: it dials the hub, applies what it accepts, and watches what it applied.
#[derive(Debug, Parser)]
#[command(name = "spoke", version)]
pub struct Command {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Runs until it is stopped.
    Run(Config),
}

/// Settings of a running spoke.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Address of the hub, as HOST:PORT.
    #[arg(long, env = "MESHFLEET_HUB")]
    pub hub: String,
    /// Namespace of the spoke: its Secrets and its Lease live there.
    #[arg(long, default_value = "meshfleet")]
    pub namespace: String,
    /// Kubeconfig to use; without it, the pod's service account.
    #[arg(long)]
    pub kubeconfig: Option<PathBuf>,
    /// File with the enrolment token; else the environment variable MESHFLEET_TOKEN. Needed only until the cluster is
    /// enrolled.
    #[arg(long)]
    pub token_file: Option<PathBuf>,
    /// Where to serve metrics for Prometheus, over plain HTTP, as HOST:PORT: for the scraper only. Without it, nowhere.
    #[arg(long, env = "MESHFLEET_METRICS_LISTEN")]
    pub metrics_listen: Option<String>,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Command::command().debug_assert();
        let parsed = Command::try_parse_from(["spoke", "run", "--hub", "hub:7443"]).unwrap();
        let Action::Run(config) = parsed.action;
        assert_eq!((config.hub.as_str(), config.namespace.as_str()), ("hub:7443", "meshfleet"));
    }
}
