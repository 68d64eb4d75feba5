//! What a plan for Calisti's operator must hold on OpenShift, told from the facts and from the manifests alone.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::referee::{NAD, NAD_GROUP, RBAC_GROUP, SCC_ROLE};
use crate::{
    fleet::{Facts, Labels},
    plan::{
        Finding, Template,
        check::{Manifest, Seen, blocks, seen_to_by, selects},
    },
};

/// From this minor of Istio on, Calisti's operator takes `privileged` and does not pass it on.
const PRIVILEGED_LOST_FROM: u32 = 16;

/// The last minor of Istio whose pods run as a fixed user. No release of the operator takes a later one, which is said.
const FIXED_USER_UNTIL: u32 = 19;

pub(super) fn judge(plan: &Seen<'_>, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(attachments(plan, facts));
    if plan.intent.version.minor <= FIXED_USER_UNTIL {
        findings.extend(sidecar_bindings(plan, facts));
        findings.extend(account_bindings(plan, facts));
    }
    findings
        .extend(plan.control_plane().into_iter().flat_map(|control_plane| cni(plan, control_plane, facts)));
    findings.extend(unwatched(plan));
    findings.extend(order(plan));
    findings
}

/// Whether a template stands wherever this control plane injects, nowhere else, and stays while it is needed.
fn covers(plan: &Seen<'_>, template: &Template) -> bool {
    let revision = format!("{}.{}", plan.intent.control_plane, plan.intent.namespace);
    let labels = |pairs: &[(&str, &str)]| -> Labels {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let selected = |pairs: &[(&str, &str)]| selects(&template.namespaces, &labels(pairs));
    let kept =
        template.keep_while.as_ref().is_some_and(|keep| keep.pods_annotated == "sidecar.istio.io/status");
    kept && selected(&[("istio.io/rev", &revision)])
        && selected(&[("istio.io/rev", &revision), ("team", "any")])
        && !selected(&[("istio.io/rev", "another"), ("team", "any")])
        && !selected(&[("istio.io/rev", &revision), ("istio-injection", "enabled")])
        && !selected(&[])
}

/// Injected pods name the attachment definition `istio-cni` without a namespace: without it in their own, the sandbox of
/// each fails.
fn attachments(plan: &Seen<'_>, facts: &Facts) -> Option<Finding> {
    let usable = plan.templates_of(NAD_GROUP, NAD).any(|(template, value)| {
        template.id.name == "istio-cni" && value["spec"].is_object() && covers(plan, template)
    });
    let served = facts.serves("k8s.cni.cncf.io/NetworkAttachmentDefinition");
    (served && !usable).then(|| {
        blocks(
            "openshift.nad.missing",
            format!("no {NAD} istio-cni with a spec for every namespace that is injected: the pods there could not start"),
            seen_to_by("openshift.nad.data-plane"),
        )
    })
}

fn sidecar_bindings(plan: &Seen<'_>, facts: &Facts) -> Option<Finding> {
    let wanted = nonroot(facts);
    let subject = json!({"kind": "Group", "name": "system:serviceaccounts:$(NAMESPACE)"});
    let bound = plan
        .templates_of(RBAC_GROUP, "RoleBinding")
        .any(|(template, value)| binds(value, wanted, &subject) && covers(plan, template));
    (!bound).then(|| {
        blocks(
            "openshift.scc.sidecars",
            format!("workloads of injected namespaces may not use {wanted}: their sidecars, user 1337, would be refused"),
            seen_to_by("openshift.scc.sidecar-1337"),
        )
    })
}

fn account_bindings(plan: &Seen<'_>, facts: &Facts) -> Vec<Finding> {
    let name = &plan.intent.control_plane;
    let namespace = plan.intent.namespace.as_str();
    let wanted = [
        ("openshift.scc.unbound-istiod", "openshift.scc.istiod", format!("istiod-{name}"), nonroot(facts)),
        (
            "openshift.scc.unbound-gateway",
            "openshift.scc.gateway",
            format!("istio-meshexpansion-{name}-service-account"),
            nonroot(facts),
        ),
        ("openshift.scc.unbound-cni", "openshift.scc.istio-cni", format!("istio-cni-{name}"), "privileged"),
    ];
    let lacking = wanted.into_iter().filter(|(_, _, account, constraint)| {
        let subject = json!({"kind": "ServiceAccount", "name": account, "namespace": namespace});
        !is_bound(plan, namespace, constraint, &subject)
    });
    lacking
        .map(|(id, rule, account, constraint)| {
            blocks(
                id,
                format!("service account {namespace}/{account} may not use {constraint}: its pods would be refused"),
                seen_to_by(rule),
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
    plan.of_kind(RBAC_GROUP, "RoleBinding")
        .filter_map(|manifest| cluster_role(&manifest.value).map(|name| (manifest, name)))
}

/// Whether a RoleBinding in `namespace` lets a subject with these fields use the constraint.
fn is_bound(plan: &Seen<'_>, namespace: &str, constraint: &str, subject: &Value) -> bool {
    let there = plan.of_kind(RBAC_GROUP, "RoleBinding").filter(|manifest| manifest.id.namespace == namespace);
    there.map(|manifest| &manifest.value).any(|binding| binds(binding, constraint, subject))
}

fn binds(binding: &Value, constraint: &str, subject: &Value) -> bool {
    let role = format!("{SCC_ROLE}{constraint}");
    let to_it = cluster_role(binding).is_some_and(|name| name == role);
    let subjects = binding["subjects"].as_array();
    to_it && subjects.is_some_and(|subjects| subjects.iter().any(|candidate| holds_all(candidate, subject)))
}

fn cluster_role(binding: &Value) -> Option<&str> {
    let role = &binding["roleRef"];
    let to_cluster_role = role["kind"] == "ClusterRole" && role["apiGroup"] == RBAC_GROUP;
    role["name"].as_str().filter(|_| to_cluster_role)
}

fn holds_all(value: &Value, fields: &Value) -> bool {
    fields.as_object().is_some_and(|fields| fields.iter().all(|(key, wanted)| value.get(key) == Some(wanted)))
}

fn cni(plan: &Seen<'_>, control_plane: &Manifest<'_>, facts: &Facts) -> Vec<Finding> {
    let cni = &control_plane.value["spec"]["proxyInit"]["cni"];
    let multus = not_multus(cni).map(|finding| plan.seconding("openshift.cni.multus", finding));
    let unprivileged =
        unprivileged(plan, control_plane).map(|finding| plan.seconding("openshift.cni.privileged", finding));
    [multus, excluded(plan, cni, facts), unprivileged].into_iter().flatten().collect()
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
            seen_to_by("openshift.cni.multus"),
        )
    })
}

/// A namespace that the plugin leaves out has sidecars that no traffic reaches.
fn excluded(plan: &Seen<'_>, cni: &Value, facts: &Facts) -> Option<Finding> {
    let excluded = cni["excludeNamespaces"].as_array()?;
    let selector = &plan.intent.data_plane;
    let of_name = selector.names.iter().map(|name| name.as_str());
    let of_labels = facts
        .namespaces
        .iter()
        .filter(|namespace| selector.matches(&namespace.name, &namespace.labels))
        .map(|namespace| namespace.name.as_str());
    let mut lost: Vec<&str> =
        of_name.chain(of_labels).filter(|namespace| excluded.iter().any(|name| name == namespace)).collect();
    lost.sort_unstable();
    lost.dedup();
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
            seen_to_by("openshift.cni.privileged"),
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
            seen_to_by("openshift.cni.node"),
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
