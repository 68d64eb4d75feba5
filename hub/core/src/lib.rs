//! Every decision of the hub, and nothing else: no async, no clock, no environment, no IO, no random ids.
//!
//! What a function needs, it is given. The modules stand in the order of the data's path: documents become a config, a
//! config and a cluster's facts become a plan, plans become a rollout, a rollout becomes targets that are delivered;
//! what comes back becomes drift and status.

pub mod digest;
pub mod document;
pub mod fleet;
pub mod schema;

pub mod config;

pub mod catalog;
pub mod platform;

pub mod plan;

pub mod rollout;

pub mod target;

pub mod delivery;

pub mod report;

pub mod probe;

pub mod adoption;

pub mod drift;

pub mod status;
