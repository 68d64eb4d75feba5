use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{
    digest::Digest,
    plan::{
        Expectation, PhaseDocument, PlannedObject, Until, empty,
        tests::{planned, sailed},
    },
    platform::PlatformName,
};

fn id(number: u8) -> ObjectId {
    // A few kinds and names, so that lists overlap; 0 to 3 are namespaces.
    let (group, kind, namespace) =
        if number < 4 { ("", "Namespace", "") } else { ("apps", "Deployment", "mesh") };
    ObjectId {
        group: group.to_owned(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name: format!("n{number}"),
    }
}

fn document(objects: &[u8], expected: &[u8]) -> PlanDocument {
    let object =
        |number: &u8| PlannedObject { id: id(*number), body: Digest::of(&[*number]), keep_while: None };
    let phase = PhaseDocument {
        name: "prerequisites".to_owned(),
        objects: objects.iter().map(object).collect(),
        until: Until::Applied,
        deadline_s: 1,
    };
    let expectations = expected.iter().map(|number| Expectation { id: id(*number), requires: Vec::new() });
    PlanDocument {
        format: 1,
        namespaces: Vec::new(),
        phases: vec![phase],
        additions: Vec::new(),
        templates: Vec::new(),
        expectations: expectations.collect(),
        healthy_when: Vec::new(),
    }
}

fn state(number: u8, role: Role, outcome: Outcome) -> ObjectState {
    ObjectState {
        id: id(number),
        role,
        uid: format!("uid-{number}"),
        body: None,
        outcome,
        healthy: true,
        message: String::new(),
        generation: 1,
    }
}

fn numbers() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0_u8..12, 0..8)
}

fn states() -> impl Strategy<Value = Vec<ObjectState>> {
    let role = prop::sample::select(vec![
        Role::Created,
        Role::Adopted,
        Role::Expected,
        Role::Addition,
        Role::Instance,
    ]);
    let outcome = prop::sample::select(vec![
        Outcome::Created,
        Outcome::AdoptionRequired,
        Outcome::Conflict,
        Outcome::Deleted,
    ]);
    prop::collection::vec(
        (0_u8..12, role, outcome).prop_map(|(number, role, outcome)| state(number, role, outcome)),
        0..8,
    )
}

proptest! {
    #[test]
    fn a_deletion_is_known_ours_and_out_of_the_plan(
        inventory in states(),
        accepted in prop::collection::vec((numbers(), numbers()), 0..3),
        (planned, expected) in (numbers(), numbers()),
    ) {
        let plans: Vec<PlanDocument> =
            accepted.iter().map(|(objects, expected)| document(objects, expected)).collect();
        let new = document(&planned, &expected);
        let (deletions, _) = deletions(&inventory, &Vec::from_iter(&plans), &new);

        let known: BTreeSet<ObjectId> = accepted.iter().flat_map(|(objects, _)| objects).map(|number| id(*number))
            .chain(inventory.iter().filter(|state| matches!(state.role, Role::Created | Role::Adopted)).map(|state| state.id.clone()))
            .collect();
        let kept: BTreeSet<ObjectId> = planned.iter().chain(&expected).map(|number| id(*number)).collect();
        let named: BTreeSet<&ObjectId> = deletions.iter().map(|deletion| &deletion.id).collect();
        prop_assert_eq!(named.len(), deletions.len(), "each once");
        for deletion in &deletions {
            prop_assert!(known.contains(&deletion.id), "{} is not known", deletion.id);
            prop_assert!(!kept.contains(&deletion.id), "{} is in the plan", deletion.id);
            prop_assert!(deletion.id.kind != "Namespace");
            let uid_is_ours = inventory.iter().any(|state| state.uid == deletion.uid && is_ours(state) && state.id == deletion.id);
            prop_assert!(deletion.uid.is_empty() || uid_is_ours);
        }
        for (objects, _) in &accepted {
            for number in objects.iter().filter(|number| **number >= 4) {
                prop_assert!(named.contains(&id(*number)) || kept.contains(&id(*number)), "{} is forgotten", id(*number));
            }
        }
    }

    #[test]
    fn going_back_and_forth_deletes_nothing(objects in numbers(), inventory in numbers()) {
        let plan = document(&objects, &[]);
        let inventory: Vec<ObjectState> = inventory
            .into_iter()
            .filter(|number| objects.contains(number))
            .map(|number| state(number, Role::Created, Outcome::Created))
            .collect();
        prop_assert_eq!(deletions(&inventory, &[&plan], &plan).0, vec![]);
    }
}

