//! What the tests of the store stand on: a real PostgreSQL, the hub's use cases and tasks in this process, a clock that
//! is set by hand, and spokes that say what a test makes them say.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use hub::{
    app::{
        App, clusters,
        documents::{self, Applied, AppliedDocument},
        hub as hub_state,
        operators::{self, Operator},
        reports,
        rollouts::{self, DriftChoice, Start, StoredRollout},
        sessions::{self, Hello},
    },
    clock::Clock,
    postgres::{Config, Durability, Server, State},
    store, tasks,
};
use hub_core::{
    digest::Digest,
    document::Source,
    fleet::{ClusterId, Facts, Name, NodeGroup, keys::Life},
    plan::ObjectId,
    report::{Fence, ObjectState, Outcome, Phase, Report, Role},
    target::Target,
};
use jiff::{SignedDuration, Timestamp};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tempfile::TempDir;
use tests::clusters::wait::until;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const SOON: Duration = Duration::from_secs(30);

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct HandClock(Mutex<Timestamp>);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HandClock {
    pub fn advance(&self, seconds: i64) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now += SignedDuration::from_secs(seconds);
    }
}

/// A hub without edges.
pub struct Bench {
    pub app: App,
    pub clock: Arc<HandClock>,
    pub admin: Operator,
    tasks: JoinSet<()>,
    stop: CancellationToken,
    server: Server,
    _folder: TempDir,
}

impl Bench {
    /// A hub on a new database, without tasks.
    pub async fn idle() -> Result<Self> {
        Self::on(Durability::None).await
    }

    /// A hub on a new database that loses nothing when it is killed.
    pub async fn durable() -> Result<Self> {
        let mut bench = Self::on(Durability::Full).await?;
        tasks::spawn(&mut bench.tasks, &bench.app, &bench.stop);
        Ok(bench)
    }

