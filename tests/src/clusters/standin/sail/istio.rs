//! What the operator does with an Istio: one IstioRevision, and a copy of its status.
//!
//! Plays section 6 (right after a change the copied status is the old one, under
//! the new generation) and the naming of revisions of section 7. No finalizer.

use std::sync::Arc;
use std::time::Duration;

use kube::api::{DynamicObject, ListParams, Patch, PostParams};
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use super::context::{Context, Failure};
use super::release::as_manager;
use super::status::{self, Condition};
use super::values::Spec;
use super::{MANAGER, istio_revisions, istios};

/// How long the error is seen that comes right after the creation.
const CONFLICT_LASTS: Duration = Duration::from_millis(12);

/// One look at one Istio.
pub(super) async fn reconcile(
    istio: Arc<DynamicObject>,
    context: Arc<Context>,
) -> Result<Action, kube::Error> {
    if let Some(rest) = context.not_before(&istio) {
        return Ok(Action::requeue(rest));
    }
    if istio.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let first = istio.data["status"].is_null() && context.is_new(&istio);
    if context.options.noise && first {
        show_conflict(&istio, &context).await?;
    }
    let outcome = revise(&istio, &context).await;
    let status = match &outcome {
        Ok(status) => status.clone(),
        Err(_) => {
            let failed = Condition::reconciled(&outcome.as_ref().map(drop).map_err(clone));
            status::of(&istio, &[failed], &[])
        }
    };
    status::write(&context.client, &istios(), &istio, &status).await?;
    Ok(context.next(&istio, &outcome.map(drop)))
}

fn clone(failure: &Failure) -> Failure {
    match failure {
        Failure::Invalid(text) => Failure::Invalid(text.clone()),
        Failure::Chart(text) => Failure::Chart(text.clone()),
    }
}

/// Makes or changes the revision, deletes others, and gives the status that goes with what stands there.
async fn revise(istio: &DynamicObject, context: &Context) -> Result<Value, Failure> {
    let wanted = wanted(istio, context)?;
    let revisions: Api<DynamicObject> = Api::all_with(context.client.clone(), &istio_revisions());
    let name = wanted["metadata"]["name"].as_str().unwrap_or_default();
    let active = match revisions.get_opt(name).await? {
        None => {
            let parameters = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
            let object = serde_json::from_value(wanted.clone()).map_err(kube::Error::SerdeError)?;
            revisions.create(&parameters, &object).await?
        }
        Some(live) if live.data["spec"] == wanted["spec"] => live,
        Some(mut live) => {
            live.data["spec"] = wanted["spec"].clone();
            live.metadata.managed_fields = None;
            let parameters = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
            revisions.replace(name, &parameters, &live).await?
        }
    };
    let mut ours = Vec::new();
    for revision in revisions.list(&ListParams::default()).await? {
        let owned = revision.owner_references().iter().any(|owner| Some(&owner.uid) == istio.uid().as_ref());
        if owned && revision.name_any() != name {
            revisions.delete(&revision.name_any(), &kube::api::DeleteParams::default()).await?;
        } else if owned {
            ours.push(revision);
        }
    }
    let ready = ours.iter().filter(|revision| revision.data["status"]["state"] == "Healthy").count();
    let mut status = status::copied(istio, &active);
    status["revisions"] = json!({"total": ours.len(), "ready": ready, "inUse": 0});
    Ok(status)
}

/// The revision that goes with an Istio: its values with the namespace, the name and the platform.
fn wanted(istio: &DynamicObject, context: &Context) -> Result<Value, Failure> {
    let spec = Spec::of(istio)?;
    let asked = &istio.data["spec"];
    let istio_name = istio.name_any();
    let name = if asked["updateStrategy"]["type"] == "RevisionBased" {
        format!("{istio_name}-{}", asked["version"].as_str().unwrap_or_default().replace('.', "-"))
    } else {
        istio_name.clone()
    };
    let mut values = asked["values"].as_object().cloned().unwrap_or_default();
    let mut global = values.get("global").and_then(Value::as_object).cloned().unwrap_or_else(Map::new);
    global.insert("istioNamespace".to_owned(), spec.namespace.into());
    if context.cluster.openshift {
        global.entry("platform").or_insert_with(|| "openshift".into());
    }
    values.insert("global".to_owned(), global.into());
    if name != "default" {
        values.insert("revision".to_owned(), name.as_str().into());
    }
    Ok(json!({
        "apiVersion": "sailoperator.io/v1",
        "kind": "IstioRevision",
        "metadata": {"name": name, "ownerReferences": [{
            "apiVersion": "sailoperator.io/v1",
            "kind": "Istio",
            "name": istio_name,
            "uid": istio.uid(),
            "controller": true,
            "blockOwnerDeletion": true,
        }]},
        "spec": {"version": spec.version, "namespace": spec.namespace, "values": values},
    }))
}

/// The error that two writers of the operator itself provoke, gone in a moment.
async fn show_conflict(istio: &DynamicObject, context: &Context) -> Result<(), kube::Error> {
    let text = format!(
        "Operation cannot be fulfilled on istios.sailoperator.io {:?}: the object has been modified; please apply \
         your changes to the latest version and try again",
        istio.name_any()
    );
    let failed = Condition::reconciled(&Err(Failure::Chart(text)));
    let status = status::of(istio, &[failed], &[]);
    let istios: Api<DynamicObject> = Api::all_with(context.client.clone(), &istios());
    let patch = Patch::Merge(json!({"status": status}));
    istios.patch_status(&istio.name_any(), &as_manager(), &patch).await?;
    // Its next attempt: played, not waited for.
    sleep(CONFLICT_LASTS).await;
    Ok(())
}
