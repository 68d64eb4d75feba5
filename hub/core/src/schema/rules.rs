//! What a schema asks of a value beside its type and its fields.

use std::sync::{Arc, OnceLock};

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
    pub(super) pattern: Option<Arc<Pattern>>,
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

/// A pattern, made ready when it is needed first: a schema says some of them hundreds of times, and most are never needed.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) text: String,
    regex: OnceLock<Option<Regex>>,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), regex: OnceLock::new() }
    }

    pub(super) fn holds(&self, text: &str) -> bool {
        // What this cannot read asks nothing: an API server reads a few that differ.
        let regex = self.regex.get_or_init(|| Regex::new(&self.text).ok());
        regex.as_ref().is_none_or(|regex| regex.is_match(text))
    }
}
