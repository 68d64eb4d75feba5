//! CustomResourceDefinitions of the systems that a dressed cluster has.
//!
//! The true schemas come from the folder named by `MESHFLEET_CRDS`. Without it
//! each definition is made here: with a small schema of our own where one was
//! written down ([`SAIL`]), and otherwise with an open schema, which takes
//! anything. That is good enough to run, but it does not show that what we apply
//! is valid. So that is said aloud.

mod sail;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::sync::Once;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::GroupVersionKind;
use kube::runtime::conditions::is_crd_established;
use kube::runtime::wait::Condition;
use kube::{Api, Client, discovery};
use serde_json::{Value, json};

use super::apply::Applier;
use super::say;
use super::wait::until;

pub use sail::SAIL;

const SERVED_WITHIN: Duration = Duration::from_secs(30);

/// Whether the objects of a kind live in namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// They do.
    Namespaced,
    /// They belong to the whole cluster.
    Cluster,
}

/// One kind that a cluster can be taught.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// API group.
    pub group: &'static str,
    /// The version that is served.
    pub version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Plural name.
    pub plural: &'static str,
    /// Where its objects live.
    pub scope: Scope,
    /// The file in `MESHFLEET_CRDS` that has the true schema, if any has.
    pub file: Option<&'static str>,
    /// A small schema that stands for the true one; open if there is none.
    pub small: Option<fn() -> Value>,
}

const CALISTI_FILE: Option<&str> = Some("servicemesh.cisco.com_all.yaml");

const fn calisti(kind: &'static str, plural: &'static str) -> Definition {
    Definition {
        group: "servicemesh.cisco.com",
        version: "v1alpha1",
        kind,
        plural,
        scope: Scope::Namespaced,
        file: CALISTI_FILE,
        small: None,
    }
}

/// What the Calisti operator brings.
pub const CALISTI: [Definition; 4] = [
    calisti("IstioControlPlane", "istiocontrolplanes"),
    calisti("PeerIstioControlPlane", "peeristiocontrolplanes"),
    calisti("IstioMesh", "istiomeshes"),
    calisti("IstioMeshGateway", "istiomeshgateways"),
];

const fn openshift(
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    file: Option<&'static str>,
) -> Definition {
    Definition { group, version: "v1", kind, plural, scope: Scope::Cluster, file, small: None }
}

/// What tells OpenShift from other clusters, and what a mesh needs there.
pub const OPENSHIFT: [Definition; 7] = [
    openshift(
        "config.openshift.io",
        "ClusterVersion",
        "clusterversions",
        Some("config.openshift.io_clusterversions.yaml"),
    ),
    openshift(
        "config.openshift.io",
        "Infrastructure",
        "infrastructures",
        Some("config.openshift.io_infrastructures.yaml"),
    ),
    openshift("config.openshift.io", "Network", "networks", Some("config.openshift.io_networks.yaml")),
    openshift("config.openshift.io", "APIServer", "apiservers", None),
    openshift("operator.openshift.io", "OpenShiftAPIServer", "openshiftapiservers", None),
    openshift(
        "security.openshift.io",
        "SecurityContextConstraints",
        "securitycontextconstraints",
        Some("security.openshift.io_securitycontextconstraints.yaml"),
    ),
    Definition {
        group: "k8s.cni.cncf.io",
        version: "v1",
        kind: "NetworkAttachmentDefinition",
        plural: "network-attachment-definitions",
        scope: Scope::Namespaced,
        file: Some("k8s.cni.cncf.io_network-attachment-definitions.yaml"),
        small: None,
    },
];

/// What Gateway API brings, of which a plan may write the gateways.
pub const GATEWAY_API: [Definition; 1] = [Definition {
    group: "gateway.networking.k8s.io",
    version: "v1",
    kind: "Gateway",
    plural: "gateways",
    scope: Scope::Namespaced,
    file: Some("gateway.networking.k8s.io_gateways.yaml"),
    small: None,
}];

/// What tells GKE, together with its nodes.
pub const GKE: [Definition; 1] = [Definition {
    group: "networking.gke.io",
    version: "v1",
    kind: "ManagedCertificate",
    plural: "managedcertificates",
    scope: Scope::Namespaced,
    file: None,
    small: None,
}];

/// Applies the definitions and returns when the API server serves all of them.
pub async fn apply(client: &Client, applier: &mut Applier, definitions: &[Definition]) -> Result<()> {
    apply_changed(client, applier, definitions, |_| ()).await
}

/// The same, each definition with a change.
pub async fn apply_changed(
    client: &Client,
    applier: &mut Applier,
    definitions: &[Definition],
    change: impl Fn(&mut Value),
) -> Result<()> {
    let folder = folder();
    for definition in definitions {
        let mut document = definition.load(folder.as_ref())?;
        change(&mut document);
        applier.apply(document).await?;
    }
    for definition in definitions {
        until(&format!("{} to be served", definition.name()), SERVED_WITHIN, || served(client, definition))
            .await?;
    }
    Ok(())
}

/// The folder of true schemas; says so once if there is none.
pub fn folder() -> Option<PathBuf> {
    static SAID: Once = Once::new();
    let folder = env::var_os("MESHFLEET_CRDS").map(PathBuf::from);
    if folder.is_none() {
        SAID.call_once(|| {
            say("MESHFLEET_CRDS IS NOT SET: custom resources have OPEN or SMALL SCHEMAS, so wrong fields will NOT be noticed");
        });
    }
    folder
}

impl Definition {
    fn name(&self) -> String {
        format!("{}.{}", self.plural, self.group)
    }

    /// The definition as published, or else with a schema of our own.
    fn load(&self, folder: Option<&PathBuf>) -> Result<Value> {
        let (Some(folder), Some(file)) = (folder, self.file) else {
            return Ok(self.ours());
        };
        let path = folder.join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let name = self.name();
        text.split("\n---")
            .find(|document| document.lines().any(|line| line.trim() == format!("name: {name}")))
            .map(|document| {
                serde_saphyr::from_str(document).with_context(|| format!("reading {}", path.display()))
            })
            .with_context(|| format!("{} has no definition named {name}", path.display()))?
    }

    fn ours(&self) -> Value {
        let open = || json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let schema = self.small.map_or_else(open, |small| small());
        let scope = match self.scope {
            Scope::Namespaced => "Namespaced",
            Scope::Cluster => "Cluster",
        };
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            // Groups below k8s.io are Kubernetes' own: definitions in them say that they are not.
            "metadata": {
                "name": self.name(),
                "annotations": {"api-approved.kubernetes.io": "unapproved, made for tests"},
            },
            "spec": {
                "group": self.group,
                "scope": scope,
                "names": {
                    "kind": self.kind,
                    "plural": self.plural,
                    "singular": self.kind.to_lowercase(),
                    "listKind": format!("{}List", self.kind),
                },
                "versions": [{
                    "name": self.version,
                    "served": true,
                    "storage": true,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": schema},
                }],
            },
        })
    }
}

async fn served(client: &Client, definition: &Definition) -> Result<Option<()>> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let live = definitions.get(&definition.name()).await.context("reading a definition")?;
    if !is_crd_established().matches_object(Some(&live)) {
        return Ok(None);
    }
    // Established comes a moment before discovery shows it.
    let kind = GroupVersionKind::gvk(definition.group, definition.version, definition.kind);
    discovery::pinned_kind(client, &kind).await.context("looking a kind up")?;
    Ok(Some(()))
}
