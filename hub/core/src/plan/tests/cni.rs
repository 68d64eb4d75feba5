//! Istio's CNI plugin where it is a choice: what a config that asks for it gets, and a referee that misses no missing rule.

use serde_json::{Value, json};

use super::{
    referee::{blocking, needed, respoilt, warnings},
    *,
};
use crate::{fleet::ObjectSettings, plan::rule::Rule};

const VERSION: &str = "1.30.3";
const OPTIONAL: [PlatformName; 4] =
    [PlatformName::Gke, PlatformName::Eks, PlatformName::Aks, PlatformName::Generic];

fn asked(config: &mut Effective) {
    config.base.data_plane.cni = CniPlugin::Enabled;
}

fn by_sail(platform: PlatformName) -> PlanInput {
    let mut config = sail_wanted(VERSION);
    asked(&mut config);
    input_of(&config, &sail_facts(platform), platform)
}

fn without(missing: &str, input: &PlanInput) -> Plan {
    let rest: Vec<Rule> = rule::registry().iter().filter(|rule| rule.id.0 != missing).copied().collect();
    plan(input, &rest).unwrap()
}

#[test]
fn it_is_planned_where_it_is_asked_for_and_nowhere_else() {
    for platform in OPTIONAL {
        let plugin = |plan: &Plan| {
            plan.document
                .phases
                .iter()
                .flat_map(|phase| &phase.objects)
                .any(|object| object.id.kind == "IstioCNI")
        };
        assert!(!plugin(&sailed(platform, VERSION, |_| ())), "{platform}");
        let plan = sailed(platform, VERSION, asked);
        assert!(plugin(&plan), "{platform}");
        assert_eq!(blocking(&plan, &sail_facts(platform)), [""; 0], "{platform}");
        assert_eq!(warnings(&plan, &sail_facts(platform)), [""; 0], "{platform}");
        assert_eq!(manifest(&plan, "Istio")["spec"]["values"]["pilot"]["cni"], json!({"enabled": true}));
        let named = &manifest(&plan, "IstioCNI")["spec"]["values"]["global"]["platform"];
        let expected = if platform == PlatformName::Gke { json!("gke") } else { Value::Null };
        assert_eq!(*named, expected, "{platform}");
        let icp = manifest(&planned(platform, asked), "IstioControlPlane");
        assert_eq!(icp["spec"]["proxyInit"], json!({"cni": {"enabled": true}}), "{platform}");
        assert_eq!(blocking(&planned(platform, asked), &facts(platform)), [""; 0], "{platform}");
    }
}

/// The family that needs it has it either way.
#[test]
fn asking_for_it_changes_nothing_on_openshift() {
    for platform in [PlatformName::Rosa, PlatformName::Openshift] {
        assert_eq!(sailed(platform, VERSION, asked).digest, sailed(platform, VERSION, |_| ()).digest);
        assert_eq!(planned(platform, asked).digest, planned(platform, |_| ()).digest);
    }
}

#[test]
fn each_missing_rule_is_seen() {
    for platform in OPTIONAL {
        let input = by_sail(platform);
        let facts = sail_facts(platform);
        let rows = [
            ("cni.plugin", "cni.missing"),
            ("cni.node", "cni.unwatched"),
            ("gke.platform", "gke.platform-missing"),
            ("gke.cni.resource-quota", "gke.cni.unquoted"),
        ];
        for rule in needed(&input).into_iter().filter(|rule| rows.iter().any(|(id, _)| *id == rule.id.0)) {
            // There, another rule writes one field of it all the same.
            let maimed = platform == PlatformName::Gke && rule.id.0 == "cni.plugin";
            let expected =
                if maimed { "cni.identity" } else { rows.iter().find(|(id, _)| *id == rule.id.0).unwrap().1 };
            let found = blocking(&without(rule.id.0, &input), &facts);
            assert!(found.iter().any(|found| found == expected), "{platform} without {}: {found:?}", rule.id);
        }
        let mut config = wanted();
        asked(&mut config);
        let input = input_of(&config, &super::facts(platform), platform);
        for (missing, expected) in [("cni.plugin", "cni.missing"), ("cni.node", "cni.unwatched")] {
            assert!(needed(&input).iter().any(|rule| rule.id.0 == missing));
            assert_eq!(
                blocking(&without(missing, &input), &super::facts(platform)),
                [expected],
                "{platform}"
            );
        }
    }
}

