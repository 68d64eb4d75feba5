//! What a hub is told when it starts: arguments, read into what is needed, with every default in one place.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use jiff::SignedDuration;
use sqlx::postgres::PgConnectOptions;

use crate::{
    identity::{authority::SPOKE_LIVES, spiffe::TrustDomain},
    postgres,
};

/// Heartbeats are at least as often as the hub asks before it calls a spoke away, with room for two that are lost.
const SLOWEST_HEARTBEAT_MS: u64 = 10_000;

/// A certificate that lives longer than a quarter of a year is one that nobody notices when its renewal fails.
const LONGEST_LIFETIME_S: i64 = 90 * 24 * 60 * 60;

/// Everything that a hub needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the hub keeps what is its own: database, certificate authority, context file.
    pub data: PathBuf,
    /// Which database.
    pub database: Database,
    /// `HOST:PORT`; port 0 takes a free one.
    pub listen: String,
    /// Domain of all identities.
    pub trust_domain: TrustDomain,
    /// Where the first operator's context is written.
    pub context_file: PathBuf,
    /// How often spokes are asked to be heard.
    pub heartbeat: Duration,
    /// How long the certificate of a spoke is good; it is renewed after half of that.
    pub certificate_lifetime: SignedDuration,
    /// `HOST:PORT` of the metrics; none are served without.
    pub metrics: Option<String>,
    /// Who makes the tasks look.
    pub pace: Pace,
}

/// Who makes the hub's tasks look at the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Signals and ticks.
    Steady,
    /// Nobody but who holds the hub, look by look. For tests that count what each costs; the hub never asks for it.
    ByHand,
}

/// Which database a hub uses.
#[derive(Debug, Clone)]
pub enum Database {
    /// A private server; its certificate authority lies beside it and is made at the first start.
    Private(postgres::Config),
    /// One that others run. Its certificate authority must be there.
    Given {
        /// Where it is.
        url: DatabaseUrl,
        /// The folder of `ca.pem` and `ca.key`.
        ca: PathBuf,
    },
}

/// Where a database is. It may hold a password, so `Debug` shows nothing of it, and an error does not repeat it.
#[derive(Clone)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// How to connect. sqlx takes any scheme, so that one of another database would be tried as if it were ours.
    pub fn options(&self) -> Result<PgConnectOptions, Error> {
        let ours = ["postgres://", "postgresql://"].iter().any(|scheme| self.0.starts_with(scheme));
        let options = self.0.parse().ok().filter(|_| ours);
        options.ok_or(Error::DatabaseUrl)
    }
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DatabaseUrl")
    }
}

impl std::str::FromStr for DatabaseUrl {
    type Err = std::convert::Infallible;

    /// Whether it is a URL is said later: clap would repeat one that is none.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

/// Arguments that do not go together, or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is none. It is not repeated, because it may hold a password.
    #[error("--database-url is no PostgreSQL URL, such as postgres://hub@db.example/meshfleet")]
    DatabaseUrl,
    /// There is no home folder to keep data in.
    #[error("neither HOME nor XDG_DATA_HOME is set: name the hub's folder with --data")]
    NoHome,
}

/// Arguments of `hub serve`.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Serve {
    /// Where the hub keeps its private database, its certificate authority and the admin's context
    /// [default: /var/lib/meshfleet for root, else meshfleet in the user's data folder]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Use this PostgreSQL instead of a private one; bring its schema up to date with `hub migrate`
    #[arg(long, value_name = "URL", env = "HUB_DATABASE_URL", hide_env_values = true, requires = "ca_dir")]
    database_url: Option<DatabaseUrl>,
    /// Folder of ca.pem and ca.key (P-256); all hubs of a database have the same
    #[arg(long, value_name = "DIR", env = "HUB_CA_DIR", requires = "database_url")]
    ca_dir: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7443")]
    listen: String,
    /// Domain in the identities of spokes and operators; it cannot change later
    #[arg(long, value_name = "DOMAIN", default_value = "meshfleet.local")]
    trust_domain: TrustDomain,
    /// Where to write the admin's context for the command line [default: admin.context.json in the data folder]
    #[arg(long, value_name = "FILE")]
    context_file: Option<PathBuf>,
    /// How often spokes are asked to be heard, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 5_000,
          value_parser = clap::value_parser!(u64).range(100..=SLOWEST_HEARTBEAT_MS))]
    heartbeat_ms: u64,
    /// How long a spoke's certificate is good, in seconds; the spoke renews it after half of that
    #[arg(long, value_name = "S", env = "HUB_CERTIFICATE_LIFETIME_S", default_value_t = 24 * 60 * 60,
          value_parser = clap::value_parser!(u32).range(2..=LONGEST_LIFETIME_S))]
    certificate_lifetime_s: u32,
    /// Where to serve metrics for Prometheus, over plain HTTP: for the scraper only [default: nowhere]
    #[arg(long, value_name = "HOST:PORT", env = "HUB_METRICS_LISTEN")]
    metrics_listen: Option<String>,
}