    async fn on(durability: Durability) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("store-").tempdir_in("/tmp")?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let config = Config { durability, ..Config::new(folder.path().join("postgres")) };
        let server = Server::start(&config).await?;
        let pool = PgPoolOptions::new().max_connections(8).connect_with(server.connect_options()).await?;
        store::migrate(&pool).await?;
        let clock = Arc::new(HandClock(Mutex::new(Timestamp::from_second(1_800_000_000)?)));
        let app = App::new(pool, clock.clone());
        hub_state::start(&app, Digest::of(b"ca")).await?;
        let admin = operators::ensure_admin(&app).await?.context("an admin")?;
        let (tasks, stop) = (JoinSet::new(), CancellationToken::new());
        Ok(Self { app, clock, admin, tasks, stop, server, _folder: folder })
    }

    /// A hub on a new database.
    pub async fn start() -> Result<Self> {
        let mut bench = Self::idle().await?;
        tasks::spawn(&mut bench.tasks, &bench.app, &bench.stop);
        Ok(bench)
    }

    /// The tasks of a second hub on the same database.
    pub fn second_hub(&mut self) -> App {
        let app = App::new(self.app.pool.clone(), self.clock.clone());
        tasks::spawn(&mut self.tasks, &app, &self.stop);
        app
    }

    pub fn pool(&self) -> &PgPool {
        &self.app.pool
    }

    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.app.pool.close().await;
        self.server.stop().await;
    }

    /// Kills the database server; its supervisor starts it again.
    pub fn kill_database(&self) -> Result<()> {
        let State::Ready { pid } = *self.server.state().borrow() else { bail!("the database is not ready") };
        kill_process(Pid::from_raw(pid).context("a process id")?, Signal::KILL)?;
        Ok(())
    }

    pub async fn until_database_is_back(&self) -> Result<()> {
        let look = || async { Ok(Some(clusters::list(&self.app).await?)) };
        until("the database", SOON, look).await.map(|_| ())
    }

    /// Applies documents that have no mistake.
    pub async fn apply(&self, text: &str) -> Result<Vec<AppliedDocument>> {
        let source = Source { name: "test.yaml".to_owned(), text: text.as_bytes().to_vec() };
        match documents::apply(&self.app, &self.admin, &[source]).await? {
            Applied::Stored(stored) => Ok(stored),
            Applied::Mistakes(mistakes) => bail!("{mistakes:?}"),
        }
    }

    /// A mesh config over clusters with the label `mesh: payments`.
    pub async fn apply_mesh(&self, namespaces: &str) -> Result<()> {
        self.apply(&mesh("payments", namespaces)).await.map(|_| ())
    }

    /// The mesh config once more, with another plan.
    pub async fn apply_changed_mesh(&self) -> Result<()> {
        self.apply(&mesh("payments", "[shop]").replace("{id: payments}", "{id: other}")).await.map(|_| ())
    }

    /// An enrolled cluster of the mesh with an attached spoke.
    pub async fn cluster(&self, name: &str) -> Result<Spoke> {
        self.apply(&cluster_document(name)).await?;
        let token = clusters::NewToken {
            id: Uuid::now_v7(),
            secret_hash: Digest::of(b"secret"),
            ttl_s: 60,
            present: clusters::Present::Replace,
        };
        clusters::issue_token(&self.app, &self.admin, &parse(name)?, token).await?;
        let key = Digest::of(name.as_bytes());
        let enrolled =
            clusters::redeem(&self.app, token.id, token.secret_hash, (key, Life::first([1; 8]))).await?;
        let spoke =
            Spoke { app: self.app.clone(), id: enrolled.cluster_id, session: Uuid::nil(), key, completed: 0 };
        spoke.attach(None).await
    }

    /// Starts a rollout of the newest version of `payments`.
    pub async fn rollout(&self, strategy: Option<&str>, drift: DriftChoice) -> Result<u64> {
        self.rollout_of("payments", strategy, drift).await
    }

    /// Starts a rollout of the newest version of a config.
    pub async fn rollout_of(&self, config: &str, strategy: Option<&str>, drift: DriftChoice) -> Result<u64> {
        let strategy = strategy.map(parse).transpose()?;
        let config = parse(config)?;
        let start = Start {
            config,
            version: None,
            strategy,
            drift,
            confirm_deletions: 0,
            traceparent: String::new(),
        };
        Ok(rollouts::start(&self.app, &self.admin, &start).await?)
    }

    /// Waits until a rollout is as a test wants it.
    pub async fn until(
        &self,
        number: u64,
        what: &str,
        holds: impl Fn(&StoredRollout) -> bool,
    ) -> Result<StoredRollout> {
        let look = || async {
            let stored = rollouts::show(&self.app, number).await?;
            let is_so = holds(&stored);
            Ok(is_so.then_some(stored))
        };
        until(what, SOON, look).await
    }

    pub async fn until_ended(&self, number: u64) -> Result<StoredRollout> {
        self.until(number, "the end of the rollout", |stored| !stored.rollout.state.is_live()).await
    }
}

/// A spoke that says what a test makes it say.
#[derive(Clone)]
pub struct Spoke {
    pub app: App,
    pub id: ClusterId,
    pub session: Uuid,
    key: Digest,
    completed: u64,
}

impl Spoke {
    /// Opens a session with this fence.
    pub async fn attach(mut self, fence: Option<Fence>) -> Result<Self> {
        let hello = Hello {
            spoke_version: "test".to_owned(),
            fence,
            kube_system_uid: "uid".to_owned(),
            facts: facts(),
        };
        self.session =
            sessions::attach(&self.app, self.id, self.key, (&hello, &tokio::sync::watch::Sender::new(None)))
                .await?
                .session;
        Ok(self)
    }

    /// The target that this cluster has now.
    pub async fn target(&self) -> Result<Option<(Target, Digest)>> {
        let mut tx = store::begin(&self.app.pool).await?;
        let found = store::targets::find(&mut tx, self.id).await?;
        let document = store::targets::document(&mut tx, self.id).await?;
        Ok(document.zip(found.map(|found| found.digest)))
    }

