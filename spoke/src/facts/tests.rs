use serde_json::json;

use super::*;

#[test]
fn nodes_that_look_the_same_are_one_kind() {
    let node = |name: &str, zone: &str| -> Node {
        serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone, "node.openshift.io/os_id": "rhcos"},
                "annotations": {"k3s.io/hostname": name, "csi.volume.kubernetes.io/nodeid": name}},
            "spec": {"providerID": format!("aws:///{zone}/{name}")},
            "status": {"nodeInfo": {"kubeletVersion": "v1.24.6", "osImage": "x", "architecture": "", "bootID": "",
                "containerRuntimeVersion": "", "kernelVersion": "", "kubeProxyVersion": "", "machineID": "",
                "operatingSystem": "", "systemUUID": ""}},
        }))
        .unwrap()
    };
    let (one, other) = (kind_of(node("i-1", "a")), kind_of(node("i-2", "b")));
    assert_eq!(one, other);
    assert_eq!(one.provider, "aws");
    assert_eq!(one.labels, ["node.openshift.io/os_id=rhcos", "topology.kubernetes.io/zone"]);
    assert_eq!(one.annotations, ["k3s.io/hostname"]);
}

#[test]
fn a_landmark_is_asked_for_only_where_its_kind_is_served() {
    let asked = |kinds: &[&str]| -> Vec<String> {
        let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        LANDMARKS.iter().filter(|landmark| landmark.may_exist(&kinds)).map(ToString::to_string).collect()
    };
    let everywhere = [
        "ConfigMap kube-system/aws-auth",
        "ConfigMap kube-system/eks-certificates-controller",
        "admissionregistration.k8s.io/ValidatingWebhookConfiguration sre-scc-validation",
    ];
    assert_eq!(asked(&[]), everywhere);
    assert_eq!(asked(&["operator.tigera.io/Istio"])[3..], ["operator.tigera.io/Istio default"]);
}

/// An object that the spoke looks for and may not get would stay unread for ever.
#[test]
fn every_landmark_may_be_read() {
    for landmark in &LANDMARKS {
        let (group, _, _, plural) = landmark.kind;
        let names = |line: &str| line.contains(landmark.name);
        let rule = crate::deploy::RBAC.split("- apiGroups:").find(|rule| {
            rule.trim_start().starts_with(&format!("[{}]", if group.is_empty() { "\"\"" } else { group }))
                && rule.contains(&format!("resources: [{plural}]"))
                && rule.lines().filter(|line| line.contains("resourceNames")).any(names)
                && rule.contains("verbs: [get]")
        });
        assert!(rule.is_some(), "{landmark}");
    }
}

#[test]
fn the_newest_completed_version_is_the_current_one() {
    let object = json!({"status": {"desired": {"version": "4.12.1"}, "history": [
        {"state": "Partial", "version": "4.12.1"}, {"state": "Completed", "version": "4.11.59"},
        {"state": "Completed", "version": "4.10.3"}]}});
    let version = version_of(&object);
    assert_eq!((version.current.as_str(), version.desired.as_str()), ("4.11.59", "4.12.1"));
}

#[test]
fn tags_are_read_from_whichever_cloud() {
    let object = json!({"status": {"controlPlaneTopology": "External", "platformStatus": {"type": "AWS",
        "aws": {"region": "x", "resourceTags": [{"key": "red-hat-clustertype", "value": "rosa"}]}}}});
    let infrastructure = infrastructure_of(&object);
    assert_eq!(infrastructure.resource_tags["red-hat-clustertype"], "rosa");
    assert_eq!(infrastructure.control_plane_topology, "External");
}

#[test]
fn a_huge_cluster_is_cut_and_says_so() {
    let namespaces = (0..=MOST_NAMESPACES).map(|number| (number.to_string(), BTreeMap::new())).collect();
    let mut facts = Facts { namespaces, ..Facts::default() };
    bound(&mut facts);
    assert_eq!(facts.namespaces.len(), MOST_NAMESPACES);
    assert!(facts.unread.contains_key("namespaces"));
}
