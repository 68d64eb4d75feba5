//! Kubernetes without the marks of any other platform: machines of one's own, also in a cloud.

use std::collections::BTreeSet;

use super::{Platform, PlatformName, Sign, cni_plugin, evidence, openshift, sail_platform};
use crate::{fleet::Facts, plan::rule::Rule};

/// Kubernetes of no particular kind.
pub(super) struct Generic;

/// A distribution for one's own machines. It changes nothing for a plan; people want to read its name.
struct Distribution {
    name: &'static str,
    /// In the version of the API server or a kubelet; empty if it has none.
    version: &'static str,
    /// Beginning of annotations of nodes; empty if it has none.
    annotation: &'static str,
    /// Scheme of providerIDs; empty if it has none.
    provider: &'static str,
}

/// The first that shows itself is named: Rancher writes annotations of its own on nodes of the ones before it.
const DISTRIBUTIONS: [Distribution; 4] = [
    Distribution { name: "RKE2", version: "+rke2", annotation: "rke2.io/", provider: "rke2" },
    Distribution { name: "k3s", version: "+k3s", annotation: "k3s.io/", provider: "k3s" },
    Distribution { name: "RKE", version: "", annotation: "rke.cattle.io/", provider: "" },
    Distribution { name: "kind", version: "", annotation: "", provider: "kind" },
];

impl Platform for Generic {
    fn name(&self) -> PlatformName {
        PlatformName::Generic
    }

    /// That no mark was found means something only if nodes and kinds could be read.
    fn recognise(&self, facts: &Facts) -> Vec<Sign> {
        let nodes = evidence::node_count(facts);
        let blind = ["nodes", "kinds"].into_iter().any(|fact| evidence::unread(facts, fact).is_some());
        if nodes == 0 || blind {
            return Vec::new();
        }
        let named = distribution(facts).map(|name| format!("nodes of {name}"));
        let seen = format!("{nodes} {} on {}", if nodes == 1 { "node" } else { "nodes" }, clouds(facts));
        named.into_iter().chain([seen]).map(Sign::absence).collect()
    }

    fn rules(&self) -> &'static [Rule] {
        &[sail_platform::LEFT_OUT, cni_plugin::PLUGIN, cni_plugin::NODE]
    }

    fn contradicted_by(&self, facts: &Facts) -> Option<String> {
        openshift::partly_served(facts)
    }

    /// For example `k3s, Kubernetes v1.30.2+k3s1 on aws`.
    fn detail(&self, facts: &Facts) -> String {
        let name = distribution(facts).map(|name| format!("{name}, ")).unwrap_or_default();
        format!("{name}Kubernetes {} on {}", facts.kubernetes_version, clouds(facts))
    }
}

/// Whether the nodes are k3s, which has directories of its own.
pub(super) fn is_k3s(facts: &Facts) -> bool {
    distribution(facts) == Some("k3s")
}

fn distribution(facts: &Facts) -> Option<&'static str> {
    DISTRIBUTIONS
        .iter()
        .find(|distribution| distribution.shows_in(facts))
        .map(|distribution| distribution.name)
}

impl Distribution {
    fn shows_in(&self, facts: &Facts) -> bool {
        let version = |text: &str| !self.version.is_empty() && text.contains(self.version);
        let annotation = |key: &String| !self.annotation.is_empty() && key.starts_with(self.annotation);
        version(&facts.kubernetes_version)
            || facts.nodes.iter().any(|group| {
                version(&group.kubelet_version)
                    || group.annotations.iter().any(annotation)
                    || (!self.provider.is_empty() && group.provider == self.provider)
            })
    }
}

fn clouds(facts: &Facts) -> String {
    let own = |provider: &str| DISTRIBUTIONS.iter().any(|distribution| distribution.provider == provider);
    let providers = facts.nodes.iter().map(|group| group.provider.as_str());
    // A distribution that has no scheme of its own stands there with the empty one.
    let clouds: BTreeSet<&str> =
        providers.filter(|provider| !provider.is_empty() && !own(provider)).collect();
    if clouds.is_empty() { "machines of no cloud".to_owned() } else { Vec::from_iter(clouds).join(", ") }
}
