//! The mesh of today: under Sail, what Helm owns is Helm's on every provider.

use anyhow::{Context, Result};
use serde_json::Value;
use tests::fleet::{Cluster, SPOKE_USER};

use super::look::{ATTACHMENT, Claim, DAEMON_SET, INJECTOR, ISTIO, ISTIO_CNI, claim, find, scc_bindings};
use crate::stage::Stage;

const DISABLED: &str = "admissions.enforcer/disabled";

/// Every claim on the four clusters.
pub(super) async fn on_all(stage: &Stage) -> Result<Vec<Claim>> {
    let mut claims = Vec::new();
    for (cluster, platform) in
        [(&stage.eks, None), (&stage.gke, Some("gke")), (&stage.aks, None), (&stage.rosa, None)]
    {
        claims.push(platform_value(cluster, platform).await?);
    }
    for cluster in [&stage.eks, &stage.gke, &stage.aks] {
        claims.push(plain(cluster).await?);
    }
    claims.extend(on_rosa(&stage.rosa).await?);
    claims.extend(on_aks(&stage.aks).await?);
    claims.push(layered(stage).await?);
    for (cluster, kinds) in [
        (&stage.eks, &["istios"][..]),
        (&stage.gke, &["istios"]),
        (&stage.aks, &["istios", "mutatingwebhookconfigurations", "validatingwebhookconfigurations"]),
        (&stage.rosa, &["istios", "istiocnis"]),
    ] {
        claims.push(wrote_only(cluster, kinds)?);
    }
    Ok(claims)
}

async fn istio(cluster: &Cluster) -> Result<Value> {
    find(&cluster.admin, &ISTIO, "", "default")
        .await?
        .with_context(|| format!("there is no Istio on {}", cluster.name))
}

/// The charts know some platforms by name and fail on any other.
async fn platform_value(cluster: &Cluster, expected: Option<&str>) -> Result<Claim> {
    let found = istio(cluster).await?.pointer("/spec/values/global/platform").cloned();
    let text = match expected {
        Some(name) => format!("{}: global.platform is {name}", cluster.name),
        None => format!("{}: no global.platform", cluster.name),
    };
    Ok(claim(&text, found == expected.map(Value::from)))
}

async fn plain(cluster: &Cluster) -> Result<Claim> {
    let cni = find(&cluster.admin, &ISTIO_CNI, "", "default").await?;
    let bound = scc_bindings(&cluster.admin).await?;
    let text = format!("{}: no IstioCNI, no attachment definition, no binding to any SCC", cluster.name);
    let attached = cluster.plane.audit().creator("network-attachment-definitions", "default", "istio-cni")?;
    Ok(claim(&text, cni.is_none() && attached.is_none() && bound == 0))
}

async fn on_rosa(rosa: &Cluster) -> Result<Vec<Claim>> {
    let audit = rosa.plane.audit();
    let made_by_spoke = |resource, name| {
        Ok::<_, anyhow::Error>(audit.creator(resource, "", name)?.as_deref() == Some(SPOKE_USER))
    };
    let attachment = find(&rosa.admin, &ATTACHMENT, "default", "istio-cni").await?;
    let attached_by = audit.creator("network-attachment-definitions", "default", "istio-cni")?;
    let role_by = audit.creator("clusterroles", "", "istio-cni")?;
    let node = find(&rosa.admin, &DAEMON_SET, "istio-cni", "istio-cni-node").await?;
    let by_operator = |user: Option<String>| user.is_some_and(|user| user.ends_with(":sail-operator"));
    Ok(vec![
        claim("rosa-eu-1: an IstioCNI, made by the spoke", made_by_spoke("istiocnis", "default")?),
        claim(
            "rosa-eu-1: attachment definition default/istio-cni, made by the operator and not by us",
            attachment.is_some() && by_operator(attached_by),
        ),
        claim(
            "rosa-eu-1: ClusterRole istio-cni with the SCC rule, made by the operator",
            by_operator(role_by),
        ),
        claim("rosa-eu-1: its CNI pods were made in istio-cni", node.is_some()),
    ])
}

async fn on_aks(aks: &Cluster) -> Result<Vec<Claim>> {
    let audit = aks.plane.audit();
    let injector = find(&aks.admin, &INJECTOR, "", "istio-sidecar-injector").await?.unwrap_or_default();
    let annotated = injector["metadata"]["annotations"][DISABLED] == "true";
    let made = audit.creator("mutatingwebhookconfigurations", "", "istio-sidecar-injector")?;
    let istio = istio(aks).await?;
    let by_hand = audit.creator("istios", "", "default")?;
    Ok(vec![
        claim(
            "aks-eu-1: the operator's injector webhook carries our annotation against the admissions enforcer",
            annotated && made.is_some_and(|user| user != SPOKE_USER),
        ),
        claim(
            "aks-eu-1: the Istio made by hand is the same one, taken over without a change",
            istio["metadata"]["generation"] == 1 && by_hand.is_some_and(|user| user != SPOKE_USER),
        ),
    ])
}

async fn layered(stage: &Stage) -> Result<Claim> {
    let staging = istio(&stage.eks).await?;
    let production = istio(&stage.gke).await?;
    let holds = staging["spec"]["version"] == "v1.30.3" && production["spec"]["version"] == "v1.30.2";
    Ok(claim("the layer for staging holds on eks-eu-1 (v1.30.3) and nowhere else (v1.30.2)", holds))
}

/// Beside its own namespace, and namespaces that it makes, the spoke writes these kinds and no other.
fn wrote_only(cluster: &Cluster, kinds: &[&str]) -> Result<Claim> {
    let made = cluster.plane.audit().mutations_by(SPOKE_USER)?;
    let beyond = made.iter().filter(|entry| entry.namespace != "meshfleet" && entry.resource != "namespaces");
    let others: Vec<&str> = beyond
        .clone()
        .map(|entry| entry.resource.as_str())
        .filter(|resource| !kinds.contains(resource))
        .collect();
    let all = kinds.iter().all(|kind| beyond.clone().any(|entry| entry.resource == *kind));
    let wrote =
        if others.is_empty() { String::new() } else { format!(" (it also wrote {})", others.join(", ")) };
    let text = format!(
        "{}: by the audit log the spoke wrote {} and nothing else{wrote}",
        cluster.name,
        kinds.join(", ")
    );
    Ok(claim(&text, others.is_empty() && all))
}
