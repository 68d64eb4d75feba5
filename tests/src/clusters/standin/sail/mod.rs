//! Stand-in for the Sail operator (istio-ecosystem/sail-operator).
//!
//! It reads custom resources and what the API server says of itself (its kinds,
//! its version) and nothing else of the cluster: how it is dressed it cannot
//! know. It makes, heals, refuses and removes what the real one was observed to,
//! and its status is as early, as noisy and as misleading.
//!
//! # Design notes
//! - istiod does not run: nobody writes a caBundle, and the webhooks carry a
//!   selector that matches nothing, so that nobody waits for them.
//! - Nobody collects garbage here, so the stand-in deletes an IstioRevision whose
//!   Istio is gone.
//! - A Helm release is one Secret with a manifest; the real one keeps two and
//!   numbers them at each run.
//! - Edits of a ServiceAccount are healed at once, which the real one leaves
//!   until something else happens.
//! - Revisions are never in use, so one that is not active any more goes at once.
//! - ZTunnel and IstioRevisionTag are not played.

mod chart;
mod cni;
mod context;
mod controllers;
mod finalizer;
mod istio;
mod release;
mod revision;
mod status;
mod values;
pub mod versions;

use std::time::Duration;

use anyhow::{Context as _, Result};
use kube::api::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::Identity;
use super::roll_out::{self, RollOutStandIn};
use crate::clusters::ControlPlane;
use crate::clusters::apply::Applier;
use crate::clusters::definitions::{self, SAIL};
use context::Context;

/// The user that made whatever the stand-in made, as the audit log names it.
pub const USER: &str = "system:serviceaccount:sail-operator:sail-operator";

/// The operator's field manager, always with Update.
pub const MANAGER: &str = "sail-operator";

/// Where the operator is installed.
pub const NAMESPACE: &str = "sail-operator";

/// Label of whatever it makes.
const MANAGED_BY: &str = "managed-by";

/// How the operator behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// As observed.
    Normal,
    /// Takes so long to notice an Istio or an IstioCNI.
    Late(Duration),
    /// No chart can be installed: ReconcileError, with this message.
    Failing(&'static str),
    /// Installs, but istiod's pods never become ready.
    NeverReady,
    /// Is not there; only its definitions are.
    Absent,
}

/// What a test may want otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How the operator behaves.
    pub behaviour: Behaviour,
    /// How long an Istio says Healthy after a change before its IstioRevision is even read.
    pub early_by: Duration,
    /// Whether errors of some milliseconds are shown, as by the real one.
    pub noise: bool,
}

impl Default for Options {
    fn default() -> Self {
        // Observed were 0.1 to 1.1 s.
        Self { behaviour: Behaviour::Normal, early_by: Duration::from_millis(500), noise: true }
    }
}

/// A running stand-in. Dropping it ends it without warning.
pub struct SailStandIn {
    tasks: JoinSet<()>,
    roll_out: Option<RollOutStandIn>,
}

impl SailStandIn {
    /// Starts the stand-in, with the roll-outs of what it makes played too.
    /// Brings its definitions, as the operator's installation does.
    pub async fn start(plane: &ControlPlane, options: Options) -> Result<Self> {
        let admin = plane.admin_client().await?;
        let mut installer = Applier::new(&admin, "stand-in");
        definitions::apply(&admin, &mut installer, &SAIL).await?;
        let client = identity().create(plane).await?;
        let mut tasks = JoinSet::new();
        if options.behaviour == Behaviour::Absent {
            return Ok(Self { tasks, roll_out: None });
        }
        installer.apply(operator()).await.context("installing the Sail stand-in")?;
        let never_ready: fn(&str) -> bool = match options.behaviour {
            Behaviour::NeverReady => |name| name.starts_with("istiod"),
            Behaviour::Normal | Behaviour::Late(_) | Behaviour::Failing(_) | Behaviour::Absent => |_| false,
        };
        let played = roll_out::Options {
            label_selector: format!("{MANAGED_BY}={MANAGER}"),
            never_ready,
            ..roll_out::Options::default()
        };
        let roll_out = RollOutStandIn::start(plane, played).await?;
        controllers::spawn(&mut tasks, Context::discover(client, options).await?);
        Ok(Self { tasks, roll_out: Some(roll_out) })
    }

    /// Stops it. What it made stays, and so do its finalizers: what is deleted
    /// meanwhile hangs until a next one is started.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
        if let Some(roll_out) = self.roll_out.take() {
            roll_out.stop().await;
        }
    }
}

/// The kind Istio.
pub fn istios() -> ApiResource {
    kind("Istio", "istios")
}

/// The kind IstioCNI.
pub fn istio_cnis() -> ApiResource {
    kind("IstioCNI", "istiocnis")
}

/// The kind IstioRevision.
pub fn istio_revisions() -> ApiResource {
    kind("IstioRevision", "istiorevisions")
}

fn kind(kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("sailoperator.io", "v1", kind), plural)
}

/// Close to cluster admin, as the real one is.
fn identity() -> Identity {
    Identity {
        namespace: NAMESPACE,
        account: "sail-operator",
        user_agent: "sail-operator/stand-in",
        rules: json!([
            {
                "apiGroups": ["*"],
                "resources": ["*"],
                "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
            },
            {
                "apiGroups": ["rbac.authorization.k8s.io"],
                "resources": ["roles", "clusterroles"],
                "verbs": ["bind", "escalate"],
            },
            {
                "apiGroups": ["security.openshift.io"],
                "resources": ["securitycontextconstraints"],
                "resourceNames": ["privileged"],
                "verbs": ["use"],
            },
        ]),
    }
}

/// The operator's own Deployment, which people look for to see whether it is there.
fn operator() -> Value {
    let labels = json!({"app.kubernetes.io/name": "sailoperator", "control-plane": "sail-operator"});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "sail-operator", "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": "sail-operator",
                    "containers": [{
                        "name": "sail-operator",
                        "image": "quay.io/sail-dev/sail-operator:1.32-latest",
                    }],
                },
            },
        },
        "status": {
            "observedGeneration": 1,
            "replicas": 1,
            "updatedReplicas": 1,
            "readyReplicas": 1,
            "availableReplicas": 1,
        },
    })
}
