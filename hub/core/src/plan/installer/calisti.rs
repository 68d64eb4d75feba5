//! Calisti's Istio operator: the control plane that it reads, and the objects that it makes from it.
//!
//! # Design notes
//! The operator was watched on API servers. `Available` in the status says that objects were written, seconds before
//! there is a Deployment, and flaps while components reconcile; there is no observedGeneration. So the mesh counts as
//! healthy when the status is `Available`, the control plane's resourceVersion has stood still, and the workloads carry
//! the wanted image and are rolled out. A failure counts only when it has stood, because the operator tries again.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::plan::{
    Criterion, Intent, ObjectId, Requirement as ValueAt, RuleId,
    input::{MeshInput, Projection},
    rule::{FulfilledBy, Phase, Requirement, Rule},
};

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
pub static RULES: [Rule; 4] = [
    Rule {
        id: RuleId("calisti.control-plane"),
        reason: "The operator makes Istio from an IstioControlPlane that says version, mode and the cluster's place in the mesh.",
        source: "banzaicloud/istio-operator v2.17.4, api/v1alpha1/istiocontrolplane.proto",
        platforms: &[],
        reads: &[],
        yields: yield_control_plane,
    },
    Rule {
        id: RuleId("calisti.images"),
        reason: "The version chooses no image, so hub and tag are written and the tag is the version.",
        source: "observed with banzaicloud/istio-operator v2.17.4: a change of spec.version alone changed no image",
        platforms: &[],
        reads: &[],
        yields: yield_images,
    },
    Rule {
        id: RuleId("calisti.istiod"),
        reason: "The operator says Available before istiod is there, so istiod itself is watched: its image and its roll-out.",
        source: "observed with banzaicloud/istio-operator v2.17.4: first Available 2 s before the Deployment existed",
        platforms: &[],
        reads: &[],
        yields: yield_istiod,
    },
    Rule {
        id: RuleId("calisti.namespace-label"),
        reason: "Sidecars are injected only where the namespace names the revision of its control plane, and namespaces are never ours to label.",
        source: "istio/istio 1.17, manifests/charts/istio-control/istio-discovery/templates/mutatingwebhook.yaml",
        platforms: &[],
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

/// A requirement on fields of the IstioControlPlane.
#[must_use]
pub fn control_plane_fields(intent: &Intent, spec: Value) -> Requirement {
    Requirement {
        object: control_plane(intent),
        fulfilled_by: FulfilledBy::Plan { phase: Phase::ControlPlane, fields: json!({ "spec": spec }) },
        healthy_when: None,
    }
}

/// A requirement on a workload that the operator makes: what must stand in it, and that it is rolled out.
#[must_use]
pub fn workload(id: ObjectId, requires: Vec<ValueAt>) -> Requirement {
    Requirement {
        fulfilled_by: FulfilledBy::Installer { requires },
        healthy_when: Some(Criterion { rolled_out: true, ..criterion(&id) }),
        object: id,
    }
}

/// A value that must stand at a path.
#[must_use]
pub fn value_at(path: &str, value: impl Into<Value>) -> ValueAt {
    ValueAt { path: path.to_owned(), value: value.into() }
}

fn object(intent: &Intent, (group, version, kind): (&str, &str, &str), name: String) -> ObjectId {
    ObjectId {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        namespace: intent.namespace.to_string(),
        name,
    }
}

fn criterion(id: &ObjectId) -> Criterion {
    Criterion {
        id: id.clone(),
        requires: Vec::new(),
        fails_on: Vec::new(),
        failed_for_s: 0,
        rolled_out: false,
        settled_for_s: 0,
    }
}

fn yield_control_plane(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let spec = json!({
        "version": mesh.intent.version.to_string(),
        "mode": "ACTIVE",
        "meshID": mesh.mesh_id.as_str(),
        "networkName": mesh.network.as_str(),
        "clusterID": mesh.cluster.as_str(),
    });
    let requirement = control_plane_fields(&mesh.intent, spec);
    let healthy_when = Criterion {
        requires: vec![value_at(".status.status", "Available")],
        fails_on: vec![value_at(".status.status", "ReconcileFailed")],
        failed_for_s: FAILED_FOR_S,
        settled_for_s: SETTLED_FOR_S,
        ..criterion(&requirement.object)
    };
    vec![Requirement { healthy_when: Some(healthy_when), ..requirement }]
}

fn yield_images(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let images = json!({"hub": IMAGE_HUB, "tag": mesh.intent.version.to_string()});
    vec![control_plane_fields(&mesh.intent, json!({ "containerImageConfiguration": images }))]
}

fn yield_istiod(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let image =
        value_at(r#".spec.template.spec.containers[name="discovery"].image"#, image(&mesh.intent, "pilot"));
    vec![workload(istiod(&mesh.intent), vec![image])]
}

fn yield_namespace_labels(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let labels = BTreeMap::from([
        ("istio.io/rev", Some(mesh.intent.revision())),
        // Beside the revision it switches injection off.
        ("istio-injection", None),
    ]);
    let namespaces = mesh.intent.data_plane.iter();
    namespaces
        .map(|name| Requirement {
            object: ObjectId {
                group: String::new(),
                version: "v1".to_owned(),
                kind: "Namespace".to_owned(),
                namespace: String::new(),
                name: name.to_string(),
            },
            fulfilled_by: FulfilledBy::User { labels: labels.clone() },
            healthy_when: None,
        })
        .collect()
}
