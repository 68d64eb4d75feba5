//! Detection: which platform the facts show. Says that it does not know rather than guess.

use serde::{Deserialize, Serialize};

use super::{Platform, PlatformName, all, of};
use crate::{
    fleet::Facts,
    plan::{Finding, Severity},
};

/// What the facts show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detection {
    /// None if nothing shows it, or if signs contradict each other.
    pub platform: Option<PlatformName>,
    /// The platform with its version, for people; or that it is unknown, and why.
    pub detail: String,
    /// What was seen, for people.
    pub signals: Vec<String>,
    /// How signs contradict each other.
    pub conflict: Option<String>,
}

/// Detects the platform.
///
/// # Guarantees
/// The order of nodes and kinds does not matter. A provider speaks through its own marks only, never through the cloud
/// that nodes stand in, so OpenShift on a cloud is not taken for that cloud's Kubernetes.
#[must_use]
pub fn detect(facts: &Facts) -> Detection {
    let spoken: Vec<(&dyn Platform, Vec<String>)> = all()
        .iter()
        .map(|platform| (*platform, platform.recognise(facts)))
        .filter(|(_, signals)| !signals.is_empty())
        .collect();
    let names: Vec<PlatformName> = spoken.iter().map(|(platform, _)| platform.name()).collect();
    let claims: Vec<&(&dyn Platform, Vec<String>)> =
        spoken.iter().filter(|(platform, _)| !names.iter().any(|name| yields_to(*platform, *name))).collect();
    let signals = spoken.iter().flat_map(|(_, signals)| signals.clone()).collect();
    let [(platform, _)] = claims[..] else { return undecided(&claims, signals) };
    if let Some(contradiction) = platform.contradicted_by(facts) {
        return conflicting(signals, format!("signs of {}, but {contradiction}", platform.name()));
    }
    Detection { platform: Some(platform.name()), detail: platform.detail(facts), signals, conflict: None }
}

/// The declared platform must be the detected one, or one may be a kind of the other. Where nothing is declared, one
/// must have been detected.
#[must_use]
pub fn check_declared(declared: Option<PlatformName>, detection: &Detection) -> Option<Finding> {
    match (declared, detection.platform) {
        (None, Some(_)) | (Some(_), None) => None,
        (Some(declared), Some(detected)) => contradiction(declared, detected, detection),
        (None, None) => Some(unknown(detection)),
    }
}

/// Whether a claim gives way to another: what is a kind of it, and anything at all where it is the last resort.
fn yields_to(platform: &dyn Platform, other: PlatformName) -> bool {
    let name = platform.name();
    name != other && (name == PlatformName::Generic || of(other).kind_of() == Some(name))
}

fn undecided(claims: &[&(&dyn Platform, Vec<String>)], signals: Vec<String>) -> Detection {
    if claims.is_empty() {
        let detail = "unknown: no sign of any platform".to_owned();
        return Detection { platform: None, detail, signals, conflict: None };
    }
    let told: Vec<String> = claims
        .iter()
        .map(|(platform, signals)| format!("{} ({})", platform.name(), signals.join("; ")))
        .collect();
    conflicting(signals, format!("signs of more than one platform: {}", told.join(", ")))
}

fn conflicting(signals: Vec<String>, conflict: String) -> Detection {
    Detection { platform: None, detail: format!("unknown: {conflict}"), signals, conflict: Some(conflict) }
}

fn contradiction(declared: PlatformName, detected: PlatformName, detection: &Detection) -> Option<Finding> {
    let akin = of(declared).kind_of() == Some(detected) || of(detected).kind_of() == Some(declared);
    if declared == detected || akin {
        return None;
    }
    Some(Finding {
        rule: "platform.contradiction".to_owned(),
        severity: Severity::Blocks,
        message: format!(
            "declared to be {declared}, but it shows itself as {detected}, {}: {}",
            detection.detail,
            detection.signals.join("; ")
        ),
        hint: format!(
            "set spec.platform of its Cluster document to {detected}, or remove it and let it be detected"
        ),
    })
}

fn unknown(detection: &Detection) -> Finding {
    let seen = match (&detection.conflict, detection.signals.is_empty()) {
        (Some(conflict), _) => conflict.clone(),
        (None, true) => "no sign of any platform".to_owned(),
        (None, false) => format!("not enough signs: {}", detection.signals.join("; ")),
    };
    Finding {
        rule: "platform.unknown".to_owned(),
        severity: Severity::Blocks,
        message: format!("the platform was not declared and cannot be told: {seen}"),
        hint:
            "let its spoke read nodes and API groups, or set spec.platform of its Cluster document to one of "
                .to_owned()
                + &PlatformName::ALL.map(PlatformName::as_str).join(", "),
    }
}
