//! ROSA: what Red Hat's webhooks refuse on classic and on hosted clusters, never planned and seen by the referee.

use serde_json::json;

use super::{
    referee::{blocking, respoilt, warnings},
    *,
};

const VERSION: &str = "1.30.3";

/// Facts of a ROSA cluster of today, with its control plane here or there.
fn rosa(topology: &str) -> Facts {
    let mut facts = sail_facts(PlatformName::Rosa);
    if let Some(infrastructure) = &mut facts.infrastructure {
        infrastructure.control_plane_topology = topology.to_owned();
    }
    facts
}

const CLASSIC: &str = "HighlyAvailable";
const HOSTED: &str = "External";

/// A plan that also writes an object of this kind and name.
fn with(group: &str, kind: &str, namespace: &str, name: &str) -> Plan {
    let mut plan = sailed(PlatformName::Rosa, VERSION, |_| ());
    let id = ObjectId::new(group, "v1", kind, namespace, name);
    let body = Body::seal(id.clone(), json!({}));
    plan.bodies.insert(body.digest, body.bytes);
    plan.document.phases[0].objects.push(PlannedObject { id, body: body.digest, keep_while: None });
    plan
}

#[test]
fn classic_and_hosted_refuse_their_own() {
    let scc = ("security.openshift.io", "SecurityContextConstraints", "", "privileged");
    let definition =
        ("apiextensions.k8s.io", "CustomResourceDefinition", "", "podmonitors.monitoring.coreos.com");
    for (object, webhook, hosted) in [
        (scc, "scc-validation", true),
        (("config.openshift.io", "ClusterVersion", "", "version"), "regular-user-validation", true),
        (("operator.openshift.io", "Network", "", "cluster"), "network-operator-validation", true),
        (("", "Namespace", "", "default"), "namespace-validation", false),
        (("networking.k8s.io", "NetworkPolicy", "default", "x"), "networkpolicies-validation", false),
        (("monitoring.coreos.com", "PrometheusRule", "default", "x"), "prometheusrule-validation", false),
        (definition, "customresourcedefinitions-validation", false),
        (("", "Node", "", "x"), "node-validation-osd", false),
    ] {
        let plan = with(object.0, object.1, object.2, object.3);
        let finding = format!("rosa.webhook.{webhook}");
        assert!(blocking(&plan, &rosa(CLASSIC)).contains(&finding), "{webhook} classic");
        assert_eq!(blocking(&plan, &rosa(HOSTED)).contains(&finding), hosted, "{webhook} hosted");
    }
}

#[test]
fn a_sound_plan_is_refused_by_no_webhook() {
    for facts in [rosa(CLASSIC), rosa(HOSTED), rosa("")] {
        assert_eq!(blocking(&sailed(PlatformName::Rosa, VERSION, |_| ()), &facts), [""; 0]);
    }
}

#[test]
fn names_that_nobody_may_have_are_seen_on_classic_clusters() {
    for guarded in ["redhat-mesh", "com", "io", "in", "dedicated-admin"] {
        let mut plan = sailed(PlatformName::Rosa, VERSION, |_| ());
        plan.document.namespaces.push(name(guarded));
        assert_eq!(blocking(&plan, &rosa(CLASSIC)), ["rosa.webhook.namespace-validation"], "{guarded}");
        assert_eq!(blocking(&plan, &rosa(HOSTED)), [""; 0], "{guarded}");
    }
}

#[test]
fn network_policies_of_the_charts_are_seen_where_they_are_refused() {
    let plan = respoilt(sailed(PlatformName::Rosa, VERSION, |_| ()), "IstioCNI", |cni| {
        cni["spec"]["namespace"] = json!("default");
        cni["spec"]["values"]["global"]["networkPolicy"]["enabled"] = json!(true);
    });
    let finding = "rosa.webhook.networkpolicies-validation".to_owned();
    assert!(blocking(&plan, &rosa(CLASSIC)).contains(&finding));
    assert!(!blocking(&plan, &rosa(HOSTED)).contains(&finding));
}

#[test]
fn the_definitions_of_gateway_api_are_the_ingress_operators_from_4_19_on() {
    let plan =
        with("apiextensions.k8s.io", "CustomResourceDefinition", "", "gateways.gateway.networking.k8s.io");
    for (version, seen) in [("4.18.9", false), ("4.19.1", true), ("4.22.0", true), ("5.0.1", true)] {
        let mut facts = rosa(HOSTED);
        facts.cluster_version =
            Some(ClusterVersion { current: version.to_owned(), desired: version.to_owned() });
        let findings = blocking(&plan, &facts);
        assert_eq!(
            findings.contains(&"openshift.gateway-api.definitions".to_owned()),
            seen,
            "{version}: {findings:?}"
        );
    }
}

#[test]
fn a_namespace_that_no_constraint_judges_is_told() {
    let plan =
        sailed(PlatformName::Openshift, VERSION, |config| config.base.istio.namespace = name("default"));
    assert!(
        warnings(&plan, &sail_facts(PlatformName::Openshift))
            .contains(&"openshift.scc.not-judged".to_owned())
    );
}
