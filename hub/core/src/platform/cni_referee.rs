//! The referee on Istio's CNI plugin where it is a choice: anywhere but in the OpenShift family, which needs it and has a
//! referee of its own.
//!
//! Names and values are written down a second time on purpose, so that one mistake is not made on both sides.

use serde_json::Value;

use super::{PlatformName, detect, evidence, generic, of};
use crate::{
    catalog::{
        MinorVersion,
        cni::{self, Home, Settings},
    },
    config::{CniPlugin, InstallerKind},
    fleet::Facts,
    plan::{
        Finding,
        check::{Manifest, Seen, blocks, seen_to_by, warns},
    },
};

const GROUP: &str = "sailoperator.io";
const CILIUM: &str = "apps/DaemonSet kube-system/cilium";
const CILIUM_CONFIG: &str = "ConfigMap kube-system/cilium-config";

/// Pods that Calisti's quota leaves to the plugin, one a node.
const CALISTI_NODES: u32 = 128;

/// Judges what a plan says of the plugin. Silent on OpenShift.
#[must_use]
pub fn judge(plan: &Seen<'_>, facts: &Facts) -> Vec<Finding> {
    let platform = detect(facts).platform;
    if platform.is_some_and(|name| of(name).kind_of().unwrap_or(name) == PlatformName::Openshift) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if plan.intent.cni == CniPlugin::Enabled {
        match plan.intent.installer {
            InstallerKind::Sail => findings.extend(by_sail(plan)),
            InstallerKind::Calisti => findings.extend(by_calisti(plan, facts)),
        }
    }
    if is_planned(plan) {
        findings.extend(directories(plan, facts, platform));
        findings.extend(cilium(facts));
    }
    findings
}

/// Whether a plan puts the plugin on nodes.
pub(super) fn is_planned(plan: &Seen<'_>) -> bool {
    match plan.intent.installer {
        InstallerKind::Sail => plan.find(GROUP, "IstioCNI", "", "default").is_some(),
        InstallerKind::Calisti => plan
            .control_plane()
            .is_some_and(|control_plane| control_plane.value["spec"]["proxyInit"]["cni"]["enabled"] == true),
    }
}

fn missing(what: &str) -> Finding {
    blocks(
        "cni.missing",
        format!("dataPlane.cni asks for the CNI plugin, and {what}"),
        seen_to_by("cni.plugin"),
    )
}

fn by_sail(plan: &Seen<'_>) -> Vec<Finding> {
    let Some(plugin) = plan.find(GROUP, "IstioCNI", "", "default") else {
        return vec![missing("the plan has no IstioCNI default")];
    };
    let mut findings = Vec::new();
    let version = format!("v{}", plan.intent.version);
    let spec = &plugin.value["spec"];
    if spec["version"] != version.as_str() || spec["namespace"].as_str().is_none_or(str::is_empty) {
        let message =
            format!("{} says version {} and namespace {}", plugin.id, spec["version"], spec["namespace"]);
        findings.push(blocks("cni.identity", message, seen_to_by("cni.plugin")));
    }
    if let Some(istio) = plan.control_plane() {
        findings.extend(together(plan, istio, plugin));
    }
    if !is_kept(plan, plugin) {
        let message = format!("{} could be deleted under running pods with sidecars", plugin.id);
        findings.push(blocks("cni.unkept", message, seen_to_by("cni.plugin")));
    }
    let namespace = spec["namespace"].as_str().unwrap_or("istio-cni");
    if !plan.is_labelled_and_rolled_out("DaemonSet", namespace, "istio-cni-node") {
        findings.push(unwatched(&format!("{namespace}/istio-cni-node"), plan));
    }
    findings
}

/// istiod that knows nothing of the plugin injects a container that does the same; in different phases each would wait for
/// the other.
fn together(plan: &Seen<'_>, istio: &Manifest<'_>, plugin: &Manifest<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if istio.value["spec"]["values"]["pilot"]["cni"]["enabled"] != true {
        let message =
            format!("{} is not told of the CNI plugin: its pods would still need NET_ADMIN", istio.id);
        findings.push(plan.seconding("cni.plugin", blocks("cni.untold", message, seen_to_by("cni.plugin"))));
    }
    if istio.phase != plugin.phase {
        let message = format!(
            "{} and {} stand in different phases, and one cannot get healthy without the other",
            istio.id, plugin.id
        );
        let hint = "put them into one phase: this is a mistake in meshfleet, report it".to_owned();
        findings.push(blocks("cni.order", message, hint));
    }
    findings
}

fn is_kept(plan: &Seen<'_>, plugin: &Manifest<'_>) -> bool {
    let mut objects = plan.document.phases.iter().flat_map(|phase| &phase.objects);
    objects.any(|object| {
        let keep = object.keep_while.as_ref();
        object.id == *plugin.id && keep.is_some_and(|keep| keep.pods_annotated == "sidecar.istio.io/status")
    })
}

