//! A whole fleet on one machine: a hub with its private Postgres, and clusters that are real control planes dressed as
//! their providers, each with a real spoke and the stand-in of the mesh operator.
//!
//! Nothing here knows what a plan should be: it only puts the real parts together, for the demo and the tests alike.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use kube::Client;
use serde_json::Value;

use crate::{
    clusters::{
        ControlPlane, Etcd, Options,
        apply::Applier,
        dress,
        standin::{CalistiStandIn, EnforcerStandIn, SailStandIn, calisti, sail},
        wait::until,
    },
    processes::{CommandLine, Hub, HubOptions, Spoke, SpokeOptions},
    programs::Programs,
};

/// The OpenShift of the article that the ROSA dress is made after.
pub const ROSA_VERSION: &str = "4.11.59";

/// The OpenShift of today's ROSA, with a hosted control plane.
pub const ROSA_HCP_VERSION: &str = "4.20.5";

/// The user that a spoke is to its API server.
pub const SPOKE_USER: &str = "system:serviceaccount:meshfleet:meshfleet-spoke";

/// The mesh, in ten lines, and one that answers for control planes that are newer than the mesh knew. It says nothing of
/// CNI directories, attachment definitions or security context constraints.
pub const MESH: &str = "\
apiVersion: meshfleet.dev/v1
kind: MeshConfig
metadata: {name: payments}
spec:
  clusters: {matchLabels: {mesh: payments}}
  base:
    mesh: {id: payments}
    istio: {version: 1.17.8}
    installer: {kind: calisti}
    dataPlane: {namespaces: {names: [shop, billing]}}
  overrides: [{rule: istio.kubernetes, clusters: {matchLabels: {mesh: payments}}, owner: tests, reason: newer API servers, expires: 2099-12-31}]
";

/// How long a step of the whole may take on a busy machine before a person should look.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// How a cluster looks to those who ask it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dress {
    /// Amazon's.
    Eks,
    /// Google's. Where the control plane is our own build, its version says so too.
    Gke,
    /// Microsoft's, with its admissions enforcer.
    Aks,
    /// Red Hat's on Amazon, classic, as in the article.
    Rosa,
    /// Red Hat's on Amazon as it is today: the control plane is hosted.
    RosaHcp,
}

impl Dress {
    fn version_suffix(self) -> &'static str {
        match self {
            Self::Gke => dress::GKE_SUFFIX,
            Self::Eks | Self::Aks | Self::Rosa | Self::RosaHcp => "",
        }
    }

    async fn put_on(self, admin: &Client) -> Result<()> {
        match self {
            Self::Eks => dress::eks(admin).await,
            Self::Gke => dress::gke(admin).await,
            Self::Aks => dress::aks(admin).await,
            Self::Rosa => dress::rosa(admin, ROSA_VERSION).await,
            Self::RosaHcp => dress::rosa_hcp(admin, ROSA_HCP_VERSION).await,
        }
    }
}

/// Which operator of a mesh is installed in a cluster.
#[derive(Debug, Clone, Copy)]
pub enum Operator {
    /// Calisti's.
    Calisti(calisti::Options),
    /// Sail.
    Sail(sail::Options),
    /// None, and none of their definitions.
    None,
}

impl From<calisti::Options> for Operator {
    fn from(options: calisti::Options) -> Self {
        Self::Calisti(options)
    }
}

impl From<sail::Options> for Operator {
    fn from(options: sail::Options) -> Self {
        Self::Sail(options)
    }
}

/// What plays the operator of a cluster. Dropping it ends it without warning.
pub enum OperatorStandIn {
    /// Plays Calisti's.
    Calisti(CalistiStandIn),
    /// Plays Sail.
    Sail(SailStandIn),
    /// Nobody plays any.
    None,
}

impl OperatorStandIn {
    async fn start(plane: &ControlPlane, operator: Operator) -> Result<Self> {
        Ok(match operator {
            Operator::Calisti(options) => Self::Calisti(CalistiStandIn::start(plane, options).await?),
            Operator::Sail(options) => Self::Sail(SailStandIn::start(plane, options).await?),
            Operator::None => Self::None,
        })
    }

    /// Stops it as SIGTERM does.
    pub async fn stop(self) -> Result<()> {
        match self {
            Self::Calisti(stand_in) => stand_in.stop().await,
            Self::Sail(stand_in) => {
                stand_in.stop().await;
                Ok(())
            }
            Self::None => Ok(()),
        }
    }
}

/// A hub and its command line.
pub struct Fleet {
    /// The real programs.
    pub programs: Programs,
    /// Everything of this fleet lies here, logs too.
    pub folder: PathBuf,
    /// The hub.
    pub hub: Hub,
    /// The first operator's command line.
    pub command_line: CommandLine,
    hub_options: HubOptions,
}

/// One cluster of the fleet.
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Its API server.
    pub plane: ControlPlane,
    /// A client of its administrator.
    pub admin: Client,
    /// Plays the mesh operator.
    pub operator: OperatorStandIn,
    /// Plays the provider's admissions enforcer, where the provider has one.
    pub enforcer: Option<EnforcerStandIn>,
    /// Its spoke; none before it is enrolled.
    pub spoke: Option<Spoke>,
    spoke_kubeconfig: PathBuf,
}

