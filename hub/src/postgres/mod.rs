//! The hub's own private PostgreSQL: a real server over the system's binaries, so that one command runs the hub.
//!
//! It listens on a Unix socket in a folder that only its user enters, and on nothing else. It outlives a hub that was
//! killed, and the next hub adopts it; killed under a living hub, it is started again.
//!
//! This module starts and stops a process. It knows no table and no query.
//!
//! # Design notes
//! A parent-death signal is not used: it fires when the *thread* that started the child ends, and a runtime's threads
//! come and go. Adopting what is still there does the same work and also survives a hub that was killed.

mod account;
mod binaries;
mod folder;
mod launch;
mod postmaster;
mod supervisor;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use rustix::process::{Pid, Signal};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use folder::Folder;

/// Oldest major version that the schema is written for.
pub const OLDEST_MAJOR: u32 = 15;

/// The one database role and the database that the hub uses.
const USER: &str = "hub";
const DATABASE: &str = "postgres";

/// How to run the private server.
#[derive(Debug, Clone)]
pub struct Config {
    /// Everything of the server lies below it: its data, its socket, its log.
    pub folder: PathBuf,
    /// The folder of `postgres` and `initdb`; none means to look where systems put them.
    pub binaries: Option<PathBuf>,
    /// What a crash of the machine may cost.
    pub durability: Durability,
}

impl Config {
    /// The server of a folder, with the binaries that `HUB_PG_BIN` names, if it names some.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let binaries = std::env::var_os("HUB_PG_BIN").filter(|path| !path.is_empty()).map(PathBuf::from);
        Self { folder: folder.into(), binaries, durability: Durability::Full }
    }
}

/// What a crash of the machine may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing that was committed.
    Full,
    /// Everything: nothing is flushed. What was committed still survives a killed server. For databases that tests throw
    /// away; the hub never asks for it.
    None,
}

impl Durability {
    /// Commits are always written before they are confirmed, if only to the system's memory.
    fn settings(self) -> [&'static str; 3] {
        match self {
            Self::Full => ["synchronous_commit=on", "fsync=on", "full_page_writes=on"],
            Self::None => ["synchronous_commit=on", "fsync=off", "full_page_writes=off"],
        }
    }
}

/// Whether the server can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It runs and accepts connections.
    Ready {
        /// Process id of its postmaster.
        pid: i32,
    },
    /// It ended by itself and is being started again.
    Gone,
    /// It was stopped.
    Stopped,
}

/// A private server that could not be made to run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No binaries.
    #[error(
        "no PostgreSQL server found in {looked}: install the server package of PostgreSQL {OLDEST_MAJOR} or newer, or \
         name the folder of `postgres` and `initdb` in HUB_PG_BIN"
    )]
    NotFound {
        /// Where it was looked for.
        looked: String,
    },
    /// Only binaries that are too old.
    #[error("PostgreSQL {major} in {folder} is too old: {OLDEST_MAJOR} or newer is needed")]
    TooOld {
        /// What was found.
        major: u32,
        /// Where.
        folder: PathBuf,
    },
    /// The data is of another major version than every server found.
    #[error(
        "the data in {data} is of PostgreSQL {wanted}, and the servers found are {found}: install PostgreSQL {wanted} \
         again or upgrade the data with pg_upgrade"
    )]
    OtherMajor {
        /// The data folder.
        data: PathBuf,
        /// Its version.
        wanted: u32,
        /// What was found.
        found: String,
    },
    /// The socket's path is longer than the system takes.
    #[error(
        "the socket {socket} has a path of {length} bytes, and the system takes {}: choose a shorter data folder",
        folder::SOCKET_PATH_LIMIT
    )]
    SocketPath {
        /// The path.
        socket: PathBuf,
        /// Its length.
        length: usize,
    },
    /// Running as root, and no user to run the server as.
    #[error(
        "PostgreSQL does not run as root, and this system has no user `postgres`: install PostgreSQL's server package, \
         or run the hub as an ordinary user"
    )]
    NoAccount,
    /// Running as root, and the server's user cannot reach the data.
    #[error(
        "the user of PostgreSQL (uid {uid}) cannot enter {folder}: choose a data folder that others can reach, such as \
         one below /var/lib, or allow it with chmod o+x"
    )]
    Unreachable {
        /// The first folder that it cannot enter.
        folder: PathBuf,
        /// The user.
        uid: u32,
    },
    /// Another hub uses the folder.
    #[error("another hub runs on {folder}: stop it, or choose another data folder")]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// A file could not be read or written.
    #[error("cannot {act} {path}")]
    File {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A program could not be run.
    #[error("cannot run {program}")]
    Program {
        /// Which.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// `initdb` failed.
    #[error("initdb failed with {status}: {said}")]
    Initialise {
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        said: String,
    },
    /// The server ended while it started.
    #[error("PostgreSQL ended while it started, with {status}; its last words in {log}: {said}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        said: String,
    },
    /// The server did not become ready.
    #[error("PostgreSQL was not ready after {seconds} s: see {log}")]
    NotReady {
        /// How long it was awaited.
        seconds: u64,
        /// Its log.
        log: PathBuf,
    },
}

