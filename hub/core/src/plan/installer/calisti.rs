//! Calisti's Istio operator: the control plane that it reads, and the objects that it makes from it.
//!
//! # Design notes
//! The operator was watched on API servers. `Available` in the status says that objects were written, seconds before
//! there is a Deployment, and flaps while components reconcile; there is no observedGeneration. So the mesh counts as
//! healthy when the status is `Available`, the control plane's resourceVersion has stood still, and the workloads carry
//! the wanted image and are rolled out. A failure counts only when it has stood, because the operator tries again.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    config::{InstallerKind, Interception},
    fleet::Operator,
    plan::{
        Criterion, Intent, LabelCondition, ObjectId, Requirement as ValueAt, RuleId, Selection,
        input::{MeshInput, Projection},
        requirement::{Fields, FulfilledBy, Requirement, Source, Watched},
        rule::{Phase, Rule},
    },
};

const ONLY: &[InstallerKind] = &[InstallerKind::Calisti];

/// API group of the operator's kinds.
pub const GROUP: &str = "servicemesh.cisco.com";

/// Where the images of Istio are published. Must be written: what the operator takes on its own for the CNI is a test
/// build called `latest`.
pub const IMAGE_HUB: &str = "docker.io/istio";

/// Longer than the longest pause of the operator in the middle of its work (2.5 s).
const SETTLED_FOR_S: u32 = 5;

/// Longer than the operator takes to look again at what it calls failed.
const FAILED_FOR_S: u32 = 30;

/// What holds for this installer on every platform.
pub static RULES: [Rule; 5] = [
    Rule {
        id: RuleId("calisti.control-plane"),
        reason: "The operator makes Istio from an IstioControlPlane that says version, mode and the cluster's place in the mesh.",
        source: "banzaicloud/istio-operator v2.17.4, api/v1alpha1/istiocontrolplane.proto",
        platforms: &[],
        installers: ONLY,
        reads: &[],
        yields: yield_control_plane,
    },
    Rule {
        id: RuleId("calisti.images"),
        reason: "The version chooses no image, so hub and tag are written and the tag is the version.",
        source: "observed with banzaicloud/istio-operator v2.17.4: a change of spec.version alone changed no image",
        platforms: &[],
        installers: ONLY,
        reads: &[],
        yields: yield_images,
    },
    Rule {
        id: RuleId("calisti.istiod"),
        reason: "The operator says Available before istiod is there, so istiod itself is watched: its image and its roll-out.",
        source: "observed with banzaicloud/istio-operator v2.17.4: first Available 2 s before the Deployment existed",
        platforms: &[],
        installers: ONLY,
        reads: &[],
        yields: yield_istiod,
    },
    Rule {
        id: RuleId("calisti.interception"),
        reason: "Sidecars take traffic over as the config says; only what differs from Istio's own way is written.",
        source: "istio.io, MeshConfig: ProxyConfig.InboundInterceptionMode",
        platforms: &[],
        installers: ONLY,
        reads: &[],
        yields: yield_interception,
    },
    Rule {
        id: RuleId("calisti.namespace-label"),
        reason: "Sidecars are injected only where the namespace names the revision of its control plane, and namespaces are never ours to label.",
        source: "istio/istio 1.17, manifests/charts/istio-control/istio-discovery/templates/mutatingwebhook.yaml",
        platforms: &[],
        installers: ONLY,
        reads: &[],
        yields: yield_namespace_labels,
    },
];

/// The IstioControlPlane: the object that the operator reads.
#[must_use]
pub fn control_plane(intent: &Intent) -> ObjectId {
    object(intent, (GROUP, "v1alpha1", "IstioControlPlane"), intent.control_plane.to_string())
}

/// The Deployment of istiod that the operator makes.
#[must_use]
pub fn istiod(intent: &Intent) -> ObjectId {
    object(intent, ("apps", "v1", "Deployment"), istiod_account(intent))
}

/// The DaemonSet of the CNI plugin that the operator makes when the control plane enables it.
#[must_use]
pub fn cni_node(intent: &Intent) -> ObjectId {
    object(intent, ("apps", "v1", "DaemonSet"), format!("istio-cni-node-{}", intent.control_plane))
}

/// The service account that istiod runs under.
#[must_use]
pub fn istiod_account(intent: &Intent) -> String {
    format!("istiod-{}", intent.control_plane)
}

/// The service account that the control plane's own gateway runs under, once its mesh expansion is on.
#[must_use]
pub fn gateway_account(intent: &Intent) -> String {
    format!("istio-meshexpansion-{}-service-account", intent.control_plane)
}

/// The service account that the CNI plugin runs under.
#[must_use]
pub fn cni_account(intent: &Intent) -> String {
    format!("istio-cni-{}", intent.control_plane)
}

/// An image of Istio as the operator composes it.
#[must_use]
pub fn image(intent: &Intent, name: &str) -> String {
    format!("{IMAGE_HUB}/{name}:{}", intent.version)
}

/// A requirement on fields of the IstioControlPlane's spec.
#[must_use]
pub fn control_plane_fields(intent: &Intent, fields: Vec<Fields>) -> Requirement {
    let in_spec = |fields: Fields| Fields { tree: json!({ "spec": fields.tree }), ..fields };
    let fields = fields.into_iter().map(in_spec).collect();
    Requirement::plan(control_plane(intent), Phase::ControlPlane, fields)
}

