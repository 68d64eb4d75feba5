//! The real programs: built once by a test run, found beside the test's own binary.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context, Result, bail};

/// Where `hub`, `spoke` and `meshfleet` lie.
#[derive(Debug, Clone)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Builds the workspace's programs, once in a process, and finds them. Cargo hands tests of one package no programs
    /// of another, hence this call; it does nothing where all is current.
    pub fn build() -> Result<Self> {
        static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        let built = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
        match built {
            Ok(folder) => Ok(Self { folder: folder.clone() }),
            Err(error) => bail!("{error}"),
        }
    }

    /// The hub.
    #[must_use]
    pub fn hub(&self) -> PathBuf {
        self.folder.join("hub")
    }

    /// The spoke.
    #[must_use]
    pub fn spoke(&self) -> PathBuf {
        self.folder.join("spoke")
    }

    /// The command line.
    #[must_use]
    pub fn meshfleet(&self) -> PathBuf {
        self.folder.join("meshfleet")
    }
}

/// How the names begin by which cargo tells of a package.
const OF_A_PACKAGE: [&str; 2] = ["CARGO_MANIFEST_", "CARGO_PKG_"];

fn build() -> Result<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("tests/ lies in the workspace")?;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace).args(["build", "--quiet", "--workspace", "--bins"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    // Cargo tells a program that it runs of its package. Build scripts look at the same names, so handed on to another
    // cargo they make it build again what is current.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| OF_A_PACKAGE.iter().any(|begin| name.starts_with(begin))) {
            command.env_remove(name);
        }
    }
    let status = command.status().context("cannot run cargo to build hub, spoke and meshfleet")?;
    if !status.success() {
        bail!("cargo build --workspace --bins failed: {status}");
    }
    // This program lies in target/PROFILE or in target/PROFILE/deps.
    let own = std::env::current_exe().context("cannot find the running program")?;
    let folder = own.ancestors().skip(1).find(|folder| folder.join("hub").is_file());
    folder.map(Path::to_owned).with_context(|| format!("no program `hub` beside {}", own.display()))
}
