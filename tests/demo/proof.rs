//! The proof, read back from both API servers and their audit logs: what OpenShift needs is on ROSA and nowhere else,
//! and who made it.

use anyhow::{Result, bail};
use kube::{
    Client,
    api::{Api, ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};
use tests::fleet::{Cluster, SPOKE_USER};

use crate::say;

/// One statement about the clusters, and whether it holds.
struct Claim {
    text: String,
    holds: bool,
}

/// Checks every claim, prints each, and fails if one does not hold.
pub async fn variants(eks: &Cluster, rosa: &Cluster) -> Result<()> {
    say::step(6, "Proof: read back from both API servers and from their audit logs");
    let mut claims = on_rosa(rosa).await?;
    claims.extend(on_eks(eks).await?);
    for claim in &claims {
        say::claim(claim.holds, &claim.text);
    }
    match claims.iter().filter(|claim| !claim.holds).count() {
        0 => Ok(()),
        failed => bail!("{failed} of {} claims do not hold", claims.len()),
    }
}

async fn on_rosa(rosa: &Cluster) -> Result<Vec<Claim>> {
    let mut claims = vec![claim(
        "rosa-eu-1: the control plane has the CNI block for Multus",
        control_plane(&rosa.admin).await?.is_some_and(|plane| has_multus_block(&plane)),
    )];
    for namespace in ["shop", "billing"] {
        let found = find(&rosa.admin, &ATTACHMENT, namespace, "istio-cni").await?.is_some();
        let maker = rosa.plane.audit().creator("network-attachment-definitions", namespace, "istio-cni")?;
        let text = format!("rosa-eu-1: attachment definition {namespace}/istio-cni, made by the spoke");
        claims.push(claim(&text, found && maker.as_deref() == Some(SPOKE_USER)));
    }
    for (namespace, subject, role) in bindings() {
        let bound = is_bound(rosa, namespace, &subject, role).await?;
        let text = format!(
            "rosa-eu-1: in {namespace}, {} may use {role}, bound by the spoke",
            subject_name(&subject)
        );
        claims.push(claim(&text, bound));
    }
    let node = find(&rosa.admin, &DAEMON_SET, "istio-system", "istio-cni-node-payments").await?;
    claims.push(claim(
        "rosa-eu-1: the operator's istio-cni pods are really privileged",
        node.is_some_and(|set| {
            set["spec"]["template"]["spec"]["containers"][0]["securityContext"]["privileged"] == true
        }),
    ));
    let maker = rosa.plane.audit().creator("daemonsets", "istio-system", "istio-cni-node-payments")?;
    let by_operator = maker.is_some_and(|user| user != SPOKE_USER);
    claims.push(claim("rosa-eu-1: that DaemonSet was made by the operator, not by the spoke", by_operator));
    Ok(claims)
}

async fn on_eks(eks: &Cluster) -> Result<Vec<Claim>> {
    let plane = control_plane(&eks.admin).await?;
    let plain = plane.is_some_and(|plane| plane["spec"].get("proxyInit").is_none());
    let made = eks.plane.audit().mutations_by(SPOKE_USER)?;
    let beyond = made.iter().filter(|entry| entry.namespace != "meshfleet" && entry.resource != "namespaces");
    let others: Vec<&str> = beyond
        .filter(|entry| entry.resource != "istiocontrolplanes")
        .map(|entry| entry.resource.as_str())
        .collect();
    let wrote =
        if others.is_empty() { String::new() } else { format!(" (it also wrote {})", others.join(", ")) };
    let text =
        format!("eks-eu-1: the audit log has the spoke write one control plane and nothing else{wrote}");
    Ok(vec![
        claim("eks-eu-1: the same control plane, without any CNI block", plain),
        claim("eks-eu-1: no RoleBinding to any SCC", scc_bindings(&eks.admin).await? == 0),
        claim(&text, others.is_empty() && made.iter().any(|entry| entry.resource == "istiocontrolplanes")),
    ])
}

fn claim(text: &str, holds: bool) -> Claim {
    Claim { text: text.to_owned(), holds }
}

/// A kind, and where it is served.
struct Kind(&'static str, &'static str, &'static str, &'static str);

const ATTACHMENT: Kind =
    Kind("k8s.cni.cncf.io", "v1", "NetworkAttachmentDefinition", "network-attachment-definitions");
const DAEMON_SET: Kind = Kind("apps", "v1", "DaemonSet", "daemonsets");
const ROLE_BINDING: Kind = Kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings");
const CONTROL_PLANE: Kind =
    Kind("servicemesh.cisco.com", "v1alpha1", "IstioControlPlane", "istiocontrolplanes");

fn resource(kind: &Kind) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(kind.0, kind.1, kind.2), kind.3)
}

