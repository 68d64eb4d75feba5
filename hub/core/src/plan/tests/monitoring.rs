//! The monitoring beside a mesh: what OpenShift needs for it, and what stands against it there.

use serde_json::{Value, json};

use super::{
    referee::{blocking, respoilt, warnings},
    *,
};
use crate::{
    config::{Capabilities, Monitoring},
    plan::rule::Rule,
};

const OURS: [&str; 3] =
    ["openshift.scc.node-exporter", "openshift.scc.prometheus", "openshift.monitoring.limits"];

/// A stack with everything that a config can say of it.
fn monitoring() -> Monitoring {
    let amounts = json!({"cpu": "100m", "memory": "1000Mi"});
    let item = |deployment: &str, container: &str| json!({"deployment": deployment, "container": container, "limits": amounts, "reason": "tried here"});
    serde_json::from_value(json!({
        "namespace": "monitoring",
        "nodeExporter": {"port": 9200},
        "prometheus": {},
        "resources": [item("operator", "proxy"), item("other", "proxy"), item("operator", "second")],
    }))
    .unwrap()
}

fn with(change: impl FnOnce(&mut Monitoring)) -> impl FnOnce(&mut Effective) {
    let mut monitoring = monitoring();
    change(&mut monitoring);
    move |config| config.base.monitoring = Some(monitoring)
}

fn both(change: impl Fn(&mut Monitoring) + Copy) -> [(Plan, Facts); 2] {
    [
        (planned(PlatformName::Rosa, with(change)), facts(PlatformName::Rosa)),
        (sailed(PlatformName::Openshift, "1.30.3", with(change)), sail_facts(PlatformName::Openshift)),
    ]
}

fn role_of(plan: &Plan, binding: &str) -> Value {
    let objects = plan.document.phases.iter().flat_map(|phase| &phase.objects);
    let found = objects.into_iter().find(|object| object.id.name.starts_with(binding)).unwrap();
    let body: Value = serde_json::from_slice(&plan.bodies[&found.body]).unwrap();
    body["roleRef"]["name"].clone()
}

#[test]
fn a_sound_stack_is_not_blocked_with_either_installer() {
    for (plan, facts) in both(|_| ()) {
        assert_eq!(blocking(&plan, &facts), [""; 0]);
    }
}

#[test]
fn each_missing_rule_has_its_own_finding() {
    let expected = [
        "openshift.scc.unbound-node-exporter",
        "openshift.scc.unbound-prometheus",
        "openshift.monitoring.limits-missing",
    ];
    let mut config = wanted();
    with(|_| ())(&mut config);
    let facts = facts(PlatformName::Rosa);
    let input = input_of(&config, &facts, PlatformName::Rosa);
    for (missing, finding) in OURS.into_iter().zip(expected) {
        let rest: Vec<Rule> = rule::registry().iter().filter(|rule| rule.id.0 != missing).copied().collect();
        assert_eq!(blocking(&plan(&input, &rest).unwrap(), &facts), [finding], "without {missing}");
    }
}

#[test]
fn an_exporter_is_bound_by_what_it_adds() {
    for (plan, _) in both(|_| ()) {
        assert_eq!(role_of(&plan, "meshfleet-node-exporter"), "node-exporter");
    }
    let adds = |monitoring: &mut Monitoring| {
        monitoring.node_exporter.as_mut().unwrap().capabilities = Capabilities::Added;
    };
    for (plan, facts) in both(adds) {
        assert_eq!(role_of(&plan, "meshfleet-node-exporter"), "system:openshift:scc:privileged");
        assert_eq!(blocking(&plan, &facts), [""; 0]);
        assert!(plan.document.expectations.iter().all(|expected| expected.id.name != "node-exporter"));
    }
}

#[test]
fn nothing_is_bound_to_hostnetwork() {
    for (plan, _) in both(|_| ()) {
        assert!(plan.bodies.values().all(|body| !String::from_utf8_lossy(body).contains("hostnetwork")));
    }
}

#[test]
fn the_ports_of_openshifts_own_exporter_are_taken() {
    for (version, port, taken) in [
        ("4.11.59", 9100, true),
        ("4.11.59", 9101, false),
        ("4.21.4", 9101, true),
        ("4.21.4", 9200, false),
        ("5.0.1", 9101, true),
    ] {
        let plan = planned(
            PlatformName::Rosa,
            with(|monitoring| monitoring.node_exporter.as_mut().unwrap().port = port),
        );
        let mut facts = facts(PlatformName::Rosa);
        facts.cluster_version =
            Some(ClusterVersion { current: version.to_owned(), desired: version.to_owned() });
        let seen = blocking(&plan, &facts).contains(&"openshift.node-exporter.port".to_owned());
        assert_eq!(seen, taken, "{version} {port}");
    }
}

