//! What spokes report of their targets and of drift. Reports are levels: the newest says everything, and the same one
//! again writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use hub_core::{
    digest::{self, Digest},
    drift::{self, DriftItem, DriftState, HealEntry},
    fleet::ClusterId,
    plan::ObjectId,
    report::{Fence, ObjectState, Refusal, Report},
};
use jiff::Timestamp;
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{App, Error};
use crate::{
    fail_point,
    store::{self, drift::Open},
};

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// It is stored.
    Stored,
    /// It says what was known already.
    Unchanged,
    /// It is of an older generation than one that was reported already, or of one that was never sent: dropped.
    Stale,
}

impl Saved {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Unchanged => "unchanged",
            Self::Stale => "stale",
        }
    }
}

/// The spoke persisted a target. Safe to repeat.
pub async fn accepted(
    app: &App,
    cluster: ClusterId,
    epoch: u64,
    target: (u64, Digest),
) -> Result<Saved, Error> {
    let (generation, target) = target;
    let mut tx = app.begin().await?;
    store::clusters::lock(&mut tx, cluster).await?;
    let known = store::standing::load(&mut tx, cluster).await?;
    let older = known.fence.is_some_and(|fence| fence.generation > generation);
    if older || generation == 0 || generation > known.newest() {
        return Ok(Saved::Stale);
    }
    let completed = known.fence.map_or(0, |fence| fence.completed);
    let fence = Fence { epoch, generation, target, completed };
    if known.fence == Some(fence) {
        return Ok(Saved::Unchanged);
    }
    store::acceptance::save(&mut tx, cluster, &fence, app.clock.now()).await?;
    if known.refused {
        store::acceptance::clear_refusal(&mut tx, cluster).await?;
    }
    store::commit_of(fail_point::ACCEPTANCE, tx).await?;
    app.signals.rollouts.wake();
    Ok(Saved::Stored)
}

/// The spoke will not apply a target. Safe to repeat.
pub async fn refused(app: &App, cluster: ClusterId, refusal: &Refusal) -> Result<Saved, Error> {
    let mut tx = app.begin().await?;
    let newest = store::targets::find(&mut tx, cluster).await?.map(|target| target.generation);
    if newest != Some(refusal.generation) {
        return Ok(Saved::Stale);
    }
    if !store::acceptance::save_refusal(&mut tx, cluster, refusal, app.clock.now()).await? {
        return Ok(Saved::Unchanged);
    }
    store::commit(tx).await?;
    app.signals.rollouts.wake();
    Ok(Saved::Stored)
}

/// Stores the state of a target, as `session` heard it. What a hub still had in hand when its session was replaced is
/// older than what the newer session says, and dropped. Without a session it is nobody's, and not held against any.
pub async fn save(
    app: &App,
    cluster: ClusterId,
    session: Option<Uuid>,
    report: &Report,
) -> Result<Saved, Error> {
    let digest = Digest::of(&digest::canonical(&json!(report)));
    let now = app.clock.now();
    let mut tx = app.begin().await?;
    store::clusters::lock(&mut tx, cluster).await?;
    let standing = store::standing::load(&mut tx, cluster).await?;
    if session.is_some() && standing.session != session {
        return Ok(Saved::Stale);
    }
    let is_sent = standing.target.is_some_and(|(generation, digest)| {
        let is_newest = report.generation == generation && report.target == digest;
        is_newest || report.generation < generation
    });
    // Of a spoke that is ahead of the database it is known only by this what it holds.
    let is_known = is_sent || {
        let held = standing.fence.map(|fence| (fence.generation, fence.target));
        held == Some((report.generation, report.target))
    };
    let known = standing.report;
    let is_older = known.as_ref().is_some_and(|known| report.generation < known.generation);
    if !is_known || is_older || report.generation == 0 || report.completed > report.generation {
        return Ok(Saved::Stale);
    }
    if known.is_some_and(|known| known.digest == digest) {
        return Ok(Saved::Unchanged);
    }
    store::reports::save(&mut tx, cluster, (report, digest), now).await?;
    save_objects(&mut tx, cluster, &report.objects).await?;
    store::commit_of(fail_point::REPORT, tx).await?;
    app.signals.rollouts.wake();
    Ok(Saved::Stored)
}

