//! What people and spokes read: the documents and manifests as they are, to be reviewed like code.

use std::fmt::Write;

use serde_json::Value;

use super::*;

/// The plan document and each manifest in the order of writing, indented.
fn told(plan: &Plan) -> String {
    let pretty = |bytes: &[u8]| {
        let value: Value = serde_json::from_slice(bytes).unwrap();
        serde_json::to_string_pretty(&value).unwrap()
    };
    let mut told = format!("digest {}\n{}\n", plan.digest, pretty(&plan.bytes));
    let document = &plan.document;
    let objects =
        document.phases.iter().flat_map(|phase| &phase.objects).map(|object| (&object.id, object.body));
    let additions = document.additions.iter().map(|addition| (&addition.id, addition.body));
    let templates = document.templates.iter().map(|template| (&template.id, template.body));
    for (id, body) in objects.chain(additions).chain(templates) {
        let reasons: Vec<String> = plan.reasons[id].iter().map(RuleId::to_string).collect();
        write!(told, "\n# {} ({})\n{}\n", id, reasons.join(", "), pretty(&plan.bodies[&body])).unwrap();
    }
    told
}

#[test]
fn the_plan_of_the_article() {
    insta::assert_snapshot!("rosa", told(&planned(PlatformName::Rosa, |_| ())));
}

#[test]
fn the_plan_where_the_platform_needs_nothing() {
    insta::assert_snapshot!("eks", told(&planned(PlatformName::Eks, |_| ())));
}

/// On each platform the resources that the operator reads, and what is waited for; nothing of Helm's.
#[test]
fn the_plans_by_sail() {
    for platform in PlatformName::ALL {
        insta::assert_snapshot!(format!("sail-1.30-{platform}"), told(&sailed(platform, "1.30.3", |_| ())));
        insta::assert_snapshot!(format!("sail-1.29-{platform}"), told(&sailed(platform, "1.29.6", |_| ())));
    }
}

/// Asked for where no platform needs it: GKE adds its name and a quota, others nothing.
#[test]
fn the_plans_with_the_cni_plugin() {
    let asked = |config: &mut Effective| config.base.data_plane.cni = CniPlugin::Enabled;
    for platform in [PlatformName::Gke, PlatformName::Eks] {
        insta::assert_snapshot!(format!("cni-sail-{platform}"), told(&sailed(platform, "1.30.3", asked)));
        insta::assert_snapshot!(format!("cni-calisti-{platform}"), told(&planned(platform, asked)));
    }
}

/// One version beside another, with the tag.
#[test]
fn the_plans_by_sail_with_revisions() {
    for platform in PlatformName::ALL {
        let plan = sailed(platform, "1.30.3", |config| {
            config.base.istio.update_strategy = UpdateStrategy::RevisionBased;
            config.base.istio.inactive_revision_grace_seconds = Some(600);
        });
        insta::assert_snapshot!(format!("sail-revisions-{platform}"), told(&plan));
    }
}

/// The operator itself binds what its pods need there, so that no version, and neither kind of control plane, asks for
/// anything else of a plan.
#[test]
fn the_plan_by_sail_is_the_same_on_every_openshift() {
    let usual = sailed(PlatformName::Rosa, "1.30.3", |_| ()).digest;
    for platform in [PlatformName::Rosa, PlatformName::Openshift] {
        for version in ["4.10.67", "4.11.59", "4.12.60", "4.21.4", "4.22.3", "5.0.1"] {
            for topology in ["HighlyAvailable", "External", "SingleReplica"] {
                let facts = openshift(version, topology, sail_facts(platform));
                let plan =
                    plan(&input_of(&sail_wanted("1.30.3"), &facts, platform), rule::registry()).unwrap();
                assert_eq!(plan.digest, usual, "{platform} {version} {topology}");
            }
        }
    }
}

/// Before 4.11 there are no constraints `v2`.
#[test]
fn the_plan_by_calisti_on_an_old_openshift() {
    let old = openshift("4.10.67", "HighlyAvailable", facts(PlatformName::Openshift));
    let plan = plan(&input_of(&wanted(), &old, PlatformName::Openshift), rule::registry()).unwrap();
    insta::assert_snapshot!("openshift-4.10.67", told(&plan));
}

