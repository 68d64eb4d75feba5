//! What the operator does when an IstioControlPlane or one of its objects changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use kube::api::{DynamicObject, ListParams, Patch};
use kube::runtime::controller::Action;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::plane::{Plane, REVISION_LABEL};
use crate::clusters::standin::live;

use super::{Behaviour, Options, RETRY_AFTER, cni, control_planes, manifest, overlay, write};

const FINALIZER: &str = "istio-controlplane.servicemesh.cisco.com";

/// Components that write their own state to the one status field, before
/// istiod's objects exist, between them and the CNI's, and after those. What each
/// ends with: one that is switched off ends with nothing at all.
const BEFORE_DISCOVERY: [&str; 5] = ["Available", "", "Available", "Available", "Available"];
const AFTER_DISCOVERY: [&str; 4] = ["Available", "Available", "", "Available"];
const AFTER_CNI: [&str; 4] = ["Available", "", "Available", "Available"];

/// What the stand-in remembers of one IstioControlPlane.
struct Seen {
    first_at: Instant,
    attempted_generation: Option<i64>,
}

/// What a reconcile is given.
pub(super) struct Context {
    client: Client,
    options: Options,
    seen: Mutex<HashMap<String, Seen>>,
}

impl Context {
    pub(super) fn new(client: Client, options: Options) -> Self {
        Self { client, options, seen: Mutex::default() }
    }

    fn with_seen<T>(&self, plane: &Plane, read: impl FnOnce(&mut Seen) -> T) -> T {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        read(
            seen.entry(plane.uid.clone())
                .or_insert_with(|| Seen { first_at: Instant::now(), attempted_generation: None }),
        )
    }

    /// How long to look away yet, for an operator that is late.
    fn not_before(&self, plane: &Plane) -> Option<Duration> {
        let Behaviour::Late(late) = self.options.behaviour else {
            return None;
        };
        let first_at = self.with_seen(plane, |seen| seen.first_at);
        late.checked_sub(first_at.elapsed()).filter(|rest| !rest.is_zero())
    }
}

/// One look at one IstioControlPlane.
///
/// A generation that was not seen before is installed with all the noise of
/// status that belongs to it; later looks only heal, and write nothing if there
/// is nothing to heal. A version that is not ours leaves no trace.
pub(super) async fn reconcile(
    object: Arc<DynamicObject>,
    context: Arc<Context>,
) -> Result<Action, kube::Error> {
    let Some(plane) = Plane::served(&object) else {
        return Ok(Action::await_change());
    };
    if let Some(rest) = context.not_before(&plane) {
        return Ok(Action::requeue(rest));
    }
    if object.metadata.deletion_timestamp.is_some() {
        return remove(&object, &plane, &context).await;
    }
    add_finalizer(&context.client, &object).await?;
    let generation = object.metadata.generation;
    let known = context.with_seen(&plane, |seen| seen.attempted_generation == generation);
    let outcome = if known { heal(&plane, &context).await } else { install(&plane, &context).await };
    context.with_seen(&plane, |seen| seen.attempted_generation = generation);
    let (status, action) = match outcome {
        Ok(()) => (available(&plane, &context.client).await?, Action::await_change()),
        Err(error) => (
            json!({"status": "ReconcileFailed", "errorMessage": format!("{error:#}")}),
            Action::requeue(RETRY_AFTER),
        ),
    };
    if !known || !shows(&object, &status) {
        write_status(&plane, &context.client, &status).await?;
    }
    Ok(action)
}

/// Takes the finalizer off, as a stopping operator does.
pub(super) async fn remove_finalizer(client: &Client, object: &DynamicObject) -> Result<(), kube::Error> {
    let rest: Vec<&String> = object.finalizers().iter().filter(|name| *name != FINALIZER).collect();
    if rest.len() == object.finalizers().len() {
        return Ok(());
    }
    write_finalizers(client, object, &rest).await
}

async fn add_finalizer(client: &Client, object: &DynamicObject) -> Result<(), kube::Error> {
    if object.finalizers().iter().any(|name| name == FINALIZER) {
        return Ok(());
    }
    let ours = FINALIZER.to_owned();
    let all: Vec<&String> = object.finalizers().iter().chain([&ours]).collect();
    write_finalizers(client, object, &all).await
}

