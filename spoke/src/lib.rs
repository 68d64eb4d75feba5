//! The spoke: the agent in a cluster.
//!
//! It dials the hub, takes in targets, and makes the cluster what the accepted target says: nothing older, nothing more.
//! It knows no platform: what a cluster needs, and what counts as healthy, comes in its plan. It goes on by itself while
//! the hub is away. In the order of the data: [`delivery`], [`fence`], [`apply`], [`health`], [`report`], [`drift`], [`heal`].

pub mod config;

pub mod agent;
pub mod delivery;
pub mod identity;
pub mod probe;
pub mod rights;

pub mod document;
pub mod fence;
pub mod floor;
pub mod refusal;

pub mod apply;
pub mod dry_run;
pub mod inventory;
pub mod namespaces;
pub mod owned;
pub mod path;

pub mod drift;
pub mod facts;
pub mod freeze;
pub mod heal;
pub mod health;
pub mod observe;
pub mod report;

pub mod backoff;
pub mod cluster;
pub mod deploy;
pub mod digest;
pub mod fail_point;
pub mod lease;
pub mod metrics;
pub mod secrets;
pub mod writes;

#[cfg(test)]
mod samples;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use kube::{
    Client,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use proto_telemetry::{Exporting, page::Port};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    agent::{Accepted, Agent, Outlets, Setup},
    backoff::Backoff,
    cluster::Cluster,
    config::Config,
    delivery::{Delivery, Levels},
    freeze::Freeze,
    heal::Heard,
    identity::{Identity, Kept, Token},
    lease::{Holder, Keeper},
    metrics::METRICS,
    secrets::Secrets,
    writes::Writes,
};

/// Where the token stands if no file is named.
const TOKEN_VARIABLE: &str = "MESHFLEET_TOKEN";

