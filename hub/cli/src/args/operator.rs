//! `operator`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::value;

#[derive(Debug, Subcommand)]
pub enum Operator {
    /// All operators, also those that were revoked
    #[command(after_help = LIST)]
    List,
    /// Add an operator, and write the context with which he calls
    #[command(after_help = ADD)]
    Add(Add),
    /// Take an operator every right: he is refused from his next call on
    #[command(after_help = REVOKE)]
    Revoke {
        /// The operator's name
        #[arg(value_parser = value::operator)]
        name: String,
    },
}

const LIST: &str = "\
Examples:
  meshfleet operator list
  meshfleet operator list -o wide   with their ids";

const ADD: &str = "\
Examples:
  meshfleet operator add ana --role approver
  meshfleet operator add pipeline --role author --out pipeline.context.json";

const REVOKE: &str = "\
Examples:
  meshfleet operator revoke ana";

#[derive(Debug, Args)]
pub struct Add {
    /// The operator's name, of a person or of a program
    #[arg(value_parser = value::operator)]
    pub name: String,
    /// What the operator may do; each role may do what those before it may
    #[arg(long, value_enum, ignore_case = true)]
    pub role: Role,
    /// Where the context is written: a new file that only you can read [default: NAME.context.json]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// What an operator may do. Each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Looks
    Viewer,
    /// And writes documents, which change nothing in a cluster
    Author,
    /// And starts, holds and ends rollouts
    Approver,
    /// And says who belongs to the fleet: clusters and operators
    Admin,
}

impl Role {
    /// As the hub says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "Viewer",
            Self::Author => "Author",
            Self::Approver => "Approver",
            Self::Admin => "Admin",
        }
    }
}
