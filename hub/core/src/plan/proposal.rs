//! The whole way from a mesh config and a cluster to a judged plan: what previews show and rollouts start from.

use super::{
    Finding, Plan, PlanError, PlanInput, Severity,
    accept::accept,
    check::{self, Definitions, definitions},
    config_use, plan, rule,
};
use crate::{
    config::{ConfigVersion, EffectiveProblem, SourceMap, effective},
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

    /// Adds what else stands against it, for example another config. What blocks stays first.
    pub fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
        self.findings.sort_by_key(|finding| finding.severity);
    }
}

/// Computes and judges the plan of a mesh config for `cluster`. Depends on nothing else.
pub fn propose(config: &ConfigVersion, cluster: &Cluster) -> Result<Proposal, PlanError> {
    let Some(facts) = &cluster.facts else {
        let findings = vec![no_facts(&cluster.name)];
        return Ok(Proposal { detection: None, platform: None, plan: None, findings });
    };
    let detection = platform::detect(facts);
    let findings: Vec<Finding> = platform::check_declared(cluster.declared, &detection).into_iter().collect();
    let platform = cluster.declared.or(detection.platform);
    let mut proposal = Proposal { detection: Some(detection), platform, plan: None, findings };
    let meant = match effective(&config.config, cluster) {
        Ok(meant) => meant,
        Err(problems) => {
            proposal.add(problems.into_iter().map(|problem| no_config(problem, &config.source)));
            return Ok(proposal);
        }
    };
    if let Some(platform) = platform {
        let input = PlanInput::new((&config.name, &meant), cluster, (facts, platform), rule::registry());
        let plan = plan(&input, rule::registry())?;
        let definitions = Definitions::new(facts, &cluster.schemas);
        proposal.add(config_use::judge(&plan, definitions, &config.source));
        proposal.add(check::check(&plan, facts, definitions));
        proposal.add(definitions::judge(&plan, definitions, &config.source));
        accept(&mut proposal.findings, &plan.config.overrides);
        proposal.plan = Some(plan);
    }
    Ok(proposal)
}

/// The finding that stands against `config` on a cluster that others select too. `others` may hold the config itself.
#[must_use]
pub fn second_config(config: &ConfigVersion, others: &[ConfigVersion], cluster: &Cluster) -> Option<Finding> {
    let mut names: Vec<&Name> = others
        .iter()
        .filter(|other| other.name != config.name)
        .filter(|other| other.config.clusters.matches(&cluster.name, &cluster.labels))
        .map(|other| &other.name)
        .collect();
    names.sort();
    names.dedup();
    if names.is_empty() || !config.config.clusters.matches(&cluster.name, &cluster.labels) {
        return None;
    }
    let mut all: Vec<&str> = names.into_iter().chain([&config.name]).map(Name::as_str).collect();
    all.sort_unstable();
    Some(Finding {
        rule: "config.two".to_owned(),
        severity: Severity::Blocks,
        message: format!("cluster {} is selected by the mesh configs {}", cluster.name, all.join(" and ")),
        hint: "change spec.clusters of all but one of them, or the labels of the cluster".to_owned(),
    })
}

pub(super) fn no_facts(cluster: &Name) -> Finding {
    Finding {
        rule: "facts.missing".to_owned(),
        severity: Severity::Blocks,
        message: format!("nothing is known of cluster {cluster}: its spoke has never been attached"),
        hint: format!("run `meshfleet cluster enrol {cluster}` and start a spoke in it with the token"),
    }
}

fn no_config(problem: EffectiveProblem, source: &SourceMap) -> Finding {
    let EffectiveProblem { rule, path, message, hint } = problem;
    let place = match source.lines.get(&path) {
        Some(line) => format!("{}:{line}, {path}", source.file),
        None => path,
    };
    Finding {
        rule: rule.to_owned(),
        severity: Severity::Blocks,
        message: format!("{place}: {message}"),
        hint,
    }
}
