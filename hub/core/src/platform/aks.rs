//! Azure Kubernetes Service.

use super::{Platform, PlatformName, Sign, evidence};
use crate::fleet::Facts;

/// Azure Kubernetes Service. Its versions carry no mark, so without nodes it cannot be told.
pub(super) struct Aks;

const LABELS: [&str; 2] = ["kubernetes.azure.com/cluster", "kubernetes.azure.com/role"];

/// Of old, without a domain: anybody may write it.
const OLD_LABEL: &str = "agentpool";

const CLOUD: &str = "azure";

impl Platform for Aks {
    fn name(&self) -> PlatformName {
        PlatformName::Aks
    }

    fn recognise(&self, facts: &Facts) -> Vec<Sign> {
        let marks =
            LABELS.into_iter().filter_map(|label| evidence::labelled_nodes(facts, label)).map(Sign::mark);
        let old = evidence::nodes_with_label(facts, OLD_LABEL).filter(|_| evidence::stands_in(facts, CLOUD));
        marks.chain(old.map(Sign::hint)).collect()
    }

    /// Arc brings the same labels to machines of one's own.
    fn contradicted_by(&self, facts: &Facts) -> Option<String> {
        evidence::foreign_nodes(facts, CLOUD)
    }

    fn detail(&self, facts: &Facts) -> String {
        format!("AKS, Kubernetes {}", facts.kubernetes_version)
    }
}
