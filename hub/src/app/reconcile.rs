//! A cluster whose spoke is ahead of the database: what each way out would do, and going it.
//!
//! Its spoke accepted a target that this database does not know, because the database is older than the cluster: it was
//! restored from a backup, or a standby took over that lacked the newest rows. Nothing is sent to such a cluster until a
//! person decides. Either way the generation only rises.

use hub_core::{
    fleet::{ClusterId, Name},
    report::Fence,
    rollout::{CurrentTarget, TargetPlan},
    target::Target,
};
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::{
    App, Error,
    deletions::{self, Deleting},
    error::ReconcileRefusal,
    hub::begin_epoch_above,
    operators::Operator,
    rollouts::confirm_each,
};
use crate::store::{
    self,
    audit::{self, Actor, Event},
    clusters::{ClusterState, StoredCluster},
};

/// How far a cluster and the database are apart, and what each way out would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// The cluster.
    pub cluster: Name,
    /// What its spoke accepted.
    pub fence: Fence,
    /// Objects that it made or took over, as it last said.
    pub inventory: usize,
    /// What the database has for it; none if it never had a target there.
    pub current: Option<CurrentTarget>,
    /// The config that this stands for, with its version.
    pub config: Option<(Name, u64)>,
    /// What `--keep-hub` would delete, `Kind namespace/name` each, in the order of deleting; none if that way is closed,
    /// because the database has nothing that it could send.
    pub deletes: Option<Vec<String>>,
    /// The rollout that holds the cluster: it has to end before anything is decided.
    pub held_by: Option<u64>,
}

/// Who is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// The database: its target is sent again, above the spoke's.
    Hub {
        /// Above the brake, the exact number of objects that may be deleted; 0 if nobody said one.
        confirm_deletions: u32,
        /// W3C trace context of the request; empty if none.
        traceparent: String,
    },
    /// The spoke: what it runs stands until the next rollout.
    Spoke,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciled {
    /// How it was before.
    pub divergence: Divergence,
    /// The generation of the cluster's target now.
    pub generation: u64,
}

/// A cluster that is ahead.
struct Ahead {
    id: ClusterId,
    divergence: Divergence,
    target: Option<Target>,
    deleting: Deleting,
}

/// What each way out would do. Changes nothing.
pub async fn preview(app: &App, name: &Name) -> Result<Divergence, Error> {
    let mut tx = app.begin().await?;
    let found = store::clusters::find(&mut tx, name).await?;
    let stored = found.ok_or_else(|| Error::ClusterNotFound(name.to_string()))?;
    Ok(judge(app, &mut tx, &stored).await?.divergence)
}

/// Goes one way. The target is changed only if it still is what was looked at.
pub async fn keep(app: &App, by: &Operator, name: &Name, keep: &Keep) -> Result<Reconciled, Error> {
    let mut tx = app.begin().await?;
    let found = store::clusters::lock_named(&mut tx, name).await?;
    let stored = found.ok_or_else(|| Error::ClusterNotFound(name.to_string()))?;
    let ahead = judge(app, &mut tx, &stored).await?;
    if let Some(rollout) = ahead.divergence.held_by {
        return Err(Error::ClusterHeld { cluster: name.clone(), rollout });
    }
    // A hub that decides for a cluster is a later life than the one that its spoke followed last.
    let epoch = begin_epoch_above(app, &mut tx, ahead.divergence.fence.epoch).await?;
    let (generation, detail) = match keep {
        Keep::Hub { confirm_deletions, traceparent } => {
            confirm_each(&[(name, &ahead.deleting)], *confirm_deletions)?;
            keep_hub(app, &mut tx, &ahead, (epoch, traceparent)).await?
        }
        Keep::Spoke => keep_spoke(app, &mut tx, &ahead).await?,
    };
    store::acceptance::clear_refusal(&mut tx, ahead.id).await?;
    let event = Event {
        at: app.clock.now(),
        actor: Actor::Operator(by.id),
        action: "cluster.reconciled",
        subject: format!("cluster/{name}"),
        detail,
    };
    audit::record(&mut tx, event).await?;
    store::commit(tx).await?;
    app.signals.wake_cluster(ahead.id);
    app.signals.plans.wake();
    app.signals.rollouts.wake();
    Ok(Reconciled { divergence: ahead.divergence, generation })
}

