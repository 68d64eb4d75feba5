//! What the counts are taken on: a hub in this process whose tasks look only when they are told to, on a PostgreSQL that
//! counts its statements, with a fleet of simulated spokes.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use hub::{
    Running,
    app::{
        App,
        documents::{self, Applied},
        operators::{self, Operator},
        rollouts::{self, DriftChoice, Start},
    },
    config::{Config, Database, DatabaseUrl, Pace},
    identity::{authority::Authority, spiffe::TrustDomain},
    postgres::{self, Durability},
    tasks::Looks,
};
use hub_core::{document::Source, fleet::Name};
use proto::v1::{Facts, NamespaceFacts};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use tests::{
    clusters::wait::until,
    simulated::{self, Memory, Simulated, Traffic},
};
use tokio_util::sync::CancellationToken;
use tonic::transport::Identity;

use super::meter::Meter;
use crate::identity::house::open_folder;

/// How long anything here may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(300);

/// Spokes that attach at once.
const AT_ONCE: usize = 32;

/// A hub with its fleet.
pub struct Ground {
    pub looks: Looks,
    pub meter: Meter,
    pub traffic: Arc<Traffic>,
    /// None while it is away.
    hub: Option<Life>,
    admin: Operator,
    members: Vec<Member>,
    database: postgres::Server,
    config: Config,
    _folder: TempDir,
}

/// One life of the hub.
struct Life {
    running: Running,
    stop: CancellationToken,
}

struct Member {
    identity: Identity,
    memory: Memory,
    spoke: Option<Simulated>,
}

impl Ground {
    /// A hub with a fleet of enrolled clusters whose spokes are not attached.
    pub async fn with(clusters: usize) -> Result<Self> {
        let folder = open_folder()?;
        let database = counting_database(&folder).await?;
        let ca = folder.path().join("ca");
        let domain = TrustDomain::parse("meshfleet.local")?;
        Authority::make(&ca, domain.clone(), jiff::Timestamp::now())?;
        let url: DatabaseUrl = database.url().parse()?;
        hub::serve::migrate(&url).await?;
        let mut config = Config::private(folder.path().join("data"), domain);
        config.database = Database::Given { url, ca };
        config.pace = Pace::ByHand;
        // Spokes beat when they are told to: a slow machine sends no more of them.
        config.heartbeat = Duration::from_secs(3600);
        let hub = Life::begin(&config).await?;
        let admin = operators::ensure_admin(hub.running.app()).await?.context("an admin")?;
        let watcher = PgConnection::connect_with(&database.connect_options().username("watcher")).await?;
        let mut ground = Self {
            looks: Looks::new(hub.running.app()),
            meter: Meter::new(watcher),
            traffic: Arc::default(),
            hub: Some(hub),
            admin,
            members: Vec::new(),
            database,
            config,
            _folder: folder,
        };
        ground.enrol(clusters).await?;
        Ok(ground)
    }

    async fn enrol(&mut self, clusters: usize) -> Result<()> {
        let names: Vec<String> = (0..clusters).map(|number| format!("c{number}")).collect();
        let documents: Vec<String> = names.iter().map(|name| cluster(name, "")).collect();
        self.apply(&documents.join("---\n")).await?;
        for identity in simulated::enrol(&self.hub()?.address()?, &names).await? {
            self.members.push(Member { identity, memory: Memory::default(), spoke: None });
        }
        Ok(())
    }

    fn hub(&self) -> Result<&Life> {
        self.hub.as_ref().context("a hub")
    }

    pub fn app(&self) -> Result<&App> {
        Ok(self.hub()?.running.app())
    }

    /// How often sessions were woken in this life of the hub.
    pub fn woken(&self) -> u64 {
        self.hub.as_ref().map_or(0, |hub| hub.running.app().signals.woken())
    }

    /// Attaches all spokes.
    pub async fn attach(&mut self) -> Result<()> {
        let (hub, facts) = (self.hub()?.address()?, facts());
        for some in self.members.chunks_mut(AT_ONCE) {
            let attaching = some.iter_mut().map(|member| {
                let memory = std::mem::take(&mut member.memory);
                let (hub, facts, traffic) = (&hub, &facts, &self.traffic);
                async move {
                    let who = (&member.identity, facts);
                    member.spoke = Some(Simulated::attach(hub, who, memory, traffic).await?);
                    anyhow::Ok(())
                }
            });
            futures::future::try_join_all(attaching).await?;
        }
        Ok(())
    }

    /// Lets all spokes be heard, and the hub note it.
    pub async fn beat(&mut self) -> Result<()> {
        self.be_heard().await?;
        Ok(self.looks.heartbeat().await?)
    }

    /// Lets all spokes be heard.
    pub async fn be_heard(&self) -> Result<()> {
        let spokes: Vec<&Simulated> =
            self.members.iter().filter_map(|member| member.spoke.as_ref()).collect();
        for spoke in &spokes {
            spoke.beat().await?;
        }
        let heartbeats = &self.app()?.heartbeats;
        let all_heard = || async {
            let heard = heartbeats.take();
            heard.iter().for_each(|session| heartbeats.heard(*session));
            Ok((heard.len() == spokes.len()).then_some(()))
        };
        until("a heartbeat of each spoke", SOON, all_heard).await
    }