async fn find(client: &Client, kind: &Kind, namespace: &str, name: &str) -> Result<Option<Value>> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource(kind));
    Ok(api.get_opt(name).await?.map(|object| object.data))
}

async fn control_plane(client: &Client) -> Result<Option<Value>> {
    find(client, &CONTROL_PLANE, "istio-system", "payments").await
}

fn has_multus_block(plane: &Value) -> bool {
    let cni = &plane["spec"]["proxyInit"]["cni"];
    let expected = json!({
        "enabled": true,
        "chained": false,
        "binDir": "/var/lib/cni/bin",
        "confDir": "/etc/cni/multus/net.d",
        "confFileName": "istio-cni.conf",
    });
    expected.as_object().is_some_and(|fields| fields.iter().all(|(name, value)| cni.get(name) == Some(value)))
}

/// Who must be bound to what, and where.
fn bindings() -> Vec<(&'static str, Value, &'static str)> {
    let group =
        |namespace: &str| json!({"kind": "Group", "name": format!("system:serviceaccounts:{namespace}")});
    let account = |name: &str| json!({"kind": "ServiceAccount", "name": name});
    vec![
        ("shop", group("shop"), "nonroot-v2"),
        ("billing", group("billing"), "nonroot-v2"),
        ("istio-system", account("istiod-payments"), "nonroot-v2"),
        ("istio-system", account("istio-meshexpansion-payments-service-account"), "nonroot-v2"),
        ("istio-system", account("istio-cni-payments"), "privileged"),
    ]
}

fn subject_name(subject: &Value) -> String {
    match subject["kind"].as_str() {
        Some("Group") => "every service account".to_owned(),
        _ => subject["name"].as_str().unwrap_or_default().to_owned(),
    }
}

async fn is_bound(rosa: &Cluster, namespace: &str, subject: &Value, role: &str) -> Result<bool> {
    let api: Api<DynamicObject> =
        Api::namespaced_with(rosa.admin.clone(), namespace, &resource(&ROLE_BINDING));
    for binding in api.list(&kube::api::ListParams::default()).await? {
        let to_role = binding.data["roleRef"]["name"] == format!("system:openshift:scc:{role}");
        let subjects = binding.data["subjects"].as_array().cloned().unwrap_or_default();
        let same = |given: &Value| given["kind"] == subject["kind"] && given["name"] == subject["name"];
        if to_role && subjects.iter().any(same) {
            let name = binding.metadata.name.unwrap_or_default();
            return Ok(
                rosa.plane.audit().creator("rolebindings", namespace, &name)?.as_deref() == Some(SPOKE_USER)
            );
        }
    }
    Ok(false)
}

async fn scc_bindings(client: &Client) -> Result<usize> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource(&ROLE_BINDING));
    let bound = api.list(&kube::api::ListParams::default()).await?;
    let to_scc = |binding: &&DynamicObject| {
        binding.data["roleRef"]["name"].as_str().is_some_and(|role| role.starts_with("system:openshift:scc:"))
    };
    Ok(bound.iter().filter(to_scc).count())
}
