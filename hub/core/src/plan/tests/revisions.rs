//! One version beside another: Sail's named revisions, with the tag that keeps the old one and the labels good.

use serde_json::{Value, json};

use super::{
    referee::{blocking, needed, respoilt, warnings},
    *,
};
use crate::{config::EffectiveProblem, plan::rule::Rule};

const VERSION: &str = "1.30.3";

fn by_revisions(config: &mut Effective) {
    config.base.istio.update_strategy = UpdateStrategy::RevisionBased;
}

fn revised(platform: PlatformName, version: &str) -> Plan {
    sailed(platform, version, by_revisions)
}

#[test]
fn sound_plans_are_not_blocked() {
    for platform in PlatformName::ALL {
        for version in ["1.29.6", VERSION] {
            let plan = revised(platform, version);
            assert_eq!(blocking(&plan, &sail_facts(platform)), [""; 0], "{platform} {version}");
            assert_eq!(warnings(&plan, &sail_facts(platform)), [""; 0], "{platform} {version}");
        }
    }
}

#[test]
fn each_missing_rule_is_seen_on_every_platform() {
    for platform in PlatformName::ALL {
        let mut config = sail_wanted(VERSION);
        by_revisions(&mut config);
        let facts = sail_facts(platform);
        let input = input_of(&config, &facts, platform);
        let needed = needed(&input);
        assert!(needed.iter().any(|rule| rule.id.0 == "sail.revision-tag"), "{platform}");
        for missing in needed {
            let rest: Vec<Rule> =
                rule::registry().iter().filter(|rule| rule.id != missing.id).copied().collect();
            let findings = blocking(&plan(&input, &rest).unwrap(), &facts);
            assert!(!findings.is_empty(), "{platform} without {}", missing.id);
            let tagless = findings.iter().any(|found| found == "sail.revision-tag.missing");
            assert_eq!(tagless, missing.id.0 == "sail.revision-tag", "{platform} without {}", missing.id);
        }
    }
}

/// The operator puts the version into the name of the revision, and the chart the revision into the names of all else.
#[test]
fn what_is_waited_for_carries_the_name_of_the_revision() {
    let plan = revised(PlatformName::Eks, VERSION);
    let expected: Vec<String> = plan.document.expectations.iter().map(|one| one.id.to_string()).collect();
    assert_eq!(expected, ["Deployment istio-system/istiod-default-v1-30-3", "IstioRevision default-v1-30-3"]);
    let tag = plan.document.healthy_when.iter().find(|one| one.id.kind == "IstioRevisionTag").unwrap();
    assert_eq!(tag.requires[0].path, ".status.istioRevision");
    assert_eq!(tag.requires[0].value, "default-v1-30-3");
    let fatal: Vec<&Value> = tag.fails_on.iter().map(|failure| &failure.value).collect();
    assert!(!fatal.contains(&&json!("NotReferencedByAnything")), "an unused tag is no failure");
}

/// Otherwise the active revision would be deleted at the moment the version changes.
#[test]
fn a_new_version_leaves_the_tag_as_it_is() {
    let (old, new) = (revised(PlatformName::Rosa, "1.29.6"), revised(PlatformName::Rosa, VERSION));
    let before = Before { document: &old.document, bodies: &old.bodies };
    let diff = diff(Some(before), &new);
    let of = |kind: &str| diff.iter().find(|object| object.id.kind == kind).unwrap();
    assert_eq!(of("IstioRevisionTag").change, Change::None);
    assert_eq!(of("IstioRevisionTag").phase, of("Istio").phase);
    let paths: Vec<&str> = of("Istio").changes.iter().map(|leaf| leaf.path.as_str()).collect();
    assert_eq!(paths, [".spec.version"]);
}

#[test]
fn a_wrong_tag_is_seen() {
    type Spoil = fn(&mut Plan);
    let cases: [(&str, Spoil); 5] = [
        ("of another Istio", |plan| {
            *plan = respoilt(plan.clone(), "IstioRevisionTag", |tag| {
                tag["spec"]["targetRef"]["name"] = json!("other");
            });
        }),
        ("of one revision", |plan| {
            *plan = respoilt(plan.clone(), "IstioRevisionTag", |tag| {
                tag["spec"]["targetRef"] = json!({"kind": "IstioRevision", "name": "default-v1-30-3"});
            });
        }),
        ("after the Istio", |plan| {
            let mut second = plan.document.phases[0].clone();
            let objects = &mut plan.document.phases[0].objects;
            second.objects = objects.extract_if(.., |object| object.id.kind == "IstioRevisionTag").collect();
            plan.document.phases.push(second);
        }),
        ("that points anywhere", |plan| {
            let criteria = plan.document.healthy_when.iter_mut();
            criteria.filter(|one| one.id.kind == "IstioRevisionTag").for_each(|one| one.requires.clear());
        }),
        ("that nobody waits for", |plan| {
            plan.document.healthy_when.retain(|one| one.id.kind != "IstioRevisionTag");
        }),
    ];
    for (what, spoil) in cases {
        let mut plan = revised(PlatformName::Eks, VERSION);
        spoil(&mut plan);
        assert_eq!(blocking(&plan, &sail_facts(PlatformName::Eks)), ["sail.revision-tag.missing"], "{what}");
    }
}

