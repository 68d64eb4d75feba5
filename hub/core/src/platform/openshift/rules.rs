//! What Calisti's operator does not make on OpenShift, and what it makes only when told.
//!
//! The operator knows no platform. Attachment definitions and bindings to SecurityContextConstraints are therefore made
//! by the plan, before the control plane; the CNI plugin is told by the control plane where Multus looks.

use serde_json::{Value, json};

use super::{ATTACHMENT_GROUP, ATTACHMENT_KIND, FAMILY, RBAC_GROUP, sail};
use crate::{
    catalog::{
        calisti as releases,
        openshift::Constraint,
        scc::{Component, to_bind},
    },
    config::InstallerKind,
    fleet::Name,
    plan::{
        Intent, KeepWhile, ObjectId, RuleId,
        input::{Fact, MeshInput, Projection},
        installer::calisti,
        requirement::{Fields, FulfilledBy, Requirement, Source, Watched},
        rule::{Phase, Rule},
    },
};

const CALISTI: &[InstallerKind] = &[InstallerKind::Calisti];

/// What the injector writes into pods when the CNI plugin is not chained.
const ATTACHMENT_NAME: &str = "istio-cni";

const SCC_SOURCE: &str = "Calisti 1.12, OpenShift integration: RBAC bindings to SecurityContextConstraints; istio/istio 1.17, charts/istio-control/istio-discovery/templates/deployment.yaml";

/// The rules, in the order of the phases.
pub(super) const RULES: [Rule; 8] = [
    Rule {
        id: RuleId("openshift.nad.data-plane"),
        reason: "Multus runs the CNI plugin only for pods whose namespace holds the attachment definition that injected pods name.",
        source: "Calisti 1.12, OpenShift integration: Install NetworkAttachmentDefinition objects; openshift-service-mesh/sail-operator#970 for the empty spec",
        platforms: FAMILY,
        installers: CALISTI,
        reads: &[Fact::Serves(ATTACHMENT_KIND)],
        yields: yield_attachments,
    },
    Rule {
        id: RuleId("openshift.scc.sidecar-1337"),
        reason: "Up to Istio 1.19 sidecars run as user 1337, outside of the namespace's range of user ids, which only nonroot-v2 admits.",
        source: "Calisti 1.12, OpenShift integration: UID/PID 1337 for Istio sidecars; istio/istio 1.17, injection-template.yaml",
        platforms: FAMILY,
        installers: CALISTI,
        reads: &[Fact::PlatformVersion],
        yields: yield_sidecar_bindings,
    },
    Rule {
        id: RuleId("openshift.scc.istiod"),
        reason: "istiod of this Istio runs as user and group 1337, which only nonroot-v2 admits.",
        source: SCC_SOURCE,
        platforms: FAMILY,
        installers: CALISTI,
        reads: &[Fact::PlatformVersion],
        yields: yield_istiod_binding,
    },
    Rule {
        id: RuleId("openshift.scc.gateway"),
        reason: "The control plane's gateway runs as user and group 1337, which only nonroot-v2 admits.",
        source: SCC_SOURCE,
        platforms: FAMILY,
        installers: CALISTI,
        reads: &[Fact::PlatformVersion],
        yields: yield_gateway_binding,
    },
    Rule {
        id: RuleId("openshift.scc.istio-cni"),
        reason: "The CNI plugin writes to directories of the node as root, which the constraint privileged admits; it uses no network of the host, so hostnetwork, once bound beside it, adds nothing.",
        source: SCC_SOURCE,
        platforms: FAMILY,
        installers: CALISTI,
        reads: &[Fact::PlatformVersion],
        yields: yield_cni_binding,
    },
    Rule {
        id: RuleId("openshift.cni.multus"),
        reason: "Multus owns the network of pods, so the CNI plugin is installed unchained, where Multus looks for plugins and their files.",
        source: "Calisti 1.12, OpenShift integration: Install Istio CNI pods; banzaicloud/istio-operator docs/openshift/icp-openshift.yaml",
        platforms: FAMILY,
        installers: &[],
        reads: &[],
        yields: yield_multus,
    },
    Rule {
        id: RuleId("openshift.cni.privileged"),
        reason: "SELinux keeps an unprivileged container off the node's directories, and the operator loses the field from v2.16 on, so an overlay writes it.",
        source: "Calisti 1.12, OpenShift integration; observed with banzaicloud/istio-operator v2.17.4: the DaemonSet came without privileged, with the overlay it had it",
        platforms: FAMILY,
        installers: CALISTI,
        reads: &[],
        yields: yield_privileged,
    },
    Rule {
        id: RuleId("openshift.cni.node"),
        reason: "Injected pods do not start before the CNI plugin runs on their node, so its DaemonSet is watched: image, privileged, roll-out.",
        source: "observed with banzaicloud/istio-operator v2.17.4: Available with DaemonSet pods pending",
        platforms: FAMILY,
        installers: CALISTI,
        reads: &[],
        yields: yield_cni_node,
    },
];

/// Without the kind there is nothing to make; the referee says what is missing.
fn yield_attachments(mesh: &MeshInput, facts: &Projection) -> Vec<Requirement> {
    if !facts.serves(ATTACHMENT_KIND) {
        return Vec::new();
    }
    let id = ObjectId::new(ATTACHMENT_GROUP, "v1", "NetworkAttachmentDefinition", "", ATTACHMENT_NAME);
    // An empty spec means the file of that name on the node; without the key, 4.20 refuses the object.
    vec![in_injected(mesh, "calisti.attachment", id, json!({ "spec": {} }))]
}

