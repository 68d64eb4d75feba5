//! The Sail operator: the Istio that it reads, and what its charts make from it.
//!
//! # Design notes
//! The operator was watched on API servers. It calls an Istio healthy for up to a second after every change, before it
//! looked at its own revision, and calls workloads healthy while their roll-out has only begun. So the mesh counts as
//! healthy when the operator's word is about the present generation, the revision has the wanted version, the workloads
//! carry it and are rolled out, and all that has held for some seconds. Its errors of some milliseconds are none.
//!
//! What the charts make is never ours: an object that stands there before Helm's blocks the whole release.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    config::{self, InstallerKind, Interception, IstioVersion, UpdateStrategy},
    fleet::Name,
    plan::{
        Criterion, Intent, ObjectId, Requirement as ValueAt, RuleId,
        input::{MeshInput, Projection},
        requirement::{Fields, FulfilledBy, Requirement, Source, Strength, Watched},
        rule::{Phase, Rule},
    },
};

/// API group of the operator's kinds.
pub const GROUP: &str = "sailoperator.io";

/// Namespace of the CNI plugin: one of our own, on every platform.
pub const CNI_NAMESPACE: &str = "istio-cni";

/// With what the charts label the workloads of a version. The image says nothing: it may be a digest.
pub const VERSION_LABEL: &str = r#".metadata.labels["app.kubernetes.io/version"]"#;

/// Longer than the operator calls something healthy that it has not looked at (1.1 s).
const HELD_FOR_S: u32 = 3;

/// Longer than its errors that are none (1 s).
const FAILED_FOR_S: u32 = 5;

const ONLY: &[InstallerKind] = &[InstallerKind::Sail];

const OBSERVED: &str = "observed with istio-ecosystem/sail-operator 328df99dc (2026-08-22) and istiod 1.30.3";

/// What holds for this installer on every platform.
pub static RULES: [Rule; 7] = [
    Rule {
        id: RuleId("sail.control-plane"),
        reason: "The operator makes Istio from an Istio that says version, namespace and strategy, which nobody owns if left out, and the cluster's place in the mesh.",
        source: OBSERVED,
        platforms: &[],
        installers: ONLY,
        reads: &[],
        yields: yield_control_plane,
    },
    Rule {
        id: RuleId("sail.namespace"),
        reason: "The operator makes no namespace and fails where one is missing.",
        source: OBSERVED,
        platforms: &[],
        installers: ONLY,
        reads: &[],
        yields: yield_namespace,
    },
    Rule {
        id: RuleId("sail.values"),
        reason: "What the config says under values goes to the chart, wherever no rule requires otherwise.",
        source: "istio-ecosystem/sail-operator, api/v1: spec.values of Istio and IstioCNI",
        platforms: &[],
        installers: ONLY,
        reads: &[],
        yields: yield_values,
    },
    Rule {
        id: RuleId("sail.interception"),
        reason: "Sidecars take traffic over as the config says; only what differs from Istio's own way is written.",
        source: "istio.io, MeshConfig: ProxyConfig.InboundInterceptionMode",
        platforms: &[],
        installers: ONLY,
        reads: &[],
        yields: yield_interception,
    },
    Rule {
        id: RuleId("sail.revision"),
        reason: "The operator calls an Istio healthy before it has looked at its revision, so the revision itself is watched with its version.",
        source: OBSERVED,
        platforms: &[],
        installers: ONLY,
        reads: &[],
        yields: yield_revision,
    },
    Rule {
        id: RuleId("sail.istiod"),
        reason: "The operator calls istiod healthy while its roll-out has only begun, so its Deployment is watched: version and roll-out.",
        source: OBSERVED,
        platforms: &[],
        installers: ONLY,
        reads: &[],
        yields: yield_istiod,
    },
    Rule {
        id: RuleId("sail.namespace-label"),
        reason: "Sidecars are injected only where the namespace asks for them, and namespaces are never ours to label.",
        source: "istio/istio, manifests/charts/istio-control/istio-discovery/templates/mutatingwebhook.yaml",
        platforms: &[],
        installers: ONLY,
        reads: &[],
        yields: yield_namespace_labels,
    },
];

