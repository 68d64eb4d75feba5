//! Setting a rollout off: what is common to giving clusters a mesh and to removing it.

use hub_core::{
    fleet::{Cluster, ClusterId, Name},
    plan::{self, Plan},
    rollout::{Aim, Repair, RolloutTarget, TargetState},
};
use serde_json::{Map, Value, json};
use sqlx::PgConnection;

use crate::{
    app::{Error, deletions::Deleting, error::StartRefusal},
    store::{
        self,
        audit::{self, Actor, Event},
        clusters::ClusterState,
        rollouts::NewRollout,
    },
};

/// A cluster with the plan that is pinned to it.
#[derive(Debug)]
pub struct Pinned {
    /// The cluster.
    pub cluster: Cluster,
    /// The plan.
    pub plan: Plan,
    /// Its wave, by index.
    pub wave: usize,
    /// What the plan would delete there now.
    pub deleting: Deleting,
}

impl Pinned {
    /// Without deletions so far.
    pub fn of(cluster: Cluster, plan: Plan, wave: usize) -> Self {
        Self { cluster, plan, wave, deleting: Deleting::default() }
    }
}

/// Stops what would delete more than the brake lets through, unless exactly that was confirmed. Pure.
pub fn confirm(pinned: &[Pinned], confirmed: u32) -> Result<(), Error> {
    let each: Vec<(&Name, &Deleting)> = pinned.iter().map(|one| (&one.cluster.name, &one.deleting)).collect();
    confirm_each(&each, confirmed)
}

/// Stops what would delete more in these clusters than the brake lets through, unless exactly that was confirmed. Pure.
pub fn confirm_each(clusters: &[(&Name, &Deleting)], confirmed: u32) -> Result<(), Error> {
    let counts: Vec<(Name, usize, usize)> = clusters
        .iter()
        .map(|(name, deleting)| {
            let count = deleting.count();
            ((*name).clone(), count.deletions, count.inventory)
        })
        .collect();
    let total: usize = counts.iter().map(|(_, deletions, _)| deletions).sum();
    if plan::brake(&counts).is_none() || usize::try_from(confirmed) == Ok(total) {
        return Ok(());
    }
    let lose = clusters.iter().filter(|(_, deleting)| deleting.count().deletions > 0);
    let clusters = lose.map(|(name, deleting)| ((*name).clone(), deleting.words())).collect();
    Err(Error::Unconfirmed { clusters, total, confirmed })
}

/// Stores a rollout and takes its clusters. Since these were looked at, they may have left the fleet, or another rollout may
/// have taken them: then nothing is stored.
pub async fn launch(tx: &mut PgConnection, new: &NewRollout<'_>, pinned: &[Pinned]) -> Result<u64, Error> {
    let ids: Vec<ClusterId> = pinned.iter().map(|one| one.cluster.id).collect();
    refuse_gone(tx, new.aim, (pinned, &ids)).await?;
    let number = store::rollouts::insert(tx, new).await?;
    store::holds::take(tx, number, &ids, new.at).await?;
    // If the other rollout let go of one meanwhile, it is free now.
    while refuse_held(tx, new.aim, (pinned, &ids), number).await? < ids.len() {
        store::holds::take(tx, number, &ids, new.at).await?;
    }
    store::plans::pin(tx, pinned.iter().map(|one| &one.plan), new.at).await?;
    for one in pinned {
        save(tx, number, new, one).await?;
    }
    audit::record(tx, started(new, number, pinned)).await?;
    Ok(number)
}

/// Refuses clusters that are no longer of the fleet; the others stay in it until the transaction ends.
async fn refuse_gone(
    tx: &mut PgConnection,
    aim: &Aim,
    (pinned, ids): (&[Pinned], &[ClusterId]),
) -> Result<(), Error> {
    let states = store::clusters::hold(tx, ids).await?;
    let gone = |one: &Pinned| {
        let cluster = one.cluster.name.clone();
        match states.get(&one.cluster.id) {
            None => Some(StartRefusal::NotFound { cluster }),
            Some(ClusterState::Detached) => Some(StartRefusal::Detached { cluster }),
            Some(ClusterState::Invited | ClusterState::Active) => None,
        }
    };
    refuse(aim, pinned.iter().filter_map(gone).collect())
}

/// Refuses clusters that another rollout holds; says how many are held at all.
async fn refuse_held(
    tx: &mut PgConnection,
    aim: &Aim,
    (pinned, ids): (&[Pinned], &[ClusterId]),
    own: u64,
) -> Result<usize, Error> {
    let holders = store::holds::holders(tx, ids).await?;
    let held = |one: &Pinned| {
        let rollout = *holders.get(&one.cluster.id).filter(|holder| **holder != own)?;
        Some(StartRefusal::Held { cluster: one.cluster.name.clone(), rollout })
    };
    refuse(aim, pinned.iter().filter_map(held).collect())?;
    Ok(holders.len())
}

/// Says everything that stands against a rollout, if anything does.
pub fn refuse(aim: &Aim, refusals: Vec<StartRefusal>) -> Result<(), Error> {
    if refusals.is_empty() { Ok(()) } else { Err(Error::RolloutRefused { aim: aim.clone(), refusals }) }
}

async fn save(
    tx: &mut PgConnection,
    rollout: u64,
    new: &NewRollout<'_>,
    pinned: &Pinned,
) -> Result<(), store::Error> {
    let Pinned { cluster, plan, wave, deleting } = pinned;
    let repair = if new.overwrite_drift {
        let open = store::drift::open(tx, Some(cluster.id)).await?;
        Repair::of(open.iter().map(|numbered| &numbered.open.item))
    } else {
        Repair::Nothing
    };
    let target = RolloutTarget {
        cluster: cluster.id,
        name: cluster.name.clone(),
        plan: plan.digest,
        repair,
        deletions: deleting.count().deletions,
        state: TargetState::Pending,
    };
    let wave_name = &new.spec.wave_names()[*wave];
    store::rollouts::insert_target(tx, rollout, (*wave, wave_name), (cluster, &target)).await
}

fn started(new: &NewRollout<'_>, number: u64, pinned: &[Pinned]) -> Event {
    let of_each = |value: fn(&Pinned) -> Value| -> Map<String, Value> {
        pinned.iter().map(|one| (one.cluster.name.to_string(), value(one))).collect()
    };
    let mut detail = json!({
        "strategy": new.strategy,
        "overwriteDrift": new.overwrite_drift,
        "plans": of_each(|one| json!(one.plan.digest)),
        "deletions": of_each(|one| json!(one.deleting.count().deletions)),
    });
    if let Aim::Assign { config, version } = new.aim {
        detail["config"] = json!(config);
        detail["version"] = json!(version);
    }
    Event {
        at: new.at,
        actor: Actor::Operator(new.by),
        action: match new.aim {
            Aim::Assign { .. } => "rollout.started",
            Aim::Unassign => "rollout.unassign_started",
        },
        subject: format!("rollout/{number}"),
        detail,
    }
}
