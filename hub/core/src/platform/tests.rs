use super::*;
use crate::{
    fleet::{ClusterVersion, Infrastructure, NamespaceFacts, NodeGroup, UnreadFact},
    plan::Severity,
};

/// `(count, provider, kubelet, labels)`.
type Nodes = (u32, &'static str, &'static str, &'static [&'static str]);

fn facts(version: &str, kinds: &[&str], nodes: &[Nodes]) -> Facts {
    let group = |(count, provider, kubelet, labels): &Nodes| NodeGroup {
        count: *count,
        provider: (*provider).to_owned(),
        kubelet_version: (*kubelet).to_owned(),
        os_image: String::new(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        ..NodeGroup::default()
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
            "OpenShift 5.0.1, managed by Red Hat: ROSA classic or OpenShift Dedicated",
        ),
        (
            seen("", &[("red-hat-clustertype", "osd")], ("4.18.3", "")),
            PlatformName::Openshift,
            "OpenShift Dedicated, OpenShift 4.18.3",
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
            let mut brought = platform.rules().iter().chain(gateway_rules());
            assert!(brought.any(|own| own.id == rule.id), "{name} does not bring {}", rule.id);
        }
    }
}

const SCC: &str = "security.openshift.io/SecurityContextConstraints";
const API_SERVER: &str = "operator.openshift.io/OpenShiftAPIServer";
const ISTIO: &str = "servicemesh.cisco.com/IstioControlPlane";
const HASH: &str = "v1.33.1+5658434";

/// OpenShift of this version, as its ClusterVersion and Infrastructure show it.
fn openshift(version: &str, cloud: (&str, &str), topology: &str, tags: &[(&str, &str)]) -> Facts {
    let (platform_type, provider) = cloud;
    let group = NodeGroup {
        count: 3,
        provider: provider.to_owned(),
        kubelet_version: HASH.to_owned(),
        os_image: "Red Hat Enterprise Linux CoreOS".to_owned(),
        labels: vec![RHCOS.to_owned()],
        ..NodeGroup::default()
    };
    let seen = Infrastructure { platform_type: platform_type.to_owned(), ..infrastructure(topology, tags) };
    let version = ClusterVersion { current: version.to_owned(), desired: version.to_owned() };
    Facts {
        infrastructure: Some(seen),
        cluster_version: Some(version),
        nodes: vec![group],
        ..facts(HASH, &[CLUSTER_VERSION, SCC, ISTIO], &[])
    }
}

fn with_landmarks(landmarks: &[&str], facts: Facts) -> Facts {
    Facts { landmarks: landmarks.iter().map(|landmark| (*landmark).to_owned()).collect(), ..facts }
}

fn with_namespaces(names: &[&str], facts: Facts) -> Facts {
    let namespace = |name: &&str| NamespaceFacts { name: (*name).to_owned(), labels: [].into() };
    Facts { namespaces: names.iter().map(namespace).collect(), ..facts }
}

fn with_annotation(key: &str, mut facts: Facts) -> Facts {
    facts.nodes[0].annotations.push(key.to_owned());
    facts
}

fn unread(fact: &str, mut facts: Facts) -> Facts {
    facts.unread.push(UnreadFact { fact: fact.to_owned(), reason: "forbidden".to_owned() });
    facts
}

const AWS: (&str, &str) = ("AWS", "aws");
const ROSA: &[(&str, &str)] = &[("red-hat-clustertype", "rosa"), ("red-hat-managed", "true")];
const MANAGED: &[(&str, &str)] = &[("red-hat-managed", "true")];

