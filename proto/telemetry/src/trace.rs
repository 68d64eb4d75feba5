//! Spans that are exported, and how they hang together across processes.
//!
//! A span that is to be exported has the target [`TARGET`]; all others are for the log. What crosses the wire, or waits in
//! a row to be taken up later, is a W3C `traceparent`. It is a text here, and empty where there is none.

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The target of spans that are exported.
pub const TARGET: &str = "meshfleet_trace";

/// Hangs a new span below what `traceparent` names. To be called before it is entered.
#[must_use]
pub fn under(span: Span, traceparent: &str) -> Span {
    if !span.is_disabled()
        && let Some(parent) = read(traceparent)
    {
        // It only fails for a span that was entered already, or that nobody exports.
        let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(parent));
    }
    span
}

/// Notes on a span that it belongs with what `traceparent` names, which is not its parent.
pub fn link(span: &Span, traceparent: &str) {
    if !span.is_disabled()
        && let Some(other) = read(traceparent)
    {
        span.add_link(other);
    }
}

/// The `traceparent` of what comes below a span. For one that nobody exports that is what stands above it.
#[must_use]
pub fn below(span: &Span, above: &str) -> String {
    if span.is_disabled() {
        return above.to_owned();
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    if context.is_valid() { write(&context) } else { above.to_owned() }
}

fn write(context: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
}

fn read(traceparent: &str) -> Option<SpanContext> {
    let fields: Vec<&str> = traceparent.split('-').collect();
    let ["00", trace, span, flags] = fields[..] else { return None };
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        TraceState::NONE,
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_read_is_written_again() {
        assert_eq!(read(TRACEPARENT).map(|context| write(&context)).as_deref(), Some(TRACEPARENT));
        let zeros = format!("00-{}-{}-01", "0".repeat(32), "0".repeat(16));
        for none in ["", "00-1-2", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", zeros.as_str()]
        {
            assert!(read(none).is_none(), "{none}");
        }
    }

    #[test]
    fn a_trace_goes_on_where_nobody_exports() {
        assert_eq!(below(&under(Span::none(), TRACEPARENT), TRACEPARENT), TRACEPARENT);
        assert_eq!(below(&Span::none(), ""), "");
    }
}