/// The name of every Istio that we make: its revision is the default one, which `istio-injection` asks for too.
#[must_use]
pub fn control_plane_name() -> Name {
    Name::parse("default").expect("a DNS label")
}

/// The Istio: the object that the operator reads.
#[must_use]
pub fn istio() -> ObjectId {
    ObjectId::new(GROUP, "v1", "Istio", "", "default")
}

/// The IstioCNI; its name is fixed.
#[must_use]
pub fn istio_cni() -> ObjectId {
    ObjectId::new(GROUP, "v1", "IstioCNI", "", "default")
}

/// A version as the operator writes it.
#[must_use]
pub fn version(version: IstioVersion) -> String {
    format!("v{version}")
}

/// Fields of an object that the operator reads.
#[must_use]
pub fn fields(object: ObjectId, fields: Vec<Fields>) -> Requirement {
    Requirement::plan(object, Phase::ControlPlane, fields)
}

/// What the operator must say of an object that it reads or makes, and for how long.
#[must_use]
pub fn healthy(id: &ObjectId) -> Criterion {
    let state = |value: &str| ValueAt { path: ".status.state".to_owned(), value: value.into() };
    Criterion {
        requires: vec![state("Healthy")],
        fails_on: vec![state("ReconcileError")],
        failed_for_s: FAILED_FOR_S,
        observed: true,
        held_for_s: HELD_FOR_S,
        ..Criterion::on(id)
    }
}

/// A requirement on a workload that a chart makes: its version, and that it is rolled out.
#[must_use]
pub fn workload(id: ObjectId, intent: &Intent) -> Requirement {
    let version = Watched::value(VERSION_LABEL, intent.version.to_string());
    let criterion = Criterion { rolled_out: true, held_for_s: HELD_FOR_S, ..Criterion::on(&id) };
    Requirement::installer(id, vec![version.from(Source::Config("istio.version"))]).healthy_when(criterion)
}

/// The path by which a config names what stands at `keys` of an object.
#[must_use]
pub fn config_path(id: &ObjectId, keys: &[String]) -> Option<String> {
    let words: Vec<&str> = keys.iter().map(String::as_str).collect();
    let below = |path: &str, keys: &[String]| {
        Some(keys.iter().fold(path.to_owned(), |path, key| config::path::join(&path, key)))
    };
    match (id.kind.as_str(), &words[..]) {
        ("Istio" | "IstioCNI", ["spec", "version"]) => Some("istio.version".to_owned()),
        ("Istio", ["spec", "namespace"]) => Some("istio.namespace".to_owned()),
        ("Istio", ["spec", "updateStrategy", "type"]) => Some("istio.updateStrategy".to_owned()),
        ("Istio", ["spec", "values", ..]) => below("values.istiod", &keys[2..]),
        ("IstioCNI", ["spec", "values", "cni", ..]) => below("values.cni", &keys[3..]),
        ("IstioCNI", ["spec", "values", ..]) => below("values.cni", &keys[2..]),
        _ => None,
    }
}

