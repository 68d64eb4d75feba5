//! The hub's log: to standard error, as text for people or as JSON for machines. `RUST_LOG` chooses what is said. And the
//! export of spans, where the environment names a collector.
//!
//! No token, no key and no secret of a document is ever given to it: types that hold one print nothing of it.

use std::{
    env,
    error::Error,
    io::{self, IsTerminal},
};

use proto_telemetry::{Exporting, TARGET, export};
use tracing::{Span, field::Empty, info_span};
use tracing_subscriber::{EnvFilter, Layer, filter::FilterExt, fmt, registry};

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// One line for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is said where `RUST_LOG` says nothing: sqlx warns of slow statements on a busy machine, which is no news.
const DEFAULT_FILTER: &str = "info,sqlx=error";

/// Starts the log of this process, and the export of spans. A second call, as in tests, changes nothing. Must be called
/// within the runtime.
pub fn start(format: LogFormat) -> Option<Exporting> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let filter = filter.and(export::log_only());
    let colour = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let log = fmt::layer().with_writer(io::stderr).with_target(false).with_ansi(colour);
    let log = match format {
        LogFormat::Text => log.with_filter(filter).boxed(),
        LogFormat::Json => log.json().flatten_event(true).with_filter(filter).boxed(),
    };
    export::start(registry(), log, "meshfleet-hub")
}

/// The span of a transaction that changes what the fleet should be.
#[must_use]
pub fn transaction(name: &'static str) -> Span {
    info_span!(target: TARGET, "transaction", otel.name = name, db.system.name = "postgresql", rollout.id = Empty)
}

/// An error with everything that caused it, for the place that handles it.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Some libraries print their cause themselves.
        if !said.ends_with(&text) {
            said = format!("{said}: {text}");
        }
        cause = error.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_says_every_cause_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read the file")]
        struct Outer(#[source] io::Error);
        let error = Outer(io::Error::other("it is gone"));
        assert_eq!(chain(&error), "cannot read the file: it is gone");
    }
}