#[test]
fn containers_of_one_deployment_stand_in_one_addition() {
    for (plan, _) in both(|_| ()) {
        let additions: Vec<&str> =
            plan.document.additions.iter().map(|addition| addition.id.name.as_str()).collect();
        assert_eq!(additions, ["operator", "other"]);
        let body: Value = serde_json::from_slice(&plan.bodies[&plan.document.additions[0].body]).unwrap();
        let limits = json!({"limits": {"cpu": "100m", "memory": "1000Mi"}});
        assert_eq!(
            body["spec"]["template"]["spec"]["containers"],
            json!([{"name": "proxy", "resources": limits}, {"name": "second", "resources": limits}])
        );
        assert_eq!(
            body["metadata"]["annotations"],
            json!({"resources.meshfleet.dev/proxy": "tried here", "resources.meshfleet.dev/second": "tried here"})
        );
    }
}

#[test]
fn a_wrong_amount_is_seen() {
    let (plan, facts) = (planned(PlatformName::Rosa, with(|_| ())), facts(PlatformName::Rosa));
    let spoilt = respoilt(plan, "Deployment", |deployment| {
        deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] =
            json!("1Mi");
    });
    assert_eq!(blocking(&spoilt, &facts), ["openshift.monitoring.limits-missing"]);
}

#[test]
fn amounts_that_the_api_server_refuses_are_seen() {
    let request = |what: &'static str, amount: &'static str| {
        move |monitoring: &mut Monitoring| {
            monitoring.resources[0].requests.insert(what.to_owned(), amount.to_owned());
        }
    };
    for (what, amount, refused) in [
        ("memory", "1000Mi", false),
        ("memory", "1001Mi", true),
        ("memory", "1G", false),
        ("memory", "1Gi", true),
        ("cpu", "100m", false),
        ("cpu", "1", true),
    ] {
        let plan = planned(PlatformName::Rosa, with(request(what, amount)));
        let seen =
            blocking(&plan, &facts(PlatformName::Rosa)).contains(&"monitoring.resources.order".to_owned());
        assert_eq!(seen, refused, "{what} {amount}");
    }
    let twice = planned(
        PlatformName::Rosa,
        with(|monitoring| monitoring.resources.push(monitoring.resources[1].clone())),
    );
    assert_eq!(blocking(&twice, &facts(PlatformName::Rosa)), ["monitoring.resources.twice"]);
}

#[test]
fn elsewhere_nothing_is_planned_and_it_is_told() {
    for platform in [PlatformName::Gke, PlatformName::Eks, PlatformName::Aks, PlatformName::Generic] {
        let plan = planned(platform, with(|_| ()));
        assert_eq!(plan.digest, planned(platform, |_| ()).digest, "{platform}");
        assert!(
            warnings(&plan, &facts(platform)).contains(&"monitoring.not-applied".to_owned()),
            "{platform}"
        );
        let quiet = planned(platform, with(|monitoring| monitoring.resources.clear()));
        assert!(
            !warnings(&quiet, &facts(platform)).contains(&"monitoring.not-applied".to_owned()),
            "{platform}"
        );
    }
}

#[test]
fn a_stack_of_ones_own_is_warned_of_its_definitions_and_its_operator() {
    let mut facts = facts(PlatformName::Rosa);
    facts.kinds.push("monitoring.coreos.com/Prometheus".to_owned());
    let plan = planned(PlatformName::Rosa, with(|_| ()));
    let told = warnings(&plan, &facts);
    assert!(told.contains(&"rosa.monitoring.definitions".to_owned()), "{told:?}");
    assert!(told.contains(&"openshift.monitoring.two-operators".to_owned()), "{told:?}");
    facts.infrastructure.as_mut().unwrap().control_plane_topology = "External".to_owned();
    assert!(!warnings(&plan, &facts).contains(&"rosa.monitoring.definitions".to_owned()));
}

#[test]
fn a_namespace_of_the_platform_is_refused() {
    let plan = planned(
        PlatformName::Openshift,
        with(|monitoring| monitoring.namespace = name("openshift-monitoring")),
    );
    assert_eq!(blocking(&plan, &facts(PlatformName::Openshift)), ["openshift.managed-namespace"]);
}
