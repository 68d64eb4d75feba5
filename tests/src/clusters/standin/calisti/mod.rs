//! Stand-in for the Calisti Istio operator v2.17.4 (banzaicloud/istio-operator).
//!
//! It reads IstioControlPlanes and nothing else of the cluster, makes the
//! objects that the real one makes, heals them, removes them, and shows the same
//! misleading status. It makes nothing of OpenShift: its role holds no `use` on
//! SecurityContextConstraints, so it could not bind any.
//!
//! # Design notes
//! - No Istio runs and no Istio definitions or EnvoyFilters are made.
//! - The real one is woken by its objects' owner; nobody collects garbage here,
//!   so this one deletes what it made itself.
//! - IstioMeshGateway, IstioMesh and mode PASSIVE are not played.

mod cni;
mod drift;
mod manifest;
mod overlay;
mod plane;
mod reconcile;
mod write;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::StreamExt;
use k8s_openapi::ClusterResourceScope;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::task::JoinSet;

use super::roll_out::{self, RollOutStandIn};
use super::{Identity, Steady};
use crate::clusters::ControlPlane;
use crate::clusters::apply::Applier;
use crate::clusters::definitions::{self, CALISTI};
use reconcile::Context;

/// The user that made whatever the stand-in made, as the audit log names it.
pub const USER: &str = "system:serviceaccount:calisti-system:istio-operator";

/// The real operator's field manager, always with Update.
pub const MANAGER: &str = "manager";

const NAMESPACE: &str = "calisti-system";
const RELATED_TO: &str = "banzaicloud.io/related-to";
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How the operator behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// As observed.
    Normal,
    /// Takes so long to notice an IstioControlPlane.
    Late(Duration),
    /// Cannot write its objects: ReconcileFailed, with this message.
    Failing(&'static str),
    /// Says Available as ever, but istiod's pods never become ready.
    NeverReady,
    /// Is not there; only its definitions are.
    Absent,
}

/// What a test may want otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How the operator behaves.
    pub behaviour: Behaviour,
    /// The time from the first Available to the existence of istiod's Deployment.
    pub early_by: Duration,
}

impl Default for Options {
    fn default() -> Self {
        // Observed were 2 s; this is long enough to fool a naive gate.
        Self { behaviour: Behaviour::Normal, early_by: Duration::from_millis(1500) }
    }
}

/// A running stand-in. Dropping it ends it without warning.
pub struct CalistiStandIn {
    client: Client,
    tasks: JoinSet<()>,
    roll_out: Option<RollOutStandIn>,
}

impl CalistiStandIn {
    /// Starts the stand-in, with the roll-outs of what it makes played too.
    /// Brings its definitions, as the operator's installation does.
    pub async fn start(plane: &ControlPlane, options: Options) -> Result<Self> {
        let admin = plane.admin_client().await?;
        let mut installer = Applier::new(&admin, "stand-in");
        definitions::apply(&admin, &mut installer, &CALISTI).await?;
        let client = identity().create(plane).await?;
        let mut tasks = JoinSet::new();
        if options.behaviour == Behaviour::Absent {
            return Ok(Self { client, tasks, roll_out: None });
        }
        installer.apply(operator()).await.context("installing the Calisti stand-in")?;
        let never_ready: fn(&str) -> bool = match options.behaviour {
            Behaviour::NeverReady => |name| name.starts_with("istiod-"),
            Behaviour::Normal | Behaviour::Late(_) | Behaviour::Failing(_) | Behaviour::Absent => |_| false,
        };
        let played = roll_out::Options {
            label_selector: plane::REVISION_LABEL.to_owned(),
            never_ready,
            ..roll_out::Options::default()
        };
        let roll_out = RollOutStandIn::start(plane, played).await?;
        tasks.spawn(run(client.clone(), options));
        Ok(Self { client, tasks, roll_out: Some(roll_out) })
    }

