//! Facts, read.

use std::collections::{BTreeMap, HashMap};

use hub_core::fleet::{
    ClusterVersion, ControlPlaneFacts, Facts, Infrastructure, InjectorFacts, NamespaceFacts, NodeGroup,
    ObjectSettings, ProxyGroup, SchemaFact, UnreadFact,
};
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

/// Control planes, and webhooks that inject; a spoke tells some hundred.
const MOST_CONTROL_PLANES: usize = 1_000;

/// Groups of proxies; a spoke tells some hundred.
const MOST_PROXY_GROUPS: usize = 2_000;

/// Schemas; a spoke looks at some ten definitions.
const MOST_SCHEMAS: usize = 64;

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
        settings,
        control_planes,
        injectors,
        proxies,
        proxies_untold,
        schemas,
    } = message;
    at_most("facts.kinds", kinds.len(), MOST_KINDS)?;
    at_most("facts.nodes", nodes.len(), MOST_NODE_GROUPS)?;
    at_most("facts.namespaces", namespaces.len(), MOST_NAMESPACES)?;
    at_most("facts.unread", unread.len(), MOST_LABELS)?;
    at_most("facts.landmarks", landmarks.len(), MOST_LANDMARKS)?;
    at_most("facts.settings", settings.len(), MOST_LANDMARKS)?;
    at_most("facts.control_planes", control_planes.len(), MOST_CONTROL_PLANES)?;
    at_most("facts.injectors", injectors.len(), MOST_CONTROL_PLANES)?;
    at_most("facts.proxies", proxies.len(), MOST_PROXY_GROUPS)?;
    at_most("facts.schemas", schemas.len(), MOST_SCHEMAS)?;
    Ok(Facts {
        kubernetes_version: word("facts.kubernetes_version", kubernetes_version)?,
        kinds: words("facts.kinds", kinds)?,
        nodes: nodes.into_iter().map(node_group).collect::<Result<_, _>>()?,
        cluster_version: cluster_version.map(self::cluster_version).transpose()?,
        infrastructure: infrastructure.map(read_infrastructure).transpose()?,
        namespaces: namespaces.into_iter().map(namespace).collect::<Result<_, _>>()?,
        kube_dns_labels: labels("facts.kube_dns_labels", kube_dns_labels)?,
        landmarks: words("facts.landmarks", landmarks)?,
        settings: settings.into_iter().map(object_settings).collect::<Result<_, _>>()?,
        control_planes: control_planes.into_iter().map(control_plane).collect::<Result<_, _>>()?,
        injectors: injectors.into_iter().map(injector).collect::<Result<_, _>>()?,
        proxies: proxies.into_iter().map(proxy_group).collect::<Result<_, _>>()?,
        proxies_untold,
        schemas: schemas.into_iter().map(schema).collect::<Result<_, _>>()?,
        unread: unread.into_iter().map(unread_fact).collect(),
    })
}

fn schema(message: v1::SchemaFact) -> Result<SchemaFact, Error> {
    let v1::SchemaFact { kind, version, digest } = message;
    Ok(SchemaFact {
        kind: word("facts.schemas.kind", kind)?,
        version: word("facts.schemas.version", version)?,
        digest: super::digest("facts.schemas.digest", &digest)?,
    })
}

fn node_group(message: v1::NodeGroup) -> Result<NodeGroup, Error> {
    let v1::NodeGroup {
        count,
        provider,
        kubelet_version,
        os_image,
        labels,
        annotations,
        name_mark,
        external_address,
    } = message;
    at_most("facts.nodes.labels", labels.len(), MOST_LABELS)?;
    at_most("facts.nodes.annotations", annotations.len(), MOST_LABELS)?;
    Ok(NodeGroup {
        count,
        provider: word("facts.nodes.provider", provider)?,
        kubelet_version: word("facts.nodes.kubelet_version", kubelet_version)?,
        os_image: sentence(&os_image, LONGEST_NAME),
        labels: words("facts.nodes.labels", labels)?,
        annotations: words("facts.nodes.annotations", annotations)?,
        name_mark: word("facts.nodes.name_mark", name_mark)?,
        external_address,
    })
}

fn object_settings(message: v1::ObjectSettings) -> Result<ObjectSettings, Error> {
    let v1::ObjectSettings { object, values } = message;
    Ok(ObjectSettings {
        object: bounded("facts.settings.object", object, 2 * LONGEST_NAME)?,
        values: labels("facts.settings.values", values)?,
    })
}

fn control_plane(message: v1::ControlPlaneFacts) -> Result<ControlPlaneFacts, Error> {
    let v1::ControlPlaneFacts { namespace, name, revision, version, managed_by } = message;
    Ok(ControlPlaneFacts {
        namespace: word("facts.control_planes.namespace", namespace)?,
        name: word("facts.control_planes.name", name)?,
        revision: word("facts.control_planes.revision", revision)?,
        version: word("facts.control_planes.version", version)?,
        managed_by: word("facts.control_planes.managed_by", managed_by)?,
    })
}

fn injector(message: v1::InjectorFacts) -> Result<InjectorFacts, Error> {
    let v1::InjectorFacts { name, revision } = message;
    Ok(InjectorFacts {
        name: word("facts.injectors.name", name)?,
        revision: word("facts.injectors.revision", revision)?,
    })
}

fn proxy_group(message: v1::ProxyGroup) -> Result<ProxyGroup, Error> {
    let v1::ProxyGroup { namespace, revision, version, count } = message;
    Ok(ProxyGroup {
        namespace: word("facts.proxies.namespace", namespace)?,
        revision: word("facts.proxies.revision", revision)?,
        version: word("facts.proxies.version", version)?,
        count,
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
