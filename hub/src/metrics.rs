//! What a hub tells Prometheus. Each metric answers a question of whoever is on call, and none has a label that grows with
//! the fleet: which cluster it is, `meshfleet status` says.
//!
//! What happens is counted where it happens, in memory. How the fleet stands is asked of the database when somebody reads,
//! by a handful of queries and at most once in [`READ_EVERY`], however many read. Hubs that share a database tell the same
//! of the fleet: take `max` over them, not `sum`.

mod fleet;

use std::{sync::LazyLock, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

pub use fleet::{Page, expires};

/// Metrics of this process.
pub static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// How old what is said of the fleet may be.
pub const READ_EVERY: Duration = Duration::from_secs(5);

/// Bounds of durations, in seconds: from a write to a database to a rollout that takes its time.
const SECONDS: [f64; 12] = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0];

macro_rules! label {
    ($(#[$doc:meta])* $name:ident($label:ident)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub struct $name {
            /// The value of the label.
            pub $label: &'static str,
        }
    };
}

label! {
    /// What became of something.
    Outcome(outcome)
}
label! {
    /// How far something is.
    State(state)
}
label! {
    /// What keeps something from going on.
    Reason(reason)
}
label! {
    /// Which of the hub's tasks.
    TaskName(task)
}
label! {
    /// Whose certificate.
    Certificate(certificate)
}

/// A condition of clusters, and whether it holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Condition {
    /// Which of the six.
    pub condition: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
}

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    /// Sessions that this process holds.
    pub sessions: Gauge,
    /// Targets that were offered to spokes.
    pub offers: Counter,
    /// From the offer of a target to its acceptance.
    pub accept_duration: Histogram,
    /// From the time a cluster was given its target to the end of that in a rollout, by what it came to.
    pub target_duration: Family<Outcome, Histogram, fn() -> Histogram>,
    /// What became of reports.
    pub reports: Family<Outcome, Counter>,
    /// What became of reports of drift.
    pub drift_reports: Family<Outcome, Counter>,
    /// How long it takes to store a report.
    pub report_duration: Histogram,
    /// Calls that were refused at the gate.
    pub refused_calls: Family<Reason, Counter>,
    /// Certificates that spokes renewed here.
    pub renewals: Counter,
    /// Rollouts that came to their end here.
    pub rollouts_ended: Family<State, Counter>,
    /// Looks of tasks that failed.
    pub task_failures: Family<TaskName, Counter>,
    /// When a task looked last and did not fail.
    pub task_success: Family<TaskName, Gauge>,
    /// Statements that failed, because of the database or of the statement.
    pub database_errors: Counter,
    fleet: fleet::Gauges,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    fn new() -> Self {
        let mut registry = Registry::with_prefix("meshfleet");
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("hub_build", "Which release this hub is", build);
        let fleet = fleet::Gauges::register(&mut registry);
        let metrics = Self {
            sessions: Gauge::default(),
            offers: Counter::default(),
            accept_duration: seconds(),
            target_duration: Family::new_with_constructor(seconds),
            reports: Family::default(),
            drift_reports: Family::default(),
            report_duration: seconds(),
            refused_calls: Family::default(),
            renewals: Counter::default(),
            rollouts_ended: Family::default(),
            task_failures: Family::default(),
            task_success: Family::default(),
            database_errors: Counter::default(),
            fleet,
            registry,
        };
        metrics.registered().begun()
    }

    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register(
            "sessions",
            "Sessions of spokes that this hub holds; their sum over hubs is what is attached",
            self.sessions.clone(),
        );
        registry.register("renewals", "Certificates that spokes renewed", self.renewals.clone());
        registry.register("offers", "Targets that were offered to spokes", self.offers.clone());
        registry.register_with_unit(
            "accept_duration",
            "From the offer of a target to its acceptance by the spoke",
            Unit::Seconds,
            self.accept_duration.clone(),
        );
        registry.register_with_unit(
            "rollout_target_duration",
            "From giving a cluster its target to the end of that in a rollout, by what it came to",
            Unit::Seconds,
            self.target_duration.clone(),
        );
        registry.register("reports", "Reports of spokes, by what became of them", self.reports.clone());
        registry.register(
            "drift_reports",
            "Reports of drift, by what became of them",
            self.drift_reports.clone(),
        );
        registry.register_with_unit(
            "report_store_duration",
            "How long it takes to store a report",
            Unit::Seconds,
            self.report_duration.clone(),
        );
        registry.register(
            "refused_calls",
            "Calls that were refused before they were looked at, by status code",
            self.refused_calls.clone(),
        );
        registry.register(
            "rollouts_ended",
            "Rollouts that this hub saw to their end, by how they ended",
            self.rollouts_ended.clone(),
        );
        registry.register(
            "task_failures",
            "Looks of the hub's own tasks that failed",
            self.task_failures.clone(),
        );
        registry.register_with_unit(
            "task_last_success_timestamp",
            "When a task of the hub looked last and did not fail",
            Unit::Seconds,
            self.task_success.clone(),
        );
        registry.register(
            "database_errors",
            "Statements that failed, because the database was gone or would not",
            self.database_errors.clone(),
        );
        self
    }

    /// Counters begin at zero, so that the first of its kind is an increase.
    fn begun(self) -> Self {
        for outcome in ["stored", "unchanged", "stale"] {
            drop(self.reports.get_or_create(&Outcome { outcome }));
            drop(self.drift_reports.get_or_create(&Outcome { outcome }));
        }
        for outcome in ["Succeeded", "Failed", "TimedOut", "Refused"] {
            drop(self.target_duration.get_or_create(&Outcome { outcome }));
        }
        for state in ["Succeeded", "Failed", "Aborted"] {
            drop(self.rollouts_ended.get_or_create(&State { state }));
        }
        for reason in ["Unauthenticated", "PermissionDenied", "Unavailable", "other"] {
            drop(self.refused_calls.get_or_create(&Reason { reason }));
        }
        self
    }
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}
