//! `meshfleet`, the command line: what an operator types. It knows the hub only by its API, so it can do nothing that
//! the API does not offer. The one question that needs no hub, what a cluster's admission would say, is answered here.
//!
//! Every command asks the hub, then renders the answer as text for people or as JSON or YAML for programs. Rendering is
//! pure and tested with golden text; whatever came from a cluster is stripped of control characters before it is shown.

mod args;
mod call;
mod context;
mod failure;
mod hub;
mod screen;
mod time;
mod trace;

mod admission;
mod catalog;
mod cluster;
mod completion;
mod config;
mod document;
mod drift;
mod epoch;
mod operator;
mod plan;
mod rollout;
mod status;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use tracing::Instrument;

use crate::{
    args::{Arguments, Command},
    call::{Call, Outcome},
    failure::Failure,
};

fn main() -> ExitCode {
    let matches = Arguments::command().get_matches();
    let name = trace::name(&matches);
    let arguments = match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let mut call = Call::new(&arguments);
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return call.fail(&Failure::Provider);
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return call.fail(&Failure::Runtime(error)),
    };
    match runtime.block_on(traced(&mut call, &name, arguments.command)) {
        Ok(outcome) => outcome.into(),
        Err(failure) => call.fail(&failure),
    }
}

/// Runs a command in a trace, which is exported where the environment says so.
async fn traced(call: &mut Call, name: &str, command: Command) -> Result<Outcome, Failure> {
    let exporting = proto_telemetry::export::start_without_log("meshfleet");
    let traced = trace::Command::begin(name)?;
    call.trace = traced.trace.clone();
    let became = run(call, command).instrument(traced.span.clone()).await;
    traced.end(&became);
    if let Some(exporting) = exporting {
        exporting.flush().await;
    }
    became
}

async fn run(call: &Call, command: Command) -> Result<Outcome, Failure> {
    match command {
        Command::Apply(files) => document::apply(call, &files).await,
        Command::Diff(files) => document::diff::diff(call, &files).await,
        Command::Delete(delete) => document::delete(call, delete).await,
        Command::Get(get) => document::get::get(call, get).await,
        Command::Status(status) => status::show(call, status).await,
        Command::Cluster(command) => cluster::run(call, command).await,
        Command::Config(command) => config::run(call, command).await,
        Command::Plan(plan) => plan::run(call, plan).await,
        Command::Rollout(command) => rollout::run(call, command).await,
        Command::Drift(args::Drift::Report(report)) => drift::report(call, report).await,
        Command::Drift(args::Drift::Heal(heal)) => drift::heal::heal(call, heal).await,
        Command::Catalog(command) => catalog::run(call, command).await,
        Command::Operator(command) => operator::run(call, command).await,
        Command::Admission(args::Admission::Simulate(simulate)) => admission::simulate(call, &simulate),
        Command::Hub(args::Hub::Epoch { verb }) => epoch::run(call, verb).await,
        Command::Schema { kind } => document::get::schema(call, kind).await,
        Command::Completion { shell } => completion::print(shell),
    }
}
