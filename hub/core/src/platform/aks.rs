//! Azure Kubernetes Service.

use super::{Platform, PlatformName, evidence};
use crate::fleet::Facts;

/// Azure Kubernetes Service. Its versions carry no mark, so without nodes it cannot be told.
pub(super) struct Aks;

const LABELS: [&str; 2] = ["kubernetes.azure.com/cluster", "kubernetes.azure.com/role"];

impl Platform for Aks {
    fn name(&self) -> PlatformName {
        PlatformName::Aks
    }

    fn recognise(&self, facts: &Facts) -> Vec<String> {
        LABELS.into_iter().filter_map(|label| evidence::labelled_nodes(facts, label)).collect()
    }

    fn contradicted_by(&self, facts: &Facts) -> Option<String> {
        evidence::foreign_nodes(facts, "azure")
    }

    fn detail(&self, facts: &Facts) -> String {
        format!("AKS, Kubernetes {}", facts.kubernetes_version)
    }
}
