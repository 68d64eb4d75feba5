//! The referee on plans by Sail, on every platform.

use serde_json::{Value, json};

use super::{
    referee::{blocking, needed, respoilt, warnings},
    *,
};
use crate::plan::rule::Rule;

const VERSION: &str = "1.30.3";

fn sail_input(platform: PlatformName) -> PlanInput {
    input_of(&sail_wanted(VERSION), &sail_facts(platform), platform)
}

#[test]
fn sound_plans_are_not_blocked() {
    for platform in PlatformName::ALL {
        for version in ["1.29.0", "1.29.6", "1.30.0", "1.30.3"] {
            let plan = sailed(platform, version, |_| ());
            assert_eq!(blocking(&plan, &sail_facts(platform)), [""; 0], "{platform} {version}");
        }
        assert_eq!(
            warnings(&sailed(platform, VERSION, |_| ()), &sail_facts(platform)),
            [""; 0],
            "{platform}"
        );
    }
}

#[test]
fn each_missing_rule_is_seen_on_every_platform() {
    let expected = BTreeMap::from([
        ("sail.control-plane", "control-plane.identity"),
        ("sail.namespace", "sail.namespace-missing"),
        ("sail.revision", "control-plane.unwatched"),
        ("sail.istiod", "control-plane.unwatched"),
        ("gke.platform", "gke.platform-missing"),
        ("aks.webhook.enforcer", "aks.webhook.enforced"),
        ("openshift.sail.cni", "openshift.cni.missing"),
        ("openshift.sail.cni-node", "openshift.cni.unwatched"),
        ("openshift.sail.attachment", "openshift.nad.missing"),
        ("openshift.sail.scc", "openshift.scc.unbound-cni"),
    ]);
    let mut seen = std::collections::BTreeSet::new();
    for platform in PlatformName::ALL {
        let input = sail_input(platform);
        for missing in needed(&input) {
            let rest: Vec<Rule> =
                rule::registry().iter().filter(|rule| rule.id != missing.id).copied().collect();
            let findings = blocking(&plan(&input, &rest).unwrap(), &sail_facts(platform));
            let finding = expected.get(missing.id.0).copied().expect("every rule has its line in the table");
            // Without the resource as a whole, it is the resource that is missed.
            let gone = missing.id.0 == "sail.control-plane"
                && findings.iter().any(|found| found == "control-plane.missing");
            assert!(
                gone || findings.iter().any(|found| found == finding),
                "{platform} without {}: {findings:?}",
                missing.id
            );
            seen.insert(missing.id.0);
        }
    }
    assert_eq!(seen, expected.keys().copied().collect(), "the table has no line too many");
}

/// Rules that keep the config from saying something: where one is missing, the plan says it, and the referee sees that.
#[test]
fn each_missing_reservation_is_seen() {
    for (platform, values, missing, finding) in [
        (PlatformName::Eks, json!({"global": {"platform": "eks"}}), "sail.platform", "sail.platform-unknown"),
        (PlatformName::Aks, json!({"global": {"platform": ""}}), "sail.platform", "sail.platform-unknown"),
        (PlatformName::Rosa, json!({"global": {"platform": ""}}), "sail.platform", "openshift.platform"),
        (
            PlatformName::Rosa,
            json!({"global": {"platform": "rosa"}}),
            "sail.platform",
            "sail.platform-unknown",
        ),
        (PlatformName::Generic, json!({"global": {"platform": "gke"}}), "sail.platform", "gke.foreign"),
        (
            PlatformName::Openshift,
            json!({"pilot": {"cni": {"enabled": false}}}),
            "openshift.cni.multus",
            "openshift.cni.settings",
        ),
    ] {
        let mut config = sail_wanted(VERSION);
        config.base.values.istiod = values.as_object().unwrap().clone();
        let facts = sail_facts(platform);
        let input = input_of(&config, &facts, platform);
        let rest: Vec<Rule> = rule::registry().iter().filter(|rule| rule.id.0 != missing).copied().collect();
        let findings = blocking(&plan(&input, &rest).unwrap(), &facts);
        assert!(findings.iter().any(|found| found == finding), "{platform} {values}: {findings:?}");
        // With the rule, the plan is sound and the config is told off.
        let plan = plan(&input, rule::registry()).unwrap();
        assert_eq!(blocking(&plan, &facts), [""; 0], "{platform} {values}");
        assert_eq!(plan.config.contradictions.len(), 1, "{platform} {values}");
        assert_eq!(plan.digest, sailed(platform, VERSION, |_| ()).digest, "{platform} {values}");
    }
}