/// Each row is one fact that the table of signals names, alone where it decides alone.
#[test]
fn every_signal_is_understood() {
    use PlatformName::{Aks, Eks, Generic, Gke, Openshift, Rosa};
    let plain = |provider, labels| facts("v1.33.1", &[ISTIO], &[(3, provider, "v1.33.1", labels)]);
    let dns = Facts {
        kube_dns_labels: [("eks.amazonaws.com/component".to_owned(), "kube-dns".to_owned())].into(),
        ..plain("aws", &[])
    };
    check([
        ("kind ClusterVersion", facts(HASH, &[CLUSTER_VERSION], &[]), Some(Openshift)),
        ("kind OpenShiftAPIServer", facts(HASH, &[API_SERVER], &[]), Some(Openshift)),
        (
            "label os_id=rhel",
            facts(HASH, &[], &[(1, "aws", HASH, &["node.openshift.io/os_id=rhel"])]),
            Some(Openshift),
        ),
        ("topology HighlyAvailable", openshift("4.20.8", AWS, "HighlyAvailable", &[]), Some(Openshift)),
        (
            "topology HighlyAvailableArbiter",
            openshift("4.20.8", AWS, "HighlyAvailableArbiter", &[]),
            Some(Openshift),
        ),
        ("topology SingleReplica", openshift("4.20.8", AWS, "SingleReplica", &[]), Some(Openshift)),
        ("topology DualReplica", openshift("4.20.8", AWS, "DualReplica", &[]), Some(Openshift)),
        ("topology External", openshift("4.20.8", AWS, "External", &[]), Some(Openshift)),
        ("tag red-hat-clustertype=rosa", openshift("4.20.8", AWS, "HighlyAvailable", ROSA), Some(Rosa)),
        ("tag red-hat-managed=true, hosted", openshift("4.20.8", AWS, "External", MANAGED), Some(Rosa)),
        ("tag red-hat-managed=true", openshift("4.20.8", AWS, "HighlyAvailable", MANAGED), Some(Openshift)),
        ("GKE: group and label", facts("v1.33.1", &[GKE_KIND], &[(1, "gce", "", GKE_LABEL)]), Some(Gke)),
        ("GKE: gitVersion", facts("v1.36.3-gke.1", &[], &[]), Some(Gke)),
        ("GKE: kubelet", facts("v1.36.3", &[], &[(1, "gce", "v1.36.3-gke.1", &[])]), Some(Gke)),
        ("EKS: gitVersion", facts("v1.33.1-eks-1", &[], &[]), Some(Eks)),
        ("EKS: kubelet", facts("v1.33.1", &[], &[(1, "aws", "v1.33.1-eks-1", &[])]), Some(Eks)),
        ("EKS: label nodegroup", plain("aws", EKS_LABEL), Some(Eks)),
        ("EKS: label compute-type", plain("aws", &["eks.amazonaws.com/compute-type"]), Some(Eks)),
        ("EKS: kube-dns", dns, Some(Eks)),
        (
            "EKS: eks-certificates-controller",
            with_landmarks(&["ConfigMap kube-system/eks-certificates-controller"], plain("aws", &[])),
            Some(Eks),
        ),
        // Also written by whoever runs the authenticator himself, so it forbids to say generic and no more.
        ("EKS: aws-auth alone", with_landmarks(&["ConfigMap kube-system/aws-auth"], plain("aws", &[])), None),
        (
            "EKS: aws-auth and a mark",
            with_landmarks(&["ConfigMap kube-system/aws-auth"], plain("aws", EKS_LABEL)),
            Some(Eks),
        ),
        ("AKS: label cluster", plain("azure", &["kubernetes.azure.com/cluster"]), Some(Aks)),
        ("AKS: label role", plain("azure", &["kubernetes.azure.com/role"]), Some(Aks)),
        ("AKS: agentpool alone", plain("azure", &["agentpool"]), None),
        ("agentpool elsewhere", plain("vsphere", &["agentpool"]), Some(Generic)),
        ("providerID aws", plain("aws", &[]), Some(Generic)),
        ("providerID gce", plain("gce", &[]), Some(Generic)),
        ("providerID azure", plain("azure", &[]), Some(Generic)),
        ("providerID vsphere", plain("vsphere", &[]), Some(Generic)),
        ("providerID kind", plain("kind", &[]), Some(Generic)),
        ("annotation k3s.io", with_annotation("k3s.io/node-args", plain("k3s", &[])), Some(Generic)),
        (
            "annotation rke.cattle.io",
            with_annotation("rke.cattle.io/external-ip", plain("", &[])),
            Some(Generic),
        ),
    ]);
}

