//! The referee on a plan for the Sail operator, the same on every platform.
//!
//! Names and values are written down a second time on purpose, so that one mistake is not made on both sides.

use serde_json::Value;

use super::{Finding, Manifest, Seen, blocks};
use crate::{catalog::sail, config::UpdateStrategy, plan::ObjectId};

const GROUP: &str = "sailoperator.io";

/// Success must have held longer than the operator is wrong about it, failures longer than they are none.
const HELD_FROM_S: u32 = 3;
const FAILED_FROM_S: u32 = 5;

pub(super) fn judge(plan: &Seen<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    match plan.control_plane() {
        None => findings.push(missing()),
        Some(istio) => {
            findings.extend(identity(plan, istio));
            findings.extend(cni(plan, istio));
        }
    }
    findings.extend(tag(plan));
    findings.extend(platform(plan));
    findings.extend(namespaces(plan));
    findings.extend(unwatched(plan));
    findings.extend(owned(plan));
    findings
}

fn missing() -> Finding {
    blocks(
        "control-plane.missing",
        "the plan has no Istio default".to_owned(),
        "the rule sail.control-plane must make it: this is a mistake in meshfleet, report it".to_owned(),
    )
}

/// What is left out is filled in by the schema, in nobody's name, and changes with the operator.
fn identity(plan: &Seen<'_>, istio: &Manifest<'_>) -> Option<Finding> {
    let spec = &istio.value["spec"];
    let mut wrong = Vec::new();
    let version = format!("v{}", plan.intent.version);
    let strategy = if is_by_revisions(plan) { "RevisionBased" } else { "InPlace" };
    let wanted = [
        (".version", &spec["version"], version.as_str()),
        (".namespace", &spec["namespace"], plan.intent.namespace.as_str()),
        (".updateStrategy.type", &spec["updateStrategy"]["type"], strategy),
    ];
    for (path, found, wanted) in wanted {
        if found != wanted {
            wrong.push(format!(".spec{path} is {found}, not {wanted:?}"));
        }
    }
    let global = &spec["values"]["global"];
    let written = [
        ("meshID", &global["meshID"]),
        ("multiCluster.clusterName", &global["multiCluster"]["clusterName"]),
        ("network", &global["network"]),
    ];
    for (path, found) in written {
        if found.as_str().is_none_or(str::is_empty) {
            wrong.push(format!(".spec.values.global.{path} is not written"));
        }
    }
    (!wrong.is_empty()).then(|| {
        let finding = blocks(
            "control-plane.identity",
            format!("in {}: {}", istio.id, wrong.join(", ")),
            "the rule sail.control-plane must write them: this is a mistake in meshfleet, report it"
                .to_owned(),
        );
        plan.seconding("sail.control-plane", finding)
    })
}

fn is_by_revisions(plan: &Seen<'_>) -> bool {
    plan.intent.update_strategy == UpdateStrategy::RevisionBased
}

/// `default`, or that of one version.
fn revision(plan: &Seen<'_>) -> String {
    let version = plan.intent.version.to_string().replace('.', "-");
    if is_by_revisions(plan) { format!("default-v{version}") } else { "default".to_owned() }
}

/// Without the tag, the old revision is deleted at the moment a version changes, before the new istiod is there, and labels
/// that ask for the default revision inject nothing. Beside a revision that is itself called so, the two exclude each other.
fn tag(plan: &Seen<'_>) -> Option<Finding> {
    let tag = plan.find(GROUP, "IstioRevisionTag", "", "default");
    let hint = "the rule sail.revision-tag must make it for RevisionBased, and only then: this is a mistake in meshfleet, report it";
    if !is_by_revisions(plan) {
        return tag.map(|tag| {
            let message = format!("{} and the revision of an Istio that is changed in place have one name: the younger never works", tag.id);
            blocks("sail.revision-tag.in-place", message, hint.to_owned())
        });
    }
    let sound = tag.is_some_and(|tag| {
        let target = &tag.value["spec"]["targetRef"];
        let phase = plan.control_plane().map(|istio| istio.phase);
        target["kind"] == "Istio"
            && target["name"] == "default"
            && phase.is_none_or(|phase| tag.phase <= phase)
    });
    let points = plan.document.healthy_when.iter().any(|criterion| {
        criterion.id.kind == "IstioRevisionTag"
            && criterion.observed
            && criterion.held_for_s >= HELD_FROM_S
            && criterion
                .requires
                .iter()
                .any(|value| value.path == ".status.istioRevision" && value.value == revision(plan).as_str())
    });
    (!(sound && points)).then(|| {
        blocks(
            "sail.revision-tag.missing",
            format!("no IstioRevisionTag default of Istio default comes with it and is seen to point to {}: the old revision would be deleted before the new istiod is there", revision(plan)),
            hint.to_owned(),
        )
    })
}

/// An istiod that is told of the CNI plugin injects no container that sets up the redirection, and its Istio waits for an
/// IstioCNI.
fn cni(plan: &Seen<'_>, istio: &Manifest<'_>) -> Option<Finding> {
    let told = istio.value["spec"]["values"]["pilot"]["cni"]["enabled"] == true;
    (told && plan.find(GROUP, "IstioCNI", "", "default").is_none()).then(|| {
        blocks(
            "sail.cni-missing",
            format!("{} leaves the redirection of traffic to the CNI plugin, which the plan does not install: the Istio would never get healthy", istio.id),
            "set dataPlane.cni to enabled, which installs it, or take values.istiod.pilot.cni.enabled out of the config, for this cluster alone with a layer that has it under `unset`".to_owned(),
        )
    })
}

