//! Helm, as far as the operator shows it: releases with a manifest, marks of
//! ownership, refusals of what belongs to others, and a merge that leaves additions.
//!
//! Plays sections 3 (marks), 4 (everything by Update), 5 (what is healed) and 7
//! (what is adopted, and what blocks).

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::context::Failure;
use super::{MANAGED_BY, MANAGER};
use crate::clusters::standin::live::{address, covers, delete};

const NAME_MARK: &str = "meta.helm.sh/release-name";
const NAMESPACE_MARK: &str = "meta.helm.sh/release-namespace";

/// Parameters of every patch that the operator sends.
pub(super) fn as_manager() -> PatchParams {
    PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() }
}

/// One installed chart.
#[derive(Debug)]
pub(super) struct Release<'a> {
    /// Its name.
    pub(super) name: String,
    /// Where Helm keeps it, which is not where all of its objects are.
    pub(super) namespace: &'a str,
}

/// What Helm remembers of a release.
struct Record {
    manifest: Vec<Value>,
    runs: u64,
}

impl Release<'_> {
    /// Installs the chart's objects, or brings them to what they should be.
    pub(super) async fn upgrade(
        &self,
        client: &Client,
        owner: &Value,
        mut objects: Vec<Value>,
    ) -> Result<(), Failure> {
        for object in &mut objects {
            self.mark(object, owner);
        }
        let record = self.read(client).await?;
        let (known, runs) = record.map_or((Vec::new(), 0), |record| (record.manifest, record.runs));
        for object in objects.iter().filter(|object| find(&known, object).is_none()) {
            self.refuse_foreign(client, object).await?;
        }
        for object in &objects {
            ensure(client, object, find(&known, object)).await?;
            // The second run leaves failurePolicy out, and the API server fills in Fail.
            if runs == 1 && object["kind"] == "ValidatingWebhookConfiguration" {
                fail_closed(client, object).await?;
            }
        }
        for former in known.iter().filter(|former| find(&objects, former).is_none()) {
            delete(client, former).await?;
        }
        if runs < 2 || known != objects {
            self.write(client, &objects, (runs + 1).min(2)).await?;
        }
        Ok(())
    }

    /// Deletes what the manifest names, adopted objects too.
    pub(super) async fn uninstall(&self, client: &Client) -> Result<()> {
        let Some(record) = self.read(client).await? else {
            return Ok(());
        };
        for object in record.manifest.iter().rev() {
            delete(client, object).await?;
        }
        delete(client, &self.secret()).await
    }

    fn mark(&self, object: &mut Value, owner: &Value) {
        let metadata = &mut object["metadata"];
        metadata["labels"][MANAGED_BY] = MANAGER.into();
        metadata["labels"]["app.kubernetes.io/managed-by"] = "Helm".into();
        metadata["annotations"][NAME_MARK] = self.name.as_str().into();
        metadata["annotations"][NAMESPACE_MARK] = self.namespace.into();
        metadata["ownerReferences"] = json!([owner]);
    }

    /// An object that is there already must bear this release's marks.
    async fn refuse_foreign(&self, client: &Client, object: &Value) -> Result<(), Failure> {
        let (api, name) = address(client, object)?;
        let Some(live) = api.get_opt(&name).await? else {
            return Ok(());
        };
        let marks = [
            ("label", "app.kubernetes.io/managed-by", live.labels(), "Helm"),
            ("annotation", NAME_MARK, live.annotations(), self.name.as_str()),
            ("annotation", NAMESPACE_MARK, live.annotations(), self.namespace),
        ];
        let wrong: Vec<String> = marks
            .into_iter()
            .filter_map(|(what, key, there, wanted)| match there.get(key) {
                Some(value) if value == wanted => None,
                Some(value) => Some(format!(
                    "{what} validation error: key {key:?} must equal {wanted:?}: current value is {value:?}"
                )),
                None => {
                    Some(format!("{what} validation error: missing key {key:?}: must be set to {wanted:?}"))
                }
            })
            .collect();
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Failure::Chart(format!(
            "Unable to continue with install: {} {name:?} in namespace {:?} exists and cannot be imported into \
             the current release: invalid ownership metadata; {}",
            object["kind"].as_str().unwrap_or_default(),
            object["metadata"]["namespace"].as_str().unwrap_or_default(),
            wrong.join("; ")
        )))
    }

    fn secret(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": format!("sh.helm.release.v1.{}.v1", self.name),
                "namespace": self.namespace,
                "labels": {"owner": "helm", "name": self.name, "status": "deployed"},
            },
            "type": "helm.sh/release.v1",
        })
    }

    async fn read(&self, client: &Client) -> Result<Option<Record>> {
        let (_, name) = address(client, &self.secret())?;
        let secrets: Api<Secret> = Api::namespaced(client.clone(), self.namespace);
        let Some(secret) = secrets.get_opt(&name).await.context("reading a release")? else {
            return Ok(None);
        };
        let data = secret.data.unwrap_or_default();
        let release = data.get("release").context("a release without content")?;
        let release: Value = serde_json::from_slice(&release.0).context("reading a release")?;
        let manifest = release["manifest"].as_array().cloned().unwrap_or_default();
        Ok(Some(Record { manifest, runs: release["runs"].as_u64().unwrap_or(1) }))
    }

    async fn write(&self, client: &Client, manifest: &[Value], runs: u64) -> Result<()> {
        let mut secret = self.secret();
        secret["stringData"] = json!({"release": json!({"manifest": manifest, "runs": runs}).to_string()});
        let (api, name) = address(client, &secret)?;
        if api.get_opt(&name).await.context("reading a release")?.is_none() {
            return create(&api, &secret).await;
        }
        api.patch(&name, &as_manager(), &Patch::Merge(&secret)).await.map(drop).context("writing a release")
    }
}

