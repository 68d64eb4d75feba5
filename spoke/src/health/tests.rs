use std::{collections::BTreeSet, sync::Arc};

use serde_json::json;

use super::*;
use crate::{
    apply::{Done, Stage},
    digest::Digest,
    inventory,
    owned::OwnedField,
    report::Outcome,
};

fn id(kind: &str) -> ObjectId {
    serde_json::from_value(
        json!({"group": "", "version": "v1", "kind": kind, "namespace": "mesh", "name": "x"}),
    )
    .unwrap()
}

fn criterion(more: Value) -> Criterion {
    let mut criterion = json!({"id": id("ControlPlane")});
    criterion.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(criterion).unwrap()
}

fn plan(criteria: &[Value], expectations: Value) -> Plan {
    let plan = json!({"format": 1, "namespaces": [], "phases": [], "expectations": expectations, "healthy_when": criteria});
    Plan::read(plan.to_string().as_bytes()).unwrap()
}

/// A control plane that counts as healthy when it says so and has stood still for two seconds.
fn control_plane() -> Plan {
    let says = |value: &str| json!([{"path": ".status.status", "value": value}]);
    plan(
        &[json!({"id": id("ControlPlane"), "requires": says("Available"), "fails_on": says("Failed"),
            "failed_for_s": 30, "settled_for_s": 2})],
        json!([]),
    )
}

/// Lets `live` see a status at a second after `start`, and gives the verdict then.
struct Watch {
    start: Instant,
    live: Live,
    tracker: Tracker,
    plan: Plan,
    progress: Progress,
    version: u64,
}

impl Watch {
    fn begin(plan: Plan) -> Self {
        let live = Live::default();
        let mut ids: BTreeSet<ObjectId> = plan.healthy_when.iter().map(|one| one.id.clone()).collect();
        ids.extend(plan.expectations.iter().map(|one| one.id.clone()));
        ids.extend(plan.additions.iter().map(|one| one.id.clone()));
        ids.extend(plan.objects().map(|one| one.id.clone()));
        live.want(&ids);
        let progress = Progress { stage: Stage::Done, ..Progress::default() };
        Self { start: Instant::now(), live, tracker: Tracker::default(), plan, progress, version: 0 }
    }

    fn see(&mut self, second: u64, status: &str) -> Level {
        self.version += 1;
        let object = json!({"kind": "ControlPlane", "metadata": {"resourceVersion": self.version.to_string()}, "status": {"status": status}});
        self.live.saw(&id("ControlPlane").key(), object, self.start + Duration::from_secs(second));
        self.look(second)
    }

    fn verdict(&mut self, second: u64) -> Verdict {
        let judged = Judged { plan: &self.plan, progress: &self.progress, live: &self.live };
        self.tracker.assess(judged, self.start + Duration::from_secs(second))
    }

    fn look(&mut self, second: u64) -> Level {
        self.verdict(second).level
    }
}

#[test]
fn success_counts_once_it_settled_and_held() {
    let mut watch = Watch::begin(control_plane());
    assert_eq!(watch.see(0, "Available"), Level::Unknown);
    assert_eq!(watch.look(2), Level::Unknown);
    assert_eq!(watch.look(4), Level::Unknown);
    assert_eq!(watch.look(5), Level::Healthy);
}

#[test]
fn an_early_success_that_is_taken_back_does_not_count() {
    let mut watch = Watch::begin(control_plane());
    watch.see(0, "Available");
    watch.see(1, "Reconciling");
    watch.see(2, "Available");
    watch.look(4);
    watch.see(5, "Available");
    assert_eq!(watch.look(7), Level::Unknown);
    assert_eq!(watch.look(10), Level::Healthy);
}

#[test]
fn a_short_failure_does_not_count_and_a_long_one_does() {
    let mut watch = Watch::begin(control_plane());
    watch.see(0, "Available");
    watch.look(2);
    assert_eq!(watch.look(5), Level::Healthy);
    assert_eq!(watch.see(6, "Reconciling"), Level::Healthy);
    assert_eq!(watch.look(10), Level::Healthy);
    assert_eq!(watch.look(11), Level::Unhealthy);
    watch.see(12, "Available");
    watch.look(14);
    assert_eq!(watch.look(17), Level::Healthy);
}

