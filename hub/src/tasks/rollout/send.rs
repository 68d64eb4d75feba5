//! What a step of a rollout changes in clusters: their targets, and what those stand for.

use std::collections::{BTreeMap, BTreeSet};

use hub_core::{
    config::Adopt,
    fleet::ClusterId,
    rollout::{Aim, Delivery, Rollout, RolloutTarget, Seen, Step, TargetState},
    target::Target,
};
use jiff::Timestamp;
use sqlx::PgConnection;

use crate::{
    app::{Error, deletions::Deleting},
    fail_point,
    store::{self, rollouts::StoredRollout, targets::Origin},
};

/// Gives their targets to the clusters that the step names, all at once.
pub(super) async fn targets(
    tx: &mut PgConnection,
    (stored, seen, deleting): (&StoredRollout, &Seen, &BTreeMap<ClusterId, Deleting>),
    step: Step,
    now: Timestamp,
) -> Result<(Rollout, Vec<ClusterId>), Error> {
    let mut rollout = step.rollout;
    if step.retarget.is_empty() {
        return Ok((rollout, step.retarget));
    }
    let (epoch, adopt) = (store::hub::epoch(tx).await?, adopt(tx, &stored.aim).await?);
    let retarget = BTreeSet::from_iter(step.retarget);
    let named = rollout.targets().filter(|target| retarget.contains(&target.cluster));
    let documents: Vec<Target> = named
        .filter_map(|target| {
            let current = seen.clusters.get(&target.cluster)?.current;
            let generation = current.map_or(0, |current| current.generation) + 1;
            Some(document(target, deleting.get(&target.cluster)?, (epoch, generation), adopt))
        })
        .collect();
    // Where somebody else changed the target since it was looked at, the next step sees that.
    let set = store::targets::set_all(tx, &documents, &origin(stored), now).await?;
    fail_point::passed(fail_point::TARGET_SET);
    for document in &documents {
        if let Some(target) = set.get(&document.cluster) {
            let delivery = Delivery { generation: document.generation, target: *target, sent_at: now };
            rollout = rollout.sent(document.cluster, delivery)?;
        }
    }
    Ok((rollout, set.into_keys().collect()))
}

async fn adopt(tx: &mut PgConnection, aim: &Aim) -> Result<Adopt, Error> {
    let Aim::Assign { config, version } = aim else { return Ok(Adopt::Never) };
    let found = store::configs::find(tx, config, *version).await?;
    let missing = || Error::VersionNotFound(config.clone(), *version);
    Ok(found.ok_or_else(missing)?.config.adopt)
}

/// Pure.
fn document(
    target: &RolloutTarget,
    deleting: &Deleting,
    (epoch, generation): (u64, u64),
    adopt: Adopt,
) -> Target {
    Target {
        format: 1,
        cluster: target.cluster,
        epoch,
        generation,
        plan: target.plan,
        deletions: deleting.deletions.clone(),
        delete_templates: deleting.templates.clone(),
        overwrite: target.repair.overwrite().to_vec(),
        adopt,
        heal: target.heal,
    }
}

/// Notes of clusters that ran the plan already that their targets stand for this version now.
pub(super) async fn origins(
    tx: &mut PgConnection,
    (stored, after): (&StoredRollout, &Rollout),
    now: Timestamp,
) -> Result<(), store::Error> {
    let moved = stored.rollout.targets().zip(after.targets()).filter(|(old, new)| old.state != new.state);
    let ran_already = moved
        .filter(|(_, new)| matches!(new.state, TargetState::Succeeded { delivery: None, .. }))
        .map(|(_, new)| new.cluster);
    store::origins::save(tx, &Vec::from_iter(ran_already), &origin(stored), now).await
}

fn origin(stored: &StoredRollout) -> Origin<'_> {
    Origin {
        rollout: stored.rollout.number,
        config: match &stored.aim {
            Aim::Assign { config, version } => Some((config, *version)),
            Aim::Unassign => None,
        },
        traceparent: &stored.traceparent,
    }
}
