//! The referee: silent on sound plans, and blocking when any rule is missing or any manifest is wrong.

use jiff::civil::date;
use serde_json::{Value, json};

use super::*;
use crate::plan::{
    check::{Combination, ageing},
    requirement,
    rule::Rule,
};

pub(super) fn blocking(plan: &Plan, facts: &Facts) -> Vec<String> {
    let findings = refereed(plan, facts).into_iter();
    findings.filter(|finding| finding.severity == Severity::Blocks).map(|finding| finding.rule).collect()
}

pub(super) fn warnings(plan: &Plan, facts: &Facts) -> Vec<String> {
    let findings = refereed(plan, facts).into_iter();
    findings.filter(|finding| finding.severity == Severity::Warns).map(|finding| finding.rule).collect()
}

#[test]
fn sound_plans_are_not_blocked() {
    for platform in PlatformName::ALL {
        assert_eq!(blocking(&planned(platform, |_| ()), &facts(platform)), [""; 0], "{platform}");
    }
}

#[test]
fn each_missing_rule_has_its_own_finding() {
    let expected = BTreeMap::from([
        ("calisti.control-plane", "control-plane.identity"),
        ("calisti.images", "control-plane.images"),
        ("calisti.istiod", "control-plane.unwatched"),
        ("openshift.nad.data-plane", "openshift.nad.missing"),
        ("openshift.scc.sidecar-1337", "openshift.scc.sidecars"),
        ("openshift.scc.istiod", "openshift.scc.unbound-istiod"),
        ("openshift.scc.gateway", "openshift.scc.unbound-gateway"),
        ("openshift.scc.istio-cni", "openshift.scc.unbound-cni"),
        ("openshift.cni.multus", "openshift.cni.settings"),
        ("openshift.cni.privileged", "openshift.cni.unprivileged"),
        ("openshift.cni.node", "openshift.cni.unwatched"),
    ]);
    for platform in [PlatformName::Rosa, PlatformName::Openshift] {
        let input = input(platform);
        for missing in needed(&input) {
            let rest: Vec<Rule> =
                rule::registry().iter().filter(|rule| rule.id != missing.id).copied().collect();
            let findings = blocking(&plan(&input, &rest).unwrap(), &facts(platform));
            let finding = expected.get(missing.id.0).copied().expect("every rule has its line in the table");
            assert!(findings.iter().any(|found| found == finding), "without {}: {findings:?}", missing.id);
        }
    }
}

/// The rules that hold and write or wait for something, so that a plan is worse without them.
pub(super) fn needed(input: &PlanInput) -> Vec<&'static Rule> {
    let writes = |rule: &&Rule| {
        let yields = (rule.yields)(&input.mesh, &input.facts).into_iter();
        let mut by = yields.map(|requirement| requirement.fulfilled_by);
        by.any(|by| {
            !matches!(by, requirement::FulfilledBy::User { .. } | requirement::FulfilledBy::Reserved { .. })
        })
    };
    let holding =
        rule::registry().iter().filter(|rule| rule.holds(input.platform, input.mesh.intent.installer));
    holding.filter(writes).collect()
}

/// The sound ROSA plan with one manifest changed and sealed anew.
fn spoilt(kind: &str, spoil: impl Fn(&mut Value)) -> Plan {
    respoilt(planned(PlatformName::Rosa, |_| ()), kind, spoil)
}

/// A plan with the manifests and templates of a kind changed and sealed anew.
pub(super) fn respoilt(mut plan: Plan, kind: &str, spoil: impl Fn(&mut Value)) -> Plan {
    let document = &mut plan.document;
    let objects = document
        .phases
        .iter_mut()
        .flat_map(|phase| &mut phase.objects)
        .map(|object| (&object.id, &mut object.body));
    let templates = document.templates.iter_mut().map(|template| (&template.id, &mut template.body));
    let additions = document.additions.iter_mut().map(|addition| (&addition.id, &mut addition.body));
    for (id, body) in objects.chain(templates).chain(additions) {
        if id.kind == kind {
            let mut manifest: Value = serde_json::from_slice(&plan.bodies[body]).unwrap();
            spoil(&mut manifest);
            let bytes = crate::digest::canonical(&manifest);
            *body = Digest::of(&bytes);
            plan.bodies.insert(*body, bytes);
        }
    }
    plan
}