/// The charts fail on a name that they do not know, and on an empty one the operator stops to look for itself.
fn platform(plan: &Seen<'_>) -> Vec<Finding> {
    let read = plan.manifests.iter().filter(|manifest| manifest.id.group == GROUP);
    let named = read.filter_map(|manifest| {
        let name = &manifest.value["spec"]["values"]["global"]["platform"];
        let known = name.as_str().is_some_and(|name| sail::PLATFORMS.contains(&name));
        (!known && *name != Value::Null).then_some((manifest, name))
    });
    named
        .map(|(manifest, name)| {
            let finding = blocks(
                "sail.platform-unknown",
                format!("{} names the platform {name}, which the charts do not know", manifest.id),
                "leave values.istiod.global.platform and values.cni.global.platform out".to_owned(),
            );
            plan.seconding("sail.platform", finding)
        })
        .collect()
}

/// The operator makes none.
fn namespaces(plan: &Seen<'_>) -> Option<Finding> {
    let read = plan.manifests.iter().filter(|manifest| manifest.id.group == GROUP);
    let wanted = read.filter_map(|manifest| manifest.value["spec"]["namespace"].as_str());
    let made = &plan.document.namespaces;
    let lacking: Vec<&str> = wanted.filter(|name| !made.iter().any(|made| made.as_str() == *name)).collect();
    (!lacking.is_empty()).then(|| {
        blocks(
            "sail.namespace-missing",
            format!("the operator would fail: nothing makes the namespace {}", lacking.join(", ")),
            "the rule of each resource must ask for its namespace: this is a mistake in meshfleet, report it"
                .to_owned(),
        )
    })
}

/// The operator's own word is no proof: its revision must be expected with the version, istiod rolled out with it.
fn unwatched(plan: &Seen<'_>) -> Option<Finding> {
    let version = plan.intent.version.to_string();
    let mut lacking = Vec::new();
    let resources = plan.manifests.iter().filter(|manifest| manifest.id.group == GROUP);
    // What a tag says of itself is whether workloads use it.
    let resources = resources.filter(|manifest| manifest.id.kind != "IstioRevisionTag");
    for id in resources.map(|manifest| manifest.id) {
        if !is_awaited(plan, id) {
            lacking.push(format!("{id} observed, Healthy and held"));
        }
    }
    let name = revision(plan);
    let revision = plan.expected(GROUP, "IstioRevision", "", &name);
    let of_version = revision.is_some_and(|revision| {
        let wanted = format!("v{version}");
        revision.requires.iter().any(|value| value.path == ".spec.version" && value.value == wanted)
    });
    if !of_version || !revision.is_some_and(|revision| is_awaited(plan, &revision.id)) {
        lacking.push(format!("IstioRevision {name} of v{version}"));
    }
    let namespace = plan.intent.namespace.as_str();
    let istiod = if is_by_revisions(plan) { format!("istiod-{name}") } else { "istiod".to_owned() };
    if !plan.is_labelled_and_rolled_out("Deployment", namespace, &istiod) {
        lacking.push(format!("Deployment {istiod} labelled {version} and rolled out"));
    }
    (!lacking.is_empty()).then(|| {
        blocks(
            "control-plane.unwatched",
            format!("the plan could count as healthy without {}", lacking.join(", ")),
            "the rules sail.control-plane, sail.revision and sail.istiod must ask for it: this is a mistake in meshfleet, report it".to_owned(),
        )
    })
}

fn is_awaited(plan: &Seen<'_>, id: &ObjectId) -> bool {
    plan.document.healthy_when.iter().filter(|criterion| criterion.id == *id).any(|criterion| {
        criterion.observed
            && criterion.held_for_s >= HELD_FROM_S
            && (criterion.fails_on.is_empty() || criterion.failed_for_s >= FAILED_FROM_S)
            && criterion
                .requires
                .iter()
                .any(|value| value.path == ".status.state" && value.value == "Healthy")
    })
}

/// What the charts make. An object of these that is there before Helm blocks its release, and one that we write into is
/// written by two.
fn owned(plan: &Seen<'_>) -> Option<Finding> {
    let manifests = plan.manifests.iter().map(|manifest| manifest.id);
    let templates = plan.templates.iter().map(|(template, _)| &template.id);
    let found: Vec<String> = manifests
        .chain(templates)
        .filter(|id| is_of_the_charts(id, plan.intent.namespace.as_str()))
        .map(ToString::to_string)
        .collect();
    (!found.is_empty()).then(|| {
        blocks(
            "helm.owned",
            format!("the operator's charts make these, and would fail on ours: {}", found.join(", ")),
            "expect them, or add fields to them: this is a mistake in meshfleet, report it".to_owned(),
        )
    })
}

fn is_of_the_charts(id: &ObjectId, istio_namespace: &str) -> bool {
    let ObjectId { group, kind, namespace, name, .. } = id;
    match (group.as_str(), kind.as_str()) {
        // In a template, the namespace may be any.
        ("k8s.cni.cncf.io", "NetworkAttachmentDefinition") => {
            name == "istio-cni" && (namespace == "default" || namespace.is_empty())
        }
        (GROUP, "IstioRevision") => true,
        ("rbac.authorization.k8s.io", "ClusterRole" | "ClusterRoleBinding")
        | ("admissionregistration.k8s.io", _) => name.starts_with("istio"),
        ("" | "apps" | "autoscaling" | "rbac.authorization.k8s.io", "Namespace") => false,
        ("" | "apps" | "autoscaling" | "rbac.authorization.k8s.io", _) => {
            let of_istiod = namespace == istio_namespace
                && (name.starts_with("istiod")
                    || name.starts_with("istio-")
                    || name == "istio"
                    || name == "values");
            let of_plugin = namespace == "istio-cni" && name.starts_with("istio-cni");
            of_istiod || of_plugin
        }
        _ => false,
    }
}
