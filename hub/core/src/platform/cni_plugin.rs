//! Istio's CNI plugin where the config asks for it and the platform does not need it: the rules of all platforms but the
//! OpenShift family, which brings its own.

use serde_json::{Value, json};

use super::PlatformName;
use crate::{
    config::{CniPlugin, InstallerKind},
    plan::{
        KeepWhile, ObjectId, RuleId,
        input::{MeshInput, Projection},
        installer::{calisti, sail},
        requirement::{Fields, FulfilledBy, Requirement, Source, Watched},
        rule::{Phase, Rule},
    },
};

/// Where it is a choice.
const OPTIONAL: &[PlatformName] =
    &[PlatformName::Gke, PlatformName::Eks, PlatformName::Aks, PlatformName::Generic];

const FROM: Source = Source::Config("dataPlane.cni");

/// The plugin, and istiod that knows of it.
pub(super) const PLUGIN: Rule = Rule {
    id: RuleId("cni.plugin"),
    reason: "The config asks for the CNI plugin, so that pods need no right to change their own network rules; istiod is told of it, or its pods would still ask for that right.",
    source: "istio.io, Install the Istio CNI node agent; observed with istio-ecosystem/sail-operator 328df99dc (2026-08-22) and banzaicloud/istio-operator v2.17.4",
    platforms: OPTIONAL,
    installers: &[],
    reads: &[],
    yields: yield_plugin,
};

/// Its DaemonSet, which no operator waits for.
pub(super) const NODE: Rule = Rule {
    id: RuleId("cni.node"),
    reason: "Injected pods do not start where the CNI plugin is not yet, and operators call it healthy before it is on every node, so its DaemonSet is watched.",
    source: "observed with istio-ecosystem/sail-operator 328df99dc (2026-08-22): Healthy with 2 of 3 nodes; with banzaicloud/istio-operator v2.17.4: Available with pods pending",
    platforms: OPTIONAL,
    installers: &[],
    reads: &[],
    yields: yield_node,
};

/// Whether the config asks for it.
pub(super) fn is_asked_for(mesh: &MeshInput) -> bool {
    mesh.intent.cni == CniPlugin::Enabled
}

fn yield_plugin(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    match (is_asked_for(mesh), mesh.intent.installer) {
        (false, _) => Vec::new(),
        (true, InstallerKind::Sail) => by_sail(mesh),
        (true, InstallerKind::Calisti) => vec![by_calisti(mesh)],
    }
}

fn by_sail(mesh: &MeshInput) -> Vec<Requirement> {
    let version = json!({"spec": { "version": sail::version(mesh.intent.version) }});
    let namespace = json!({"spec": { "namespace": sail::CNI_NAMESPACE }});
    let fulfilled_by = FulfilledBy::Plan {
        phase: Phase::ControlPlane,
        fields: vec![Fields::needed(Source::Config("istio.version"), version), Fields::required(namespace)],
        keep_while: Some(KeepWhile::injected()),
    };
    let id = sail::istio_cni();
    let healthy_when = Some(sail::healthy(&id));
    let told = json!({"spec": {"values": {"pilot": {"cni": {"enabled": true}}}}});
    vec![
        Requirement { object: id, fulfilled_by, healthy_when },
        Requirement::namespace(sail::CNI_NAMESPACE),
        sail::fields(sail::istio(), vec![Fields::needed(FROM, told)]),
    ]
}

/// The operator leaves two namespaces out by itself, of which one is the usual control plane's.
fn by_calisti(mesh: &MeshInput) -> Requirement {
    let namespace = mesh.intent.namespace.as_str();
    let plugin = |value: Value| json!({"proxyInit": { "cni": value }});
    let mut fields = vec![Fields::needed(FROM, plugin(json!({"enabled": true})))];
    if namespace != "istio-system" {
        let mut excluded = vec![namespace, "istio-system", "kube-system"];
        excluded.sort_unstable();
        fields.push(Fields::required(plugin(json!({ "excludeNamespaces": excluded }))));
    }
    calisti::control_plane_fields(&mesh.intent, fields)
}

fn yield_node(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    match (is_asked_for(mesh), mesh.intent.installer) {
        (false, _) => Vec::new(),
        (true, InstallerKind::Sail) => {
            let id = ObjectId::new("apps", "v1", "DaemonSet", sail::CNI_NAMESPACE, "istio-cni-node");
            vec![sail::workload(id, &mesh.intent)]
        }
        (true, InstallerKind::Calisti) => {
            let path = r#".spec.template.spec.containers[name="install-cni"].image"#;
            let image = calisti::image(&mesh.intent, "install-cni");
            let image = Watched::value(path, image).from(Source::Config("istio.version"));
            vec![calisti::workload(calisti::cni_node(&mesh.intent), vec![image])]
        }
    }
}
