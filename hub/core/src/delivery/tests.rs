//! Whole conversations, and random ones that must never break a promise.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{
    session::{INLINE_BYTES, MOST_WANTED, OFFER_AGAIN_AFTER, STRIKES},
    *,
};
use crate::{
    drift::{HealClass, HealQuestion, HealResult},
    plan::ObjectId,
    probe::{Answer, Probe, Question},
    report::Phase,
};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn target(generation: u64) -> OfferedTarget {
    let bytes = format!("target {generation}").into_bytes();
    let bodies = [digest("shared"), digest(&format!("plan {generation}"))];
    OfferedTarget {
        epoch: 1,
        generation,
        digest: Digest::of(&bytes),
        bytes,
        bodies: bodies.into_iter().map(|body| (body, 6)).collect(),
        accepted: BTreeSet::new(),
        traceparent: String::new(),
    }
}

fn fence(generation: u64) -> Fence {
    Fence { epoch: 1, generation, target: target(generation).digest, completed: 0 }
}

fn hello(fence: Option<Fence>) -> Event {
    Event::Hello(Box::new(Hello {
        protocol_version: 1,
        spoke_version: "0.1.0".to_owned(),
        fence,
        kube_system_uid: "uid".to_owned(),
        facts: Facts::default(),
    }))
}

fn changed(generation: u64) -> Event {
    Event::TargetChanged(Box::new(target(generation)))
}

fn accepted(generation: u64) -> Event {
    Event::Accepted { epoch: 1, generation, target: target(generation).digest }
}

fn want(generation: u64, bodies: &[&str]) -> Event {
    Event::Want { generation, digests: bodies.iter().map(|body| digest(body)).collect() }
}

fn report(generation: u64) -> Report {
    Report {
        generation,
        target: target(generation).digest,
        phase: Phase::Applying,
        message: String::new(),
        objects: Vec::new(),
        completed: 0,
        frozen: None,
    }
}

/// A session whose spoke has said Hello.
fn open(fence: Option<Fence>) -> Session {
    let mut session = Session::new(1..=1);
    let commands = session.on(hello(fence), NOW);
    assert!(matches!(commands[..], [Command::Attach(_), Command::Welcome]), "{commands:?}");
    session
}

fn names(commands: &[Command]) -> Vec<&'static str> {
    let name = |command: &Command| match command {
        Command::Attach(_) => "attach",
        Command::Welcome => "welcome",
        Command::SendHeader { .. } => "header",
        Command::LoadBodies(_) => "load",
        Command::SendBody { .. } => "body",
        Command::SendRefused(_) => "refused",
        Command::RecordAccepted { .. } => "record accepted",
        Command::RecordRefused(_) => "record refused",
        Command::SaveReport(_) => "report",
        Command::SaveDrift { .. } => "drift",
        Command::SendHeal(_) => "heal",
        Command::SaveHealAnswer { .. } => "heal answer",
        Command::SaveFacts(_) => "facts",
        Command::SendProbe(_) => "probe",
        Command::SaveProbeAnswer { .. } => "answer",
        Command::WantSchemas(_) => "want schemas",
        Command::SaveSchema { .. } => "schema",
        Command::Close(_) => "close",
    };
    commands.iter().map(name).collect()
}

/// Feeds events after Hello and compares what is done about the last one.
fn check(fence: Option<Fence>, events: Vec<Event>, expected: &[&str]) {
    let mut session = open(fence);
    let mut last = Vec::new();
    for event in events.clone() {
        last = session.on(event, NOW);
    }
    assert_eq!(names(&last), expected, "after {events:?}");
}