fn yield_control_plane(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let strategy = match mesh.update_strategy {
        UpdateStrategy::InPlace => "InPlace",
    };
    let values = |value: Value| json!({"spec": { "values": value }});
    let mut written = vec![
        Fields::needed(
            Source::Config("istio.version"),
            json!({"spec": { "version": version(mesh.intent.version) }}),
        ),
        Fields::needed(
            Source::Config("istio.namespace"),
            json!({"spec": { "namespace": mesh.intent.namespace.as_str() }}),
        ),
        Fields::needed(
            Source::Config("istio.updateStrategy"),
            json!({"spec": {"updateStrategy": { "type": strategy }}}),
        ),
        Fields::needed(
            Source::Config("mesh.id"),
            values(json!({"global": { "meshID": mesh.mesh_id.as_str() }})),
        ),
        Fields::needed(
            Source::Cluster("name".to_owned()),
            values(json!({"global": {"multiCluster": { "clusterName": mesh.cluster.as_str() }}})),
        ),
        Fields::needed(
            Source::Cluster(mesh.network_from.clone()),
            values(json!({"global": { "network": mesh.network.as_str() }})),
        ),
    ];
    if let Some(trust_domain) = &mesh.trust_domain {
        let tree = values(json!({"meshConfig": { "trustDomain": trust_domain }}));
        written.push(Fields::needed(Source::Config("mesh.trustDomain"), tree));
    }
    // The schema refuses another namespace than the Istio's own; the revision is named by the operator.
    let own = Value::from(mesh.intent.namespace.as_str());
    vec![
        fields(istio(), written).healthy_when(healthy(&istio())),
        Requirement::reserved(istio(), &["spec", "values", "global", "istioNamespace"], vec![own]),
        Requirement::reserved(istio(), &["spec", "values", "revision"], Vec::new()),
    ]
}

fn yield_namespace(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    vec![Requirement::namespace(mesh.intent.namespace.as_str())]
}

/// The chart of the CNI plugin has its own values in a map of their own, and beside it those that all charts have.
fn yield_values(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let said = |from: Source, tree: Value| Fields { strength: Strength::Config, from, tree };
    let mut requirements = Vec::new();
    if !mesh.values.istiod.is_empty() {
        let tree = json!({"spec": { "values": mesh.values.istiod }});
        let from = Source::Values("values.istiod", &["spec", "values"]);
        requirements.push(fields(istio(), vec![said(from, tree)]));
    }
    let (shared, own): (BTreeMap<_, _>, BTreeMap<_, _>) =
        mesh.values.cni.iter().partition(|(key, _)| *key == "global");
    let mut written = Vec::new();
    if !own.is_empty() {
        let from = Source::Values("values.cni", &["spec", "values", "cni"]);
        written.push(said(from, json!({"spec": {"values": { "cni": own }}})));
    }
    if !shared.is_empty() {
        let from = Source::Values("values.cni", &["spec", "values"]);
        written.push(said(from, json!({"spec": { "values": shared }})));
    }
    if !written.is_empty() {
        requirements.push(fields(istio_cni(), written));
    }
    requirements
}

fn yield_interception(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    match mesh.intent.interception {
        Interception::Redirect => Vec::new(),
        Interception::TProxy => {
            let mode = json!({"defaultConfig": { "interceptionMode": "TPROXY" }});
            let tree = json!({"spec": {"values": { "meshConfig": mode }}});
            vec![fields(istio(), vec![Fields::needed(Source::Config("dataPlane.interception"), tree)])]
        }
    }
}

fn yield_revision(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let revision = ObjectId::new(GROUP, "v1", "IstioRevision", "", "default");
    let version = Watched::value(".spec.version", version(mesh.intent.version));
    let criterion = healthy(&revision);
    let requires = vec![version.from(Source::Config("istio.version"))];
    vec![Requirement::installer(revision, requires).healthy_when(criterion)]
}

fn yield_istiod(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let namespace = mesh.intent.namespace.as_str();
    vec![workload(ObjectId::new("apps", "v1", "Deployment", namespace, "istiod"), &mesh.intent)]
}

fn yield_namespace_labels(_: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let by_injection = BTreeMap::from([("istio-injection", Some("enabled".to_owned()))]);
    let by_revision =
        BTreeMap::from([("istio.io/rev", Some("default".to_owned())), ("istio-injection", None)]);
    vec![Requirement {
        object: istio(),
        fulfilled_by: FulfilledBy::User { any_of: vec![by_injection, by_revision] },
        healthy_when: None,
    }]
}
