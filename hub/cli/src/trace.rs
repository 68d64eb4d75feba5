//! The trace of a command. What a hub and its spokes do for it can be found by its id, whether anybody exports or not.

use std::env;

use clap::ArgMatches;
use proto::v1::TraceContext;
use proto_telemetry::{TARGET, trace};
use tonic::{Request, Status, metadata::AsciiMetadataValue, service::Interceptor};
use tracing::{Span, info_span};

use crate::{call::Outcome, failure::Failure};

/// Names the trace that a command is a part of, as a pipeline may set it for all its steps.
const VARIABLE: &str = "TRACEPARENT";

/// One command: its span, and what its calls hang below.
pub struct Command {
    pub span: Span,
    pub trace: Trace,
}

impl Command {
    /// Begins a trace, or goes on with that of the environment.
    pub fn begin(name: &str) -> Result<Self, Failure> {
        let given = env::var(VARIABLE).ok().as_deref().and_then(TraceContext::parse);
        let above = given.map(|given| given.traceparent);
        let span = info_span!(
            target: TARGET, "command", otel.name = name, otel.kind = "client", outcome = tracing::field::Empty
        );
        let span = trace::under(span, above.as_deref().unwrap_or_default());
        let above = match above {
            Some(above) => above,
            None => begin_trace()?.traceparent,
        };
        let trace = Trace { traceparent: trace::below(&span, &above) };
        Ok(Self { span, trace })
    }

    /// Ends the span.
    pub fn end(self, became: &Result<Outcome, Failure>) {
        match became {
            Ok(outcome) => self.span.record("outcome", tracing::field::debug(outcome)),
            Err(failure) => self.span.record("outcome", failure.reason()),
        };
    }
}

/// Goes with every call.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    traceparent: String,
}

impl Trace {
    /// The id by which it is found.
    pub fn id(&self) -> &str {
        self.traceparent.split('-').nth(1).unwrap_or_default()
    }
}

impl Interceptor for Trace {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Ok(value) = AsciiMetadataValue::try_from(self.traceparent.as_str()) {
            request.metadata_mut().insert("traceparent", value);
        }
        Ok(request)
    }
}

fn begin_trace() -> Result<TraceContext, Failure> {
    let mut random = [0; 24];
    getrandom::fill(&mut random).map_err(Failure::Random)?;
    Ok(TraceContext::begin(random))
}

/// What was typed, without what was given to it: `meshfleet rollout start`.
pub fn name(matches: &ArgMatches) -> String {
    let (mut name, mut matches) = ("meshfleet".to_owned(), matches);
    while let Some((verb, of)) = matches.subcommand() {
        name = format!("{name} {verb}");
        matches = of;
    }
    name
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Arguments;

    #[test]
    fn every_command_begins_a_trace_of_its_own() {
        let [one, other] = [0, 1].map(|_| Command::begin("meshfleet status").unwrap().trace);
        assert_ne!(one.id(), other.id());
        assert_eq!(one.id().len(), 32);
        let request = one.clone().call(Request::new(())).unwrap();
        let sent = request.metadata().get("traceparent").unwrap().to_str().unwrap();
        assert!(sent.contains(one.id()) && TraceContext::parse(sent).is_some(), "{sent}");
    }

    #[test]
    fn a_name_says_nothing_of_what_was_given() {
        let typed = ["meshfleet", "rollout", "start", "payments", "--wait"];
        let matches = Arguments::command().try_get_matches_from(typed).unwrap();
        assert_eq!(name(&matches), "meshfleet rollout start");
    }
}