/// A requirement on a workload that the operator makes: what must stand in it, and that it is rolled out.
#[must_use]
pub fn workload(id: ObjectId, requires: Vec<Watched>) -> Requirement {
    let criterion = Criterion { rolled_out: true, ..Criterion::on(&id) };
    Requirement::installer(id, requires).healthy_when(criterion)
}

/// The namespaces whose pods this control plane injects.
#[must_use]
pub fn injected(intent: &Intent) -> Selection {
    let revision = LabelCondition {
        key: "istio.io/rev".to_owned(),
        operator: Operator::In,
        values: vec![intent.revision()],
    };
    let no_other = LabelCondition {
        key: "istio-injection".to_owned(),
        operator: Operator::DoesNotExist,
        values: Vec::new(),
    };
    vec![vec![no_other, revision]]
}

/// The path by which a config names what stands at `keys` of an object.
#[must_use]
pub fn config_path(id: &ObjectId, keys: &[String]) -> Option<String> {
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let plain = match keys[..] {
        _ if id.kind != "IstioControlPlane" => return None,
        ["spec", "version"] => "istio.version",
        ["spec", "meshID"] => "mesh.id",
        ["spec", "meshConfig", "trustDomain"] => "mesh.trustDomain",
        ["spec", "meshConfig", "defaultConfig", "interceptionMode"] => "dataPlane.interception",
        ["spec", "containerImageConfiguration", "hub"] => "values.istiod.global.hub",
        ["spec", "containerImageConfiguration", "tag"] => "values.istiod.global.tag",
        ["spec", "proxyInit", "cni", "enabled"] => "values.istiod.pilot.cni.enabled",
        ["spec", "proxyInit", "cni", "binDir"] => "values.cni.cniBinDir",
        ["spec", "proxyInit", "cni", "confDir"] => "values.cni.cniConfDir",
        ["spec", "proxyInit", "cni", "confFileName"] => "values.cni.cniConfFileName",
        ["spec", "proxyInit", "cni", "chained"] => "values.cni.chained",
        ["spec", "proxyInit", "cni", "excludeNamespaces"] => "values.cni.excludeNamespaces",
        ["spec", "proxyInit", "cni", "daemonset", "securityContext", "privileged"] => "values.cni.privileged",
        _ => return None,
    };
    Some(plain.to_owned())
}

fn object(intent: &Intent, (group, version, kind): (&str, &str, &str), name: String) -> ObjectId {
    ObjectId::new(group, version, kind, intent.namespace.as_str(), &name)
}

fn status(value: &str) -> ValueAt {
    ValueAt { path: ".status.status".to_owned(), value: value.into() }
}

fn yield_control_plane(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let version = json!({ "version": mesh.intent.version.to_string() });
    let mut fields = vec![
        Fields::needed(Source::Config("istio.version"), version),
        Fields::required(json!({ "mode": "ACTIVE" })),
        Fields::needed(Source::Config("mesh.id"), json!({ "meshID": mesh.mesh_id.as_str() })),
        Fields::needed(
            Source::Cluster(mesh.network_from.clone()),
            json!({ "networkName": mesh.network.as_str() }),
        ),
        Fields::needed(Source::Cluster("name".to_owned()), json!({ "clusterID": mesh.cluster.as_str() })),
    ];
    if let Some(trust_domain) = &mesh.trust_domain {
        let tree = json!({"meshConfig": { "trustDomain": trust_domain }});
        fields.push(Fields::needed(Source::Config("mesh.trustDomain"), tree));
    }
    let requirement = control_plane_fields(&mesh.intent, fields);
    let criterion = Criterion {
        requires: vec![status("Available")],
        fails_on: vec![status("ReconcileFailed")],
        failed_for_s: FAILED_FOR_S,
        settled_for_s: SETTLED_FOR_S,
        ..Criterion::on(&requirement.object)
    };
    vec![requirement.healthy_when(criterion)]
}

fn yield_images(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let images = |value: Value| json!({ "containerImageConfiguration": value });
    let tag = images(json!({ "tag": mesh.intent.version.to_string() }));
    let fields = vec![
        Fields::required(images(json!({ "hub": IMAGE_HUB }))),
        Fields::needed(Source::Config("istio.version"), tag),
    ];
    vec![control_plane_fields(&mesh.intent, fields)]
}

fn yield_istiod(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let path = r#".spec.template.spec.containers[name="discovery"].image"#;
    let image = Watched::value(path, image(&mesh.intent, "pilot")).from(Source::Config("istio.version"));
    vec![workload(istiod(&mesh.intent), vec![image])]
}

fn yield_interception(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    match mesh.intent.interception {
        Interception::Redirect => Vec::new(),
        Interception::TProxy => {
            let tree = json!({"meshConfig": {"defaultConfig": {"interceptionMode": "TPROXY"}}});
            let fields = Fields::needed(Source::Config("dataPlane.interception"), tree);
            vec![control_plane_fields(&mesh.intent, vec![fields])]
        }
    }
}

fn yield_namespace_labels(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let labels = BTreeMap::from([
        ("istio.io/rev", Some(mesh.intent.revision())),
        // Beside the revision it switches injection off.
        ("istio-injection", None),
    ]);
    vec![Requirement {
        object: control_plane(&mesh.intent),
        fulfilled_by: FulfilledBy::User { any_of: vec![labels] },
        healthy_when: None,
    }]
}
