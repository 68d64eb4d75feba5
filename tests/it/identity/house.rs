//! A hub inside the test's own process, and callers of every sort.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use hub::{
    Running,
    config::{Config, Database, DatabaseUrl},
    identity::{authority::Authority, spiffe::TrustDomain},
    postgres::{self, Durability},
};
use prost::Message;
use proto::v1::{
    EnrolClusterRequest, EnrolRequest, EnrolResponse, Problem, clusters_client::ClustersClient,
    delivery_client::DeliveryClient,
};
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use sqlx::{
    Connection, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tonic::{
    Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

/// How long anything here may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

/// A running hub with its folder.
pub struct House {
    folder: TempDir,
    stop: CancellationToken,
    running: Running,
}

/// A folder that PostgreSQL's user can enter, also where the tests run as root.
pub fn open_folder() -> Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("hub-").tempdir_in("/tmp")?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}

/// What a hub of these tests is told.
pub fn config(folder: &TempDir) -> Result<Config> {
    let mut config = Config::private(folder.path().join("data"), TrustDomain::parse("meshfleet.local")?);
    if let Database::Private(postgres) = &mut config.database {
        postgres.durability = Durability::None;
    }
    config.heartbeat = Duration::from_millis(500);
    Ok(config)
}

impl House {
    /// A new hub.
    pub async fn open() -> Result<Self> {
        Self::open_in(open_folder()?).await
    }

    /// A hub in a folder where perhaps one was before.
    pub async fn open_in(folder: TempDir) -> Result<Self> {
        let config = config(&folder)?;
        Self::open_as(folder, config).await
    }

    /// A hub that is told this.
    pub async fn open_as(folder: TempDir, config: Config) -> Result<Self> {
        let stop = CancellationToken::new();
        let running = hub::serve(config, stop.clone()).await?;
        Ok(Self { folder, stop, running })
    }

    /// Ends the hub and leaves its folder.
    pub async fn close(self) -> Result<TempDir> {
        self.stop.cancel();
        self.running.ended().await?;
        Ok(self.folder)
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn address(&self) -> String {
        self.running.address().to_string()
    }

    /// A field of the admin's context.
    pub fn context(&self, field: &str) -> Result<String> {
        let context: Value = serde_json::from_slice(&fs::read(self.running.context_file())?)?;
        Ok(context[field].as_str().with_context(|| format!("no {field} in the context"))?.to_owned())
    }

    /// The admin's certificate and key.
    pub fn admin(&self) -> Result<Identity> {
        Ok(Identity::from_pem(self.context("certificate")?, self.context("key")?))
    }

    /// A connection with a certificate, or without.
    pub async fn connect(&self, identity: Option<Identity>) -> Result<Channel> {
        let ca = Certificate::from_pem(self.context("ca")?);
        let tls = ClientTlsConfig::new().ca_certificate(ca).domain_name(proto::HUB_NAME);
        let tls = match identity {
            Some(identity) => tls.identity(identity),
            None => tls,
        };
        let endpoint = Endpoint::from_shared(format!("https://{}", self.address()))?;
        Ok(endpoint.tls_config(tls)?.connect().await?)
    }

    /// A new token for a cluster.
    pub async fn token(&self, cluster: &str) -> Result<String> {
        let mut clusters = ClustersClient::new(self.connect(Some(self.admin()?)).await?);
        let request =
            EnrolClusterRequest { name: cluster.to_owned(), replace: true, ..EnrolClusterRequest::default() };
        Ok(clusters.enrol(request).await?.into_inner().token)
    }

    /// Joins with a token.
    pub async fn enrol(&self, token: &str, key: &KeyPair) -> Result<Result<EnrolResponse, Status>> {
        let csr = CertificateParams::default().serialize_request(key)?.der().to_vec();
        self.enrol_by(EnrolRequest {
            protocol_version: proto::PROTOCOL_VERSION,
            spoke_version: "played".to_owned(),
            token: token.to_owned(),
            csr,
        })
        .await
    }

    pub async fn enrol_by(&self, request: EnrolRequest) -> Result<Result<EnrolResponse, Status>> {
        let mut delivery = DeliveryClient::new(self.connect(None).await?);
        Ok(delivery.enrol(request).await.map(tonic::Response::into_inner))
    }

    /// A new cluster's certificate and key.
    pub async fn spoke(&self, cluster: &str) -> Result<Identity> {
        let key = KeyPair::generate()?;
        let joined = self.enrol(&self.token(cluster).await?, &key).await??;
        Ok(Identity::from_pem(joined.certificate, key.serialize_pem()))
    }

    /// The hub's own database.
    pub async fn database(&self) -> Result<PgConnection> {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(self.data().join("postgres/socket"))
            .username("hub")
            .database("postgres")
            .ssl_mode(PgSslMode::Disable);
        Ok(PgConnection::connect_with(&options).await?)
    }
}

/// Two hubs on one database.
pub struct Pair {
    theirs: postgres::Server,
    pub one: House,
    pub other: House,
}

impl Pair {
    pub async fn open() -> Result<Self> {
        let folder = open_folder()?;
        let mut settings = postgres::Config::new(folder.path().join("theirs"));
        settings.durability = Durability::None;
        let theirs = postgres::Server::start(&settings).await?;
        let url: DatabaseUrl = theirs.url().parse()?;
        let ca = folder.path().join("ca");
        Authority::make(&ca, TrustDomain::parse("meshfleet.local")?, jiff::Timestamp::now())?;
        hub::serve::migrate(&url).await?;
        let told = |folder: &TempDir| -> Result<Config> {
            Ok(Config { database: Database::Given { url: url.clone(), ca: ca.clone() }, ..config(folder)? })
        };
        let second = open_folder()?;
        let (one, other) = (told(&folder)?, told(&second)?);
        Ok(Self {
            theirs,
            one: House::open_as(folder, one).await?,
            other: House::open_as(second, other).await?,
        })
    }

    pub async fn close(self) -> Result<()> {
        self.other.close().await?;
        let folder = self.one.close().await?;
        self.theirs.stop().await;
        drop(folder);
        Ok(())
    }
}

/// Starts a hub that must not start, and gives what it says.
pub async fn refused_start(config: Config) -> Result<String> {
    let start = hub::serve(config, CancellationToken::new());
    match tokio::time::timeout(SOON, start).await? {
        Ok(_) => bail!("it started"),
        Err(error) => Ok(hub::telemetry::chain(&error)),
    }
}

/// What a refusal says to machines.
pub fn reason(status: &Status) -> String {
    Problem::decode(status.details()).map(|problem| problem.reason).unwrap_or_default()
}
