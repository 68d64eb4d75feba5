//! The operator's finalizer: on IstioCNI and IstioRevision, never on Istio.
//!
//! Besides status, it is all that the operator writes to custom resources of others.

use kube::api::{ApiResource, DynamicObject, Patch};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::release::as_manager;

const FINALIZER: &str = "sailoperator.io/sail-operator";

/// Adds it if it is not there.
pub(super) async fn add(
    client: &Client,
    kind: &ApiResource,
    object: &DynamicObject,
) -> Result<(), kube::Error> {
    if object.finalizers().iter().any(|name| name == FINALIZER) {
        return Ok(());
    }
    let all: Vec<&str> = object.finalizers().iter().map(String::as_str).chain([FINALIZER]).collect();
    write(client, kind, object, &all).await
}

/// Takes it off, which lets the object go.
pub(super) async fn remove(
    client: &Client,
    kind: &ApiResource,
    object: &DynamicObject,
) -> Result<(), kube::Error> {
    let rest: Vec<&str> =
        object.finalizers().iter().map(String::as_str).filter(|name| *name != FINALIZER).collect();
    if rest.len() == object.finalizers().len() {
        return Ok(());
    }
    match write(client, kind, object, &rest).await {
        Err(kube::Error::Api(answer)) if answer.is_not_found() => Ok(()),
        outcome => outcome,
    }
}

async fn write(
    client: &Client,
    kind: &ApiResource,
    object: &DynamicObject,
    all: &[&str],
) -> Result<(), kube::Error> {
    let objects: Api<DynamicObject> = Api::all_with(client.clone(), kind);
    let patch = json!({"metadata": {"uid": object.uid(), "finalizers": all}});
    objects.patch(&object.name_any(), &as_manager(), &Patch::Merge(patch)).await.map(drop)
}
