//! A fleet that can be told where to die: hubs on one given database behind one address, and one cluster.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result, bail, ensure};
use hub::{
    identity::{authority::Authority, spiffe::TrustDomain},
    postgres::{self, Durability},
};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, Row};
use tests::{
    clusters::{Etcd, standin::sail, wait::until},
    fleet::{Cluster, Dress, PATIENCE},
    processes::{CommandLine, Hub, HubOptions, Spoke, SpokeOptions},
    programs::Programs,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::{
    rig::{Folder, folder},
    team,
};

/// The variable that says where to die.
const FAIL_POINT: &str = "MESHFLEET_FAIL_POINT";

/// The only cluster.
pub const CLUSTER: &str = "eks-1";

/// A program that is told to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// One of the hubs: whichever comes to the point first.
    Hub,
    /// The spoke.
    Spoke,
}

impl Program {
    fn armed(self, folder: &Path) -> PathBuf {
        folder.join(match self {
            Self::Hub => "hub.fail-point",
            Self::Spoke => "spoke.fail-point",
        })
    }
}

/// One address in front of several hubs, as a load balancer is: a connection goes to the first that takes it.
struct Front {
    address: String,
    /// Which hub is asked first.
    first: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Front {
    async fn start(hubs: Vec<String>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let first = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        let start_at = Arc::clone(&first);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((down, _)) = listener.accept().await {
                let mut ordered = hubs.clone();
                ordered.rotate_left(start_at.load(Ordering::SeqCst));
                connections.spawn(pass_on(down, ordered));
            }
        });
        Ok(Self { address, first, _tasks: tasks })
    }
}

async fn pass_on(mut down: TcpStream, hubs: Vec<String>) {
    for hub in hubs {
        if let Ok(mut up) = TcpStream::connect(hub).await {
            // A side that is gone ends it, which the other side sees.
            let _ = copy_bidirectional(&mut down, &mut up).await;
            return;
        }
    }
}

/// A fleet of one cluster.
pub struct Lane {
    /// The cluster; its spoke is not in it.
    pub cluster: Cluster,
    /// None while it is dead.
    pub spoke: Option<Spoke>,
    /// None while one is dead.
    pub hubs: Vec<Option<Hub>>,
    /// Speaks to whichever hub answers.
    pub command_line: CommandLine,
    /// How many versions of the config there are.
    pub version: u64,
    options: Vec<HubOptions>,
    programs: Programs,
    front: Front,
    etcd: Etcd,
    postgres: postgres::Server,
    folder: Folder,
}

impl Lane {
    /// Starts `hubs` hubs on one database, and a cluster whose spoke is enrolled and has rolled out version 1.
    pub async fn start(hubs: usize) -> Result<Self> {
        let programs = tokio::task::spawn_blocking(Programs::build).await??;
        let folder = folder()?;
        let path = folder.path().to_owned();
        let mut settings = postgres::Config::new(path.join("postgres"));
        settings.durability = Durability::None;
        let postgres = postgres::Server::start(&settings).await?;
        let ca = path.join("ca");
        Authority::make(&ca, TrustDomain::parse("meshfleet.local")?, jiff::Timestamp::now())?;
        hub::serve::migrate(&postgres.url().parse()?).await?;
        let etcd = Etcd::start(&path.join("clusters")).await?;
        let (mut running, mut options) = (Vec::new(), Vec::new());
        for number in 0..hubs {
            let (hub, known) = first_start(&programs, (&path, number), (&postgres.url(), &ca)).await?;
            running.push(Some(hub));
            options.push(known);
        }
        let front = Front::start(options.iter().map(|options| options.listen.clone()).collect()).await?;
        let context = context(&path, &options[0].data, &front.address)?;
        let command_line = CommandLine::new(&programs, context);
        let cluster = Cluster::start(&etcd, CLUSTER, Dress::Eks, sail::Options::default()).await?;
        team::apply(&cluster.admin, [team::namespace("shop", &[team::BY_SAIL])]).await?;
        let mut lane = Self {
            cluster,
            spoke: None,
            hubs: running,
            command_line,
            version: 1,
            options,
            programs,
            front,
            etcd,
            postgres,
            folder,
        };
        lane.join().await?;
        Ok(lane)
    }

    async fn join(&mut self) -> Result<()> {
        let invited = self.command_line.json(&["cluster", "enrol", CLUSTER]).await?;
        let token = invited["token"].as_str().context("an enrolment names its token")?;
        self.start_spoke(Some(token))?;
        until("the cluster to be connected", PATIENCE, || async {
            let listed = self.command_line.json(&["cluster", "list"]).await?;
            Ok((listed["clusters"][0]["connected"] == true).then_some(()))
        })
        .await?;
        self.work().rolls_out().await?;
        Ok(())
    }

