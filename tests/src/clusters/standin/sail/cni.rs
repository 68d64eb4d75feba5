//! What the operator does with an IstioCNI: the DaemonSet and what belongs to it.
//!
//! Plays sections 6 (Healthy looks at current and ready pods, never at desired or
//! updated ones) and 7 (attachment definitions that nobody serves yet).

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::DaemonSet;
use kube::api::DynamicObject;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::chart::cni::{self, Plugin};
use super::context::{Context, Failure};
use super::release::Release;
use super::status::{self, Condition};
use super::values::Spec;
use super::{finalizer, istio_cnis};

const RELEASE: &str = "istio-cni";

/// How long an error is seen that the operator provokes itself; observed was less than a second.
const FORBIDDEN_LASTS: Duration = Duration::from_millis(200);

/// One look at one IstioCNI.
pub(super) async fn reconcile(
    object: Arc<DynamicObject>,
    context: Arc<Context>,
) -> Result<Action, kube::Error> {
    if let Some(rest) = context.not_before(&object) {
        return Ok(Action::requeue(rest));
    }
    let kind = istio_cnis();
    if object.metadata.deletion_timestamp.is_some() {
        return remove(&object, &context).await;
    }
    finalizer::add(&context.client, &kind, &object).await?;
    if context.options.noise && object.data["status"].is_null() && context.is_new(&object) {
        show_forbidden(&object, &context).await?;
    }
    let outcome = install(&object, &context).await;
    let counted = [Condition::reconciled(&outcome), ready(&object, &context).await?];
    status::write(&context.client, &kind, &object, &status::of(&object, &counted, &[])).await?;
    Ok(context.next(&object, &outcome))
}

async fn install(object: &DynamicObject, context: &Context) -> Result<(), Failure> {
    let spec = Spec::of(object)?;
    spec.check_namespace(context).await?;
    context.fail_if_told()?;
    let platform = spec.platform(context.cluster)?;
    let plugin = Plugin { spec: &spec, platform, gke_version: context.cluster.gke_version };
    let objects = cni::objects(&plugin);
    if plugin.is_attached() && !context.knows_attachments().await? {
        return Err(of_chart(Failure::Chart(
            "unable to build kubernetes objects from release manifest: resource mapping not found for name: \
             \"istio-cni\" namespace: \"default\" from \"\": no matches for kind \"NetworkAttachmentDefinition\" in \
             version \"k8s.cni.cncf.io/v1\"\nensure CRDs are installed first"
                .to_owned(),
        )));
    }
    let release = Release { name: RELEASE.to_owned(), namespace: spec.namespace };
    release.upgrade(&context.client, &owner(object), objects).await.map_err(of_chart)
}

fn of_chart(failure: Failure) -> Failure {
    Failure::Chart(format!("failed to install/update Helm chart \"cni\": {failure}"))
}

fn owner(object: &DynamicObject) -> Value {
    json!({
        "apiVersion": "sailoperator.io/v1",
        "kind": "IstioCNI",
        "name": object.name_any(),
        "uid": object.uid(),
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

async fn remove(object: &DynamicObject, context: &Context) -> Result<Action, kube::Error> {
    let namespace = object.data["spec"]["namespace"].as_str().unwrap_or_default();
    let release = Release { name: RELEASE.to_owned(), namespace };
    if let Err(error) = release.uninstall(&context.client).await {
        return Ok(context.next(object, &Err(error.into())));
    }
    finalizer::remove(&context.client, &istio_cnis(), object).await?;
    Ok(Action::await_change())
}

async fn ready(object: &DynamicObject, context: &Context) -> Result<Condition, kube::Error> {
    let namespace = object.data["spec"]["namespace"].as_str().unwrap_or_default();
    let sets: Api<DaemonSet> = Api::namespaced(context.client.clone(), namespace);
    let no = |message: &str| Condition::no("Ready", "DaemonSetNotReady", message);
    let Some(set) = sets.get_opt(cni::DAEMON_SET).await? else {
        return Ok(no("istio-cni-node DaemonSet not found"));
    };
    let status = set.status.unwrap_or_default();
    Ok(match (status.current_number_scheduled, status.number_ready) {
        (0, _) => no("no istio-cni-node pods are currently scheduled"),
        (current, ready) if ready < current => no("not all istio-cni-node pods are ready"),
        _ => Condition::yes("Ready"),
    })
}

/// The error of a client that two controllers of the operator share and change.
async fn show_forbidden(object: &DynamicObject, context: &Context) -> Result<(), kube::Error> {
    let text = format!(
        "daemonsets.admissionregistration.k8s.io {:?} is forbidden: User {:?} cannot get resource \"daemonsets\" in \
         API group \"admissionregistration.k8s.io\" in the namespace {}",
        cni::DAEMON_SET,
        super::USER,
        object.data["spec"]["namespace"]
    );
    let counted =
        [Condition::reconciled(&Err(of_chart(Failure::Chart(text)))), ready(object, context).await?];
    status::write(&context.client, &istio_cnis(), object, &status::of(object, &counted, &[])).await?;
    // Its next attempt: played, not waited for.
    sleep(FORBIDDEN_LASTS).await;
    Ok(())
}
