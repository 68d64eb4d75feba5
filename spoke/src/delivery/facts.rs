//! Facts in the wire's type. They stand apart because the wire names a fact after the platform that has it.

use std::collections::BTreeMap;

use proto::v1;

use crate::facts::{ClusterVersion, ControlPlane, Facts, Infrastructure, Injector, NodeKind, Proxy, Schema};

/// Facts as they are sent.
pub(super) fn facts(facts: &Facts) -> v1::Facts {
    let namespace = |(name, labels): (&String, &BTreeMap<String, String>)| v1::NamespaceFacts {
        name: name.clone(),
        labels: labels.clone().into_iter().collect(),
    };
    let settings = |(object, values): (&String, &BTreeMap<String, String>)| v1::ObjectSettings {
        object: object.clone(),
        values: values.clone().into_iter().collect(),
    };
    let injector = |Injector { name, revision }: &Injector| v1::InjectorFacts {
        name: name.clone(),
        revision: revision.clone(),
    };
    let unread =
        |(fact, reason): (&String, &String)| v1::UnreadFact { fact: fact.clone(), reason: reason.clone() };
    v1::Facts {
        kubernetes_version: facts.kubernetes_version.clone(),
        kinds: facts.kinds.iter().cloned().collect(),
        nodes: facts.nodes.iter().map(|(kind, count)| nodes(kind, *count)).collect(),
        cluster_version: facts.cluster_version.clone().map(cluster_version),
        infrastructure: facts.infrastructure.clone().map(infrastructure),
        namespaces: facts.namespaces.iter().map(namespace).collect(),
        kube_dns_labels: facts.kube_dns_labels.clone().into_iter().collect(),
        landmarks: facts.landmarks.iter().cloned().collect(),
        unread: facts.unread.iter().map(unread).collect(),
        settings: facts.settings.iter().map(settings).collect(),
        control_planes: facts.mesh.control_planes.iter().map(control_plane).collect(),
        injectors: facts.mesh.injectors.iter().map(injector).collect(),
        proxies: facts.mesh.proxies.iter().map(|(proxy, count)| proxies(proxy, *count)).collect(),
        proxies_untold: facts.mesh.proxies_untold,
        schemas: facts.schemas.iter().map(schema).collect(),
    }
}

fn nodes(kind: &NodeKind, count: u32) -> v1::NodeGroup {
    let NodeKind { provider, kubelet_version, os_image, labels, annotations, name_mark, external_address } =
        kind.clone();
    v1::NodeGroup {
        count,
        provider,
        kubelet_version,
        os_image,
        labels,
        annotations,
        name_mark: name_mark.to_owned(),
        external_address: Some(external_address),
    }
}

fn schema(found: &Schema) -> v1::SchemaFact {
    let Schema { kind, version, digest, definition: _ } = found.clone();
    v1::SchemaFact { kind, version, digest: digest.as_bytes().to_vec() }
}

fn control_plane(found: &ControlPlane) -> v1::ControlPlaneFacts {
    let ControlPlane { namespace, name, revision, version, managed_by } = found.clone();
    v1::ControlPlaneFacts { namespace, name, revision, version, managed_by }
}

fn proxies(proxy: &Proxy, count: u32) -> v1::ProxyGroup {
    let Proxy { namespace, revision, version } = proxy.clone();
    v1::ProxyGroup { namespace, revision, version, count }
}

fn cluster_version(version: ClusterVersion) -> v1::ClusterVersion {
    let ClusterVersion { current, desired } = version;
    v1::ClusterVersion { current, desired }
}

fn infrastructure(infrastructure: Infrastructure) -> v1::Infrastructure {
    let Infrastructure { platform_type, control_plane_topology, resource_tags } = infrastructure;
    v1::Infrastructure {
        platform_type,
        control_plane_topology,
        resource_tags: resource_tags.into_iter().collect(),
    }
}
