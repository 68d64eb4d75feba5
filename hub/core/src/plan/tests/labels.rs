//! Labels of namespaces: what is asked for, and where config and cluster differ.

use super::*;

fn told(plan: &Plan, facts: &Facts, rule: &str) -> Vec<(String, String)> {
    let findings = refereed(plan, facts).into_iter().filter(|finding| finding.rule == rule);
    findings.map(|finding| (finding.message, finding.hint)).collect()
}

#[test]
fn all_namespaces_without_their_labels_are_one_finding_with_the_commands() {
    let plan = planned(PlatformName::Eks, |_| ());
    let mut facts = facts(PlatformName::Eks);
    facts.namespaces.retain(|namespace| namespace.name != "shop");
    facts.namespaces[0].labels.insert("istio.io/rev".to_owned(), "old.mesh".to_owned());
    facts.namespaces[0].labels.insert("istio-injection".to_owned(), "enabled".to_owned());
    assert_eq!(
        told(&plan, &facts, "calisti.namespace-label"),
        [(
            "pods get no sidecars of this mesh in namespaces of base.dataPlane.namespaces: bank has label istio-injection=enabled and has label istio.io/rev=old.mesh, not payments.istio-system; shop does not exist yet".to_owned(),
            "kubectl label --overwrite namespace bank istio-injection- istio.io/rev=payments.istio-system\nkubectl create namespace shop && kubectl label --overwrite namespace shop istio.io/rev=payments.istio-system".to_owned()
        )]
    );
}

#[test]
fn by_sail_either_label_does() {
    let plan = sailed(PlatformName::Eks, "1.30.3", |_| ());
    for (injection, revision, met) in [
        (Some("enabled"), None, true),
        (Some("enabled"), Some("other"), true),
        (None, Some("default"), true),
        (Some("disabled"), Some("default"), false),
        (None, Some("other"), false),
        (None, None, false),
    ] {
        let mut facts = sail_facts(PlatformName::Eks);
        let labels = &mut facts.namespaces[0].labels;
        labels.remove("istio-injection");
        labels.extend(injection.map(|value| ("istio-injection".to_owned(), value.to_owned())));
        labels.extend(revision.map(|value| ("istio.io/rev".to_owned(), value.to_owned())));
        let found = told(&plan, &facts, "sail.namespace-label");
        assert_eq!(found.is_empty(), met, "{injection:?} {revision:?}: {found:?}");
        if let Some((_, hint)) = found.first() {
            assert_eq!(hint, "kubectl label --overwrite namespace bank istio-injection=enabled");
        }
    }
}

#[test]
fn a_namespace_that_the_plan_makes_is_not_to_be_made_by_hand() {
    let plan = planned(PlatformName::Eks, |config| {
        config.base.data_plane.namespaces.names = vec![name("istio-system")];
    });
    let mut facts = facts(PlatformName::Eks);
    facts.namespaces.clear();
    assert_eq!(
        told(&plan, &facts, "calisti.namespace-label")[0].1,
        "kubectl label --overwrite namespace istio-system istio.io/rev=payments.istio-system"
    );
}

#[test]
fn namespaces_can_be_chosen_by_labels_and_strays_are_told() {
    let plan = sailed(PlatformName::Gke, "1.30.3", |config| {
        config.base.data_plane.namespaces = NamespaceSelector {
            match_labels: BTreeMap::from([("team".to_owned(), "payments".to_owned())]),
            ..NamespaceSelector::default()
        };
    });
    let mut facts = sail_facts(PlatformName::Gke);
    let labels = BTreeMap::from([("team".to_owned(), "payments".to_owned())]);
    facts.namespaces.push(NamespaceFacts { name: "ledger".to_owned(), labels });
    let asked = told(&plan, &facts, "sail.namespace-label");
    assert_eq!(asked.len(), 1);
    assert!(asked[0].0.ends_with(": ledger lacks label istio-injection=enabled"), "{}", asked[0].0);
    let strays = told(&plan, &facts, "data-plane.not-selected");
    assert_eq!(strays.len(), 1);
    assert!(strays[0].0.ends_with("does not select them: bank; shop"), "{}", strays[0].0);
}

#[test]
fn a_hundred_namespaces_are_one_finding() {
    let plan = planned(PlatformName::Rosa, |config| {
        config.base.data_plane.namespaces.names =
            (0..100).map(|number| name(&format!("n{number:03}"))).collect();
    });
    let asked = told(&plan, &facts(PlatformName::Rosa), "calisti.namespace-label");
    assert_eq!(asked.len(), 1);
    assert!(asked[0].0.ends_with("n009 does not exist yet; 90 more"), "{}", asked[0].0);
    assert_eq!(asked[0].1.lines().count(), 10);
}
