//! Facts of a cluster and what they were taken for, written for the wire.

use hub_core::fleet::{
    ClusterVersion, ControlPlaneFacts, Facts, Infrastructure, InjectorFacts, NamespaceFacts, NodeGroup,
    ObjectSettings, ProxyGroup, SchemaFact, UnreadFact,
};
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
        landmarks,
        settings,
        control_planes,
        injectors,
        proxies,
        proxies_untold,
        schemas,
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
        landmarks,
        settings: settings.into_iter().map(object_settings).collect(),
        control_planes: control_planes.into_iter().map(control_plane).collect(),
        injectors: injectors
            .into_iter()
            .map(|InjectorFacts { name, revision }| v1::InjectorFacts { name, revision })
            .collect(),
        proxies: proxies.into_iter().map(proxy_group).collect(),
        proxies_untold,
        schemas: schemas.into_iter().map(schema).collect(),
        unread: unread
            .into_iter()
            .map(|UnreadFact { fact, reason }| v1::UnreadFact { fact, reason })
            .collect(),
    }
}

fn schema(fact: SchemaFact) -> v1::SchemaFact {
    let SchemaFact { kind, version, digest } = fact;
    v1::SchemaFact { kind, version, digest: digest.as_bytes().to_vec() }
}

fn node_group(group: NodeGroup) -> v1::NodeGroup {
    let NodeGroup {
        count,
        provider,
        kubelet_version,
        os_image,
        labels,
        annotations,
        name_mark,
        external_address,
    } = group;
    v1::NodeGroup {
        count,
        provider,
        kubelet_version,
        os_image,
        labels,
        annotations,
        name_mark,
        external_address,
    }
}

fn object_settings(ObjectSettings { object, values }: ObjectSettings) -> v1::ObjectSettings {
    v1::ObjectSettings { object, values: values.into_iter().collect() }
}

fn control_plane(found: ControlPlaneFacts) -> v1::ControlPlaneFacts {
    let ControlPlaneFacts { namespace, name, revision, version, managed_by } = found;
    v1::ControlPlaneFacts { namespace, name, revision, version, managed_by }
}

fn proxy_group(group: ProxyGroup) -> v1::ProxyGroup {
    let ProxyGroup { namespace, revision, version, count } = group;
    v1::ProxyGroup { namespace, revision, version, count }
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