/// Handing traffic over with its addresses asks for another constraint.
#[test]
fn the_plans_with_tproxy() {
    let asked = |config: &mut Effective| config.base.data_plane.interception = Interception::TProxy;
    for platform in [PlatformName::Rosa, PlatformName::Eks] {
        insta::assert_snapshot!(format!("sail-tproxy-{platform}"), told(&sailed(platform, "1.30.3", asked)));
    }
}

/// Calisti elsewhere than in the article.
#[test]
fn the_plans_by_calisti() {
    let openshift = planned(PlatformName::Openshift, |_| ());
    insta::assert_snapshot!("calisti-openshift", told(&openshift));
    let plain = planned(PlatformName::Eks, |_| ()).digest;
    for platform in [PlatformName::Gke, PlatformName::Aks, PlatformName::Generic] {
        assert_eq!(planned(platform, |_| ()).digest, plain, "{platform}");
    }
}

fn openshift(version: &str, topology: &str, mut facts: Facts) -> Facts {
    let version = version.to_owned();
    facts.cluster_version = Some(ClusterVersion { current: version.clone(), desired: version });
    if let Some(infrastructure) = &mut facts.infrastructure {
        infrastructure.control_plane_topology = topology.to_owned();
    }
    facts
}

#[test]
fn the_rules_as_people_are_shown_them() {
    let mut told = String::new();
    for rule in rule::registry() {
        let platforms: Vec<&str> = rule.platforms.iter().map(|platform| platform.as_str()).collect();
        let place = if platforms.is_empty() { "everywhere".to_owned() } else { platforms.join(", ") };
        let installers = rule.installers.iter().map(|kind| format!("{kind:?}").to_lowercase());
        let place = installers.fold(place, |place, installer| format!("{place}; {installer}"));
        writeln!(told, "{} ({place})\n  {}\n  {}", rule.id, rule.reason, rule.source).unwrap();
    }
    insta::assert_snapshot!("rules", told);
}

#[test]
fn an_old_openshift_has_no_v2_constraints() {
    let mut facts = facts(PlatformName::Openshift);
    facts.cluster_version =
        Some(ClusterVersion { current: "4.10.67".to_owned(), desired: "4.10.67".to_owned() });
    let plan = plan(&input_of(&wanted(), &facts, PlatformName::Openshift), rule::registry()).unwrap();
    let document = &plan.document;
    let objects = document.phases.iter().flat_map(|phase| &phase.objects).map(|object| &object.id);
    let templates = document.templates.iter().map(|template| &template.id);
    let bindings: Vec<&str> =
        objects.chain(templates).filter(|id| id.kind == "RoleBinding").map(|id| id.name.as_str()).collect();
    assert_eq!(
        bindings,
        [
            "meshfleet-istio-cni-payments-privileged",
            "meshfleet-istio-meshexpansion-payments-service-account-nonroot",
            "meshfleet-istiod-payments-nonroot",
            "meshfleet-sidecars-nonroot",
        ]
    );
    assert!(!refereed(&plan, &facts).iter().any(|finding| finding.severity == Severity::Blocks));
}

#[test]
fn every_rule_says_why_and_whence() {
    for rule in rule::registry() {
        assert!(rule.reason.ends_with('.') && rule.reason.len() > 40, "{}", rule.id);
        assert!(rule.source.len() > 20, "{}", rule.id);
        let owner = rule.id.0.split('.').next().unwrap_or_default();
        assert!(rule.platforms.is_empty() || !["calisti"].contains(&owner), "{}", rule.id);
    }
}

#[test]
fn a_rule_is_shown_only_the_facts_it_declares() {
    let facts = input(PlatformName::Rosa).facts;
    assert!(facts.platform_version.is_some() && facts.serves("k8s.cni.cncf.io/NetworkAttachmentDefinition"));
    let nothing = facts.only(&[]);
    assert!(
        nothing.platform_version.is_none() && !nothing.serves("k8s.cni.cncf.io/NetworkAttachmentDefinition")
    );
}
