//! What an OpenShift plan must hold, told from the facts and from the manifests alone.
//!
//! Shares no code and no table with the rules: names, paths and versions are written down a second time on purpose, so
//! that one mistake is not made on both sides.

use serde_json::Value;

use super::{referee_admission, referee_calisti, referee_monitoring, referee_sail};
use crate::{
    catalog::MinorVersion,
    config::{CniPlugin, InstallerKind, Interception},
    fleet::Facts,
    plan::{
        Finding,
        check::{Seen, blocks, warns},
    },
};

pub(super) const NAD_GROUP: &str = "k8s.cni.cncf.io";
pub(super) const NAD: &str = "NetworkAttachmentDefinition";
pub(super) const RBAC_GROUP: &str = "rbac.authorization.k8s.io";
pub(super) const SCC_ROLE: &str = "system:openshift:scc:";

pub(super) fn judge(plan: &Seen<'_>, facts: &Facts) -> Vec<Finding> {
    if !is_openshift(facts) {
        return [foreign(plan), referee_monitoring::elsewhere(plan)].into_iter().flatten().collect();
    }
    let mut findings = Vec::new();
    findings.extend(attachments_served(plan, facts));
    match plan.intent.installer {
        InstallerKind::Calisti => findings.extend(referee_calisti::judge(plan, facts)),
        InstallerKind::Sail => findings.extend(referee_sail::judge(plan, facts)),
    }
    findings.extend(referee_admission::judge(plan, facts));
    findings.extend(tproxy(plan));
    findings.extend(referee_monitoring::judge(plan, facts));
    findings.extend(managed(plan));
    findings.extend(definitions(plan, facts));
    findings.extend(not_judged(plan));
    findings.extend(version(facts));
    findings
}

pub(super) fn is_openshift(facts: &Facts) -> bool {
    facts.cluster_version.is_some()
        || facts.serves("config.openshift.io/ClusterVersion")
        || facts.serves("security.openshift.io/SecurityContextConstraints")
}

/// What belongs on OpenShift only, in a plan for something else.
fn foreign(plan: &Seen<'_>) -> Option<Finding> {
    let mut found: Vec<String> = Vec::new();
    let unasked = plan.intent.cni == CniPlugin::Auto;
    for (id, value) in plan.written() {
        let role = value["roleRef"]["name"].as_str().unwrap_or_default();
        let directory = value["spec"]["proxyInit"]["cni"]["confDir"].as_str().unwrap_or_default();
        let platform = &value["spec"]["values"]["global"]["platform"];
        let own = id.group == NAD_GROUP || id.group.ends_with(".openshift.io");
        if own || (id.kind == "IstioCNI" && unasked) {
            found.push(id.to_string());
        } else if role.starts_with(SCC_ROLE) {
            found.push(format!("{id} to {role}"));
        } else if directory.contains("multus") {
            found.push(format!("the Multus settings in {id}"));
        } else if platform == "openshift" {
            found.push(format!("the platform openshift in {id}"));
        }
    }
    let expected = plan.document.expectations.iter().map(|expectation| &expectation.id);
    found.extend(expected.filter(|id| id.group == NAD_GROUP).map(|id| format!("the wait for {id}")));
    (!found.is_empty()).then(|| {
        blocks(
            "openshift.foreign",
            format!("the cluster shows no API of OpenShift, but the plan has {}", found.join(", ")),
            "correct spec.platform of the Cluster document, or let the spoke read the API groups".to_owned(),
        )
    })
}

fn attachments_served(plan: &Seen<'_>, facts: &Facts) -> Option<Finding> {
    let then = match plan.intent.installer {
        InstallerKind::Calisti => "",
        // It looks for the kind once only.
        InstallerKind::Sail => ", then restart the Sail operator",
    };
    (!facts.serves("k8s.cni.cncf.io/NetworkAttachmentDefinition")).then(|| {
        blocks(
            "openshift.nad.not-served",
            format!(
                "the cluster does not serve {NAD_GROUP}/{NAD}: Multus is off or its kinds are hidden from the spoke"
            ),
            format!("switch Multus on (Network.operator.openshift.io cluster, spec.disableMultiNetwork: false){then}"),
        )
    })
}

