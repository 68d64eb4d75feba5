//! What a spoke tells Prometheus: whether it can do its work, how far it is, and what it does to its cluster. Objects are
//! named by nobody here: `meshfleet status CLUSTER` says which they are.
//!
//! Everything is noted where it happens; a reading asks nobody.

use std::sync::LazyLock;

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use crate::{
    apply::Done,
    drift::{Item, State},
    fence::Fence,
    heal,
    report::{Outcome, Report},
    writes::{self, Purpose},
};

/// Metrics of this process.
pub static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// Bounds of durations, in seconds: an apply takes as long as its slowest workload.
const SECONDS: [f64; 9] = [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 180.0, 600.0, 1800.0];

/// What became of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ObjectOutcome {
    /// The word for it.
    pub outcome: String,
}

/// What a write was for, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Write {
    /// `target` or `bookkeeping`.
    pub purpose: &'static str,
    /// `done`, `refused`, `kept_back` or `unreachable`.
    pub result: &'static str,
}

/// A heal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Heal {
    /// `policy` or `person`.
    pub by: &'static str,
    /// `healed`, `moved` or `failed`.
    pub result: &'static str,
}

/// How objects are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Health {
    /// `healthy` or `unhealthy`.
    pub health: &'static str,
}

/// What became of a renewal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Renewal {
    /// `done` or `failed`.
    pub result: &'static str,
}

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    connected: Gauge,
    sessions: Counter,
    lease: Gauge,
    accepted: Gauge,
    completed: Gauge,
    refused: Counter,
    applies: Counter,
    apply_duration: Histogram,
    outcomes: Family<ObjectOutcome, Counter>,
    writes: Family<Write, Counter>,
    objects: Family<Health, Gauge>,
    drift_items: Gauge,
    fighting_items: Gauge,
    frozen: Gauge,
    heals: Family<Heal, Counter>,
    journal_entries: Gauge,
    certificate: Gauge,
    renewals: Family<Renewal, Counter>,
    memory: Gauge,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    fn new() -> Self {
        let mut registry = Registry::with_prefix("meshfleet_spoke");
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "Which release this spoke is", build);
        let metrics = Self {
            registry,
            connected: Gauge::default(),
            sessions: Counter::default(),
            lease: Gauge::default(),
            accepted: Gauge::default(),
            completed: Gauge::default(),
            refused: Counter::default(),
            applies: Counter::default(),
            apply_duration: Histogram::new(SECONDS),
            outcomes: Family::default(),
            writes: Family::default(),
            objects: Family::default(),
            drift_items: Gauge::default(),
            fighting_items: Gauge::default(),
            frozen: Gauge::default(),
            heals: Family::default(),
            journal_entries: Gauge::default(),
            certificate: Gauge::default(),
            renewals: Family::default(),
            memory: Gauge::default(),
        };
        metrics.states_registered().work_registered().begun()
    }

    /// How it stands.
    fn states_registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register("connected", "1 while it is attached to a hub, else 0", self.connected.clone());
        registry.register(
            "lease_held",
            "1 while it holds the Lease and may write, else 0",
            self.lease.clone(),
        );
        registry.register(
            "accepted_generation",
            "Generation of the accepted target; 0 before the first",
            self.accepted.clone(),
        );
        registry.register(
            "completed_generation",
            "The last generation that was applied to its end; below the accepted one while that is under way",
            self.completed.clone(),
        );
        registry.register(
            "objects",
            "Objects that are managed or expected, by whether they meet what the plan asks of them",
            self.objects.clone(),
        );
        registry.register(
            "drift_items",
            "Differences between what was applied and what is there",
            self.drift_items.clone(),
        );
        registry.register(
            "fighting_items",
            "Differences that came back after each heal: they are healed no more",
            self.fighting_items.clone(),
        );
        registry.register(
            "frozen",
            "1 while the annotation meshfleet.dev/freeze stops all writes of a plan, else 0",
            self.frozen.clone(),
        );
        registry.register(
            "journal_entries",
            "Heals that the hub has not stored yet; with 200 of them nothing is healed",
            self.journal_entries.clone(),
        );
        registry.register_with_unit(
            "certificate_expiry_timestamp",
            "When the certificate stops being good by which the hub knows this spoke",
            Unit::Seconds,
            self.certificate.clone(),
        );
        registry.register_with_unit(
            "resident_memory",
            "Memory of this process",
            Unit::Bytes,
            self.memory.clone(),
        );
        self
    }

    /// What it does.
    fn work_registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register("sessions", "Sessions with a hub that began", self.sessions.clone());
        registry.register(
            "renewals",
            "Attempts to renew the certificate, by what became of them",
            self.renewals.clone(),
        );
        registry.register("refused_targets", "Targets that were not accepted", self.refused.clone());
        registry.register("applies", "Targets that were applied to their end", self.applies.clone());
        registry.register_with_unit(
            "apply_duration",
            "From the acceptance of a target to its end, health included",
            Unit::Seconds,
            self.apply_duration.clone(),
        );
        registry.register(
            "object_outcomes",
            "What became of objects under a target, told again whenever it changed: Conflict is somebody else's fields",
            self.outcomes.clone(),
        );
        registry.register(
            "writes",
            "Writes to the API server, by what for and what became of them; the Lease is not among them",
            self.writes.clone(),
        );
        registry.register(
            "heals",
            "Differences that were put right, by who asked for it",
            self.heals.clone(),
        );
        self
    }

    /// Counters begin at zero, so that the first of its kind is an increase.
    fn begun(self) -> Self {
        let outcomes = [
            Outcome::Created,
            Outcome::Changed,
            Outcome::Conflict,
            Outcome::AdoptionRequired,
            Outcome::Rejected,
        ];
        for outcome in outcomes {
            drop(self.outcomes.get_or_create(&ObjectOutcome { outcome: format!("{outcome:?}") }));
        }
        for purpose in ["target", "bookkeeping"] {
            for result in ["done", "refused", "kept_back", "unreachable"] {
                drop(self.writes.get_or_create(&Write { purpose, result }));
            }
        }
        for result in ["done", "failed"] {
            drop(self.renewals.get_or_create(&Renewal { result }));
        }
        for by in ["policy", "person"] {
            for result in ["healed", "failed", "moved"] {
                drop(self.heals.get_or_create(&Heal { by, result }));
            }
        }
        for health in ["healthy", "unhealthy"] {
            drop(self.objects.get_or_create(&Health { health }));
        }
        self
    }

    /// A session began.
    pub fn connected(&self) {
        self.sessions.inc();
        self.connected.set(1);
    }

    /// It ended.
    pub fn disconnected(&self) {
        self.connected.set(0);
    }

    /// Whether the Lease is held.
    pub fn lease(&self, held: bool) {
        self.lease.set(held.into());
    }

    /// What is accepted, and how far that is.
    pub fn fence(&self, fence: Option<&Fence>) {
        let generation = |of: fn(&Fence) -> u64| fence.map_or(0, of).try_into().unwrap_or(i64::MAX);
        self.accepted.set(generation(|fence| fence.generation));
        self.completed.set(generation(|fence| fence.completed));
    }

    /// A target was not accepted.
    pub fn refused(&self) {
        self.refused.inc();
    }

    /// A target was applied to its end, so many seconds after it was taken up.
    pub fn applied(&self, seconds: f64) {
        self.applies.inc();
        self.apply_duration.observe(seconds);
    }

    /// What became of an object.
    pub fn outcome(&self, done: &Done) {
        self.outcomes.get_or_create(&ObjectOutcome { outcome: format!("{:?}", done.outcome) }).inc();
    }

    /// What became of a write.
    pub fn write<T>(&self, purpose: Purpose, sent: &Result<T, writes::Error>) {
        let purpose = match purpose {
            Purpose::Bookkeeping => "bookkeeping",
            Purpose::Target(_) => "target",
        };
        let result = match sent {
            Ok(_) => "done",
            Err(writes::Error::NoLease(_) | writes::Error::Superseded(_) | writes::Error::Frozen(_)) => {
                "kept_back"
            }
            Err(writes::Error::Cluster(crate::cluster::Error::Refused(_))) => "refused",
            Err(writes::Error::Cluster(_)) => "unreachable",
        };
        self.writes.get_or_create(&Write { purpose, result }).inc();
    }

    /// How the objects are.
    pub fn report(&self, report: &Report) {
        let healthy = report.objects.iter().filter(|object| object.healthy).count();
        let set = |health, count: usize| {
            self.objects.get_or_create(&Health { health }).set(count.try_into().unwrap_or(i64::MAX));
        };
        set("healthy", healthy);
        set("unhealthy", report.objects.len() - healthy);
    }

    /// What differs.
    pub fn drift(&self, items: &[Item]) {
        let fighting = items.iter().filter(|item| item.state == State::Fighting).count();
        self.drift_items.set(items.len().try_into().unwrap_or(i64::MAX));
        self.fighting_items.set(fighting.try_into().unwrap_or(i64::MAX));
    }

    /// Whether the cluster is frozen.
    pub fn frozen(&self, frozen: bool) {
        self.frozen.set(frozen.into());
    }

    /// What came of so many heals.
    pub fn heals(&self, by_hand: bool, outcome: heal::Outcome, count: usize) {
        let by = if by_hand { "person" } else { "policy" };
        let result = match outcome {
            heal::Outcome::Healed => "healed",
            heal::Outcome::Moved => "moved",
            heal::Outcome::Failed | heal::Outcome::Begun => "failed",
            heal::Outcome::WouldHeal | heal::Outcome::Held => return,
        };
        self.heals.get_or_create(&Heal { by, result }).inc_by(count.try_into().unwrap_or(u64::MAX));
    }

    /// How many entries of the journal wait for the hub.
    pub fn journal(&self, waiting: usize) {
        self.journal_entries.set(waiting.try_into().unwrap_or(i64::MAX));
    }

    /// When the spoke's certificate stops being good, in seconds since 1970.
    pub fn certificate(&self, expires_at: i64) {
        self.certificate.set(expires_at);
    }

    /// What became of an attempt to renew the certificate.
    pub fn renewed(&self, result: &'static str) {
        self.renewals.get_or_create(&Renewal { result }).inc();
    }

    /// The page, as of now.
    #[must_use]
    pub fn page(&self) -> String {
        self.memory.set(proto_telemetry::memory::resident());
        let mut page = String::new();
        // It only fails where memory does.
        let _ = text::encode(&mut page, &self.registry);
        page
    }
}
