//! `meshfleet cluster facts`: what a spoke saw of its cluster, unjudged, and what the hub took it for.

use proto::v1::{
    ClusterFactsResponse, ClusterVersion, ControlPlaneFacts, Facts, Infrastructure, InjectorFacts,
    NamespaceFacts, NodeGroup, ObjectSettings, ProxyGroup, SchemaFact, ShowClusterRequest, UnreadFact,
};
use serde_json::{Value, json};

use super::{map_to_json, pairs, platform_words, reference};
use crate::{
    call::{Call, Outcome},
    failure::Failure,
    screen::{Screen, bad, counted, faint, or_dash, plain, strong, warning},
};

/// How many lines of one list people look at.
const MOST: usize = 8;

/// `cluster facts NAME`.
pub async fn show(call: &Call, name: String) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let request = ShowClusterRequest { name: name.clone() };
    let answer = hub.clusters().facts(request).await.map_err(|status| hub.refused(&status))?.into_inner();
    call.answer(|screen| draw(screen, &answer), || to_json(&answer), || vec![reference(&name)])?;
    Ok(Outcome::Done)
}

fn draw(screen: &mut Screen, answer: &ClusterFactsResponse) {
    let ClusterFactsResponse {
        cluster,
        facts,
        platform,
        platform_detail,
        signals,
        conflict,
        declared_platform,
    } = answer;
    screen.line(2, &[strong(cluster), plain("  "), plain(platform_words(platform, platform_detail))]);
    let declared = match declared_platform.as_str() {
        "" => faint("nothing: the platform is detected"),
        declared if declared == platform || platform == "unknown" => plain(declared),
        declared => bad(format!("{declared}, found {platform}")),
    };
    screen.field(0, "declared", &[declared]);
    if !conflict.is_empty() {
        screen.field(0, "CONFLICT", &[bad(conflict)]);
    }
    if !signals.is_empty() {
        screen.blank();
        screen.line(2, &[strong("taken for that because of")]);
        // One sign may speak for the provider and for how it is hosted.
        let mut each: Vec<&String> = Vec::new();
        signals.iter().for_each(|signal| {
            if !each.contains(&signal) {
                each.push(signal)
            }
        });
        screen.list(2, &each, usize::MAX - 1);
    }
    screen.blank();
    match facts {
        Some(facts) => draw_facts(screen, facts),
        None => {
            let text = "nothing was seen of it yet: its spoke was never attached";
            screen.line(2, &[warning(text)]);
        }
    }
}

fn draw_facts(screen: &mut Screen, facts: &Facts) {
    let Facts {
        kubernetes_version,
        kinds,
        nodes,
        cluster_version,
        infrastructure,
        namespaces,
        kube_dns_labels: _,
        landmarks: _,
        settings,
        control_planes,
        injectors: _,
        proxies,
        proxies_untold,
        schemas,
        unread,
    } = facts;
    screen.line(2, &[strong("seen")]);
    screen.field(2, "kubernetes", &[plain(or_dash(kubernetes_version))]);
    if let Some(ClusterVersion { current, desired }) = cluster_version {
        let mut text = or_dash(current).to_owned();
        if !desired.is_empty() && desired != current {
            text = format!("{text}, on its way to {desired}");
        }
        screen.field(2, "cluster", &[plain(text)]);
    }
    if let Some(Infrastructure { platform_type, control_plane_topology, resource_tags }) = infrastructure {
        let words = [platform_type.clone(), control_plane_topology.clone(), pairs(resource_tags)];
        let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
        screen.field(2, "stands on", &[plain(or_dash(&words.join(", ")))]);
    }
    for UnreadFact { fact, reason } in unread {
        screen.field(2, "not read", &[warning(fact), plain(format!(": {reason}"))]);
    }
    let groups: Vec<String> = nodes.iter().map(node_words).collect();
    titled(screen, &counted(nodes.iter().map(|group| group.count as usize).sum(), "node"), &groups);
    let spaces: Vec<String> = namespaces.iter().map(namespace_words).collect();
    titled(screen, &counted(spaces.len(), "namespace"), &spaces);
    let planes: Vec<String> = control_planes.iter().map(control_plane_words).collect();
    titled(screen, &counted(planes.len(), "control plane"), &planes);
    let with_proxy: usize = proxies.iter().map(|group| group.count as usize).sum();
    let mut groups: Vec<String> = proxies.iter().map(proxy_words).collect();
    if *proxies_untold > 0 {
        groups.push(format!("{proxies_untold} elsewhere"));
    }
    let title = counted(with_proxy + *proxies_untold as usize, "pod");
    titled(screen, &format!("{title} with a proxy"), &groups);
    let objects: Vec<String> = settings.iter().map(settings_words).collect();
    titled(screen, &format!("{} of the provider's", counted(objects.len(), "object")), &objects);
    let defined: Vec<String> = schemas.iter().map(schema_words).collect();
    titled(screen, &format!("{} that plans are judged by", counted(defined.len(), "schema")), &defined);
    titled(screen, &format!("{} beyond those of Kubernetes", counted(kinds.len(), "kind")), kinds);
}

