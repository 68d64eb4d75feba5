use crate::{
    fleet::Name,
    plan::{
        Before, Change, Disruption, ObjectDiff, Plan, diff, disruption, empty,
        tests::{planned, sailed},
    },
    platform::PlatformName,
};

fn told(before: Option<&Plan>, after: &Plan) -> Vec<(Change, String, Vec<String>)> {
    let before = before.map(|plan| Before { document: &plan.document, bodies: &plan.bodies });
    let told = |diff: ObjectDiff| {
        (diff.change, diff.id.to_string(), diff.changes.iter().map(ToString::to_string).collect())
    };
    diff(before, after).into_iter().map(told).collect()
}

#[test]
fn a_first_plan_creates_and_expects() {
    let plan = planned(PlatformName::Generic, |_| ());
    let changes = told(None, &plan);
    assert_eq!(
        changes,
        [
            (Change::Create, "IstioControlPlane istio-system/payments".to_owned(), vec![]),
            (Change::Expect, "Deployment istio-system/istiod-payments".to_owned(), vec![]),
        ]
    );
}

#[test]
fn the_same_plan_changes_nothing() {
    let plan = planned(PlatformName::Rosa, |_| ());
    assert!(
        told(Some(&plan), &plan).iter().all(|(change, ..)| matches!(change, Change::None | Change::Expect))
    );
}

#[test]
fn an_update_names_each_leaf() {
    let before = planned(PlatformName::Generic, |_| ());
    let after = planned(PlatformName::Generic, |config| {
        config.base.istio.version = "1.16.7".to_owned().try_into().unwrap()
    });
    assert_eq!(
        told(Some(&before), &after)[0],
        (
            Change::Update,
            "IstioControlPlane istio-system/payments".to_owned(),
            vec![
                r#".spec.containerImageConfiguration.tag: "1.17.8" -> "1.16.7""#.to_owned(),
                r#".spec.version: "1.17.8" -> "1.16.7""#.to_owned(),
            ]
        )
    );
}

#[test]
fn additions_and_templates_are_told_as_such_and_given_up() {
    let aks = sailed(PlatformName::Aks, "1.30.3", |_| ());
    let eks = sailed(PlatformName::Eks, "1.30.3", |_| ());
    let adds = |changes: Vec<(Change, String, Vec<String>)>| {
        changes.into_iter().filter(|(change, ..)| *change == Change::Add).collect::<Vec<_>>()
    };
    assert_eq!(adds(told(Some(&eks), &aks)).len(), 3);
    assert!(adds(told(Some(&aks), &aks)).is_empty());
    assert_eq!(
        adds(told(Some(&aks), &eks))[0],
        (
            Change::Add,
            "MutatingWebhookConfiguration istio-sidecar-injector".to_owned(),
            vec![r#".metadata.annotations["admissions.enforcer/disabled"]: "true" -> absent"#.to_owned()]
        )
    );
    let rosa = planned(PlatformName::Rosa, |_| ());
    let plain = planned(PlatformName::Generic, |_| ());
    let of_templates = |before: Option<&Plan>, after: &Plan| {
        let changes = told(before, after).into_iter();
        let templates =
            ["NetworkAttachmentDefinition istio-cni", "RoleBinding meshfleet-sidecars-nonroot-v2"];
        changes
            .filter(|(_, id, _)| templates.contains(&id.as_str()))
            .map(|(change, ..)| change)
            .collect::<Vec<_>>()
    };
    assert_eq!(of_templates(Some(&plain), &rosa), [Change::Template; 2]);
    assert_eq!(of_templates(Some(&rosa), &rosa), [Change::None; 2]);
    assert_eq!(of_templates(Some(&rosa), &plain), [Change::Delete; 2]);
    let moved =
        planned(PlatformName::Rosa, |config| config.base.istio.namespace = Name::parse("mesh").unwrap());
    assert_eq!(of_templates(Some(&rosa), &moved), [Change::Template; 2], "another selection");
}

#[test]
fn the_class_of_a_change_is_its_worst() {
    let of = |before: Option<&Plan>, after: &Plan| {
        let before = before.map(|plan| Before { document: &plan.document, bodies: &plan.bodies });
        disruption(&diff(before, after)).class
    };
    let now = sailed(PlatformName::Eks, "1.29.6", |_| ());
    assert_eq!(of(None, &now), Disruption::ConfigPush);
    assert_eq!(of(Some(&now), &now), Disruption::None);
    assert_eq!(of(Some(&now), &sailed(PlatformName::Eks, "1.30.3", |_| ())), Disruption::WorkloadRestart);
    assert_eq!(of(Some(&now), &empty()), Disruption::Irreversible);
    let other =
        sailed(PlatformName::Eks, "1.29.6", |config| config.base.mesh.id = Name::parse("other").unwrap());
    assert_eq!(of(Some(&now), &other), Disruption::Trust);
    let logging = sailed(PlatformName::Eks, "1.29.6", |config| {
        config.base.values.istiod =
            serde_json::from_str(r#"{"meshConfig": {"accessLogFile": "/dev/stdout"}}"#).unwrap();
    });
    assert_eq!(of(Some(&now), &logging), Disruption::ConfigPush);
}