impl Fleet {
    /// Starts a hub with a new private database in `folder`.
    pub async fn start(programs: &Programs, folder: &Path, environment: &[(&str, &str)]) -> Result<Self> {
        let hub_options = HubOptions {
            data: folder.join("hub"),
            listen: "127.0.0.1:0".to_owned(),
            environment: owned(environment),
        };
        let hub = Hub::start(programs, &hub_options, folder).await?;
        let command_line = CommandLine::new(programs, hub.context());
        Ok(Self { programs: programs.clone(), folder: folder.to_owned(), hub, command_line, hub_options })
    }

    /// Starts the hub again, on the same address and data, after it ended or was killed.
    pub async fn restart_hub(&mut self, environment: &[(&str, &str)]) -> Result<()> {
        let listen = self.hub.address().to_owned();
        let options = HubOptions { listen, environment: owned(environment), ..self.hub_options.clone() };
        self.hub = Hub::start(&self.programs, &options, &self.folder).await?;
        Ok(())
    }

    /// Invites a cluster and starts its spoke, as its own service account and with a single-use token.
    pub async fn enrol(&self, cluster: &mut Cluster, environment: &[(&str, &str)]) -> Result<()> {
        let invited = self.command_line.json(&["cluster", "enrol", &cluster.name]).await?;
        let token = invited["token"].as_str().context("an enrolment names its token")?;
        self.start_spoke(cluster, Some(token), environment)
    }

    /// Starts a cluster's spoke, which finds its identity in its cluster.
    pub fn start_spoke(
        &self,
        cluster: &mut Cluster,
        token: Option<&str>,
        environment: &[(&str, &str)],
    ) -> Result<()> {
        let options = SpokeOptions {
            name: cluster.name.clone(),
            hub: self.hub.address().to_owned(),
            kubeconfig: cluster.spoke_kubeconfig.clone(),
            token: token.map(str::to_owned),
            environment: owned(environment),
        };
        cluster.spoke = Some(Spoke::start(&self.programs, &options, &self.folder)?);
        Ok(())
    }

    /// Waits until the hub says that a cluster is connected.
    pub async fn connected(&self, name: &str) -> Result<Value> {
        until(&format!("cluster {name} to be connected"), PATIENCE, || async {
            let listed = self.command_line.json(&["cluster", "list"]).await?;
            let clusters = listed["clusters"].as_array().context("a list of clusters")?;
            Ok(clusters
                .iter()
                .find(|cluster| cluster["name"] == name && cluster["connected"] == true)
                .cloned())
        })
        .await
    }

    /// Applies a document, which must be taken.
    pub async fn apply(&self, name: &str, text: &str) -> Result<String> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        self.command_line.done(&["apply", "-f", &path.display().to_string()]).await
    }

    /// Waits until a rollout has ended, and gives it as the hub shows it.
    pub async fn ended(&self, rollout: u64) -> Result<Value> {
        let number = rollout.to_string();
        until(&format!("rollout {number} to end"), PATIENCE, || async {
            let shown = self.command_line.json(&["rollout", "show", &number]).await?;
            let goes_on = shown["state"] == "Running" || shown["state"] == "Paused";
            Ok((!goes_on).then_some(shown))
        })
        .await
    }

    /// Starts a rollout and gives its number.
    pub async fn roll_out(&self, arguments: &[&str]) -> Result<u64> {
        let started = self.command_line.json(&[&["rollout", "start"], arguments].concat()).await?;
        started["number"].as_u64().with_context(|| format!("a started rollout has a number: {started}"))
    }

    /// Waits until a rollout has succeeded.
    pub async fn succeeded(&self, rollout: u64) -> Result<Value> {
        let ended = self.ended(rollout).await?;
        if ended["state"] != "Succeeded" {
            bail!("rollout {rollout} did not succeed: {ended:#}");
        }
        Ok(ended)
    }
}

impl Cluster {
    /// Starts a control plane, dresses it, starts the stand-in of the mesh operator, and gives the spoke its rights.
    pub async fn start(etcd: &Etcd, name: &str, dress: Dress, operator: impl Into<Operator>) -> Result<Self> {
        let options = Options { version_suffix: dress.version_suffix(), ..Options::default() };
        let plane = ControlPlane::start(etcd, name, options).await?;
        let admin = plane.admin_client().await?;
        dress.put_on(&admin).await?;
        let enforcer = match dress {
            Dress::Aks => Some(EnforcerStandIn::start(&plane).await?),
            Dress::Eks | Dress::Gke | Dress::Rosa | Dress::RosaHcp => None,
        };
        let operator = OperatorStandIn::start(&plane, operator.into()).await?;
        install_rights(&admin).await?;
        let token = plane.service_account_token("meshfleet", "meshfleet-spoke").await?;
        let spoke_kubeconfig = plane.directory().join("spoke.kubeconfig");
        plane.write_kubeconfig(&spoke_kubeconfig, &token)?;
        let name = name.to_owned();
        Ok(Self { name, plane, admin, operator, enforcer, spoke: None, spoke_kubeconfig })
    }
}

/// Applies the manifest that gives a spoke its namespace, service account and rights, as `kubectl apply` would.
async fn install_rights(admin: &Client) -> Result<()> {
    let objects: Vec<Value> =
        serde_saphyr::from_multiple(spoke::deploy::RBAC).context("the spoke's manifest is YAML")?;
    Applier::new(admin, "kubectl").apply_all(objects).await
}

fn owned(environment: &[(&str, &str)]) -> Vec<(String, String)> {
    environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
