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
pub static RULES: [Rule; 8] = [
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
        id: RuleId("sail.revision-tag"),
        reason: "Beside named revisions the charts make no default one, so a tag of that name keeps the labels of namespaces good, and keeps the old revision until the new one is healthy.",
        source: OBSERVED,
        platforms: &[],
        installers: ONLY,
        reads: &[],
        yields: yield_revision_tag,
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

/// The IstioRevisionTag that goes with named revisions: what asks for the default revision asks for the Istio's active one.
#[must_use]
pub fn revision_tag() -> ObjectId {
    ObjectId::new(GROUP, "v1", "IstioRevisionTag", "", "default")
}

/// Name of the revision that the operator makes from the Istio.
#[must_use]
pub fn revision(intent: &Intent) -> String {
    match intent.update_strategy {
        UpdateStrategy::InPlace => "default".to_owned(),
        UpdateStrategy::RevisionBased => format!("default-{}", version(intent.version).replace('.', "-")),
    }
}

/// Name of an object that the chart of the control plane makes: a named revision stands behind it.
#[must_use]
pub fn of_revision(name: &str, intent: &Intent) -> String {
    match intent.update_strategy {
        UpdateStrategy::InPlace => name.to_owned(),
        UpdateStrategy::RevisionBased => format!("{name}-{}", revision(intent)),
    }
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
        ("Istio", ["spec", "updateStrategy", "inactiveRevisionDeletionGracePeriodSeconds"]) => {
            Some("istio.inactiveRevisionGraceSeconds".to_owned())
        }
        ("Istio", ["spec", "values", ..]) => below("values.istiod", &keys[2..]),
        ("IstioCNI", ["spec", "values", "cni", ..]) => below("values.cni", &keys[3..]),
        ("IstioCNI", ["spec", "values", ..]) => below("values.cni", &keys[2..]),
        _ => None,
    }
}

fn yield_control_plane(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
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
    written.extend(strategy(&mesh.intent));
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

/// How one version follows another. The grace says nothing where no revision is ever left behind.
fn strategy(intent: &Intent) -> Vec<Fields> {
    let strategy =
        |path, said: Value| Fields::needed(Source::Config(path), json!({"spec": { "updateStrategy": said }}));
    let of = |name: &str| strategy("istio.updateStrategy", json!({ "type": name }));
    match (intent.update_strategy, intent.inactive_revision_grace_s) {
        (UpdateStrategy::InPlace, _) => vec![of("InPlace")],
        (UpdateStrategy::RevisionBased, None) => vec![of("RevisionBased")],
        (UpdateStrategy::RevisionBased, Some(seconds)) => {
            let grace = json!({ "inactiveRevisionDeletionGracePeriodSeconds": seconds });
            vec![of("RevisionBased"), strategy("istio.inactiveRevisionGraceSeconds", grace)]
        }
    }
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
    let revision = ObjectId::new(GROUP, "v1", "IstioRevision", "", &revision(&mesh.intent));
    let version = Watched::value(".spec.version", version(mesh.intent.version));
    let criterion = healthy(&revision);
    let requires = vec![version.from(Source::Config("istio.version"))];
    vec![Requirement::installer(revision, requires).healthy_when(criterion)]
}

/// It is applied with the Istio, so that no version ever changes without it. Its state says whether workloads use it,
/// which they need not; that it points to the wanted revision is what counts.
fn yield_revision_tag(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    match mesh.intent.update_strategy {
        UpdateStrategy::InPlace => return Vec::new(),
        UpdateStrategy::RevisionBased => {}
    }
    let id = revision_tag();
    let stands = |path: &str, value: &str| ValueAt { path: path.to_owned(), value: value.into() };
    let criterion = Criterion {
        requires: vec![stands(".status.istioRevision", &revision(&mesh.intent))],
        fails_on: ["NameAlreadyExists", "ReconcileError"]
            .map(|state| stands(".status.state", state))
            .to_vec(),
        failed_for_s: FAILED_FOR_S,
        observed: true,
        held_for_s: HELD_FOR_S,
        ..Criterion::on(&id)
    };
    let target = json!({"spec": {"targetRef": {"kind": istio().kind, "name": istio().name}}});
    vec![fields(id, vec![Fields::required(target)]).healthy_when(criterion)]
}

fn yield_istiod(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let (namespace, name) = (mesh.intent.namespace.as_str(), of_revision("istiod", &mesh.intent));
    vec![workload(ObjectId::new("apps", "v1", "Deployment", namespace, &name), &mesh.intent)]
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
