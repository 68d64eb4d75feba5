//! Setting a rollout off: what is common to giving clusters a mesh and to removing it.

use std::collections::BTreeMap;

use hub_core::{
    drift::{DriftItem, HealClasses},
    fleet::{Cluster, ClusterId, Name},
    plan::{self, Disruption, Plan},
    rollout::{Aim, Repair, RolloutTarget, TargetState},
};
use serde_json::{Map, Value, json};
use sqlx::PgConnection;

use crate::{
    app::{Error, deletions::Deleting, error::StartRefusal, plans},
    store::{
        self,
        audit::{self, Actor, Event},
        clusters::ClusterState,
        rollouts::{NewRollout, NewTarget},
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
    /// What its spoke is to put right by itself.
    pub heal: HealClasses,
}

impl Pinned {
    /// Without deletions and without anything to heal, so far.
    pub fn of(cluster: Cluster, plan: Plan, wave: usize) -> Self {
        Self { cluster, plan, wave, deleting: Deleting::default(), heal: HealClasses::NONE }
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
    save(tx, number, new, pinned).await?;
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
    pinned: &[Pinned],
) -> Result<(), store::Error> {
    let mut repairs = repairs(tx, new, pinned).await?;
    let plans: Vec<(ClusterId, &Plan)> = pinned.iter().map(|one| (one.cluster.id, &one.plan)).collect();
    let disruptions = plans::disruptions(tx, &plans).await?;
    let waves = new.spec.wave_names();
    let targets: Vec<RolloutTarget> = pinned
        .iter()
        .map(|one| RolloutTarget {
            cluster: one.cluster.id,
            name: one.cluster.name.clone(),
            plan: one.plan.digest,
            repair: repairs.remove(&one.cluster.id).unwrap_or(Repair::Nothing),
            deletions: one.deleting.count().deletions,
            disruption: disruptions.get(&one.cluster.id).copied().unwrap_or(Disruption::None),
            heal: one.heal,
            state: TargetState::Pending,
        })
        .collect();
    let new: Vec<NewTarget<'_>> = pinned
        .iter()
        .zip(&targets)
        .map(|(Pinned { cluster, wave, .. }, target)| NewTarget {
            wave: *wave,
            wave_name: &waves[*wave],
            cluster,
            target,
        })
        .collect();
    store::rollouts::insert_targets(tx, rollout, &new).await
}

/// What is known to have drifted, where a rollout takes it back.
async fn repairs(
    tx: &mut PgConnection,
    new: &NewRollout<'_>,
    pinned: &[Pinned],
) -> Result<BTreeMap<ClusterId, Repair>, store::Error> {
    if !new.overwrite_drift {
        return Ok(BTreeMap::new());
    }
    // One query: of all drift that is open, if it is not for one cluster.
    let only = match pinned {
        [one] => Some(one.cluster.id),
        _ => None,
    };
    let open = store::drift::open(tx, only).await?;
    let mut items: BTreeMap<&Name, Vec<&DriftItem>> = BTreeMap::new();
    for numbered in &open {
        items.entry(&numbered.open.cluster).or_default().push(&numbered.open.item);
    }
    let repairs = pinned.iter().map(|one| {
        let of_cluster = items.remove(&one.cluster.name).unwrap_or_default();
        (one.cluster.id, Repair::of(of_cluster.into_iter()))
    });
    Ok(repairs.collect())
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
        "heal": of_each(|one| json!(one.heal)),
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
