//! Facts: what a spoke saw of its cluster, unjudged. `platform::detect` judges them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::SchemaFact;

/// What one spoke saw. Stored as it came; read by rules and by the referee.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Facts {
    /// `gitVersion` of the API server.
    pub kubernetes_version: String,
    /// Served kinds as `group/Kind`, of groups outside Kubernetes itself; sorted.
    pub kinds: Vec<String>,
    /// Nodes that look the same, counted together.
    pub nodes: Vec<NodeGroup>,
    /// From ClusterVersion `version`, where served.
    pub cluster_version: Option<ClusterVersion>,
    /// From Infrastructure `cluster`, where served.
    pub infrastructure: Option<Infrastructure>,
    /// All namespaces, with the labels that decide about injection.
    pub namespaces: Vec<NamespaceFacts>,
    /// Labels of the Service kube-system/kube-dns.
    pub kube_dns_labels: BTreeMap<String, String>,
    /// Which of the well-known objects that a spoke looks for exist, as `group/Kind namespace/name`; sorted. No plan
    /// makes any of them.
    #[serde(default)]
    pub landmarks: Vec<String>,
    /// What well-known objects of the cluster itself say, where they exist; sorted. No plan makes any of them.
    #[serde(default)]
    pub settings: Vec<ObjectSettings>,
    /// Control planes of Istio, whoever made them; sorted. Applying a plan changes them: for the referee, never for a rule.
    #[serde(default)]
    pub control_planes: Vec<ControlPlaneFacts>,
    /// Webhooks that inject proxies, whoever made them; sorted. As above: never for a rule.
    #[serde(default)]
    pub injectors: Vec<InjectorFacts>,
    /// Running pods with a proxy, counted by namespace, revision and version; sorted. As above: never for a rule.
    #[serde(default)]
    pub proxies: Vec<ProxyGroup>,
    /// How many such pods are in none of these groups, because there are too many of them.
    #[serde(default)]
    pub proxies_untold: u32,
    /// Schemas of the custom resources that plans may hold; sorted. Upgrading an operator changes them: for the referee,
    /// never for a rule.
    #[serde(default)]
    pub schemas: Vec<SchemaFact>,
    /// What could not be read.
    pub unread: Vec<UnreadFact>,
}

impl Facts {
    /// Whether the cluster serves a kind, given as `group/Kind`.
    #[must_use]
    pub fn serves(&self, kind: &str) -> bool {
        self.kinds.iter().any(|served| served == kind)
    }

    /// Whether a fact could not be read, by its name, for example `proxies`: nothing follows from its absence then.
    #[must_use]
    pub fn is_unread(&self, fact: &str) -> bool {
        self.unread.iter().any(|unread| unread.fact == fact)
    }

    /// What a well-known object says, given as `group/Kind namespace/name`; none where it does not exist.
    #[must_use]
    pub fn object(&self, object: &str) -> Option<&ObjectSettings> {
        self.settings.iter().find(|seen| seen.object == object)
    }

    /// The regions that nodes stand in, by the label `topology.kubernetes.io/region`.
    #[must_use]
    pub fn regions(&self) -> BTreeSet<&str> {
        let labels = self.nodes.iter().flat_map(|group| &group.labels);
        labels.filter_map(|label| label.strip_prefix("topology.kubernetes.io/region=")).collect()
    }

    /// Whether a well-known object exists, given as `group/Kind namespace/name`.
    #[must_use]
    pub fn has(&self, landmark: &str) -> bool {
        self.landmarks.iter().any(|seen| seen == landmark)
    }
}

/// Nodes that look the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct NodeGroup {
    /// How many.
    pub count: u32,
    /// Scheme of `spec.providerID`, for example `aws`; empty if none.
    pub provider: String,
    /// For example `v1.24.6+5658434`.
    pub kubelet_version: String,
    /// For example `Red Hat Enterprise Linux CoreOS 411.86`.
    pub os_image: String,
    /// Keys of the labels, sorted; the operating system, the kind of compute and the region with their values, as
    /// `key=value`.
    pub labels: Vec<String>,
    /// Keys of the annotations that name a distribution, sorted.
    #[serde(default)]
    pub annotations: Vec<String>,
    /// Beginning of their names where it is one of those that providers reserve, for example `gk3-`; else empty.
    #[serde(default)]
    pub name_mark: String,
    /// Whether they have an address outside of the cluster's network. None from spokes that did not look.
    #[serde(default)]
    pub external_address: Option<bool>,
}

/// What a well-known object says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectSettings {
    /// As `group/Kind namespace/name`.
    pub object: String,
    /// Settings of a short list, where they are set: `KEY`, or `CONTAINER/KEY` for what one of its containers is told.
    pub values: BTreeMap<String, String>,
}

/// A control plane of Istio, as its Deployment shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ControlPlaneFacts {
    /// Its namespace.
    pub namespace: String,
    /// Its name, for example `istiod`.
    pub name: String,
    /// Its label `istio.io/rev`; empty if it has none.
    pub revision: String,
    /// By its label, else by the tag of its image; empty if neither tells.
    pub version: String,
    /// Who made it, by its label `managed-by`, else `app.kubernetes.io/managed-by`; empty if it has none.
    pub managed_by: String,
}

/// A webhook that injects proxies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InjectorFacts {
    /// Its name, for example `istio-sidecar-injector`.
    pub name: String,
    /// Its label `istio.io/rev`; empty if it has none.
    pub revision: String,
}

/// Running pods with the same proxy in one namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProxyGroup {
    /// Their namespace.
    pub namespace: String,
    /// The revision that injected them; empty if they do not say.
    pub revision: String,
    /// Tag of the proxy's image, for example `1.30.3` or `1.30.3-distroless`; empty if it is named by digest.
    pub version: String,
    /// How many.
    pub count: u32,
}

/// OpenShift's version, from ClusterVersion.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClusterVersion {
    /// The newest completed one; empty if none.
    pub current: String,
    /// The one it moves to.
    pub desired: String,
}

/// OpenShift's Infrastructure `cluster`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Infrastructure {
    /// For example `AWS`.
    pub platform_type: String,
    /// For example `HighlyAvailable` or `External`.
    pub control_plane_topology: String,
    /// Tags of the cloud's resources.
    pub resource_tags: BTreeMap<String, String>,
}

/// A namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NamespaceFacts {
    /// Its name.
    pub name: String,
    /// `istio.io/rev`, `istio-injection`, `istio.io/dataplane-mode`, where set.
    pub labels: BTreeMap<String, String>,
}

/// A fact that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UnreadFact {
    /// For example `nodes`.
    pub fact: String,
    /// Why.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_of_an_older_spoke_still_read() {
        let stored = r#"{"kubernetes_version":"v1.31.1","kinds":[],"nodes":[{"count":1,"provider":"aws",
            "kubelet_version":"","os_image":"","labels":[]}],"cluster_version":null,"infrastructure":null,
            "namespaces":[],"kube_dns_labels":{},"unread":[]}"#;
        let facts: Facts = serde_json::from_str(stored).unwrap();
        assert!(facts.landmarks.is_empty() && facts.nodes[0].annotations.is_empty());
        assert!(facts.proxies.is_empty() && facts.control_planes.is_empty() && facts.settings.is_empty());
        assert_eq!(facts.nodes[0].external_address, None);
    }
}
