//! Facts of a cluster and what they were taken for, written for the wire.

use hub_core::fleet::{ClusterVersion, Facts, Infrastructure, NamespaceFacts, NodeGroup, UnreadFact};
use proto::v1;

use super::super::convert;
use crate::app::clusters::ClusterOverview;

pub(super) fn response(overview: ClusterOverview) -> v1::ClusterFactsResponse {
    let ClusterOverview { cluster, state: _, detection, connected: _, last_seen_at: _ } = overview;
    let signals = detection.as_ref().map(|detection| detection.signals.clone()).unwrap_or_default();
    let conflict = detection.as_ref().and_then(|detection| detection.conflict.clone());
    let contradicted = detection
        .as_ref()
        .and_then(|detection| hub_core::platform::check_declared(cluster.declared, detection))
        .filter(|_| cluster.declared.is_some())
        .map(|finding| finding.message);
    let (platform, platform_detail) = convert::platform(detection);
    v1::ClusterFactsResponse {
        cluster: cluster.name.to_string(),
        facts: cluster.facts.map(facts),
        platform,
        platform_detail,
        signals,
        conflict: conflict.or(contradicted).unwrap_or_default(),
        declared_platform: cluster.declared.map(|platform| platform.to_string()).unwrap_or_default(),
    }
}

fn facts(facts: Facts) -> v1::Facts {
    let Facts {
        kubernetes_version,
        kinds,
        nodes,
        cluster_version,
        infrastructure,
        namespaces,
        kube_dns_labels,
        unread,
    } = facts;
    v1::Facts {
        kubernetes_version,
        kinds,
        nodes: nodes.into_iter().map(node_group).collect(),
        cluster_version: cluster_version
            .map(|ClusterVersion { current, desired }| v1::ClusterVersion { current, desired }),
        infrastructure: infrastructure.map(infrastructure_facts),
        namespaces: namespaces.into_iter().map(namespace).collect(),
        kube_dns_labels: kube_dns_labels.into_iter().collect(),
        unread: unread
            .into_iter()
            .map(|UnreadFact { fact, reason }| v1::UnreadFact { fact, reason })
            .collect(),
    }
}

fn node_group(group: NodeGroup) -> v1::NodeGroup {
    let NodeGroup { count, provider, kubelet_version, os_image, labels } = group;
    v1::NodeGroup { count, provider, kubelet_version, os_image, labels }
}

fn infrastructure_facts(infrastructure: Infrastructure) -> v1::Infrastructure {
    let Infrastructure { platform_type, control_plane_topology, resource_tags } = infrastructure;
    let resource_tags = resource_tags.into_iter().collect();
    v1::Infrastructure { platform_type, control_plane_topology, resource_tags }
}

fn namespace(namespace: NamespaceFacts) -> v1::NamespaceFacts {
    let NamespaceFacts { name, labels } = namespace;
    v1::NamespaceFacts { name, labels: labels.into_iter().collect() }
}
