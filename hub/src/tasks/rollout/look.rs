//! What a step of a rollout decides from.

use std::collections::BTreeMap;

use hub_core::{
    config::ConfigVersion,
    fleet::{Cluster, ClusterId},
    plan,
    rollout::{Aim, Computed, SeenCluster},
};
use jiff::Timestamp;
use sqlx::PgConnection;

use crate::{
    app::{
        App, Error,
        deletions::{self, Deleting},
    },
    store::{self, rollouts::StoredRollout},
};

/// What was seen. Plans are computed anew only for targets that may start now.
pub(super) struct Looked {
    pub(super) clusters: BTreeMap<ClusterId, SeenCluster>,
    /// What the targets that may start would delete.
    pub(super) deleting: BTreeMap<ClusterId, Deleting>,
    /// The rows that could not be read: their clusters count as away.
    pub(super) corrupt: Vec<store::Error>,
}

/// What the clusters of a rollout are to get.
enum Wanted {
    /// What a version of a config makes of each.
    Version(Box<ConfigVersion>),
    /// Nothing, as long as none of these selects it.
    Nothing { unless: Vec<ConfigVersion> },
}

impl Looked {
    pub(super) async fn at(
        app: &App,
        tx: &mut PgConnection,
        stored: &StoredRollout,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let ids: Vec<ClusterId> = stored.rollout.targets().map(|target| target.cluster).collect();
        let known = store::seen::load(tx, &ids, now).await?;
        let clusters = known.rows.into_iter().map(|known| (known.cluster, known.seen)).collect();
        let mut looked = Self { clusters, deleting: BTreeMap::new(), corrupt: known.corrupt };
        let to_compute = stored.rollout.to_compute(&looked.clusters);
        if to_compute.is_empty() {
            return Ok(looked);
        }
        let wanted = wanted(tx, &stored.aim).await?;
        let mut present = store::clusters::load(tx, &to_compute).await?;
        app.definitions.fill(tx, present.rows.iter_mut().map(|stored| &mut stored.cluster)).await?;
        looked.corrupt.extend(present.corrupt);
        let proposals: Vec<(ClusterId, Result<plan::Plan, Computed>)> = present
            .rows
            .into_iter()
            .filter_map(|present| propose(stored, &wanted, present.cluster))
            .collect();
        looked.compute(tx, proposals).await?;
        Ok(looked)
    }

    /// Notes what was computed, with what each plan would delete.
    async fn compute(
        &mut self,
        tx: &mut PgConnection,
        proposals: Vec<(ClusterId, Result<plan::Plan, Computed>)>,
    ) -> Result<(), Error> {
        let plans = proposals.iter().filter_map(|(id, plan)| Some((*id, &plan.as_ref().ok()?.document)));
        self.deleting = deletions::load(tx, &Vec::from_iter(plans)).await?;
        for (id, plan) in proposals {
            let Some(seen) = self.clusters.get_mut(&id) else { continue };
            let deletions = self.deleting.get(&id).map(Deleting::count).unwrap_or_default();
            seen.computed = Some(match plan {
                Ok(plan) => Computed::Plan { digest: plan.digest, deletions },
                Err(none) => none,
            });
        }
        Ok(())
    }
}

async fn wanted(tx: &mut PgConnection, aim: &Aim) -> Result<Wanted, Error> {
    match aim {
        Aim::Assign { config, version } => {
            let found = store::configs::find(tx, config, *version).await?;
            let missing = || Error::VersionNotFound(config.clone(), *version);
            Ok(Wanted::Version(Box::new(found.ok_or_else(missing)?)))
        }
        Aim::Unassign => Ok(Wanted::Nothing { unless: store::configs::newest(tx).await? }),
    }
}

/// The plan that a cluster is to get, or why there is none. Pure.
fn propose(
    stored: &StoredRollout,
    wanted: &Wanted,
    present: Cluster,
) -> Option<(ClusterId, Result<plan::Plan, Computed>)> {
    let id = present.id;
    let inputs = stored.inputs.get(&id)?;
    let plan = match wanted {
        Wanted::Version(config) => make(config, &inputs.with_facts_of(present)),
        Wanted::Nothing { unless } => nothing(unless, &present),
    };
    Some((id, plan))
}

/// Pure.
fn make(config: &ConfigVersion, cluster: &Cluster) -> Result<plan::Plan, Computed> {
    match plan::propose(config, cluster) {
        Ok(proposal) if !proposal.is_blocked() => proposal.plan.ok_or(Computed::Blocked),
        Ok(_) | Err(_) => Err(Computed::Blocked),
    }
}

/// Pure. Labels of now count: a cluster that was taken back must keep its mesh.
fn nothing(unless: &[ConfigVersion], cluster: &Cluster) -> Result<plan::Plan, Computed> {
    let selects = |config: &ConfigVersion| config.config.clusters.matches(&cluster.name, &cluster.labels);
    if unless.iter().any(selects) { Err(Computed::Selected) } else { Ok(plan::empty()) }
}
