//! What every reconcile is given, and what the stand-in remembers between them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::controller::Action;
use kube::{Api, Client, discovery};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::{Behaviour, Options};

/// Errors back off from here, doubling.
const FIRST_RETRY: Duration = Duration::from_millis(100);

/// The longest pause seen.
const LAST_RETRY: Duration = Duration::from_secs(41);

/// Why a reconcile failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The custom resource asks for what cannot be. Not retried.
    Invalid(String),
    /// A chart was not installed. Retried, later and later.
    Chart(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Invalid(text) | Self::Chart(text)) = self;
        formatter.write_str(text)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Chart(format!("{error:#}"))
    }
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        Self::Chart(error.to_string())
    }
}

/// What the API server says of itself, read once at the start as the operator does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cluster {
    /// It serves OpenShiftAPIServer: this alone makes it OpenShift.
    pub(super) openshift: bool,
    /// Its version holds `-gke`.
    pub(super) gke_version: bool,
}

/// What is remembered of one custom resource.
struct Seen {
    first_at: Instant,
    generation: Option<i64>,
    failures: u32,
}

/// What a reconcile is given.
pub(super) struct Context {
    pub(super) client: Client,
    pub(super) options: Options,
    pub(super) cluster: Cluster,
    /// Whether attachment definitions were served when first asked for. A no is
    /// never asked again: the operator caches discovery until it is restarted.
    attachments: OnceCell<bool>,
    seen: Mutex<HashMap<String, Seen>>,
}

impl Context {
    /// Looks the cluster up. On OpenShift the operator needs APIServer `cluster`.
    pub(super) async fn discover(client: Client, options: Options) -> Result<Self> {
        let openshift = serves(&client, "operator.openshift.io", "OpenShiftAPIServer").await?;
        if openshift {
            let kind =
                ApiResource::from_gvk(&GroupVersionKind::gvk("config.openshift.io", "v1", "APIServer"));
            let servers: Api<DynamicObject> = Api::all_with(client.clone(), &kind);
            servers.get("cluster").await.context("the operator needs APIServer cluster on OpenShift")?;
        }
        let version = client.apiserver_version().await.context("reading the API server's version")?;
        let cluster = Cluster { openshift, gke_version: version.git_version.contains("-gke") };
        Ok(Self { client, options, cluster, attachments: OnceCell::new(), seen: Mutex::default() })
    }

    /// Whether the operator believes that attachment definitions are served.
    pub(super) async fn knows_attachments(&self) -> Result<bool> {
        let ask = || serves(&self.client, "k8s.cni.cncf.io", "NetworkAttachmentDefinition");
        self.attachments.get_or_try_init(ask).await.copied()
    }

    /// How long to look away yet, for an operator that is late.
    pub(super) fn not_before(&self, object: &DynamicObject) -> Option<Duration> {
        let Behaviour::Late(late) = self.options.behaviour else {
            return None;
        };
        let first_at = self.with_seen(object, |seen| seen.first_at);
        late.checked_sub(first_at.elapsed()).filter(|rest| !rest.is_zero())
    }

    /// True once for each generation.
    pub(super) fn is_new(&self, object: &DynamicObject) -> bool {
        let generation = object.metadata.generation;
        self.with_seen(object, |seen| std::mem::replace(&mut seen.generation, generation) != generation)
    }

    /// When to look again after this outcome: what is invalid waits for somebody to
    /// change something, everything else is tried again after a doubled pause.
    pub(super) fn next(&self, object: &DynamicObject, outcome: &Result<(), Failure>) -> Action {
        match outcome {
            Ok(()) => self.with_seen(object, |seen| seen.failures = 0),
            Err(Failure::Invalid(_)) => {}
            Err(Failure::Chart(_)) => {
                let failures = self.with_seen(object, |seen| {
                    seen.failures = (seen.failures + 1).min(16);
                    seen.failures
                });
                return Action::requeue((FIRST_RETRY * 2_u32.pow(failures - 1)).min(LAST_RETRY));
            }
        }
        Action::await_change()
    }

    /// An operator that a test lets fail does so wherever it installs a chart.
    pub(super) fn fail_if_told(&self) -> Result<(), Failure> {
        match self.options.behaviour {
            Behaviour::Failing(message) => Err(Failure::Chart(message.to_owned())),
            Behaviour::Normal | Behaviour::Late(_) | Behaviour::NeverReady | Behaviour::Absent => Ok(()),
        }
    }

    fn with_seen<T>(&self, object: &DynamicObject, read: impl FnOnce(&mut Seen) -> T) -> T {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Seen { first_at: Instant::now(), generation: None, failures: 0 };
        read(seen.entry(object.metadata.uid.clone().unwrap_or_default()).or_insert_with(fresh))
    }
}

async fn serves(client: &Client, group: &str, kind: &str) -> Result<bool> {
    match discovery::pinned_kind(client, &GroupVersionKind::gvk(group, "v1", kind)).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Discovery(_)) => Ok(false),
        // A group that nobody serves is answered with a bare page, not with a status.
        Err(kube::Error::Api(answer)) if answer.code == 404 => Ok(false),
        Err(error) => Err(error).with_context(|| format!("asking whether {kind} is served")),
    }
}