    /// Ends everything; nothing is left of it.
    pub async fn passed(mut self) -> Result<()> {
        if let Some(spoke) = self.spoke.take() {
            spoke.stop().await?;
        }
        for hub in std::mem::take(&mut self.hubs).into_iter().flatten() {
            hub.stop().await?;
        }
        self.postgres.stop().await;
        self.etcd.stop().await?;
        self.folder.forget();
        Ok(())
    }

    /// Tells programs where to die, or with `=stop` where to stop. The first that comes there does.
    pub fn arm(&self, program: Program, point: &str) -> Result<()> {
        let file = program.armed(self.folder.path());
        // Written beside it and moved: half a name is none.
        let next = file.with_extension("next");
        fs::write(&next, point)?;
        Ok(fs::rename(next, file)?)
    }

    /// Whether nobody came to the point so far.
    pub fn is_armed(&self, program: Program) -> bool {
        program.armed(self.folder.path()).exists()
    }

    /// Waits until a program has died. Gives which hub, if it is one.
    pub async fn death(&mut self, program: Program) -> Result<usize> {
        let number = match program {
            Program::Spoke => {
                self.spoke.as_mut().context("a spoke that runs")?.ended().await?;
                self.spoke = None;
                0
            }
            Program::Hub => {
                let running = self.hubs.iter_mut().enumerate();
                let ends = running.filter_map(|(number, hub)| {
                    let hub = hub.as_mut()?;
                    Some(Box::pin(async move { hub.ended().await.map(|_| number) }))
                });
                let (ended, _, _) = futures::future::select_all(ends.collect::<Vec<_>>()).await;
                let number = ended?;
                self.hubs[number] = None;
                number
            }
        };
        ensure!(!self.is_armed(program), "it died without having come to the point");
        Ok(number)
    }

    /// Starts a program that died.
    pub async fn start_again(&mut self, program: Program, number: usize) -> Result<()> {
        match program {
            Program::Spoke => self.start_spoke(None),
            Program::Hub => self.start_hub(number).await,
        }
    }

    async fn start_hub(&mut self, number: usize) -> Result<()> {
        let options = &self.options[number];
        self.hubs[number] = Some(Hub::start(&self.programs, options, &options.data).await?);
        Ok(())
    }

    /// Starts a spoke, with a token if it is not enrolled.
    pub fn start_spoke(&mut self, token: Option<&str>) -> Result<()> {
        self.spoke = Some(self.another_spoke(CLUSTER, token)?);
        Ok(())
    }

    /// A spoke of the same cluster; its log goes by `name`.
    pub fn another_spoke(&self, name: &str, token: Option<&str>) -> Result<Spoke> {
        let folder = self.folder.path();
        let options = SpokeOptions {
            name: name.to_owned(),
            hub: self.front.address.clone(),
            kubeconfig: self.cluster.plane.directory().join("spoke.kubeconfig"),
            token: token.map(str::to_owned),
            environment: vec![armed_by(&Program::Spoke.armed(folder))],
        };
        Spoke::start(&self.programs, &options, folder)
    }

    /// Kills the spoke and starts it again.
    pub async fn restart_spoke(&mut self) -> Result<()> {
        self.spoke.take().context("a spoke that runs")?.kill().await?;
        self.start_spoke(None)
    }

    /// Kills every hub that runs, and starts all.
    pub async fn restart_hubs(&mut self) -> Result<()> {
        for number in 0..self.hubs.len() {
            if let Some(mut hub) = self.hubs[number].take() {
                hub.kill().await?;
            }
            self.start_hub(number).await?;
        }
        Ok(())
    }

    /// New connections go to this hub first.
    pub fn prefer(&self, number: usize) {
        self.front.first.store(number, Ordering::SeqCst);
    }

    /// What the spoke that goes by `name` has logged.
    pub fn log(&self, name: &str) -> Result<String> {
        Ok(fs::read_to_string(self.folder.path().join(format!("spoke-{name}.log")))?)
    }

    /// What a person does to have the next version everywhere.
    pub fn next(&mut self) -> Work {
        self.version += 1;
        self.work()
    }

    fn work(&self) -> Work {
        Work {
            command_line: self.command_line.clone(),
            file: self.folder.path().join("mesh.yaml"),
            version: self.version,
        }
    }