fn titled(screen: &mut Screen, title: &str, entries: &[String]) {
    if !entries.is_empty() {
        screen.line(4, &[faint(format!("  {title}"))]);
        screen.list(4, entries, MOST);
    }
}

/// The first digits of a digest tell one schema from another.
fn schema_words(schema: &SchemaFact) -> String {
    let SchemaFact { kind, version, digest } = schema;
    format!("{kind} {version}  {}", hex(&digest[..digest.len().min(6)]))
}

fn schema_to_json(schema: &SchemaFact) -> Value {
    let SchemaFact { kind, version, digest } = schema;
    json!({"kind": kind, "version": version, "digest": hex(digest)})
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn node_words(group: &NodeGroup) -> String {
    let NodeGroup { count, provider, kubelet_version, os_image, .. } = group;
    let words = [provider, kubelet_version, os_image].map(String::as_str);
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    format!("{count} of {}", or_dash(&words.join(", ")))
}

fn control_plane_words(found: &ControlPlaneFacts) -> String {
    let ControlPlaneFacts { namespace, name, revision, version, managed_by: _ } = found;
    format!("{namespace}/{name} {}, revision {}", or_dash(version), or_dash(revision))
}

fn proxy_words(group: &ProxyGroup) -> String {
    let ProxyGroup { namespace, revision, version, count } = group;
    format!("{count} in {namespace} with {}, revision {}", or_dash(version), or_dash(revision))
}

fn settings_words(settings: &ObjectSettings) -> String {
    let ObjectSettings { object, values } = settings;
    let values = pairs(values);
    if values.is_empty() { object.clone() } else { format!("{object}  {values}") }
}

fn namespace_words(namespace: &NamespaceFacts) -> String {
    let NamespaceFacts { name, labels } = namespace;
    let labels = pairs(labels);
    if labels.is_empty() { name.clone() } else { format!("{name}  {labels}") }
}

fn to_json(answer: &ClusterFactsResponse) -> Value {
    let ClusterFactsResponse {
        cluster,
        facts,
        platform,
        platform_detail,
        signals,
        conflict,
        declared_platform,
    } = answer;
    json!({
        "cluster": cluster, "platform": platform, "platformDetail": platform_detail, "signals": signals,
        "conflict": conflict, "declaredPlatform": declared_platform, "facts": facts.as_ref().map(facts_to_json),
    })
}

fn facts_to_json(facts: &Facts) -> Value {
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
    let namespace = |NamespaceFacts { name, labels }: &NamespaceFacts| json!({"name": name, "labels": map_to_json(labels)});
    let injector =
        |InjectorFacts { name, revision }: &InjectorFacts| json!({"name": name, "revision": revision});
    let unread = unread.iter().map(|UnreadFact { fact, reason }| json!({"fact": fact, "reason": reason}));
    let version = |ClusterVersion { current, desired }: &ClusterVersion| json!({"current": current, "desired": desired});
    let stands =
        |Infrastructure { platform_type, control_plane_topology, resource_tags }: &Infrastructure| {
            json!({
                "platformType": platform_type, "controlPlaneTopology": control_plane_topology,
                "resourceTags": map_to_json(resource_tags),
            })
        };
    json!({
        "kubernetesVersion": kubernetes_version, "kinds": kinds,
        "nodes": nodes.iter().map(node_to_json).collect::<Vec<_>>(),
        "clusterVersion": cluster_version.as_ref().map(version),
        "infrastructure": infrastructure.as_ref().map(stands),
        "namespaces": namespaces.iter().map(namespace).collect::<Vec<_>>(),
        "kubeDnsLabels": map_to_json(kube_dns_labels), "landmarks": landmarks,
        "settings": settings.iter().map(settings_to_json).collect::<Vec<_>>(),
        "controlPlanes": control_planes.iter().map(control_plane_to_json).collect::<Vec<_>>(),
        "injectors": injectors.iter().map(injector).collect::<Vec<_>>(),
        "proxies": proxies.iter().map(proxies_to_json).collect::<Vec<_>>(), "proxiesUntold": proxies_untold,
        "schemas": schemas.iter().map(schema_to_json).collect::<Vec<_>>(),
        "unread": unread.collect::<Vec<_>>(),
    })
}

fn node_to_json(group: &NodeGroup) -> Value {
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
    json!({
        "count": count, "provider": provider, "kubeletVersion": kubelet_version, "osImage": os_image,
        "labels": labels, "annotations": annotations, "nameMark": name_mark, "externalAddress": external_address,
    })
}

fn settings_to_json(ObjectSettings { object, values }: &ObjectSettings) -> Value {
    json!({"object": object, "values": map_to_json(values)})
}

fn control_plane_to_json(found: &ControlPlaneFacts) -> Value {
    let ControlPlaneFacts { namespace, name, revision, version, managed_by } = found;
    json!({
        "namespace": namespace, "name": name, "revision": revision, "version": version, "managedBy": managed_by,
    })
}

fn proxies_to_json(group: &ProxyGroup) -> Value {
    let ProxyGroup { namespace, revision, version, count } = group;
    json!({"namespace": namespace, "revision": revision, "version": version, "count": count})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{golden, golden_wide};

    fn answer() -> ClusterFactsResponse {
        let namespace = |name: String| NamespaceFacts {
            labels: [("istio-injection".to_owned(), "enabled".to_owned())].into(),
            name,
        };
        let facts = Facts {
            kubernetes_version: "v1.24.6+5658434".to_owned(),
            kinds: (1..=12).map(|number| format!("example{number}.dev/Kind{number}")).collect(),
            nodes: vec![NodeGroup {
                count: 3,
                provider: "aws".to_owned(),
                kubelet_version: "v1.24.6+5658434".to_owned(),
                os_image: "Red Hat Enterprise Linux CoreOS 411.86.202310180532-0 (Ootpa)".to_owned(),
                labels: vec!["node.openshift.io/os_id=rhcos".to_owned()],
                ..NodeGroup::default()
            }],
            cluster_version: Some(ClusterVersion {
                current: "4.11.59".to_owned(),
                desired: "4.12.1".to_owned(),
            }),
            infrastructure: Some(Infrastructure {
                platform_type: "AWS".to_owned(),
                control_plane_topology: "HighlyAvailable".to_owned(),
                resource_tags: [("red-hat-clustertype".to_owned(), "rosa".to_owned())].into(),
            }),
            settings: vec![ObjectSettings {
                object: "apps/DaemonSet kube-system/aws-node".to_owned(),
                values: [("aws-node/ENABLE_POD_ENI".to_owned(), "true".to_owned())].into(),
            }],
            control_planes: vec![ControlPlaneFacts {
                namespace: "istio-system".to_owned(),
                name: "istiod".to_owned(),
                revision: "default".to_owned(),
                version: "1.30.3".to_owned(),
                managed_by: "sail-operator".to_owned(),
            }],
            injectors: vec![InjectorFacts {
                name: "istio-sidecar-injector".to_owned(),
                revision: "default".to_owned(),
            }],
            proxies: vec![ProxyGroup {
                namespace: "shop".to_owned(),
                revision: "default".to_owned(),
                version: "1.29.6".to_owned(),
                count: 12,
            }],
            proxies_untold: 3,
            schemas: vec![SchemaFact {
                kind: "sailoperator.io/Istio".to_owned(),
                version: "v1".to_owned(),
                digest: (0..32).collect(),
            }],
            landmarks: Vec::new(),
            namespaces: (1..=3).map(|number| namespace(format!("team-{number}"))).collect(),
            kube_dns_labels: [].into(),
            unread: vec![UnreadFact {
                fact: "infrastructure".to_owned(),
                reason: "forbidden to the spoke's account".to_owned(),
            }],
        };
        ClusterFactsResponse {
            cluster: "rosa-eu-1".to_owned(),
            facts: Some(facts),
            platform: "rosa".to_owned(),
            platform_detail: "ROSA classic, OpenShift 4.11.59".to_owned(),
            signals: vec![
                "the API serves config.openshift.io".to_owned(),
                "the tag red-hat-clustertype of the infrastructure is rosa".to_owned(),
            ],
            conflict: "the document declares eks, the cluster serves config.openshift.io".to_owned(),
            declared_platform: "eks".to_owned(),
        }
    }

    #[test]
    fn facts_are_shown_with_what_they_were_taken_for() {
        insta::assert_snapshot!("facts_at_80_columns", golden(80, |screen| draw(screen, &answer())));
        insta::assert_snapshot!("facts_wide", golden_wide(120, |screen| draw(screen, &answer())));
    }

    #[test]
    fn a_cluster_that_was_never_seen_says_so() {
        let answer = ClusterFactsResponse {
            cluster: "new".to_owned(),
            platform: "unknown".to_owned(),
            ..ClusterFactsResponse::default()
        };
        insta::assert_snapshot!(golden(80, |screen| draw(screen, &answer)));
    }

    #[test]
    fn json_has_stable_names() {
        let mut answer = answer();
        if let Some(facts) = &mut answer.facts {
            facts.kinds.truncate(1);
            facts.namespaces.truncate(1);
        }
        insta::assert_snapshot!(format!("{:#}", to_json(&answer)));
    }
}
