//! What a step of a rollout changes in clusters: their targets, and what those stand for.

use std::collections::BTreeMap;

use hub_core::{
    config::Adopt,
    fleet::ClusterId,
    rollout::{Aim, Delivery, Rollout, RolloutTarget, Step, TargetState},
    target::Target,
};
use jiff::Timestamp;
use sqlx::PgConnection;

use crate::{
    app::{Error, deletions::Deleting},
    fail_point,
    store::{self, rollouts::StoredRollout, targets::Origin},
};

/// Gives their targets to the clusters that the step names.
pub(super) async fn targets(
    tx: &mut PgConnection,
    (stored, deleting): (&StoredRollout, &BTreeMap<ClusterId, Deleting>),
    step: Step,
    now: Timestamp,
) -> Result<(Rollout, Vec<ClusterId>), Error> {
    let mut rollout = step.rollout;
    if step.retarget.is_empty() {
        return Ok((rollout, step.retarget));
    }
    let adopt = adopt(tx, &stored.aim).await?;
    let mut sent = Vec::new();
    for cluster in step.retarget {
        let found = rollout.targets().find(|target| target.cluster == cluster).cloned();
        let (Some(target), Some(deleting)) = (found, deleting.get(&cluster)) else { continue };
        // Somebody else changed the target since it was looked at: the next step sees that.
        let Some(delivery) = retarget(tx, (stored, adopt), (&target, deleting), now).await? else { continue };
        rollout = rollout.sent(cluster, delivery)?;
        sent.push(cluster);
    }
    Ok((rollout, sent))
}

async fn adopt(tx: &mut PgConnection, aim: &Aim) -> Result<Adopt, Error> {
    let Aim::Assign { config, version } = aim else { return Ok(Adopt::Never) };
    let found = store::configs::find(tx, config, *version).await?;
    let missing = || Error::VersionNotFound(config.clone(), *version);
    Ok(found.ok_or_else(missing)?.config.adopt)
}

async fn retarget(
    tx: &mut PgConnection,
    (stored, adopt): (&StoredRollout, Adopt),
    (target, deleting): (&RolloutTarget, &Deleting),
    now: Timestamp,
) -> Result<Option<Delivery>, store::Error> {
    let current = store::targets::find(tx, target.cluster).await?;
    let document = Target {
        format: 1,
        cluster: target.cluster,
        epoch: store::hub::epoch(tx).await?,
        generation: current.map_or(0, |current| current.generation) + 1,
        plan: target.plan,
        deletions: deleting.deletions.clone(),
        delete_templates: deleting.templates.clone(),
        overwrite: target.repair.overwrite().to_vec(),
        adopt,
    };
    let digest = store::targets::set(tx, &document, &origin(stored), now).await?;
    fail_point::passed(fail_point::TARGET_SET);
    Ok(digest.map(|target| Delivery { generation: document.generation, target, sent_at: now }))
}

/// Notes of clusters that ran the plan already that their targets stand for this version now.
pub(super) async fn origins(
    tx: &mut PgConnection,
    (stored, after): (&StoredRollout, &Rollout),
    now: Timestamp,
) -> Result<(), store::Error> {
    for (old, new) in stored.rollout.targets().zip(after.targets()) {
        let ran_already = matches!(new.state, TargetState::Succeeded { delivery: None, .. });
        if ran_already && old.state != new.state {
            store::origins::save(tx, new.cluster, &origin(stored), now).await?;
        }
    }
    Ok(())
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
