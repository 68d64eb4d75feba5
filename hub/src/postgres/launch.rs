//! Making the data and bringing a server up, or taking over the one that is up.

use std::{
    fs::{self, File},
    io,
    path::Path,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::{
    Durability, Error, USER,
    binaries::Binaries,
    folder::{Folder, PORT, last_lines},
    postmaster::Postmaster,
};

/// How long a start may take: recovery after a crash of the machine reads the log of changes again.
const READY_WITHIN: Duration = Duration::from_secs(120);

/// How long a process that the pid file names may keep silent before it counts as a stranger with a reused id.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// How often the pid file is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A killed postmaster's children hold its memory for some moments, and a start fails until they noticed.
const STARTS: u32 = 5;

/// Everything needed to bring the server up again.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) binaries: Binaries,
    pub(super) folder: Folder,
    pub(super) durability: Durability,
}

/// Makes the data of a new server. They become `data` in one step at the end, so that a hub killed on the way leaves
/// nothing that looks like a database.
pub(super) async fn initialise(
    binaries: &Binaries,
    folder: &Folder,
    durability: Durability,
) -> Result<(), Error> {
    let made = folder.new_data();
    if made.exists() {
        fs::remove_dir_all(&made).map_err(file("remove", &made))?;
    }
    let mut command = command(&binaries.initdb(), folder);
    command.arg("-D").arg(&made).args(["-U", USER, "--encoding=UTF8", "--locale=C", "--data-checksums"]);
    // Trust is for those who can enter the socket's folder, which is the server's user alone.
    command.args(["--auth-local=trust", "--auth-host=reject", "--no-instructions"]);
    if durability == Durability::None {
        command.arg("--no-sync");
    }
    command.kill_on_drop(true);
    let output =
        command.output().await.map_err(|source| Error::Program { program: binaries.initdb(), source })?;
    if !output.status.success() {
        let said = last_lines(&String::from_utf8_lossy(&output.stderr));
        return Err(Error::Initialise { status: output.status, said });
    }
    fs::rename(&made, folder.data()).map_err(file("rename", &made))?;
    File::open(folder.path()).and_then(|parent| parent.sync_all()).map_err(file("flush", folder.path()))
}

impl Launch {
    /// Adopts the server that runs or starts one, and tries again where a former one is still dying.
    pub(super) async fn adopt_or_start_patiently(&self) -> Result<Postmaster, Error> {
        let mut pause = Duration::from_millis(200);
        for _ in 1..STARTS {
            match self.adopt_or_start().await {
                Err(error @ Error::Ended { .. }) => {
                    tracing::debug!(%error, "PostgreSQL did not start, trying again");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                done => return done,
            }
        }
        self.adopt_or_start().await
    }

    /// Adopts the server that runs, or starts one.
    pub(super) async fn adopt_or_start(&self) -> Result<Postmaster, Error> {
        if let Some(running) = self.adopt().await {
            tracing::info!(pid = running.pid().as_raw_pid(), "adopted the PostgreSQL that a former hub left");
            return Ok(running);
        }
        let (child, logged) = self.spawn()?;
        self.ready(child, logged).await
    }

    /// The server that the pid file names, if it answers on our socket.
    async fn adopt(&self) -> Option<Postmaster> {
        let begun = Instant::now();
        loop {
            let file = self.folder.pid_file()?;
            let running = Postmaster::adopted(file.pid);
            if !running.is_alive() {
                return None;
            }
            let answers = running.answers_on(&self.folder.socket_file()).await;
            if file.ready && answers {
                return Some(running);
            }
            let patience = if answers { READY_WITHIN } else { ANSWERS_WITHIN };
            if begun.elapsed() > patience {
                return None;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Starts the process. Returns with it how long the log was before.
    fn spawn(&self) -> Result<(Child, u64), Error> {
        let program = self.binaries.postgres();
        let (log, logged) = self.folder.open_log()?;
        let errors = log.try_clone().map_err(file("open", &self.folder.log()))?;
        let mut command = command(&program, &self.folder);
        command.arg("-D").arg(self.folder.data()).stdout(log).stderr(errors);
        for setting in self.settings() {
            command.arg("-c").arg(setting);
        }
        let child = command.spawn().map_err(|source| Error::Program { program, source })?;
        Ok((child, logged))
    }

    /// On the command line, so that nothing in the data folder, and nothing in the environment, says otherwise.
    fn settings(&self) -> Vec<String> {
        let mut settings = vec![
            "listen_addresses=".to_owned(),
            format!("port={PORT}"),
            format!("unix_socket_directories={}", quoted_for_list(&self.folder.socket())),
            "unix_socket_permissions=0700".to_owned(),
            "logging_collector=off".to_owned(),
            "log_destination=stderr".to_owned(),
            "max_connections=100".to_owned(),
        ];
        settings.extend(self.durability.settings().map(str::to_owned));
        settings
    }

    /// Waits until the pid file names our child, and says ready. A stale file names another.
    async fn ready(&self, child: Child, logged: u64) -> Result<Postmaster, Error> {
        let begun = Instant::now();
        let pid = child.id();
        let mut starting = Starting(Some(child));
        loop {
            if let Some(status) = starting.try_wait().map_err(file("wait for", &self.binaries.postgres()))? {
                return Err(Error::Ended {
                    status,
                    log: self.folder.log(),
                    said: self.folder.last_words(logged),
                });
            }
            let named = self.folder.pid_file().filter(|file| file.ready).map(|file| file.pid);
            if let Some(named) = named
                && u32::try_from(named.as_raw_pid()).ok() == pid
            {
                return starting.done(named).ok_or_else(|| self.not_ready());
            }
            if begun.elapsed() > READY_WITHIN {
                return Err(self.not_ready());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn not_ready(&self) -> Error {
        Error::NotReady { seconds: READY_WITHIN.as_secs(), log: self.folder.log() }
    }
}

/// A server on its way up. If nobody waits for it any more, as when a start is interrupted, it is asked to end.
struct Starting(Option<Child>);

impl Starting {
    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.as_mut().map_or(Ok(None), Child::try_wait)
    }

    fn done(mut self, pid: Pid) -> Option<Postmaster> {
        self.0.take().map(|child| Postmaster::started(child, pid))
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        let pid = self
            .0
            .as_ref()
            .and_then(Child::id)
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // Gone already is as good.
            let _ = kill_process(pid, Signal::INT);
        }
    }
}

/// A program of PostgreSQL, as the server's user, in a process group of its own: Ctrl-C on a terminal must not end the
/// database before the hub has finished with it.
fn command(program: &Path, folder: &Folder) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder.path()).stdin(Stdio::null()).process_group(0).env("LC_ALL", "C");
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PG") {
            command.env_remove(name);
        }
    }
    if let Some(account) = folder.account {
        command.gid(account.gid).uid(account.uid);
    }
    command
}

/// A path as an element of a list setting, where commas and spaces would divide it.
fn quoted_for_list(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('"', "\"\""))
}

fn file(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { act, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_a_list_setting_is_quoted() {
        assert_eq!(quoted_for_list(Path::new("/tmp/a, b")), "\"/tmp/a, b\"");
        assert_eq!(quoted_for_list(Path::new("/tmp/\"x")), "\"/tmp/\"\"x\"");
    }
}
