//! The config against rules: contradictions with their lines, overrides, values that are lost.

use serde_json::{Value, json};

use super::{referee::blocking, *};
use crate::config::{Layer, Override};

const VERSION: &str = "1.30.3";

fn proposed(config: MeshConfig, platform: PlatformName) -> Proposal {
    let mut version = version_of(config);
    version.source = SourceMap {
        file: "fleet.yaml".to_owned(),
        lines: BTreeMap::from([
            ("base.values.istiod.global.platform".to_owned(), 14),
            ("layers[production].set.values.istiod.global.platform".to_owned(), 31),
        ]),
    };
    let facts = match InstallerKind::Sail {
        kind if installer(&version.config) == kind => sail_facts(platform),
        _ => facts(platform),
    };
    propose(&version, &cluster(facts)).unwrap()
}

fn installer(config: &MeshConfig) -> InstallerKind {
    serde_json::from_value(config.base["installer"]["kind"].clone()).unwrap()
}

fn with_values(values: Value) -> MeshConfig {
    let mut config = sail_config(VERSION);
    config.base["values"] = values;
    config
}

fn layer(name_: &str, set: Value) -> Layer {
    let clusters = Selector { names: vec![name("one")], ..Selector::default() };
    Layer { name: name(name_), clusters, set, unset: Vec::new() }
}

fn overriding(rule: &str, path: &str, value: Value) -> Override {
    Override {
        rule: rule.to_owned(),
        path: Some(path.to_owned()),
        value: Some(value),
        clusters: Selector { names: vec![name("one")], ..Selector::default() },
        owner: "ana".to_owned(),
        reason: "tried on these nodes".to_owned(),
        expires: jiff::civil::date(2027, 1, 31),
    }
}

fn found(proposal: &Proposal, rule: &str) -> Vec<String> {
    let findings = proposal.findings.iter().filter(|finding| finding.rule == rule);
    findings.map(|finding| format!("{}\n{}", finding.message, finding.hint)).collect()
}

#[test]
fn a_value_against_a_rule_is_told_with_layer_and_line_and_the_way_out() {
    let mut config = with_values(json!({"istiod": {"global": {"platform": "gke"}}}));
    config.layers.push(layer("production", json!({"values": {"istiod": {"global": {"platform": "eks"}}}})));
    let proposal = proposed(config.clone(), PlatformName::Eks);
    assert!(proposal.is_blocked());
    insta::assert_snapshot!("contradicted", found(&proposal, "rule.contradicted").join("\n\n"));
    config.layers.clear();
    assert!(!proposed(config.clone(), PlatformName::Gke).is_blocked(), "it agrees with the rule");
    insta::assert_snapshot!(
        "contradicted-by-base",
        found(&proposed(config, PlatformName::Rosa), "rule.contradicted").join("\n\n")
    );
}

#[test]
fn fields_of_the_config_cannot_be_contradicted_by_values() {
    let config = with_values(json!({"istiod": {
        "global": {"network": "other", "istioNamespace": "elsewhere"},
        "revision": "canary",
    }}));
    let proposal = proposed(config, PlatformName::Eks);
    assert_eq!(found(&proposal, "rule.contradicted").len(), 3, "{:?}", proposal.findings);
    let plan = proposal.plan.unwrap();
    assert_eq!(plan.digest, sailed(PlatformName::Eks, VERSION, |_| ()).digest);
}

#[test]
fn values_go_to_their_chart() {
    let config = with_values(json!({
        "istiod": {"pilot": {"autoscaleMin": 3}, "meshConfig": {"accessLogFile": "/dev/stdout"}},
        "cni": {"logging": {"level": "debug"}, "global": {"imagePullSecrets": ["one"]}},
    }));
    let rosa = proposed(config.clone(), PlatformName::Rosa);
    assert!(!rosa.is_blocked(), "{:?}", rosa.findings);
    let plan = rosa.plan.unwrap();
    let istio = manifest(&plan, "Istio");
    assert_eq!(istio["spec"]["values"]["pilot"]["autoscaleMin"], 3);
    assert_eq!(istio["spec"]["values"]["global"]["network"], "east");
    let values = &manifest(&plan, "IstioCNI")["spec"]["values"];
    assert_eq!(
        *values,
        json!({"cni": {"logging": {"level": "debug"}}, "global": {"imagePullSecrets": ["one"]}})
    );
    let eks = proposed(config, PlatformName::Eks).plan.unwrap();
    assert_eq!(eks.document.phases[0].objects.len(), 1, "values alone make no resource");
}

