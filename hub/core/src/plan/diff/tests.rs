use crate::{
    fleet::Name,
    plan::{Before, Change, Plan, diff, tests::planned},
    platform::PlatformName,
};

fn told(before: Option<&Plan>, after: &Plan) -> Vec<(Change, String, Vec<String>)> {
    let before = before.map(|plan| Before { document: &plan.document, bodies: &plan.bodies });
    diff(before, after).into_iter().map(|diff| (diff.change, diff.id.to_string(), diff.changes)).collect()
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
fn a_namespace_less_deletes_what_stood_in_it() {
    let before = planned(PlatformName::Rosa, |config| {
        config.base.data_plane.namespaces.names.push(Name::parse("ledger").unwrap());
    });
    let after = planned(PlatformName::Rosa, |_| ());
    let changes = told(Some(&before), &after);
    let deleted: Vec<&str> = changes
        .iter()
        .filter(|(change, ..)| *change == Change::Delete)
        .map(|(_, id, _)| id.as_str())
        .collect();
    assert_eq!(
        deleted,
        ["NetworkAttachmentDefinition ledger/istio-cni", "RoleBinding ledger/meshfleet-sidecars-nonroot-v2"]
    );
}
