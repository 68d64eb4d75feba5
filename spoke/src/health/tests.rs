use serde_json::json;

use super::*;
use crate::document::ObjectId;

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
    version: u64,
}

impl Watch {
    fn begin(plan: Plan) -> Self {
        let live = Live::default();
        live.want(
            &plan
                .healthy_when
                .iter()
                .map(|one| one.id.clone())
                .chain(plan.expectations.iter().map(|one| one.id.clone()))
                .collect(),
        );
        Self { start: Instant::now(), live, tracker: Tracker::default(), plan, version: 0 }
    }

    fn see(&mut self, second: u64, status: &str) -> Level {
        self.version += 1;
        let object = json!({"kind": "ControlPlane", "metadata": {"resourceVersion": self.version.to_string()}, "status": {"status": status}});
        self.live.saw(&id("ControlPlane").key(), object, self.start + Duration::from_secs(second));
        self.look(second)
    }

    fn look(&mut self, second: u64) -> Level {
        self.tracker.assess(&self.plan, &self.live, self.start + Duration::from_secs(second)).level
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
fn a_sign_of_failure_must_stand() {
    let mut watch = Watch::begin(control_plane());
    watch.see(0, "Failed");
    let at = |watch: &mut Watch, second| {
        let now = watch.start + Duration::from_secs(second);
        watch.tracker.assess(&watch.plan, &watch.live, now).failing.is_some()
    };
    assert!(!at(&mut watch, 29));
    assert!(at(&mut watch, 30));
}

#[test]
fn what_is_not_observed_is_never_healthy() {
    let watch = Watch::begin(control_plane());
    let mut tracker = Tracker::default();
    let mut verdict = tracker.assess(&watch.plan, &watch.live, watch.start);
    assert_eq!(verdict.level, Level::Unknown);
    verdict = tracker.assess(&watch.plan, &watch.live, watch.start + BROKEN_FOR);
    assert_eq!(verdict.level, Level::Unhealthy);
    assert!(!verdict.message.is_empty());
}

#[test]
fn an_expectation_is_unfulfilled_once_it_has_been_for_a_while() {
    let expectation = json!([{"id": id("Deployment"), "requires": [{"path": ".spec.image", "value": "a"}]}]);
    let mut watch = Watch::begin(plan(&[], expectation));
    watch.live.missing(&id("Deployment").key());
    let first = watch.tracker.assess(&watch.plan, &watch.live, watch.start);
    assert_eq!(first.unfulfilled, [false]);
    let later = watch.tracker.assess(&watch.plan, &watch.live, watch.start + BROKEN_FOR);
    assert_eq!(later.unfulfilled, [true]);
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
    let sight = Sight::Present { object: std::sync::Arc::new(object), changed_at: now };
    assert!(matches!(judge(&criterion(json!({})), &sight, None, now), Standing::Unmet(_)));
}
