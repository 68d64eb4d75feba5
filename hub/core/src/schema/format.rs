//! Formats of texts and numbers that API servers check. Others are words for people there, and here.
//!
//! Source: the formats that kubernetes/kube-openapi registers for validation (pkg/validation/strfmt), compared with a real
//! API server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::{Number, Value};

/// A format that is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Int32,
    Int64,
    DateTime,
    Ipv4,
    Ipv6,
    Cidr,
    Base64,
    Hostname,
    Uri,
}

/// Longest name of a host, in characters.
const LONGEST_HOST: usize = 255;

impl Format {
    const ALL: [(&'static str, Self); 9] = [
        ("int32", Self::Int32),
        ("int64", Self::Int64),
        ("date-time", Self::DateTime),
        ("ipv4", Self::Ipv4),
        ("ipv6", Self::Ipv6),
        ("cidr", Self::Cidr),
        ("byte", Self::Base64),
        ("hostname", Self::Hostname),
        ("uri", Self::Uri),
    ];

    /// None for a word that nobody checks.
    pub(super) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == word).map(|(_, format)| format)
    }

    /// With its article, for people.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Int32 => "a whole number of 32 bits",
            Self::Int64 => "a whole number of 64 bits",
            Self::DateTime => "a time, for example 2026-01-31T12:00:00Z",
            Self::Ipv4 => "an IPv4 address",
            Self::Ipv6 => "an IPv6 address",
            Self::Cidr => "a range of addresses, for example 10.0.0.0/8",
            Self::Base64 => "a text in base64",
            Self::Hostname => "the name of a host",
            Self::Uri => "a URI",
        }
    }

    /// Whether a value is so. What is of another type is said elsewhere.
    pub(super) fn holds(self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.holds_text(text),
            Value::Number(number) => self.holds_number(number),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => true,
        }
    }

    fn holds_number(self, number: &Number) -> bool {
        match self {
            Self::Int32 => {
                number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()) || number.is_f64()
            }
            Self::Int64 => number.as_i64().is_some() || number.is_f64(),
            _ => true,
        }
    }

    fn holds_text(self, text: &str) -> bool {
        match self {
            Self::Int32 | Self::Int64 => true,
            Self::DateTime => text.parse::<jiff::Timestamp>().is_ok(),
            Self::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            Self::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
            Self::Cidr => is_cidr(text),
            Self::Base64 => is_base64(text),
            Self::Hostname => is_hostname(text),
            Self::Uri => is_uri(text),
        }
    }
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.len() <= 3
        && bits.bytes().all(|byte| byte.is_ascii_digit())
        && bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

fn is_base64(text: &str) -> bool {
    let plain = text.trim_end_matches('=');
    let padding = text.len() - plain.len();
    text.len().is_multiple_of(4)
        && padding <= 2
        && plain.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

/// Labels of letters, digits and dashes, with dots between them.
fn is_hostname(text: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    !text.is_empty() && text.len() <= LONGEST_HOST && text.split('.').all(is_label)
}

/// A path from the root, or a scheme with something behind it.
fn is_uri(text: &str) -> bool {
    if text.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
        return false;
    }
    let Some((scheme, _)) = text.split_once(':') else { return text.starts_with('/') };
    let mut bytes = scheme.bytes();
    text.starts_with('/')
        || bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}
