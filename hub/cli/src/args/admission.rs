//! `admission`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum Admission {
    /// Would this pod be let in, under which SecurityContextConstraints, with what filled in, or why not; asks no hub
    #[command(after_help = SIMULATE)]
    Simulate(Simulate),
}

const SIMULATE: &str = "\
Examples:
  oc get scc,csidriver -o yaml > sccs.yaml
  oc get namespace shop -o yaml > shop.yaml
  meshfleet admission simulate -f deployment.yaml --sccs sccs.yaml --namespace-file shop.yaml
  meshfleet admission simulate -f pod.yaml --sccs sccs.yaml --namespace-file shop.yaml --as ana
  meshfleet admission simulate --cases cases.json --check    3 if a verdict differs: for pipelines
  meshfleet admission simulate --cases cases.json -o json    one line a case

Exit codes: 0 let in, or all cases judged; 1 not let in, or failed; 2 usage; 3 differences.";

#[derive(Debug, Args)]
pub struct Simulate {
    /// A file with one Pod, or one workload that makes pods; - for standard input
    #[arg(short = 'f', long = "file", value_name = "FILE", required_unless_present = "cases")]
    #[arg(requires_all = ["sccs", "namespace_file"])]
    pub file: Option<PathBuf>,
    /// A file with all SCCs of the cluster, and its CSIDrivers if a pod has inline volumes
    #[arg(long, value_name = "FILE")]
    pub sccs: Option<PathBuf>,
    /// A file with the namespace: its annotations and labels count
    #[arg(long, value_name = "FILE")]
    pub namespace_file: Option<PathBuf>,
    /// Who creates the pod; else the workload's controller, or for a Pod somebody with no rights of his own
    #[arg(long = "as", value_name = "USER", requires = "file")]
    pub user: Option<String>,
    /// A group of whoever creates it; may be repeated
    #[arg(long = "as-group", value_name = "GROUP", requires = "user")]
    pub groups: Vec<String>,
    /// An SCC that RBAC lets the pod's service account use; may be repeated
    #[arg(long = "grant", value_name = "SCC", requires = "file")]
    pub grants: Vec<String>,
    /// An SCC that RBAC lets whoever creates the pod use, beside those that everybody may; may be repeated
    #[arg(long = "grant-user", value_name = "SCC", requires = "file")]
    pub user_grants: Vec<String>,
    /// Instead: a file of cases, each with all that decides about it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "sccs", "namespace_file"])]
    pub cases: Option<PathBuf>,
    /// Compare with the verdicts that stand in the file, and exit with 3 if any differs
    #[arg(long, requires = "cases", conflicts_with = "file")]
    pub check: bool,
}