async fn write_finalizers(
    client: &Client,
    object: &DynamicObject,
    all: &[&String],
) -> Result<(), kube::Error> {
    let namespace = object.namespace().unwrap_or_default();
    let planes: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &control_planes());
    let patch = Patch::Merge(json!({"metadata": {"finalizers": all}}));
    planes.patch(&object.name_any(), &write::as_manager(), &patch).await.map(drop)
}

/// Writes all objects once, while every component reports for itself. The first
/// Available stands before istiod's objects exist.
async fn install(plane: &Plane, context: &Context) -> Result<()> {
    let pause = context.options.early_by / 5;
    flap(plane, context, &BEFORE_DISCOVERY, pause).await?;
    if let Behaviour::Failing(message) = context.options.behaviour {
        anyhow::bail!(message);
    }
    let (base, discovery, cni) = objects(plane)?;
    write_all(&context.client, &base).await?;
    write_all(&context.client, &discovery).await?;
    flap(plane, context, &AFTER_DISCOVERY, pause / 4).await?;
    if plane.cni_enabled() {
        write_all(&context.client, &cni).await?;
    } else {
        for object in &cni {
            write::delete_if_ours(&context.client, object).await?;
        }
    }
    flap(plane, context, &AFTER_CNI, pause / 4).await?;
    Ok(())
}

async fn heal(plane: &Plane, context: &Context) -> Result<()> {
    if let Behaviour::Failing(message) = context.options.behaviour {
        anyhow::bail!(message);
    }
    let (base, discovery, cni) = objects(plane)?;
    write_all(&context.client, &base).await?;
    write_all(&context.client, &discovery).await?;
    if plane.cni_enabled() {
        write_all(&context.client, &cni).await?;
    }
    Ok(())
}

async fn remove(object: &DynamicObject, plane: &Plane, context: &Context) -> Result<Action, kube::Error> {
    for made in [cni::objects(plane), manifest::discovery(plane), manifest::base(plane)].concat() {
        if live::delete(&context.client, &made).await.is_err() {
            return Ok(Action::requeue(RETRY_AFTER));
        }
    }
    remove_finalizer(&context.client, object).await?;
    Ok(Action::await_change())
}

/// The objects of the base, of istiod and of the CNI, with overlays.
fn objects(plane: &Plane) -> Result<(Vec<Value>, Vec<Value>, Vec<Value>)> {
    let mut groups = [manifest::base(plane), manifest::discovery(plane), cni::objects(plane)];
    for group in &mut groups {
        overlay::apply(group, &plane.spec["k8sResourceOverlays"]).map_err(anyhow::Error::msg)?;
    }
    Ok(groups.into())
}

async fn write_all(client: &Client, objects: &[Value]) -> Result<()> {
    for object in objects {
        write::ensure(client, object).await?;
    }
    Ok(())
}

/// Lets components report one after the other, spread over so many pauses.
async fn flap(
    plane: &Plane,
    context: &Context,
    components: &[&str],
    pause: Duration,
) -> Result<(), kube::Error> {
    for end in components {
        write_status(plane, &context.client, &json!({"status": "Reconciling", "errorMessage": null})).await?;
        let end = if end.is_empty() { Value::Null } else { Value::from(*end) };
        write_status(plane, &context.client, &json!({"status": end})).await?;
        // A component's work: played, not waited for.
        sleep(pause).await;
    }
    Ok(())
}

async fn available(plane: &Plane, client: &Client) -> Result<Value, kube::Error> {
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(client.clone());
    let label = format!("{}={}", REVISION_LABEL, plane.revision());
    let injected = namespaces.list(&ListParams::default().labels(&label)).await?;
    let injected: Vec<String> = injected.items.iter().map(ResourceExt::name_any).collect();
    Ok(json!({
        "status": "Available",
        "errorMessage": null,
        "clusterID": plane.cluster_id(),
        "istioControlPlaneName": plane.name,
        "injectionNamespaces": injected,
    }))
}

/// True if the live status says all that, whatever else it says.
fn shows(object: &DynamicObject, status: &Value) -> bool {
    let live = &object.data["status"];
    status.as_object().into_iter().flatten().all(|(key, value)| live[key] == *value)
}

async fn write_status(plane: &Plane, client: &Client, status: &Value) -> Result<(), kube::Error> {
    let planes: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), &plane.namespace, &control_planes());
    let patch = Patch::Merge(json!({"status": status}));
    planes.patch_status(&plane.name, &write::as_manager(), &patch).await.map(drop)
}
