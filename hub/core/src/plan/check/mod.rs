//! The referee: holds a finished plan against the facts, by code that shares nothing with the rules that made it.
//!
//! It reads manifests as the JSON that will be sent and knows the plan only by its intent, so that a rule that is
//! missing, or wrong, is seen. Objects, additions, templates and expectations count alike. What it says blocks a rollout
//! or warns.

mod asks;
mod calisti;
pub(super) mod definitions;
mod gateways;
mod limits;
mod locality;
mod proxies;
mod sail;
mod seen;
mod served;
mod strategy;
mod survey;
mod versions;

pub use definitions::Definitions;
pub use seen::{Manifest, Seen, selects};
pub use survey::{survey, unseen};
pub use versions::{Combination, ageing, combination};

use super::{Finding, Plan, Severity};
use crate::{config::InstallerKind, fleet::Facts, platform};

/// Judges a plan. What blocks comes first. A plan for nothing is beyond judgement. What grows old is said by [`ageing`].
#[must_use]
pub fn check(plan: &Plan, facts: &Facts, definitions: Definitions<'_>) -> Vec<Finding> {
    let Some(intent) = &plan.intent else { return Vec::new() };
    let (seen, mut findings) = Seen::read(plan, intent);
    match intent.installer {
        InstallerKind::Sail => findings.extend(sail::judge(&seen)),
        InstallerKind::Calisti => findings.extend(calisti::judge(&seen)),
    }
    findings.extend(versions::judge(&seen, facts, definitions));
    findings.extend(served::judge(&seen, facts));
    findings.extend(limits::judge(&seen));
    findings.extend(strategy::judge(&seen));
    findings.extend(gateways::judge(&seen, facts));
    findings.extend(platform::load_balancers(&seen, facts));
    findings.extend(platform::all().iter().flat_map(|platform| platform.referee(&seen, facts)));
    findings.extend(platform::judge_cni(&seen, facts));
    findings.extend(platform::foreign_mesh(facts));
    findings.extend(platform::foreign_revisions(intent, facts));
    findings.extend(proxies::judge(intent, facts));
    findings.extend(locality::judge(&seen, facts));
    findings.extend(asks::judge(plan, intent, facts));
    findings.sort_by_key(|finding| finding.severity);
    findings
}

/// A finding that keeps the plan from being rolled out.
#[must_use]
pub fn blocks(id: &str, message: String, hint: String) -> Finding {
    Finding { rule: id.to_owned(), severity: Severity::Blocks, message, hint }
}

/// A finding that is worth knowing.
#[must_use]
pub fn warns(id: &str, message: String, hint: String) -> Finding {
    Finding { rule: id.to_owned(), severity: Severity::Warns, message, hint }
}

/// The hint of a finding that seconds a rule of a platform: a plan lacks what the rule gives where the rule did not hold.
#[must_use]
pub fn seen_to_by(rule: &str) -> String {
    format!(
        "rule {rule} sees to that on this platform: correct spec.platform of the Cluster document if it names another one, else this is a mistake in meshfleet, report it"
    )
}