#[test]
fn what_was_applied_last_goes_first() {
    let accepted = [document(&[4, 5], &[]), document(&[4, 6], &[])];
    let inventory = [state(9, Role::Created, Outcome::Created), state(5, Role::Created, Outcome::Created)];
    let (deletions, _) = deletions(&inventory, &Vec::from_iter(&accepted), &document(&[6], &[]));
    let told: Vec<(&str, &str)> =
        deletions.iter().map(|deletion| (deletion.id.name.as_str(), deletion.uid.as_str())).collect();
    assert_eq!(told, [("n9", "uid-9"), ("n5", "uid-5"), ("n4", "")]);
}

#[test]
fn a_stranger_in_our_objects_place_is_not_named_by_uid() {
    let inventory =
        [state(5, Role::Created, Outcome::AdoptionRequired), state(6, Role::Expected, Outcome::Fulfilled)];
    let none = document(&[], &[]);
    assert_eq!(deletions(&inventory, &[], &none).0, vec![]);
    let (named, _) = deletions(&inventory, &[&document(&[5], &[6])], &none);
    assert_eq!(named.iter().map(|deletion| deletion.uid.as_str()).collect::<Vec<_>>(), [""]);
}

#[test]
fn another_api_version_is_the_same_object() {
    let mut new = document(&[5], &[]);
    new.phases[0].objects[0].id.version = "v2".to_owned();
    assert_eq!(deletions(&[state(5, Role::Created, Outcome::Created)], &[], &new).0, vec![]);
}

#[test]
fn everything_of_the_former_plan_goes_but_what_others_made() {
    let former = sailed(PlatformName::Rosa, "1.30.3", |_| ()).document;
    let (deletions, templates) = deletions(&[], &[&former], &empty().document);
    let told: Vec<(String, bool)> =
        deletions.iter().map(|deletion| (deletion.id.to_string(), deletion.keep_while.is_some())).collect();
    assert_eq!(told, [("IstioCNI default".to_owned(), true), ("Istio default".to_owned(), false)]);
    assert_eq!(templates, []);
    let (additions, _) =
        super::deletions(&[], &[&sailed(PlatformName::Aks, "1.30.3", |_| ()).document], &empty().document);
    assert_eq!(additions.len(), 1);
}

#[test]
fn templates_go_as_a_whole_and_their_instances_never_by_one() {
    let rosa = planned(PlatformName::Rosa, |_| ()).document;
    let mut instance = state(5, Role::Instance, Outcome::Created);
    instance.id = ObjectId { namespace: "shop".to_owned(), ..rosa.templates[0].id.clone() };
    let mut of_old = instance.clone();
    of_old.role = Role::Created;
    let (objects, templates) = deletions(std::slice::from_ref(&instance), &[&rosa], &empty().document);
    assert!(objects.iter().all(|deletion| deletion.id != instance.id));
    let told: Vec<&str> = templates.iter().map(|deletion| deletion.template.as_str()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(templates.iter().all(|deletion| deletion.keep_while == Some(KeepWhile::injected())));
    let (objects, templates) = deletions(&[of_old], &[&rosa], &rosa);
    assert_eq!((objects, templates), (vec![], vec![]), "what a template wants stays, whoever made it");
}
