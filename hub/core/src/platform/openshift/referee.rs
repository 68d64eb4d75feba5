//! What an OpenShift plan must hold, told from the facts and from the manifests alone.
//!
//! Shares no code and no table with the rules: names, paths and versions are written down a second time on purpose, so
//! that one mistake is not made on both sides.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    catalog::{MinorVersion, openshift as catalog},
    fleet::Facts,
    plan::{
        Finding,
        check::{Manifest, Seen, blocks, warns},
    },
};

const NAD_GROUP: &str = "k8s.cni.cncf.io";
const NAD: &str = "NetworkAttachmentDefinition";
const RBAC_GROUP: &str = "rbac.authorization.k8s.io";
const SCC_ROLE: &str = "system:openshift:scc:";

/// From this minor of Istio on, Calisti's operator takes `privileged` and does not pass it on.
const PRIVILEGED_LOST_FROM: u32 = 16;

pub(super) fn judge(plan: &Seen<'_>, facts: &Facts) -> Vec<Finding> {
    if !is_openshift(facts) {
        return foreign(plan).into_iter().collect();
    }
    let mut findings = Vec::new();
    findings.extend(attachments(plan, facts));
    findings.extend(sidecar_bindings(plan, facts));
    findings.extend(account_bindings(plan, facts));
    findings.extend(plan.control_plane().into_iter().flat_map(|control_plane| cni(plan, control_plane)));
    findings.extend(unwatched(plan));
    findings.extend(order(plan));
    findings.extend(age(facts));
    findings
}

fn is_openshift(facts: &Facts) -> bool {
    facts.cluster_version.is_some()
        || facts.serves("config.openshift.io/ClusterVersion")
        || facts.serves("security.openshift.io/SecurityContextConstraints")
}

/// What belongs on OpenShift only, in a plan for something else.
fn foreign(plan: &Seen<'_>) -> Option<Finding> {
    let attachments = plan.of_kind(NAD_GROUP, NAD).map(|manifest| manifest.id.to_string());
    let bindings = bindings(plan).filter(|(_, role)| role.starts_with(SCC_ROLE));
    let multus = plan.control_plane().filter(|manifest| {
        let directory = manifest.value["spec"]["proxyInit"]["cni"]["confDir"].as_str();
        directory.is_some_and(|directory| directory.contains("multus"))
    });
    let found: Vec<String> = attachments
        .chain(bindings.map(|(manifest, role)| format!("{} to {role}", manifest.id)))
        .chain(multus.map(|manifest| format!("the Multus settings in {}", manifest.id)))
        .collect();
    (!found.is_empty()).then(|| {
        blocks(
            "openshift.foreign",
            format!("the cluster shows no API of OpenShift, but the plan has {}", found.join(", ")),
            "correct spec.platform of the Cluster document, or let the spoke read the API groups".to_owned(),
        )
    })
}

/// Injected pods name the attachment definition `istio-cni` without a namespace: without it in their own, the sandbox of
/// each fails.
fn attachments(plan: &Seen<'_>, facts: &Facts) -> Vec<Finding> {
    if !facts.serves("k8s.cni.cncf.io/NetworkAttachmentDefinition") {
        return vec![blocks(
            "openshift.nad.not-served",
            format!(
                "the cluster does not serve {NAD_GROUP}/{NAD}: Multus is off or its kinds are hidden from the spoke"
            ),
            "switch Multus on (Network.operator.openshift.io cluster, spec.disableMultiNetwork: false)"
                .to_owned(),
        )];
    }
    let namespaces = plan.intent.data_plane.iter().map(|namespace| namespace.as_str());
    let lacking = namespaces.filter(|namespace| {
        let planned = plan.find(NAD_GROUP, NAD, namespace, "istio-cni");
        let usable = planned.is_some_and(|manifest| manifest.value["spec"].is_object());
        !usable && plan.expected(NAD_GROUP, NAD, namespace, "istio-cni").is_none()
    });
    lacking
        .map(|namespace| {
            blocks(
                "openshift.nad.missing",
                format!("no {NAD} istio-cni with a spec in namespace {namespace}: its injected pods could not start"),
                "plan one in every namespace with sidecars (rule openshift.nad.data-plane)".to_owned(),
            )
        })
        .collect()
}

fn sidecar_bindings(plan: &Seen<'_>, facts: &Facts) -> Vec<Finding> {
    let wanted = nonroot(facts);
    let namespaces = plan.intent.data_plane.iter().map(|namespace| namespace.as_str());
    let lacking = namespaces.filter(|namespace| {
        let group = format!("system:serviceaccounts:{namespace}");
        let subject = json!({"kind": "Group", "name": group});
        !is_bound(plan, namespace, wanted, &subject)
    });
    lacking
        .map(|namespace| {
            blocks(
                "openshift.scc.sidecars",
                format!("the workloads of namespace {namespace} may not use {wanted}: their sidecars, user 1337, would be refused"),
                format!("plan a RoleBinding of system:serviceaccounts:{namespace} to {SCC_ROLE}{wanted} there (rule openshift.scc.sidecar-1337)"),
            )
        })
        .collect()
}