    /// Ends the hub; the spokes keep what they hold.
    pub async fn stop(&mut self) -> Result<()> {
        let Life { running, stop } = self.hub.take().context("a hub")?;
        stop.cancel();
        for member in &mut self.members {
            if let Some(spoke) = member.spoke.take() {
                member.memory = spoke.leave().await?;
            }
        }
        Ok(running.ended().await?)
    }

    /// Begins the hub anew.
    pub async fn begin(&mut self) -> Result<()> {
        let hub = Life::begin(&self.config).await?;
        self.looks = Looks::new(hub.running.app());
        self.hub = Some(hub);
        Ok(())
    }

    pub async fn close(mut self) -> Result<()> {
        self.stop().await?;
        self.meter.close().await?;
        self.database.stop().await;
        Ok(())
    }

    /// Applies documents that have no mistake.
    pub async fn apply(&self, text: &str) -> Result<()> {
        let source = Source { name: "test.yaml".to_owned(), text: text.as_bytes().to_vec() };
        match documents::apply(self.app()?, &self.admin, &[source]).await? {
            Applied::Stored(_) => Ok(()),
            Applied::Mistakes(mistakes) => bail!("{mistakes:?}"),
        }
    }

    /// Rolls the newest version of a config out, to its end: the spokes obey at once.
    pub async fn roll_out(&mut self, config: &str) -> Result<()> {
        let start = Start {
            config: name(config)?,
            version: None,
            strategy: None,
            drift: DriftChoice::Respect,
            confirm_deletions: 0,
            traceparent: String::new(),
        };
        let number = rollouts::start(self.app()?, &self.admin, &start).await?;
        self.looks.rollout().await?;
        self.meter.until_reported().await?;
        self.looks.rollout().await?;
        let state = rollouts::show(self.app()?, number).await?.rollout.state;
        if state.is_live() {
            bail!("the rollout of {config} is {}", state.name());
        }
        Ok(())
    }
}

impl Life {
    async fn begin(config: &Config) -> Result<Self> {
        let stop = CancellationToken::new();
        Ok(Self { running: hub::serve(config.clone(), stop.clone()).await?, stop })
    }

    fn address(&self) -> Result<simulated::Hub> {
        simulated::Hub::of_context(self.running.context_file(), self.running.address())
    }
}

/// A database of somebody else, who counts what is asked of it. The hub is one role, and who looks at the counts another.
async fn counting_database(folder: &TempDir) -> Result<postgres::Server> {
    let mut settings = postgres::Config::new(folder.path().join("theirs"));
    settings.durability = Durability::None;
    let first = postgres::Server::start(&settings).await?;
    let mut connection = PgConnection::connect_with(&first.connect_options()).await?;
    // Whole pages in the log would tell when a checkpoint was, and nothing of what a statement costs.
    for setting in ["shared_preload_libraries = 'pg_stat_statements'", "full_page_writes = off"] {
        let statement = format!("alter system set {setting}");
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await?;
    }
    connection.close().await?;
    first.stop().await;
    let server = postgres::Server::start(&settings).await?;
    let mut connection = PgConnection::connect_with(&server.connect_options()).await?;
    for statement in ["create extension pg_stat_statements", "create role watcher superuser login"] {
        sqlx::query(statement).execute(&mut connection).await.context("PostgreSQL's contrib modules")?;
    }
    connection.close().await?;
    Ok(server)
}

pub fn name(text: &str) -> Result<Name> {
    Name::parse(text).context("a name")
}

/// A cluster's document, with variables. Cluster `c0` is of a mesh of its own, all others of one.
pub fn cluster(name: &str, variables: &str) -> String {
    let mesh = if name == "c0" { "single" } else { "fleet" };
    format!(
        "apiVersion: meshfleet.dev/v1
kind: Cluster
metadata: {{name: {name}, labels: {{mesh: {mesh}}}}}
spec: {{platform: generic, variables: {{{variables}}}}}
"
    )
}

/// A config of one of the two meshes.
pub fn mesh(name: &str, id: &str, layers: &str) -> String {
    format!(
        "apiVersion: meshfleet.dev/v1
kind: MeshConfig
metadata: {{name: {name}}}
spec:
  clusters: {{matchLabels: {{mesh: {name}}}}}
  base:
    mesh: {{id: {id}}}
    istio: {{version: 1.17.8}}
    installer: {{kind: calisti}}
    dataPlane: {{namespaces: {{names: [shop]}}}}
  layers: [{layers}]
"
    )
}

/// What a spoke sees of a cluster in which the config can be applied.
fn facts() -> Facts {
    let labels = [("istio.io/rev".to_owned(), "fleet.istio-system".to_owned())];
    Facts {
        kubernetes_version: "v1.24.6".to_owned(),
        kinds: vec!["servicemesh.cisco.com/IstioControlPlane".to_owned()],
        namespaces: vec![NamespaceFacts { name: "shop".to_owned(), labels: labels.into() }],
        ..Facts::default()
    }
}
