//! What a plan must hold for the monitoring beside a mesh on OpenShift, and what stands against such monitoring there.

use serde_json::{Value, json};

use super::referee::{RBAC_GROUP, SCC_ROLE};
use crate::{
    catalog::MinorVersion,
    config::{Capabilities, ContainerResources, Monitoring, NodeExporter},
    fleet::Facts,
    plan::{
        Finding,
        check::{Seen, blocks, seen_to_by, warns},
    },
};

pub(super) fn judge(plan: &Seen<'_>, facts: &Facts) -> Vec<Finding> {
    let Some(monitoring) = &plan.intent.monitoring else { return Vec::new() };
    let mut findings = Vec::new();
    if let Some(exporter) = &monitoring.node_exporter {
        findings.extend(unbound_exporter(plan, monitoring, exporter));
        findings.extend(port_taken(exporter, facts));
    }
    findings.extend(unbound_prometheus(plan, monitoring, facts));
    findings.extend(limits_missing(plan, monitoring));
    findings.extend(amounts(monitoring));
    findings.extend(two_operators(monitoring, facts));
    findings
}

/// Elsewhere nothing of it is planned. Bindings are not missed there, amounts may be.
pub(super) fn elsewhere(plan: &Seen<'_>) -> Option<Finding> {
    let resources = &plan.intent.monitoring.as_ref()?.resources;
    (!resources.is_empty()).then(|| {
        warns(
            "monitoring.not-applied",
            format!(
                "base.monitoring.resources names {} containers, and they are set on OpenShift only: what the charts say holds here",
                resources.len()
            ),
            "say them in a layer of the OpenShift clusters, or set them in the monitoring's own charts".to_owned(),
        )
    })
}

fn unbound_exporter(plan: &Seen<'_>, monitoring: &Monitoring, exporter: &NodeExporter) -> Option<Finding> {
    let (role, constraint) = match exporter.capabilities {
        Capabilities::None => ("node-exporter".to_owned(), "node-exporter"),
        Capabilities::Added => (format!("{SCC_ROLE}privileged"), "privileged"),
    };
    let account = exporter.service_account.as_str();
    (!is_bound(plan, monitoring, account, &role)).then(|| {
        unbound(
            ("openshift.scc.unbound-node-exporter", "openshift.scc.node-exporter"),
            (monitoring, account),
            constraint,
        )
    })
}

fn unbound_prometheus(plan: &Seen<'_>, monitoring: &Monitoring, facts: &Facts) -> Option<Finding> {
    let account = monitoring.prometheus.as_ref()?.service_account.as_str();
    let constraint = if is_before(facts, 11) { "nonroot" } else { "nonroot-v2" };
    (!is_bound(plan, monitoring, account, &format!("{SCC_ROLE}{constraint}"))).then(|| {
        unbound(
            ("openshift.scc.unbound-prometheus", "openshift.scc.prometheus"),
            (monitoring, account),
            constraint,
        )
    })
}

fn unbound(
    (id, rule): (&str, &str),
    (monitoring, account): (&Monitoring, &str),
    constraint: &str,
) -> Finding {
    let namespace = &monitoring.namespace;
    blocks(
        id,
        format!("service account {namespace}/{account} may not use {constraint}: its pods would be refused"),
        seen_to_by(rule),
    )
}

fn is_bound(plan: &Seen<'_>, monitoring: &Monitoring, account: &str, role: &str) -> bool {
    let namespace = monitoring.namespace.as_str();
    let mut there =
        plan.of_kind(RBAC_GROUP, "RoleBinding").filter(|manifest| manifest.id.namespace == namespace);
    there.any(|manifest| {
        let to = &manifest.value["roleRef"];
        let subjects = manifest.value["subjects"].as_array();
        to["kind"] == "ClusterRole"
            && to["name"] == role
            && subjects.is_some_and(|subjects| {
                subjects.iter().any(|subject| {
                    subject["kind"] == "ServiceAccount"
                        && subject["name"] == account
                        && subject["namespace"] == namespace
                })
            })
    })
}

/// Whether the cluster is known to be older than a minor of OpenShift 4.
fn is_before(facts: &Facts, minor: u32) -> bool {
    let version = facts.cluster_version.as_ref();
    let text =
        version.map(|version| if version.current.is_empty() { &version.desired } else { &version.current });
    let version = text.and_then(|text| MinorVersion::parse(text).ok());
    version.is_some_and(|version| version.major == 4 && version.minor < minor)
}

