//! What a killed hub leaves behind: its database stays up for the next hub, and after the demo there is none.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::say;

/// PostgreSQL ends its sessions first; more than this is a hang.
const GRACE: Duration = Duration::from_secs(5);

/// Ends the hub's PostgreSQL if it still runs. Its folder is about to go.
pub fn end_database(folder: &Path) {
    for entry in fs::read_dir(folder.join("hub/postgres")).into_iter().flatten().flatten() {
        let written = fs::read_to_string(entry.path().join("postmaster.pid")).unwrap_or_default();
        let id = written.lines().next().and_then(|line| line.trim().parse().ok()).and_then(Pid::from_raw);
        if let Some(id) = id.filter(|id| runs_in(*id, folder)) {
            say::note("the hub was killed and left its PostgreSQL running: it is ended too");
            end(id);
        }
    }
}

/// Whether the process is what it was: numbers are given again, and nothing of anybody else's is to be ended.
fn runs_in(id: Pid, folder: &Path) -> bool {
    let line = fs::read(format!("/proc/{}/cmdline", id.as_raw_pid())).unwrap_or_default();
    String::from_utf8_lossy(&line).contains(&*folder.to_string_lossy())
}

/// Sessions are cut off: whom they belonged to is gone.
fn end(id: Pid) {
    let deadline = Instant::now() + GRACE;
    // A process that is gone meanwhile is what was asked for.
    let _ = kill_process(id, Signal::INT);
    while test_kill_process(id).is_ok() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
}
