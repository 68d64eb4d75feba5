//! A running hub: what it stands on, what it listens to, and in which order all of it begins and ends.

mod error;
mod upkeep;

pub use error::Error;

use std::{
    fs::DirBuilder,
    net::SocketAddr,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use proto_telemetry::page::Port;
use rustix::process::{Resource, Rlimit};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{service::Routes, transport::Server};
use tonic_health::{
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};

use crate::{
    api,
    app::{self, App},
    clock,
    config::{Config, Database, DatabaseUrl, Pace},
    delivery::Delivery,
    identity::{
        accept,
        authority::{self, Authority},
        context,
        gate::GateLayer,
        tls::{self, ServerCertificate},
    },
    metrics::Page,
    postgres,
    store::{
        self,
        schema::{Migrated, Standing},
    },
    tasks,
};

/// Connections to the database: enough for all cores of a small machine to wait for the disk.
const CONNECTIONS: u32 = 16;

/// How long a use case waits for a connection before it says that the database is gone.
const CONNECTED_WITHIN: Duration = Duration::from_secs(3);

/// A peer that does not answer a ping within the second of these, sent each first of these, is gone.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(10));

/// Calls at once on one connection; a spoke needs one, a command line a few.
const STREAMS: u32 = 32;

/// Headers of one request, in bytes.
const HEADERS: u32 = 16 * 1024;

/// How long sessions and calls may take to end before they are cut off.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// A hub that is ready.
#[derive(Debug)]
pub struct Running {
    app: App,
    address: SocketAddr,
    context_file: PathBuf,
    main: JoinSet<Result<(), Error>>,
}

impl Running {
    /// Its use cases, for who runs it in the same process.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The admin's context.
    #[must_use]
    pub fn context_file(&self) -> &Path {
        &self.context_file
    }

    /// Waits until it has ended, its private database included.
    pub async fn ended(mut self) -> Result<(), Error> {
        match self.main.join_next().await {
            Some(Ok(result)) => result,
            Some(Err(_)) | None => Ok(()),
        }
    }
}

/// What a hub stands on.
struct Ground {
    app: App,
    postgres: Option<postgres::Server>,
}

/// Starts a hub. It is ready when this returns, and ends after `stop`.
pub async fn serve(config: Config, stop: CancellationToken) -> Result<Running, Error> {
    // The first provider that a process installs stays; all parts of the hub name theirs anyway.
    let _ = rustls::crypto::ring::default_provider().install_default();
    raise_file_limit();
    make_data_folder(&config.data)?;
    let (options, postgres) = match &config.database {
        Database::Private(private) => {
            let server = postgres::Server::start(private).await.map_err(Error::Postgres)?;
            (server.connect_options(), Some(server))
        }
        Database::Given { url, .. } => (url.options()?, None),
    };
    let ground = Ground { app: App::new(pool(options), clock::system()), postgres };
    match open(&config, &ground, &stop).await {
        Ok(house) => {
            let (address, context_file) = (house.address, config.context_file);
            let (app, mut main) = (ground.app.clone(), JoinSet::new());
            main.spawn(live(ground, house, stop));
            Ok(Running { app, address, context_file, main })
        }
        Err(error) => {
            ground.leave().await;
            Err(error)
        }
    }
}

/// What listens and works.
struct House {
    address: SocketAddr,
    delivery: Delivery,
    server: JoinSet<Result<(), tonic::transport::Error>>,
    tasks: JoinSet<()>,
}

async fn open(config: &Config, ground: &Ground, stop: &CancellationToken) -> Result<House, Error> {
    let app = &ground.app;
    take_schema(ground).await?;
    let authority = Arc::new(take_authority(config, app).await?);
    let state = app::hub::start(app, authority.fingerprint()).await.map_err(Error::State)?;
    let listener = listen(&config.listen).await?;
    let address =
        listener.local_addr().map_err(|source| Error::Listen { address: config.listen.clone(), source })?;
    write_context(config, app, &authority, address).await?;

    let metrics = open_metrics(config).await?;
    let now = app.clock.now();
    let certificate = Arc::new(ServerCertificate::issue(Arc::clone(&authority), now)?);
    let mut tasks = JoinSet::new();
    let connections = accept::connections(
        &mut tasks,
        listener,
        tls::server_config(Arc::clone(&certificate))?,
        config.trust_domain.clone(),
        stop.clone(),
    );
    match config.pace {
        Pace::Steady => tasks::spawn(&mut tasks, app, stop),
        Pace::ByHand => {}
    }
    if let Some(port) = metrics {
        let certificates =
            [("authority", authority.expires_at()), ("hub", Some(now + authority::SERVER_LIVES))];
        let page = Page::new(app.clone(), &certificates);
        tasks.spawn(port.serve(move || page.clone().text(), stop.clone()));
    }
    tasks.spawn(upkeep::renew(certificate, app.clone(), stop.clone()));
    let health = HealthReporter::new();
    let certifying = (Arc::clone(&authority), config.certificate_lifetime);
    let delivery = Delivery::new(app.clone(), certifying, config.heartbeat, stop.clone());
    let routes = routes(app, &authority, &delivery, &health);
    if let Some(postgres) = &ground.postgres {
        tasks.spawn(upkeep::report_health(postgres.state(), health, stop.clone()));
    }
    let mut server = JoinSet::new();
    let router = limits(Server::builder()).layer(GateLayer::new(app.clone())).add_routes(routes);
    server.spawn(
        router.serve_with_incoming_shutdown(ReceiverStream::new(connections), stop.clone().cancelled_owned()),
    );
    tracing::info!(%address, epoch = state.epoch, "the hub is ready");
    Ok(House { address, delivery, server, tasks })
}

/// Every service. What is not here has no method, and what has a method stands in the table of callers.
fn routes(app: &App, authority: &Arc<Authority>, delivery: &Delivery, health: &HealthReporter) -> Routes {
    Routes::new(HealthServer::new(HealthService::from_health_reporter(health.clone())))
        .add_service(delivery.clone().into_server())
        .add_service(api::documents::Documents::server(app.clone()))
        .add_service(api::clusters::Clusters::server(app.clone(), Arc::clone(authority)))
        .add_service(api::configs::Configs::server(app.clone()))
        .add_service(api::plans::Plans::server(app.clone()))
        .add_service(api::rollouts::Rollouts::server(app.clone()))
        .add_service(api::drift::Drift::server(app.clone()))
        .add_service(api::operators::Operators::server(app.clone(), Arc::clone(authority)))
        .add_service(api::status::Status::server(app.clone()))
        .add_service(api::hub::Hub::server(app.clone(), authority.fingerprint()))
        .add_service(api::catalog::Catalog::server(app.clone()))
}

fn limits(server: Server) -> Server {
    server
        .http2_keepalive_interval(Some(KEEP_ALIVE.0))
        .http2_keepalive_timeout(Some(KEEP_ALIVE.1))
        .max_concurrent_streams(STREAMS)
        .http2_max_header_list_size(HEADERS)
}

/// Lives until it is stopped, then ends from the edge inwards: first who calls, then what works, at last the database.
async fn live(ground: Ground, mut house: House, stop: CancellationToken) -> Result<(), Error> {
    let ended_early = tokio::select! {
        () = stop.cancelled() => None,
        ended = house.server.join_next() => ended,
    };
    stop.cancel();
    let result = match ended_early {
        Some(Ok(result)) => result.map_err(Error::from),
        Some(Err(_)) | None => Ok(()),
    };
    if timeout(ENDS_WITHIN, house.delivery.ended()).await.is_err() {
        tracing::warn!("sessions did not end in time and are cut off");
    }
    let calls = async { while house.server.join_next().await.is_some() {} };
    if timeout(ENDS_WITHIN, calls).await.is_err() {
        tracing::warn!("calls did not end in time and are cut off");
    }
    let work = async { while house.tasks.join_next().await.is_some() {} };
    if timeout(ENDS_WITHIN, work).await.is_err() {
        tracing::warn!("tasks did not end in time and are cut off");
    }
    drop(house);
    ground.leave().await;
    tracing::info!("the hub has ended");
    result
}

impl Ground {
    async fn leave(self) {
        if timeout(ENDS_WITHIN, self.app.pool.close()).await.is_err() {
            tracing::warn!("connections to the database did not end in time and are cut off");
        }
        if let Some(postgres) = self.postgres {
            postgres.stop().await;
        }
    }
}

fn pool(options: PgConnectOptions) -> PgPool {
    let options = options.application_name("meshfleet-hub");
    PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(CONNECTED_WITHIN)
        .after_connect(|connection, _| Box::pin(store::bound_transactions(connection)))
        .connect_lazy_with(options)
}

/// Brings the schema of a given database up to date: what `hub migrate` does.
pub async fn migrate(url: &DatabaseUrl) -> Result<Migrated, Error> {
    let pool = pool(url.options()?);
    let migrated = store::migrate(&pool).await.map_err(Error::Schema);
    pool.close().await;
    let migrated = migrated?;
    match migrated.standing {
        Standing::TooNew { .. } => Err(Error::SchemaTooNew(migrated.standing)),
        Standing::Absent
        | Standing::Older { .. }
        | Standing::Same
        | Standing::OneNewer { .. }
        | Standing::Broken { .. } => Ok(migrated),
    }
}

/// A private database is brought up to date here and now; a given one must be already, so that no hub changes under the
/// others what they share.
async fn take_schema(ground: &Ground) -> Result<(), Error> {
    let pool = &ground.app.pool;
    let standing = match ground.postgres {
        Some(_) => store::migrate(pool).await.map_err(Error::Schema)?.standing,
        None => store::schema::standing(pool).await.map_err(Error::SchemaUnknown)?,
    };
    match standing {
        Standing::Same => Ok(()),
        Standing::OneNewer { version } => {
            tracing::warn!(schema.version = version, "{standing}");
            Ok(())
        }
        Standing::Absent => Err(Error::NoSchema),
        Standing::Older { .. } => Err(Error::SchemaOlder(standing)),
        Standing::TooNew { .. } => Err(Error::SchemaTooNew(standing)),
        Standing::Broken { .. } => Err(Error::SchemaBroken(standing)),
    }
}

/// With a private database the authority is made at the first start, and only then: a database that knows one wants that
/// one back.
async fn take_authority(config: &Config, app: &App) -> Result<Authority, Error> {
    let trust_domain = config.trust_domain.clone();
    let folder = match &config.database {
        Database::Given { ca, .. } => return Authority::load(ca, trust_domain).map_err(Error::Authority),
        Database::Private(_) => config.data.join("ca"),
    };
    if Authority::exists(&folder) {
        return Authority::load(&folder, trust_domain).map_err(Error::Authority);
    }
    let known = async {
        let mut tx = store::begin(&app.pool).await?;
        store::hub::lock(&mut tx).await
    };
    if known.await.map_err(app::Error::from)?.is_some() {
        return Err(Error::AuthorityGone { folder });
    }
    Authority::make(&folder, trust_domain, app.clock.now()).map_err(Error::Authority)
}

async fn write_context(
    config: &Config,
    app: &App,
    authority: &Authority,
    address: SocketAddr,
) -> Result<(), Error> {
    let Some(admin) = app::operators::ensure_admin(app).await? else {
        tracing::info!("the operator admin was revoked: no context is written for him");
        return Ok(());
    };
    let holder = context::Holder { id: admin.id, name: &admin.name, path: &config.context_file };
    let now: Timestamp = app.clock.now();
    context::write(&holder, &reachable(address).to_string(), authority, now).map_err(Error::Context)
}

/// Where this machine reaches a listener: one that listens everywhere is also here.
#[must_use]
pub fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => ([127, 0, 0, 1], v4.port()).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => (std::net::Ipv6Addr::LOCALHOST, v6.port()).into(),
        other => other,
    }
}

/// A port of its own: who reads metrics is no caller of the hub.
async fn open_metrics(config: &Config) -> Result<Option<Port>, Error> {
    let Some(address) = &config.metrics else { return Ok(None) };
    let port = Port::open(address).await.map_err(Error::Metrics)?;
    if let Ok(address) = port.address() {
        tracing::info!("metrics are served at http://{address}/metrics");
    }
    Ok(Some(port))
}

async fn listen(address: &str) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address: address.to_owned(), source })
}

/// Others may pass through the folder, because PostgreSQL runs as another user under root; what lies in it is closed.
fn make_data_folder(folder: &Path) -> Result<(), Error> {
    let made = DirBuilder::new().recursive(true).mode(0o711).create(folder);
    made.map_err(|source| Error::Data { folder: folder.to_owned(), source })
}

/// Every spoke is an open file. A limit that cannot be raised is no reason not to serve a small fleet.
fn raise_file_limit() {
    let Rlimit { current, maximum } = rustix::process::getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(?current, %error, "the limit of open files could not be raised");
    }
}
