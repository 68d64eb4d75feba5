//! Removing the mesh from clusters that no config selects any more: a rollout of the plan of nothing.

use std::collections::BTreeSet;

use hub_core::{
    catalog::LEFTOVERS,
    config::ConfigVersion,
    fleet::Name,
    plan::{self, PlanDocument},
    rollout::{Aim, Strategy, TargetPlan},
};
use sqlx::PgConnection;

use super::{
    App, Error, deletions,
    error::StartRefusal,
    operators::Operator,
    plans,
    rollouts::{Pinned, confirm, launch, refuse},
};
use crate::store::{self, clusters::ClusterState, rollouts::NewRollout};

/// What is to be removed.
#[derive(Debug, Clone)]
pub struct Unassign {
    /// From which clusters.
    pub clusters: BTreeSet<Name>,
    /// Above the brake, the exact number of objects that may be deleted; 0 if nobody said one.
    pub confirm_deletions: u32,
    /// W3C trace context of the request; empty if none.
    pub traceparent: String,
}

/// What becomes of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unassignment {
    /// The cluster.
    pub cluster: Name,
    /// What is deleted, `Kind namespace/name` each, in the order of deleting.
    pub deletes: Vec<String>,
    /// What stays, each with the reason.
    pub stays: Vec<String>,
}

/// What would be deleted and what would stay. Changes nothing.
pub async fn preview(app: &App, clusters: &BTreeSet<Name>) -> Result<Vec<Unassignment>, Error> {
    let mut tx = app.begin().await?;
    let (_, unassignments) = judge(&mut tx, clusters).await?;
    Ok(unassignments)
}

/// Starts the rollout, and returns its number with what it deletes and what stays. Every reason against it is said at
/// once.
pub async fn start(app: &App, by: &Operator, unassign: &Unassign) -> Result<(u64, Vec<Unassignment>), Error> {
    let at = app.clock.now();
    let mut tx = app.begin().await?;
    let (pinned, unassignments) = judge(&mut tx, &unassign.clusters).await?;
    confirm(&pinned, unassign.confirm_deletions)?;
    let new = NewRollout {
        aim: &Aim::Unassign,
        strategy: None,
        spec: &Strategy::all_at_once(),
        overwrite_drift: false,
        by: by.id,
        at,
        traceparent: &unassign.traceparent,
    };
    let number = launch(&mut tx, &new, &pinned).await?;
    store::commit(tx).await?;
    app.signals.rollouts.wake();
    Ok((number, unassignments))
}

async fn judge(
    tx: &mut PgConnection,
    clusters: &BTreeSet<Name>,
) -> Result<(Vec<Pinned>, Vec<Unassignment>), Error> {
    let configs = store::configs::newest(tx).await?;
    let nothing = plan::empty();
    let (mut pinned, mut unassignments, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
    for name in clusters {
        let cluster = match store::clusters::find(tx, name).await? {
            None => {
                refusals.push(StartRefusal::NotFound { cluster: name.clone() });
                continue;
            }
            Some(stored) if stored.state == ClusterState::Detached => {
                refusals.push(StartRefusal::Detached { cluster: name.clone() });
                continue;
            }
            Some(stored) => stored.cluster,
        };
        let selecting = configs.iter().filter(|config| plans::selects(config, &cluster));
        let selected = |config: &ConfigVersion| StartRefusal::Selected {
            cluster: name.clone(),
            config: config.name.clone(),
        };
        refusals.extend(selecting.map(selected));
        let holder = store::holds::holders(tx, &[cluster.id]).await?.remove(&cluster.id);
        refusals.extend(holder.map(|rollout| StartRefusal::Held { cluster: name.clone(), rollout }));
        let target = store::targets::find(tx, cluster.id).await?;
        let deleting = deletions::load_one(tx, cluster.id, &nothing.document).await?;
        let Some(target) = target.filter(|target| !target.plan().is(nothing.digest) || !deleting.is_empty())
        else {
            refusals.push(StartRefusal::NothingToRemove { cluster: name.clone() });
            continue;
        };
        let stays = match target.plan() {
            TargetPlan::Known(plan) => stays(&store::plans::document(tx, plan).await?),
            // What only the spoke knows is in no list: what it holds is deleted, and the rest was never ours.
            TargetPlan::Unknown => stays(&nothing.document),
        };
        let deletes = deleting.words();
        unassignments.push(Unassignment { cluster: name.clone(), deletes, stays });
        pinned.push(Pinned { deleting, ..Pinned::of(cluster, nothing.clone(), 0) });
    }
    refuse(&Aim::Unassign, refusals)?;
    Ok((pinned, unassignments))
}

/// What stays of a plan, and of what others made because of it. Pure.
fn stays(last: &PlanDocument) -> Vec<String> {
    let namespaces = last.namespaces.iter();
    let namespaces = namespaces.map(|name| format!("Namespace {name}: namespaces are never deleted"));
    let expected = last.expectations.iter();
    let expected = expected.map(|one| format!("{}: the installer made it, and takes it away or not", one.id));
    let added = last.additions.iter();
    let added = added.map(|one| format!("{}: others made it; only our fields are taken off", one.id));
    let leftovers = LEFTOVERS.iter().map(|one| format!("{}: {}", one.what, one.why));
    namespaces.chain(expected).chain(added).chain(leftovers).collect()
}
