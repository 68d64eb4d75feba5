//! Findings of a plan: each once, with the clusters that it is about.

use proto::v1::Finding;

use super::part::Part;
use crate::screen::{Screen, bad, faint, plain, strong, warning};

/// How many clusters are named beside a finding.
const MOST_CLUSTERS: usize = 8;

/// Findings that say the same are one.
pub fn key(finding: &Finding) -> (bool, &str, &str, &str) {
    let Finding { rule, blocking, message, hint } = finding;
    (*blocking, rule, message, hint)
}

/// Each finding once, with its clusters, in the order in which they are first met.
fn by_clusters<'a>(parts: &'a [Part<'a>], blocking: bool) -> Vec<(&'a Finding, Vec<&'a str>)> {
    let mut said: Vec<(&Finding, Vec<&str>)> = Vec::new();
    for part in parts {
        for finding in part.findings.iter().filter(|finding| finding.blocking == blocking) {
            match said.iter_mut().find(|(other, _)| key(other) == key(finding)) {
                Some((_, clusters)) => clusters.extend(&part.clusters),
                None => said.push((finding, part.clusters.clone())),
            }
        }
    }
    said
}

/// How many messages of one rule with one way out are said of the same clusters.
const MOST_MESSAGES: usize = 6;

/// What keeps the plan from being rolled out. What is of one rule and has one way out is drawn as one: a right that is
/// lacked seldom comes alone.
pub fn draw_blocking(screen: &mut Screen, parts: &[Part<'_>]) {
    let said = by_clusters(parts, true);
    let alike = |(one, its): &(&Finding, Vec<&str>), (other, others): &(&Finding, Vec<&str>)| {
        one.rule == other.rule && one.hint == other.hint && its == others
    };
    for run in said.chunk_by(alike) {
        let (Finding { rule, hint, .. }, clusters) = &run[0];
        screen.blank();
        let names = screen.names(clusters, MOST_CLUSTERS);
        screen.line(9, &[bad("BLOCKED  "), strong(names), plain("  "), bad(rule)]);
        let (shown, more) = screen.fold(run, MOST_MESSAGES);
        for (finding, _) in shown {
            screen.line(9, &[plain(" ".repeat(9)), plain(&finding.message)]);
        }
        if more > 0 {
            screen.line(9, &[faint(format!("{}… {more} more", " ".repeat(9)))]);
        }
        if !hint.is_empty() {
            screen.line(15, &[plain(" ".repeat(9)), faint("hint: "), plain(hint)]);
        }
    }
}

/// What else is to be known, by rule: a fleet has most of it in common. In brief, one of each rule.
pub fn draw_warnings(screen: &mut Screen, parts: &[Part<'_>], brief: bool) {
    let said = by_clusters(parts, false);
    let mut rules: Vec<&str> = Vec::new();
    for (finding, _) in &said {
        if !rules.contains(&finding.rule.as_str()) {
            rules.push(&finding.rule);
        }
    }
    if rules.is_empty() {
        return;
    }
    screen.blank();
    screen.line(2, &[strong("warnings")]);
    for rule in rules {
        screen.line(4, &[plain("  "), warning(format!("! {rule}"))]);
        let of_rule: Vec<_> = said.iter().filter(|(finding, _)| finding.rule == rule).collect();
        let (shown, more) = if brief { screen.fold(&of_rule, 1) } else { (of_rule.as_slice(), 0) };
        for (finding, clusters) in shown {
            let about = faint(format!("  [{}]", screen.names(clusters, MOST_CLUSTERS)));
            screen.line(4, &[plain("    "), plain(&finding.message), about]);
            if !finding.hint.is_empty() && !brief {
                screen.line(10, &[plain("    "), faint("hint: "), plain(&finding.hint)]);
            }
        }
        if more > 0 {
            screen.line(4, &[faint(format!("    … {more} more of it"))]);
        }
    }
}
