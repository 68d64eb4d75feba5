//! What a plan for the Sail operator must hold on OpenShift, told from the facts and from the manifests alone.
//!
//! The operator fills in and makes what OpenShift needs, once there is an IstioCNI. So the plan must have that, must not
//! say what the operator finds out by itself, and must wait for what the charts make.

use serde_json::{Value, json};

use super::referee::{NAD, NAD_GROUP, RBAC_GROUP, is_at};
use crate::{
    fleet::Facts,
    plan::{
        Finding,
        check::{Manifest, Seen, blocks, seen_to_by},
    },
};

const GROUP: &str = "sailoperator.io";

pub(super) fn judge(plan: &Seen<'_>, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    match plan.find(GROUP, "IstioCNI", "", "default") {
        None => findings.push(no_cni()),
        Some(cni) => {
            findings.extend(written(plan, cni));
            findings.extend(kept(plan, cni));
            findings.extend(one_phase(plan, cni));
            findings.extend(settings(plan, cni));
        }
    }
    findings.extend(platform(plan));
    findings.extend(node(plan));
    findings.extend(attachment(plan, facts));
    findings.extend(constraint(plan));
    findings
}

fn no_cni() -> Finding {
    blocks(
        "openshift.cni.missing",
        "the plan has no IstioCNI default: pods may not set up their own redirection, and the Istio waits for it for ever".to_owned(),
        seen_to_by("openshift.sail.cni"),
    )
}

fn written(plan: &Seen<'_>, cni: &Manifest<'_>) -> Option<Finding> {
    let version = format!("v{}", plan.intent.version);
    let spec = &cni.value["spec"];
    let sound = spec["version"] == version.as_str()
        && spec["namespace"].as_str().is_some_and(|name| !name.is_empty());
    (!sound).then(|| {
        blocks(
            "openshift.cni.identity",
            format!("{} says version {} and namespace {}; what is left out is nobody's and changes with the operator", cni.id, spec["version"], spec["namespace"]),
            seen_to_by("openshift.sail.cni"),
        )
    })
}

/// Deleted under a running mesh, nothing stops it, and no pod starts any more.
fn kept(plan: &Seen<'_>, cni: &Manifest<'_>) -> Option<Finding> {
    let mut objects = plan.document.phases.iter().flat_map(|phase| &phase.objects);
    let kept = objects.any(|object| {
        let keep = object.keep_while.as_ref();
        object.id == *cni.id && keep.is_some_and(|keep| keep.pods_annotated == "sidecar.istio.io/status")
    });
    (!kept).then(|| {
        blocks(
            "openshift.cni.unkept",
            format!("{} could be deleted under running pods with sidecars", cni.id),
            seen_to_by("openshift.sail.cni"),
        )
    })
}

/// Each waits for the other: the Istio for a healthy CNI, a phase for a healthy Istio.
fn one_phase(plan: &Seen<'_>, cni: &Manifest<'_>) -> Option<Finding> {
    let istio = plan.control_plane()?;
    (istio.phase != cni.phase).then(|| {
        blocks(
            "openshift.order",
            format!(
                "{} and {} stand in different phases, and one cannot get healthy without the other",
                istio.id, cni.id
            ),
            "put them into one phase: this is a mistake in meshfleet, report it".to_owned(),
        )
    })
}

/// What is said wins over what the operator fills in.
fn settings(plan: &Seen<'_>, cni: &Manifest<'_>) -> Option<Finding> {
    let wanted = [
        ("cniBinDir", json!("/var/lib/cni/bin")),
        ("cniConfDir", json!("/etc/cni/multus/net.d")),
        ("cniConfFileName", json!("istio-cni.conf")),
        ("chained", json!(false)),
        ("provider", json!("multus")),
    ];
    let said = &cni.value["spec"]["values"]["cni"];
    let differing = wanted.iter().filter(|(key, value)| !said[*key].is_null() && said[*key] != *value);
    let mut differing: Vec<String> =
        differing.map(|(key, value)| format!("{key} is {}, not {value}", said[*key])).collect();
    let istiod = plan.control_plane().map(|istio| &istio.value["spec"]["values"]["pilot"]["cni"]);
    for (key, value) in [("enabled", json!(true)), ("provider", json!("multus"))] {
        let found = istiod.map_or(&Value::Null, |said| &said[key]);
        if !found.is_null() && *found != value {
            differing.push(format!("pilot.cni.{key} is {found}, not {value}"));
        }
    }
    (!differing.is_empty()).then(|| {
        let finding = blocks(
            "openshift.cni.settings",
            format!("Multus would not find the CNI plugin: {}", differing.join(", ")),
            seen_to_by("openshift.cni.multus"),
        );
        plan.seconding("openshift.cni.multus", finding)
    })
}

/// An empty name counts as given, and any other than its own leaves the directories of plain Kubernetes.
fn platform(plan: &Seen<'_>) -> Vec<Finding> {
    let read = plan.manifests.iter().filter(|manifest| manifest.id.group == GROUP);
    let named = read.filter(|manifest| {
        let pointer = "/spec/values/global/platform";
        let name = manifest.value.pointer(pointer);
        name.is_some() && !is_at(&manifest.value, pointer, &json!("openshift"))
    });
    named
        .map(|manifest| {
            let finding = blocks(
                "openshift.platform",
                format!(
                    "{} names another platform, so the operator fills in nothing of OpenShift",
                    manifest.id
                ),
                seen_to_by("sail.platform"),
            );
            plan.seconding("sail.platform", finding)
        })
        .collect()
}

fn node(plan: &Seen<'_>) -> Option<Finding> {
    let cni = plan.find(GROUP, "IstioCNI", "", "default");
    let namespace = cni.and_then(|cni| cni.value["spec"]["namespace"].as_str()).unwrap_or("istio-cni");
    let name = "istio-cni-node";
    (!plan.is_labelled_and_rolled_out("DaemonSet", namespace, name)).then(|| {
        blocks(
            "openshift.cni.unwatched",
            format!("the plan could count as healthy without DaemonSet {namespace}/{name} of Istio {} on every node", plan.intent.version),
            seen_to_by("openshift.sail.cni-node"),
        )
    })
}

/// Made by the chart; one of ours would block it.
fn attachment(plan: &Seen<'_>, facts: &Facts) -> Option<Finding> {
    let served = facts.serves("k8s.cni.cncf.io/NetworkAttachmentDefinition");
    (served && plan.expected(NAD_GROUP, NAD, "default", "istio-cni").is_none()).then(|| {
        blocks(
            "openshift.nad.missing",
            format!(
                "the plan does not wait for {NAD} default/istio-cni, without which no injected pod starts"
            ),
            seen_to_by("openshift.sail.attachment"),
        )
    })
}

fn constraint(plan: &Seen<'_>) -> Option<Finding> {
    let expected = plan.expected(RBAC_GROUP, "ClusterRole", "", "istio-cni").is_some_and(|role| {
        role.requires.iter().any(|value| {
            value.path.contains("securitycontextconstraints")
                && value.path.ends_with(".verbs")
                && value.value == json!(["use"])
        })
    });
    (!expected).then(|| {
        blocks(
            "openshift.scc.unbound-cni",
            "the plan does not see whether the CNI plugin may use the constraint privileged: its pods could be refused".to_owned(),
            seen_to_by("openshift.sail.scc"),
        )
    })
}
