//! How the fleet stands, asked of the database when somebody reads.

use std::{collections::HashMap, sync::Arc, time::Instant};

use hub_core::status::{ConditionKind, Truth};
use jiff::Timestamp;
use prometheus_client::{
    encoding::text,
    metrics::{family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};
use tokio::sync::Mutex;

use super::{Certificate, Condition, METRICS, READ_EVERY, Reason, State};
use crate::{
    app::{App, Error, status},
    store,
    telemetry::chain,
};

const CONDITIONS: [ConditionKind; 6] = [
    ConditionKind::Connected,
    ConditionKind::Planned,
    ConditionKind::Delivered,
    ConditionKind::Applied,
    ConditionKind::Healthy,
    ConditionKind::InSync,
];

const TRUTHS: [Truth; 3] = [Truth::True, Truth::False, Truth::Unknown];

/// What is set at a reading.
#[derive(Default)]
pub(super) struct Gauges {
    clusters: Family<Condition, Gauge>,
    rollouts: Family<State, Gauge>,
    targets: Family<State, Gauge>,
    blocked: Family<Reason, Gauge>,
    drift_items: Gauge,
    drifted: Gauge,
    fighting: Gauge,
    frozen: Gauge,
    readable: Gauge,
    connections: Family<State, Gauge>,
    certificates: Family<Certificate, Gauge>,
    memory: Gauge,
}

impl Gauges {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let gauges = Self::default();
        registry.register(
            "clusters",
            "Clusters by condition and whether it holds; `meshfleet status` says which they are",
            gauges.clusters.clone(),
        );
        registry.register("rollouts_live", "Rollouts under way, by state", gauges.rollouts.clone());
        registry.register(
            "rollout_targets",
            "Clusters of the rollouts under way, by how far they are",
            gauges.targets.clone(),
        );
        registry.register(
            "rollout_targets_blocked",
            "Clusters of the rollouts under way that wait, by what for",
            gauges.blocked.clone(),
        );
        registry.register(
            "drift_items",
            "Differences between what was applied and what is there that are open",
            gauges.drift_items.clone(),
        );
        registry.register("drifted_clusters", "Clusters with open drift", gauges.drifted.clone());
        registry.register(
            "drift_items_fighting",
            "Open differences that came back after each heal: two write against each other",
            gauges.fighting.clone(),
        );
        registry.register(
            "frozen_clusters",
            "Clusters in which somebody stopped all writes of the plan",
            gauges.frozen.clone(),
        );
        registry.register(
            "fleet_readable",
            "1 if what is said of the fleet could be read of the database, else 0 and it is as it was last read",
            gauges.readable.clone(),
        );
        registry.register(
            "database_connections",
            "Connections of this hub to its database, by whether somebody uses them; `most` is their limit",
            gauges.connections.clone(),
        );
        registry.register_with_unit(
            "certificate_expiry_timestamp",
            "When a certificate of the hub stops being good",
            Unit::Seconds,
            gauges.certificates.clone(),
        );
        registry.register_with_unit(
            "hub_resident_memory",
            "Memory of this process",
            Unit::Bytes,
            gauges.memory.clone(),
        );
        gauges
    }

    fn show(&self, fleet: &Fleet) {
        for condition in CONDITIONS {
            for status in TRUTHS {
                let label = Condition { condition: condition.to_string(), status: status.to_string() };
                let count = fleet.conditions.get(&label).copied().unwrap_or(0);
                self.clusters.get_or_create(&label).set(count);
            }
        }
        for (state, count) in &fleet.counts.rollouts {
            self.rollouts.get_or_create(&State { state }).set(*count);
        }
        for (state, count) in &fleet.counts.targets {
            self.targets.get_or_create(&State { state }).set(*count);
        }
        for (reason, count) in &fleet.counts.blocked {
            self.blocked.get_or_create(&Reason { reason }).set(*count);
        }
        self.drift_items.set(fleet.counts.drift_items);
        self.drifted.set(fleet.counts.drifted);
        self.fighting.set(fleet.counts.fighting);
        self.frozen.set(fleet.counts.frozen);
    }
}

/// How the fleet stands.
struct Fleet {
    conditions: HashMap<Condition, i64>,
    counts: store::counts::Counts,
}

impl Fleet {
    async fn read(app: &App) -> Result<Self, Error> {
        let mut conditions = HashMap::new();
        for cluster in status::show(app, None).await? {
            for known in cluster.conditions {
                let label = Condition { condition: known.kind.to_string(), status: known.status.to_string() };
                *conditions.entry(label).or_insert(0) += 1;
            }
        }
        let mut tx = store::begin(&app.pool).await?;
        let counts = store::counts::load(&mut tx).await?;
        Ok(Self { conditions, counts })
    }
}

/// The page of metrics. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Page {
    app: App,
    read_at: Arc<Mutex<Option<Instant>>>,
}

impl Page {
    /// A page of this hub. `certificates` are those whose end is told.
    #[must_use]
    pub fn new(app: App, certificates: &[(&'static str, Option<Timestamp>)]) -> Self {
        for (certificate, expires_at) in certificates {
            if let Some(at) = expires_at {
                expires(certificate, *at);
            }
        }
        Self { app, read_at: Arc::default() }
    }

    /// The text, as of now.
    pub async fn text(self) -> String {
        self.look().await;
        let gauges = &METRICS.fleet;
        let (size, idle) = (self.app.pool.size(), self.app.pool.num_idle());
        let idle = i64::try_from(idle).unwrap_or(i64::MAX);
        let set = |state, count| gauges.connections.get_or_create(&State { state }).set(count);
        set("idle", idle);
        set("used", i64::from(size) - idle);
        set("most", i64::from(self.app.pool.options().get_max_connections()));
        gauges.memory.set(proto_telemetry::memory::resident());
        let mut page = String::new();
        // It only fails where memory does.
        let _ = text::encode(&mut page, &METRICS.registry);
        page
    }

    /// Reads how the fleet stands, unless somebody just did. Who comes meanwhile waits for the same answer.
    async fn look(&self) {
        let mut read_at = self.read_at.lock().await;
        if read_at.is_some_and(|at| at.elapsed() < READ_EVERY) {
            return;
        }
        *read_at = Some(Instant::now());
        match Fleet::read(&self.app).await {
            Ok(fleet) => {
                METRICS.fleet.show(&fleet);
                METRICS.fleet.readable.set(1);
            }
            Err(error) => {
                tracing::debug!(error = chain(&error), "the fleet could not be read for the metrics");
                METRICS.fleet.readable.set(0);
            }
        }
    }
}

/// Tells when a certificate stops being good.
pub fn expires(certificate: &'static str, at: Timestamp) {
    METRICS.fleet.certificates.get_or_create(&Certificate { certificate }).set(at.as_second());
}
