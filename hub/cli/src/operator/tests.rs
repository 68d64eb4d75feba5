use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::screen::{golden, golden_wide};

fn now() -> Timestamp {
    "2026-11-24T10:00:00Z".parse().unwrap()
}

fn operators() -> Vec<Operator> {
    let admin = Operator {
        id: "0190b5a0-0000-7000-8000-000000000001".to_owned(),
        name: "admin".to_owned(),
        role: "Admin".to_owned(),
        added_at: "2026-10-01T10:00:00Z".to_owned(),
        revoked_at: String::new(),
        caller: true,
    };
    let ana = Operator {
        name: "ana".to_owned(),
        role: "Approver".to_owned(),
        added_at: "2026-11-24T09:30:00Z".to_owned(),
        caller: false,
        ..admin.clone()
    };
    let gone = Operator {
        role: "Author".to_owned(),
        added_at: "2026-11-01T10:00:00Z".to_owned(),
        revoked_at: "2026-11-24T09:29:00Z".to_owned(),
        ..ana.clone()
    };
    vec![admin, ana, gone]
}

#[test]
fn operators_are_listed() {
    insta::assert_snapshot!("operators", golden(80, |screen| draw(screen, &operators(), now())));
    insta::assert_snapshot!("operators_wide", golden_wide(120, |screen| draw(screen, &operators(), now())));
    insta::assert_snapshot!("operators_json", format!("{:#}", to_json(&operators()[2])));
}

#[test]
fn adding_and_revoking_say_what_comes_next() {
    let answer = AddOperatorResponse {
        expires_at: "2027-11-24T10:00:00Z".to_owned(),
        ..AddOperatorResponse::default()
    };
    let path = Path::new("ana.context.json");
    insta::assert_snapshot!(
        "operator_added",
        golden(80, |screen| draw_added(screen, ("ana", "Approver"), path, &answer, now()))
    );
    insta::assert_snapshot!("operator_revoked", golden(80, |screen| draw_revoked(screen, "ana", false)));
    insta::assert_snapshot!(
        "operator_revoked_before",
        golden(80, |screen| draw_revoked(screen, "ana", true))
    );
}

#[test]
fn a_context_is_written_for_its_owner_alone_and_over_nothing() {
    let path = std::env::temp_dir().join(format!("meshfleet-operator-{}.json", std::process::id()));
    let file = create(&path).unwrap();
    write(file, &context("127.0.0.1:1", "ana", &AddOperatorResponse::default(), "KEY")).unwrap();
    let read = crate::context::Context::read(&path).unwrap();
    assert_eq!((read.hub.as_str(), read.key.as_str()), ("127.0.0.1:1", "KEY"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let again = create(&path).unwrap_err();
    fs::remove_file(&path).unwrap();
    assert!(again.chain().contains("cannot write"), "{}", again.chain());
    assert!(again.hint().contains("--out"), "{}", again.hint());
}
