//! Detection: which platform the facts show. Says that it does not know rather than guess.

use serde::{Deserialize, Serialize};

use super::{Platform, PlatformName, Sign, Strength, all, of};
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
    /// How signs contradict each other, or why they decide nothing.
    pub conflict: Option<String>,
    /// What it may be declared to be without contradicting the facts.
    pub possible: Vec<PlatformName>,
}

/// What speaks for a platform.
struct Claim {
    platform: &'static dyn Platform,
    signs: Vec<Sign>,
}

/// Detects the platform.
///
/// # Guarantees
/// The order of nodes and kinds does not matter. A provider speaks through its own marks only, never through the cloud
/// that nodes stand in, so OpenShift on a cloud is not taken for that cloud's Kubernetes.
#[must_use]
pub fn detect(facts: &Facts) -> Detection {
    let claims: Vec<Claim> = all()
        .iter()
        .map(|platform| Claim { platform: *platform, signs: platform.recognise(facts) })
        .filter(|claim| !claim.signs.is_empty())
        .collect();
    let signals =
        claims.iter().flat_map(|claim| &claim.signs).map(|sign| sign.words.clone()).collect::<Vec<_>>();
    let strongest = claims.iter().map(Claim::strength).max();
    let heard: Vec<&Claim> = claims
        .iter()
        .filter(|claim| strongest == Some(strength_in_kind(claim, &claims)))
        .filter(|claim| !claims.iter().any(|other| other.platform.kind_of() == Some(claim.platform.name())))
        .collect();
    let possible = |among: &dyn Fn(PlatformName) -> bool| -> Vec<PlatformName> {
        let fits = |name: &PlatformName| among(*name) && of(*name).contradicted_by(facts).is_none();
        PlatformName::ALL.into_iter().filter(fits).collect()
    };
    let undecided = |conflict: String, possible| Detection {
        platform: None,
        detail: format!("unknown: {conflict}"),
        signals: signals.clone(),
        conflict: Some(conflict),
        possible,
    };
    let [claim] = heard[..] else {
        if heard.is_empty() {
            let detail = "unknown: no sign of any platform".to_owned();
            return Detection {
                platform: None,
                detail,
                signals,
                conflict: None,
                possible: possible(&|_| true),
            };
        }
        let told: Vec<String> = heard.iter().map(|claim| claim.told()).collect();
        let conflict = format!("signs of more than one platform: {}", told.join(", "));
        let among = |name| heard.iter().any(|claim| akin(claim.platform.name(), name));
        return undecided(conflict, possible(&among));
    };
    let name = claim.platform.name();
    if let Some(contradiction) = claim.platform.contradicted_by(facts) {
        return undecided(format!("signs of {name}, but {contradiction}"), possible(&|_| true));
    }
    if strongest == Some(Strength::Hint) {
        let conflict = format!("signs that are found elsewhere too: {}", claim.told());
        return undecided(conflict, possible(&|_| true));
    }
    let possible = possible(&|other| akin(name, other));
    Detection {
        platform: Some(name),
        detail: claim.platform.detail(facts),
        signals,
        conflict: None,
        possible,
    }
}

impl Claim {
    fn strength(&self) -> Strength {
        self.signs.iter().map(|sign| sign.strength).max().unwrap_or(Strength::Absence)
    }

    fn told(&self) -> String {
        let words: Vec<&str> = self.signs.iter().map(|sign| sign.words.as_str()).collect();
        format!("{} ({})", self.platform.name(), words.join("; "))
    }
}

/// A kind of another platform is as sure as the other: its own signs only tell the kind.
fn strength_in_kind(claim: &Claim, claims: &[Claim]) -> Strength {
    let kind = claim.platform.kind_of();
    let parent = claims.iter().find(|other| Some(other.platform.name()) == kind).map(Claim::strength);
    parent.map_or(claim.strength(), |parent| parent.max(claim.strength()))
}

/// Whether they are the same, or one is a kind of the other.
fn akin(one: PlatformName, other: PlatformName) -> bool {
    one == other || of(one).kind_of() == Some(other) || of(other).kind_of() == Some(one)
}

/// The declared platform must be one that the facts allow: the detected one, one of its kind, or, where none was detected,
/// any that nothing speaks against. Where nothing is declared, one must have been detected.
#[must_use]
pub fn check_declared(declared: Option<PlatformName>, detection: &Detection) -> Option<Finding> {
    match (declared, detection.platform) {
        (None, Some(_)) => None,
        (None, None) => Some(unknown(detection)),
        (Some(declared), _) if detection.possible.contains(&declared) => None,
        (Some(declared), detected) => Some(contradiction(declared, detected, detection)),
    }
}

fn contradiction(declared: PlatformName, detected: Option<PlatformName>, detection: &Detection) -> Finding {
    let Detection { detail, signals, conflict, possible, .. } = detection;
    let seen = signals.join("; ");
    let (message, hint) = match detected {
        Some(detected) => (
            format!("declared to be {declared}, but it shows itself as {detected}, {detail}: {seen}"),
            format!(
                "set spec.platform of its Cluster document to {detected}, or remove it and let it be detected"
            ),
        ),
        None => {
            let why = conflict.as_deref().unwrap_or(detail);
            let names: Vec<&str> = possible.iter().map(|name| name.as_str()).collect();
            (
                format!("declared to be {declared}, which the facts exclude: {why}"),
                format!("set spec.platform of its Cluster document to one of {}", names.join(", ")),
            )
        }
    };
    Finding { rule: "platform.contradiction".to_owned(), severity: Severity::Blocks, message, hint }
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
                + &detection.possible.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", "),
    }
}