    /// What the database says of this cluster's target.
    pub async fn stored_target(&self) -> Result<Option<store::targets::StoredTarget>> {
        let mut tx = store::begin(&self.app.pool).await?;
        Ok(store::targets::find(&mut tx, self.id).await?)
    }

    /// Attaches with a target of another life, applied to its end, under which it has these ConfigMaps and what its
    /// present target asks for.
    pub async fn ahead(self, fence: Fence, names: &[&str]) -> Result<Self> {
        let planned = match self.target().await? {
            Some((target, _)) => self.objects(&target).await?,
            None => Vec::new(),
        };
        self.ahead_with(fence, planned, names).await
    }

    /// Attaches with a target of another life, applied to its end, under which it has only these ConfigMaps.
    pub async fn ahead_with_only(self, fence: Fence, names: &[&str]) -> Result<Self> {
        self.ahead_with(fence, Vec::new(), names).await
    }

    async fn ahead_with(self, fence: Fence, mut objects: Vec<ObjectState>, names: &[&str]) -> Result<Self> {
        let mut spoke = self.attach(Some(fence)).await?;
        objects.extend(names.iter().map(|name| config_map(name, fence.generation)));
        let report = Report {
            generation: fence.generation,
            target: fence.target,
            phase: Phase::Healthy,
            message: "as the test says".to_owned(),
            objects,
            completed: fence.completed,
            frozen: None,
        };
        spoke.completed = fence.completed;
        reports::save(&spoke.app, spoke.id, None, &report).await?;
        Ok(spoke)
    }

    /// Waits for a target of this generation.
    pub async fn awaits(&self, generation: u64) -> Result<(Target, Digest)> {
        let look =
            || async { Ok(self.target().await?.filter(|(target, _)| target.generation == generation)) };
        until("a target", SOON, look).await
    }

    pub async fn accept(&self, (target, digest): &(Target, Digest)) -> Result<reports::Saved> {
        let accepted = (target.generation, *digest);
        Ok(reports::accepted(&self.app, self.id, target.epoch, accepted).await?)
    }

    /// Reports on a target: all its objects are there if it is healthy.
    pub async fn report(
        &mut self,
        (target, digest): &(Target, Digest),
        phase: Phase,
    ) -> Result<reports::Saved> {
        if phase == Phase::Healthy {
            self.completed = target.generation;
        }
        let report = Report {
            generation: target.generation,
            target: *digest,
            phase,
            message: "as the test says".to_owned(),
            objects: self.objects(target).await?,
            completed: self.completed,
            frozen: None,
        };
        Ok(reports::save(&self.app, self.id, None, &report).await?)
    }

    async fn objects(&self, target: &Target) -> Result<Vec<ObjectState>> {
        let mut tx = store::begin(&self.app.pool).await?;
        let document = store::plans::document(&mut tx, target.plan).await?;
        let objects = document.phases.into_iter().flat_map(|phase| phase.objects);
        let objects = objects.map(|object| (object.id, Role::Created, object.body));
        // Only one namespace is there, and everything selects it.
        let instances = document.templates.into_iter().map(|template| {
            let id = ObjectId { namespace: "shop".to_owned(), ..template.id };
            (id, Role::Instance, template.body)
        });
        let states = objects.chain(instances).map(|(id, role, body)| ObjectState {
            uid: format!("uid of {id}"),
            id,
            role,
            body: Some(body),
            outcome: Outcome::Created,
            healthy: true,
            message: String::new(),
            generation: target.generation,
        });
        Ok(states.collect())
    }

