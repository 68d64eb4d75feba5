//! Whether OpenShift would let the planned pods in: its admission run over each of them, with the constraints of its
//! version and the rights that the plan brings.
//!
//! No constraint is looked for by its name. So a binding that is missing, and one to a constraint that does not do, are
//! found alike.
//!
//! # Design notes
//! Ranges of users stand in for those that each namespace gets: which they are decides nothing, as no planned pod names
//! a user but 1337, root, or the one that injection takes from the very range. Before 4.11 the admission knew other constraints and was another; there only
//! the bindings are looked at, by the other half of the referee.

use std::collections::BTreeSet;

use hub_admission::{
    Cluster, Decision, MayUse, Namespace, Pod, Question, Verdict,
    injection::Injection,
    judge as admit,
    look::Became,
    namespace::{MCS, SUPPLEMENTAL_GROUPS, UID_RANGE},
    usable::{EVERYBODY, Subject},
};
use serde_json::{Value, json};

use super::referee::{RBAC_GROUP, SCC_ROLE};
use crate::{
    catalog::{
        MinorVersion, calisti, constraints,
        istio_pods::{self, Mode, Redirection},
        openshift::V2_CONSTRAINTS_FROM,
        sail,
    },
    config::{InstallerKind, Interception},
    fleet::Facts,
    plan::{
        Finding,
        check::{Seen, blocks, seen_to_by},
    },
};

const RANGE: &str = "1000650000/10000";
const LEVEL: &str = "s0:c26,c5";
/// Stands in for every namespace that is injected; no real one has a `*` in its name.
const INJECTED: &str = "*";

/// A pod that the plan brings about.
struct Planned {
    what: &'static str,
    /// The rule that sees to its admission.
    rule: &'static str,
    namespace: String,
    account: String,
    pod: Pod,
    injection: Option<Injection>,
}

pub(super) fn judge(plan: &Seen<'_>, facts: &Facts) -> Vec<Finding> {
    let version = version(facts);
    if version < V2_CONSTRAINTS_FROM || !is_installed(plan) {
        return Vec::new();
    }
    let cluster = Cluster::new(constraints::defaults_of(version));
    pods(plan).iter().filter_map(|planned| refused(plan, &cluster, planned)).collect()
}

/// A version that the installer does not take has no pods; that it does not is said elsewhere.
fn is_installed(plan: &Seen<'_>) -> bool {
    let version = plan.intent.version;
    match plan.intent.installer {
        InstallerKind::Calisti => calisti::release_for(version).is_some(),
        InstallerKind::Sail => sail::verdict(version) == sail::Verdict::Installable,
    }
}

/// Of what runs; where that is hidden, the oldest with this admission.
fn version(facts: &Facts) -> MinorVersion {
    let version = facts.cluster_version.as_ref();
    let said = version.map(|version| {
        if version.current.is_empty() { version.desired.as_str() } else { version.current.as_str() }
    });
    said.and_then(|said| MinorVersion::parse(said).ok()).unwrap_or(V2_CONSTRAINTS_FROM)
}

fn pods(plan: &Seen<'_>) -> Vec<Planned> {
    let minor = plan.intent.version.minor;
    let own = plan.intent.namespace.as_str();
    let planned = |(what, rule), namespace: &str, account: String, pod| Planned {
        what,
        rule,
        namespace: namespace.to_owned(),
        account,
        pod,
        injection: None,
    };
    let mut pods = match plan.intent.installer {
        InstallerKind::Calisti => {
            let name = &plan.intent.control_plane;
            let gateway = format!("istio-meshexpansion-{name}-service-account");
            vec![
                planned(
                    ("istiod", "openshift.scc.istiod"),
                    own,
                    format!("istiod-{name}"),
                    istio_pods::istiod(minor),
                ),
                planned(("the gateway", "openshift.scc.gateway"), own, gateway, istio_pods::gateway(minor)),
                planned(
                    ("the CNI plugin", "openshift.scc.istio-cni"),
                    own,
                    format!("istio-cni-{name}"),
                    istio_pods::cni_node(minor),
                ),
            ]
        }
        InstallerKind::Sail => {
            let cni = plan.find("sailoperator.io", "IstioCNI", "", "default").map(|cni| {
                let namespace = cni.value["spec"]["namespace"].as_str().unwrap_or("istio-cni");
                planned(
                    ("the CNI plugin", "openshift.sail.scc"),
                    namespace,
                    "istio-cni".to_owned(),
                    istio_pods::cni_node(minor),
                )
            });
            let istiod = planned(
                ("istiod", "openshift.sail.user"),
                own,
                "istiod".to_owned(),
                istio_pods::istiod(minor),
            );
            std::iter::once(istiod).chain(cni).collect()
        }
    };
    // With the other interception no binding would help: that has a finding of its own, with what to do.
    if plan.intent.interception == Interception::TProxy {
        return pods;
    }
    let rule = match plan.intent.installer {
        InstallerKind::Calisti => "openshift.scc.sidecar-1337",
        InstallerKind::Sail => "openshift.sail.user",
    };
    let workload = planned(
        ("a workload with a sidecar", rule),
        INJECTED,
        "default".to_owned(),
        istio_pods::plain_workload(),
    );
    let injection = istio_pods::sidecar(minor, Redirection::Plugin, Mode::Redirect, &namespace(INJECTED));
    pods.push(Planned { injection: Some(injection), ..workload });
    pods
}

