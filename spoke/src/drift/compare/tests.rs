use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    digest::Digest,
    inventory::{Outcome, Role},
};

fn id() -> ObjectId {
    serde_json::from_value(
        json!({"group": "", "version": "v1", "kind": "ConfigMap", "namespace": "mesh", "name": "x"}),
    )
    .unwrap()
}

/// What our apply left: `.data.a` and the atomic `.data.list` and the empty `.data.open`.
fn applied() -> Value {
    json!({
        "metadata": {"uid": "u1", "managedFields": [
            {"manager": "meshfleet", "operation": "Apply", "time": "2026-01-01T00:00:00Z",
             "fieldsV1": {"f:data": {"f:a": {}, "f:list": {}, "f:open": {}}}},
        ]},
        "data": {"a": "1", "list": [1, 2], "open": {}},
    })
}

fn entry() -> Entry {
    Entry {
        id: id(),
        uid: "u1".into(),
        role: Role::Created,
        generation: 1,
        outcome: Outcome::Created,
        body: Digest::of(b"body"),
        baseline: owned::baseline(&applied()),
    }
}

/// Another manager takes `.data.a` by Update, as an API server records it.
fn edited(value: Value) -> Value {
    let mut live = applied();
    live["data"]["a"] = value;
    live["metadata"]["managedFields"][0]["fieldsV1"]["f:data"].as_object_mut().unwrap().remove("f:a");
    let theirs = json!({"manager": "kubectl-edit", "operation": "Update", "time": "2026-02-02T00:00:00Z",
        "fieldsV1": {"f:data": {"f:a": {}}}});
    live["metadata"]["managedFields"].as_array_mut().unwrap().push(theirs);
    live
}

fn summary(live: Option<&Value>) -> Vec<(Class, String, Option<String>)> {
    let items = compare(&entry(), live);
    items.into_iter().map(|item| (item.class, item.path, item.actor.map(|actor| actor.manager))).collect()
}

#[test]
fn what_we_applied_is_no_drift() {
    assert_eq!(summary(Some(&applied())), []);
    assert!(same(&entry(), &applied()));
}

#[test]
fn an_edit_names_who_did_it() {
    let editor = Some("kubectl-edit".to_owned());
    assert_eq!(
        summary(Some(&edited(json!("2")))),
        [(Class::Overwritten, ".data.a".to_owned(), editor.clone())]
    );
    // The same value under another owner is drift too: the next edit of theirs would not conflict.
    assert_eq!(summary(Some(&edited(json!("1")))), [(Class::Overwritten, ".data.a".to_owned(), editor)]);
}

#[test]
fn who_removed_a_field_stays_unknown() {
    let mut live = edited(json!("2"));
    live["data"].as_object_mut().unwrap().remove("a");
    live["metadata"]["managedFields"].as_array_mut().unwrap().pop();
    assert_eq!(summary(Some(&live)), [(Class::Removed, ".data.a".to_owned(), None)]);
}

#[test]
fn erased_managed_fields_are_drift_without_an_actor() {
    let mut live = applied();
    live["metadata"]["managedFields"] = Value::Null;
    let found = summary(Some(&live));
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|(class, _, actor)| *class == Class::Overwritten && actor.is_none()));
}

#[test]
fn an_absent_and_a_recreated_object_are_told_apart() {
    assert_eq!(summary(None), [(Class::Deleted, String::new(), None)]);
    let mut live = applied();
    live["metadata"]["uid"] = json!("u2");
    assert_eq!(summary(Some(&live)), [(Class::Recreated, String::new(), None)]);
}

#[test]
fn fields_that_are_not_ours_are_not_drift() {
    let mut live = applied();
    live["data"]["theirs"] = json!("x");
    live["data"]["open"] = json!({"theirs": 1});
    live["metadata"]["labels"] = json!({"x": "y"});
    assert_eq!(summary(Some(&live)), []);
}

proptest! {
    #[test]
    fn any_other_value_is_drift(value in "[0-9]{1,4}") {
        let mut live = applied();
        live["data"]["a"] = json!(value);
        prop_assert_eq!(compare(&entry(), Some(&live)).is_empty(), value == "1");
    }
}
