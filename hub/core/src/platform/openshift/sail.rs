//! What Sail needs on OpenShift: the CNI plugin in its own resource. All else, from directories to the attachment
//! definition, its charts fill in and make; the plan watches that they did.

use serde_json::json;

use super::{ATTACHMENT_GROUP, ATTACHMENT_KIND, FAMILY, RBAC_GROUP};
use crate::{
    config::InstallerKind,
    plan::{
        KeepWhile, ObjectId, RuleId,
        input::{Fact, MeshInput, Projection},
        installer::sail,
        requirement::{Fields, FulfilledBy, Requirement, Source, Watched},
        rule::{Phase, Rule},
    },
};

const SAIL: &[InstallerKind] = &[InstallerKind::Sail];

const OBSERVED: &str =
    "observed with istio-ecosystem/sail-operator 328df99dc (2026-08-22) on an OpenShift API";

/// The rules, in the order of what they make.
pub(super) const RULES: [Rule; 5] = [
    Rule {
        id: RuleId("openshift.sail.cni"),
        reason: "Pods may not change their own network rules, so the CNI plugin does it; without an IstioCNI the Istio never gets healthy.",
        source: OBSERVED,
        platforms: FAMILY,
        installers: SAIL,
        reads: &[],
        yields: yield_cni,
    },
    Rule {
        id: RuleId("openshift.sail.cni-node"),
        reason: "The operator calls the CNI plugin healthy when nodes are still without it, so its DaemonSet is watched: version and roll-out.",
        source: OBSERVED,
        platforms: FAMILY,
        installers: SAIL,
        reads: &[],
        yields: yield_cni_node,
    },
    Rule {
        id: RuleId("openshift.sail.attachment"),
        reason: "Injected pods name the attachment definition default/istio-cni, which the chart makes once and the operator does not watch.",
        source: OBSERVED,
        platforms: FAMILY,
        installers: SAIL,
        reads: &[Fact::Serves(ATTACHMENT_KIND)],
        yields: yield_attachment,
    },
    Rule {
        id: RuleId("openshift.sail.scc"),
        reason: "The CNI plugin writes to directories of the node, which only the constraint privileged admits; the chart gives its ClusterRole the right to use it.",
        source: OBSERVED,
        platforms: FAMILY,
        installers: SAIL,
        reads: &[],
        yields: yield_scc,
    },
    Rule {
        id: RuleId("openshift.sail.user"),
        reason: "From Istio 1.20 on the proxy takes user and group from its namespace's ranges and no binding is needed, but only where istiod is told the platform, which the chart does.",
        source: "istio/istio, pkg/kube/inject/openshift.go and charts/istio-control/istio-discovery/templates/deployment.yaml",
        platforms: FAMILY,
        installers: SAIL,
        reads: &[],
        yields: yield_user,
    },
];

fn yield_cni(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    // The kind has no strategy: it is always changed in place, whatever that of the Istio is.
    let version = json!({"spec": { "version": sail::version(mesh.intent.version) }});
    let namespace = json!({"spec": { "namespace": sail::CNI_NAMESPACE }});
    let fulfilled_by = FulfilledBy::Plan {
        phase: Phase::ControlPlane,
        fields: vec![Fields::needed(Source::Config("istio.version"), version), Fields::required(namespace)],
        keep_while: Some(KeepWhile::injected()),
    };
    let id = sail::istio_cni();
    let healthy_when = Some(sail::healthy(&id));
    vec![Requirement { object: id, fulfilled_by, healthy_when }, Requirement::namespace(sail::CNI_NAMESPACE)]
}

/// The operator fills these in; another value in the config would win over its own and hide the plugin from Multus.
pub(super) fn multus() -> Vec<Requirement> {
    let of_plugin = [
        ("cniBinDir", json!("/var/lib/cni/bin")),
        ("cniConfDir", json!("/etc/cni/multus/net.d")),
        ("cniConfFileName", json!("istio-cni.conf")),
        ("chained", json!(false)),
        ("provider", json!("multus")),
    ];
    let of_istiod = [("enabled", json!(true)), ("provider", json!("multus"))];
    let of_plugin = of_plugin.into_iter().map(|(key, value)| {
        Requirement::reserved(sail::istio_cni(), &["spec", "values", "cni", key], vec![value])
    });
    let of_istiod = of_istiod.into_iter().map(|(key, value)| {
        Requirement::reserved(sail::istio(), &["spec", "values", "pilot", "cni", key], vec![value])
    });
    of_plugin.chain(of_istiod).collect()
}

fn yield_cni_node(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let id = ObjectId::new("apps", "v1", "DaemonSet", sail::CNI_NAMESPACE, "istio-cni-node");
    vec![sail::workload(id, &mesh.intent)]
}

/// Without the kind there is nothing to wait for; the referee says what is missing.
fn yield_attachment(_: &MeshInput, facts: &Projection) -> Vec<Requirement> {
    if !facts.serves(ATTACHMENT_KIND) {
        return Vec::new();
    }
    let id = ObjectId::new(ATTACHMENT_GROUP, "v1", "NetworkAttachmentDefinition", "default", "istio-cni");
    vec![Requirement::installer(id, Vec::new())]
}

fn yield_scc(_: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let id = ObjectId::new(RBAC_GROUP, "v1", "ClusterRole", "", "istio-cni");
    let rule = r#".rules[resources=["securitycontextconstraints"]]"#;
    let requires = vec![
        Watched::value(&format!("{rule}.resourceNames"), json!(["privileged"])),
        Watched::value(&format!("{rule}.verbs"), json!(["use"])),
    ];
    vec![Requirement::installer(id, requires)]
}

fn yield_user(_: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let keys = ["spec", "values", "pilot", "env", "PLATFORM"];
    vec![Requirement::reserved(sail::istio(), &keys, vec![json!("openshift")])]
}
