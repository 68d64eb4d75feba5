//! `catalog`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum Catalog {
    /// Versions that are known: what each goes with, and until when it is supported
    #[command(after_help = LIST)]
    List {
        /// Only of this product: istio, sail, calisti, kubernetes and others that the list shows
        product: Option<String>,
    },
    /// One version, with what changed in it and where each fact can be read
    #[command(after_help = SHOW)]
    Show {
        /// The product, as the list spells it
        product: String,
        /// Its version, also by one of its patches
        version: String,
    },
    /// Judge versions that are to go together, as plans are judged; exit with 1 if they do not
    #[command(after_help = CHECK)]
    Check(Check),
}

const LIST: &str = "\
Examples:
  meshfleet catalog list
  meshfleet catalog list istio";

const SHOW: &str = "\
Examples:
  meshfleet catalog show istio 1.30
  meshfleet catalog show istio 1.24.3
  meshfleet catalog show calisti v2.17";

const CHECK: &str = "\
Examples:
  meshfleet catalog check 1.30.2 --kubernetes 1.33
  meshfleet catalog check 1.30.2 --installer sail --kubernetes 1.29
  meshfleet catalog check 1.17.8 --installer calisti --kubernetes 1.24";

#[derive(Debug, Args)]
pub struct Check {
    /// The version of Istio
    pub istio: String,
    /// Who installs it
    #[arg(long, default_value = "sail", value_name = "KIND")]
    pub installer: String,
    /// What the clusters run on, as spec.platform of a Cluster says it
    #[arg(long, requires = "platform_version")]
    pub platform: Option<String>,
    /// Its version: its own where it has one, else of its Kubernetes
    #[arg(long, requires = "platform", value_name = "VERSION")]
    pub platform_version: Option<String>,
    /// The version of Kubernetes, where no platform says it
    #[arg(long, value_name = "VERSION", required_unless_present = "platform")]
    pub kubernetes: Option<String>,
}