fn unwatched(daemon_set: &str, plan: &Seen<'_>) -> Finding {
    let message = format!(
        "the plan could count as healthy without DaemonSet {daemon_set} of Istio {} on every node",
        plan.intent.version
    );
    blocks("cni.unwatched", message, seen_to_by("cni.node"))
}

fn by_calisti(plan: &Seen<'_>, facts: &Facts) -> Vec<Finding> {
    if !is_planned(plan) {
        let finding = missing("the IstioControlPlane does not switch it on");
        return vec![plan.seconding("cni.plugin", finding)];
    }
    let mut findings = Vec::new();
    let (namespace, name) =
        (plan.intent.namespace.as_str(), format!("istio-cni-node-{}", plan.intent.control_plane));
    let tag = format!(":{}", plan.intent.version);
    let by_image = plan.expected("apps", "DaemonSet", namespace, &name).is_some_and(|expectation| {
        expectation.requires.iter().any(|value| value.value.as_str().is_some_and(|text| text.ends_with(&tag)))
    });
    if !by_image || !plan.awaits_rollout("DaemonSet", namespace, &name) {
        findings.push(unwatched(&format!("{namespace}/{name}"), plan));
    }
    let nodes = evidence::node_count(facts);
    if nodes > CALISTI_NODES {
        findings.push(warns(
            "calisti.cni.quota",
            format!("the operator's quota lets the CNI plugin run on {CALISTI_NODES} nodes, and there are {nodes}"),
            format!("raise proxyInit.cni.resourceQuotas.pods of the IstioControlPlane {namespace}/{} by hand, and adopt the drift", plan.intent.control_plane),
        ));
    }
    findings
}

/// The keys of a chart's value, of the same in an IstioControlPlane, and what must stand there.
fn wanted(row: &Settings) -> [(&'static str, &'static str, Value); 4] {
    [
        ("cniBinDir", "binDir", row.bin.into()),
        ("cniConfDir", "confDir", row.conf.into()),
        ("chained", "chained", row.chained.into()),
        ("provider", "", if row.provider.is_empty() { Value::Null } else { row.provider.into() }),
    ]
}

/// A directory that the nodes do not read makes pods start without a redirection: plain text, past every policy.
fn directories(plan: &Seen<'_>, facts: &Facts, platform: Option<PlatformName>) -> Option<Finding> {
    let home = match platform? {
        PlatformName::Gke => Home::Google,
        PlatformName::Generic if generic::is_k3s(facts) => Home::K3s,
        _ => Home::Plain,
    };
    let istio = plan.intent.version;
    let row = cni::settings(home, MinorVersion::new(istio.major, istio.minor))?;
    let (said, calisti) = match plan.intent.installer {
        InstallerKind::Sail => {
            (&plan.find(GROUP, "IstioCNI", "", "default")?.value["spec"]["values"]["cni"], false)
        }
        InstallerKind::Calisti => (&plan.control_plane()?.value["spec"]["proxyInit"]["cni"], true),
    };
    let differing = wanted(row).into_iter().filter_map(|(chart, own, value)| {
        let key = if calisti { own } else { chart };
        // Nobody but a person says so in k3s: its name is no platform of ours.
        let must_be_said = home == Home::K3s && matches!(chart, "cniBinDir" | "cniConfDir");
        let found = &said[key];
        let differs = if found.is_null() { must_be_said } else { !value.is_null() && *found != value };
        (!key.is_empty() && differs).then(|| format!("{key} is {found}, the nodes have {value}"))
    });
    let differing: Vec<String> = differing.collect();
    (!differing.is_empty()).then(|| {
        warns(
            "cni.directories",
            format!("nodes like these would not find the CNI plugin, and pods would start without their redirection: {}", differing.join("; ")),
            format!("set values.cni.cniBinDir to {}, values.cni.cniConfDir to {} and leave the rest out, unless the nodes were set up otherwise", row.bin, row.conf),
        )
    })
}

/// Cilium takes files of other plugins away, unless told not to.
fn cilium(facts: &Facts) -> Option<Finding> {
    let there = facts.object(CILIUM)?;
    let said = facts.object(CILIUM_CONFIG).and_then(|config| config.values.get("cni-exclusive"));
    let message = match said.map(String::as_str) {
        Some("false") => return None,
        Some(said) => format!("{CILIUM_CONFIG} says cni-exclusive: {said:?}"),
        None => format!("{CILIUM_CONFIG} does not say cni-exclusive: \"false\""),
    };
    Some(warns(
        "cni.cilium-exclusive",
        format!("there is {}, and {message}: Cilium would take the CNI plugin's file away, and pods would start without their redirection", there.object),
        "install Cilium with cni.exclusive=false; where the provider runs it and does not let you, set dataPlane.cni to auto for this cluster with a layer".to_owned(),
    ))
}