fn namespace(name: &str) -> Namespace {
    let given = [(UID_RANGE, RANGE), (SUPPLEMENTAL_GROUPS, RANGE), (MCS, LEVEL)];
    let annotations = given.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    Namespace { name: name.to_owned(), annotations, ..Namespace::default() }
}

fn refused(plan: &Seen<'_>, cluster: &Cluster, planned: &Planned) -> Option<Finding> {
    let Planned { what, rule, namespace: name, account, pod, injection } = planned;
    let may_use = MayUse {
        service_account: granted(plan, name, account),
        user: EVERYBODY.into_iter().map(str::to_owned).collect(),
    };
    let namespace = namespace(name);
    let injection = injection.as_ref();
    let verdict = admit(&Question { cluster, namespace: &namespace, may_use: &may_use, pod, injection });
    let Decision::Refused(refusal) = &verdict.decision else { return None };
    let place = if name == INJECTED { "injected namespaces".to_owned() } else { format!("namespace {name}") };
    let finding = blocks(
        "openshift.admission.refused",
        format!(
            "OpenShift would refuse {what} of {place} (service account {account}): {refusal}{}",
            tried(&verdict)
        ),
        seen_to_by(rule),
    );
    // An override may go past the rule: somebody answers for it, and knows of a binding that is not in the plan.
    Some(plan.seconding(rule, finding))
}

/// What each constraint that may be used has against the pod, the first reason of each.
fn tried(verdict: &Verdict) -> String {
    let reasons = verdict.deciding_look().iter().filter_map(|trial| match &trial.became {
        Became::TooRestrictive(violations) => Some(format!("; {}: {}", trial.scc, violations.first()?)),
        Became::NotUsable | Became::WouldChange | Became::Taken(_) => None,
    });
    reasons.collect()
}

/// The constraints that the plan lets a service account use in its namespace.
fn granted(plan: &Seen<'_>, namespace: &str, account: &str) -> BTreeSet<String> {
    let subject = Subject::service_account(namespace, account);
    let bindings = plan.of_kind(RBAC_GROUP, "RoleBinding").filter(|one| one.id.namespace == namespace);
    let everywhere = plan.of_kind(RBAC_GROUP, "ClusterRoleBinding");
    let templates = plan.templates_of(RBAC_GROUP, "RoleBinding").filter(|_| namespace == INJECTED);
    let all = bindings.chain(everywhere).map(|manifest| &manifest.value);
    let all = all.chain(templates.map(|(_, value)| value));
    let bound =
        all.filter(|binding| names(binding, namespace, account, &subject)).filter_map(of_default_role);
    bound.chain(of_charts(plan, account)).collect()
}

/// Whether a binding names the account or a group of its.
fn names(binding: &Value, namespace: &str, account: &str, subject: &Subject) -> bool {
    let mut subjects = binding["subjects"].as_array().into_iter().flatten();
    let filled = |value: &Value| value.as_str().unwrap_or_default().replace("$(NAMESPACE)", namespace);
    subjects.any(|named| match named["kind"].as_str() {
        Some("ServiceAccount") => {
            filled(&named["name"]) == account && filled(&named["namespace"]) == namespace
        }
        Some("Group") => subject.groups.contains(&filled(&named["name"])),
        Some("User") => filled(&named["name"]) == subject.name,
        _ => false,
    })
}

/// The constraint whose use OpenShift's own ClusterRole allows.
fn of_default_role(binding: &Value) -> Option<String> {
    let role = &binding["roleRef"];
    let to_cluster_role = role["kind"] == "ClusterRole" && role["apiGroup"] == RBAC_GROUP;
    let name = role["name"].as_str().filter(|_| to_cluster_role)?;
    name.strip_prefix(SCC_ROLE).map(str::to_owned)
}

/// What the plan waits for: charts bind a ClusterRole to the account of the same name.
fn of_charts(plan: &Seen<'_>, account: &str) -> Vec<String> {
    let Some(role) = plan.expected(RBAC_GROUP, "ClusterRole", "", account) else { return Vec::new() };
    let of_constraints = |end: &str| {
        let found = role
            .requires
            .iter()
            .find(|value| value.path.contains("securitycontextconstraints") && value.path.ends_with(end));
        found.map(|value| &value.value)
    };
    if of_constraints(".verbs") != Some(&json!(["use"])) {
        return Vec::new();
    }
    let names = of_constraints(".resourceNames").and_then(Value::as_array).into_iter().flatten();
    names.filter_map(Value::as_str).map(str::to_owned).collect()
}
