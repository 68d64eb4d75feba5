//! Gateways on every platform: their plans, and a referee that misses no missing rule.

use serde_json::json;

use super::{
    referee::{blocking, respoilt, warnings},
    *,
};
use crate::config::{Exposure, Gateway, GatewayKind};

const VERSION: &str = "1.30.3";

fn gateway(said: &str, exposure: Exposure, kind: GatewayKind) -> Gateway {
    let (ports, service_annotations) = (Vec::new(), BTreeMap::new());
    Gateway { name: name(said), namespace: name("edge"), exposure, kind, ports, service_annotations }
}

fn gateways() -> Vec<Gateway> {
    vec![
        gateway("inside", Exposure::Internal, GatewayKind::Deployment),
        gateway("outside", Exposure::External, GatewayKind::GatewayApi),
    ]
}

fn gateway_facts(platform: PlatformName) -> Facts {
    let mut facts = sail_facts(platform);
    facts.kinds.push("gateway.networking.k8s.io/Gateway".to_owned());
    facts
}

fn gated(platform: PlatformName, gateways: Vec<Gateway>) -> Plan {
    sailed(platform, VERSION, |config| config.base.gateways = gateways)
}

/// The objects of the gateways, and what is waited for; the rest is as without them.
#[test]
fn the_gateways_of_each_platform() {
    for platform in PlatformName::ALL {
        let plan = gated(platform, gateways());
        let before = sailed(platform, VERSION, |_| ());
        let phase = plan.document.phases.last().unwrap();
        assert_eq!(phase.name, "gateways");
        assert_eq!(plan.document.phases[..plan.document.phases.len() - 1], before.document.phases[..]);
        let objects: Vec<serde_json::Value> = phase
            .objects
            .iter()
            .map(|object| serde_json::from_slice(&plan.bodies[&object.body]).unwrap())
            .collect();
        let criteria: Vec<_> = plan
            .document
            .healthy_when
            .iter()
            .filter(|criterion| !before.document.healthy_when.contains(criterion))
            .collect();
        let told =
            serde_json::to_string_pretty(&json!({"objects": objects, "healthyWhen": criteria})).unwrap();
        insta::assert_snapshot!(format!("gateways-{platform}"), told);
        assert!(plan.document.namespaces.contains(&name("edge")));
    }
}

#[test]
fn sound_gateways_are_not_blocked() {
    for platform in PlatformName::ALL {
        let plan = gated(platform, gateways());
        let expected: &[&str] = match platform {
            PlatformName::Openshift | PlatformName::Generic => &["gateway.exposure"],
            _ => &[],
        };
        assert_eq!(blocking(&plan, &gateway_facts(platform)), [""; 0], "{platform}");
        assert_eq!(warnings(&plan, &gateway_facts(platform)), expected, "{platform}");
    }
}

#[test]
fn each_missing_rule_of_gateways_is_seen() {
    for (platform, missing, finding) in [
        (PlatformName::Generic, "gateway.deployment", "gateway.missing"),
        (PlatformName::Generic, "gateway.service", "gateway.missing"),
        (PlatformName::Generic, "gateway.api", "gateway.missing"),
        (PlatformName::Gke, "gke.gateway.load-balancer", "gke.gateway.exposure"),
        (PlatformName::Eks, "eks.gateway.load-balancer", "eks.gateway.exposure"),
        (PlatformName::Rosa, "rosa.gateway.load-balancer", "rosa.gateway.exposure"),
        (PlatformName::Aks, "aks.gateway.load-balancer", "aks.gateway.exposure"),
        (PlatformName::Aks, "aks.gateway.probe", "aks.gateway.unprobed"),
    ] {
        let mut config = sail_wanted(VERSION);
        config.base.gateways = gateways();
        let facts = gateway_facts(platform);
        let input = input_of(&config, &facts, platform);
        let rest: Vec<_> = rule::registry().iter().filter(|rule| rule.id.0 != missing).copied().collect();
        assert!(rest.len() < rule::registry().len(), "{missing}");
        let findings = blocking(&plan(&input, &rest).unwrap(), &facts);
        assert!(findings.iter().any(|found| found == finding), "without {missing}: {findings:?}");
    }
}

#[test]
fn a_wrong_gateway_is_seen() {
    type Spoil = fn(&mut serde_json::Value);
    let cases: [(&str, &str, Spoil); 6] = [
        ("Deployment", "gateway.not-injected", |made| {
            made["spec"]["template"]["metadata"]["labels"]["sidecar.istio.io/inject"] = json!("false")
        }),
        ("Deployment", "gateway.not-injected", |made| {
            made["spec"]["template"]["spec"]["containers"][0]["image"] = json!("proxyv2")
        }),
        ("Service", "gateway.health-port", |made| made["spec"]["ports"][0]["port"] = json!(80)),
        ("Role", "gateway.secrets", |made| made["rules"] = json!([])),
        ("RoleBinding", "gateway.secrets", |made| made["subjects"][0]["name"] = json!("other")),
        ("Gateway", "gateway.missing", |made| made["spec"]["gatewayClassName"] = json!("other")),
    ];
    for (kind, finding, spoil) in cases {
        let plan = respoilt(gated(PlatformName::Eks, gateways()), kind, spoil);
        let findings = blocking(&plan, &gateway_facts(PlatformName::Eks));
        assert!(findings.iter().any(|found| found == finding), "{kind} {finding}: {findings:?}");
    }
}

