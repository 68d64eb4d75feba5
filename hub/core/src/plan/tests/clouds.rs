//! What the facts of a cloud show about a mesh there: one row a finding, each with the nearest facts that show nothing.

use serde_json::json;

use super::{
    referee::{blocking, warnings},
    *,
};
use crate::fleet::{ObjectSettings, ProxyGroup};

const VERSION: &str = "1.30.3";
const AWS_NODE: &str = "apps/DaemonSet kube-system/aws-node";
const ANETD: &str = "apps/DaemonSet kube-system/anetd";
const CALICO: &str = "apps/DaemonSet calico-system/calico-node";
const POD_POLICY: &str = "vpcresources.k8s.aws/SecurityGroupPolicy";

/// Facts of a platform, changed.
fn but(platform: PlatformName, change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = sail_facts(platform);
    change(&mut facts);
    facts
}

fn says(facts: &mut Facts, object: &str, values: &[(&str, &str)]) {
    let values = values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    facts.settings.push(ObjectSettings { object: object.to_owned(), values });
}

/// Pods that the plan's own control plane injected, with the version that it will have.
fn injected(facts: &mut Facts) {
    facts.proxies.push(ProxyGroup {
        namespace: "shop".to_owned(),
        revision: "default".to_owned(),
        version: VERSION.to_owned(),
        count: 2,
    });
}

fn fargate(count: u32) -> NodeGroup {
    let labels = vec!["eks.amazonaws.com/compute-type=fargate".to_owned()];
    NodeGroup {
        count,
        provider: "aws".to_owned(),
        labels,
        name_mark: "fargate-".to_owned(),
        ..NodeGroup::default()
    }
}

/// What blocks and what warns, without and with the CNI plugin.
fn check(case: &str, platform: PlatformName, facts: &Facts, expected: (&[&str], &[&str])) {
    for (plugin, expected) in [(CniPlugin::Auto, expected.0), (CniPlugin::Enabled, expected.1)] {
        let plan = sailed(platform, VERSION, |config| config.base.data_plane.cni = plugin);
        let found =
            [blocking(&plan, facts).iter().map(|id| format!("!{id}")).collect(), warnings(&plan, facts)]
                .concat();
        assert_eq!(found, expected, "{case}, {plugin:?}");
    }
}

#[test]
fn what_gke_shows_is_told() {
    let gke = |change: fn(&mut Facts)| but(PlatformName::Gke, change);
    for (case, facts, expected) in [
        ("Standard", gke(|_| ()), (&[][..], &[][..])),
        (
            "Autopilot",
            gke(|facts| facts.nodes[0].name_mark = "gk3-".to_owned()),
            (&["gke.autopilot.net-admin"], &["!gke.autopilot.cni"]),
        ),
        (
            "Autopilot that injects",
            gke(|facts| {
                facts.nodes[0].name_mark = "gk3-".to_owned();
                injected(facts);
            }),
            (&[], &["!gke.autopilot.cni"]),
        ),
        (
            "Autopilot beside pools of one's own",
            gke(|facts| {
                facts.nodes.push(NodeGroup {
                    count: 1,
                    name_mark: "gk3-".to_owned(),
                    ..facts.nodes[0].clone()
                })
            }),
            (&["gke.autopilot.net-admin"], &["gke.autopilot.cni"]),
        ),
        (
            "no external address",
            gke(|facts| facts.nodes[0].external_address = Some(false)),
            (&["gke.private.webhook-port"], &["gke.private.webhook-port"]),
        ),
        ("an external address", gke(|facts| facts.nodes[0].external_address = Some(true)), (&[], &[])),
        (
            "no external address, and it injects",
            gke(|facts| {
                facts.nodes[0].external_address = Some(false);
                injected(facts);
            }),
            (&[], &[]),
        ),
        ("Dataplane V2", gke(|facts| says(facts, ANETD, &[])), (&[], &[])),
        (
            "Dataplane V2 and Calico",
            gke(|facts| {
                says(facts, ANETD, &[]);
                says(facts, CALICO, &[]);
            }),
            (&["gke.dataplane-v2.calico"], &["gke.dataplane-v2.calico"]),
        ),
    ] {
        check(case, PlatformName::Gke, &facts, expected);
    }
}

#[test]
fn a_file_that_dataplane_v2_does_not_have_is_seen() {
    let plan = |file: &str| {
        sailed(PlatformName::Gke, VERSION, |config| {
            config.base.data_plane.cni = CniPlugin::Enabled;
            config.base.values.cni = serde_json::from_value(json!({ "cniConfFileName": file })).unwrap();
        })
    };
    let v2 = but(PlatformName::Gke, |facts| says(facts, ANETD, &[]));
    assert_eq!(warnings(&plan("10-calico.conflist"), &v2), ["gke.dataplane-v2.file"]);
    assert_eq!(warnings(&plan("10-gke-ptp.conflist"), &v2), [""; 0]);
    assert_eq!(warnings(&plan("10-calico.conflist"), &sail_facts(PlatformName::Gke)), [""; 0]);
}