/// A running private server. It is supervised until [`Server::stop`].
#[derive(Debug)]
pub struct Server {
    folder: Folder,
    state: watch::Receiver<State>,
    stop: CancellationToken,
    supervisor: JoinSet<()>,
    /// Held as long as this process uses the folder; the system drops it with the process.
    _lock: File,
}

impl Server {
    /// Starts the server of a folder, makes its data first if there are none, or adopts the one that still runs there.
    pub async fn start(config: &Config) -> Result<Self, Error> {
        let folder = Folder::prepare(&config.folder)?;
        let lock = folder.lock()?;
        let binaries = binaries::find(config.binaries.as_deref(), folder.major()?, &folder.data()).await?;
        if folder.major()?.is_none() {
            launch::initialise(&binaries, &folder, config.durability).await?;
        }
        let launch = launch::Launch { binaries, folder: folder.clone(), durability: config.durability };
        let postmaster = launch.adopt_or_start_patiently().await?;
        let (seen, state) = watch::channel(State::Ready { pid: postmaster.pid().as_raw_pid() });
        let stop = CancellationToken::new();
        let mut supervisor = JoinSet::new();
        supervisor.spawn(supervisor::supervise(launch, postmaster, seen, stop.clone()));
        Ok(Self { folder, state, stop, supervisor, _lock: lock })
    }

    /// How to connect.
    #[must_use]
    pub fn connect_options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(self.folder.socket())
            .port(folder::PORT)
            .username(USER)
            .database(DATABASE)
            .ssl_mode(PgSslMode::Disable)
    }

    /// How to connect, for `psql` and other programs of the same user.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres:///{DATABASE}?host={}&user={USER}", percent_encoded(&self.folder.socket()))
    }

    /// Whether it can be used, as it changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Stops the server: sessions are ended, what was committed is on the disk.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.supervisor.join_next().await.is_some() {}
    }
}

impl Drop for Server {
    /// Asks a server that was not stopped to end, without waiting: a test that failed leaves no process behind. A hub
    /// that was killed does not come here, and its server stays for the next one.
    fn drop(&mut self) {
        if self.stop.is_cancelled() {
            return;
        }
        self.stop.cancel();
        if let State::Ready { pid } = *self.state.borrow()
            && let Some(pid) = Pid::from_raw(pid)
        {
            // Gone already is as good.
            let _ = rustix::process::kill_process(pid, Signal::INT);
        }
    }
}

fn percent_encoded(path: &Path) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    bytes
        .map(|byte| if unreserved(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_spaces_survives_in_the_url() {
        assert_eq!(percent_encoded(Path::new("/tmp/a b/é")), "/tmp/a%20b/%C3%A9");
    }
}