#[test]
fn what_comes_and_goes_is_not_well() {
    let mut watch = Watch::begin(control_plane());
    watch.see(0, "Available");
    watch.look(2);
    assert_eq!(watch.look(5), Level::Healthy);
    // It is available half of the time, and never for as long as it must be.
    for second in (6..30).step_by(4) {
        watch.see(second, "Reconciling");
        watch.see(second + 2, "Available");
    }
    assert_eq!(watch.see(30, "Reconciling"), Level::Unhealthy);
    watch.see(31, "Available");
    watch.look(33);
    assert_eq!(watch.look(36), Level::Healthy);
    assert_eq!(watch.see(37, "Reconciling"), Level::Healthy, "a short failure counts for itself again");
}

#[test]
fn a_sign_of_failure_must_stand() {
    let mut watch = Watch::begin(control_plane());
    watch.see(0, "Failed");
    assert!(watch.verdict(29).failing.is_none());
    assert!(watch.verdict(30).failing.is_some());
}

#[test]
fn what_is_not_observed_is_never_healthy() {
    let mut watch = Watch::begin(control_plane());
    assert_eq!(watch.look(0), Level::Unknown);
    let verdict = watch.verdict(BROKEN_FOR.as_secs());
    assert_eq!(verdict.level, Level::Unhealthy);
    assert!(!verdict.message.is_empty());
}

#[test]
fn an_expectation_is_unfulfilled_once_it_has_been_for_a_while() {
    let expectation = json!([{"id": id("Deployment"), "requires": [{"path": ".spec.image", "value": "a"}]}]);
    let mut watch = Watch::begin(plan(&[], expectation));
    watch.live.missing(&id("Deployment").key());
    assert_eq!(watch.verdict(0).unfulfilled, [false]);
    assert_eq!(watch.verdict(BROKEN_FOR.as_secs()).unfulfilled, [true]);
}

fn deployment(observed: i64, replicas: i64, updated: i64, available: i64) -> Value {
    json!({
        "kind": "Deployment", "metadata": {"generation": 2}, "spec": {"replicas": 2},
        "status": {"observedGeneration": observed, "replicas": replicas, "updatedReplicas": updated,
            "readyReplicas": available, "availableReplicas": available},
    })
}