#[test]
fn a_wrong_manifest_is_seen() {
    type Spoil = fn(&mut Value);
    let cases: [(PlatformName, &str, &str, Spoil); 12] = [
        (PlatformName::Eks, "Istio", "control-plane.identity", |istio| {
            istio["spec"]["version"] = json!("v1.30-latest")
        }),
        (PlatformName::Eks, "Istio", "control-plane.identity", |istio| {
            istio["spec"]["namespace"] = Value::Null
        }),
        (PlatformName::Eks, "Istio", "control-plane.identity", |istio| {
            istio["spec"]["updateStrategy"] = Value::Null
        }),
        (PlatformName::Eks, "Istio", "control-plane.identity", |istio| {
            istio["spec"]["values"]["global"]["network"] = json!("")
        }),
        (PlatformName::Eks, "Istio", "sail.platform-unknown", |istio| {
            istio["spec"]["values"]["global"]["platform"] = json!("eks")
        }),
        (PlatformName::Gke, "Istio", "gke.platform-missing", |istio| {
            istio["spec"]["values"]["global"]["platform"] = json!("k3s")
        }),
        (PlatformName::Rosa, "IstioCNI", "openshift.platform", |cni| {
            cni["spec"]["values"]["global"]["platform"] = json!("")
        }),
        (PlatformName::Rosa, "IstioCNI", "openshift.cni.identity", |cni| {
            cni["spec"]["version"] = json!("v1.29.6")
        }),
        (PlatformName::Rosa, "IstioCNI", "sail.namespace-missing", |cni| {
            cni["spec"]["namespace"] = json!("other")
        }),
        (PlatformName::Rosa, "IstioCNI", "openshift.cni.settings", |cni| {
            cni["spec"]["values"]["cni"]["cniConfDir"] = json!("/etc/cni/net.d")
        }),
        (PlatformName::Aks, "MutatingWebhookConfiguration", "aks.webhook.enforced", |webhook| {
            webhook["metadata"]["annotations"] = json!({})
        }),
        (PlatformName::Rosa, "Istio", "openshift.tproxy", |istio| {
            istio["spec"]["values"]["meshConfig"] = json!({"defaultConfig": {"interceptionMode": "TPROXY"}})
        }),
    ];
    for (platform, kind, finding, spoil) in cases {
        let findings =
            blocking(&respoilt(sailed(platform, VERSION, |_| ()), kind, spoil), &sail_facts(platform));
        assert!(findings.iter().any(|found| found == finding), "{platform} {kind} {finding}: {findings:?}");
    }
}

/// The plan with an object more.
fn with(platform: PlatformName, id: ObjectId) -> Plan {
    let mut plan = sailed(platform, VERSION, |_| ());
    let body = Body::seal(id, json!({}));
    plan.bodies.insert(body.digest, body.bytes);
    let object = PlannedObject { id: body.id, body: body.digest, keep_while: None };
    plan.document.phases[0].objects.push(object);
    plan
}

/// The chart puts the namespace behind the injector's name, unless it is Istio's usual one.
#[test]
fn the_enforcer_is_asked_off_the_webhooks_of_any_istio_namespace() {
    for (namespace, injector) in
        [("istio-system", "istio-sidecar-injector"), ("mesh", "istio-sidecar-injector-mesh")]
    {
        let plan = sailed(PlatformName::Aks, VERSION, |config| config.base.istio.namespace = name(namespace));
        let names: Vec<&str> =
            plan.document.additions.iter().map(|addition| addition.id.name.as_str()).collect();
        let validator = format!("istio-validator-{namespace}");
        assert_eq!(names, [injector, validator.as_str(), "istiod-default-validator"]);
        assert_eq!(blocking(&plan, &sail_facts(PlatformName::Aks)), [""; 0]);
        let mut spoilt = plan;
        spoilt.document.additions.retain(|addition| addition.id.name != injector);
        assert_eq!(blocking(&spoilt, &sail_facts(PlatformName::Aks)), ["aks.webhook.enforced"]);
    }
}

