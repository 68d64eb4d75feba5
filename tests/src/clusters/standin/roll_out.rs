//! Stand-in for the controllers of Deployments and DaemonSets.
//!
//! No pods run here, so somebody must write the status that a roll-out would
//! have. For each new generation it writes first a roll-out under way, and after
//! a while a finished one; or never, where a test wants pods that do not start.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures::StreamExt;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::Node;
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Identity, Steady};
use crate::clusters::ControlPlane;

const MANAGER: &str = "kube-controller-manager";

const RETRY_AFTER: Duration = Duration::from_millis(500);

/// How roll-outs go.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which Deployments and DaemonSets are played; empty for all.
    pub label_selector: String,
    /// How long a roll-out is under way.
    pub takes: Duration,
    /// Names whose pods never become ready.
    pub never_ready: fn(&str) -> bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { label_selector: String::new(), takes: Duration::from_millis(500), never_ready: |_| false }
    }
}

/// A running stand-in. Dropping it stops it.
#[derive(Debug)]
pub struct RollOutStandIn {
    tasks: JoinSet<()>,
}

impl RollOutStandIn {
    /// Starts playing on the cluster, under a service account of its own.
    pub async fn start(plane: &ControlPlane, options: Options) -> Result<Self> {
        let identity = Identity {
            namespace: "kube-system",
            account: "roll-out",
            user_agent: MANAGER,
            rules: json!([
                {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]},
                {"apiGroups": ["apps"], "resources": ["deployments", "daemonsets"], "verbs": ["get", "list", "watch"]},
                {"apiGroups": ["apps"], "resources": ["deployments/status", "daemonsets/status"], "verbs": ["patch"]},
            ]),
        };
        let client = identity.create(plane).await?;
        let context = Arc::new(Context { client, options });
        let mut tasks = JoinSet::new();
        tasks.spawn(play::<Deployment>(context.clone()));
        tasks.spawn(play::<DaemonSet>(context));
        Ok(Self { tasks })
    }

    /// Stops it and waits until it has ended.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

struct Context {
    client: Client,
    options: Options,
}

/// What the two kinds have in common.
trait Workload:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned
{
    /// True if `self`'s status already says what `status` would make it say.
    fn shows(&self, status: &Value) -> bool;
    /// How many pods it wants, on a cluster of `nodes` nodes.
    fn wants(&self, nodes: usize) -> usize;
    /// The status with so many pods available.
    fn status(&self, wanted: usize, available: usize) -> Value;
}

impl Workload for Deployment {
    fn shows(&self, status: &Value) -> bool {
        let live = self.status.clone().unwrap_or_default();
        live.observed_generation == self.metadata.generation
            && live.available_replicas.unwrap_or(0) == int(&status["availableReplicas"])
            && live.replicas.unwrap_or(0) == int(&status["replicas"])
    }

    fn wants(&self, _nodes: usize) -> usize {
        let replicas = self.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        usize::try_from(replicas).unwrap_or(0)
    }

    fn status(&self, wanted: usize, available: usize) -> Value {
        let (ready, reason) = if available == wanted {
            ("True", "MinimumReplicasAvailable")
        } else {
            ("False", "MinimumReplicasUnavailable")
        };
        json!({
            "observedGeneration": self.metadata.generation,
            "replicas": wanted,
            "updatedReplicas": wanted,
            "readyReplicas": available,
            "availableReplicas": available,
            "unavailableReplicas": wanted - available,
            "conditions": [{"type": "Available", "status": ready, "reason": reason}],
        })
    }
}

impl Workload for DaemonSet {
    fn shows(&self, status: &Value) -> bool {
        let live = self.status.clone().unwrap_or_default();
        live.observed_generation == self.metadata.generation
            && live.number_available.unwrap_or(0) == int(&status["numberAvailable"])
            && live.desired_number_scheduled == int(&status["desiredNumberScheduled"])
    }

    fn wants(&self, nodes: usize) -> usize {
        nodes
    }

    fn status(&self, wanted: usize, available: usize) -> Value {
        json!({
            "observedGeneration": self.metadata.generation,
            "currentNumberScheduled": wanted,
            "desiredNumberScheduled": wanted,
            "updatedNumberScheduled": wanted,
            "numberAvailable": available,
            "numberReady": available,
            "numberUnavailable": wanted - available,
            "numberMisscheduled": 0,
        })
    }
}

fn int(value: &Value) -> i32 {
    value.as_i64().and_then(|number| i32::try_from(number).ok()).unwrap_or(0)
}

async fn play<K: Workload + Send + Sync + 'static>(context: Arc<Context>) {
    let workloads: Api<K> = Api::all(context.client.clone());
    let selected = watcher::Config::default().labels(&context.options.label_selector);
    Controller::new(workloads, selected)
        .trigger_backoff(Steady)
        .run(roll_out::<K>, |_, _, _| Action::requeue(RETRY_AFTER), context)
        .for_each(|_| async {})
        .await;
}

async fn roll_out<K: Workload>(workload: Arc<K>, context: Arc<Context>) -> Result<Action, kube::Error> {
    let nodes: Api<Node> = Api::all(context.client.clone());
    let wanted = workload.wants(nodes.list(&ListParams::default()).await?.items.len());
    let done = workload.status(wanted, wanted);
    if workload.shows(&done) {
        return Ok(Action::await_change());
    }
    let under_way = workload.status(wanted, 0);
    if !workload.shows(&under_way) {
        write(&context.client, workload.as_ref(), &under_way).await?;
    }
    if (context.options.never_ready)(&workload.name_any()) {
        return Ok(Action::await_change());
    }
    // The time that pods take to start: played, not waited for.
    tokio::time::sleep(context.options.takes).await;
    write(&context.client, workload.as_ref(), &done).await?;
    Ok(Action::await_change())
}

async fn write<K: Workload>(client: &Client, workload: &K, status: &Value) -> Result<(), kube::Error> {
    let workloads: Api<K> = Api::namespaced(client.clone(), &workload.namespace().unwrap_or_default());
    let parameters = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(json!({"status": status}));
    match workloads.patch_status(&workload.name_any(), &parameters, &patch).await {
        // Deleted meanwhile: nothing to roll out.
        Err(kube::Error::Api(answer)) if answer.is_not_found() => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Ok(()),
    }
}