#[test]
fn a_tag_beside_the_revision_of_its_name_is_seen() {
    let mut plan = revised(PlatformName::Eks, VERSION);
    plan.intent.as_mut().unwrap().update_strategy = UpdateStrategy::InPlace;
    let findings = blocking(&plan, &sail_facts(PlatformName::Eks));
    assert!(findings.iter().any(|found| found == "sail.revision-tag.in-place"), "{findings:?}");
}

/// A revision behind the name, then the namespace where it is not the usual one; the tag brings an injector more.
#[test]
fn the_enforcer_is_asked_off_the_webhooks_of_the_revision() {
    for (namespace, behind) in [("istio-system", ""), ("mesh", "-mesh")] {
        let plan = sailed(PlatformName::Aks, VERSION, |config| {
            by_revisions(config);
            config.base.istio.namespace = name(namespace);
        });
        let names: Vec<&str> =
            plan.document.additions.iter().map(|addition| addition.id.name.as_str()).collect();
        assert_eq!(
            names,
            [
                format!("istio-revision-tag-default{behind}"),
                format!("istio-sidecar-injector-default-v1-30-3{behind}"),
                format!("istio-validator-default-v1-30-3-{namespace}"),
                "istiod-default-validator".to_owned(),
            ]
        );
        for lost in 0..names.len() {
            let mut spoilt = plan.clone();
            spoilt.document.additions.remove(lost);
            assert_eq!(blocking(&spoilt, &sail_facts(PlatformName::Aks)), ["aks.webhook.enforced"]);
        }
    }
}

#[test]
fn the_grace_goes_to_the_operator_and_says_where_it_comes_from() {
    let plan = sailed(PlatformName::Gke, VERSION, |config| {
        by_revisions(config);
        config.base.istio.inactive_revision_grace_seconds = Some(600);
    });
    let strategy = &manifest(&plan, "Istio")["spec"]["updateStrategy"];
    assert_eq!(
        *strategy,
        json!({"type": "RevisionBased", "inactiveRevisionDeletionGracePeriodSeconds": 600})
    );
    assert_eq!(blocking(&plan, &sail_facts(PlatformName::Gke)), [""; 0]);
    let idle = sailed(PlatformName::Gke, VERSION, |config| {
        config.base.istio.inactive_revision_grace_seconds = Some(600);
    });
    assert_eq!(warnings(&idle, &sail_facts(PlatformName::Gke)), ["istio.grace-idle"]);
    assert_eq!(idle.digest, sailed(PlatformName::Gke, VERSION, |_| ()).digest);
}

#[test]
fn calisti_has_no_revisions() {
    for platform in PlatformName::ALL {
        let plan = planned(platform, by_revisions);
        assert_eq!(blocking(&plan, &facts(platform)), ["calisti.update-strategy"], "{platform}");
    }
}

/// A layer may bring it to some clusters only.
#[test]
fn a_document_says_it() -> Result<(), Vec<EffectiveProblem>> {
    let mut config = sail_config(VERSION);
    config.base["istio"]["updateStrategy"] = json!("RevisionBased");
    config.base["istio"]["inactiveRevisionGraceSeconds"] = json!(60);
    let istio = effective(&config, &cluster(Facts::default()))?.base.istio;
    assert_eq!(istio.update_strategy, UpdateStrategy::RevisionBased);
    assert_eq!(istio.inactive_revision_grace_seconds, Some(60));
    Ok(())
}

#[test]
fn a_move_between_the_strategies_is_told_both_ways_and_a_new_version_is_none() {
    let (in_place, revised_old, revised_new) = (
        sailed(PlatformName::Eks, "1.29.6", |_| ()),
        revised(PlatformName::Eks, "1.29.6"),
        revised(PlatformName::Eks, VERSION),
    );
    let told = |before: &Plan, after: &Plan| -> Vec<String> {
        let before = Before { document: &before.document, bodies: &before.bodies };
        moves(&diff(Some(before), after)).into_iter().map(|finding| finding.rule).collect()
    };
    assert_eq!(told(&in_place, &revised_old), ["sail.strategy-move"]);
    assert_eq!(told(&revised_new, &in_place), ["sail.strategy-move"]);
    assert_eq!(told(&revised_old, &revised_new), [""; 0]);
    assert!(moves(&diff(None, &revised_new)).is_empty(), "a first mesh moves from nothing");
}
