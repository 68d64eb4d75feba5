//! Writes and deletes single objects, in the operator's manner: by Update, never Apply.

use anyhow::{Context, Result};
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::Value;

use super::{MANAGER, drift};
use crate::clusters::standin::live::{address, covers, delete};

/// Parameters of every patch that the operator sends.
pub(super) fn as_manager() -> PatchParams {
    PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() }
}

/// Makes the object, or heals what the operator sees of changes to it.
///
/// An update that the API server refuses as invalid makes the operator delete
/// the object and make it anew; if that fails too, it stays deleted.
pub(super) async fn ensure(client: &Client, wanted: &Value) -> Result<()> {
    let (api, name) = address(client, wanted)?;
    let Some(live) = api.get_opt(&name).await.with_context(|| format!("reading {name}"))? else {
        return create(&api, wanted).await;
    };
    let live = serde_json::to_value(live).context("reading a live object")?;
    let healed = drift::healed(wanted);
    if covers(&live, &healed) && drift::same_selectors(&live, wanted) {
        return Ok(());
    }
    match update(&api, &name, &live, &healed).await {
        Err(kube::Error::Api(refused)) if refused.code == 422 => {
            delete(client, wanted).await?;
            create(&api, wanted).await
        }
        outcome => outcome.with_context(|| format!("updating {name}")),
    }
}

/// Deletes the object unless somebody else made it and the operator only adopted it.
pub(super) async fn delete_if_ours(client: &Client, object: &Value) -> Result<()> {
    let (api, name) = address(client, object)?;
    let live = api.get_opt(&name).await.with_context(|| format!("reading {name}"))?;
    let writers = live.and_then(|live| live.metadata.managed_fields).unwrap_or_default();
    if writers.iter().all(|writer| writer.manager.as_deref() == Some(MANAGER) || writer.subresource.is_some())
    {
        return delete(client, object).await;
    }
    Ok(())
}

async fn create(api: &Api<DynamicObject>, wanted: &Value) -> Result<()> {
    let parameters = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    let object = serde_json::from_value(wanted.clone()).context("making an object")?;
    api.create(&parameters, &object)
        .await
        .map(drop)
        .with_context(|| format!("creating {}", wanted["metadata"]["name"]))
}

/// The injector is rewritten whole, which drops its caBundle; all else is merged.
async fn update(
    api: &Api<DynamicObject>,
    name: &str,
    live: &Value,
    healed: &Value,
) -> Result<(), kube::Error> {
    if healed["kind"] != "MutatingWebhookConfiguration" {
        return api.patch(name, &as_manager(), &Patch::Strategic(healed)).await.map(drop);
    }
    let mut whole = healed.clone();
    whole["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
    let object = serde_json::from_value(whole).map_err(kube::Error::SerdeError)?;
    let parameters = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    api.replace(name, &parameters, &object).await.map(drop)
}
