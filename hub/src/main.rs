//! The program `hub`.

use std::io::Write;

use anyhow::Context;
use clap::{Parser, Subcommand};
use hub::{
    config::{Config, DatabaseUrl, Serve},
    serve::{self, serve},
    telemetry::{self, LogFormat},
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Keeps what every cluster's service mesh should be, plans it, delivers it, and tells how it went.
#[derive(Debug, Parser)]
#[command(name = "hub", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the hub
    Serve {
        #[command(flatten)]
        serve: Serve,
        /// How the log on standard error is written
        #[arg(long, value_enum, default_value_t)]
        log_format: LogFormat,
    },
    /// Bring the schema of a database given by URL up to date; a private one needs no such call
    Migrate {
        /// The database
        #[arg(long, value_name = "URL", env = "HUB_DATABASE_URL", hide_env_values = true)]
        database_url: DatabaseUrl,
    },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    runtime.block_on(run(arguments.command))
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve { serve: arguments, log_format } => {
            let exporting = telemetry::start(log_format);
            let ended = run_hub(Config::try_from(arguments)?).await;
            if let Some(exporting) = exporting {
                exporting.flush().await;
            }
            ended
        }
        Command::Migrate { database_url } => {
            telemetry::start(LogFormat::default());
            let migrated = serve::migrate(&database_url).await?;
            Ok(writeln!(std::io::stdout(), "{migrated}")?)
        }
    }
}

async fn run_hub(config: Config) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let starting = serve(config, stop.clone());
    let running = tokio::select! {
        running = starting => running?,
        // Nothing is served yet; the private database ends with its owner.
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    writeln!(std::io::stdout(), "meshfleet hub ready: https://{}", serve::reachable(running.address()))?;
    let ended = running.ended();
    tokio::pin!(ended);
    tokio::select! {
        result = &mut ended => return Ok(result?),
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping; the sessions of spokes end first");
    stop.cancel();
    Ok(ended.await?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_sound() {
        Arguments::command().debug_assert();
    }
}
