//! Facts, read.

use std::collections::{BTreeMap, HashMap};

use hub_core::fleet::{ClusterVersion, Facts, Infrastructure, NamespaceFacts, NodeGroup, UnreadFact};
use proto::v1;

use super::{Error, LONGEST_MESSAGE, LONGEST_NAME, at_most, bounded, sentence, word};

/// Kinds that a cluster serves; the largest seen serve some hundreds.
const MOST_KINDS: usize = 10_000;

/// Groups of nodes that look the same.
const MOST_NODE_GROUPS: usize = 2_000;

/// Namespaces.
const MOST_NAMESPACES: usize = 20_000;

/// Well-known objects; a spoke looks for some ten.
const MOST_LANDMARKS: usize = 256;

/// Labels of one thing.
const MOST_LABELS: usize = 256;

pub(super) fn facts(message: v1::Facts) -> Result<Facts, Error> {
    let v1::Facts {
        kubernetes_version,
        kinds,
        nodes,
        cluster_version,
        infrastructure,
        namespaces,
        kube_dns_labels,
        unread,
        landmarks,
    } = message;
    at_most("facts.kinds", kinds.len(), MOST_KINDS)?;
    at_most("facts.nodes", nodes.len(), MOST_NODE_GROUPS)?;
    at_most("facts.namespaces", namespaces.len(), MOST_NAMESPACES)?;
    at_most("facts.unread", unread.len(), MOST_LABELS)?;
    at_most("facts.landmarks", landmarks.len(), MOST_LANDMARKS)?;
    Ok(Facts {
        kubernetes_version: word("facts.kubernetes_version", kubernetes_version)?,
        kinds: words("facts.kinds", kinds)?,
        nodes: nodes.into_iter().map(node_group).collect::<Result<_, _>>()?,
        cluster_version: cluster_version.map(self::cluster_version).transpose()?,
        infrastructure: infrastructure.map(read_infrastructure).transpose()?,
        namespaces: namespaces.into_iter().map(namespace).collect::<Result<_, _>>()?,
        kube_dns_labels: labels("facts.kube_dns_labels", kube_dns_labels)?,
        landmarks: words("facts.landmarks", landmarks)?,
        unread: unread.into_iter().map(unread_fact).collect(),
    })
}

fn node_group(message: v1::NodeGroup) -> Result<NodeGroup, Error> {
    let v1::NodeGroup { count, provider, kubelet_version, os_image, labels, annotations } = message;
    at_most("facts.nodes.labels", labels.len(), MOST_LABELS)?;
    at_most("facts.nodes.annotations", annotations.len(), MOST_LABELS)?;
    Ok(NodeGroup {
        count,
        provider: word("facts.nodes.provider", provider)?,
        kubelet_version: word("facts.nodes.kubelet_version", kubelet_version)?,
        os_image: sentence(&os_image, LONGEST_NAME),
        labels: words("facts.nodes.labels", labels)?,
        annotations: words("facts.nodes.annotations", annotations)?,
    })
}

fn cluster_version(message: v1::ClusterVersion) -> Result<ClusterVersion, Error> {
    let v1::ClusterVersion { current, desired } = message;
    Ok(ClusterVersion {
        current: word("facts.cluster_version.current", current)?,
        desired: word("facts.cluster_version.desired", desired)?,
    })
}

fn read_infrastructure(message: v1::Infrastructure) -> Result<Infrastructure, Error> {
    let v1::Infrastructure { platform_type, control_plane_topology, resource_tags } = message;
    Ok(Infrastructure {
        platform_type: word("facts.infrastructure.platform_type", platform_type)?,
        control_plane_topology: word("facts.infrastructure.control_plane_topology", control_plane_topology)?,
        resource_tags: labels("facts.infrastructure.resource_tags", resource_tags)?,
    })
}

fn namespace(message: v1::NamespaceFacts) -> Result<NamespaceFacts, Error> {
    let v1::NamespaceFacts { name, labels: given } = message;
    Ok(NamespaceFacts {
        name: word("facts.namespaces.name", name)?,
        labels: labels("facts.namespaces.labels", given)?,
    })
}

fn unread_fact(message: v1::UnreadFact) -> UnreadFact {
    let v1::UnreadFact { fact, reason } = message;
    UnreadFact { fact: sentence(&fact, LONGEST_NAME), reason: sentence(&reason, LONGEST_MESSAGE) }
}

fn words(field: &'static str, texts: Vec<String>) -> Result<Vec<String>, Error> {
    // A group and a kind, or a prefix and a name, each as long as a name may be.
    texts.into_iter().map(|text| bounded(field, text, 2 * LONGEST_NAME)).collect()
}

fn labels(field: &'static str, given: HashMap<String, String>) -> Result<BTreeMap<String, String>, Error> {
    at_most(field, given.len(), MOST_LABELS)?;
    let read =
        |(key, value)| Ok((bounded(field, key, 2 * LONGEST_NAME)?, bounded(field, value, LONGEST_NAME)?));
    given.into_iter().map(read).collect()
}
