//! Findings that somebody answers for: what is against all advice, and may work all the same.

use super::{Finding, Severity, check::warns};
use crate::config::Override;

/// The findings that an override without path and value can accept. All others say that something cannot work, and there
/// is no way past them but to change what they found.
pub const ACCEPTABLE: [&str; 1] = ["istio.kubernetes"];

/// Lets overrides take the weight from findings, and says which of them name nothing that can be accepted. One whose
/// finding is not there keeps quiet: it holds on many clusters, and waits for those that have it.
pub(super) fn accept(findings: &mut Vec<Finding>, overrides: &[Override]) {
    for said in overrides.iter().filter(|said| said.instead().is_none()) {
        if !ACCEPTABLE.contains(&said.rule.as_str()) {
            findings.push(idle(said));
            continue;
        }
        let meant = findings.iter_mut().filter(|finding| finding.rule == said.rule);
        for finding in meant.filter(|finding| finding.severity == Severity::Blocks) {
            *finding = accepted(finding, said);
        }
    }
    findings.sort_by_key(|finding| finding.severity);
}

fn accepted(finding: &Finding, said: &Override) -> Finding {
    let Override { owner, reason, expires, .. } = said;
    let message = format!("{}; accepted by {owner} until {expires}: {reason}", finding.message);
    let hint = format!("look at it again before {expires}; else: {}", finding.hint);
    Finding { severity: Severity::Warns, message, hint, ..finding.clone() }
}

fn idle(said: &Override) -> Finding {
    let Override { rule, owner, .. } = said;
    warns(
        "override.idle",
        format!(
            "the override without a path by {owner} changes nothing: {rule} is no finding that can be accepted"
        ),
        format!(
            "give it `path` and `value` to go past a rule, or take it out; accepted can be: {}",
            ACCEPTABLE.join(", ")
        ),
    )
}
