//! Two plans beside each other.

use super::*;
use crate::plan::{compare, explain};

fn explained(platform: PlatformName, version: &str) -> Vec<ExplainedObject> {
    explain(&sailed(platform, version, |_| ()), &SourceMap::default())
}

#[test]
fn a_plan_is_no_different_from_itself() {
    for platform in PlatformName::ALL {
        assert_eq!(compare(&explained(platform, "1.30.3"), &explained(platform, "1.30.3")), []);
    }
}

/// Read from what the two platforms need of Sail, not from the plans.
#[test]
fn two_platforms_differ_by_what_their_rules_bring() {
    let compared = compare(&explained(PlatformName::Eks, "1.30.3"), &explained(PlatformName::Gke, "1.30.3"));
    let [istio] = compared.as_slice() else { panic!("{compared:#?}") };
    assert_eq!(
        (istio.id.kind.as_str(), istio.one, istio.other),
        ("Istio", Some(Form::Object), Some(Form::Object))
    );
    let [leaf] = istio.leaves.as_slice() else { panic!("{istio:#?}") };
    let gke = leaf.other.as_ref().unwrap();
    assert_eq!((gke.path.as_str(), &gke.value), (".spec.values.global.platform", &"gke".into()));
    assert!(leaf.one.is_none() && !leaf.is_variable());
    assert!(matches!(&gke.origin, Origin::Rule { rule, .. } if rule.0 == "gke.platform"));

    let compared = compare(&explained(PlatformName::Rosa, "1.30.3"), &explained(PlatformName::Eks, "1.30.3"));
    let only_there = |kind: &str| {
        let object = compared.iter().find(|object| object.id.kind == kind);
        object.is_some_and(|object| object.one.is_some() && object.other.is_none())
    };
    for kind in ["IstioCNI", "NetworkAttachmentDefinition", "DaemonSet"] {
        assert!(only_there(kind), "{kind}: {compared:#?}");
    }
}

#[test]
fn what_differs_as_the_clusters_do_is_told_from_the_rest() {
    let of = |cluster: &str, version: &str| {
        let mut member = cluster_named(cluster);
        member.network = Some(name("east"));
        let proposal = propose(
            &version_of(MeshConfig {
                clusters: Selector { names: vec![name("a"), name("b")], ..Selector::default() },
                ..sail_config(version)
            }),
            &member,
        )
        .unwrap();
        explain(&proposal.plan.unwrap(), &SourceMap::default())
    };
    let compared = compare(&of("a", "1.30.3"), &of("b", "1.29.6"));
    let leaves: Vec<&ComparedLeaf> = compared.iter().flat_map(|object| &object.leaves).collect();
    let variables: Vec<&str> = leaves
        .iter()
        .filter(|leaf| leaf.is_variable())
        .filter_map(|leaf| Some(leaf.one.as_ref()?.path.as_str()))
        .collect();
    assert_eq!(variables, [".spec.values.global.multiCluster.clusterName"]);
    assert!(leaves.len() > variables.len());
}

fn cluster_named(named: &str) -> Cluster {
    Cluster { name: name(named), ..cluster(sail_facts(PlatformName::Eks)) }
}
