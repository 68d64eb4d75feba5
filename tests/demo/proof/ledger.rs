//! The article's mesh: what Calisti's operator does not make on OpenShift is there, and the spoke made it.

use anyhow::Result;
use kube::api::{Api, DynamicObject, ListParams};
use serde_json::{Value, json};
use tests::{
    fleet::{Cluster, SPOKE_USER},
    proof::{ATTACHMENT, CONTROL_PLANE, Claim, DAEMON_SET, ROLE_BINDING, claim, find, resource},
};

/// Every claim on the cluster of the article.
pub(super) async fn on_rosa(rosa: &Cluster) -> Result<Vec<Claim>> {
    let mut claims = vec![claim(
        "rosa-old-1: the control plane has the CNI block for Multus",
        find(&rosa.admin, &CONTROL_PLANE, "istio-system", "ledger")
            .await?
            .is_some_and(|plane| has_multus_block(&plane)),
    )];
    for namespace in ["shop", "billing"] {
        let found = find(&rosa.admin, &ATTACHMENT, namespace, "istio-cni").await?.is_some();
        let maker = rosa.plane.audit().creator("network-attachment-definitions", namespace, "istio-cni")?;
        let text = format!("rosa-old-1: attachment definition {namespace}/istio-cni, made by the spoke");
        claims.push(claim(&text, found && maker.as_deref() == Some(SPOKE_USER)));
    }
    for (namespace, subject, role) in bindings() {
        let bound = is_bound(rosa, namespace, &subject, role).await?;
        let text = format!(
            "rosa-old-1: in {namespace}, {} may use {role}, bound by the spoke",
            subject_name(&subject)
        );
        claims.push(claim(&text, bound));
    }
    let node = find(&rosa.admin, &DAEMON_SET, "istio-system", "istio-cni-node-ledger").await?;
    claims.push(claim(
        "rosa-old-1: the operator's istio-cni pods are really privileged",
        node.is_some_and(|set| {
            set["spec"]["template"]["spec"]["containers"][0]["securityContext"]["privileged"] == true
        }),
    ));
    let maker = rosa.plane.audit().creator("daemonsets", "istio-system", "istio-cni-node-ledger")?;
    let by_operator = maker.is_some_and(|user| user != SPOKE_USER);
    claims.push(claim("rosa-old-1: that DaemonSet was made by the operator, not by the spoke", by_operator));
    Ok(claims)
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
        ("istio-system", account("istiod-ledger"), "nonroot-v2"),
        ("istio-system", account("istio-meshexpansion-ledger-service-account"), "nonroot-v2"),
        ("istio-system", account("istio-cni-ledger"), "privileged"),
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
    for binding in api.list(&ListParams::default()).await? {
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