    /// Stops it as SIGTERM does: it removes its finalizer from every
    /// IstioControlPlane, so one that is deleted afterwards leaves its objects.
    pub async fn stop(mut self) -> Result<()> {
        self.tasks.shutdown().await;
        if let Some(roll_out) = self.roll_out.take() {
            roll_out.stop().await;
        }
        let planes: Api<DynamicObject> = Api::all_with(self.client.clone(), &control_planes());
        for plane in planes.list(&ListParams::default()).await.context("listing IstioControlPlanes")? {
            reconcile::remove_finalizer(&self.client, &plane).await.context("removing a finalizer")?;
        }
        Ok(())
    }
}

/// The kind that the operator serves.
pub fn control_planes() -> ApiResource {
    let kind = GroupVersionKind::gvk("servicemesh.cisco.com", "v1alpha1", "IstioControlPlane");
    ApiResource::from_gvk(&kind)
}

/// Everything but what the real one cannot do either: `use`, `bind`, `escalate`.
fn identity() -> Identity {
    Identity {
        namespace: NAMESPACE,
        account: "istio-operator",
        user_agent: "manager/v0.0.0 (linux/amd64) stand-in",
        rules: json!([{
            "apiGroups": ["*"],
            "resources": ["*"],
            "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
        }]),
    }
}

/// The operator's own Deployment, which people look for to see whether it is there.
fn operator() -> serde_json::Value {
    let labels = json!({"app.kubernetes.io/name": "istio-operator", "app.kubernetes.io/version": "v2.17.4"});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "istio-operator", "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "selector": {"matchLabels": {"app.kubernetes.io/name": "istio-operator"}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": "istio-operator",
                    "containers": [{
                        "name": "manager",
                        "image": "ghcr.io/banzaicloud/istio-operator:v2.17.4",
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

async fn run(client: Client, options: Options) {
    let kind = control_planes();
    let planes: Api<DynamicObject> = Api::all_with(client.clone(), &kind);
    let mut controller = Controller::new_with(planes, watcher::Config::default(), kind);
    controller = wake_by_owned::<Deployment>(controller, &client);
    controller = wake_by_owned::<DaemonSet>(controller, &client);
    controller = wake_by_owned::<ConfigMap>(controller, &client);
    controller = wake_by_owned::<Secret>(controller, &client);
    controller = wake_by_owned::<Service>(controller, &client);
    controller = wake_by_owned::<ServiceAccount>(controller, &client);
    controller = wake_by_owned::<PodDisruptionBudget>(controller, &client);
    controller = wake_by_owned::<Role>(controller, &client);
    controller = wake_by_owned::<RoleBinding>(controller, &client);
    controller = wake_by_related::<ClusterRole>(controller, &client);
    controller = wake_by_related::<ClusterRoleBinding>(controller, &client);
    controller = wake_by_related::<MutatingWebhookConfiguration>(controller, &client);
    controller = wake_by_related::<ValidatingWebhookConfiguration>(controller, &client);
    controller
        .trigger_backoff(Steady)
        .run(
            reconcile::reconcile,
            |_, _, _| Action::requeue(RETRY_AFTER),
            Arc::new(Context::new(client, options)),
        )
        .for_each(|_| async {})
        .await;
}

/// Namespaced objects lead back to their IstioControlPlane by owner.
fn wake_by_owned<K>(controller: Controller<DynamicObject>, client: &Client) -> Controller<DynamicObject>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    controller.owns(Api::<K>::all(client.clone()), watcher::Config::default())
}

/// Objects of the cluster have no owner, only an annotation NAMESPACE/NAME.
fn wake_by_related<K>(controller: Controller<DynamicObject>, client: &Client) -> Controller<DynamicObject>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    controller.watches(Api::<K>::all(client.clone()), watcher::Config::default(), |object| {
        let (namespace, name) = object.annotations().get(RELATED_TO)?.split_once('/')?;
        Some(ObjectRef::new_with(name, control_planes()).within(namespace))
    })
}
