//! The three controllers, and what wakes each of them.
//!
//! Plays section 5: objects of the charts lead back to their owner, but for the
//! attachment definition, which is not watched; `sailoperator.io/ignore` makes an
//! object of Istio's chart wake nobody.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ResourceQuota, Service, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use super::context::Context;
use super::{cni, istio, istio_cnis, istio_revisions, istios, revision};
use crate::clusters::standin::Steady;

const IGNORE: &str = "sailoperator.io/ignore";

const RETRY_AFTER: Duration = Duration::from_millis(200);

type Custom = Controller<DynamicObject>;

/// Starts all three.
pub(super) fn spawn(tasks: &mut JoinSet<()>, context: Context) {
    let context = Arc::new(context);
    tasks.spawn(run_istio(context.clone()));
    tasks.spawn(run_revision(context.clone()));
    tasks.spawn(run_cni(context));
}

async fn run_istio(context: Arc<Context>) {
    let kind = istios();
    let controller = of(&context.client, &kind).watches_with(
        Api::<DynamicObject>::all_with(context.client.clone(), &istio_revisions()),
        istio_revisions(),
        watcher::Config::default(),
        move |revision| owner(&revision, &kind),
    );
    controller
        .trigger_backoff(Steady)
        .run(istio::reconcile, |_, _, _| Action::requeue(RETRY_AFTER), context)
        .for_each(|_| async {})
        .await;
}

async fn run_revision(context: Arc<Context>) {
    let (client, kind) = (&context.client, istio_revisions());
    let mut controller = of(client, &kind);
    controller = wake_by::<Deployment>(controller, client, &kind);
    controller = wake_by::<ConfigMap>(controller, client, &kind);
    controller = wake_by::<Service>(controller, client, &kind);
    controller = wake_by::<ServiceAccount>(controller, client, &kind);
    controller = wake_by::<HorizontalPodAutoscaler>(controller, client, &kind);
    controller = wake_by::<Role>(controller, client, &kind);
    controller = wake_by::<RoleBinding>(controller, client, &kind);
    controller = wake_by::<ClusterRole>(controller, client, &kind);
    controller = wake_by::<ClusterRoleBinding>(controller, client, &kind);
    controller = wake_by::<MutatingWebhookConfiguration>(controller, client, &kind);
    controller = wake_by::<ValidatingWebhookConfiguration>(controller, client, &kind);
    controller = wake_by_namespace(controller, client, &kind);
    controller = wake_all_by(controller, client, istio_cnis(), &kind);
    // Played: the garbage collector would delete the revisions of an Istio that is gone.
    controller = wake_all_by(controller, client, istios(), &kind);
    controller
        .trigger_backoff(Steady)
        .run(revision::reconcile, |_, _, _| Action::requeue(RETRY_AFTER), context.clone())
        .for_each(|_| async {})
        .await;
}

async fn run_cni(context: Arc<Context>) {
    let (client, kind) = (&context.client, istio_cnis());
    let mut controller = of(client, &kind);
    controller = wake_by::<DaemonSet>(controller, client, &kind);
    controller = wake_by::<ConfigMap>(controller, client, &kind);
    controller = wake_by::<ResourceQuota>(controller, client, &kind);
    controller = wake_by::<ServiceAccount>(controller, client, &kind);
    controller = wake_by::<ClusterRole>(controller, client, &kind);
    controller = wake_by::<ClusterRoleBinding>(controller, client, &kind);
    controller = wake_by_namespace(controller, client, &kind);
    controller
        .trigger_backoff(Steady)
        .run(cni::reconcile, |_, _, _| Action::requeue(RETRY_AFTER), context.clone())
        .for_each(|_| async {})
        .await;
}

fn of(client: &Client, kind: &ApiResource) -> Custom {
    let objects: Api<DynamicObject> = Api::all_with(client.clone(), kind);
    Controller::new_with(objects, watcher::Config::default(), kind.clone())
}

/// Objects of a chart wake the custom resource that controls them.
fn wake_by<K>(controller: Custom, client: &Client, kind: &ApiResource) -> Custom
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let kind = kind.clone();
    let honours_ignore = kind.kind == "IstioRevision";
    controller.watches(Api::<K>::all(client.clone()), watcher::Config::default(), move |object| {
        let ignored = object.annotations().get(IGNORE).is_some_and(|ignore| ignore == "true");
        (!(honours_ignore && ignored)).then(|| owner(&object, &kind)).flatten()
    })
}

/// A namespace wakes whoever is to be installed in it.
fn wake_by_namespace(controller: Custom, client: &Client, kind: &ApiResource) -> Custom {
    let (store, kind) = (controller.store(), kind.clone());
    controller.watches(Api::<Namespace>::all(client.clone()), watcher::Config::default(), move |namespace| {
        let name = namespace.name_any();
        let installed_there = |object: &Arc<DynamicObject>| object.data["spec"]["namespace"] == name.as_str();
        store
            .state()
            .into_iter()
            .filter(installed_there)
            .map(|object| ObjectRef::from_obj_with(object.as_ref(), kind.clone()))
            .collect::<Vec<_>>()
    })
}

/// Any object of another custom kind wakes all of this one.
fn wake_all_by(controller: Custom, client: &Client, other: ApiResource, kind: &ApiResource) -> Custom {
    let (store, kind) = (controller.store(), kind.clone());
    let others: Api<DynamicObject> = Api::all_with(client.clone(), &other);
    controller.watches_with(others, other, watcher::Config::default(), move |_| {
        let all = store.state().into_iter();
        all.map(|object| ObjectRef::from_obj_with(object.as_ref(), kind.clone())).collect::<Vec<_>>()
    })
}

/// The controlling owner, if it is of this kind; it has no namespace, whatever its object has.
fn owner<K: Resource>(object: &K, kind: &ApiResource) -> Option<ObjectRef<DynamicObject>> {
    let owners = object.meta().owner_references.iter().flatten();
    owners
        .filter(|owner| owner.controller == Some(true) && owner.kind == kind.kind)
        .map(|owner| ObjectRef::new_with(&owner.name, kind.clone()))
        .next()
}