#[test]
fn a_wrong_manifest_is_seen() {
    type Spoil = fn(&mut Value);
    let cases: [(&str, &str, Spoil); 3] = [
        ("IstioCNI", "cni.identity", |cni| cni["spec"]["version"] = json!("v1.29.6")),
        ("Istio", "cni.untold", |istio| istio["spec"]["values"]["pilot"] = json!({})),
        ("IstioCNI", "gke.platform-missing", |cni| cni["spec"]["values"] = json!({})),
    ];
    for (kind, finding, spoil) in cases {
        let found = blocking(
            &respoilt(sailed(PlatformName::Gke, VERSION, asked), kind, spoil),
            &sail_facts(PlatformName::Gke),
        );
        assert!(found.iter().any(|found| found == finding), "{kind} {finding}: {found:?}");
    }
    let eks = sail_facts(PlatformName::Eks);
    let mut plan = sailed(PlatformName::Eks, VERSION, asked);
    plan.document.phases[0].objects.iter_mut().for_each(|object| object.keep_while = None);
    assert_eq!(blocking(&plan, &eks), ["cni.unkept"]);
    let mut plan = sailed(PlatformName::Eks, VERSION, asked);
    let mut second = plan.document.phases[0].clone();
    second.objects = plan.document.phases[0].objects.split_off(1);
    plan.document.phases.push(second);
    assert_eq!(blocking(&plan, &eks), ["cni.order"]);
}

/// A control plane elsewhere than where the operator expects it would be cut off by its own plugin.
#[test]
fn calisti_leaves_the_control_plane_out_wherever_it_stands() {
    let plan = planned(PlatformName::Eks, |config| {
        asked(config);
        config.base.istio.namespace = name("mesh");
    });
    let icp = manifest(&plan, "IstioControlPlane");
    assert_eq!(
        icp["spec"]["proxyInit"]["cni"]["excludeNamespaces"],
        json!(["istio-system", "kube-system", "mesh"])
    );
}

#[test]
fn more_nodes_than_calistis_quota_are_seen() {
    let mut facts = facts(PlatformName::Eks);
    facts.nodes[0].count = 129;
    assert_eq!(warnings(&planned(PlatformName::Eks, asked), &facts), ["calisti.cni.quota"]);
    facts.nodes[0].count = 128;
    assert_eq!(warnings(&planned(PlatformName::Eks, asked), &facts), [""; 0]);
}

fn cni_values(value: Value) -> impl Fn(&mut Effective) {
    move |config| {
        asked(config);
        config.base.values.cni = serde_json::from_value(value.clone()).unwrap();
    }
}

#[test]
fn directories_that_nodes_do_not_read_are_seen() {
    use PlatformName::{Eks, Generic, Gke};
    let k3s_directories = json!({
        "cniBinDir": "/var/lib/rancher/k3s/data/cni",
        "cniConfDir": "/var/lib/rancher/k3s/agent/etc/cni/net.d",
    });
    let mut k3s = sail_facts(Generic);
    k3s.nodes[0].annotations.push("k3s.io/hostname".to_owned());
    let multus = json!({"cniConfDir": "/etc/cni/multus/net.d", "chained": false, "provider": "multus"});
    for (case, platform, facts, values, expected) in [
        ("nothing said", Eks, sail_facts(Eks), json!({}), false),
        (
            "the right ones said",
            Eks,
            sail_facts(Eks),
            json!({"cniBinDir": "/opt/cni/bin", "chained": true}),
            false,
        ),
        ("Google's elsewhere", Eks, sail_facts(Eks), json!({"cniBinDir": "/home/kubernetes/bin"}), true),
        ("others at Google's", Gke, sail_facts(Gke), json!({"cniBinDir": "/opt/cni/bin"}), true),
        ("Multus elsewhere", Generic, sail_facts(Generic), multus, true),
        ("k3s, nothing said", Generic, k3s.clone(), json!({}), true),
        ("k3s", Generic, k3s, k3s_directories, false),
    ] {
        let found = warnings(&sailed(platform, VERSION, cni_values(values)), &facts);
        let expected: &[&str] = if expected { &["cni.directories"] } else { &[] };
        assert_eq!(found, expected, "{case}");
    }
}

#[test]
fn cilium_that_takes_files_away_is_seen() {
    let settings = |exclusive: Option<&str>| {
        let said = exclusive.map(|value| ("cni-exclusive".to_owned(), value.to_owned()));
        vec![
            ObjectSettings {
                object: "ConfigMap kube-system/cilium-config".to_owned(),
                values: said.into_iter().collect(),
            },
            ObjectSettings {
                object: "apps/DaemonSet kube-system/cilium".to_owned(),
                values: BTreeMap::new(),
            },
        ]
    };
    let found = |plan: &Plan, exclusive| {
        let facts = Facts { settings: settings(exclusive), ..sail_facts(PlatformName::Aks) };
        warnings(plan, &facts)
    };
    let plan = sailed(PlatformName::Aks, VERSION, asked);
    assert_eq!(found(&plan, Some("true")), ["cni.cilium-exclusive"]);
    assert_eq!(found(&plan, None), ["cni.cilium-exclusive"]);
    assert_eq!(found(&plan, Some("false")), [""; 0]);
    assert_eq!(found(&sailed(PlatformName::Aks, VERSION, |_| ()), Some("true")), [""; 0]);
}
