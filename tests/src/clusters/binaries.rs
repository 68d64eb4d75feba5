//! Finds etcd and kube-apiserver, or builds them once.
//!
//! In this order, and it says which was taken: the folder named by
//! `KUBEBUILDER_ASSETS` (the envtest convention), `PATH`, and last the project's
//! own Go module `tests/clusters`, built into a cache keyed by its content.
//! Test processes run in parallel, so the build is behind a file lock.
//!
//! A provider's API server that puts its own mark behind the version is the same
//! program, linked a second time: seconds, once all is compiled.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};

use super::say;

/// The Kubernetes release that the Go module links; go.mod names the same one.
const KUBERNETES: &str = "v1.36.3";

/// The Go module, carried inside so that a test binary can build it anywhere.
const MODULE: [(&str, &[u8]); 3] = [
    ("go.mod", include_bytes!("../../clusters/go.mod")),
    ("go.sum", include_bytes!("../../clusters/go.sum")),
    ("main.go", include_bytes!("../../clusters/main.go")),
];

const PROGRESS_EVERY: Duration = Duration::from_secs(10);

const WAYS_OUT: &str = "no control plane to test on, and no Go to build one. Three ways out:
  1. set KUBEBUILDER_ASSETS to a folder with etcd and kube-apiserver (`setup-envtest use` makes one);
  2. put etcd and kube-apiserver on PATH;
  3. install Go 1.26 or later: the first run then builds tests/clusters (about 5 minutes, once)";

/// A program that acts as one component.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    /// The first argument, for our own program that is all components in one.
    component: Option<&'static str>,
}

impl Program {
    /// A command that runs the component.
    pub fn command(&self) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.path);
        command.args(self.component);
        command
    }
}

/// The components of a control plane.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The store.
    pub etcd: Program,
    /// The API server.
    pub api_server: Program,
}

impl Binaries {
    /// Whether they come from `KUBEBUILDER_ASSETS` or `PATH`.
    pub fn given(&self) -> bool {
        self.api_server.component.is_none()
    }

    /// An API server whose `/version` ends in `suffix`; none where the binaries
    /// were given, since those say what they say. Blocks, if it must link.
    pub fn api_server_with_suffix(&self, suffix: &'static str) -> Result<Option<Program>> {
        if self.given() {
            say(&format!(
                "given binaries cannot call themselves {KUBERNETES}{suffix}: nodes and definitions alone show the provider"
            ));
            return Ok(None);
        }
        let path = built(suffix)?;
        Ok(Some(Program { path, component: self.api_server.component }))
    }
}

/// Finds or builds the components. Blocks, for minutes if it must build.
pub fn find() -> Result<Binaries> {
    if let Some(folder) = env::var_os("KUBEBUILDER_ASSETS") {
        let found = in_folder(Path::new(&folder))
            .context("KUBEBUILDER_ASSETS is set, but etcd or kube-apiserver is not in that folder")?;
        say(&format!("using KUBEBUILDER_ASSETS={}", folder.display()));
        return Ok(found);
    }
    if let (Some(etcd), Some(api_server)) = (on_path("etcd"), on_path("kube-apiserver")) {
        say(&format!("using {} and {} from PATH", etcd.display(), api_server.display()));
        return Ok(separate(etcd, api_server));
    }
    let program = built("")?;
    Ok(Binaries {
        etcd: Program { path: program.clone(), component: Some("etcd") },
        api_server: Program { path: program, component: Some("kube-apiserver") },
    })
}

fn in_folder(folder: &Path) -> Option<Binaries> {
    let (etcd, api_server) = (folder.join("etcd"), folder.join("kube-apiserver"));
    (etcd.is_file() && api_server.is_file()).then(|| separate(etcd, api_server))
}

fn separate(etcd: PathBuf, api_server: PathBuf) -> Binaries {
    Binaries {
        etcd: Program { path: etcd, component: None },
        api_server: Program { path: api_server, component: None },
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|candidate| candidate.is_file())
}

/// The program of the Go module, out of the cache or built now, with a suffix to its version.
fn built(suffix: &'static str) -> Result<PathBuf> {
    let folder = cache()?.join(key());
    let program = folder.join(format!("controlplane{suffix}"));
    if program.is_file() {
        return Ok(program);
    }
    let go = on_path("go").context(WAYS_OUT)?;
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let lock = File::create(folder.join("lock")).context("creating the build's lock file")?;
    say("waiting for the lock of the control plane's build");
    flock(&lock, FlockOperation::LockExclusive).context("locking the build")?;
    // Another process may have built it while this one waited.
    if !program.is_file() {
        build(&go, &folder, &program, suffix)?;
    }
    Ok(program)
}

fn cache() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?)
            .join(".cache"),
    };
    Ok(base.join("meshfleet/clusters"))
}

fn key() -> String {
    let mut hash = Sha256::new();
    for (name, content) in MODULE {
        hash.update(name);
        hash.update(content);
    }
    hash.update(stamp(""));
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Linker flags that make `/version` tell the release, as a release build does.
fn stamp(suffix: &str) -> String {
    let package = "k8s.io/component-base/version";
    format!(
        "-s -w -X {package}.gitVersion={KUBERNETES}{suffix} -X {package}.gitMajor=1 -X {package}.gitMinor=36"
    )
}

fn build(go: &Path, folder: &Path, program: &Path, suffix: &str) -> Result<()> {
    let source = folder.join("source");
    fs::create_dir_all(&source).context("creating the build's folder")?;
    for (name, content) in MODULE {
        fs::write(source.join(name), content).context("writing the Go module out")?;
    }
    let unfinished = folder.join("controlplane.unfinished");
    say(&format!(
        "building etcd and kube-apiserver {KUBERNETES}{suffix} once; a cold build takes about 5 minutes"
    ));
    let errors = compile(go, &source, &unfinished, &stamp(suffix))?;
    ensure!(unfinished.is_file(), "building tests/clusters failed:\n{errors}");
    fs::rename(&unfinished, program).context("moving the built program into the cache")
}

/// Runs the compiler and tells how long it has been running. Returns what it complained about.
fn compile(go: &Path, source: &Path, output: &Path, stamp: &str) -> Result<String> {
    let messages = source.join("messages");
    let mut compiler = Command::new(go)
        .args(["build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", stamp, "-o"])
        .args([output.as_os_str(), OsStr::new(".")])
        .current_dir(source)
        .env("GOWORK", "off")
        .stdin(Stdio::null())
        .stderr(File::create(&messages).context("creating the build's log")?)
        .spawn()
        .context("starting go build")?;
    let started = Instant::now();
    let mut told = started;
    let status = loop {
        if let Some(status) = compiler.try_wait().context("waiting for go build")? {
            break status;
        }
        if told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            say(&format!("still building, {} s", started.elapsed().as_secs()));
        }
        thread::sleep(Duration::from_millis(200));
    };
    let messages = fs::read_to_string(&messages).unwrap_or_default();
    if !status.success() {
        bail!("go build of tests/clusters ended with {status}:\n{messages}");
    }
    say(&format!("built in {} s", started.elapsed().as_secs()));
    Ok(messages)
}