#[test]
fn no_trap_is_fallen_into() {
    use PlatformName::{Eks, Generic, Gke, Openshift, Rosa};
    let nodes = |provider, labels| facts("v1.33.1", &[ISTIO], &[(3, provider, "v1.33.1", labels)]);
    let mut stray = openshift("4.20.8", AWS, "External", ROSA);
    stray.nodes[0].labels.extend(EKS_LABEL.iter().map(|label| (*label).to_owned()));
    let two_of_three = [(2, "aws", "v1.33.1", &[][..]), (1, "aws", "v1.33.1-eks-1", EKS_LABEL)];
    check([
        ("ROSA is not EKS, whatever its nodes carry", stray, Some(Rosa)),
        (
            "OpenShift on AWS with aws-auth",
            with_landmarks(
                &["ConfigMap kube-system/aws-auth"],
                facts(HASH, &[CLUSTER_VERSION], &[(1, "aws", HASH, &[])]),
            ),
            Some(Openshift),
        ),
        ("ARO is not AKS", openshift("4.20.8", ("Azure", "azure"), "HighlyAvailable", &[]), Some(Openshift)),
        (
            "OpenShift on GCP is not GKE",
            openshift("4.20.8", ("GCP", "gce"), "HighlyAvailable", &[]),
            Some(Openshift),
        ),
        ("+hash is no cloud's suffix", facts(HASH, &[ISTIO], &[(1, "aws", HASH, &[])]), Some(Generic)),
        ("not the first node alone", facts("v1.33.1", &[], &two_of_three), Some(Eks)),
        ("zero nodes", facts("v1.33.1", &[ISTIO], &[]), None),
        ("zero nodes, version", facts("v1.36.3-gke.1", &[ISTIO], &[]), Some(Gke)),
        ("zero nodes, groups", facts(HASH, &[CLUSTER_VERSION], &[]), Some(Openshift)),
        ("nodes forbidden", unread("nodes", facts("v1.33.1", &[ISTIO], &[])), None),
        ("nodes forbidden, version", unread("nodes", facts("v1.33.1-eks-1", &[ISTIO], &[])), Some(Eks)),
        ("self-managed on EC2", nodes("aws", &[]), Some(Generic)),
        ("GKE's definitions on EKS", facts("v1.33.1", &[GKE_KIND], &[(1, "aws", "", EKS_LABEL)]), Some(Eks)),
        ("EKS Anywhere", facts("v1.33.1-eks-1", &[ISTIO], &[(3, "vsphere", "v1.33.1-eks-1", &[])]), None),
        ("EKS of hybrid nodes only", facts("v1.33.1-eks-1", &[], &[(3, "eks-hybrid", "", &[])]), Some(Eks)),
        ("AKS Arc", nodes("moc", &["kubernetes.azure.com/cluster"]), None),
        ("GDC", facts("v1.33.1-gke.100", &[ISTIO], &[(3, "vsphere", "v1.33.1-gke.100", &[])]), None),
        ("MicroShift", facts("v1.33.1", &[SCC, ISTIO], &[(1, "", "v1.33.1", &[])]), None),
        (
            "IBM's OpenShift is not ROSA",
            openshift("4.20.8", ("IBMCloud", "ibm"), "External", MANAGED),
            Some(Openshift),
        ),
    ]);
}

#[test]
fn the_detail_names_product_and_version() {
    let classic = |tags| openshift("4.20.8", AWS, "HighlyAvailable", tags);
    let managed = "OpenShift 4.20.8, managed by Red Hat: ROSA classic or OpenShift Dedicated";
    let plain = |version, provider| facts(version, &[ISTIO], &[(1, provider, version, &[])]);
    for (facts, detail) in [
        (openshift("4.20.8", AWS, "External", ROSA), "ROSA HCP, OpenShift 4.20.8"),
        (openshift("4.11.59", AWS, "HighlyAvailable", ROSA), "ROSA classic, OpenShift 4.11.59"),
        (classic(&[("red-hat-clustertype", "osd")]), "OpenShift Dedicated, OpenShift 4.20.8"),
        (
            openshift("4.20.8", ("GCP", "gce"), "HighlyAvailable", MANAGED),
            "OpenShift Dedicated, OpenShift 4.20.8",
        ),
        (classic(&[]), "OpenShift 4.20.8"),
        (classic(MANAGED), managed),
        (with_namespaces(&["openshift-backplane-srep"], classic(&[])), managed),
        (with_namespaces(&["openshift-managed-upgrade-operator"], classic(&[])), managed),
        (with_landmarks(&["user.openshift.io/Group dedicated-admins"], classic(&[])), managed),
        (
            with_landmarks(
                &["admissionregistration.k8s.io/ValidatingWebhookConfiguration sre-scc-validation"],
                classic(&[]),
            ),
            managed,
        ),
        (openshift("5.0.1", AWS, "HighlyAvailable", ROSA), "ROSA classic, OpenShift 5.0.1"),
        (plain("v1.36.3-gke.1", "gce"), "GKE, Kubernetes v1.36.3-gke.1"),
        (plain("v1.33.1-eks-1", "aws"), "EKS, Kubernetes v1.33.1-eks-1"),
        (plain("v1.33.1", "aws"), "Kubernetes v1.33.1 on aws"),
        (plain("v1.33.1", "kind"), "kind, Kubernetes v1.33.1 on machines of no cloud"),
        (plain("v1.33.1+k3s1", "k3s"), "k3s, Kubernetes v1.33.1+k3s1 on machines of no cloud"),
        (plain("v1.33.1+rke2r1", "aws"), "RKE2, Kubernetes v1.33.1+rke2r1 on aws"),
        (
            with_annotation("rke.cattle.io/external-ip", plain("v1.33.1", "")),
            "RKE, Kubernetes v1.33.1 on machines of no cloud",
        ),
        (
            plain("v1.33.1-eks-1", "vsphere"),
            "unknown: signs of eks, but no node has a providerID of aws, and some have one of vsphere",
        ),
        (
            facts("v1.33.1", &[SCC], &[(1, "", "", &[])]),
            "unknown: signs of generic, but security.openshift.io/SecurityContextConstraints is served without config.openshift.io/ClusterVersion: MicroShift, or OpenShift of which not all is seen",
        ),
        (facts("v1.33.1", &[], &[]), "unknown: no sign of any platform"),
    ] {
        assert_eq!(detect(&facts).detail, detail);
    }
    let fifth = openshift("5.0.1", AWS, "HighlyAvailable", ROSA);
    assert_eq!(of(PlatformName::Rosa).version(&fifth), Some(MinorVersion::new(5, 0)));
}

