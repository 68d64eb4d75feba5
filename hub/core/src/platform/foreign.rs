//! Meshes that somebody else runs in a cluster, told from the facts. Kinds alone prove none: definitions stay when a mesh
//! is gone, and some providers install them for purposes of their own.

use std::collections::BTreeSet;

use crate::{
    config::InstallerKind,
    fleet::{ControlPlaneFacts, Facts},
    plan::{
        Finding, Intent,
        check::{blocks, warns},
    },
};

const RULE: &str = "mesh.foreign";

/// Namespaces of the managed mesh of AKS.
const ADD_ON: [&str; 3] = ["aks-istio-system", "aks-istio-ingress", "aks-istio-egress"];

/// What OpenShift's Ingress Operator makes for the Gateway API. Newer ones run Istio without the first.
const INGRESS: [&str; 2] =
    ["sailoperator.io/Istio openshift-gateway", "gateway.networking.k8s.io/GatewayClass openshift-default"];

/// The control plane of the same, whoever installs it there.
const INGRESS_NAMESPACE: &str = "openshift-ingress";
const INGRESS_REVISION: &str = "openshift-gateway";

/// How the Sail operator marks what it makes.
const SAIL: &str = "sail-operator";

const APP_MESH: &str = "apps/Deployment appmesh-system/appmesh-controller";
const APP_MESH_LABEL: &str = "appmesh.k8s.aws/sidecarInjectorWebhook";

/// What Calico's operator makes an Istio from.
const CALICO: &str = "operator.tigera.io/Istio default";

/// The meshes of others: one that would serve the same pods blocks, the rest is worth knowing.
#[must_use]
pub fn foreign_mesh(facts: &Facts) -> Vec<Finding> {
    [add_on(facts), ingress(facts), calico(facts)].into_iter().flatten().collect()
}

/// Istios beside the one of a plan, told by their control planes and injectors: one that would serve the same pods, or
/// stands where the plan's installer is to make its own, blocks; the rest is worth knowing.
#[must_use]
pub fn foreign_revisions(intent: &Intent, facts: &Facts) -> Vec<Finding> {
    let own = intent.revision();
    let here = |found: &&ControlPlaneFacts| found.namespace == intent.namespace.as_str();
    let known = |found: &&ControlPlaneFacts| {
        let name = found.namespace.as_str();
        !ADD_ON.contains(&name) && name != INGRESS_NAMESPACE
    };
    let mut findings = Vec::new();
    let mut control_planes = facts.control_planes.iter().filter(known).filter(|found| found.revision == own);
    if let Some(found) = control_planes.find(|found| !here(found)) {
        findings.push(blocks(
            RULE,
            format!(
                "Deployment {}/{} is an Istio of the same revision {own}: two would inject the same pods",
                found.namespace, found.name
            ),
            format!("remove it, or set istio.namespace to {} if it is this mesh", found.namespace),
        ));
    }
    findings.extend(former(intent, facts));
    let planes = facts.control_planes.iter().filter(known).map(|found| found.revision.as_str());
    let injectors = facts.injectors.iter().map(|found| found.revision.as_str());
    let others: BTreeSet<&str> = planes
        .chain(injectors)
        .filter(|revision| !revision.is_empty() && *revision != own && *revision != INGRESS_REVISION)
        .collect();
    if !others.is_empty() {
        findings.push(warns(
            RULE,
            format!("another Istio injects pods here, by the revision {}{}", others.iter().copied().collect::<Vec<_>>().join(", "), google(&others)),
            "label no namespace of this mesh for it; if it was this mesh's former installer, remove it when its pods have moved".to_owned(),
        ));
    }
    findings.extend(app_mesh(intent, facts));
    findings
}

/// What Google calls the revisions of its managed mesh.
fn google(revisions: &BTreeSet<&str>) -> &'static str {
    if revisions.iter().any(|revision| revision.starts_with("asm-")) {
        ", a provider's managed mesh"
    } else {
        ""
    }
}

/// Helm takes no object over that another installer made: the operator would fail on each, without an end.
fn former(intent: &Intent, facts: &Facts) -> Option<Finding> {
    let mut planes = facts.control_planes.iter();
    let found =
        planes.find(|found| found.namespace == intent.namespace.as_str() && found.name == "istiod")?;
    (intent.installer == InstallerKind::Sail && found.managed_by != SAIL).then(|| {
        let by = match found.managed_by.as_str() {
            "" => "somebody who does not say who".to_owned(),
            by => by.to_owned(),
        };
        blocks(
            "mesh.former-installer",
            format!("Deployment {}/istiod was made by {by}, and Helm refuses to write over objects that are not its release's", found.namespace),
            format!("uninstall that Istio first by what made it (`helm uninstall istiod --namespace {}`; never `istioctl uninstall --purge`, which takes the definitions and all of Istio's resources with it), or set istio.namespace to another namespace", found.namespace),
        )
    })
}

/// AWS's own mesh puts a second proxy into pods of namespaces with its label.
fn app_mesh(intent: &Intent, facts: &Facts) -> Option<Finding> {
    let labelled = facts.namespaces.iter().filter(|namespace| {
        intent.data_plane.matches(&namespace.name, &namespace.labels)
            && namespace.labels.get(APP_MESH_LABEL).is_some_and(|value| value == "enabled")
    });
    let names: Vec<&str> = labelled.map(|namespace| namespace.name.as_str()).collect();
    (!names.is_empty() && facts.object(APP_MESH).is_some()).then(|| {
        warns(
            RULE,
            format!(
                "AWS App Mesh injects its proxy too, in namespaces with label {APP_MESH_LABEL}=enabled: {}",
                names.join(", ")
            ),
            format!("run: kubectl label namespace {} {APP_MESH_LABEL}-", names.join(" ")),
        )
    })
}

fn add_on(facts: &Facts) -> Option<Finding> {
    let names = facts.namespaces.iter().map(|namespace| namespace.name.as_str());
    let found: Vec<&str> = names.filter(|name| ADD_ON.contains(name)).collect();
    (!found.is_empty()).then(|| {
        blocks(
            RULE,
            format!("the managed mesh of AKS is here: there is namespace {}", found.join(", ")),
            "turn it off with `az aks mesh disable` and delete what is left of its namespaces, or take this cluster out \
             of the mesh config's selector"
                .to_owned(),
        )
    })
}

fn ingress(facts: &Facts) -> Option<Finding> {
    let found = INGRESS.into_iter().find(|landmark| facts.has(landmark))?;
    Some(warns(
        RULE,
        format!(
            "OpenShift's Ingress Operator runs an Istio of its own for the Gateway API: there is {found}"
        ),
        "leave it as it is, and label no namespace for its revision openshift-gateway".to_owned(),
    ))
}

fn calico(facts: &Facts) -> Option<Finding> {
    facts.has(CALICO).then(|| {
        warns(
            RULE,
            format!("Calico's operator runs an Istio of its own, for ambient mode: there is {CALICO}"),
            "keep the label istio.io/dataplane-mode off the namespaces of this mesh, or delete that object"
                .to_owned(),
        )
    })
}