#[test]
fn an_override_goes_past_a_rule_and_is_shown() {
    let mut config = sail_config(VERSION);
    config.overrides.push(overriding("openshift.cni.multus", "values.cni.cniConfDir", json!("/etc/x")));
    let proposal = proposed(config.clone(), PlatformName::Rosa);
    assert!(!proposal.is_blocked(), "{:?}", proposal.findings);
    insta::assert_snapshot!("override", found(&proposal, "override.in-force").join("\n\n"));
    let plan = proposal.plan.unwrap();
    assert_eq!(manifest(&plan, "IstioCNI")["spec"]["values"]["cni"]["cniConfDir"], "/etc/x");
    let origin = &plan.provenance[&installer::sail::istio_cni()][".spec.values.cni.cniConfDir"];
    assert!(matches!(origin, Origin::Override(said) if said.owner == "ana"));

    // With it, the config may say the same; without it, not.
    config.base["values"] = json!({"cni": {"cniConfDir": "/etc/x"}});
    assert!(!proposed(config.clone(), PlatformName::Rosa).is_blocked());
    config.overrides.clear();
    assert!(proposed(config, PlatformName::Rosa).is_blocked());
}

#[test]
fn the_same_override_does_for_calisti() {
    let mut config = config();
    config.overrides.push(overriding("openshift.cni.multus", "values.cni.cniConfDir", json!("/etc/x")));
    let proposal = proposed(config.clone(), PlatformName::Rosa);
    assert!(!proposal.is_blocked(), "{:?}", proposal.findings);
    let plan = proposal.plan.unwrap();
    assert_eq!(manifest(&plan, "IstioControlPlane")["spec"]["proxyInit"]["cni"]["confDir"], "/etc/x");
    config.overrides[0].path = Some("IstioControlPlane.spec.proxyInit.cni.confDir".to_owned());
    assert_eq!(
        proposed(config, PlatformName::Rosa).plan.unwrap().digest,
        plan.digest,
        "also by its own path"
    );
}

#[test]
fn an_override_of_nothing_is_told() {
    for (rule, path) in [
        ("openshift.cni.multus", "values.cni.cniConfDir"),
        ("gke.platform", "values.istiod.global.platform"),
        ("no.such.rule", "values.cni.cniConfDir"),
        ("sail.control-plane", "values.istiod.global.typo"),
    ] {
        let mut config = sail_config(VERSION);
        config.overrides.push(overriding(rule, path, json!("x")));
        let proposal = proposed(config, PlatformName::Eks);
        assert!(!proposal.is_blocked());
        assert_eq!(found(&proposal, "override.idle").len(), 1, "{rule}");
        assert_eq!(proposal.plan.unwrap().digest, sailed(PlatformName::Eks, VERSION, |_| ()).digest);
    }
}

/// What was never released together blocks until somebody answers for it; what cannot work blocks whoever answers.
#[test]
fn a_finding_that_can_be_lived_with_is_accepted_by_name() {
    let accepting = |rule: &str| Override { path: None, value: None, ..overriding(rule, "", Value::Null) };
    let proposed = |overrides: &[&str]| {
        let config = MeshConfig {
            overrides: overrides.iter().map(|rule| accepting(rule)).collect(),
            ..sail_config(VERSION)
        };
        let mut facts = sail_facts(PlatformName::Eks);
        facts.kubernetes_version = "v1.29.4-eks-1".to_owned();
        facts.kinds.retain(|kind| kind != "sailoperator.io/Istio");
        propose(&version_of(config), &cluster(facts)).unwrap()
    };
    let blocking = |proposal: &Proposal| -> Vec<String> {
        let findings = proposal.findings.iter().filter(|finding| finding.severity == Severity::Blocks);
        findings.map(|finding| finding.rule.clone()).collect()
    };
    assert_eq!(blocking(&proposed(&[])), ["istio.kubernetes", "installer.missing"]);
    let both = proposed(&["istio.kubernetes", "installer.missing"]);
    assert_eq!(blocking(&both), ["installer.missing"]);
    let told = found(&both, "istio.kubernetes").remove(0);
    assert!(told.contains("; accepted by ana until 2027-01-31: tried on these nodes\n"), "{told}");
    let idle = found(&both, "override.idle").remove(0);
    assert!(idle.contains("installer.missing is no finding that can be accepted"), "{idle}");
}

