//! What the database knows of clusters that a preview compares with: their present plans, and what their spokes hold.

use std::collections::BTreeMap;

use hub_core::{
    digest::Digest,
    fleet::ClusterId,
    plan::{Before, PlanDocument},
    report::ObjectState,
    rollout::TargetPlan,
};
use jiff::Timestamp;
use sqlx::PgConnection;

use super::super::{Error, deletions};
use crate::{store, telemetry};

/// Of several clusters.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<ClusterId, KnownCluster>);

/// Of one cluster.
#[derive(Debug, Default)]
pub(super) struct KnownCluster {
    /// Whether its spoke is attached.
    pub(super) connected: bool,
    /// The plan of its present target.
    pub(super) present: Option<Present>,
    /// What its spoke says of a target that it has not reached; none if it has, or has no target.
    pub(super) unreached: Option<String>,
    /// The documents of the plans that it was given since the last completed generation, oldest first.
    pub(super) accepted: Vec<PlanDocument>,
    /// What its spoke reported last.
    pub(super) inventory: Vec<ObjectState>,
}

/// The plan that a cluster has now.
#[derive(Debug)]
pub(super) enum Present {
    /// This one.
    Known {
        /// The plan.
        document: PlanDocument,
        /// Its manifests.
        bodies: BTreeMap<Digest, Vec<u8>>,
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
        let mut known = BTreeMap::new();
        for cluster in seen {
            let completed = cluster.seen.completed();
            let present = match &cluster.seen.current {
                Some(current) => Some(Present::load(tx, current.plan).await?),
                None => None,
            };
            let inventory = inventories.remove(&cluster.cluster).unwrap_or_else(|| Ok(Vec::new()));
            let inventory = inventory.unwrap_or_else(|error| unreadable(&error));
            let accepted = deletions::former(tx, (cluster.cluster, completed), &inventory).await?;
            let of_cluster = KnownCluster {
                connected: cluster.seen.is_connected(),
                unreached: cluster.seen.unreached(),
                present,
                accepted,
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

impl Present {
    async fn load(tx: &mut PgConnection, plan: TargetPlan) -> Result<Self, store::Error> {
        let TargetPlan::Known(plan) = plan else { return Ok(Self::Unknown) };
        let document = store::plans::document(tx, plan).await?;
        Ok(Self::Known { document, bodies: store::plans::manifests(tx, plan).await? })
    }

    /// What a new plan is compared with; none if nobody here knows it.
    pub(super) fn before(&self) -> Option<Before<'_>> {
        match self {
            Self::Known { document, bodies } => Some(Before { document, bodies }),
            Self::Unknown => None,
        }
    }
}