/// Writes only the objects that changed: most reports say something new of one.
async fn save_objects(
    tx: &mut PgConnection,
    cluster: ClusterId,
    objects: &[ObjectState],
) -> Result<(), store::Error> {
    let known = store::reports::objects(tx, cluster).await?;
    let reported: BTreeSet<_> = objects.iter().map(|object| object.id.identity()).collect();
    let gone = known.iter().filter(|old| !reported.contains(&old.id.identity()));
    let gone: Vec<&ObjectId> = gone.map(|old| &old.id).collect();
    store::reports::forget_objects(tx, cluster, &gone).await?;
    let known: BTreeMap<_, _> = known.iter().map(|object| (object.id.identity(), object)).collect();
    // The last of two that are the same object counts, as if they were stored one after the other.
    let newest: BTreeMap<_, _> = objects.iter().map(|object| (object.id.identity(), object)).collect();
    let changed = newest.into_iter().filter(|(id, new)| known.get(id) != Some(new));
    let changed: Vec<&ObjectState> = changed.map(|(_, new)| new).collect();
    store::reports::save_objects(tx, cluster, &changed).await
}

/// Stores everything that differs now; what is not among `items` is resolved. What the spoke healed is stored too, whatever
/// becomes of the items: it happened. Durable when this returns.
pub async fn save_drift(
    app: &App,
    cluster: ClusterId,
    generation: u64,
    (items, heals): (&[DriftItem], &[HealEntry]),
) -> Result<Saved, Error> {
    let now = app.clock.now();
    let mut tx = app.begin().await?;
    store::clusters::lock(&mut tx, cluster).await?;
    let healed = store::heals::save(&mut tx, cluster, heals, now).await?;
    let saved = save_items(&mut tx, cluster, (generation, items), now).await?;
    if saved == Saved::Stored || healed > 0 {
        store::commit_of(fail_point::DRIFT, tx).await?;
    }
    Ok(saved)
}

async fn save_items(
    tx: &mut PgConnection,
    cluster: ClusterId,
    (generation, items): (u64, &[DriftItem]),
    now: Timestamp,
) -> Result<Saved, store::Error> {
    let head = store::drift::Head { generation, digest: Digest::of(&digest::canonical(&json!(items))) };
    let known = store::drift::head(tx, cluster).await?;
    let newest = store::targets::find(tx, cluster).await?.map_or(0, |target| target.generation);
    // A spoke that is ahead of the database says under its own generation what differs.
    let is_known = generation <= newest || {
        let fence = store::acceptance::find(tx, cluster).await?;
        fence.is_some_and(|fence| fence.generation == generation)
    };
    if !is_known || known.is_some_and(|known| generation < known.generation) {
        return Ok(Saved::Stale);
    }
    if known == Some(head) {
        return Ok(Saved::Unchanged);
    }
    let open = store::drift::open(tx, Some(cluster)).await?;
    let open_items: Vec<DriftItem> = open.iter().map(|numbered| numbered.open.item.clone()).collect();
    let changes = drift::merge(&open_items, items);
    for item in &changes.seen {
        store::drift::insert(tx, cluster, (item, generation), now).await?;
    }
    for (index, item) in &changes.changed {
        store::drift::update(tx, open[*index].row, (item, generation), now).await?;
    }
    let resolved: Vec<i64> = changes.resolved.iter().map(|index| open[*index].row).collect();
    store::drift::resolve(tx, &resolved, now).await?;
    let newest: BTreeMap<_, _> = items.iter().map(|item| (item.key(), item.state)).collect();
    let of = |state| newest.values().filter(|one| **one == state).count();
    let still_open = Open {
        items: open.len() + changes.seen.len() - resolved.len(),
        healing: of(DriftState::Healing),
        fighting: of(DriftState::Fighting),
    };
    store::drift::save_head(tx, cluster, (head, still_open), now).await?;
    Ok(Saved::Stored)
}
