use super::*;
use crate::fleet::{ClusterVersion, Infrastructure, NodeGroup, UnreadFact};

/// `(count, provider, kubelet, labels)`.
type Nodes = (u32, &'static str, &'static str, &'static [&'static str]);

fn facts(version: &str, kinds: &[&str], nodes: &[Nodes]) -> Facts {
    let group = |(count, provider, kubelet, labels): &Nodes| NodeGroup {
        count: *count,
        provider: (*provider).to_owned(),
        kubelet_version: (*kubelet).to_owned(),
        os_image: String::new(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        annotations: Vec::new(),
    };
    Facts {
        kubernetes_version: version.to_owned(),
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        nodes: nodes.iter().map(group).collect(),
        ..Facts::default()
    }
}

const CLUSTER_VERSION: &str = "config.openshift.io/ClusterVersion";
const RHCOS: &str = "node.openshift.io/os_id=rhcos";

fn infrastructure(topology: &str, tags: &[(&str, &str)]) -> Infrastructure {
    Infrastructure {
        platform_type: "AWS".to_owned(),
        control_plane_topology: topology.to_owned(),
        resource_tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
    }
}

/// Whatever the order of nodes.
fn check<const N: usize>(table: [(&str, Facts, Option<PlatformName>); N]) {
    for (case, facts, expected) in table {
        let detection = detect(&facts);
        assert_eq!(detection.platform, expected, "{case}: {detection:?}");
        let mut reversed = facts;
        reversed.nodes.reverse();
        assert_eq!(detect(&reversed).platform, expected, "{case}, nodes reversed");
    }
}

const EKS_LABEL: &[&str] = &["eks.amazonaws.com/nodegroup"];
const GKE_LABEL: &[&str] = &["cloud.google.com/gke-nodepool"];
const AKS_LABELS: &[&str] = &["agentpool", "kubernetes.azure.com/cluster"];
const GKE_KIND: &str = "networking.gke.io/ManagedCertificate";

#[test]
fn clouds_are_known_by_their_own_marks() {
    use PlatformName::{Aks, Eks, Generic, Gke};
    let hybrid = [(2, "aws", "", &[][..]), (1, "eks-hybrid", "", &[][..])];
    check([
        ("nodes of EKS", facts("v1.36.3", &[], &[(3, "aws", "v1.36.3", EKS_LABEL)]), Some(Eks)),
        ("EKS, nodes unread", facts("v1.17.11-eks-cfdc40", &[], &[]), Some(Eks)),
        ("EKS with a hybrid node", facts("v1.33.1-eks-1", &[], &hybrid), Some(Eks)),
        ("EKS Anywhere", facts("v1.33.1-eks-1", &[], &[(2, "vsphere", "", &[])]), None),
        ("GKE, nodes unread", facts("v1.17.15-gke.800", &[], &[]), Some(Gke)),
        ("GKE by group and labels", facts("v1.36.3", &[GKE_KIND], &[(1, "gce", "", GKE_LABEL)]), Some(Gke)),
        ("GKE's definitions elsewhere", facts("v1.36.3", &[GKE_KIND], &[(1, "gce", "", &[])]), Some(Generic)),
        ("AKS", facts("v1.17.13", &[], &[(3, "azure", "v1.17.13", AKS_LABELS)]), Some(Aks)),
        ("AKS, nodes unread", facts("v1.17.13", &[], &[]), None),
        ("machines in a cloud", facts("v1.30.2", &[], &[(3, "aws", "v1.30.2", &[])]), Some(Generic)),
        ("machines of one's own", facts("v1.30.2", &[], &[(3, "", "v1.30.2", &[])]), Some(Generic)),
        ("nothing seen", facts("v1.30.2", &[], &[]), None),
    ]);
}

#[test]
fn openshift_is_not_taken_for_the_cloud_it_stands_in() {
    use PlatformName::Openshift;
    let hash = "v1.24.6+5658434";
    check([
        ("on AWS", facts(hash, &[CLUSTER_VERSION], &[(3, "aws", hash, &[RHCOS])]), Some(Openshift)),
        ("on Azure", facts(hash, &[CLUSTER_VERSION], &[(3, "azure", hash, &[RHCOS])]), Some(Openshift)),
        ("nodes unread", facts(hash, &["operator.openshift.io/OpenShiftAPIServer"], &[]), Some(Openshift)),
        ("kinds unread", facts(hash, &[], &[(3, "gce", hash, &[RHCOS])]), Some(Openshift)),
    ]);
}

#[test]
fn contradicting_signs_name_no_platform() {
    let mixed = [(2, "aws", "", EKS_LABEL), (1, "azure", "", AKS_LABELS)];
    check([
        ("nodes of two providers", facts("v1.36.3", &[], &mixed), None),
        ("definitions on EKS", facts("v1.36.3", &[CLUSTER_VERSION], &[(2, "aws", "", EKS_LABEL)]), None),
    ]);
}

#[test]
fn red_hats_tag_makes_openshift_rosa() {
    let seen = |topology, tags: &[(&str, &str)], version: (&str, &str)| Facts {
        infrastructure: Some(infrastructure(topology, tags)),
        cluster_version: Some(ClusterVersion {
            current: version.0.to_owned(),
            desired: version.1.to_owned(),
        }),
        ..facts("v1.24.6+5658434", &[CLUSTER_VERSION], &[(3, "aws", "", &[RHCOS])])
    };
    let tag = [("red-hat-clustertype", "rosa"), ("red-hat-managed", "true")];
    for (facts, platform, detail) in [
        (
            seen("HighlyAvailable", &tag, ("4.11.59", "4.11.59")),
            PlatformName::Rosa,
            "ROSA classic, OpenShift 4.11.59",
        ),
        (
            seen("External", &tag, ("4.18.3", "4.19.1")),
            PlatformName::Rosa,
            "ROSA HCP, OpenShift 4.18.3, moving to 4.19.1",
        ),
        (
            seen("External", &[], ("4.18.3", "4.18.3")),
            PlatformName::Openshift,
            "OpenShift 4.18.3 (hosted control plane)",
        ),
        (
            seen("HighlyAvailable", &[("red-hat-managed", "true")], ("", "5.0.1")),
            PlatformName::Openshift,
            "OpenShift 5.0.1",
        ),
        (
            seen("", &[("red-hat-clustertype", "osd")], ("4.18.3", "")),
            PlatformName::Openshift,
            "OpenShift 4.18.3",
        ),
    ] {
        let detection = detect(&facts);
        assert_eq!((detection.platform, detection.detail.as_str()), (Some(platform), detail));
    }
}

#[test]
fn signals_say_what_was_seen() {
    let facts = facts(
        "v1.36.3",
        &[],
        &[(2, "aws", "v1.36.3-eks-1", &["eks.amazonaws.com/nodegroup"]), (1, "aws", "v1.36.3", &[])],
    );
    assert_eq!(
        detect(&facts).signals,
        [
            r#"2 of 3 nodes run a kubelet whose version holds "-eks-""#,
            "2 of 3 nodes carry labels eks.amazonaws.com/*",
            "3 nodes on aws",
        ]
    );
}

#[test]
fn without_sight_of_kinds_nothing_is_called_generic() {
    let mut facts = facts("v1.30.2", &[], &[(3, "aws", "v1.30.2", &[])]);
    facts.unread.push(UnreadFact { fact: "kinds".to_owned(), reason: "forbidden".to_owned() });
    let detection = detect(&facts);
    assert_eq!(detection.platform, None);
    assert_eq!(check_declared(None, &detection).unwrap().rule, "platform.unknown");
    assert_eq!(check_declared(Some(PlatformName::Generic), &detection), None);
}

#[test]
fn a_declaration_must_not_be_contradicted() {
    use PlatformName::{Eks, Generic, Openshift, Rosa};
    let rosa = Facts {
        infrastructure: Some(infrastructure("External", &[("red-hat-clustertype", "rosa")])),
        ..facts("v1.31.1", &[CLUSTER_VERSION], &[])
    };
    let openshift = facts("v1.31.1", &[CLUSTER_VERSION], &[]);
    let plain = facts("v1.31.1", &[], &[(1, "aws", "", &[])]);
    for (declared, facts, expected) in [
        (None, &rosa, None),
        (Some(Rosa), &rosa, None),
        (Some(Openshift), &rosa, None),
        (Some(Rosa), &openshift, None),
        (Some(Eks), &rosa, Some("platform.contradiction")),
        (Some(Openshift), &plain, Some("platform.contradiction")),
        (Some(Generic), &openshift, Some("platform.contradiction")),
        (None, &Facts::default(), Some("platform.unknown")),
        (Some(Eks), &Facts::default(), None),
    ] {
        let finding = check_declared(declared, &detect(facts));
        assert_eq!(finding.as_ref().map(|finding| finding.rule.as_str()), expected, "{declared:?} {facts:?}");
    }
}

#[test]
fn a_conflict_is_told_with_both_sides() {
    let facts = facts("v1.33.1-gke.100", &[CLUSTER_VERSION], &[(1, "gce", "", &[])]);
    let detection = detect(&facts);
    let finding = check_declared(None, &detection).unwrap();
    assert_eq!(
        finding.message,
        "the platform was not declared and cannot be told: signs of more than one platform: openshift (kind config.openshift.io/ClusterVersion is served), gke (the API server calls itself v1.33.1-gke.100)"
    );
}

#[test]
fn every_name_has_its_platform_and_its_rules_hold_there() {
    for name in PlatformName::ALL {
        let platform = of(name);
        assert_eq!(platform.name(), name);
        assert!(platform.rules().iter().all(|rule| rule.holds_on(name)), "{name}");
        let strangers = crate::plan::rule::registry().iter().filter(|rule| !rule.platforms.is_empty());
        for rule in strangers.filter(|rule| rule.holds_on(name)) {
            assert!(
                platform.rules().iter().any(|own| own.id == rule.id),
                "{name} does not bring {}",
                rule.id
            );
        }
    }
}
