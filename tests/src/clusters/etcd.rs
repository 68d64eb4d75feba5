//! One etcd, the store of many control planes.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::binaries::{self, Binaries};
use super::process::Process;
use super::wait::until;

const READY_WITHIN: Duration = Duration::from_secs(30);

/// A running etcd. Dropping it kills it; drop its control planes first, or
/// their logs fill with complaints.
#[derive(Debug)]
pub struct Etcd {
    binaries: Binaries,
    directory: PathBuf,
    client_port: u16,
    process: Process,
}

impl Etcd {
    /// Starts etcd with its data and log in `directory`, and waits until it serves.
    pub async fn start(directory: &Path) -> Result<Self> {
        let binaries = tokio::task::spawn_blocking(binaries::find).await.context("looking for etcd")??;
        fs::create_dir_all(directory).context("creating the clusters' folder")?;
        let client_port = free_port()?;
        let arguments = arguments(directory, client_port, free_port()?);
        let log = directory.join("etcd.log");
        let mut process = Process::spawn("etcd", &binaries.etcd, &arguments, &log)?;
        process.until_ready(until("etcd to be healthy", READY_WITHIN, || healthy(client_port))).await?;
        Ok(Self { binaries, directory: directory.to_path_buf(), client_port, process })
    }

    /// Stops etcd and waits until it has ended.
    pub async fn stop(self) -> Result<()> {
        self.process.stop().await
    }

    /// Whether etcd and the API servers were given, and so are not our own build.
    pub fn has_given_binaries(&self) -> bool {
        self.binaries.given()
    }

    pub(super) fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.client_port)
    }
}

/// A port that nobody has right now. The kernel hands them out in turn, so it
/// stays free for the moment until a server takes it.
pub(super) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("looking for a free port")?;
    Ok(listener.local_addr().context("reading the free port")?.port())
}

fn arguments(directory: &Path, client_port: u16, peer_port: u16) -> Vec<String> {
    let (client, peer) = (format!("http://127.0.0.1:{client_port}"), format!("http://127.0.0.1:{peer_port}"));
    vec![
        format!("--data-dir={}", directory.join("etcd").display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        "--log-level=warn".to_owned(),
        // The data lives no longer than the test.
        "--unsafe-no-fsync".to_owned(),
    ]
}

/// Asks `/health` by hand: one plain request does not merit an HTTP client.
async fn healthy(port: u16) -> Result<Option<()>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.context("connecting to etcd")?;
    stream.write_all(b"GET /health HTTP/1.0\r\n\r\n").await.context("asking etcd for its health")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.context("reading etcd's health")?;
    Ok(answer.contains(r#""health":"true""#).then_some(()))
}