fn account_bindings(plan: &Seen<'_>, facts: &Facts) -> Vec<Finding> {
    let name = &plan.intent.control_plane;
    let namespace = plan.intent.namespace.as_str();
    let wanted = [
        ("openshift.scc.unbound-istiod", format!("istiod-{name}"), nonroot(facts)),
        (
            "openshift.scc.unbound-gateway",
            format!("istio-meshexpansion-{name}-service-account"),
            nonroot(facts),
        ),
        ("openshift.scc.unbound-cni", format!("istio-cni-{name}"), "privileged"),
    ];
    let lacking = wanted.into_iter().filter(|(_, account, constraint)| {
        let subject = json!({"kind": "ServiceAccount", "name": account, "namespace": namespace});
        !is_bound(plan, namespace, constraint, &subject)
    });
    lacking
        .map(|(id, account, constraint)| {
            blocks(
                id,
                format!("service account {namespace}/{account} may not use {constraint}: its pods would be refused"),
                format!("plan a RoleBinding of it to {SCC_ROLE}{constraint} in {namespace}"),
            )
        })
        .collect()
}

/// 4.10 and older have no `-v2`; from 4.11 on the old name does not admit an injected sidecar.
fn nonroot(facts: &Facts) -> &'static str {
    let old = facts.cluster_version.as_ref().is_some_and(|version| {
        let version = if version.current.is_empty() { &version.desired } else { &version.current };
        let minor = version.strip_prefix("4.").and_then(|rest| rest.split('.').next());
        minor.and_then(|minor| minor.parse::<u32>().ok()).is_some_and(|minor| minor < 11)
    });
    if old { "nonroot" } else { "nonroot-v2" }
}

/// RoleBindings with the name of the ClusterRole that each refers to.
fn bindings<'a>(plan: &'a Seen<'a>) -> impl Iterator<Item = (&'a Manifest<'a>, &'a str)> {
    plan.of_kind(RBAC_GROUP, "RoleBinding").filter_map(|manifest| {
        let role = &manifest.value["roleRef"];
        let to_cluster_role = role["kind"] == "ClusterRole" && role["apiGroup"] == RBAC_GROUP;
        role["name"].as_str().filter(|_| to_cluster_role).map(|name| (manifest, name))
    })
}

/// Whether a RoleBinding in `namespace` lets a subject with these fields use the constraint.
fn is_bound(plan: &Seen<'_>, namespace: &str, constraint: &str, subject: &Value) -> bool {
    let role = format!("{SCC_ROLE}{constraint}");
    bindings(plan).filter(|(manifest, name)| manifest.id.namespace == namespace && *name == role).any(
        |(manifest, _)| {
            let subjects = manifest.value["subjects"].as_array();
            subjects.is_some_and(|subjects| subjects.iter().any(|candidate| holds_all(candidate, subject)))
        },
    )
}

fn holds_all(value: &Value, fields: &Value) -> bool {
    fields.as_object().is_some_and(|fields| fields.iter().all(|(key, wanted)| value.get(key) == Some(wanted)))
}

fn cni(plan: &Seen<'_>, control_plane: &Manifest<'_>) -> Vec<Finding> {
    let cni = &control_plane.value["spec"]["proxyInit"]["cni"];
    [not_multus(cni), excluded(plan, cni), unprivileged(plan, control_plane)].into_iter().flatten().collect()
}

fn not_multus(cni: &Value) -> Option<Finding> {
    let wanted: BTreeMap<&str, Value> = BTreeMap::from([
        ("enabled", json!(true)),
        ("chained", json!(false)),
        ("binDir", json!("/var/lib/cni/bin")),
        ("confDir", json!("/etc/cni/multus/net.d")),
        ("confFileName", json!("istio-cni.conf")),
    ]);
    let differing = wanted.iter().filter(|(key, value)| cni.get(key) != Some(value));
    let differing: Vec<String> =
        differing.map(|(key, value)| format!("{key} is {}, not {value}", cni[key])).collect();
    (!differing.is_empty()).then(|| {
        blocks(
            "openshift.cni.settings",
            format!("Multus would not find the CNI plugin: in .spec.proxyInit.cni {}", differing.join(", ")),
            "write the block for Multus (rule openshift.cni.multus)".to_owned(),
        )
    })
}

