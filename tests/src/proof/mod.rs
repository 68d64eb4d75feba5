//! The proof, read back from API servers and their audit logs: what a platform needs is there and nowhere else, and who
//! made it. Shared by the demo, which shows each claim, and by the tests, which only want them to hold.

pub mod sail;

use anyhow::Result;
use kube::{
    Client,
    api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams},
};
use serde_json::Value;

/// One statement about the clusters, and whether it holds.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The statement.
    pub text: String,
    /// Whether it was found to be so.
    pub holds: bool,
}

/// A statement.
#[must_use]
pub fn claim(text: &str, holds: bool) -> Claim {
    Claim { text: text.to_owned(), holds }
}

/// A kind, and where it is served.
#[derive(Debug)]
pub struct Kind(&'static str, &'static str, &'static str, &'static str);

/// Multus' attachment definitions.
pub const ATTACHMENT: Kind =
    Kind("k8s.cni.cncf.io", "v1", "NetworkAttachmentDefinition", "network-attachment-definitions");
/// DaemonSets.
pub const DAEMON_SET: Kind = Kind("apps", "v1", "DaemonSet", "daemonsets");
/// RoleBindings.
pub const ROLE_BINDING: Kind = Kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings");
/// What Calisti's operator reads.
pub const CONTROL_PLANE: Kind =
    Kind("servicemesh.cisco.com", "v1alpha1", "IstioControlPlane", "istiocontrolplanes");
/// What Sail reads.
pub const ISTIO: Kind = Kind("sailoperator.io", "v1", "Istio", "istios");
/// What Sail reads of the CNI plugin.
pub const ISTIO_CNI: Kind = Kind("sailoperator.io", "v1", "IstioCNI", "istiocnis");
/// Mutating webhooks.
pub const INJECTOR: Kind = Kind(
    "admissionregistration.k8s.io",
    "v1",
    "MutatingWebhookConfiguration",
    "mutatingwebhookconfigurations",
);

/// How the API server serves it.
#[must_use]
pub fn resource(kind: &Kind) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(kind.0, kind.1, kind.2), kind.3)
}

/// The object, without apiVersion and kind; an empty namespace means one of the whole cluster. A kind that is not served
/// has no objects.
pub async fn find(client: &Client, kind: &Kind, namespace: &str, name: &str) -> Result<Option<Value>> {
    let api: Api<DynamicObject> = if namespace.is_empty() {
        Api::all_with(client.clone(), &resource(kind))
    } else {
        Api::namespaced_with(client.clone(), namespace, &resource(kind))
    };
    let found = api.get_opt(name).await?;
    Ok(found.map(|object| {
        let mut fields = object.data;
        fields["metadata"] = serde_json::to_value(object.metadata).unwrap_or_default();
        fields
    }))
}

/// How many bindings there are to the use of any SecurityContextConstraints.
pub async fn scc_bindings(client: &Client) -> Result<usize> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource(&ROLE_BINDING));
    let bound = api.list(&ListParams::default()).await?;
    let to_scc = |binding: &&DynamicObject| {
        binding.data["roleRef"]["name"].as_str().is_some_and(|role| role.starts_with("system:openshift:scc:"))
    };
    Ok(bound.iter().filter(to_scc).count())
}