    /// Reports its target as healthy, with objects in its inventory besides that no plan has.
    pub async fn report_more(&mut self, names: impl Iterator<Item = String>) -> Result<()> {
        let (target, digest) = self.target().await?.context("a target")?;
        let mut objects = self.objects(&target).await?;
        objects.extend(names.map(|name| config_map(&name, target.generation)));
        self.completed = target.generation;
        let report = Report {
            generation: target.generation,
            target: digest,
            phase: Phase::Healthy,
            message: "as the test says".to_owned(),
            objects,
            completed: target.generation,
            frozen: None,
        };
        reports::save(&self.app, self.id, None, &report).await?;
        Ok(())
    }

    /// Takes the target of a generation and does everything that it asks.
    pub async fn obey(&mut self, generation: u64) -> Result<Target> {
        let target = self.awaits(generation).await?;
        self.accept(&target).await?;
        self.report(&target, Phase::Healthy).await?;
        Ok(target.0)
    }
}

/// A ConfigMap that a spoke made.
fn config_map(name: &str, generation: u64) -> ObjectState {
    let id = ObjectId {
        group: String::new(),
        version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        namespace: "shop".to_owned(),
        name: name.to_owned(),
    };
    ObjectState {
        uid: format!("uid of {id}"),
        id,
        role: Role::Created,
        body: None,
        outcome: Outcome::Created,
        healthy: true,
        message: String::new(),
        generation,
    }
}

pub fn parse(name: &str) -> Result<Name> {
    Name::parse(name).context("a name")
}

pub fn cluster_document(name: &str) -> String {
    format!(
        "apiVersion: meshfleet.dev/v1\nkind: Cluster\nmetadata: {{name: {name}, labels: {{mesh: payments}}}}\nspec: {{}}\n"
    )
}

pub fn mesh(name: &str, namespaces: &str) -> String {
    format!(
        "apiVersion: meshfleet.dev/v1
kind: MeshConfig
metadata: {{name: {name}}}
spec:
  clusters: {{matchLabels: {{mesh: payments}}}}
  base:
    mesh: {{id: payments}}
    istio: {{version: 1.17.8}}
    installer: {{kind: calisti}}
    dataPlane: {{namespaces: {{names: {namespaces}}}}}
"
    )
}

/// One wave for each cluster, in order.
pub fn waves(name: &str, clusters: &[&str]) -> String {
    let wave = |cluster: &&str| format!("    - {{name: {cluster}, clusters: {{names: [{cluster}]}}}}\n");
    let waves: String = clusters.iter().map(wave).collect();
    let head = "apiVersion: meshfleet.dev/v1\nkind: RolloutStrategy";
    format!("{head}\nmetadata: {{name: {name}}}\nspec:\n  deadlineSeconds: 60\n  waves:\n{waves}")
}

/// What a spoke sees in a cluster where namespaces make a difference to the plan.
fn facts() -> Facts {
    let node = NodeGroup {
        count: 3,
        provider: "aws".to_owned(),
        kubelet_version: "v1.24.6+5658434".to_owned(),
        os_image: "Red Hat Enterprise Linux CoreOS 411.86".to_owned(),
        labels: vec!["node.openshift.io/os_id=rhcos".to_owned()],
        ..NodeGroup::default()
    };
    Facts {
        kubernetes_version: "v1.24.6+5658434".to_owned(),
        kinds: [
            "config.openshift.io/ClusterVersion",
            "config.openshift.io/Infrastructure",
            "k8s.cni.cncf.io/NetworkAttachmentDefinition",
            "route.openshift.io/Route",
            "security.openshift.io/SecurityContextConstraints",
            "servicemesh.cisco.com/IstioControlPlane",
        ]
        .map(str::to_owned)
        .to_vec(),
        nodes: vec![node],
        cluster_version: Some(hub_core::fleet::ClusterVersion {
            current: "4.11.59".to_owned(),
            desired: "4.11.59".to_owned(),
        }),
        infrastructure: Some(hub_core::fleet::Infrastructure {
            platform_type: "AWS".to_owned(),
            control_plane_topology: "HighlyAvailable".to_owned(),
            resource_tags: [("red-hat-clustertype".to_owned(), "rosa".to_owned())].into(),
        }),
        ..Facts::default()
    }
}