/// Makes the object, or heals it where it does not say what the chart says.
async fn ensure(client: &Client, wanted: &Value, former: Option<&Value>) -> Result<()> {
    let (api, name) = address(client, wanted)?;
    let Some(live) = api.get_opt(&name).await.with_context(|| format!("reading {name}"))? else {
        return create(&api, wanted).await;
    };
    if is_custom(wanted) && former.is_none_or(|former| former == wanted) {
        // Adopted or unchanged: of custom resources Helm compares only its own manifests.
        return Ok(());
    }
    let live = serde_json::to_value(live).context("reading a live object")?;
    let healed = healed(wanted);
    if covers(&live, &healed) {
        return Ok(());
    }
    let outcome = if is_custom(wanted) {
        api.patch(&name, &as_manager(), &Patch::Merge(&healed)).await
    } else {
        api.patch(&name, &as_manager(), &Patch::Strategic(&healed)).await
    };
    outcome.map(drop).with_context(|| format!("cannot patch {name:?}"))
}

/// What is healed of an object: never the replicas, which are the autoscaler's,
/// and never the failurePolicy of a validating webhook.
fn healed(wanted: &Value) -> Value {
    let mut healed = wanted.clone();
    match wanted["kind"].as_str() {
        Some("Deployment") => remove(&mut healed["spec"], "replicas"),
        Some("ValidatingWebhookConfiguration") => {
            for webhook in healed["webhooks"].as_array_mut().into_iter().flatten() {
                remove(webhook, "failurePolicy");
            }
        }
        _ => {}
    }
    healed
}

fn remove(object: &mut Value, key: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove(key);
    }
}

async fn fail_closed(client: &Client, object: &Value) -> Result<()> {
    let (api, name) = address(client, object)?;
    let webhooks: Vec<Value> = object["webhooks"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|webhook| json!({"name": webhook["name"], "failurePolicy": null}))
        .collect();
    let patch = Patch::Strategic(json!({"webhooks": webhooks}));
    api.patch(&name, &as_manager(), &patch).await.map(drop).with_context(|| format!("cannot patch {name:?}"))
}

async fn create(api: &Api<DynamicObject>, wanted: &Value) -> Result<()> {
    let parameters = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    let object = serde_json::from_value(wanted.clone()).context("making an object")?;
    api.create(&parameters, &object)
        .await
        .map(drop)
        .with_context(|| format!("cannot create {}", wanted["metadata"]["name"]))
}

fn is_custom(object: &Value) -> bool {
    object["kind"] == "NetworkAttachmentDefinition"
}

fn find<'a>(manifest: &'a [Value], object: &Value) -> Option<&'a Value> {
    let key = |object: &Value| {
        let metadata = &object["metadata"];
        [&object["kind"], &metadata["namespace"], &metadata["name"]].map(Clone::clone)
    };
    let wanted = key(object);
    manifest.iter().find(|candidate| key(candidate) == wanted)
}
