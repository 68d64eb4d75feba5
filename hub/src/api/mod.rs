//! Operators: one service a noun. Each method reads its request, lets `app` do it, and writes the answer.
//!
//! The gate has looked at the caller before anything here runs. Refusals are statuses whose details say the reason as a
//! stable code, what happened, and what to do.

mod convert;

pub mod documents;

pub mod clusters;

pub mod configs;

pub mod plans;

pub mod rollouts;

pub mod drift;

pub mod operators;

pub mod status;

pub mod hub;

pub mod catalog;

use hub_core::fleet::Name;
use tonic::{Code, Request, Status};

use crate::{
    app::operators::Operator,
    identity::{callers::Caller, problem},
};

/// The gate lets nobody else come here.
fn calling_operator<T>(request: &Request<T>) -> Result<Operator, Status> {
    match request.extensions().get::<Caller>() {
        Some(Caller::Operator(operator)) => Ok(operator.clone()),
        Some(Caller::Anybody | Caller::Spoke(_)) | None => Err(problem::status(
            Code::PermissionDenied,
            "caller.other_kind",
            "only operators may do this",
            "",
        )),
    }
}

fn name(field: &str, text: &str) -> Result<Name, Status> {
    Name::parse(text).map_err(|error| problem::bad_field(field, error))
}

/// A name that may be left out.
fn optional_name(field: &str, text: &str) -> Result<Option<Name>, Status> {
    if text.is_empty() { Ok(None) } else { name(field, text).map(Some) }
}

/// A number that may be left out: on the wire that is 0.
fn optional_number(number: u64) -> Option<u64> {
    (number > 0).then_some(number)
}