/// A namespace that the plugin leaves out has sidecars that no traffic reaches.
fn excluded(plan: &Seen<'_>, cni: &Value) -> Option<Finding> {
    let excluded = cni["excludeNamespaces"].as_array()?;
    let lost: Vec<&str> = plan
        .intent
        .data_plane
        .iter()
        .map(|namespace| namespace.as_str())
        .filter(|namespace| excluded.iter().any(|name| name == namespace))
        .collect();
    (!lost.is_empty()).then(|| {
        blocks(
            "openshift.cni.excluded",
            format!(
                "the CNI plugin leaves out {}, so traffic would pass by the sidecars there",
                lost.join(", ")
            ),
            "take these namespaces out of base.dataPlane.namespaces".to_owned(),
        )
    })
}

fn unprivileged(plan: &Seen<'_>, control_plane: &Manifest<'_>) -> Option<Finding> {
    let spec = &control_plane.value["spec"];
    let asked = spec["proxyInit"]["cni"]["daemonset"]["securityContext"]["privileged"] == true;
    let overlaid = spec["k8sResourceOverlays"]
        .as_array()
        .is_some_and(|overlays| overlays.iter().any(|overlay| makes_privileged(plan, overlay)));
    let needed = plan.intent.version.minor >= PRIVILEGED_LOST_FROM;
    (!asked || (needed && !overlaid)).then(|| {
        blocks(
            "openshift.cni.unprivileged",
            format!(
                "the CNI plugin's DaemonSet would come without privileged (field {}, overlay {}) and could not write to its node",
                if asked { "written" } else { "not written" },
                if overlaid { "written" } else { "not written" },
            ),
            "write the field, and from Istio 1.16 on the overlay (rule openshift.cni.privileged)".to_owned(),
        )
    })
}

fn makes_privileged(plan: &Seen<'_>, overlay: &Value) -> bool {
    let name = format!("istio-cni-node-{}", plan.intent.control_plane);
    let target = overlay["groupVersionKind"]["kind"] == "DaemonSet"
        && overlay["objectKey"]["name"] == name
        && overlay["objectKey"]["namespace"] == plan.intent.namespace.as_str();
    let path = "/spec/template/spec/containers/name=install-cni/securityContext/privileged";
    target
        && overlay["patches"].as_array().is_some_and(|patches| {
            patches.iter().any(|patch| {
                patch["type"] == "replace"
                    && patch["path"].as_str().is_some_and(|text| text.trim_end_matches('?') == path)
                    && patch["value"] == "true"
                    && patch["parseValue"] == true
            })
        })
}

/// The operator says Available whatever becomes of the DaemonSet.
fn unwatched(plan: &Seen<'_>) -> Option<Finding> {
    let name = format!("istio-cni-node-{}", plan.intent.control_plane);
    let expectation = plan.expected("apps", "DaemonSet", plan.intent.namespace.as_str(), &name);
    let privileged = expectation.is_some_and(|expectation| {
        expectation.requires.iter().any(|value| value.path.ends_with(".privileged") && value.value == true)
    });
    let criteria = &plan.document.healthy_when;
    let rolled_out = criteria.iter().any(|criterion| {
        criterion.rolled_out && criterion.id.kind == "DaemonSet" && criterion.id.name == name
    });
    (!(privileged && rolled_out)).then(|| {
        blocks(
            "openshift.cni.unwatched",
            format!("the plan could count as healthy without DaemonSet {name}, privileged, on every node"),
            "expect it and wait for its roll-out (rule openshift.cni.node)".to_owned(),
        )
    })
}

/// The operator makes pods as soon as it sees the control plane, so what admits them comes first.
fn order(plan: &Seen<'_>) -> Option<Finding> {
    let control_plane = plan.control_plane()?;
    let bindings =
        bindings(plan).filter(|(_, role)| role.starts_with(SCC_ROLE)).map(|(manifest, _)| manifest);
    let late =
        plan.of_kind(NAD_GROUP, NAD).chain(bindings).filter(|manifest| manifest.phase >= control_plane.phase);
    let late: Vec<String> = late.map(|manifest| manifest.id.to_string()).collect();
    (!late.is_empty()).then(|| {
        blocks(
            "openshift.order",
            format!("these come no earlier than the control plane whose pods need them: {}", late.join(", ")),
            "put them into an earlier phase: this is a mistake in meshfleet, report it".to_owned(),
        )
    })
}

fn age(facts: &Facts) -> Option<Finding> {
    let version = facts.cluster_version.as_ref().map(|version| version.current.as_str()).unwrap_or_default();
    let Ok(parsed) = MinorVersion::parse(version) else {
        return Some(warns(
            "openshift.version",
            "the version of OpenShift could not be read; the plan is for 4.11 or newer".to_owned(),
            "let the spoke read ClusterVersion version".to_owned(),
        ));
    };
    let minor = catalog::find(parsed).filter(|minor| minor.is_past())?;
    Some(warns(
        "openshift.end-of-life",
        format!("OpenShift {version} has had no support since {}", minor.end_of_life),
        "upgrade the cluster".to_owned(),
    ))
}
