//! Delivery: the stream to the hub.
//!
//! The hub offers targets, this side fetches what it lacks, checks every byte against its digest, and hands a whole target
//! to the agent, who decides. What the spoke has to say goes the other way as levels: the newest report says everything,
//! so that a lost session loses nothing. The wire's types end here.

mod connect;
mod convert;
mod facts;
mod heals;
mod intake;
mod proxy;
mod schemas;
mod session;

pub use connect::connect;
pub use session::{Delivery, Levels};

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::{fence::Content, refusal::Refusal};

/// A whole target that the hub offers.
#[derive(Debug)]
pub struct Offer {
    /// The target with everything that it names.
    pub content: Arc<Content>,
    /// W3C trace context of what led to it; empty if the hub sent none.
    pub traceparent: String,
    /// Where the decision goes.
    pub answer: oneshot::Sender<Result<(), Refusal>>,
}