/// A proxy that takes traffic over that way runs as root with NET_ADMIN, which no default constraint but privileged
/// admits.
fn tproxy(plan: &Seen<'_>) -> Option<Finding> {
    let said = plan.control_plane().is_some_and(|control_plane| {
        let spec = &control_plane.value["spec"];
        let configs = [&spec["meshConfig"], &spec["values"]["meshConfig"]];
        configs.iter().any(|config| config["defaultConfig"]["interceptionMode"] == "TPROXY")
    });
    (said || plan.intent.interception == Interception::TProxy).then(|| {
        blocks(
            "openshift.tproxy",
            "sidecars with interception TProxy run as root with NET_ADMIN, which OpenShift admits under no constraint but privileged".to_owned(),
            "set dataPlane.interception to Redirect for these clusters (in a layer)".to_owned(),
        )
    })
}

/// Namespaces of the platform itself: what stands there is the platform's to change.
fn managed(plan: &Seen<'_>) -> Option<Finding> {
    let is_managed = |name: &str| name == "openshift" || name.starts_with("openshift-");
    let objects = plan.written().map(|(id, _)| id).filter(|id| is_managed(&id.namespace));
    let mut found: Vec<String> = objects.map(ToString::to_string).collect();
    let made = plan.document.namespaces.iter().filter(|name| is_managed(name.as_str()));
    found.extend(made.map(|name| format!("Namespace {name}")));
    (!found.is_empty()).then(|| {
        blocks(
            "openshift.managed-namespace",
            format!("these stand in namespaces of the platform: {}", found.join(", ")),
            "choose another istio.namespace, or base.monitoring.namespace".to_owned(),
        )
    })
}

/// From 4.19 on a policy lets nobody but the ingress operator write the definitions of Gateway API.
fn definitions(plan: &Seen<'_>, facts: &Facts) -> Option<Finding> {
    let version = facts.cluster_version.as_ref().map(|version| version.current.as_str()).unwrap_or_default();
    let older = MinorVersion::parse(version).is_ok_and(|version| version < MinorVersion::new(4, 19));
    let of_gateway_api = |name: &str| name.ends_with(".gateway.networking.k8s.io");
    let ids = plan.written().map(|(id, _)| id);
    let found = ids.filter(|id| id.kind == "CustomResourceDefinition" && of_gateway_api(&id.name));
    let found: Vec<String> = found.map(ToString::to_string).collect();
    (!older && !found.is_empty()).then(|| {
        blocks(
            "openshift.gateway-api.definitions",
            format!("from 4.19 on only OpenShift's Ingress Operator may write these: {}", found.join(", ")),
            "use the definitions that the cluster has: this is a mistake in meshfleet, report it".to_owned(),
        )
    })
}

/// Where no constraint judges, pods run as they ask, and nothing tells under which constraint.
fn not_judged(plan: &Seen<'_>) -> Option<Finding> {
    let exempt = ["default", "kube-public", "kube-system", "openshift", "openshift-infra", "openshift-node"];
    let namespace = plan.intent.namespace.as_str();
    exempt.contains(&namespace).then(|| {
        warns(
            "openshift.scc.not-judged",
            format!(
                "istio.namespace is {namespace}, where OpenShift judges no pod: they run as they ask, and carry no annotation openshift.io/scc"
            ),
            "choose a namespace of the mesh's own, for example istio-system".to_owned(),
        )
    })
}

/// Whether a value stands at a path, none counting as no.
pub(super) fn is_at(value: &Value, pointer: &str, wanted: &Value) -> bool {
    value.pointer(pointer) == Some(wanted)
}

/// What the plan goes by where the version is hidden.
fn version(facts: &Facts) -> Option<Finding> {
    let version = facts.cluster_version.as_ref().map(|version| version.current.as_str()).unwrap_or_default();
    MinorVersion::parse(version).is_err().then(|| {
        warns(
            "openshift.version",
            "the version of OpenShift could not be read; the plan is for 4.11 or newer".to_owned(),
            "let the spoke read ClusterVersion version".to_owned(),
        )
    })
}
