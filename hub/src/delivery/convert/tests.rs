//! What a broken or hostile spoke may send, and what becomes of it.

use super::*;

fn read(message: Message) -> Result<Event, Error> {
    event(v1::FromSpoke { trace: None, message: Some(message) })
}

/// The field that a message is refused for.
fn refused_field(message: Message) -> &'static str {
    read(message).expect_err("it is not as it should be").field
}

fn id() -> Option<v1::ObjectId> {
    let (group, version, kind) = ("apps".to_owned(), "v1".to_owned(), "Deployment".to_owned());
    Some(v1::ObjectId {
        group,
        version,
        kind,
        namespace: "istio-system".to_owned(),
        name: "istiod".to_owned(),
    })
}

fn object() -> v1::ObjectState {
    v1::ObjectState { id: id(), role: 1, outcome: 2, ..Default::default() }
}

fn report_of(objects: Vec<v1::ObjectState>) -> Message {
    Message::Report(v1::Report { target_digest: vec![0; 32], phase: 1, objects, ..Default::default() })
}

fn drift_of(item: v1::DriftItem) -> Message {
    Message::Drift(v1::DriftReport { sequence: 1, generation: 1, items: vec![item], heals: Vec::new() })
}

fn item() -> v1::DriftItem {
    v1::DriftItem { id: id(), class: 1, ..Default::default() }
}

#[test]
fn a_message_without_content_is_refused() {
    let error = event(v1::FromSpoke { trace: None, message: None }).unwrap_err();
    assert_eq!(error.field, "message");
}

#[test]
fn every_enum_refuses_what_it_does_not_know() {
    for unset in [0, 99, -1, i32::MAX] {
        assert_eq!(
            refused_field(Message::Refused(v1::Refused { code: unset, ..Default::default() })),
            "refused.code"
        );
        let report = v1::Report { target_digest: vec![0; 32], phase: unset, ..Default::default() };
        assert_eq!(refused_field(Message::Report(report)), "report.phase");
        let object = v1::ObjectState { role: unset, ..object() };
        assert_eq!(refused_field(report_of(vec![object])), "report.objects.role");
        let object = v1::ObjectState { role: 1, outcome: unset, ..self::object() };
        assert_eq!(refused_field(report_of(vec![object])), "report.objects.outcome");
        assert_eq!(refused_field(drift_of(v1::DriftItem { class: unset, ..item() })), "drift.items.class");
    }
}

#[test]
fn what_is_no_digest_is_refused() {
    for bytes in [Vec::new(), vec![0; 31], vec![0; 33]] {
        let accepted = v1::Accepted { epoch: 1, generation: 1, target_digest: bytes.clone() };
        assert_eq!(refused_field(Message::Accepted(accepted)), "accepted.target_digest");
        assert_eq!(
            refused_field(Message::Want(v1::Want { generation: 1, digests: vec![bytes] })),
            "want.digests"
        );
    }
}

#[test]
fn numbers_that_the_database_cannot_hold_are_refused() {
    let accepted = v1::Accepted { epoch: 1, generation: u64::MAX, target_digest: vec![0; 32] };
    assert_eq!(refused_field(Message::Accepted(accepted)), "accepted.generation");
    let report = v1::Report {
        target_digest: vec![0; 32],
        phase: 1,
        completed_generation: 1 << 63,
        ..Default::default()
    };
    assert_eq!(refused_field(Message::Report(report)), "report.completed_generation");
}

#[test]
fn lists_are_bounded() {
    assert_eq!(refused_field(report_of(vec![object(); MOST_OBJECTS + 1])), "report.objects");
    let items = vec![item(); MOST_DRIFT_ITEMS + 1];
    let drift = v1::DriftReport { sequence: 1, generation: 1, items, heals: Vec::new() };
    assert_eq!(refused_field(Message::Drift(drift)), "drift.items");
    let facts = v1::Facts { namespaces: vec![v1::NamespaceFacts::default(); 20_001], ..Default::default() };
    assert_eq!(refused_field(Message::Facts(facts)), "facts.namespaces");
}

#[test]
fn names_are_taken_as_they_are_or_not_at_all() {
    for name in ["x".repeat(254), "a\u{1b}[31m".to_owned(), "a\0b".to_owned(), String::new()] {
        let id = v1::ObjectId { name, ..id().unwrap() };
        let object = v1::ObjectState { id: Some(id), ..object() };
        assert!(["id", "id.name"].contains(&refused_field(report_of(vec![object]))));
    }
    assert_eq!(refused_field(report_of(vec![v1::ObjectState { id: None, ..object() }])), "id");
}

#[test]
fn sentences_are_cut_and_lose_their_control_characters() {
    let object = v1::ObjectState { message: format!("a\u{1b}[31m\n{}", "ä".repeat(5_000)), ..object() };
    let Event::Report(report) = read(report_of(vec![object])).unwrap() else { panic!("a report") };
    let message = &report.objects[0].message;
    assert!(message.starts_with("a [31m ") && message.ends_with('…') && message.len() < 4_200, "{message}");
}

#[test]
fn a_writer_that_is_not_known_is_nobody() {
    let Event::Drift { items, .. } = read(drift_of(item())).unwrap() else { panic!("drift") };
    assert_eq!(items[0].actor, None);
    let named = v1::DriftItem { manager: "kubectl-edit".to_owned(), ..item() };
    let Event::Drift { items, .. } = read(drift_of(named.clone())).unwrap() else { panic!("drift") };
    assert_eq!(items[0].actor.as_ref().map(|actor| actor.at), Some(None));
    let when = v1::DriftItem { written_at: "yesterday".to_owned(), ..named };
    assert_eq!(refused_field(drift_of(when)), "drift.items.written_at");
}

#[test]
fn hello_needs_facts() {
    assert_eq!(
        refused_field(Message::Hello(v1::Hello { protocol_version: 1, ..Default::default() })),
        "hello.facts"
    );
}