/// istiod then leaves the redirection to a plugin that nobody installs, and the operator waits for it for ever.
#[test]
fn istiod_does_not_wait_for_a_plugin_that_is_not_planned() {
    for platform in PlatformName::ALL {
        let plan = sailed(platform, VERSION, |config| {
            config.base.values.istiod = values(json!({"pilot": {"cni": {"enabled": true}}}));
        });
        let on_openshift = matches!(platform, PlatformName::Rosa | PlatformName::Openshift);
        let expected: &[&str] = if on_openshift { &[] } else { &["sail.cni-missing"] };
        assert_eq!(blocking(&plan, &sail_facts(platform)), expected, "{platform}");
    }
}

fn values(value: Value) -> serde_json::Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

#[test]
fn what_helm_owns_is_never_ours() {
    for (group, kind, namespace, name) in [
        ("k8s.cni.cncf.io", "NetworkAttachmentDefinition", "default", "istio-cni"),
        ("rbac.authorization.k8s.io", "ClusterRole", "", "istio-cni"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding", "", "istiod-clusterrole-istio-system"),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration", "", "istio-sidecar-injector"),
        ("", "ServiceAccount", "istio-system", "istiod"),
        ("apps", "DaemonSet", "istio-cni", "istio-cni-node"),
        ("", "ConfigMap", "istio-cni", "istio-cni-config"),
    ] {
        let plan = with(PlatformName::Rosa, ObjectId::new(group, "v1", kind, namespace, name));
        let findings = blocking(&plan, &sail_facts(PlatformName::Rosa));
        assert_eq!(findings, ["helm.owned"], "{kind} {name}");
    }
    let ours = with(PlatformName::Rosa, ObjectId::new("", "v1", "ConfigMap", "shop", "istiod"));
    assert_eq!(blocking(&ours, &sail_facts(PlatformName::Rosa)), [""; 0]);
}

#[test]
fn what_belongs_to_the_platform_is_never_ours() {
    for (platform, group, kind, namespace, name, finding) in [
        (PlatformName::Eks, "", "ConfigMap", "kube-system", "x", "plan.system-namespace"),
        (PlatformName::Openshift, "", "ConfigMap", "openshift-ingress", "x", "openshift.managed-namespace"),
        (
            PlatformName::Rosa,
            "security.openshift.io",
            "SecurityContextConstraints",
            "",
            "nonroot-v2",
            "rosa.webhook.scc-validation",
        ),
        (
            PlatformName::Rosa,
            "machineconfiguration.openshift.io",
            "MachineConfig",
            "",
            "x",
            "rosa.webhook.regular-user-validation",
        ),
        (
            PlatformName::Eks,
            "security.openshift.io",
            "SecurityContextConstraints",
            "",
            "x",
            "openshift.foreign",
        ),
    ] {
        let plan = with(platform, ObjectId::new(group, "v1", kind, namespace, name));
        let findings = blocking(&plan, &sail_facts(platform));
        assert!(findings.iter().any(|found| found == finding), "{platform} {kind} {name}: {findings:?}");
    }
}

#[test]
fn the_wrong_health_is_no_health() {
    type Spoil = fn(&mut Criterion);
    let spoils: [Spoil; 4] = [
        |criterion| criterion.observed = false,
        |criterion| criterion.held_for_s = 0,
        |criterion| criterion.failed_for_s = 1,
        |criterion| criterion.requires.clear(),
    ];
    for spoil in spoils {
        for kind in ["Istio", "IstioCNI", "IstioRevision"] {
            let mut plan = sailed(PlatformName::Rosa, VERSION, |_| ());
            let criteria = plan.document.healthy_when.iter_mut();
            criteria.filter(|criterion| criterion.id.kind == kind).for_each(spoil);
            assert_eq!(
                blocking(&plan, &sail_facts(PlatformName::Rosa)),
                ["control-plane.unwatched"],
                "{kind}"
            );
        }
    }
}

#[test]
fn the_cni_plugin_is_kept_and_stands_beside_its_istio() {
    let mut plan = sailed(PlatformName::Rosa, VERSION, |_| ());
    plan.document.phases[0].objects.iter_mut().for_each(|object| object.keep_while = None);
    assert_eq!(blocking(&plan, &sail_facts(PlatformName::Rosa)), ["openshift.cni.unkept"]);
    let mut plan = sailed(PlatformName::Rosa, VERSION, |_| ());
    let mut second = plan.document.phases[0].clone();
    second.objects = plan.document.phases[0].objects.split_off(1);
    plan.document.phases.push(second);
    assert_eq!(blocking(&plan, &sail_facts(PlatformName::Rosa)), ["openshift.order"]);
}

