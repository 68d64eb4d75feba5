//! Meshes that somebody else runs in a cluster, told from the facts. Kinds alone prove none: definitions stay when a mesh
//! is gone, and some providers install them for purposes of their own.

use crate::{
    fleet::Facts,
    plan::{
        Finding,
        check::{blocks, warns},
    },
};

const RULE: &str = "mesh.foreign";

/// Namespaces of the managed mesh of AKS.
const ADD_ON: [&str; 3] = ["aks-istio-system", "aks-istio-ingress", "aks-istio-egress"];

/// What OpenShift's Ingress Operator makes for the Gateway API. Newer ones run Istio without the first.
const INGRESS: [&str; 2] =
    ["sailoperator.io/Istio openshift-gateway", "gateway.networking.k8s.io/GatewayClass openshift-default"];

/// What Calico's operator makes an Istio from.
const CALICO: &str = "operator.tigera.io/Istio default";

/// The meshes of others: one that would serve the same pods blocks, the rest is worth knowing.
#[must_use]
pub fn foreign_mesh(facts: &Facts) -> Vec<Finding> {
    [add_on(facts), ingress(facts), calico(facts)].into_iter().flatten().collect()
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
