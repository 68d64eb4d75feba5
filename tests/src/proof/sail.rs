//! A mesh by Sail: what Helm owns is Helm's on every provider, and what differs is what the provider needs.

use anyhow::{Context, Result};
use serde_json::Value;

use super::{ATTACHMENT, Claim, DAEMON_SET, INJECTOR, ISTIO, ISTIO_CNI, claim, find, scc_bindings};
use crate::fleet::{Cluster, SPOKE_USER};

const DISABLED: &str = "admissions.enforcer/disabled";

/// One cluster of each provider.
#[derive(Clone, Copy)]
pub struct Four<'a> {
    /// Amazon's.
    pub eks: &'a Cluster,
    /// Google's.
    pub gke: &'a Cluster,
    /// Microsoft's.
    pub aks: &'a Cluster,
    /// Red Hat's of today.
    pub rosa: &'a Cluster,
}

/// What holds of every mesh by Sail over four providers.
pub async fn on_all(four: Four<'_>) -> Result<Vec<Claim>> {
    let Four { eks, gke, aks, rosa } = four;
    let mut claims = Vec::new();
    for (cluster, platform) in [(eks, None), (gke, Some("gke")), (aks, None), (rosa, None)] {
        claims.push(platform_value(cluster, platform).await?);
    }
    for cluster in [eks, gke, aks] {
        claims.push(plain(cluster).await?);
    }
    claims.extend(on_openshift(rosa).await?);
    claims.push(enforcer_kept_off(aks).await?);
    for (cluster, kinds) in [
        (eks, &["istios"][..]),
        (gke, &["istios"]),
        (aks, &["istios", "mutatingwebhookconfigurations", "validatingwebhookconfigurations"]),
        (rosa, &["istios", "istiocnis"]),
    ] {
        claims.push(wrote_only(cluster, kinds)?);
    }
    Ok(claims)
}

/// The Istio of a cluster.
pub async fn istio(cluster: &Cluster) -> Result<Value> {
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

async fn on_openshift(rosa: &Cluster) -> Result<Vec<Claim>> {
    let (audit, name) = (rosa.plane.audit(), &rosa.name);
    let made_by_spoke = |resource, name| {
        Ok::<_, anyhow::Error>(audit.creator(resource, "", name)?.as_deref() == Some(SPOKE_USER))
    };
    let attachment = find(&rosa.admin, &ATTACHMENT, "default", "istio-cni").await?;
    let attached_by = audit.creator("network-attachment-definitions", "default", "istio-cni")?;
    let role_by = audit.creator("clusterroles", "", "istio-cni")?;
    let node = find(&rosa.admin, &DAEMON_SET, "istio-cni", "istio-cni-node").await?;
    let by_operator = |user: Option<String>| user.is_some_and(|user| user.ends_with(":sail-operator"));
    Ok(vec![
        claim(&format!("{name}: an IstioCNI, made by the spoke"), made_by_spoke("istiocnis", "default")?),
        claim(
            &format!("{name}: attachment definition default/istio-cni, made by the operator and not by us"),
            attachment.is_some() && by_operator(attached_by),
        ),
        claim(
            &format!("{name}: ClusterRole istio-cni with the SCC rule, made by the operator"),
            by_operator(role_by),
        ),
        claim(&format!("{name}: its CNI pods were made in istio-cni"), node.is_some()),
    ])
}

async fn enforcer_kept_off(aks: &Cluster) -> Result<Claim> {
    let injector = find(&aks.admin, &INJECTOR, "", "istio-sidecar-injector").await?.unwrap_or_default();
    let annotated = injector["metadata"]["annotations"][DISABLED] == "true";
    let made = aks.plane.audit().creator("mutatingwebhookconfigurations", "", "istio-sidecar-injector")?;
    let text = format!(
        "{}: the operator's injector webhook carries our annotation against the admissions enforcer",
        aks.name
    );
    Ok(claim(&text, annotated && made.is_some_and(|user| user != SPOKE_USER)))
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