#[test]
fn a_roll_out_is_over_when_all_counts_agree() {
    let daemon = |desired: i64, updated: i64| {
        json!({"kind": "DaemonSet", "metadata": {"generation": 1}, "status": {"observedGeneration": 1,
            "desiredNumberScheduled": desired, "updatedNumberScheduled": updated, "numberReady": updated, "numberAvailable": updated}})
    };
    let mut stuck = deployment(2, 2, 2, 2);
    stuck["status"]["conditions"] = json!([{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]);
    let cases = [
        (deployment(2, 2, 2, 2), true, "done"),
        (deployment(1, 2, 2, 2), false, "the old generation"),
        (deployment(2, 3, 2, 2), false, "an old pod is left"),
        (deployment(2, 2, 1, 2), false, "not all updated"),
        (deployment(2, 2, 2, 1), false, "not all available"),
        (stuck, false, "stuck"),
        (daemon(3, 3), true, "daemon set done"),
        (daemon(3, 2), false, "daemon set under way"),
        (json!({"kind": "DaemonSet", "metadata": {"generation": 1}, "status": {}}), false, "never observed"),
    ];
    for (object, over, case) in cases {
        assert_eq!(not_rolled_out(&object).is_none(), over, "{case}");
    }
}

#[test]
fn an_object_that_is_being_deleted_is_not_well() {
    let object = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    let now = Instant::now();
    let sight = Sight::Present { object: Arc::new(object), changed_at: now };
    assert!(matches!(judge(&criterion(json!({})), &sight, None, now), Standing::Unmet(_)));
}

#[test]
fn a_criterion_may_ask_for_the_present_generation_and_for_holding_without_a_break() {
    let plan = plan(
        &[json!({"id": id("ControlPlane"), "observed": true, "held_for_s": 4,
            "requires": [{"path": ".status.state", "value": "Healthy"}]})],
        json!([]),
    );
    let mut watch = Watch::begin(plan);
    let see = |watch: &mut Watch, second: u64, observed: i64| {
        watch.version += 1;
        let object = json!({"metadata": {"generation": 2, "resourceVersion": watch.version.to_string()},
            "status": {"observedGeneration": observed, "state": "Healthy"}});
        watch.live.saw(&id("ControlPlane").key(), object, watch.start + Duration::from_secs(second));
        watch.verdict(second)
    };
    assert!(see(&mut watch, 0, 1).message.contains("generation 2 is not observed yet"), "an early Healthy");
    assert!(see(&mut watch, 1, 2).message.contains("is as wanted, but for less than 4 s so far"));
    see(&mut watch, 3, 1);
    see(&mut watch, 4, 2);
    assert_eq!(watch.verdict(7).holding_since, None, "there was a break");
    assert_eq!(watch.verdict(8).holding_since, Some(watch.start + Duration::from_secs(8)));
    assert_eq!(watch.look(11), Level::Healthy);
}

fn entry(kind: &str, uid: &str, role: Role) -> Entry {
    let baseline: Vec<OwnedField> = Vec::new();
    let (outcome, body) = (inventory::Outcome::Created, Digest::of(b"body"));
    Entry { id: id(kind), uid: uid.to_owned(), role, generation: 1, outcome, body, baseline }
}

fn stands(watch: &Watch, kind: &str, uid: &str, version: u64) {
    let object = json!({"metadata": {"uid": uid, "resourceVersion": version.to_string()}});
    watch.live.saw(&id(kind).key(), object, watch.start);
}

fn with(progress: &mut Progress, entry: Entry) {
    Arc::make_mut(&mut progress.inventory).put(entry);
}

#[test]
fn an_object_that_was_deleted_is_not_well_though_nothing_else_is_asked_of_it() {
    let phases = json!([{"name": "one", "objects": [{"id": id("ConfigMap"), "body": Digest::of(b"body")}],
        "until": "applied", "deadline_s": 1}]);
    let plan =
        json!({"format": 1, "namespaces": [], "phases": phases, "expectations": [], "healthy_when": []});
    let mut watch = Watch::begin(Plan::read(plan.to_string().as_bytes()).unwrap());
    with(&mut watch.progress, entry("ConfigMap", "u", Role::Created));
    stands(&watch, "ConfigMap", "u", 1);
    watch.look(0);
    assert_eq!(watch.look(3), Level::Healthy);
    watch.live.gone(&id("ConfigMap").key(), &json!({"metadata": {"resourceVersion": "2"}}));
    let verdict = watch.verdict(4);
    assert_eq!(verdict.objects[&id("ConfigMap").key()], "it was deleted");
    assert_eq!(watch.look(9), Level::Unhealthy);
    stands(&watch, "ConfigMap", "another", 3);
    assert!(watch.verdict(10).message.contains("another stands in its place"));
    // Before its turn under a new target, what became of it says nothing.
    watch.progress.stage = Stage::AwaitingHealth;
    assert!(watch.verdict(11).objects.is_empty());
    watch
        .progress
        .objects
        .insert(id("ConfigMap").key(), Done { outcome: Outcome::Unchanged, message: String::new() });
    assert_eq!(watch.verdict(12).objects.len(), 1);
}

#[test]
fn an_addition_holds_once_our_fields_are_on_the_object_that_is_there() {
    let additions = json!([{"id": id("Webhook"), "body": Digest::of(b"body")}]);
    let plan = json!({"format": 1, "namespaces": [], "phases": [], "additions": additions, "expectations": [], "healthy_when": []});
    let mut watch = Watch::begin(Plan::read(plan.to_string().as_bytes()).unwrap());
    watch.live.missing(&id("Webhook").key());
    assert!(watch.verdict(0).message.contains("does not exist yet"));
    stands(&watch, "Webhook", "u", 1);
    with(&mut watch.progress, entry("Webhook", "older", Role::Addition));
    assert!(watch.verdict(1).message.contains("our fields are not on it yet"));
    assert_eq!(watch.verdict(5).unadded, [true]);
    let conflict = Done { outcome: Outcome::Conflict, message: "a-person holds it".to_owned() };
    watch.progress.objects.insert(id("Webhook").key(), conflict);
    assert!(watch.verdict(5).message.contains("a-person holds it"));
    with(&mut watch.progress, entry("Webhook", "u", Role::Addition));
    let verdict = watch.verdict(6);
    assert_eq!((verdict.message.as_str(), &verdict.unadded[..]), ("", &[false][..]));
}

#[test]
fn an_instance_that_cannot_be_made_is_told() {
    let mut watch = Watch::begin(plan(&[], json!([])));
    watch.progress.instances.insert(id("ConfigMap"));
    let refused = Done { outcome: Outcome::AdoptionRequired, message: "it exists".to_owned() };
    watch.progress.objects.insert(id("ConfigMap").key(), refused);
    assert_eq!(watch.verdict(0).objects[&id("ConfigMap").key()], "it exists");
    assert_eq!(watch.look(5), Level::Unhealthy);
}