#[test]
fn what_a_cluster_or_config_forbids_is_told() {
    let plan = gated(PlatformName::Eks, gateways());
    assert_eq!(blocking(&plan, &sail_facts(PlatformName::Eks)), ["gateway.api-missing"]);

    let mut many = gateway("outside", Exposure::External, GatewayKind::GatewayApi);
    many.service_annotations =
        (0..17).map(|index| (format!("example.com/{index}"), "a".to_owned())).collect();
    let plan = gated(PlatformName::Generic, vec![many]);
    assert_eq!(blocking(&plan, &gateway_facts(PlatformName::Generic)), ["gateway.annotations"]);

    let mut port = gateway("istiod", Exposure::External, GatewayKind::Deployment);
    port.namespace = name("istio-system");
    port.ports = vec![crate::config::GatewayPort {
        name: name("health"),
        port: 15021,
        protocol: crate::config::PortProtocol::Http,
    }];
    let plan = gated(PlatformName::Generic, vec![port]);
    assert_eq!(
        blocking(&plan, &gateway_facts(PlatformName::Generic)),
        ["helm.owned", "gateway.name-taken", "gateway.port-taken"]
    );

    let calisti = planned(PlatformName::Eks, |config| config.base.gateways = gateways());
    assert_eq!(blocking(&calisti, &facts(PlatformName::Eks)), ["gateway.not-served"]);

    let said = |platform, key: &str, value: &str| {
        let mut one = gateway("outside", Exposure::External, GatewayKind::Deployment);
        one.service_annotations.insert(key.to_owned(), value.to_owned());
        let plan = gated(platform, vec![one]);
        let facts = gateway_facts(platform);
        (blocking(&plan, &facts), warnings(&plan, &facts), plan.config.contradictions.len())
    };
    let beta = "service.beta.kubernetes.io";
    let found = said(PlatformName::Eks, &format!("{beta}/aws-load-balancer-type"), "external");
    assert_eq!(found.0, ["eks.gateway.controller-missing"]);
    let tags = format!("{beta}/aws-load-balancer-additional-resource-tags");
    assert_eq!(said(PlatformName::Rosa, &tags, "a=b").0, ["rosa.gateway.tags"]);
    let internal = format!("{beta}/azure-load-balancer-internal");
    assert_eq!(said(PlatformName::Aks, &internal, "true").0, ["aks.gateway.exposure"]);
    assert_eq!(said(PlatformName::Gke, &internal, "true").1, ["gateway.annotation-foreign"]);
    // What a rule requires, the config cannot undo.
    let scheme = said(PlatformName::Eks, &format!("{beta}/aws-load-balancer-scheme"), "internal");
    assert_eq!((scheme.0, scheme.2), (vec![], 1));
}

#[test]
fn a_layer_changes_the_gateway_of_its_name() {
    let mut config = sail_config(VERSION);
    config.base["gateways"] = json!(gateways());
    config.layers = vec![crate::config::Layer {
        name: name("one-only"),
        clusters: Selector { names: vec![name("one")], ..Selector::default() },
        set: json!({"gateways": [
            {"name": "third", "namespace": "edge", "exposure": "internal"},
            {"name": "outside", "namespace": "edge", "exposure": "internal"},
        ]}),
        unset: Vec::new(),
    }];
    let effective = effective(&config, &cluster(Facts::default())).unwrap();
    let found: Vec<(&str, Exposure, GatewayKind)> =
        effective.base.gateways.iter().map(|one| (one.name.as_str(), one.exposure, one.kind)).collect();
    assert_eq!(
        found,
        [
            ("inside", Exposure::Internal, GatewayKind::Deployment),
            ("outside", Exposure::Internal, GatewayKind::GatewayApi),
            ("third", Exposure::Internal, GatewayKind::Deployment),
        ]
    );
    assert_eq!(effective.origins["gateways[1].exposure"].path, "layers[one-only].set.gateways[1].exposure");
}

/// The spoke can make a role only if it holds what the role gives.
#[test]
fn the_rights_that_a_gateway_gives_are_needed() {
    let plan = gated(PlatformName::Eks, gateways());
    let needs = rights::needs(&plan, &rights::Deletions { objects: &[], templates: &[] });
    let secrets = needs.iter().find(|need| need.id.kind == "Secret").unwrap();
    assert_eq!(secrets.id.namespace, "edge");
    let verbs: Vec<&str> = secrets.verbs.iter().map(|verb| verb.as_str()).collect();
    assert_eq!(verbs, ["get", "list", "watch"]);
}