#[test]
fn values_that_the_kinds_cannot_say_block_and_idle_ones_warn() {
    let config = with_values(json!({
        "istiod": {"sidecarInjectorWebhookAnnotations": {"a": "b"}, "global": {"tag": "1.30.0"}},
        "cni": {"tolerations": [], "privileged": true},
    }));
    let proposal = proposed(config, PlatformName::Rosa);
    assert_eq!(found(&proposal, "sail.value.refused").len(), 2);
    assert_eq!(found(&proposal, "sail.value.no-effect").len(), 2);
    insta::assert_snapshot!("values", {
        let findings = proposal.findings.iter();
        findings
            .map(|finding| format!("{:?} {}: {}", finding.severity, finding.rule, finding.message))
            .collect::<Vec<_>>()
            .join("\n")
    });
}

#[test]
fn values_that_the_kinds_do_not_have_block_with_the_nearest_name() {
    let config = with_values(json!({
        "istiod": {
            "pilot": {"autoscaleMim": 3, "env": {"ANY": "1"}},
            "global": {"proxy": {"any": 1}},
            "meshConfig": {"acessLogFile": "x", "extensionProviders": [{"name": "a", "zipkin": {}}]},
            "pilto": {"a": [{"b": 1}]},
        },
        "cni": {"excludeNamespace": ["a"], "global": {"platfrom": "x"}},
    }));
    let told = found(&proposed(config, PlatformName::Rosa), "sail.value.unknown");
    let heads: Vec<String> = told
        .iter()
        .map(|told| {
            format!(
                "{} / {}",
                told.split(' ').next().unwrap(),
                told.lines().nth(1).unwrap().split(" known").next().unwrap()
            )
        })
        .collect();
    assert_eq!(
        heads,
        [
            "values.cni.excludeNamespace / did you mean excludeNamespaces?",
            "values.cni.global.platfrom / did you mean platform?",
            "values.istiod.meshConfig.acessLogFile / did you mean accessLogFile?",
            "values.istiod.pilot.autoscaleMim / did you mean autoscaleMin?",
            "values.istiod.pilto / did you mean pilot?",
        ]
    );
}

#[test]
fn values_do_not_go_to_calisti() {
    let mut config = config();
    config.base["values"] = json!({"istiod": {"pilot": {"autoscaleMin": 3, "autoscaleMax": 5}}});
    let proposal = proposed(config, PlatformName::Eks);
    assert_eq!(found(&proposal, "calisti.values").len(), 1);
    assert!(proposal.is_blocked());
}

#[test]
fn unknown_variables_are_findings_all_at_once() {
    let config =
        with_values(json!({"istiod": {"pilot": {"env": {"A": "${zone}", "B": "${cluster}-${rack}"}}}}));
    let proposal = proposed(config, PlatformName::Eks);
    assert!(proposal.is_blocked() && proposal.plan.is_none());
    assert_eq!(found(&proposal, "variable.unknown").len(), 2, "{:?}", proposal.findings);
}

#[test]
fn two_configs_on_one_cluster_are_both_named() {
    let cluster = cluster(facts(PlatformName::Eks));
    let mine = version_of(config());
    let other = ConfigVersion { name: name("alpha"), ..mine.clone() };
    let mut elsewhere = ConfigVersion { name: name("beta"), ..mine.clone() };
    elsewhere.config.clusters = Selector { names: vec![name("two")], ..Selector::default() };
    assert_eq!(second_config(&mine, &[mine.clone(), elsewhere.clone()], &cluster), None);
    let finding = second_config(&mine, &[other, elsewhere, mine.clone()], &cluster).unwrap();
    assert_eq!(finding.message, "cluster one is selected by the mesh configs alpha and payments");
    assert_eq!((finding.rule.as_str(), finding.severity), ("config.two", Severity::Blocks));
}

#[test]
fn an_empty_plan_has_nothing_to_judge() {
    let plan = empty();
    assert_eq!(blocking(&plan, &facts(PlatformName::Rosa)), [""; 0]);
    assert_eq!(
        String::from_utf8(plan.bytes).unwrap(),
        r#"{"expectations":[],"format":1,"healthy_when":[],"namespaces":[],"phases":[]}"#
    );
}