/// The database's target again, with a generation above the spoke's. Nothing is taken by force: what was to be, was seen
/// in another life.
async fn keep_hub(
    app: &App,
    tx: &mut PgConnection,
    ahead: &Ahead,
    (epoch, traceparent): (u64, &str),
) -> Result<(u64, Value), Error> {
    let Ahead { divergence, target, deleting, .. } = ahead;
    let cluster = &divergence.cluster;
    let (Some(known), Some(seen)) = (target, &divergence.current) else {
        return Err(ReconcileRefusal::NothingToKeep { cluster: cluster.clone() }.into());
    };
    let target = Target {
        epoch,
        generation: divergence.fence.generation + 1,
        deletions: deleting.deletions.clone(),
        delete_templates: deleting.templates.clone(),
        overwrite: Vec::new(),
        ..known.clone()
    };
    let at = app.clock.now();
    let set = store::targets::set_above(tx, &target, seen, (traceparent, at)).await?;
    let digest = set.ok_or_else(|| ReconcileRefusal::Moved { cluster: cluster.clone() })?;
    let detail = json!({
        "kept": "hub", "generation": target.generation, "target": digest, "plan": target.plan,
        "deletions": deleting.count().deletions, "spoke": divergence.fence,
        "databaseGeneration": seen.generation, "databaseTarget": seen.target,
    });
    Ok((target.generation, detail))
}

async fn keep_spoke(app: &App, tx: &mut PgConnection, ahead: &Ahead) -> Result<(u64, Value), Error> {
    let Divergence { cluster, fence, current, .. } = &ahead.divergence;
    let at = app.clock.now();
    if !store::targets::take_over(tx, ahead.id, fence, (*current, at)).await? {
        return Err(ReconcileRefusal::Moved { cluster: cluster.clone() }.into());
    }
    let detail = json!({
        "kept": "spoke", "generation": fence.generation, "target": fence.target, "spoke": fence,
        "databaseGeneration": current.map(|current| current.generation),
        "databaseTarget": current.map(|current| current.target),
    });
    Ok((fence.generation, detail))
}

async fn judge(app: &App, tx: &mut PgConnection, stored: &StoredCluster) -> Result<Ahead, Error> {
    let (id, cluster) = (stored.cluster.id, stored.cluster.name.clone());
    if stored.state == ClusterState::Detached {
        return Err(Error::Detached(cluster));
    }
    let known = super::readable(store::seen::load(tx, &[id], app.clock.now()).await?);
    let Some(seen) = known.into_iter().next().map(|known| known.seen) else {
        return Err(ReconcileRefusal::NotConnected { cluster }.into());
    };
    if !seen.is_connected() {
        return Err(ReconcileRefusal::NotConnected { cluster }.into());
    }
    let Some(fence) = seen.fence.filter(|_| seen.spoke_is_ahead()) else {
        return Err(ReconcileRefusal::NotAhead { cluster }.into());
    };
    if seen.report_of(fence.generation, fence.target).is_none() {
        return Err(ReconcileRefusal::NoReport { cluster, generation: fence.generation }.into());
    }
    let target = store::targets::document(tx, id).await?;
    let (deleting, closed) = match seen.current.map(|current| current.plan) {
        Some(TargetPlan::Known(plan)) => {
            let document = store::plans::document(tx, plan).await?;
            (deletions::load_one(tx, id, &document).await?, false)
        }
        Some(TargetPlan::Unknown) | None => (Deleting::default(), true),
    };
    let inventory = store::reports::objects(tx, id).await?;
    let divergence = Divergence {
        inventory: deletions::ours(&inventory),
        config: store::origins::load(tx, &[id]).await?.remove(&id),
        deletes: (!closed).then(|| deleting.words()),
        current: seen.current,
        held_by: seen.held_by,
        cluster,
        fence,
    };
    Ok(Ahead { id, divergence, target, deleting })
}
