//! A server that runs as a child of this process and does not outlive it.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdin};

use super::binaries::Program;

/// An API server ends its open requests first; more than this is a hang.
const GRACE: Duration = Duration::from_secs(20);

const LINES_OF_LOG_TOLD: usize = 20;

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Process {
    name: &'static str,
    child: Child,
    /// Held only to be closed: our own program ends when its standard input
    /// does, which also happens when this process is killed.
    stdin: Option<ChildStdin>,
    log: PathBuf,
}

impl Process {
    /// Starts the program with its output going to the end of `log`.
    ///
    /// It gets a process group of its own: Ctrl-C at the terminal is for the
    /// test, which then stops its servers itself.
    pub(super) fn spawn(
        name: &'static str,
        program: &Program,
        arguments: &[String],
        log: &Path,
    ) -> Result<Self> {
        let output =
            OpenOptions::new().create(true).append(true).open(log).context("opening a server's log")?;
        let mut child = program
            .command()
            .args(arguments)
            .env("CONTROLPLANE_EXIT_ON_STDIN_CLOSE", "1")
            .stdin(Stdio::piped())
            .stdout(output.try_clone().context("sharing a server's log")?)
            .stderr(output)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let stdin = child.stdin.take();
        Ok(Self { name, child, stdin, log: log.to_path_buf() })
    }

    /// Waits for `ready`, but no longer than the server lives: one that ends by
    /// itself is an error that shows the end of its log.
    pub(super) async fn until_ready(&mut self, ready: impl Future<Output = Result<()>>) -> Result<()> {
        let status = tokio::select! {
            outcome = ready => return outcome,
            status = self.child.wait() => status.with_context(|| format!("looking after {}", self.name))?,
        };
        bail!("{} ended with {status}:\n{}", self.name, self.end_of_log())
    }

    /// Asks the server to end and waits until it has, so that its port is free.
    pub(super) async fn stop(mut self) -> Result<()> {
        if let Some(id) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            kill_process(id, Signal::TERM).with_context(|| format!("stopping {}", self.name))?;
        }
        if tokio::time::timeout(GRACE, self.child.wait()).await.is_err() {
            return self.kill().await;
        }
        Ok(())
    }

    /// Ends the server without warning, as a lost machine would.
    pub(super) async fn kill(mut self) -> Result<()> {
        self.child.kill().await.with_context(|| format!("killing {}", self.name))?;
        drop(self.stdin.take());
        Ok(())
    }

    fn end_of_log(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES_OF_LOG_TOLD)..].join("\n")
    }
}