impl Config {
    /// A hub with a private database in a folder, on a free port of this machine.
    #[must_use]
    pub fn private(data: impl Into<PathBuf>, trust_domain: TrustDomain) -> Self {
        let data = data.into();
        Self {
            database: Database::Private(postgres::Config::new(data.join("postgres"))),
            listen: "127.0.0.1:0".to_owned(),
            trust_domain,
            context_file: context_file(&data),
            heartbeat: Duration::from_secs(5),
            certificate_lifetime: SPOKE_LIVES,
            pace: Pace::Steady,
            metrics: None,
            data,
        }
    }
}

impl TryFrom<Serve> for Config {
    type Error = Error;

    fn try_from(arguments: Serve) -> Result<Self, Error> {
        let Serve {
            data,
            database_url,
            ca_dir,
            listen,
            trust_domain,
            context_file: context,
            heartbeat_ms,
            certificate_lifetime_s,
            metrics_listen,
        } = arguments;
        let data = match data {
            Some(data) => data,
            None => default_data()?,
        };
        let database = match (database_url, ca_dir) {
            (Some(url), Some(ca)) => Database::Given { url, ca },
            _ => Database::Private(postgres::Config::new(data.join("postgres"))),
        };
        Ok(Self {
            database,
            listen,
            trust_domain,
            context_file: context.unwrap_or_else(|| context_file(&data)),
            heartbeat: Duration::from_millis(heartbeat_ms),
            certificate_lifetime: SignedDuration::from_secs(certificate_lifetime_s.into()),
            pace: Pace::Steady,
            metrics: metrics_listen,
            data,
        })
    }
}

fn context_file(data: &Path) -> PathBuf {
    data.join("admin.context.json")
}

/// Root's home is closed to the user that PostgreSQL runs as, so root has another default.
fn default_data() -> Result<PathBuf, Error> {
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/meshfleet"));
    }
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let shared = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")));
    shared.map(|folder| folder.join("meshfleet")).ok_or(Error::NoHome)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Arguments {
        #[command(flatten)]
        serve: Serve,
    }

    fn read(arguments: &[&str]) -> Result<Config, String> {
        let all = ["hub"].iter().chain(arguments);
        let parsed = Arguments::try_parse_from(all).map_err(|error| error.to_string())?;
        Config::try_from(parsed.serve).map_err(|error| error.to_string())
    }

    #[test]
    fn a_given_database_needs_an_authority_and_the_other_way_round() {
        assert!(read(&["--database-url", "postgres:///x"]).unwrap_err().contains("--ca-dir"));
        assert!(read(&["--ca-dir", "/ca"]).unwrap_err().contains("--database-url"));
        let config = read(&["--database-url", "postgres:///x", "--ca-dir", "/ca"]).unwrap();
        assert!(matches!(config.database, Database::Given { .. }));
    }

    #[test]
    fn everything_lies_in_the_data_folder() {
        let config = read(&["--data", "/d"]).unwrap();
        assert_eq!(config.context_file, Path::new("/d/admin.context.json"));
        let Database::Private(postgres) = config.database else { panic!("a private database") };
        assert_eq!(postgres.folder, Path::new("/d/postgres"));
    }

    #[test]
    fn a_password_in_a_url_is_never_shown() {
        for url in
            ["mysql://u:sesame@h/x", "u:sesame", "postgres://u:sesame@h:port/x", "postgres://u:sesame@h/x"]
        {
            let config = read(&["--database-url", url, "--ca-dir", "/ca"]).unwrap();
            assert!(!format!("{config:?}").contains("sesame"), "{url}");
            let Database::Given { url: given, .. } = config.database else { panic!("a given database") };
            match given.options() {
                Ok(_) => assert_eq!(url, "postgres://u:sesame@h/x"),
                Err(error) => assert!(!error.to_string().contains("sesame"), "{url}"),
            }
        }
    }

    #[test]
    fn bad_arguments_are_refused() {
        for arguments in [["--heartbeat-ms", "0"], ["--heartbeat-ms", "60000"], ["--trust-domain", "A/b"]] {
            assert!(read(&arguments).is_err(), "{arguments:?}");
        }
    }
}