/// OpenShift's own exporter is on every node, with the node's network: a second one on its ports is never scheduled, or
/// fails to listen.
fn port_taken(exporter: &NodeExporter, facts: &Facts) -> Option<Finding> {
    let taken = exporter.port == 9100 || (exporter.port == 9101 && !is_before(facts, 17));
    (taken).then(|| {
        blocks(
            "openshift.node-exporter.port",
            format!(
                "base.monitoring.nodeExporter.port is {}, and OpenShift's own node exporter listens there on every node: a second one would not start",
                exporter.port
            ),
            "choose another port, for example 9200, in the exporter's chart and in base.monitoring.nodeExporter.port; or leave the exporter out and read OpenShift's".to_owned(),
        )
    })
}

fn limits_missing(plan: &Seen<'_>, monitoring: &Monitoring) -> Option<Finding> {
    let missing = monitoring.resources.iter().filter(|asked| !is_added(plan, monitoring, asked));
    let missing: Vec<String> =
        missing.map(|asked| format!("{}/{}", asked.deployment, asked.container)).collect();
    (!missing.is_empty()).then(|| {
        blocks(
            "openshift.monitoring.limits-missing",
            format!(
                "the plan does not set the resources that base.monitoring asks for of {}",
                missing.join(", ")
            ),
            seen_to_by("openshift.monitoring.limits"),
        )
    })
}

fn is_added(plan: &Seen<'_>, monitoring: &Monitoring, asked: &ContainerResources) -> bool {
    let of_it = plan.additions.iter().filter(|addition| {
        let id = addition.id;
        id.kind == "Deployment"
            && id.namespace == monitoring.namespace.as_str()
            && id.name == asked.deployment.as_str()
    });
    let containers = of_it.filter_map(|addition| {
        addition.value.pointer("/spec/template/spec/containers").and_then(Value::as_array)
    });
    containers.flatten().any(|container| {
        let holds = |key: &str, amounts: &crate::config::Amounts| {
            amounts.is_empty() || container["resources"][key] == json!(amounts)
        };
        container["name"] == asked.container.as_str()
            && holds("limits", &asked.limits)
            && holds("requests", &asked.requests)
    })
}

/// What the API server refuses, or what would leave one of two settings without effect.
fn amounts(monitoring: &Monitoring) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (place, asked) in monitoring.resources.iter().enumerate() {
        let name = format!("container {} of Deployment {}", asked.container, asked.deployment);
        let earlier = &monitoring.resources[..place];
        let twice = |other: &ContainerResources| {
            other.deployment == asked.deployment && other.container == asked.container
        };
        if earlier.iter().any(twice) {
            findings.push(blocks(
                "monitoring.resources.twice",
                format!("base.monitoring.resources has {name} twice"),
                "keep one of them".to_owned(),
            ));
        }
        for (what, request) in &asked.requests {
            let Some(limit) = asked.limits.get(what) else { continue };
            if thousandths(request) > thousandths(limit) {
                findings.push(blocks(
                    "monitoring.resources.order",
                    format!("base.monitoring.resources gives {name} {request} of {what} and limits it to {limit}: the API server refuses that"),
                    "set the limit no lower than the request".to_owned(),
                ));
            }
        }
    }
    findings
}

/// An amount as the schema lets it through, in thousandths of its base.
fn thousandths(amount: &str) -> u128 {
    let units: [(&str, u128); 7] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("", 1),
    ];
    if let Some(digits) = amount.strip_suffix('m') {
        return digits.parse().unwrap_or_default();
    }
    let found = units.iter().find_map(|(unit, times)| Some((amount.strip_suffix(unit)?, times)));
    found.map_or(0, |(digits, times)| digits.parse::<u128>().unwrap_or_default() * times * 1_000)
}

/// OpenShift's own operator serves every namespace that it may; a second one must keep to its own.
fn two_operators(monitoring: &Monitoring, facts: &Facts) -> Option<Finding> {
    let ours = monitoring.prometheus.is_some() && facts.serves("monitoring.coreos.com/Prometheus");
    ours.then(|| {
        warns(
            "openshift.monitoring.two-operators",
            format!(
                "OpenShift runs a Prometheus operator and its definitions are served; one of your own in {} would see the same resources",
                monitoring.namespace
            ),
            "let yours watch its own namespaces only (--namespaces) and leave the definitions to OpenShift; or switch user-workload monitoring on and write ServiceMonitors and PodMonitors only".to_owned(),
        )
    })
}
