//! What can be said of a cluster without any plan: what it runs on, for how long that has support, who else has a mesh in
//! it, and what of it could not be seen.

use jiff::civil::Date;

use super::{Finding, versions, warns};
use crate::{
    fleet::{Cluster, Facts},
    plan::proposal,
    platform,
};

/// What stands against a mesh in a cluster that no config selects. What blocks comes first.
#[must_use]
pub fn survey(cluster: &Cluster, today: Date) -> Vec<Finding> {
    let Some(facts) = &cluster.facts else { return vec![proposal::no_facts(&cluster.name)] };
    let detection = platform::detect(facts);
    let mut findings: Vec<Finding> =
        platform::check_declared(cluster.declared, &detection).into_iter().collect();
    findings.extend(platform::foreign_mesh(facts));
    findings.extend(versions::platform_ageing(facts, today));
    findings.extend(unseen(facts));
    findings.sort_by_key(|finding| finding.severity);
    findings
}

/// Facts that could not be read: what depends on them is not known, and no pass.
#[must_use]
pub fn unseen(facts: &Facts) -> Vec<Finding> {
    let unread = facts.unread.iter().map(|unread| {
        warns(
            "facts.unread",
            format!("its spoke could not read {}: {}", unread.fact, unread.reason),
            "give its account the rights of the manifest that `meshfleet cluster enrol` prints, or look at the API server; what depends on it is not judged".to_owned(),
        )
    });
    unread.collect()
}
