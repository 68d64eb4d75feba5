//! `spoke run`: the agent of a cluster.

use std::{io::IsTerminal as _, process::ExitCode};

use clap::Parser as _;
use proto_telemetry::{Exporting, export};
use spoke::config::{Action, Command, Config, LogFormat};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{EnvFilter, Layer as _, filter::FilterExt as _, fmt, registry};

#[expect(clippy::print_stderr, reason = "the last words of a process that may have no log yet")]
fn main() -> ExitCode {
    let Action::Run(config) = Command::parse().action;
    match start(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line with its causes, each once. A person who mistyped a path has no use for a backtrace.
            eprintln!("error: {}", spoke::chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn start(config: Config) -> anyhow::Result<()> {
    // Two providers in one process would leave rustls without a choice.
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a cryptography provider is installed already"))?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(traced(config))
}

async fn traced(config: Config) -> anyhow::Result<()> {
    let exporting = logs(config.log_format);
    let ended = run(config, exporting.clone()).await;
    if let Some(exporting) = exporting {
        exporting.flush().await;
    }
    ended
}

async fn run(config: Config, exporting: Option<Exporting>) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let spoke = tokio::spawn(spoke::run(config, exporting, stop.clone()));
    tokio::pin!(spoke);
    tokio::select! {
        ended = &mut spoke => return Ok(ended??),
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping: writes in flight are finished first");
    stop.cancel();
    Ok(spoke.await??)
}

/// What is logged where the environment does not say. What goes wrong below is logged where it is handled, once.
const LOGGED: &str = "info,kube_client=off,kube_runtime=off,h2=warn,tower=warn";

/// Logs go to stderr, and spans to a collector where the environment names one.
fn logs(format: LogFormat) -> Option<Exporting> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOGGED));
    let filter = filter.and(export::log_only());
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(colour);
    let lines = match format {
        LogFormat::Text => lines.with_filter(filter).boxed(),
        LogFormat::Json => lines.json().with_filter(filter).boxed(),
    };
    export::start(registry(), lines, "meshfleet-spoke")
}
