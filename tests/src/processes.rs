//! Hub, spoke and command line as processes, which tests start, kill and start again.

use std::{
    fs::{File, OpenOptions},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::programs::Programs;

/// How long a program may take to be ready: a first start makes a database.
const READY: Duration = Duration::from_secs(60);

/// A running hub.
pub struct Hub {
    child: Child,
    data: PathBuf,
    address: String,
}

/// How to start a hub.
#[derive(Debug, Clone)]
pub struct HubOptions {
    /// Its data folder.
    pub data: PathBuf,
    /// Where it listens; port 0 takes a free one.
    pub listen: String,
    /// Further environment.
    pub environment: Vec<(String, String)>,
}

impl Hub {
    /// Starts a hub with its private database and waits until it says that it is ready. Its log goes to `hub.log` in
    /// `logs`.
    pub async fn start(programs: &Programs, options: &HubOptions, logs: &Path) -> Result<Self> {
        let mut command = Command::new(programs.hub());
        command
            .args(["serve", "--listen", &options.listen, "--data"])
            .arg(&options.data)
            .envs(options.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(append(&logs.join("hub.log"))?)
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().context("cannot start the hub")?;
        let stdout = child.stdout.take().context("the hub's output is piped")?;
        let ready = timeout(READY, BufReader::new(stdout).lines().next_line()).await;
        match ready.context("the hub was not ready in time")?? {
            Some(line) => {
                let address =
                    line.rsplit("https://").next().context("the hub's first line names no address")?;
                Ok(Self { child, data: options.data.clone(), address: address.trim().to_owned() })
            }
            None => bail!("the hub ended before it was ready: see {}", logs.join("hub.log").display()),
        }
    }

    /// `HOST:PORT`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process; none once it has ended.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// The first operator's context, for the command line.
    #[must_use]
    pub fn context(&self) -> PathBuf {
        self.data.join("admin.context.json")
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait().await?)
    }

    /// Kills it, as `kill -9` does. Its database stays up.
    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Asks it to end and waits until it did, its database included.
    pub async fn stop(mut self) -> Result<()> {
        stop(&mut self.child).await
    }
}

impl Drop for Hub {
    /// A hub that is killed leaves its database running for the next one. Nobody comes after a test: it is asked to end
    /// and given a moment, so that it takes its database along.
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        if terminate(&self.child).is_ok() {
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

/// A running spoke.
pub struct Spoke {
    child: Child,
}

/// How to start a spoke.
#[derive(Debug, Clone)]
pub struct SpokeOptions {
    /// For its log.
    pub name: String,
    /// The hub's `HOST:PORT`.
    pub hub: String,
    /// How it reaches its API server, as its own service account.
    pub kubeconfig: PathBuf,
    /// Needed until it is enrolled.
    pub token: Option<String>,
    /// Further environment.
    pub environment: Vec<(String, String)>,
}

/// A spoke as a Deployment says it.
#[derive(Debug)]
pub struct SpokeStart<'a> {
    /// For its log.
    pub name: &'a str,
    /// What the Deployment says.
    pub arguments: Vec<String>,
    /// Stands for the pod's service account.
    pub kubeconfig: &'a Path,
}

impl Spoke {
    /// Starts a spoke. Its log goes to `spoke-NAME.log` in `logs`.
    pub fn start(programs: &Programs, options: &SpokeOptions, logs: &Path) -> Result<Self> {
        let mut command = Command::new(programs.spoke());
        command
            .args(["run", "--hub", &options.hub, "--kubeconfig"])
            .arg(&options.kubeconfig)
            .envs(options.environment.iter().map(|(name, value)| (name, value)))
            .env_remove("MESHFLEET_TOKEN")
            .stdout(Stdio::null())
            .stderr(append(&logs.join(format!("spoke-{}.log", options.name)))?)
            .process_group(0)
            .kill_on_drop(true);
        if let Some(token) = &options.token {
            command.env("MESHFLEET_TOKEN", token);
        }
        Ok(Self { child: command.spawn().context("cannot start the spoke")? })
    }

    /// Its process; none once it has ended.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Starts a spoke with arguments of its own, as a Deployment says them. Its log goes to `spoke-NAME.log` in `logs`.
    pub fn start_with(programs: &Programs, start: SpokeStart<'_>, logs: &Path) -> Result<Self> {
        let SpokeStart { name, arguments, kubeconfig } = start;
        let mut command = Command::new(programs.spoke());
        command
            .args(arguments)
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .env_remove("MESHFLEET_TOKEN")
            .stdout(Stdio::null())
            .stderr(append(&logs.join(format!("spoke-{name}.log")))?)
            .process_group(0)
            .kill_on_drop(true);
        Ok(Self { child: command.spawn().context("cannot start the spoke")? })
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait().await?)
    }

    /// Kills it, as `kill -9` does.
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Asks it to end and waits until it did.
    pub async fn stop(mut self) -> Result<()> {
        stop(&mut self.child).await
    }
}

/// The command line, with one context.
#[derive(Debug, Clone)]
pub struct CommandLine {
    program: PathBuf,
    context: PathBuf,
    environment: Vec<(String, String)>,
}

/// What a command said.
#[derive(Debug, Clone)]
pub struct Said {
    /// Its exit code.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

impl CommandLine {
    /// The command line for a hub.
    #[must_use]
    pub fn new(programs: &Programs, context: PathBuf) -> Self {
        Self { program: programs.meshfleet(), context, environment: Vec::new() }
    }

    /// The same, with further environment.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut with = self.clone();
        with.environment.push((name.to_owned(), value.to_owned()));
        with
    }

    /// Runs a command.
    pub async fn run(&self, arguments: &[&str]) -> Result<Said> {
        self.fed(arguments, "").await
    }

    /// Runs a command whose output nobody reads, as in `meshfleet plan | true`, and gives its exit code.
    pub async fn unread(&self, arguments: &[&str]) -> Result<Option<i32>> {
        let mut command = Command::new(&self.program);
        command.arg("--context").arg(&self.context).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().context("cannot run meshfleet")?;
        drop(child.stdout.take());
        Ok(child.wait().await?.code())
    }

    /// Runs a command that reads `input`.
    pub async fn fed(&self, arguments: &[&str], input: &str) -> Result<Said> {
        let mut command = Command::new(&self.program);
        command.arg("--context").arg(&self.context).args(arguments).env("NO_COLOR", "1");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("cannot run meshfleet")?;
        let mut stdin = child.stdin.take().context("the input of meshfleet is piped")?;
        let write = async {
            // One that does not read its input has ended, or ends without it.
            let _ = stdin.write_all(input.as_bytes()).await;
            drop(stdin);
        };
        let ((), output) = tokio::join!(write, child.wait_with_output());
        let output = output.context("cannot run meshfleet")?;
        Ok(Said {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs a command that must succeed, and gives what it printed.
    pub async fn done(&self, arguments: &[&str]) -> Result<String> {
        let said = self.run(arguments).await?;
        if said.code != 0 {
            bail!(
                "meshfleet {}: exit code {}\n{}{}",
                arguments.join(" "),
                said.code,
                said.stdout,
                said.stderr
            );
        }
        Ok(said.stdout)
    }

    /// Runs a command that must succeed with `-o json`, and reads what it printed.
    pub async fn json(&self, arguments: &[&str]) -> Result<serde_json::Value> {
        let text = self.done(&[arguments, &["-o", "json"]].concat()).await?;
        serde_json::from_str(&text)
            .with_context(|| format!("no JSON from meshfleet {}: {text}", arguments.join(" ")))
    }
}

fn append(path: &Path) -> Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.with_context(|| format!("cannot write {}", path.display()))
}

async fn stop(child: &mut Child) -> Result<()> {
    terminate(child)?;
    let status = timeout(READY, child.wait()).await.context("it did not end when asked to")??;
    match status.signal() {
        Some(signal) if signal != Signal::TERM.as_raw() => bail!("it ended by signal {signal}"),
        _ => Ok(()),
    }
}

/// Asks a process to end, if it still runs.
fn terminate(child: &Child) -> Result<()> {
    match child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
        Some(id) => kill_process(id, Signal::TERM).context("cannot send SIGTERM"),
        None => Ok(()),
    }
}
