//! The hub's log: to standard error, as text for people or as JSON for machines. `RUST_LOG` chooses what is said.
//!
//! No token, no key and no secret of a document is ever given to it: types that hold one print nothing of it.

use std::{
    env,
    error::Error,
    io::{self, IsTerminal},
};

use tracing_subscriber::EnvFilter;

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

/// Starts the log of this process. A second call, as in tests, changes nothing.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let colour = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let log = log.with_target(false).with_ansi(colour);
    // Only fails where a log was started already, and then that one stays.
    let _ = match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
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
