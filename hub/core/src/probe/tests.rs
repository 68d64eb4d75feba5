//! What is asked, and what is not.

use super::*;

fn id(name: &str) -> ObjectId {
    let (group, version, kind) = ("apps".to_owned(), "v1".to_owned(), "Deployment".to_owned());
    ObjectId { group, version, kind, namespace: "mesh".to_owned(), name: name.to_owned() }
}

fn state(name: &str, role: Role, outcome: Outcome) -> ObjectState {
    ObjectState {
        id: ObjectId { version: "v1beta1".to_owned(), ..id(name) },
        role,
        uid: "uid".to_owned(),
        body: None,
        outcome,
        healthy: true,
        message: String::new(),
        generation: 1,
    }
}

fn asked(manifests: &[(&str, usize)], inventory: &[ObjectState]) -> (Vec<String>, usize) {
    let manifests = manifests.iter().map(|(name, size)| (id(name), "x".repeat(*size)));
    let Asking { question, left_out } = bounded(Digest::of(b"plan"), manifests, inventory);
    let objects = question.map(|question| question.objects).unwrap_or_default();
    (objects.into_iter().map(|asked| asked.id.name).collect(), left_out)
}

#[test]
fn what_the_inventory_shows_as_ours_is_not_asked() {
    let inventory = [
        state("created", Role::Created, Outcome::Unchanged),
        state("adopted", Role::Adopted, Outcome::Conflict),
        state("instance", Role::Instance, Outcome::InUse),
        state("foreign", Role::Created, Outcome::AdoptionRequired),
        state("deleted", Role::Created, Outcome::Deleted),
        state("expected", Role::Expected, Outcome::Fulfilled),
        ObjectState { uid: String::new(), ..state("absent", Role::Created, Outcome::Changed) },
    ];
    let names = ["created", "adopted", "instance", "foreign", "deleted", "expected", "absent", "unknown"];
    let manifests = names.map(|name| (name, 2));
    let expected = ["foreign", "deleted", "expected", "absent", "unknown"].map(str::to_owned).to_vec();
    assert_eq!(asked(&manifests, &inventory), (expected, 0));
}

#[test]
fn without_anything_to_ask_there_is_no_question() {
    let inventory = [state("one", Role::Created, Outcome::Created)];
    let asking = bounded(Digest::of(b"plan"), [(id("one"), String::new())].into_iter(), &inventory);
    assert_eq!(asking, Asking { question: None, left_out: 0 });
}

#[test]
fn a_question_is_bounded_and_what_is_left_out_is_counted() {
    let half = MOST_BYTES / 2;
    let expected = ["a", "b"].map(str::to_owned).to_vec();
    assert_eq!(asked(&[("a", half), ("b", half), ("c", 1)], &[]), (expected, 1));
    let many: Vec<String> = (0..MOST_OBJECTS + 3).map(|index| index.to_string()).collect();
    let many: Vec<(&str, usize)> = many.iter().map(|name| (name.as_str(), 1)).collect();
    let (names, left_out) = asked(&many, &[]);
    assert_eq!((names.len(), left_out), (MOST_OBJECTS, 3));
}

#[test]
fn the_same_question_has_the_same_digest() {
    let question = |plan: &[u8]| Question { plan: Digest::of(plan), objects: Vec::new(), needs: Vec::new() };
    assert_eq!(question(b"a").seal(), question(b"a").seal());
    assert_ne!(question(b"a").seal().1, question(b"b").seal().1);
}

#[test]
fn an_instance_stands_in_its_namespace_and_names_it() {
    let template = ObjectId { namespace: String::new(), ..id("istio-cni") };
    let body = br#"{"metadata":{"name":"istio-cni"},"spec":{"for":["a $(NAMESPACE)"],"size":1}}"#;
    let (id, manifest) = instance(&template, body, "shop").unwrap();
    assert_eq!(id, ObjectId { namespace: "shop".to_owned(), ..template.clone() });
    assert_eq!(
        manifest,
        r#"{"metadata":{"name":"istio-cni","namespace":"shop"},"spec":{"for":["a shop"],"size":1}}"#
    );
    assert_eq!(instance(&template, b"[]", "shop"), None);
}
