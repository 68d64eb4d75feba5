//! What the monitoring beside a mesh needs on OpenShift, where pods are admitted by need. Its charts install it; a plan
//! lets its pods be admitted and sets what its containers may use.

use serde_json::{Map, Value, json};

use super::{FAMILY, rules};
use crate::{
    catalog::{
        openshift::{Constraint, NODE_EXPORTER_ROLE},
        scc::{Component, to_bind},
    },
    config::{Capabilities, ContainerResources, Monitoring},
    fleet::Name,
    plan::{
        ObjectId, RuleId,
        input::{Fact, MeshInput, Projection},
        requirement::{Fields, FulfilledBy, Requirement, Source, Watched},
        rule::Rule,
    },
};

/// The rules, with whatever installer.
pub(super) const RULES: [Rule; 3] = [
    Rule {
        id: RuleId("openshift.scc.node-exporter"),
        reason: "An exporter with the node's network, process ids and paths is admitted by the constraint node-exporter, or by privileged if it adds capabilities; hostnetwork, once bound beside it, has no host paths and admits nothing more.",
        source: "Calisti 1.12, OpenShift integration: SCC bindings for node-exporters; openshift/cluster-monitoring-operator, assets/node-exporter; seen on an OpenShift API server: a pod that adds SYS_TIME is refused by node-exporter",
        platforms: FAMILY,
        installers: &[],
        reads: &[Fact::PlatformVersion],
        yields: yield_node_exporter,
    },
    Rule {
        id: RuleId("openshift.scc.prometheus"),
        reason: "Prometheus runs as a user and group outside of the namespace's ranges, which nonroot-v2 admits; OpenShift binds its own for user workloads to the same.",
        source: "openshift/cluster-monitoring-operator, assets/prometheus-user-workload; prometheus-operator/kube-prometheus, manifests/prometheus-prometheus.yaml",
        platforms: FAMILY,
        installers: &[],
        reads: &[Fact::PlatformVersion],
        yields: yield_prometheus,
    },
    Rule {
        id: RuleId("openshift.monitoring.limits"),
        reason: "What a proxy before the API needs varies on OpenShift with the size of the cluster, so the config's amounts are laid over the chart's; nobody's defaults are changed unasked.",
        source: "Calisti 1.12, OpenShift integration: Prometheus OpenShift integration; prometheus-operator/kube-prometheus gives such proxies 40Mi",
        platforms: FAMILY,
        installers: &[],
        reads: &[],
        yields: yield_limits,
    },
];

fn yield_node_exporter(mesh: &MeshInput, facts: &Projection) -> Vec<Requirement> {
    let Some(monitoring) = &mesh.intent.monitoring else { return Vec::new() };
    let Some(exporter) = &monitoring.node_exporter else { return Vec::new() };
    let component = match exporter.capabilities {
        Capabilities::None => Component::NodeExporter,
        Capabilities::Added => Component::NodeExporterWithCapabilities,
    };
    let constraint = to_bind(component, mesh.intent.version.minor);
    let bound = constraint.map(|constraint| {
        binding(monitoring, &exporter.service_account, "monitoring.nodeExporter", constraint, facts)
    });
    let role = (constraint == Some(Constraint::NodeExporter)).then(node_exporter_role);
    bound.into_iter().chain(role).collect()
}

/// OpenShift's monitoring operator makes the role; it is watched, because a binding to a role that is not there gives
/// nothing.
fn node_exporter_role() -> Requirement {
    let id = ObjectId::new("rbac.authorization.k8s.io", "v1", "ClusterRole", "", NODE_EXPORTER_ROLE);
    let rule = r#".rules[resources=["securitycontextconstraints"]]"#;
    let requires = vec![
        Watched::value(&format!("{rule}.resourceNames"), json!(["node-exporter"])),
        Watched::value(&format!("{rule}.verbs"), json!(["use"])),
    ];
    Requirement::installer(id, requires)
}

fn yield_prometheus(mesh: &MeshInput, facts: &Projection) -> Vec<Requirement> {
    let Some(monitoring) = &mesh.intent.monitoring else { return Vec::new() };
    let Some(prometheus) = &monitoring.prometheus else { return Vec::new() };
    let constraint = to_bind(Component::Prometheus, mesh.intent.version.minor);
    let bound = constraint.map(|constraint| {
        binding(monitoring, &prometheus.service_account, "monitoring.prometheus", constraint, facts)
    });
    bound.into_iter().collect()
}

/// The subject is the config's, all else the rule's.
fn binding(
    monitoring: &Monitoring,
    account: &Name,
    said: &'static str,
    constraint: Constraint,
    facts: &Projection,
) -> Requirement {
    let subject = json!({
        "kind": "ServiceAccount",
        "name": account.as_str(),
        "namespace": monitoring.namespace.as_str(),
    });
    let mut requirement =
        rules::binding(&monitoring.namespace, account.as_str(), subject.clone(), constraint, facts);
    if let FulfilledBy::Plan { fields, .. } = &mut requirement.fulfilled_by {
        for field in fields.iter_mut() {
            if let Some(tree) = field.tree.as_object_mut() {
                tree.remove("subjects");
            }
        }
        fields.push(Fields::needed(Source::Config(said), json!({ "subjects": [subject] })));
    }
    requirement
}

/// One addition a Deployment: a list of containers is merged by their names.
fn yield_limits(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let Some(monitoring) = &mesh.intent.monitoring else { return Vec::new() };
    let resources = &monitoring.resources;
    let first = |one: &ContainerResources| {
        resources.iter().position(|other| other.deployment == one.deployment).unwrap_or_default()
    };
    let heads = resources.iter().enumerate().filter(|(place, one)| first(one) == *place);
    heads.map(|(place, head)| addition(monitoring, place, &head.deployment)).collect()
}

fn addition(monitoring: &Monitoring, place: usize, deployment: &Name) -> Requirement {
    let of_it = || {
        let items = monitoring.resources.iter().enumerate();
        items.filter(|(_, one)| one.deployment == *deployment)
    };
    let containers: Vec<Value> = of_it().map(|(_, one)| container(one)).collect();
    let tree = json!({"spec": {"template": {"spec": { "containers": containers }}}});
    let mut fields = vec![Fields::needed(Source::Item("monitoring.resources", place), tree)];
    fields.extend(of_it().map(|(place, one)| {
        let key = format!("resources.meshfleet.dev/{}", one.container);
        let reason = json!({"metadata": {"annotations": { key: one.reason }}});
        Fields::needed(Source::Item("monitoring.resources", place), reason)
    }));
    let namespace = monitoring.namespace.as_str();
    let object = ObjectId::new("apps", "v1", "Deployment", namespace, deployment.as_str());
    Requirement { object, fulfilled_by: FulfilledBy::Addition { fields }, healthy_when: None }
}

fn container(asked: &ContainerResources) -> Value {
    let mut resources = Map::new();
    for (key, amounts) in [("limits", &asked.limits), ("requests", &asked.requests)] {
        if !amounts.is_empty() {
            resources.insert(key.to_owned(), json!(amounts));
        }
    }
    json!({"name": asked.container.as_str(), "resources": resources})
}