#[test]
fn what_eks_shows_of_its_nodes_is_told() {
    let eks = |change: fn(&mut Facts)| but(PlatformName::Eks, change);
    for (case, facts, expected) in [
        ("a node group", eks(|_| ()), (&[][..], &[][..])),
        (
            "Fargate alone",
            eks(|facts| facts.nodes = vec![fargate(2)]),
            (&["eks.fargate"], &["!eks.fargate.cni"]),
        ),
        ("Fargate too", eks(|facts| facts.nodes.push(fargate(2))), (&["eks.fargate"], &["eks.fargate"])),
        (
            "Auto Mode",
            eks(|facts| {
                facts.nodes[0].labels.push("eks.amazonaws.com/compute-type=auto".to_owned());
                facts.nodes[0].os_image = "Bottlerocket (EKS Auto, Standard) 2026.1.1".to_owned();
            }),
            (&[], &["eks.bottlerocket.cni"]),
        ),
    ] {
        check(case, PlatformName::Eks, &facts, expected);
    }
}

#[test]
fn what_eks_shows_of_its_network_is_told() {
    const INTERFACES: (&str, &str) = ("aws-node/ENABLE_POD_ENI", "true");
    const STRICT: (&str, &str) = ("aws-node/POD_SECURITY_GROUP_ENFORCING_MODE", "strict");
    const STANDARD: (&str, &str) = ("aws-node/POD_SECURITY_GROUP_ENFORCING_MODE", "standard");
    const DEMUX: (&str, &str) = ("aws-vpc-cni-init/DISABLE_TCP_EARLY_DEMUX", "true");
    const POLICY: (&str, &str) = ("aws-eks-nodeagent/enable-network-policy", "true");
    const ANNOTATES: (&str, &str) = ("aws-node/ANNOTATE_POD_IP", "true");
    for (case, aws_node, served, calico, expected) in [
        ("as installed", Some(&[][..]), false, false, &[][..]),
        ("pod interfaces", Some(&[INTERFACES]), true, false, &["eks.pod-eni.probes"]),
        ("strict", Some(&[INTERFACES, STRICT]), true, false, &["eks.pod-eni.probes"]),
        ("standard", Some(&[INTERFACES, STANDARD]), true, false, &[]),
        ("strict and told", Some(&[INTERFACES, STRICT, DEMUX]), true, false, &[]),
        ("no policies of pods", Some(&[INTERFACES, STRICT]), false, false, &[]),
        ("Calico alone", None, false, true, &["eks.calico.webhook"]),
        ("Calico beside", Some(&[]), false, true, &["eks.calico.pod-ip"]),
        ("Calico beside, annotated", Some(&[ANNOTATES]), false, true, &[]),
        ("two policies", Some(&[ANNOTATES, POLICY]), false, true, &["eks.network-policy.two"]),
        ("one policy", Some(&[POLICY]), false, false, &[]),
    ] {
        let facts = but(PlatformName::Eks, |facts| {
            if let Some(said) = aws_node {
                says(facts, AWS_NODE, said);
            }
            if served {
                facts.kinds.push(POD_POLICY.to_owned());
            }
            if calico {
                says(facts, CALICO, &[]);
            }
        });
        check(case, PlatformName::Eks, &facts, (expected, expected));
    }
    let unread = but(PlatformName::Eks, |facts| {
        says(facts, CALICO, &[]);
        facts
            .unread
            .push(crate::fleet::UnreadFact { fact: AWS_NODE.to_owned(), reason: "forbidden".to_owned() });
    });
    check("the VPC CNI unread", PlatformName::Eks, &unread, (&[], &[]));
}

/// What one provider calls a region is no region of another's.
#[test]
fn a_locality_of_another_provider_is_seen() {
    let failover = json!({"localityLbSetting": {"failover": [
        {"from": "us-east-1", "to": "eastus"}, {"from": "eastus", "to": "us-east-1"}]}});
    let distribute = json!({"localityLbSetting": {"distribute": [{"from": "eu-west-1/eu-west-1a/*", "to": {"eu-west-1/*": 100}}]}});
    let anywhere = json!({"localityLbSetting": {"distribute": [{"from": "*", "to": {"eu-west-1/*": 100}}]}});
    for (case, mesh_config, region, expected) in [
        ("its own region", &failover, Some("us-east-1"), false),
        ("the other's own", &failover, Some("eastus"), false),
        ("neither's", &failover, Some("europe-north1"), true),
        ("no region at all", &failover, None, true),
        ("with a zone", &distribute, Some("eu-west-1"), false),
        ("with a zone elsewhere", &distribute, Some("westeurope"), true),
        ("from anywhere", &anywhere, Some("westeurope"), false),
        ("nothing said", &json!({}), Some("westeurope"), false),
    ] {
        let label = region.map(|region| format!("topology.kubernetes.io/region={region}"));
        let plan = sailed(PlatformName::Eks, VERSION, |config| {
            config.base.values.istiod = serde_json::from_value(json!({ "meshConfig": mesh_config })).unwrap();
        });
        let facts = but(PlatformName::Eks, |facts| facts.nodes[0].labels.extend(label));
        let expected: &[&str] = if expected { &["locality.elsewhere"] } else { &[] };
        assert_eq!(warnings(&plan, &facts), expected, "{case}");
    }
}
