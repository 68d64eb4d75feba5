//! What lies in the server's folder: `data`, `socket`, `log` and `lock`, and what its pid file says.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::{fs::FlockOperation, process::Pid};

use super::{Error, account::Account};

/// Part of the socket's file name; no port is opened.
pub(super) const PORT: u16 = 5432;

/// `sockaddr_un` holds 108 bytes with the closing zero; some systems hold fewer and say so themselves.
pub(super) const SOCKET_PATH_LIMIT: usize = 107;

/// The log is begun anew at a start once it is larger than this, and one old log is kept.
const LOG_LIMIT_BYTES: u64 = 16 * 1024 * 1024;

/// How much of the log an error quotes.
const QUOTED_LINES: usize = 6;

/// The server's folder.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    path: PathBuf,
    /// Whom the server runs as; none means as this process.
    pub(super) account: Option<Account>,
}

/// What `postmaster.pid` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PidFile {
    pub(super) pid: Pid,
    pub(super) ready: bool,
}

impl Folder {
    /// Makes the folder where it is absent, for the user that the server will run as.
    pub(super) fn prepare(path: &Path) -> Result<Self, Error> {
        let failed = |act| move |source| Error::File { act, path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o711).create(path).map_err(failed("make the folder"))?;
        let path = path.canonicalize().map_err(failed("find"))?;
        let folder = Self { account: Account::to_become(&path.join("data"))?, path };
        folder.check_socket_path()?;
        if let Some(account) = folder.account
            && let Some(stop) = account.stopped_at(&folder.path)
        {
            return Err(Error::Unreachable { folder: stop, uid: account.uid });
        }
        folder.own(&folder.path)?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder.socket())
            .map_err(|source| Error::File { act: "make the folder", path: folder.socket(), source })?;
        folder.own(&folder.socket())?;
        Ok(folder)
    }

    /// Closes a folder to all but the server's user, and gives it to him.
    fn own(&self, path: &Path) -> Result<(), Error> {
        let failed = |act| move |source| Error::File { act, path: path.to_owned(), source };
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(failed("set the mode of"))?;
        let Some(account) = self.account else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(account.uid), Some(account.gid)).map_err(failed("give away"))
    }

    fn check_socket_path(&self) -> Result<(), Error> {
        let socket = self.socket_file();
        let length = socket.as_os_str().len();
        if length > SOCKET_PATH_LIMIT { Err(Error::SocketPath { socket, length }) } else { Ok(()) }
    }

    /// Keeps other hubs out until the file is dropped, or the process ends in whatever way.
    pub(super) fn lock(&self) -> Result<File, Error> {
        let path = self.path.join("lock");
        let open = OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(&path);
        let file = open.map_err(|source| Error::File { act: "open", path: path.clone(), source })?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Locked { folder: self.path.clone() }),
            Err(error) => Err(Error::File { act: "lock", path, source: error.into() }),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Where new data are made, before they become `data` in one step.
    pub(super) fn new_data(&self) -> PathBuf {
        self.path.join("data.new")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.path.join("socket")
    }

    pub(super) fn socket_file(&self) -> PathBuf {
        self.socket().join(format!(".s.PGSQL.{PORT}"))
    }

    pub(super) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// Major version of the data; none if there are no data.
    pub(super) fn major(&self) -> Result<Option<u32>, Error> {
        let path = self.data().join("PG_VERSION");
        let failed = |source| Error::File { act: "read", path: path.clone(), source };
        match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map(Some).map_err(|error| failed(io::Error::other(error))),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.data().exists() => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// What the server, or a former one, says of itself.
    pub(super) fn pid_file(&self) -> Option<PidFile> {
        PidFile::parse(&fs::read_to_string(self.data().join("postmaster.pid")).ok()?)
    }

    /// The log, to be appended to, and how long it is so far.
    pub(super) fn open_log(&self) -> Result<(File, u64), Error> {
        let path = self.log();
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() > LOG_LIMIT_BYTES) {
            fs::rename(&path, self.path.join("log.1")).map_err(|source| Error::File {
                act: "rename",
                path: path.clone(),
                source,
            })?;
        }
        let open = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let file = open.map_err(|source| Error::File { act: "open", path, source })?;
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        Ok((file, length))
    }

    /// The last lines that the log got since it had a length, in one line.
    pub(super) fn last_words(&self, since: u64) -> String {
        let text = fs::read(self.log()).unwrap_or_default();
        let new = usize::try_from(since).ok().and_then(|since| text.get(since..)).unwrap_or_default();
        last_lines(&String::from_utf8_lossy(new))
    }
}

/// The last lines of a text, in one line.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(QUOTED_LINES)..].join(" | ")
}

impl PidFile {
    /// Line 1 is the process id, line 8 the status. A file that is just being written gives none.
    fn parse(text: &str) -> Option<Self> {
        let pid = Pid::from_raw(text.lines().next()?.trim().parse().ok()?)?;
        let ready = text.lines().nth(7).is_some_and(|status| status.trim() == "ready");
        Some(Self { pid, ready })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pid_file_tells_process_and_readiness() {
        let file = |status| format!("42\n/data\n1700000000\n5432\n/socket\n\n  77  1\n{status}\n");
        let pid = Pid::from_raw(42).unwrap();
        assert_eq!(PidFile::parse(&file("ready   ")), Some(PidFile { pid, ready: true }));
        assert_eq!(PidFile::parse(&file("starting")), Some(PidFile { pid, ready: false }));
        assert_eq!(PidFile::parse("42\n"), Some(PidFile { pid, ready: false }));
        assert_eq!(PidFile::parse(""), None);
    }

    #[test]
    fn a_socket_path_that_is_too_long_is_refused_before_anything_is_made() {
        let folder = Folder { path: PathBuf::from(format!("/tmp/{}", "x".repeat(100))), account: None };
        assert!(matches!(folder.check_socket_path(), Err(Error::SocketPath { length, .. }) if length > 107));
    }

    #[test]
    fn an_error_quotes_the_last_lines_only() {
        let text = (1..=9).map(|number| format!("line {number}\n")).collect::<String>();
        assert_eq!(last_lines(&text), "line 4 | line 5 | line 6 | line 7 | line 8 | line 9");
    }
}
