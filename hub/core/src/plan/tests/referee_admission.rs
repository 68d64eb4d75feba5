//! The referee runs OpenShift's admission over planned pods: what would be refused is found whatever a binding is called.

use serde_json::{Value, json};

use super::{
    referee::{blocking, respoilt},
    *,
};
use crate::plan::rule;

const REFUSED: &str = "openshift.admission.refused";

/// What is said of the pods of a plan that would be refused.
fn refused(plan: &Plan, facts: &Facts) -> Vec<String> {
    let findings = refereed(plan, facts).into_iter().filter(|finding| finding.rule == REFUSED);
    findings.map(|finding| finding.message).collect()
}

/// A sound ROSA plan with its RoleBindings changed.
fn rebound(change: impl Fn(&mut Value)) -> Vec<String> {
    let plan = respoilt(planned(PlatformName::Rosa, |_| ()), "RoleBinding", change);
    refused(&plan, &facts(PlatformName::Rosa))
}

fn bind_to(constraint: &str) -> impl Fn(&mut Value) {
    let role = format!("system:openshift:scc:{constraint}");
    move |binding| {
        if binding["roleRef"]["name"] == "system:openshift:scc:nonroot-v2" {
            binding["roleRef"]["name"] = json!(role);
        }
    }
}

#[test]
fn a_plan_without_a_binding_is_refused_by_the_pod_that_needs_it() {
    let input = input(PlatformName::Rosa);
    for (missing, pod) in [
        ("openshift.scc.istiod", "istiod"),
        ("openshift.scc.gateway", "the gateway"),
        ("openshift.scc.istio-cni", "the CNI plugin"),
        ("openshift.scc.sidecar-1337", "a workload with a sidecar"),
    ] {
        let rest: Vec<_> = rule::registry().iter().filter(|rule| rule.id.0 != missing).copied().collect();
        let found = refused(&plan(&input, &rest).unwrap(), &facts(PlatformName::Rosa));
        let [message] = found.as_slice() else { panic!("without {missing}: {found:?}") };
        assert!(message.starts_with(&format!("OpenShift would refuse {pod} of ")), "{message}");
    }
}

#[test]
fn the_reason_of_each_constraint_that_may_be_used_is_told() {
    let found = rebound(|binding| binding["subjects"] = json!([]));
    let istiod = found.iter().find(|message| message.contains("refuse istiod")).expect("istiod is refused");
    assert!(istiod.contains("restricted-v2: "), "{istiod}");
    assert!(istiod.contains("1337"), "{istiod}");
}

/// The bare pod gets a seccomp profile in the first look, which `nonroot` refuses in the second.
#[test]
fn sidecars_with_nonroot_in_place_of_nonroot_v2_are_refused_at_the_second_look() {
    let found = rebound(bind_to("nonroot"));
    let [message] = found.as_slice() else { panic!("{found:?}") };
    assert!(message.contains("a workload with a sidecar"), "{message}");
    assert!(message.contains("; nonroot: "), "{message}");
}

#[test]
fn a_constraint_that_does_not_do_is_found_and_a_wider_one_does() {
    assert_eq!(rebound(bind_to("hostnetwork-v2")).len(), 3);
    assert_eq!(rebound(bind_to("privileged")), [""; 0]);
}

/// Everything that it adds is beyond the namespace's own constraint.
#[test]
fn the_cni_plugin_needs_the_expected_role_of_sails_chart() {
    let mut plan = sailed(PlatformName::Openshift, "1.30.3", |_| ());
    let facts = sail_facts(PlatformName::Openshift);
    assert_eq!(refused(&plan, &facts), [""; 0]);
    plan.document.expectations.retain(|expectation| expectation.id.kind != "ClusterRole");
    let found = refused(&plan, &facts);
    let [message] = found.as_slice() else { panic!("{found:?}") };
    assert!(message.contains("refuse the CNI plugin"), "{message}");
    assert!(blocking(&plan, &facts).contains(&REFUSED.to_owned()));
}
