//! `cargo demo`: the main job on real parts, on one machine, with nothing to set up.
//!
//! A hub with its private Postgres, five control planes dressed as four providers, a real spoke in each, and one mesh that
//! comes to be differently on each platform; beside it the article's mesh on an OpenShift of its time. Everything that is
//! claimed is read back from the API servers; a claim that does not hold ends the demo with exit code 1.

mod command;
mod documents;
mod left;
mod proof;
mod say;
mod stage;
mod story;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Parser;
use stage::Stage;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Shows the main job of meshfleet on real parts: hub, Postgres, five API servers, five spokes.
#[derive(Debug, Parser)]
#[command(name = "cargo demo --", bin_name = "cargo demo --")]
struct Arguments {
    /// End when everything was shown and checked, instead of staying up to be tried.
    #[arg(long)]
    once: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // The demo speaks TLS to its API servers; there is one provider, and this is the only place that chooses it.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        say::problem("a TLS provider was installed before the demo began");
        return ExitCode::FAILURE;
    }
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::problem(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<()> {
    let mut interrupts = Interrupts::listen()?;
    let shown = shown_folder()?;
    let folder = working_folder()?;
    let result = tell(arguments, folder.path(), &shown, &mut interrupts).await;
    left::end_database(folder.path());
    if result.is_err() {
        keep_logs(folder.path(), &shown);
    }
    result
}

/// What ends a program from outside: Ctrl-C, a terminal that is closed, a shutdown.
struct Interrupts([Signal; 3]);

impl Interrupts {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        let kinds = [SignalKind::interrupt(), SignalKind::hangup(), SignalKind::terminate()];
        let [interrupt, hangup, terminate] = kinds.map(listen);
        Ok(Self([interrupt?, hangup?, terminate?]))
    }

    async fn next(&mut self) {
        let [interrupt, hangup, terminate] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

async fn tell(arguments: &Arguments, folder: &Path, shown: &Path, interrupts: &mut Interrupts) -> Result<()> {
    say::title(
        "meshfleet: one mesh for GKE, EKS, AKS and ROSA, rolled out in waves, each as its platform needs it",
    );
    let mut stage = tokio::select! {
        stage = Stage::set_up(folder, shown) => stage?,
        () = interrupts.next() => bail!("interrupted before everything was up"),
    };
    let told = tokio::select! {
        told = story::tell(&mut stage) => told,
        () = interrupts.next() => Err(anyhow!("interrupted before everything was shown and checked")),
    };
    if told.is_ok() {
        say::conclusion("Every claim above was read back from the API servers and holds.");
    }
    if told.is_ok() && !arguments.once {
        say::what_to_try(shown);
        interrupts.next().await;
        say::note("ending hub, spokes and API servers");
    }
    let cleared = stage.clear().await;
    told.and(cleared)
}

/// What a person may look at: the context of the command line, kubeconfigs, documents and logs.
fn shown_folder() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find the demo's own program")?;
    let target = own.ancestors().nth(2).context("the demo lies in target/PROFILE")?.join("demo");
    if target.exists() {
        std::fs::remove_dir_all(&target).with_context(|| format!("cannot empty {}", target.display()))?;
    }
    std::fs::create_dir_all(&target).with_context(|| format!("cannot make {}", target.display()))?;
    Ok(target)
}

/// Databases live here and go with the demo. A folder of its own, because the path of a Unix socket is short, and
/// because Postgres, which never runs as root, must be able to reach it.
fn working_folder() -> Result<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt;
    let folder =
        tempfile::Builder::new().prefix("meshfleet-demo-").tempdir().context("cannot make a folder")?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711))?;
    Ok(folder)
}

/// Copies the logs to where a person finds them after a failure.
fn keep_logs(folder: &Path, shown: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|ending| ending == "log") {
            let kept = shown.join(entry.file_name());
            if std::fs::copy(entry.path(), &kept).is_ok() {
                say::note(&format!("log: {}", kept.display()));
            }
        }
    }
}
