//! The server's main process: one that we started, or one that a former hub left.

use std::{path::Path, time::Duration};

use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process, test_kill_process},
};
use tokio::{net::UnixStream, process::Child};

/// How often an adopted process is looked at: it is not our child, so nobody tells us its end.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How long a fast shutdown may take before an immediate one is asked for; that one costs a recovery, and no data.
const STOPS_WITHIN: Duration = Duration::from_secs(30);

/// A running postmaster.
#[derive(Debug)]
pub(super) struct Postmaster {
    pid: Pid,
    /// None if it was adopted.
    child: Option<Child>,
}

impl Postmaster {
    pub(super) fn started(child: Child, pid: Pid) -> Self {
        Self { pid, child: Some(child) }
    }

    pub(super) fn adopted(pid: Pid) -> Self {
        Self { pid, child: None }
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    pub(super) fn is_alive(&self) -> bool {
        matches!(test_kill_process(self.pid), Ok(()) | Err(Errno::PERM))
    }

    /// Whether this very process listens on a socket: a reused process id does not.
    pub(super) async fn answers_on(&self, socket: &Path) -> bool {
        let Ok(stream) = UnixStream::connect(socket).await else { return false };
        let listener = stream.peer_cred().ok().and_then(|credentials| credentials.pid());
        // Where the system does not tell the process, the folder's mode has to do.
        listener.is_none_or(|pid| pid == self.pid.as_raw_pid())
    }

    /// Waits until it ended, and says how.
    pub(super) async fn ended(&mut self) -> String {
        if let Some(child) = &mut self.child {
            return child.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string());
        }
        while self.is_alive() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        "an end that nobody saw".to_owned()
    }

    /// Stops it: a fast shutdown, then, if that takes too long, an immediate one.
    pub(super) async fn stop(mut self) {
        for signal in [Signal::INT, Signal::QUIT] {
            // Gone already is as good.
            let _ = kill_process(self.pid, signal);
            if tokio::time::timeout(STOPS_WITHIN, self.ended()).await.is_ok() {
                return;
            }
        }
        tracing::error!(pid = self.pid.as_raw_pid(), "PostgreSQL does not stop");
    }
}