fn yield_sidecar_bindings(mesh: &MeshInput, facts: &Projection) -> Vec<Requirement> {
    let everyone = json!({
        "apiGroup": RBAC_GROUP,
        "kind": "Group",
        "name": "system:serviceaccounts:$(NAMESPACE)",
    });
    let Some(constraint) = to_bind(Component::Sidecar, mesh.intent.version.minor) else { return Vec::new() };
    let (id, fields) = bound("", "sidecars", everyone, constraint, facts);
    vec![in_injected(mesh, "calisti.sidecars", id, fields)]
}

/// In every namespace that the control plane injects, whatever the config calls them: Istio goes by labels.
fn in_injected(mesh: &MeshInput, template: &'static str, object: ObjectId, tree: Value) -> Requirement {
    let fulfilled_by = FulfilledBy::Template {
        template,
        namespaces: calisti::injected(&mesh.intent),
        fields: vec![Fields::required(tree)],
        keep_while: Some(KeepWhile::injected()),
    };
    Requirement { object, fulfilled_by, healthy_when: None }
}

fn yield_istiod_binding(mesh: &MeshInput, facts: &Projection) -> Vec<Requirement> {
    account_binding(&mesh.intent, calisti::istiod_account(&mesh.intent), Component::Istiod, facts)
}

fn yield_gateway_binding(mesh: &MeshInput, facts: &Projection) -> Vec<Requirement> {
    account_binding(&mesh.intent, calisti::gateway_account(&mesh.intent), Component::Gateway, facts)
}

fn yield_cni_binding(mesh: &MeshInput, facts: &Projection) -> Vec<Requirement> {
    account_binding(&mesh.intent, calisti::cni_account(&mesh.intent), Component::Cni, facts)
}

fn yield_multus(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    match mesh.intent.installer {
        InstallerKind::Sail => sail::multus(),
        InstallerKind::Calisti => vec![calisti_multus(mesh)],
    }
}

fn calisti_multus(mesh: &MeshInput) -> Requirement {
    let mut excluded = vec![mesh.intent.namespace.as_str(), "kube-system"];
    excluded.sort_unstable();
    excluded.dedup();
    let cni = json!({
        "enabled": true,
        "chained": false,
        "binDir": "/var/lib/cni/bin",
        "confDir": "/etc/cni/multus/net.d",
        "confFileName": "istio-cni.conf",
        "excludeNamespaces": excluded,
    });
    let fields = Fields::required(json!({"proxyInit": { "cni": cni }}));
    calisti::control_plane_fields(&mesh.intent, vec![fields])
}

fn yield_privileged(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let mut spec = json!({"proxyInit": {"cni": {"daemonset": {"securityContext": {"privileged": true}}}}});
    let release = releases::release_for(mesh.intent.version);
    if release.is_none_or(|release| !release.honours_privileged) {
        spec["k8sResourceOverlays"] = json!([privileged_overlay(&calisti::cni_node(&mesh.intent))]);
    }
    vec![calisti::control_plane_fields(&mesh.intent, vec![Fields::required(spec)])]
}

fn privileged_overlay(daemon_set: &ObjectId) -> Value {
    json!({
        "groupVersionKind": {"group": daemon_set.group, "version": daemon_set.version, "kind": daemon_set.kind},
        "objectKey": {"name": daemon_set.name, "namespace": daemon_set.namespace},
        "patches": [{
            "type": "replace",
            // The question mark makes the field where it is not there.
            "path": "/spec/template/spec/containers/name=install-cni/securityContext/privileged?",
            "value": "true",
            "parseValue": true,
        }],
    })
}

fn yield_cni_node(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let container = r#".spec.template.spec.containers[name="install-cni"]"#;
    let requires = vec![
        Watched::value(&format!("{container}.image"), calisti::image(&mesh.intent, "install-cni"))
            .from(Source::Config("istio.version")),
        Watched::value(&format!("{container}.securityContext.privileged"), true),
    ];
    vec![calisti::workload(calisti::cni_node(&mesh.intent), requires)]
}

fn account_binding(
    intent: &Intent,
    account: String,
    component: Component,
    facts: &Projection,
) -> Vec<Requirement> {
    let subject = json!({"kind": "ServiceAccount", "name": account, "namespace": intent.namespace.as_str()});
    let constraint = to_bind(component, intent.version.minor);
    let bound = constraint.map(|constraint| binding(&intent.namespace, &account, subject, constraint, facts));
    bound.into_iter().collect()
}

/// In the namespace, so that it admits pods of that namespace only.
pub(super) fn binding(
    namespace: &Name,
    who: &str,
    subject: Value,
    constraint: Constraint,
    facts: &Projection,
) -> Requirement {
    let (id, tree) = bound(namespace.as_str(), who, subject, constraint, facts);
    Requirement::plan(id, Phase::Prerequisites, vec![Fields::required(tree)])
}

fn bound(
    namespace: &str,
    who: &str,
    subject: Value,
    constraint: Constraint,
    facts: &Projection,
) -> (ObjectId, Value) {
    let version = facts.platform_version;
    let name = format!("meshfleet-{who}-{}", constraint.name_in(version));
    let role = json!({
        "apiGroup": RBAC_GROUP,
        "kind": "ClusterRole",
        "name": constraint.cluster_role_in(version),
    });
    let id = ObjectId::new(RBAC_GROUP, "v1", "RoleBinding", namespace, &name);
    (id, json!({"roleRef": role, "subjects": [subject]}))
}
