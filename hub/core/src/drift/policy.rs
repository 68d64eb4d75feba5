//! Drift policies: which clusters put which classes of drift right by themselves.

use serde::{Deserialize, Serialize};

use super::HealClasses;
use crate::{
    fleet::{Cluster, Name, Selector},
    plan::{Finding, Severity},
    rollout::{CurrentTarget, TargetPlan},
};

/// Two policies select one cluster.
pub const TWO_POLICIES: &str = "drift.policy";

/// A policy says something else than the target of its cluster.
pub const WAITS: &str = "drift.policy-waits";

/// `spec` of a `DriftPolicy` document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DriftPolicy {
    /// The clusters that it is for.
    pub clusters: Selector,
    /// What their spokes put right by themselves. Nothing, if not given: drift is reported, and people decide.
    #[serde(default)]
    pub heal: HealClasses,
}

/// A policy under its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPolicy {
    /// The name.
    pub name: Name,
    /// What it says.
    pub policy: DriftPolicy,
}

/// What a cluster heals by itself, by the one policy that selects it; nothing if none does. Two that do are a finding, also
/// if they say the same: the next change of one would be silent.
pub fn heals(policies: &[NamedPolicy], cluster: &Cluster) -> Result<HealClasses, Finding> {
    let selecting = policies.iter().filter(|one| one.policy.clusters.matches(&cluster.name, &cluster.labels));
    let mut selecting: Vec<&NamedPolicy> = selecting.collect();
    selecting.sort_by_key(|one| &one.name);
    match selecting[..] {
        [] => Ok(HealClasses::NONE),
        [only] => Ok(only.policy.heal),
        _ => Err(two(&selecting, cluster)),
    }
}

fn two(selecting: &[&NamedPolicy], cluster: &Cluster) -> Finding {
    let names: Vec<&str> = selecting.iter().map(|one| one.name.as_str()).collect();
    Finding {
        rule: TWO_POLICIES.to_owned(),
        severity: Severity::Blocks,
        message: format!(
            "cluster {} is selected by the drift policies {}",
            cluster.name,
            names.join(" and ")
        ),
        hint: "change spec.clusters of all but one of them, or the labels of the cluster".to_owned(),
    }
}

/// That the cluster's target heals something else than its policy says: policies take effect with a rollout. None where
/// nobody here knows what the target says.
#[must_use]
pub fn waits(wanted: HealClasses, current: Option<&CurrentTarget>) -> Option<Finding> {
    let current = current.filter(|current| current.plan != TargetPlan::Unknown && current.heal != wanted)?;
    Some(Finding {
        rule: WAITS.to_owned(),
        severity: Severity::Warns,
        message: format!(
            "its spoke heals {} by itself now, and {wanted} by the drift policies once this is rolled out",
            current.heal
        ),
        hint: "policies take effect with a rollout, also where the plan stays the same".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        digest::Digest,
        drift::HealClass,
        fleet::{ClusterId, Labels, Schemas},
    };

    fn cluster() -> Cluster {
        Cluster {
            id: ClusterId(Uuid::nil()),
            name: Name::parse("eu-1").unwrap(),
            labels: Labels::from([("env".to_owned(), "production".to_owned())]),
            declared: None,
            network: None,
            variables: Default::default(),
            facts: None,
            schemas: Schemas::default(),
        }
    }

    fn policy(name: &str, clusters: &str, heal: &[HealClass]) -> NamedPolicy {
        let clusters = serde_json::from_str(clusters).unwrap();
        let policy = DriftPolicy { clusters, heal: heal.iter().copied().collect() };
        NamedPolicy { name: Name::parse(name).unwrap(), policy }
    }

    fn removed() -> HealClasses {
        [HealClass::Removed].into_iter().collect()
    }

    #[test]
    fn the_one_policy_that_selects_a_cluster_says_what_it_heals() {
        let others = policy("others", r#"{"names":["eu-2"]}"#, &HealClass::ALL);
        let production =
            policy("production", r#"{"matchLabels":{"env":"production"}}"#, &[HealClass::Removed]);
        assert_eq!(heals(&[], &cluster()), Ok(HealClasses::NONE));
        assert_eq!(heals(std::slice::from_ref(&others), &cluster()), Ok(HealClasses::NONE));
        assert_eq!(heals(&[others, production], &cluster()), Ok(removed()));
    }

    #[test]
    fn two_policies_for_one_cluster_block_and_are_named() {
        let one = policy("production", r#"{"matchLabels":{"env":"production"}}"#, &[]);
        let other = policy("careful", r#"{"names":["eu-1"]}"#, &[]);
        let finding = heals(&[one, other], &cluster()).unwrap_err();
        assert_eq!((finding.rule.as_str(), finding.severity), (TWO_POLICIES, Severity::Blocks));
        assert_eq!(finding.message, "cluster eu-1 is selected by the drift policies careful and production");
    }

    #[test]
    fn a_policy_waits_for_a_rollout_where_the_target_is_known() {
        let known = TargetPlan::Known(Digest::of(b"plan"));
        let target = |plan, heal| CurrentTarget { generation: 1, target: Digest::of(b"t"), plan, heal };
        assert_eq!(waits(removed(), None), None, "its first rollout brings it");
        assert_eq!(waits(removed(), Some(&target(known, removed()))), None);
        assert_eq!(waits(removed(), Some(&target(TargetPlan::Unknown, HealClasses::NONE))), None);
        let finding = waits(removed(), Some(&target(known, HealClasses::NONE))).unwrap();
        assert_eq!(
            finding.message,
            "its spoke heals nothing by itself now, and Removed by the drift policies once this is rolled out"
        );
        let back = waits(HealClasses::NONE, Some(&target(known, removed()))).unwrap();
        assert_eq!(
            back.message,
            "its spoke heals Removed by itself now, and nothing by the drift policies once this is rolled out"
        );
    }
}