#[test]
fn a_schema_is_asked_for_once_and_stored_if_it_is_the_one() {
    let bytes = br#"{"type":"object"}"#.to_vec();
    let digest = Digest::of(&bytes);
    let lacking = || Event::SchemasLacking(vec![digest]);
    let told = |bytes: &[u8]| Event::SchemaTold { digest, bytes: bytes.to_vec() };
    check(None, vec![lacking()], &["want schemas"]);
    check(None, vec![lacking(), lacking()], &[]);
    check(None, vec![lacking(), told(&bytes)], &["schema"]);
    // It is gone by now: that is no mistake.
    check(None, vec![lacking(), told(b"")], &[]);
    check(None, vec![told(&bytes)], &["refused"]);
    check(None, vec![lacking(), told(&bytes), told(&bytes)], &["refused"]);
    check(None, vec![lacking(), told(br#"{"type":"array"}"#)], &["refused"]);
    check(None, vec![lacking(), told(b"no JSON")], &["refused"]);
}

#[test]
fn a_target_goes_from_offer_to_report() {
    let mut session = open(None);
    let inline = target(1).bodies.into_keys().collect();
    assert_eq!(session.on(changed(1), NOW), [Command::SendHeader { target: Box::new(target(1)), inline }]);
    let load = session.on(want(1, &["plan 1", "shared"]), NOW);
    assert_eq!(load, [Command::LoadBodies(vec![digest("plan 1"), digest("shared")])]);
    let loaded = Event::BodyLoaded { digest: digest("shared"), bytes: Some(b"shared".to_vec()) };
    let body = session.on(loaded, NOW);
    assert_eq!(body, [Command::SendBody { digest: digest("shared"), bytes: b"shared".to_vec() }]);
    assert_eq!(names(&session.on(accepted(1), NOW)), ["record accepted"]);
    assert_eq!(session.on(Event::Report(report(1)), NOW), [Command::SaveReport(report(1))]);
}

#[test]
fn what_must_come_first_is_hello() {
    for event in
        [Event::Heartbeat, accepted(1), want(1, &[]), Event::Report(report(1)), Event::Facts(Box::default())]
    {
        let mut session = Session::new(1..=1);
        assert_eq!(session.on(event, NOW), [Command::Close(CloseReason::NotHello)]);
        assert_eq!(session.on(hello(None), NOW), [], "nothing happens after a close");
    }
    check(None, vec![hello(None)], &["close"]);
}

#[test]
fn versions_outside_the_window_are_refused_and_both_are_said() {
    for (spoke, good) in [(0, false), (1, false), (2, true), (3, true), (4, false), (u32::MAX, false)] {
        let mut session = Session::new(2..=3);
        let Event::Hello(mut hello) = hello(None) else { unreachable!("it is one") };
        hello.protocol_version = spoke;
        let commands = session.on(Event::Hello(hello), NOW);
        let refused = [Command::Close(CloseReason::ProtocolVersion { spoke, oldest: 2, newest: 3 })];
        assert_eq!(commands != refused, good, "{spoke}");
    }
}

#[test]
fn what_the_spoke_has_is_not_sent_again() {
    check(Some(fence(3)), vec![changed(3)], &["record accepted"]);
    check(Some(fence(3)), vec![changed(4)], &["header"]);
    check(None, vec![changed(3), changed(3)], &[]);
    check(None, vec![changed(3), accepted(3), changed(3)], &[]);
    check(None, vec![changed(3), changed(2)], &[]);
    check(None, vec![changed(3), changed(4)], &["header"]);
}

#[test]
fn a_spoke_ahead_of_the_database_is_sent_nothing() {
    check(Some(fence(4)), vec![changed(3)], &[]);
    check(Some(Fence { target: digest("another"), ..fence(3) }), vec![changed(3)], &[]);
}

#[test]
fn a_spoke_of_a_later_epoch_says_itself_that_the_hub_is_of_a_former_life() {
    check(Some(Fence { epoch: 2, ..fence(3) }), vec![changed(4)], &["header"]);
}

#[test]
fn bodies_are_needed_exactly_where_a_target_is_offered() {
    let fences = [None, Some(fence(1)), Some(fence(2)), Some(Fence { target: digest("x"), ..fence(2) })];
    for fence in fences {
        let mut session = open(fence);
        for generation in [2, 1, 2, 3] {
            let lacks = session.lacks(generation, target(generation).digest);
            let commands = session.on(changed(generation), NOW);
            assert_eq!(lacks, names(&commands).contains(&"header"), "{generation} over {fence:?}");
        }
    }
    assert!(!Session::new(1..=1).lacks(1, target(1).digest), "nothing is offered before Hello");
}

#[test]
fn only_what_was_offered_can_be_answered() {
    check(None, vec![accepted(1)], &["refused"]);
    check(None, vec![changed(1), accepted(2)], &["refused"]);
    check(
        None,
        vec![changed(1), Event::Accepted { epoch: 2, generation: 1, target: target(1).digest }],
        &["refused"],
    );
    check(
        None,
        vec![changed(1), Event::Accepted { epoch: 1, generation: 1, target: digest("x") }],
        &["refused"],
    );
    check(None, vec![changed(1), changed(2), accepted(1)], &["record accepted"]);
    check(None, vec![changed(1), accepted(1), accepted(1)], &["record accepted"]);
    let refusal = |generation| Refusal { generation, code: RefusalCode::Floor, message: String::new() };
    check(None, vec![changed(1), Event::Refused(refusal(1))], &["record refused"]);
    check(None, vec![changed(1), Event::Refused(refusal(7))], &["refused"]);
    check(None, vec![changed(1), Event::Refused(refusal(0))], &["record refused"]);
    check(None, vec![Event::Refused(refusal(0))], &["refused"]);
}

#[test]
fn absent_and_foreign_bodies_get_the_same_refusal() {
    let mut session = open(None);
    session.on(changed(1), NOW);
    let foreign = session.on(want(1, &["foreign"]), NOW);
    session.on(want(1, &["shared"]), NOW);
    let absent = session.on(Event::BodyLoaded { digest: digest("shared"), bytes: None }, NOW);
    let words = |commands: &[Command]| match commands {
        [Command::SendRefused(refusal)] => refusal.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(words(&foreign), words(&absent));
}

#[test]
fn bodies_are_given_only_for_the_header_that_offered_them() {
    check(None, vec![want(1, &["shared"])], &["refused"]);
    check(None, vec![changed(1), want(2, &["shared"])], &["refused"]);
    check(None, vec![changed(1), changed(2), want(2, &["plan 1"])], &["refused"]);
    check(None, vec![changed(1), changed(2), want(1, &["plan 1"])], &["load"]);
    check(None, vec![changed(1), want(1, &["shared", "foreign"])], &["refused"]);
    check(None, vec![changed(1), want(1, &["shared"; MOST_WANTED + 1])], &["refused"]);
    check(None, vec![changed(1), want(1, &["shared", "shared"]), want(1, &["shared"])], &[]);
}

#[test]
fn reports_count_for_the_accepted_target_only() {
    check(None, vec![changed(1), Event::Report(report(1))], &["refused"]);
    check(Some(fence(1)), vec![Event::Report(report(1))], &["report"]);
    check(Some(fence(2)), vec![Event::Report(report(1))], &[]);
    check(Some(fence(1)), vec![Event::Report(Report { target: digest("x"), ..report(1) })], &["refused"]);
    let drift =
        |sequence, generation| Event::Drift { sequence, generation, items: Vec::new(), heals: Vec::new() };
    check(Some(fence(1)), vec![drift(1, 1)], &["drift"]);
    check(Some(fence(1)), vec![drift(1, 1), drift(1, 1)], &["refused"]);
    check(Some(fence(2)), vec![drift(1, 1)], &[]);
    check(None, vec![drift(1, 1)], &["refused"]);
}

#[test]
fn a_refusal_that_passes_is_answered_by_the_same_offer_later() {
    let mut session = open(None);
    session.on(changed(1), NOW);
    let unavailable = Refusal { generation: 1, code: RefusalCode::Unavailable, message: String::new() };
    assert_eq!(names(&session.on(Event::Refused(unavailable), NOW)), ["record refused"]);
    assert_eq!(names(&session.on(Event::Tick, NOW)), [""; 0]);
    let later = NOW + OFFER_AGAIN_AFTER;
    assert_eq!(names(&session.on(Event::Tick, later)), ["header"]);
    assert_eq!(names(&session.on(Event::Tick, later)), [""; 0]);
}

#[test]
fn a_target_that_was_accepted_is_not_offered_again_whatever_is_refused_later() {
    let mut session = open(None);
    let unavailable = Refusal { generation: 1, code: RefusalCode::Unavailable, message: String::new() };
    for event in [changed(1), accepted(1), Event::Refused(unavailable)] {
        session.on(event, NOW);
    }
    assert_eq!(session.on(Event::Tick, NOW + OFFER_AGAIN_AFTER), []);
}

#[test]
fn five_mistakes_close_the_stream() {
    let mut session = open(None);
    for _ in 1..STRIKES {
        assert_eq!(names(&session.on(accepted(9), NOW)), ["refused"]);
    }
    assert_eq!(names(&session.on(accepted(9), NOW)), ["refused", "close"]);
    assert_eq!(session.on(changed(1), NOW), []);
}

fn asked(id: u128) -> Event {
    let question = Question { plan: digest("plan"), objects: Vec::new(), needs: Vec::new() };
    Event::ProbeAsked(Box::new(Probe { id: Uuid::from_u128(id), question }))
}

fn answered(id: u128) -> Event {
    Event::ProbeAnswered {
        id: Uuid::from_u128(id),
        answer: Answer { objects: Vec::new(), rights: Vec::new() },
    }
}

fn wished(id: u128) -> Event {
    let object = ObjectId::new("", "v1", "ConfigMap", "istio-system", "mesh");
    let question = HealQuestion {
        generation: 1,
        object,
        uid: String::new(),
        path: String::new(),
        class: HealClass::Deleted,
        found: None,
    };
    Event::HealAsked(Box::new(HealRequest { id: Uuid::from_u128(id), question, dry_run: false }))
}

fn granted(id: u128) -> Event {
    let answer = HealAnswer { result: HealResult::Healed, message: String::new(), before: None, after: None };
    Event::HealAnswered { id: Uuid::from_u128(id), answer }
}

#[test]
fn a_wish_is_told_once_in_a_session_and_answered_once() {
    check(None, vec![wished(1)], &["heal"]);
    check(None, vec![wished(1), wished(1)], &[]);
    check(None, vec![wished(1), granted(1)], &["heal answer"]);
    check(None, vec![wished(1), granted(1), wished(1)], &[]);
    check(None, vec![wished(1), wished(2), granted(1)], &["heal answer"]);
    check(None, vec![wished(1), granted(1), granted(1)], &["refused"]);
    check(None, vec![asked(1), granted(1)], &["refused"]);
    let mut early = Session::new(1..=1);
    assert_eq!(early.on(wished(1), NOW), [], "nothing is told before Hello");
    assert_eq!(names(&early.on(granted(1), NOW)), ["close"]);
}

#[test]
fn a_question_is_asked_once_in_a_session_and_answered_once() {
    check(None, vec![asked(1)], &["probe"]);
    check(None, vec![asked(1), asked(1)], &[]);
    check(None, vec![asked(1), answered(1)], &["answer"]);
    check(None, vec![asked(1), answered(1), asked(1)], &[]);
    check(None, vec![asked(1), asked(2)], &["probe"]);
    check(None, vec![asked(1), asked(2), answered(1)], &["answer"]);
    check(None, vec![asked(1), answered(1), answered(1)], &["refused"]);
    check(None, vec![answered(1)], &["refused"]);
    let mut early = Session::new(1..=1);
    assert_eq!(early.on(asked(1), NOW), [], "nothing is asked before Hello");
    assert_eq!(early.on(answered(1), NOW), [Command::Close(CloseReason::NotHello)]);
}

/// What rides with the header of a target that has these bodies, of which the spoke has some.
fn check_inline(bodies: &[(&str, u64)], accepted: &[&str], expected: &[&str]) {
    let target = OfferedTarget {
        bodies: bodies.iter().map(|(body, size)| (digest(body), *size)).collect(),
        accepted: accepted.iter().map(|body| digest(body)).collect(),
        ..target(1)
    };
    let commands = open(None).on(Event::TargetChanged(Box::new(target)), NOW);
    let [Command::SendHeader { inline, .. }] = &commands[..] else { panic!("{commands:?}") };
    let inline: BTreeSet<Digest> = inline.iter().copied().collect();
    assert_eq!(inline, expected.iter().map(|body| digest(body)).collect(), "{bodies:?} {accepted:?}");
}

#[test]
fn a_small_change_rides_with_the_header() {
    check_inline(&[("plan", 10), ("a", 20)], &[], &["plan", "a"]);
    check_inline(&[("plan", 10), ("a", 20)], &["former plan", "a"], &["plan"]);
    check_inline(&[("plan", 10), ("a", 20)], &["plan", "a"], &[]);
    check_inline(&[("plan", 10), ("a", INLINE_BYTES - 10)], &[], &["plan", "a"]);
    check_inline(&[("plan", 10), ("a", INLINE_BYTES - 9)], &[], &[]);
    check_inline(&[("plan", 10), ("a", INLINE_BYTES)], &["a"], &["plan"]);
    check_inline(&[("plan", u64::MAX), ("a", u64::MAX)], &[], &[]);
}

fn any_event() -> impl Strategy<Value = Event> {
    let generation = 1..4u64;
    let bodies = proptest::collection::vec(prop_oneof!["shared", "foreign", "plan 1", "plan 2"], 0..3);
    prop_oneof![
        proptest::option::of(generation.clone()).prop_map(|generation| hello(generation.map(fence))),
        generation.clone().prop_map(accepted),
        generation.clone().prop_map(|generation| Event::Report(report(generation))),
        generation.clone().prop_map(changed),
        (generation.clone(), bodies).prop_map(|(generation, bodies)| {
            let digests = bodies.iter().map(|body| digest(body)).collect();
            Event::Want { generation, digests }
        }),
        prop_oneof!["shared", "foreign", "plan 1"]
            .prop_map(|body| Event::BodyLoaded { digest: digest(&body), bytes: Some(body.into_bytes()) }),
        generation.prop_map(|generation| {
            let refusal = Refusal { generation, code: RefusalCode::Unavailable, message: String::new() };
            Event::Refused(refusal)
        }),
        (0..4u128).prop_map(asked),
        (0..4u128).prop_map(answered),
        (0..4u128).prop_map(wished),
        (0..4u128).prop_map(granted),
        prop_oneof!["1", "2"].prop_map(|name| Event::SchemasLacking(vec![Digest::of(&schema(&name))])),
        (prop_oneof!["1", "2"], prop_oneof!["1", "2"]).prop_map(|(name, other)| Event::SchemaTold {
            digest: Digest::of(&schema(&name)),
            bytes: schema(&other),
        }),
        Just(Event::Heartbeat),
        Just(Event::Tick),
    ]
}

fn schema(name: &str) -> Vec<u8> {
    format!(r#"{{"properties":{{"{name}":{{"type":"string"}}}},"type":"object"}}"#).into_bytes()
}

proptest! {
    /// Whatever a spoke says, in whatever order.
    #[test]
    fn no_conversation_breaks_a_promise(events in proptest::collection::vec(any_event(), 0..40)) {
        let mut session = Session::new(1..=1);
        let (mut attached, mut closed, mut reached) = (false, false, 0);
        let mut offered: BTreeMap<u64, OfferedTarget> = BTreeMap::new();
        let (mut asked, mut answered) = (BTreeSet::new(), BTreeSet::new());
        let (mut wished, mut granted) = (BTreeSet::new(), BTreeSet::new());
        let mut wanted = BTreeSet::new();
        let (mut newest_asked, mut newest_wished) = (0, 0);
        let mut now = NOW;
        for event in events {
            // The database never asks an older question again.
            if let Event::ProbeAsked(probe) = &event {
                if probe.id.as_u128() < newest_asked {
                    continue;
                }
                newest_asked = probe.id.as_u128();
            }
            if let Event::HealAsked(heal) = &event {
                if heal.id.as_u128() < newest_wished {
                    continue;
                }
                newest_wished = heal.id.as_u128();
            }
            now += SignedDuration::from_secs(2);
            for command in session.on(event.clone(), now) {
                prop_assert!(!closed, "{command:?} after a close");
                match command {
                    Command::Attach(hello) => {
                        attached = true;
                        reached = hello.fence.map_or(0, |fence| fence.generation);
                    }
                    Command::SendHeader { target, inline } => {
                        prop_assert!(inline.iter().all(|digest| target.bodies.contains_key(digest)));
                        prop_assert!(target.generation > reached, "{} was reached", target.generation);
                        offered.insert(target.generation, *target);
                    }
                    Command::SendBody { digest, .. } => {
                        let known = offered.values().any(|target| target.bodies.contains_key(&digest));
                        prop_assert!(known, "a body left that was not offered");
                    }
                    Command::RecordAccepted { generation, .. } => {
                        prop_assert!(offered.contains_key(&generation) || generation == reached);
                        reached = reached.max(generation);
                    }
                    Command::SaveReport(report) => prop_assert_eq!(report.generation, reached),
                    Command::Close(_) => closed = true,
                    Command::Welcome | Command::LoadBodies(_) | Command::SendRefused(_) => {}
                    Command::RecordRefused(refusal) => prop_assert!(offered.contains_key(&refusal.generation)),
                    Command::SendProbe(probe) => {
                        prop_assert!(asked.insert(probe.id), "asked twice");
                    }
                    Command::SaveProbeAnswer { id, .. } => {
                        prop_assert!(asked.contains(&id) && answered.insert(id), "not asked, or answered twice");
                    }
                    Command::SendHeal(heal) => prop_assert!(wished.insert(heal.id), "told twice"),
                    Command::SaveHealAnswer { id, .. } => {
                        prop_assert!(wished.contains(&id) && granted.insert(id), "not told, or answered twice");
                    }
                    Command::WantSchemas(digests) => wanted.extend(digests),
                    Command::SaveSchema { schema, bytes } => {
                        prop_assert!(wanted.remove(&schema.digest()), "a schema that was not asked for");
                        prop_assert_eq!(schema.digest(), Digest::of(&bytes));
                    }
                    Command::SaveDrift { .. } | Command::SaveFacts(_) => {}
                }
                prop_assert!(attached || closed, "something happened before Hello");
            }
        }
    }
}
