//! Refusals as they cross the wire: a status whose details are an encoded `Problem`.

use hub_core::fleet::{Name, keys::Refusal};
use prost::Message;
use proto::v1::Problem;
use tonic::{Code, Status};

use crate::{app, telemetry};

/// Longest message, and longest hint, in bytes. A status travels in HTTP/2 headers, twice, and clients take 16 KiB of
/// them: a longer one would break the connection instead of saying something.
const LONGEST: usize = 2 * 1024;

/// Most bytes of all details together, for the same reason. What is left out is counted in a last line.
const LONGEST_DETAILS: usize = 4 * 1024;

/// A refusal with a stable reason code, what happened, and what to do (may be empty).
#[must_use]
pub fn status(code: Code, reason: &str, message: impl Into<String>, hint: impl Into<String>) -> Status {
    detailed(code, reason, (message.into(), Vec::new()), hint.into())
}

fn detailed(code: Code, reason: &str, (message, details): (String, Vec<String>), hint: String) -> Status {
    let message = shortened(message);
    let problem = Problem {
        reason: reason.to_owned(),
        message: message.clone(),
        hint: shortened(hint),
        details: fitting(details),
    };
    Status::with_details(code, message, problem.encode_to_vec().into())
}

/// What a use case said, for its caller. The hub's own faults are logged here, because nobody else will tell.
#[must_use]
pub fn of(error: &app::Error) -> Status {
    let code = match error.kind() {
        app::Kind::NotFound => Code::NotFound,
        app::Kind::Refused => Code::FailedPrecondition,
        app::Kind::Unavailable => Code::Unavailable,
        app::Kind::Internal => Code::Internal,
    };
    match error.kind() {
        app::Kind::NotFound | app::Kind::Refused => {}
        app::Kind::Unavailable => tracing::debug!(error = telemetry::chain(error), "the database is gone"),
        app::Kind::Internal => tracing::error!(error = telemetry::chain(error), "a use case failed"),
    }
    detailed(code, error.reason(), (error.to_string(), error.details()), error.hint())
}

/// A spoke whose key is not the one that its cluster goes by.
#[must_use]
pub fn of_key(refusal: Refusal, cluster: Option<&Name>) -> Status {
    let name = cluster.map_or("NAME", Name::as_str);
    let (reason, hint) = match refusal {
        Refusal::Unknown => ("caller.unknown", format!("enrol it with `meshfleet cluster enrol {name}`")),
        Refusal::Detached => (
            "cluster.detached",
            format!("stop its spoke, or enrol the cluster again with `meshfleet cluster enrol {name}`"),
        ),
        Refusal::FormerKey => (
            "caller.former_key",
            format!(
                "stop this spoke if another one has its place; else enrol it with `meshfleet cluster enrol {name} --replace`"
            ),
        ),
        Refusal::TooLate { .. } => (
            "renewal.too_late",
            format!("enrol the spoke anew with `meshfleet cluster enrol {name} --replace`"),
        ),
        Refusal::SameKey => ("renewal.same_key", "make a new key for each renewal".to_owned()),
    };
    status(Code::PermissionDenied, reason, refusal.to_string(), hint)
}

/// A field of a request that is not as it should be.
#[must_use]
pub fn bad_field(field: &str, why: impl std::fmt::Display) -> Status {
    status(Code::InvalidArgument, "request.field", format!("{field}: {why}"), "")
}

fn fitting(mut details: Vec<String>) -> Vec<String> {
    let mut left = LONGEST_DETAILS;
    let fits = details.iter().take_while(|detail| {
        let taken = left.checked_sub(detail.len());
        left = taken.unwrap_or_default();
        taken.is_some()
    });
    let kept = fits.count();
    let dropped = details.len() - kept;
    if dropped > 0 {
        details.truncate(kept);
        details.push(format!("and {dropped} more"));
    }
    details
}

fn shortened(mut text: String) -> String {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push_str(" …");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_carries_its_reason_and_its_hint() {
        let refusal = status(Code::NotFound, "config.not_found", "there is no mesh config x", "apply one");
        let problem = Problem::decode(refusal.details()).unwrap();
        assert_eq!((problem.reason.as_str(), problem.hint.as_str()), ("config.not_found", "apply one"));
        assert_eq!(problem.message, refusal.message());
    }

    #[test]
    fn details_that_do_not_fit_are_counted() {
        assert_eq!(fitting(vec!["one".to_owned(), "two".to_owned()]), ["one", "two"]);
        let kept = fitting(vec!["x".repeat(1024); 10]);
        assert_eq!((kept.len(), kept[4].as_str()), (5, "and 6 more"));
    }

    #[test]
    fn a_long_refusal_fits_into_headers() {
        let refusal = status(Code::Internal, "x", "ö".repeat(50_000), "y".repeat(50_000));
        assert!(refusal.details().len() < 5 * 1024 && refusal.message().len() < 3 * 1024);
    }
}