#[test]
fn what_the_cluster_lacks_is_seen_with_the_way_to_it() {
    for (platform, kind, finding, hint) in [
        (
            PlatformName::Eks,
            "sailoperator.io/Istio",
            "installer.missing",
            "run: helm repo add sail-operator https://istio-ecosystem.github.io/sail-operator && helm install sail-operator sail-operator/sail-operator --namespace sail-operator --create-namespace; the spoke reports the kind by itself",
        ),
        (
            PlatformName::Rosa,
            "sailoperator.io/Istio",
            "installer.missing",
            "install the Sail operator from OperatorHub",
        ),
        (PlatformName::Rosa, "sailoperator.io/IstioCNI", "kind.not-served", "install what defines this kind"),
        (
            PlatformName::Rosa,
            "k8s.cni.cncf.io/NetworkAttachmentDefinition",
            "openshift.nad.not-served",
            "switch Multus on",
        ),
    ] {
        let mut facts = sail_facts(platform);
        facts.kinds.retain(|served| served != kind);
        let plan = plan(&input_of(&sail_wanted(VERSION), &facts, platform), rule::registry()).unwrap();
        let found: Vec<Finding> =
            refereed(&plan, &facts).into_iter().filter(|found| found.severity == Severity::Blocks).collect();
        assert_eq!(found.len(), 1, "{platform} {kind}: {found:?}");
        assert_eq!(found[0].rule, finding);
        assert!(found[0].hint.starts_with(hint), "{}", found[0].hint);
    }
}

#[test]
fn versions_are_held_against_operator_kubernetes_and_platform() {
    for (version, expected) in
        [("1.28.10", "is past its end"), ("1.31.0", "is not known"), ("1.30.4", "is not known")]
    {
        let plan = sailed(PlatformName::Eks, version, |_| ());
        let found = refereed(&plan, &sail_facts(PlatformName::Eks))
            .into_iter()
            .find(|found| found.rule == "sail.version")
            .unwrap();
        assert!(found.message.contains(expected) && found.hint.contains("v1.30.0 to v1.30.3"), "{found:?}");
        assert_eq!(found.severity, Severity::Blocks);
    }
    let mut facts = sail_facts(PlatformName::Rosa);
    facts.kubernetes_version = "v1.24.6+5658434".to_owned();
    facts.cluster_version =
        Some(ClusterVersion { current: "4.11.59".to_owned(), desired: "4.11.59".to_owned() });
    assert_eq!(blocking(&sailed(PlatformName::Rosa, "1.29.6", |_| ()), &facts), ["istio.kubernetes"]);
}

#[test]
fn a_plan_for_another_platform_is_refused() {
    for (planned, runs_on, expected) in [
        (PlatformName::Rosa, PlatformName::Eks, "openshift.foreign"),
        (PlatformName::Eks, PlatformName::Rosa, "openshift.cni.missing"),
        (PlatformName::Gke, PlatformName::Eks, "gke.foreign"),
        (PlatformName::Eks, PlatformName::Gke, "gke.platform-missing"),
        (PlatformName::Eks, PlatformName::Aks, "aks.webhook.enforced"),
    ] {
        let findings = blocking(&sailed(planned, VERSION, |_| ()), &sail_facts(runs_on));
        assert!(findings.iter().any(|found| found == expected), "{planned} on {runs_on}: {findings:?}");
        let facts = sail_facts(runs_on);
        let findings = refereed(&sailed(planned, VERSION, |_| ()), &facts);
        let found = findings.iter().find(|found| found.rule == expected).unwrap();
        assert!(found.hint.contains("correct spec.platform of the Cluster document"), "{}", found.hint);
    }
}

#[test]
fn tproxy_is_written_and_refused_where_it_cannot_be() {
    let change = |config: &mut Effective| config.base.data_plane.interception = Interception::TProxy;
    for platform in PlatformName::ALL {
        let plan = sailed(platform, VERSION, change);
        let mode =
            &manifest(&plan, "Istio")["spec"]["values"]["meshConfig"]["defaultConfig"]["interceptionMode"];
        assert_eq!(mode, "TPROXY");
        let refused = matches!(platform, PlatformName::Rosa | PlatformName::Openshift);
        let expected: &[&str] = if refused { &["openshift.tproxy"] } else { &[] };
        assert_eq!(blocking(&plan, &sail_facts(platform)), expected, "{platform}");
    }
    let calisti = planned(PlatformName::Rosa, change);
    assert_eq!(blocking(&calisti, &facts(PlatformName::Rosa)), ["openshift.tproxy"]);
}