    /// All events of a rollout and of its cluster, and the generation that the cluster got by it.
    pub async fn events(&self, rollout: u64) -> Result<Vec<(String, Value)>> {
        let mut connection = PgConnection::connect_with(&self.postgres.connect_options()).await?;
        let text = "select action, detail from audit_event
             where subject = 'rollout/' || $1 or (subject = $2 and detail ->> 'rollout' = $1) order by id";
        let query = sqlx::query(text).bind(rollout.to_string()).bind(format!("cluster/{CLUSTER}"));
        let rows = query.fetch_all(&mut connection).await?;
        connection.close().await?;
        let event = |row: sqlx::postgres::PgRow| Ok((row.try_get("action")?, row.try_get("detail")?));
        rows.into_iter().map(event).collect()
    }
}

fn armed_by(file: &Path) -> (String, String) {
    (FAIL_POINT.to_owned(), format!("@{}", file.display()))
}

/// A hub's first start, and how it is started again, on the same address.
async fn first_start(
    programs: &Programs,
    (folder, number): (&Path, usize),
    (url, ca): (&str, &Path),
) -> Result<(Hub, HubOptions)> {
    let data = folder.join(format!("hub-{number}"));
    fs::create_dir(&data)?;
    let environment = vec![
        ("HUB_DATABASE_URL".to_owned(), url.to_owned()),
        ("HUB_CA_DIR".to_owned(), ca.display().to_string()),
        armed_by(&Program::Hub.armed(folder)),
    ];
    let options = HubOptions { data, listen: "127.0.0.1:0".to_owned(), environment };
    let hub = Hub::start(programs, &options, &options.data).await?;
    let listen = hub.address().to_owned();
    Ok((hub, HubOptions { listen, ..options }))
}

/// The first operator's context, for the address in front of all hubs.
fn context(folder: &Path, data: &Path, front: &str) -> Result<PathBuf> {
    let mut context: Value = serde_json::from_slice(&fs::read(data.join("admin.context.json"))?)?;
    context["hub"] = json!(front);
    let file = folder.join("front.context.json");
    fs::write(&file, context.to_string())?;
    Ok(file)
}

/// One more version of the mesh, which changes one value of one object, to be rolled out. Whatever a hub that died did not
/// answer is asked again.
#[derive(Debug, Clone)]
pub struct Work {
    command_line: CommandLine,
    file: PathBuf,
    version: u64,
}

impl Work {
    /// Publishes and rolls out, and gives the rollout once it succeeded.
    pub async fn rolls_out(self) -> Result<Value> {
        fs::write(&self.file, document(self.version))?;
        let file = self.file.display().to_string();
        until("the documents to be stored", PATIENCE, || async {
            self.command_line.done(&["apply", "-f", &file]).await.map(Some)
        })
        .await?;
        let number = until("the rollout to begin", PATIENCE, || self.begun()).await?.to_string();
        let ended = until("the rollout to end", PATIENCE, || async {
            // One process that waits costs less than many that look. It may end early, with its hub.
            self.command_line.run(&["rollout", "watch", &number]).await?;
            let shown = self.command_line.json(&["rollout", "show", &number]).await?;
            Ok((shown["state"] != "Running").then_some(shown))
        })
        .await?;
        ensure!(ended["state"] == "Succeeded" && ended["version"] == self.version, "{ended:#}");
        Ok(ended)
    }

    /// The rollout of this version. An answer that was lost is no reason to begin it twice.
    async fn begun(&self) -> Result<Option<u64>> {
        match self.all().await?.as_slice() {
            [] => {
                let started = self.command_line.json(&["rollout", "start", "payments"]).await?;
                Ok(started["number"].as_u64())
            }
            [one] => Ok(one["number"].as_u64()),
            several => bail!("begun more than once: {several:#?}"),
        }
    }

    /// All rollouts of this version.
    pub async fn all(&self) -> Result<Vec<Value>> {
        let listed = self.command_line.json(&["rollout", "list"]).await?;
        let rollouts = listed["rollouts"].as_array().cloned().context("a list of rollouts")?;
        Ok(rollouts.into_iter().filter(|one| one["version"] == self.version).collect())
    }
}

/// The word that differs from version to version.
pub fn word(version: u64) -> String {
    format!("/dev/version-{version}-")
}

/// The cluster and its mesh.
pub fn document(version: u64) -> String {
    let file = word(version);
    format!(
        "\
apiVersion: meshfleet.dev/v1
kind: Cluster
metadata: {{name: {CLUSTER}, labels: {{mesh: payments}}}}
---
apiVersion: meshfleet.dev/v1
kind: MeshConfig
metadata: {{name: payments}}
spec:
  clusters: {{matchLabels: {{mesh: payments}}}}
  base:
    mesh: {{id: payments}}
    istio: {{version: 1.30.3}}
    installer: {{kind: sail}}
    dataPlane: {{namespaces: {{names: [shop]}}}}
    values: {{istiod: {{meshConfig: {{accessLogFile: {file}}}}}}}
"
    )
}
