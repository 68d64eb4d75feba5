//! What the database knows of clusters that a preview compares with: their present plans, and what their spokes hold.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use hub_core::{
    digest::Digest,
    fleet::ClusterId,
    plan::{self, Before, Disruption, Plan, PlanDocument, disruption},
    report::ObjectState,
    rollout::CurrentTarget,
};
use jiff::Timestamp;
use sqlx::PgConnection;

use super::super::{Error, deletions::Former};
use crate::{store, telemetry};

/// Of several clusters.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<ClusterId, KnownCluster>);

/// Of one cluster.
#[derive(Debug, Default)]
pub(super) struct KnownCluster {
    /// Whether its spoke is attached.
    pub(super) connected: bool,
    /// Its present target.
    pub(super) current: Option<CurrentTarget>,
    /// The plan of that.
    pub(super) present: Option<Present>,
    /// What its spoke says of a target that it has not reached; none if it has, or has no target.
    pub(super) unreached: Option<String>,
    /// The documents of the plans that it was given since the last completed generation, oldest first.
    pub(super) accepted: Vec<PlanDocument>,
    /// What its spoke reported last.
    pub(super) inventory: Vec<ObjectState>,
}

/// The plan that a cluster has now. What clusters share is held once.
#[derive(Debug)]
pub(super) enum Present {
    /// This one.
    Known {
        /// The plan.
        document: Arc<PlanDocument>,
        /// Its manifests, among others.
        bodies: Arc<BTreeMap<Digest, Vec<u8>>>,
    },
    /// One that only its spoke knows.
    Unknown,
}

impl Known {
    pub(super) async fn load(
        tx: &mut PgConnection,
        ids: &[ClusterId],
        now: Timestamp,
    ) -> Result<Self, Error> {
        let seen = super::super::readable(store::seen::load(tx, ids, now).await?);
        let mut inventories = store::reports::objects_of(tx, ids).await?;
        let completed = seen.iter().map(|known| (known.cluster, known.seen.completed())).collect();
        let former = Former::load(tx, &completed).await?;
        let mut presents = presents(tx, &seen).await?;
        let mut known = BTreeMap::new();
        for cluster in seen {
            let inventory = inventories.remove(&cluster.cluster).unwrap_or_else(|| Ok(Vec::new()));
            let inventory = inventory.unwrap_or_else(|error| unreadable(&error));
            let accepted = former.of(cluster.cluster, &inventory);
            let of_cluster = KnownCluster {
                connected: cluster.seen.is_connected(),
                unreached: cluster.seen.unreached(),
                current: cluster.seen.current,
                present: presents.remove(&cluster.cluster),
                accepted: accepted.into_iter().map(Cow::into_owned).collect(),
                inventory,
            };
            known.insert(cluster.cluster, of_cluster);
        }
        Ok(Self(known))
    }

    pub(super) fn remove(&mut self, cluster: ClusterId) -> KnownCluster {
        self.0.remove(&cluster).unwrap_or_default()
    }
}

/// A preview without an inventory asks for every object, which is slower and not wrong.
fn unreadable(error: &store::Error) -> Vec<ObjectState> {
    tracing::error!(error = telemetry::chain(error), "an inventory that cannot be read is passed over");
    Vec::new()
}

async fn presents(
    tx: &mut PgConnection,
    seen: &[store::seen::Known],
) -> Result<BTreeMap<ClusterId, Present>, store::Error> {
    let current = || seen.iter().filter_map(|known| Some((known.cluster, known.seen.current?.plan)));
    let known = current().filter_map(|(cluster, plan)| Some((cluster, plan.known()?))).collect();
    let mut presents = of_plans(tx, &known).await?;
    let unknown = current().filter(|(_, plan)| plan.known().is_none());
    presents.extend(unknown.map(|(cluster, _)| (cluster, Present::Unknown)));
    Ok(presents)
}

/// The plans that clusters have now, by digest: each document and manifest is loaded once, however many share it.
async fn of_plans(
    tx: &mut PgConnection,
    plans: &BTreeMap<ClusterId, Digest>,
) -> Result<BTreeMap<ClusterId, Present>, store::Error> {
    let distinct = plans.values().copied().collect();
    let documents = store::plans::documents(tx, &distinct).await?;
    let documents: BTreeMap<Digest, Arc<PlanDocument>> =
        documents.into_iter().map(|(plan, document)| (plan, Arc::new(document))).collect();
    let bodies = Arc::new(store::plans::manifests(tx, &distinct).await?);
    let present = plans.iter().filter_map(|(cluster, plan)| {
        let document = Arc::clone(documents.get(plan)?);
        Some((*cluster, Present::Known { document, bodies: Arc::clone(&bodies) }))
    });
    Ok(present.collect())
}

/// What clusters do to their meshes with new plans in place of those that they have now.
pub(in crate::app) async fn disruptions(
    tx: &mut PgConnection,
    new: &[(ClusterId, &Plan)],
) -> Result<BTreeMap<ClusterId, Disruption>, store::Error> {
    let ids: Vec<ClusterId> = new.iter().map(|(cluster, _)| *cluster).collect();
    let plans = store::targets::plans(tx, &ids).await?;
    let presents = of_plans(tx, &plans).await?;
    // Most clusters go from one of a few plans to one of a few.
    let mut known: BTreeMap<(Option<Digest>, Digest), Disruption> = BTreeMap::new();
    let classes = new.iter().map(|(cluster, plan)| {
        let pair = (plans.get(cluster).copied(), plan.digest);
        let before = presents.get(cluster).and_then(Present::before);
        let class = *known.entry(pair).or_insert_with(|| disruption(&plan::diff(before, plan)).class);
        (*cluster, class)
    });
    Ok(classes.collect())
}

impl Present {
    /// What a new plan is compared with; none if nobody here knows it.
    pub(super) fn before(&self) -> Option<Before<'_>> {
        match self {
            Self::Known { document, bodies } => Some(Before { document, bodies }),
            Self::Unknown => None,
        }
    }
}
