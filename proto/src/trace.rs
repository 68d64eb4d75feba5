//! W3C trace context as it crosses the wire (<https://www.w3.org/TR/trace-context/>).

use crate::v1::TraceContext;

impl TraceContext {
    /// Begins a trace from 24 random bytes, sampled.
    #[must_use]
    pub fn begin(random: [u8; 24]) -> Self {
        let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let (trace, span) = hex.split_at(32);
        Self { traceparent: format!("00-{trace}-{span}-01"), tracestate: String::new() }
    }

    /// The context that `traceparent` spells, or none if it is not one of version 00.
    #[must_use]
    pub fn parse(traceparent: &str) -> Option<Self> {
        let fields: Vec<&str> = traceparent.split('-').collect();
        let [version, trace, span, flags] = fields[..] else { return None };
        let hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let set = |text: &str| text.bytes().any(|byte| byte != b'0');
        let sound = version == "00" && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
        (sound && set(trace) && set(span))
            .then(|| Self { traceparent: traceparent.to_owned(), tracestate: String::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_begun_trace_parses() {
        let begun = TraceContext::begin([7; 24]);
        assert_eq!(TraceContext::parse(&begun.traceparent), Some(begun));
    }

    #[test]
    fn what_is_no_trace_context_is_refused() {
        let zeros = format!("00-{}-{}-01", "0".repeat(32), "0".repeat(16));
        for text in ["", "00-1-2-01", "ff-00", zeros.as_str()] {
            assert_eq!(TraceContext::parse(text), None, "{text}");
        }
    }
}
