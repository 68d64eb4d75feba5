//! Facts: what a spoke saw of its cluster, unjudged. `platform::detect` judges them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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
    /// What could not be read.
    pub unread: Vec<UnreadFact>,
}

impl Facts {
    /// Whether the cluster serves a kind, given as `group/Kind`.
    #[must_use]
    pub fn serves(&self, kind: &str) -> bool {
        self.kinds.iter().any(|served| served == kind)
    }

    /// Whether a well-known object exists, given as `group/Kind namespace/name`.
    #[must_use]
    pub fn has(&self, landmark: &str) -> bool {
        self.landmarks.iter().any(|seen| seen == landmark)
    }
}

/// Nodes that look the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeGroup {
    /// How many.
    pub count: u32,
    /// Scheme of `spec.providerID`, for example `aws`; empty if none.
    pub provider: String,
    /// For example `v1.24.6+5658434`.
    pub kubelet_version: String,
    /// For example `Red Hat Enterprise Linux CoreOS 411.86`.
    pub os_image: String,
    /// Keys of the labels, sorted; `node.openshift.io/os_id` with its value, as `key=value`.
    pub labels: Vec<String>,
    /// Keys of the annotations that name a distribution, sorted.
    #[serde(default)]
    pub annotations: Vec<String>,
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
    }
}
