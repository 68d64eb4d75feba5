//! Moves live rollouts on: load, advance, save, in one transaction each. Two hubs do no harm: a rollout's row is locked,
//! and one that is locked is passed over.

use std::collections::{BTreeMap, BTreeSet};

use hub_core::{
    config::ConfigVersion,
    fleet::ClusterId,
    plan,
    rollout::{self, Computed, Delivery, Rollout, RolloutState, RolloutTarget, Seen, SeenCluster},
    target::Target,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sqlx::PgConnection;
use tracing::{error, info};

use super::{Task, unreadable::Unreadable};
use crate::{
    app::{App, Error, Kind},
    store::{
        self,
        audit::{self, Actor, Event},
        rollouts::StoredRollout,
        targets::Origin,
    },
    telemetry::chain,
};

/// After its start a hub lets no deadline strike for so long: spokes went on while it was away, and come back within
/// seconds to say how far they are.
const GRACE: SignedDuration = SignedDuration::from_secs(30);

/// The task.
pub(super) struct RolloutTask {
    app: App,
    deadlines_from: Timestamp,
    /// Rollouts whose last step failed: that is logged once for each.
    failing: BTreeSet<u64>,
    unreadable: Unreadable,
}

impl RolloutTask {
    pub(super) fn new(app: App) -> Self {
        let deadlines_from = app.clock.now().saturating_add(GRACE).unwrap_or(Timestamp::MAX);
        Self { app, deadlines_from, failing: BTreeSet::new(), unreadable: Unreadable::default() }
    }
}

impl Task for RolloutTask {
    /// One step of each live rollout. One that cannot be moved does not keep the others from it.
    async fn look(&mut self) -> Result<(), Error> {
        let mut tx = store::begin(&self.app.pool).await?;
        let live = store::rollouts::live(&mut tx).await?;
        drop(tx);
        let mut corrupt = Vec::new();
        for number in live {
            match self.step(number, &mut corrupt).await {
                Ok(()) => {
                    self.failing.remove(&number);
                }
                Err(error) if error.kind() == Kind::Unavailable => return Err(error),
                Err(error) => {
                    if self.failing.insert(number) {
                        error!(
                            rollout.id = number,
                            error = chain(&error),
                            "rollout {number} cannot be moved on"
                        );
                    }
                }
            }
        }
        self.unreadable.note(&corrupt);
        Ok(())
    }
}

impl RolloutTask {
    async fn step(&self, number: u64, corrupt: &mut Vec<store::Error>) -> Result<(), Error> {
        let now = self.app.clock.now();
        let mut tx = store::begin(&self.app.pool).await?;
        let Some(stored) = store::rollouts::lock_live(&mut tx, number).await? else { return Ok(()) };
        let (clusters, unreadable) = look_at(&mut tx, &stored, now).await?;
        corrupt.extend(unreadable);
        let seen = Seen { clusters, deadlines_from: self.deadlines_from };
        let step = rollout::advance(&stored.rollout, &seen, now);
        let (after, retargeted) = send(&mut tx, &stored, step, now).await?;
        if !store::rollouts::save(&mut tx, &stored.rollout, &after).await? {
            return Ok(());
        }
        for event in events(&stored.rollout, &after, now) {
            audit::record(&mut tx, event).await?;
        }
        if after.state != RolloutState::Running {
            store::holds::release(&mut tx, number).await?;
        }
        store::commit(tx).await?;
        log(&stored.rollout, &after);
        retargeted.iter().for_each(|cluster| self.app.signals.wake_cluster(*cluster));
        // A step may open the next wave: look again at once.
        self.app.signals.rollouts.wake();
        Ok(())
    }
}

/// What the step decides from, and the rows that could not be read: their clusters count as away. Plans are computed anew
/// only for targets that may start now.
async fn look_at(
    tx: &mut PgConnection,
    stored: &StoredRollout,
    now: Timestamp,
) -> Result<(BTreeMap<ClusterId, SeenCluster>, Vec<store::Error>), Error> {
    let ids: Vec<ClusterId> = stored.rollout.targets().map(|target| target.cluster).collect();
    let known = store::seen::load(tx, &ids, now).await?;
    let mut corrupt = known.corrupt;
    let mut clusters: BTreeMap<_, _> =
        known.rows.into_iter().map(|known| (known.cluster, known.seen)).collect();
    let free = |cluster: &ClusterId| {
        clusters.get(cluster).is_some_and(|seen| seen.obstacle(stored.rollout.number).is_none())
    };
    let starting: Vec<ClusterId> =
        stored.rollout.about_to_start().map(|target| target.cluster).filter(free).collect();
    if starting.is_empty() {
        return Ok((clusters, corrupt));
    }
    let config = config_of(tx, stored).await?;
    let present = store::clusters::load(tx, &starting).await?;
    corrupt.extend(present.corrupt);
    for present in present.rows {
        let id = present.cluster.id;
        let (Some(seen), Some(inputs)) = (clusters.get_mut(&id), stored.inputs.get(&id)) else { continue };
        let cluster = inputs.with_facts(id, present.cluster.facts);
        seen.computed = Some(computed(&config, &cluster));
    }
    Ok((clusters, corrupt))
}

async fn config_of(tx: &mut PgConnection, stored: &StoredRollout) -> Result<ConfigVersion, Error> {
    let found = store::configs::find(tx, &stored.config, stored.version).await?;
    found.ok_or_else(|| Error::VersionNotFound(stored.config.clone(), stored.version))
}

fn computed(config: &ConfigVersion, cluster: &hub_core::fleet::Cluster) -> Computed {
    match plan::propose(config, cluster) {
        Ok(proposal) if !proposal.is_blocked() => {
            proposal.plan.map_or(Computed::Blocked, |plan| Computed::Plan(plan.digest))
        }
        Ok(_) | Err(_) => Computed::Blocked,
    }
}

/// Gives their targets to the clusters that the step names.
async fn send(
    tx: &mut PgConnection,
    stored: &StoredRollout,
    step: rollout::Step,
    now: Timestamp,
) -> Result<(Rollout, Vec<ClusterId>), Error> {
    let mut rollout = step.rollout;
    if step.retarget.is_empty() {
        return Ok((rollout, step.retarget));
    }
    let config = config_of(tx, stored).await?;
    let mut sent = Vec::new();
    for cluster in step.retarget {
        let found = rollout.targets().find(|target| target.cluster == cluster).cloned();
        let Some(target) = found else { continue };
        // Somebody else changed the target since it was looked at: the next step sees that.
        let Some(delivery) = retarget(tx, (stored, &config), &target, now).await? else { continue };
        rollout = rollout.sent(cluster, delivery)?;
        sent.push(cluster);
    }
    Ok((rollout, sent))
}

async fn retarget(
    tx: &mut PgConnection,
    (stored, config): (&StoredRollout, &ConfigVersion),
    target: &RolloutTarget,
    now: Timestamp,
) -> Result<Option<Delivery>, store::Error> {
    let cluster = target.cluster;
    let current = store::targets::find(tx, cluster).await?;
    let completed = store::acceptance::find(tx, cluster).await?.map_or(0, |fence| fence.completed);
    let mut former = Vec::new();
    for plan in store::targets::plans_since(tx, cluster, completed).await? {
        former.push(store::plans::document(tx, plan).await?);
    }
    let inventory = store::reports::objects(tx, cluster).await?;
    let new = store::plans::document(tx, target.plan).await?;
    let (deletions, delete_templates) = plan::deletions(&inventory, &former, &new);
    let document = Target {
        format: 1,
        cluster,
        epoch: store::hub::epoch(tx).await?,
        generation: current.map_or(0, |current| current.generation) + 1,
        plan: target.plan,
        deletions,
        delete_templates,
        overwrite: target.repair.overwrite().to_vec(),
        adopt: config.config.adopt,
    };
    let origin = Origin {
        rollout: stored.rollout.number,
        config: &stored.config,
        version: stored.version,
        traceparent: &stored.traceparent,
    };
    let digest = store::targets::set(tx, &document, &origin, now).await?;
    Ok(digest.map(|target| Delivery { generation: document.generation, target, sent_at: now }))
}

/// Audit events for what a step changed: retargets, waves, and ends. Progress within a target is a column.
fn events(before: &Rollout, after: &Rollout, at: Timestamp) -> Vec<Event> {
    let event = |action, subject, detail| Event { at, actor: Actor::Hub, action, subject, detail };
    let number = after.number;
    let mut events = Vec::new();
    for (old, new) in before.targets().zip(after.targets()) {
        let subject = || format!("cluster/{}", new.name);
        if let (None, Some(delivery)) = (old.state.delivery(), new.state.delivery()) {
            let detail = json!({ "rollout": number, "generation": delivery.generation, "plan": new.plan });
            events.push(event("target.set", subject(), detail));
        }
        if let (None, Some(_)) = (old.state.ended_at(), new.state.ended_at()) {
            let detail =
                json!({ "rollout": number, "state": new.state.name(), "reason": new.state.reason() });
            events.push(event("rollout.target_ended", subject(), detail));
        }
    }
    let subject = || format!("rollout/{number}");
    if let (true, Some(wave)) = (before.open_wave() != after.open_wave(), after.open_wave()) {
        let detail = json!({ "wave": wave + 1, "name": after.waves[wave].name });
        events.push(event("rollout.wave_opened", subject(), detail));
    }
    match after.state {
        RolloutState::Running => {}
        RolloutState::Succeeded { .. } => events.push(event("rollout.succeeded", subject(), json!({}))),
        RolloutState::Failed { wave, .. } => {
            events.push(event(
                "rollout.failed",
                subject(),
                json!({ "wave": wave, "reason": after.reason() }),
            ));
        }
    }
    events
}

fn log(before: &Rollout, after: &Rollout) {
    for (old, new) in before.targets().zip(after.targets()) {
        if old.state.name() != new.state.name() {
            info!(
                rollout.id = after.number,
                cluster.name = %new.name,
                generation = new.state.delivery().map(|delivery| delivery.generation),
                reason = new.state.reason(),
                "{} is {} in rollout {}",
                new.name,
                new.state.name(),
                after.number,
            );
        }
    }
    match after.state {
        RolloutState::Running => {}
        RolloutState::Succeeded { .. } => {
            info!(rollout.id = after.number, "rollout {} succeeded", after.number)
        }
        RolloutState::Failed { .. } => {
            info!(rollout.id = after.number, reason = after.reason(), "rollout {} failed", after.number);
        }
    }
}
