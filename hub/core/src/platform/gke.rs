//! Google Kubernetes Engine.

use super::{Platform, PlatformName, Sign, evidence};
use crate::fleet::Facts;

/// Google Kubernetes Engine.
pub(super) struct Gke;

const MARK: &str = "-gke.";
const GROUP: &str = "networking.gke.io";
const LABELS: &str = "cloud.google.com/gke-";

impl Platform for Gke {
    fn name(&self) -> PlatformName {
        PlatformName::Gke
    }

    /// The API group alone says nothing: its definitions can be installed elsewhere, so it must come with node labels.
    fn recognise(&self, facts: &Facts) -> Vec<Sign> {
        let versions = [evidence::marked_api_server(facts, MARK), evidence::marked_kubelets(facts, MARK)]
            .into_iter()
            .flatten();
        let pair = evidence::served_group(facts, GROUP).zip(evidence::labelled_nodes(facts, LABELS));
        let pair = pair.into_iter().flat_map(|(group, labels)| [group, labels]);
        versions.chain(pair).map(Sign::mark).collect()
    }

    /// On machines of one's own the versions are the same.
    fn contradicted_by(&self, facts: &Facts) -> Option<String> {
        evidence::foreign_nodes(facts, "gce")
    }

    fn detail(&self, facts: &Facts) -> String {
        format!("GKE, Kubernetes {}", facts.kubernetes_version)
    }
}
