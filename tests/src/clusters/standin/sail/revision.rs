//! What the operator does with an IstioRevision: istiod, and the base chart for the default one.
//!
//! Plays section 6: Ready looks at ready and current pods only, and
//! DependenciesHealthy at an IstioCNI named `default` where one is needed.

use std::sync::Arc;

use anyhow::Result;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{DeleteParams, DynamicObject, Preconditions};
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::chart::istiod::{self, Revision};
use super::context::{Context, Failure};
use super::release::Release;
use super::status::{self, Condition};
use super::values::Spec;
use super::{NAMESPACE, finalizer, istio_cnis, istio_revisions, istios};

/// One look at one IstioRevision.
pub(super) async fn reconcile(
    object: Arc<DynamicObject>,
    context: Arc<Context>,
) -> Result<Action, kube::Error> {
    let kind = istio_revisions();
    if object.metadata.deletion_timestamp.is_some() {
        return remove(&object, &context).await;
    }
    if is_orphan(&object, &context).await? {
        return collect(&object, &context).await;
    }
    finalizer::add(&context.client, &kind, &object).await?;
    if context.is_new(&object) {
        // What the real one does meanwhile is not known; the Istio says Healthy all the time.
        sleep(context.options.early_by).await;
    }
    let outcome = install(&object, &context).await;
    let counted = [
        Condition::reconciled(&outcome),
        ready(&object, &context).await?,
        dependencies(&object, &context).await?,
    ];
    let unused = Condition::no("InUse", "NotReferencedByAnything", "Not referenced by any pod or namespace");
    let status = status::of(&object, &counted, &[unused]);
    status::write(&context.client, &kind, &object, &status).await?;
    Ok(context.next(&object, &outcome))
}

async fn install(object: &DynamicObject, context: &Context) -> Result<(), Failure> {
    let spec = Spec::of(object)?;
    spec.check_namespace(context).await?;
    context.fail_if_told()?;
    let platform = spec.platform(context.cluster)?;
    let name = object.name_any();
    let revision = Revision { name: &name, spec: &spec, platform };
    let owner = owner(object);
    if revision.is_default() {
        base(&name)
            .upgrade(&context.client, &owner, istiod::base(&revision))
            .await
            .map_err(of_chart("base"))?;
    }
    let release = release(&name, spec.namespace);
    release.upgrade(&context.client, &owner, istiod::objects(&revision)).await.map_err(of_chart("istiod"))
}

fn of_chart(chart: &'static str) -> impl Fn(Failure) -> Failure {
    move |failure| Failure::Chart(format!("failed to install/update Helm chart {chart:?}: {failure}"))
}

fn release<'a>(revision: &str, namespace: &'a str) -> Release<'a> {
    Release { name: format!("{revision}-istiod"), namespace }
}

/// Kept where the operator is, not where Istio is.
fn base(revision: &str) -> Release<'static> {
    Release { name: format!("{revision}-base"), namespace: NAMESPACE }
}

fn owner(object: &DynamicObject) -> Value {
    json!({
        "apiVersion": "sailoperator.io/v1",
        "kind": "IstioRevision",
        "name": object.name_any(),
        "uid": object.uid(),
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

async fn remove(object: &DynamicObject, context: &Context) -> Result<Action, kube::Error> {
    let (name, namespace) =
        (object.name_any(), object.data["spec"]["namespace"].as_str().unwrap_or_default());
    for release in [release(&name, namespace), base(&name)] {
        if let Err(error) = release.uninstall(&context.client).await {
            return Ok(context.next(object, &Err(error.into())));
        }
    }
    finalizer::remove(&context.client, &istio_revisions(), object).await?;
    Ok(Action::await_change())
}

/// Whether the Istio that owns it is gone.
async fn is_orphan(object: &DynamicObject, context: &Context) -> Result<bool, kube::Error> {
    let Some(owner) = object.owner_references().iter().find(|owner| owner.kind == "Istio") else {
        return Ok(false);
    };
    let istios: Api<DynamicObject> = Api::all_with(context.client.clone(), &istios());
    let live = istios.get_opt(&owner.name).await?;
    Ok(live.and_then(|istio| istio.uid()).as_ref() != Some(&owner.uid))
}

/// Deletes it, in the garbage collector's place.
async fn collect(object: &DynamicObject, context: &Context) -> Result<Action, kube::Error> {
    let revisions: Api<DynamicObject> = Api::all_with(context.client.clone(), &istio_revisions());
    let this_one = Preconditions { uid: object.uid(), ..Preconditions::default() };
    let parameters = DeleteParams { preconditions: Some(this_one), ..DeleteParams::default() };
    match revisions.delete(&object.name_any(), &parameters).await {
        Err(kube::Error::Api(answer)) if answer.is_not_found() || answer.is_conflict() => {}
        outcome => drop(outcome?),
    }
    Ok(Action::await_change())
}

async fn ready(object: &DynamicObject, context: &Context) -> Result<Condition, kube::Error> {
    let namespace = object.data["spec"]["namespace"].as_str().unwrap_or_default();
    let deployments: Api<Deployment> = Api::namespaced(context.client.clone(), namespace);
    let no = |message: &str| Condition::no("Ready", "IstiodNotReady", message);
    let Some(istiod) = deployments.get_opt(&istiod::name(&object.name_any())).await? else {
        return Ok(no("istiod Deployment not found"));
    };
    let status = istiod.status.unwrap_or_default();
    let (current, ready) = (status.replicas.unwrap_or(0), status.ready_replicas.unwrap_or(0));
    Ok(match (current, ready) {
        (0, _) => no("istiod Deployment is scaled to zero replicas"),
        (current, ready) if ready < current => no("not all istiod pods are ready"),
        _ => Condition::yes("Ready"),
    })
}

async fn dependencies(object: &DynamicObject, context: &Context) -> Result<Condition, kube::Error> {
    let kind = "DependenciesHealthy";
    let asked = object.data["spec"]["values"].pointer("/pilot/cni/enabled") == Some(&Value::Bool(true));
    if !asked && !context.cluster.openshift {
        return Ok(Condition::yes(kind));
    }
    let cnis: Api<DynamicObject> = Api::all_with(context.client.clone(), &istio_cnis());
    Ok(match cnis.get_opt("default").await? {
        None => Condition::no(kind, "IstioCNINotFound", "IstioCNI resource does not exist"),
        Some(cni) if cni.data["status"]["state"] != "Healthy" => Condition::no(
            kind,
            "IstioCNINotHealthy",
            "IstioCNI resource status indicates that it is not healthy",
        ),
        Some(_) => Condition::yes(kind),
    })
}
