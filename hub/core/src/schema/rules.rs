//! What a schema asks of a value beside its type and its fields.

use regex::Regex;
use serde_json::Value;

use super::{format::Format, node::Node};

/// What is asked.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// Fields that must be there.
    pub(super) required: Vec<String>,
    /// The values that it may be.
    pub(super) words: Option<Vec<Value>>,
    /// What a text must match.
    pub(super) pattern: Option<Regex>,
    /// What a text or a number must be.
    pub(super) format: Option<Format>,
    /// In characters.
    pub(super) length: Bounds,
    /// Of a list.
    pub(super) items: Bounds,
    /// Of a map.
    pub(super) fields: Bounds,
    /// The least number, and whether it is itself too little.
    pub(super) least: Option<(f64, bool)>,
    /// The greatest number, and whether it is itself too much.
    pub(super) most: Option<(f64, bool)>,
    /// A number must be a multiple of it.
    pub(super) multiple_of: Option<f64>,
    /// All of these must hold.
    pub(super) all_of: Vec<Node>,
    /// At least one of these must hold; none given asks nothing.
    pub(super) any_of: Vec<Node>,
    /// Exactly one of these must hold; none given asks nothing.
    pub(super) one_of: Vec<Node>,
    /// This must not hold.
    pub(super) not: Option<Box<Node>>,
}

/// How many of something there may be.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bounds {
    pub(super) least: Option<u64>,
    pub(super) most: Option<u64>,
}

impl Bounds {
    /// What is wrong with a number of something, in words after `has 3 items`; none if nothing is.
    pub(super) fn against(self, count: u64) -> Option<String> {
        match self {
            Self { least: Some(least), .. } if count < least => Some(format!("at least {least}")),
            Self { most: Some(most), .. } if count > most => Some(format!("at most {most}")),
            Self { .. } => None,
        }
    }
}
