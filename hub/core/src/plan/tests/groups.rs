//! Groups of clusters: by what differs once variables are named, with the reason of each split.

use serde_json::json;

use super::*;
use crate::config::Layer;

/// A cluster with its proposal and its diff.
struct Member {
    cluster: Cluster,
    proposal: Proposal,
    diff: Vec<ObjectDiff>,
}

fn member(name_: &str, platform: PlatformName, config: &MeshConfig, before: Option<&Plan>) -> Member {
    let mut cluster = cluster(sail_facts(platform));
    cluster.name = name(name_);
    cluster.network = None;
    cluster.variables = BTreeMap::from([("zone".to_owned(), format!("zone-of-{name_}"))]);
    let proposal = propose(&version_of(config.clone()), &cluster).unwrap();
    let before = before.map(|plan| Before { document: &plan.document, bodies: &plan.bodies });
    let diff = proposal.plan.as_ref().map(|plan| diff(before, plan)).unwrap_or_default();
    Member { cluster, proposal, diff }
}

fn grouped(members: &[Member]) -> Vec<Group> {
    let previews: Vec<Preview<'_>> = members
        .iter()
        .map(|member| Preview {
            cluster: &member.cluster.name,
            platform: member.proposal.detection.as_ref().map_or("", |detection| detection.detail.as_str()),
            diff: &member.diff,
            findings: &member.proposal.findings,
            plan: member.proposal.plan.as_ref(),
        })
        .collect();
    group(&previews)
}

fn everywhere() -> MeshConfig {
    let mut config = sail_config("1.30.3");
    config.clusters = Selector { names: Vec::new(), ..config.clusters };
    config.base["values"] = json!({"istiod": {"pilot": {"env": {"ZONE": "${zone}/${cluster}"}}}});
    config
}

fn sizes(groups: &[Group]) -> Vec<(Vec<&str>, Vec<&str>)> {
    groups
        .iter()
        .map(|group| {
            (
                group.clusters.iter().map(Name::as_str).take(3).collect(),
                group.why.iter().map(String::as_str).collect(),
            )
        })
        .collect()
}

#[test]
fn a_hundred_equal_clusters_are_one_group() {
    let config = everywhere();
    let mut members: Vec<Member> =
        (0..99).map(|number| member(&format!("eks-{number:02}"), PlatformName::Eks, &config, None)).collect();
    // Names that stand in other places of the manifests too.
    members.push(member("default", PlatformName::Eks, &config, None));
    let groups = grouped(&members);
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].clusters.len(), 100);
    assert_eq!(groups[0].platforms, ["EKS, Kubernetes v1.34.3"]);
    let istio = &groups[0].manifests[&installer::sail::istio()];
    let values = &istio["spec"]["values"];
    assert_eq!(istio["metadata"]["name"], "default");
    assert_eq!(values["global"]["multiCluster"]["clusterName"], "${cluster}");
    assert_eq!(values["global"]["network"], "${network}");
    assert_eq!(values["pilot"]["env"]["ZONE"], "${zone}/${cluster}");
}

#[test]
fn outliers_come_first_and_say_what_sets_them_apart() {
    let mut config = everywhere();
    let clusters = Selector { names: vec![name("eks-9")], ..Selector::default() };
    let set = json!({"istio": {"version": "1.29.6"}});
    config.layers.push(Layer { name: name("slow"), clusters, set, unset: Vec::new() });
    let mut members: Vec<Member> =
        (1..=4).map(|number| member(&format!("eks-{number}"), PlatformName::Eks, &config, None)).collect();
    members.push(member("eks-9", PlatformName::Eks, &config, None));
    members.extend(["rosa-1", "rosa-2"].map(|name| member(name, PlatformName::Rosa, &config, None)));
    members.push(member("generic-1", PlatformName::Generic, &config, None));
    let groups = grouped(&members);
    insta::assert_snapshot!("why", format!("{:#?}", sizes(&groups)));
    assert_eq!(groups[2].platforms.len(), 2, "equal on two platforms: {:?}", groups[2].platforms);
}

#[test]
fn what_a_cluster_had_before_sets_it_apart() {
    let config = everywhere();
    let mut old = config.clone();
    old.base["istio"]["version"] = json!("1.29.6");
    let mut members = Vec::new();
    for number in 1..=3 {
        let name = format!("eks-{number}");
        let before = member(&name, PlatformName::Eks, &old, None).proposal.plan.unwrap();
        members.push(member(&name, PlatformName::Eks, &config, Some(&before)));
    }
    members.push(member("eks-4", PlatformName::Eks, &config, None));
    let present = member("eks-5", PlatformName::Eks, &config, None).proposal.plan.unwrap();
    members.push(member("eks-5", PlatformName::Eks, &config, Some(&present)));
    let groups = grouped(&members);
    insta::assert_snapshot!("why-before", format!("{:#?}", sizes(&groups)));
    let told: Vec<String> = groups[2].objects[0].changes.iter().map(ToString::to_string).collect();
    assert_eq!(told, [r#".spec.version: "v1.29.6" -> "v1.30.3""#]);
    assert_eq!(groups[2].disruption.class, Disruption::WorkloadRestart);
}

#[test]
fn a_new_source_of_the_network_is_one_change_for_all() {
    let old = everywhere();
    let mut config = old.clone();
    config.base["network"] = json!({"fromLabel": "network"});
    let mut members = Vec::new();
    for number in 1..=3 {
        let name_ = format!("eks-{number}");
        let before = member(&name_, PlatformName::Eks, &old, None).proposal.plan.unwrap();
        let mut cluster = cluster(sail_facts(PlatformName::Eks));
        cluster.name = name(&name_);
        cluster.network = None;
        cluster.variables = BTreeMap::from([("zone".to_owned(), format!("zone-of-{name_}"))]);
        cluster.labels = BTreeMap::from([("network".to_owned(), format!("net-{number}"))]);
        let proposal = propose(&version_of(config.clone()), &cluster).unwrap();
        let before = Before { document: &before.document, bodies: &before.bodies };
        let diff = diff(Some(before), proposal.plan.as_ref().unwrap());
        members.push(Member { cluster, proposal, diff });
    }
    let groups = grouped(&members);
    assert_eq!(groups.len(), 1);
    assert_eq!(
        groups[0].objects[0].changes[0].to_string(),
        r#".spec.values.global.network: "${cluster}" -> "${network}""#
    );
}

#[test]
fn clusters_of_which_nothing_is_known_are_one_group() {
    let config = everywhere();
    let mut members = Vec::new();
    for name_ in ["a", "b"] {
        let mut cluster = cluster(Facts::default());
        cluster.name = name(name_);
        cluster.facts = None;
        let proposal = propose(&version_of(config.clone()), &cluster).unwrap();
        members.push(Member { cluster, proposal, diff: Vec::new() });
    }
    let groups = grouped(&members);
    assert_eq!(groups.len(), 1);
    assert_eq!(
        groups[0].findings[0].message,
        "nothing is known of cluster ${cluster}: its spoke has never been attached"
    );
    assert!(
        grouped(&members[..1])[0].findings[0].message.contains("cluster a:"),
        "one alone goes by its name"
    );
    assert!(group(&[]).is_empty());
}
