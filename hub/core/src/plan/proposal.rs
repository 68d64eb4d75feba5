//! The whole way from a mesh config and a cluster to a judged plan: what previews show and rollouts start from.

use super::{Finding, Plan, PlanError, PlanInput, Severity, check, plan, rule};
use crate::{
    config::{EffectiveProblem, MeshConfig, effective},
    fleet::{Cluster, Name},
    platform::{self, Detection, PlatformName},
};

/// What a mesh config would make of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// What the facts show of the platform; none before its spoke was attached.
    pub detection: Option<Detection>,
    /// The platform that was planned for: the declared one, else the detected one.
    pub platform: Option<PlatformName>,
    /// None where nothing can be planned; then a finding says why.
    pub plan: Option<Plan>,
    /// What blocks first.
    pub findings: Vec<Finding>,
}

impl Proposal {
    /// Whether a finding keeps it from being rolled out.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.plan.is_none() || self.findings.iter().any(|finding| finding.severity == Severity::Blocks)
    }
}

/// Computes and judges the plan of the mesh config `name` for `cluster`. Depends on nothing else.
pub fn propose(name: &Name, config: &MeshConfig, cluster: &Cluster) -> Result<Proposal, PlanError> {
    let Some(facts) = &cluster.facts else {
        let findings = vec![no_facts(&cluster.name)];
        return Ok(Proposal { detection: None, platform: None, plan: None, findings });
    };
    let detection = platform::detect(facts);
    let mut findings: Vec<Finding> =
        platform::check_declared(cluster.declared, &detection).into_iter().collect();
    let platform = cluster.declared.or(detection.platform);
    let config = match effective(config, cluster) {
        Ok(config) => config,
        Err(problems) => {
            findings.extend(problems.into_iter().map(no_config));
            return Ok(Proposal { detection: Some(detection), platform, plan: None, findings });
        }
    };
    let plan = match platform {
        None => None,
        Some(platform) => {
            let input = PlanInput::new((name, &config), cluster, (facts, platform), rule::registry());
            Some(plan(&input, rule::registry())?)
        }
    };
    if let Some(plan) = &plan {
        findings.extend(check(plan, facts));
    }
    Ok(Proposal { detection: Some(detection), platform, plan, findings })
}

fn no_facts(cluster: &Name) -> Finding {
    Finding {
        rule: "facts.missing".to_owned(),
        severity: Severity::Blocks,
        message: format!("nothing is known of cluster {cluster}: its spoke has never been attached"),
        hint: format!("run `meshfleet cluster enrol {cluster}` and start a spoke in it with the token"),
    }
}

fn no_config(problem: EffectiveProblem) -> Finding {
    let EffectiveProblem { rule, path, message, hint } = problem;
    let message = format!("{path}: {message}");
    Finding { rule: rule.to_owned(), severity: Severity::Blocks, message, hint }
}