/// Longest pause between two attempts to begin.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why a spoke cannot run at all. Everything else is a state that passes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig cannot be read.
    #[error("cannot read the file {} that --kubeconfig names", file.display())]
    Kubeconfig {
        /// Which.
        file: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The metrics cannot be served.
    #[error("cannot open the port of --metrics-listen, which is HOST:PORT of this machine")]
    Metrics(#[source] proto_telemetry::page::Error),
    /// The kubeconfig does not say what it must.
    #[error("cannot use the kubeconfig {}", file.display())]
    BadKubeconfig {
        /// Which.
        file: PathBuf,
        /// Why not.
        #[source]
        source: Box<KubeconfigError>,
    },
    /// There is no service account to run as.
    #[error("this is no pod with a service account: give --kubeconfig")]
    InCluster(#[source] kube::config::InClusterError),
    /// No client can be made of the settings.
    #[error("cannot make a client for the API server")]
    Client(#[source] kube::Error),
}

/// An error and what caused it, in one line.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        // Some libraries print their cause themselves.
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text
}

/// Runs a spoke until `stop`. What it exports says which cluster it is of, once that is known.
///
/// # Errors
/// If it cannot be told how to reach its API server.
pub async fn run(config: Config, exporting: Option<Exporting>, stop: CancellationToken) -> Result<(), Error> {
    let cluster = Cluster::new(client(config.kubeconfig.as_deref()).await?);
    let mut keepers = JoinSet::new();
    let stop_metrics = CancellationToken::new();
    if let Some(address) = &config.metrics_listen {
        let port = Port::open(address).await.map_err(Error::Metrics)?;
        if let Ok(address) = port.address() {
            tracing::info!("metrics are served at http://{address}/metrics");
        }
        keepers.spawn(port.serve(|| async { METRICS.page() }, stop_metrics.clone()));
    }
    let (keeper, lease) = Keeper::new(&cluster, &config.namespace, Holder::this_process(random()));
    // The Lease is given back last, when nothing writes any more.
    let stop_lease = CancellationToken::new();
    keepers.spawn(keeper.run(stop_lease.clone()));
    let (freeze, frozen) = watch::channel(Freeze::default());
    keepers.spawn(freeze::keep(cluster.clone(), config.namespace.clone(), freeze, stop_lease.clone()));
    while let Some(term) = acquired(lease.clone(), &stop).await {
        let (generation, accepted_generation) = watch::channel(0);
        let writes = Writes::new(lease.clone(), accepted_generation, frozen.clone());
        let secrets = Secrets::new(&cluster, &config.namespace, writes.clone());
        let (config, cluster, exporting) = (config.clone(), cluster.clone(), exporting.clone());
        let spoke = Spoke { config, cluster, writes, secrets, generation, exporting };
        spoke.serve(term, lease.clone(), &stop).await;
    }
    stop_lease.cancel();
    stop_metrics.cancel();
    while keepers.join_next().await.is_some() {}
    Ok(())
}

/// The term of the Lease, once it is held. None if the spoke stops before.
async fn acquired(mut lease: watch::Receiver<lease::State>, stop: &CancellationToken) -> Option<u64> {
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        held = lease.wait_for(|state| state.term().is_some()) => held.ok()?.term(),
    }
}

/// Waits until a term of the Lease is over.
async fn ended(mut lease: watch::Receiver<lease::State>, term: u64) {
    // The keeper lives longer than this.
    let _ = lease.wait_for(|state| state.ends(term)).await;
}

/// A spoke for one term of the Lease. It knows nothing of a term before: another may have written in between.
struct Spoke {
    config: Config,
    cluster: Cluster,
    writes: Writes,
    secrets: Secrets,
    generation: watch::Sender<u64>,
    exporting: Option<Exporting>,
}

impl Spoke {
    /// Lives until the term is over or the spoke stops. Writes in flight are finished first.
    async fn serve(self, term: u64, lease: watch::Receiver<lease::State>, stop: &CancellationToken) {
        let (stop, mut tasks) = (stop.child_token(), JoinSet::new());
        {
            let live = self.live(&stop, &mut tasks);
            tokio::pin!(live);
            tokio::select! {
                () = &mut live => {}
                () = ended(lease, term) => {
                    tracing::warn!("the Lease was lost: beginning anew from what is written down");
                    stop.cancel();
                    live.await;
                }
            }
        }
        stop.cancel();
        while tasks.join_next().await.is_some() {}
    }

    async fn live(&self, stop: &CancellationToken, tasks: &mut JoinSet<()>) {
        let Some(identity) = self.identity(stop).await else { return };
        tracing::info!(cluster.id = %identity.cluster_id, cluster.name = %identity.cluster_name, "this cluster is enrolled");
        if let Some(exporting) = &self.exporting {
            exporting
                .describe(&[("cluster.name", &identity.cluster_name), ("cluster.id", &identity.cluster_id)]);
        }
        let (facts, known_facts) = watch::channel(None);
        tasks.spawn(facts::keep(self.cluster.clone(), facts, stop.clone()));

        let (offered, offers) = mpsc::channel(4);
        let (wishes, asks) = mpsc::channel(4);
        let heard = watch::Sender::new(Heard::default());
        let outlets = Outlets {
            accepted: watch::Sender::new(Arc::new(Accepted::default())),
            generation: self.generation.clone(),
            report: watch::Sender::new(None),
            drift: watch::Sender::new(None),
            inventory: watch::Sender::default(),
        };
        let levels = Levels {
            accepted: outlets.accepted.subscribe(),
            report: outlets.report.subscribe(),
            drift: outlets.drift.subscribe(),
            facts: known_facts,
            inventory: outlets.inventory.subscribe(),
        };
        let setup = Setup {
            cluster: self.cluster.clone(),
            writes: self.writes.clone(),
            secrets: self.secrets.clone(),
            cluster_id: identity.cluster_id.clone(),
            namespace: self.config.namespace.clone(),
            outlets,
            offers,
            asks,
            heard: heard.subscribe(),
        };
        let Some(agent) = begin(setup, stop).await else { return };
        // Only now is it known what the hub is to be told of the fence.
        let store = identity::Store::new(self.secrets.clone());
        let (keeper, renewals) = identity::Keeper::new(self.config.hub.clone(), store, identity);
        tasks.spawn(keeper.run(stop.clone()));
        let delivery = Delivery {
            hub: self.config.hub.clone(),
            renewals,
            levels,
            offers: offered,
            asks: wishes,
            heard,
            cluster: self.cluster.clone(),
        };
        tasks.spawn(delivery.run(stop.clone()));
        agent.run(stop.clone()).await;
    }

    /// The identity, once there is one. None if the spoke stops before.
    async fn identity(&self, stop: &CancellationToken) -> Option<Identity> {
        let store = identity::Store::new(self.secrets.clone());
        let mut backoff = Backoff::new(Duration::from_millis(500), LONGEST_PAUSE);
        let mut said = String::new();
        loop {
            let error = tokio::select! {
                () = stop.cancelled() => return None,
                found = self.enrolled(&store) => match found {
                    Ok(identity) => return Some(identity),
                    Err(error) => error,
                },
            };
            let why = chain(&error);
            if why != said {
                tracing::error!(error = %why, "this cluster is not enrolled yet");
                said = why;
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                () = tokio::time::sleep(backoff.pause()) => {}
            }
        }
    }

    async fn enrolled(&self, store: &identity::Store) -> Result<Identity, identity::Error> {
        let key = match store.load().await? {
            Kept::Identity { identity, key, token, next: _ } => {
                return Ok(match self.token() {
                    Ok(given) if token.as_ref() != Some(&given.id) => {
                        self.enrolled_anew(store, identity, (&key, &given)).await
                    }
                    _ => identity,
                });
            }
            Kept::Key(key) => key,
            Kept::Nothing => {
                // A token that cannot be used leaves nothing behind.
                self.token()?;
                store.save_key(identity::generate_key()?).await?
            }
        };
        let token = self.token()?;
        let identity = identity::enrol(&self.config.hub, &token, &key).await?;
        store.save(&key, &identity, &token).await?;
        Ok(identity)
    }

    /// A token that this identity did not come of: whoever put it there wants the cluster enrolled anew, for example
    /// after it was detached. Where that does not work, the spoke goes on as who it is: an old token may just lie about.
    async fn enrolled_anew(
        &self,
        store: &identity::Store,
        known: Identity,
        (key, token): (&identity::PendingKey, &Token),
    ) -> Identity {
        let fresh = match identity::enrol(&self.config.hub, token, key).await {
            Ok(fresh) if fresh.cluster_id == known.cluster_id => fresh,
            Ok(other) => {
                tracing::error!(
                    cluster.name = %known.cluster_name,
                    "the token given is for cluster {}: it is not used; to make this cluster another one, remove its \
                     mesh, delete the spoke's Secrets, and enrol it then",
                    other.cluster_name
                );
                return known;
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the token given is not taken; going on as before");
                return known;
            }
        };
        match store.save(key, &fresh, token).await {
            Ok(()) => tracing::info!("enrolled anew with the token given"),
            Err(error) => tracing::warn!(error = %chain(&error), "enrolled anew, and not written down yet"),
        }
        fresh
    }

    /// The token, read anew each time: a person may replace one that was wrong.
    fn token(&self) -> Result<Token, identity::Error> {
        let (text, place) = match &self.config.token_file {
            Some(file) => {
                let read = std::fs::read_to_string(file);
                let unread = |source| identity::Error::TokenFile { file: file.clone(), source };
                (read.map_err(unread)?, file.display().to_string())
            }
            None => {
                let variable = std::env::var(TOKEN_VARIABLE);
                (variable.map_err(|_| identity::Error::NoToken)?, TOKEN_VARIABLE.to_owned())
            }
        };
        Token::read(&text).map_err(|source| identity::Error::Token { place, source })
    }
}

/// An agent, once what was accepted and what is ours can be read.
async fn begin(mut setup: Setup, stop: &CancellationToken) -> Option<Agent> {
    let mut backoff = Backoff::new(Duration::from_millis(500), LONGEST_PAUSE);
    let mut said = String::new();
    loop {
        match Agent::begin(setup, stop).await {
            Ok(agent) => return Some(agent),
            Err((again, error)) => {
                let why = chain(&error);
                if why != said {
                    tracing::error!(error = %why, "cannot begin yet");
                    said = why;
                }
                setup = again;
            }
        }
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(backoff.pause()) => {}
        }
    }
}