#[test]
fn a_wrong_manifest_is_seen() {
    type Spoil = fn(&mut Value);
    let cases: [(&str, &str, Spoil); 12] = [
        ("IstioControlPlane", "control-plane.images", |icp| {
            icp["spec"]["containerImageConfiguration"]["tag"] = json!("1.17.1")
        }),
        ("IstioControlPlane", "control-plane.images", |icp| {
            icp["spec"]["containerImageConfiguration"]["hub"] = json!("")
        }),
        ("IstioControlPlane", "control-plane.identity", |icp| icp["spec"]["mode"] = json!("active")),
        ("IstioControlPlane", "openshift.cni.settings", |icp| {
            icp["spec"]["proxyInit"]["cni"]["chained"] = json!(true)
        }),
        ("IstioControlPlane", "openshift.cni.unprivileged", |icp| {
            icp["spec"]["k8sResourceOverlays"] = json!([])
        }),
        ("IstioControlPlane", "openshift.cni.unprivileged", |icp| {
            icp["spec"]["k8sResourceOverlays"][0]["patches"][0]["parseValue"] = json!(false);
        }),
        ("IstioControlPlane", "openshift.cni.excluded", |icp| {
            icp["spec"]["proxyInit"]["cni"]["excludeNamespaces"] = json!(["bank"]);
        }),
        ("NetworkAttachmentDefinition", "openshift.nad.missing", |nad| nad["spec"] = Value::Null),
        ("RoleBinding", "openshift.scc.sidecars", |binding| binding["subjects"] = json!([])),
        ("RoleBinding", "openshift.scc.unbound-istiod", |binding| {
            binding["roleRef"]["name"] = json!("system:openshift:scc:nonroot")
        }),
        ("RoleBinding", "openshift.scc.unbound-cni", |binding| binding["roleRef"]["kind"] = json!("Role")),
        ("RoleBinding", "openshift.scc.unbound-gateway", |binding| {
            binding["subjects"][0]["namespace"] = json!("other")
        }),
    ];
    for (kind, finding, spoil) in cases {
        let findings = blocking(&spoilt(kind, spoil), &facts(PlatformName::Rosa));
        assert!(findings.iter().any(|found| found == finding), "{kind} {finding}: {findings:?}");
    }
}

#[test]
fn the_overlay_is_missed_from_the_first_istio_that_needs_it() {
    for (version, missed) in [("1.15.7", false), ("1.16.7", true), ("1.17.8", true)] {
        let mut plan = spoilt("IstioControlPlane", |icp| {
            icp["spec"]["k8sResourceOverlays"] = json!([]);
        });
        plan.intent.as_mut().unwrap().version = IstioVersion::parse(version).unwrap();
        let findings = blocking(&plan, &facts(PlatformName::Rosa));
        assert_eq!(findings.contains(&"openshift.cni.unprivileged".to_owned()), missed, "{version}");
    }
}

#[test]
fn prerequisites_after_the_control_plane_are_seen() {
    let mut plan = planned(PlatformName::Rosa, |_| ());
    plan.document.phases.reverse();
    assert_eq!(blocking(&plan, &facts(PlatformName::Rosa)), ["openshift.order"]);
}

#[test]
fn a_body_that_is_not_there_is_seen() {
    let mut plan = planned(PlatformName::Eks, |_| ());
    plan.bodies.clear();
    assert_eq!(blocking(&plan, &facts(PlatformName::Eks)), ["plan.body", "control-plane.missing"]);
}

#[test]
fn a_plan_for_openshift_is_refused_elsewhere() {
    let plan = planned(PlatformName::Rosa, |_| ());
    let findings = blocking(&plan, &facts(PlatformName::Eks));
    assert_eq!(findings, ["kind.not-served", "openshift.foreign"]);
}

#[test]
fn a_plan_for_something_else_is_refused_on_openshift() {
    let findings = blocking(&planned(PlatformName::Eks, |_| ()), &facts(PlatformName::Rosa));
    for expected in ["openshift.nad.missing", "openshift.scc.sidecars", "openshift.cni.settings"] {
        assert!(findings.iter().any(|found| found == expected), "{expected}: {findings:?}");
    }
}

