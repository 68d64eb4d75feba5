//! Server-side apply of plain JSON objects, status included.

use std::collections::HashMap;

use anyhow::{Context, Result};
use kube::api::{DynamicObject, GroupVersionKind, Patch, PatchParams, TypeMeta};
use kube::core::discovery::{ApiCapabilities, ApiResource, Scope};
use kube::{Api, Client, discovery};
use serde_json::{Value, json};

/// Applies objects under one field manager. Owns what it applies, by force.
pub struct Applier {
    client: Client,
    manager: &'static str,
    kinds: HashMap<GroupVersionKind, (ApiResource, ApiCapabilities)>,
}

impl Applier {
    /// An applier that signs its fields with `manager`.
    pub fn new(client: &Client, manager: &'static str) -> Self {
        Self { client: client.clone(), manager, kinds: HashMap::new() }
    }

    /// Applies the object, then its status if the kind keeps that apart.
    pub async fn apply(&mut self, mut object: Value) -> Result<()> {
        let (resource, capabilities) = self.kind(&object).await?;
        let name = object["metadata"]["name"].as_str().context("an object to apply has no name")?.to_owned();
        let what = format!("{} {name}", resource.kind);
        let api: Api<DynamicObject> = match (&capabilities.scope, object["metadata"]["namespace"].as_str()) {
            (Scope::Namespaced, Some(namespace)) => {
                Api::namespaced_with(self.client.clone(), namespace, &resource)
            }
            _ => Api::all_with(self.client.clone(), &resource),
        };
        let parameters = PatchParams::apply(self.manager).force();
        let status = if keeps_status_apart(&capabilities) {
            object.as_object_mut().and_then(|fields| fields.remove("status"))
        } else {
            None
        };
        api.patch(&name, &parameters, &Patch::Apply(&object))
            .await
            .with_context(|| format!("applying {what}"))?;
        if let Some(status) = status {
            let status = json!({
                "apiVersion": object["apiVersion"],
                "kind": object["kind"],
                "metadata": {"name": name},
                "status": status,
            });
            api.patch_status(&name, &parameters, &Patch::Apply(&status))
                .await
                .with_context(|| format!("applying the status of {what}"))?;
        }
        Ok(())
    }

    /// Applies all, in the order given.
    pub async fn apply_all(&mut self, objects: impl IntoIterator<Item = Value>) -> Result<()> {
        for object in objects {
            self.apply(object).await?;
        }
        Ok(())
    }

    /// What discovery says of the object's kind.
    async fn kind(&mut self, object: &Value) -> Result<(ApiResource, ApiCapabilities)> {
        let types: TypeMeta =
            serde_json::from_value(object.clone()).context("an object to apply has no kind")?;
        let wanted = GroupVersionKind::try_from(types).context("reading an object's apiVersion")?;
        if let Some(known) = self.kinds.get(&wanted) {
            return Ok(known.clone());
        }
        let found = discovery::pinned_kind(&self.client, &wanted)
            .await
            .with_context(|| format!("looking up {}", wanted.kind))?;
        self.kinds.insert(wanted, found.clone());
        Ok(found)
    }
}

fn keeps_status_apart(capabilities: &ApiCapabilities) -> bool {
    capabilities.subresources.iter().any(|(resource, _)| resource.plural == "status")
}
