use serde_json::json;

use super::*;

#[test]
fn nodes_that_look_the_same_are_one_kind() {
    let node = |name: &str, zone: &str| -> Node {
        serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone, OS_LABEL: "rhcos"}},
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