async fn client(kubeconfig: Option<&Path>) -> Result<Client, Error> {
    let mut config = match kubeconfig {
        Some(file) => {
            let unusable = |error| {
                let file = file.to_owned();
                match error {
                    KubeconfigError::ReadConfig(source, _) => Error::Kubeconfig { file, source },
                    other => Error::BadKubeconfig { file, source: Box::new(other) },
                }
            };
            let read = Kubeconfig::read_from(file).map_err(unusable)?;
            let through_proxy = read
                .clusters
                .iter()
                .any(|named| named.cluster.as_ref().is_some_and(|cluster| cluster.proxy_url.is_some()));
            let options = KubeConfigOptions::default();
            let mut config = kube::Config::from_custom_kubeconfig(read, &options).await.map_err(unusable)?;
            if !through_proxy {
                // HTTPS_PROXY is the way out to the hub. The API server is in here, and asked directly, as from a pod.
                config.proxy_url = None;
            }
            config
        }
        None => kube::Config::incluster().map_err(Error::InCluster)?,
    };
    // The library would try for many minutes; what is worth trying again is decided in one place, see `cluster`.
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    Client::try_from(config).map_err(Error::Client)
}

fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    // Without randomness the name only serves where the system tells the process apart.
    let _ = getrandom::fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open the door")]
    struct Outer(#[source] std::io::Error);

    #[tokio::test]
    async fn a_kubeconfig_that_is_not_there_is_said_once() {
        let Err(error) = client(Some(Path::new("/no/such/file"))).await else { panic!("it was read") };
        assert_eq!(
            chain(&error),
            "cannot read the file /no/such/file that --kubeconfig names: No such file or directory (os error 2)"
        );
    }

    #[test]
    fn a_chain_names_every_cause_once() {
        let error = Outer(std::io::Error::other("no key"));
        assert_eq!(chain(&error), "cannot open the door: no key");
    }
}