#[test]
fn where_nothing_was_detected_a_declaration_holds_unless_the_facts_exclude_it() {
    use PlatformName::{Aks, Eks, Generic, Gke, Openshift, Rosa};
    let blind = unread("nodes", unread("kinds", facts("v1.33.1", &[], &[])));
    let aks = unread("nodes", facts("v1.33.1", &[ISTIO], &[]));
    let anywhere = facts("v1.33.1-eks-1", &[ISTIO], &[(3, "vsphere", "", &[])]);
    let two = facts("v1.33.1-gke.100", &[CLUSTER_VERSION], &[(1, "gce", "", &[])]);
    let microshift = facts("v1.33.1", &[SCC, ISTIO], &[(1, "", "", &[])]);
    let agentpool = facts("v1.33.1", &[ISTIO], &[(1, "azure", "", &["agentpool"])]);
    let on_gcp = openshift("4.20.8", ("GCP", "gce"), "HighlyAvailable", &[]);
    for (case, facts, allowed) in [
        ("nothing seen", &blind, &[Gke, Eks, Aks, Rosa, Openshift, Generic][..]),
        ("AKS, nodes forbidden", &aks, &[Gke, Eks, Aks, Generic]),
        ("EKS Anywhere", &anywhere, &[Generic]),
        ("two platforms", &two, &[Gke, Rosa, Openshift]),
        ("MicroShift", &microshift, &[Gke, Eks, Aks, Rosa, Openshift]),
        ("agentpool", &agentpool, &[Aks, Generic]),
        ("OpenShift on GCP", &on_gcp, &[Openshift]),
    ] {
        let detection = detect(facts);
        for declared in PlatformName::ALL {
            let finding = check_declared(Some(declared), &detection);
            assert_eq!(finding.is_none(), allowed.contains(&declared), "{case}: {declared}: {finding:?}");
        }
    }
    let finding = check_declared(Some(Eks), &detect(&anywhere)).unwrap();
    assert_eq!(finding.severity, Severity::Blocks);
    assert_eq!(
        finding.message,
        "declared to be eks, which the facts exclude: signs of eks, but no node has a providerID of aws, and some have one of vsphere"
    );
    assert_eq!(finding.hint, "set spec.platform of its Cluster document to one of generic");
}

#[test]
fn meshes_of_others_are_seen_and_definitions_alone_are_none() {
    use Severity::{Blocks, Warns};
    let plain = || facts("v1.33.1", &["sailoperator.io/Istio", "operator.tigera.io/Istio"], &[]);
    for (facts, expected) in [
        (plain(), &[][..]),
        (with_namespaces(&["aks-istio-system", "default"], plain()), &[Blocks]),
        (with_namespaces(&["aks-istio-ingress"], plain()), &[Blocks]),
        (with_landmarks(&["sailoperator.io/Istio openshift-gateway"], plain()), &[Warns]),
        (with_landmarks(&["gateway.networking.k8s.io/GatewayClass openshift-default"], plain()), &[Warns]),
        (with_landmarks(&["operator.tigera.io/Istio default"], plain()), &[Warns]),
    ] {
        let findings = foreign_mesh(&facts);
        assert!(findings.iter().all(|finding| finding.rule == "mesh.foreign"));
        assert_eq!(findings.iter().map(|finding| finding.severity).collect::<Vec<_>>(), expected);
    }
}