#[test]
fn what_the_cluster_lacks_is_seen() {
    for (platform, kind, expected) in [
        (PlatformName::Eks, "servicemesh.cisco.com/IstioControlPlane", "installer.missing"),
        (PlatformName::Rosa, "servicemesh.cisco.com/IstioControlPlane", "installer.missing"),
        (PlatformName::Rosa, "k8s.cni.cncf.io/NetworkAttachmentDefinition", "openshift.nad.not-served"),
    ] {
        let mut facts = facts(platform);
        facts.kinds.retain(|served| served != kind);
        let plan = plan(&input_of(&wanted(), &facts, platform), rule::registry()).unwrap();
        assert_eq!(blocking(&plan, &facts), [expected], "{platform}");
    }
}

#[test]
fn versions_that_no_release_takes_are_seen() {
    for (version, blocked) in [("1.17.8", false), ("1.16.7", false), ("1.14.6", true), ("1.18.0", true)] {
        let plan = planned(PlatformName::Eks, |config| {
            config.base.istio.version = IstioVersion::parse(version).unwrap();
        });
        let expected: &[&str] = if blocked { &["calisti.version"] } else { &[] };
        assert_eq!(blocking(&plan, &facts(PlatformName::Eks)), expected, "{version}");
    }
}

#[test]
fn the_overlay_comes_only_where_the_operator_loses_the_field() {
    for (version, overlays) in [("1.15.7", 0), ("1.16.7", 1), ("1.17.8", 1)] {
        let plan = planned(PlatformName::Rosa, |config| {
            config.base.istio.version = IstioVersion::parse(version).unwrap();
        });
        let body = &plan.document.phases[1].objects[0].body;
        let icp: Value = serde_json::from_slice(&plan.bodies[body]).unwrap();
        assert_eq!(icp["spec"]["k8sResourceOverlays"].as_array().map_or(0, Vec::len), overlays, "{version}");
        assert_eq!(blocking(&plan, &facts(PlatformName::Rosa)), [""; 0], "{version}");
    }
}

#[test]
fn a_name_that_makes_no_label_is_seen() {
    let long = name(&"m".repeat(51));
    let cluster = cluster(facts(PlatformName::Eks));
    let proposal = propose(&ConfigVersion { name: long, ..version_of(config()) }, &cluster).unwrap();
    assert_eq!(proposal.findings[0].rule, "calisti.name");
    assert!(
        propose(&ConfigVersion { name: name(&"m".repeat(50)), ..version_of(config()) }, &cluster)
            .unwrap()
            .findings
            .iter()
            .all(|found| found.rule != "calisti.name")
    );
}

#[test]
fn a_control_plane_among_workloads_is_seen_on_openshift() {
    let plan = planned(PlatformName::Rosa, |config| {
        config.base.data_plane.namespaces.names.push(name("istio-system"));
    });
    assert!(blocking(&plan, &facts(PlatformName::Rosa)).contains(&"openshift.cni.excluded".to_owned()));
}

#[test]
fn the_end_of_support_is_a_warning() {
    let warnings = |facts: &Facts| -> Vec<String> {
        let plan = planned(PlatformName::Rosa, |_| ());
        let asked = Combination::of(plan.intent.as_ref().unwrap(), facts);
        ageing(&asked, date(2026, 12, 1)).into_iter().map(|finding| finding.rule).collect()
    };
    assert_eq!(warnings(&facts(PlatformName::Rosa)), ["istio.end-of-life", "platform.end-of-life"]);
    let mut newer = facts(PlatformName::Rosa);
    newer.cluster_version = Some(ClusterVersion { current: "5.0.3".to_owned(), desired: "5.0.3".to_owned() });
    newer.kubernetes_version = "v1.36.0".to_owned();
    assert_eq!(warnings(&newer), ["istio.end-of-life"]);
}

#[test]
fn a_cluster_that_was_never_attached_cannot_be_planned() {
    let mut cluster = cluster(Facts::default());
    cluster.facts = None;
    let proposal = propose(&version_of(config()), &cluster).unwrap();
    assert!(proposal.is_blocked() && proposal.plan.is_none());
    assert_eq!(proposal.findings[0].rule, "facts.missing");
}

#[test]
fn a_declared_platform_is_planned_for_and_a_wrong_one_blocks() {
    let mut cluster = cluster(facts(PlatformName::Rosa));
    cluster.declared = Some(PlatformName::Eks);
    let proposal = propose(&version_of(config()), &cluster).unwrap();
    assert_eq!(proposal.platform, Some(PlatformName::Eks));
    assert_eq!(proposal.findings[0].rule, "platform.contradiction");
    assert!(proposal.is_blocked());
}
