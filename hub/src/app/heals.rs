//! Healing one difference because a person asks for it. The hub that holds the spoke's session tells the wish and stores
//! the answer; whoever asked waits for the row, wherever it is written.

use std::time::Duration;

use hub_core::{
    drift::{DriftItem, HealAnswer, HealQuestion, HealRequest},
    fleet::{ClusterId, Name},
    rollout::Presence,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sqlx::PgConnection;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::{App, Error, error::HealRefusal, operators::Operator};
use crate::store::{
    self,
    audit::{self, Actor, Event},
    clusters::ClusterState,
    heals::NewRequest,
};

/// How long an answer is waited for: a spoke looks and writes once, and another hub may need two seconds to see the wish.
const ANSWERED_WITHIN: Duration = Duration::from_secs(15);

/// How long a wish is told to a spoke, also if the hub that took it is gone. A heal that comes later than a person
/// waits for it comes as a surprise.
const TOLD_FOR: SignedDuration = SignedDuration::from_secs(30);

/// How often the answer is looked for where no signal comes: another hub's cannot.
const POLL: Duration = Duration::from_millis(250);

/// From when on wishes are still told.
#[must_use]
pub fn told_since(now: Timestamp) -> Timestamp {
    now.saturating_sub(TOLD_FOR).unwrap_or(Timestamp::MIN)
}

/// What a person wishes.
#[derive(Debug, Clone)]
pub struct Wish {
    /// In which cluster.
    pub cluster: Name,
    /// Number of the difference.
    pub item: u64,
    /// Whether only what would be done is asked.
    pub dry_run: bool,
    /// Why; may be empty.
    pub reason: String,
}

/// What came of a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The difference, as it was when the wish was made.
    pub item: DriftItem,
    /// What the spoke says.
    pub answer: HealAnswer,
}

/// Has a spoke heal one difference, and waits for its answer. Only what the person saw is healed: a value that changed
/// since is left alone.
pub async fn heal(app: &App, by: &Operator, wish: &Wish) -> Result<Granted, Error> {
    let mut answered = app.signals.probes.listen();
    let deadline = Instant::now() + ANSWERED_WITHIN;
    let (cluster, id, item) = ask(app, by, wish).await?;
    app.signals.wake_cluster(cluster);
    loop {
        answered.mark_unchanged();
        let mut tx = app.begin().await?;
        if let Some(answer) = store::heals::find_answer(&mut tx, id).await? {
            return Ok(Granted { item, answer });
        }
        if Instant::now() >= deadline {
            if store::heals::withdraw(&mut tx, id, app.clock.now()).await? {
                store::commit(tx).await?;
                let cluster = wish.cluster.clone();
                return Err(HealRefusal::NoAnswer { cluster, within: ANSWERED_WITHIN }.into());
            }
            continue;
        }
        drop(tx);
        // A lost signal costs one poll; that nobody sends any more cannot be.
        let _ = timeout_at(deadline.min(Instant::now() + POLL), answered.changed()).await;
    }
}

/// Stores the wish with its audit event, if nothing stands against it.
async fn ask(app: &App, by: &Operator, wish: &Wish) -> Result<(ClusterId, Uuid, DriftItem), Error> {
    let now = app.clock.now();
    let mut tx = app.begin().await?;
    let found = store::clusters::find(&mut tx, &wish.cluster).await?;
    let stored = found.ok_or_else(|| Error::ClusterNotFound(wish.cluster.to_string()))?;
    if stored.state == ClusterState::Detached {
        return Err(Error::Detached(wish.cluster.clone()));
    }
    let cluster = stored.cluster.id;
    let refusal = |why: HealRefusal| Err(why.into());
    let Some(numbered) = store::drift::find(&mut tx, cluster, wish.item).await? else {
        return refusal(HealRefusal::NoItem { cluster: wish.cluster.clone(), item: wish.item });
    };
    let item = numbered.open.item;
    let Some(class) = item.class.heal() else {
        return refusal(HealRefusal::NotOurs { item: wish.item, class: item.class });
    };
    if let Some(away) = presence(app, &mut tx, cluster).await?.away() {
        return refusal(HealRefusal::Away { cluster: wish.cluster.clone(), away });
    }
    // The item says under which generation it was new; its spoke looked since.
    let head = store::drift::head(&mut tx, cluster).await?;
    let question = HealQuestion {
        generation: head.map_or(0, |head| head.generation),
        object: item.id.clone(),
        uid: item.uid.clone(),
        path: item.path.clone(),
        class,
        found: item.found_digest,
    };
    let request = HealRequest { id: Uuid::now_v7(), question, dry_run: wish.dry_run };
    let new = NewRequest { cluster, item: numbered.row, request: &request, reason: &wish.reason, by: by.id };
    store::heals::ask(&mut tx, new, now).await?;
    // A question changes nothing.
    if !wish.dry_run {
        audit::record(&mut tx, asked(by, wish, &request, now)).await?;
    }
    store::commit(tx).await?;
    Ok((cluster, request.id, item))
}

async fn presence(app: &App, tx: &mut PgConnection, cluster: ClusterId) -> Result<Presence, store::Error> {
    let known = super::readable(store::seen::load(tx, &[cluster], app.clock.now()).await?);
    let presence = known.into_iter().next().map(|known| known.seen.presence);
    Ok(presence.unwrap_or(Presence::Away { since: None }))
}

fn asked(by: &Operator, wish: &Wish, request: &HealRequest, at: Timestamp) -> Event {
    let HealRequest { id, question, dry_run: _ } = request;
    Event {
        at,
        actor: Actor::Operator(by.id),
        action: "drift.heal_asked",
        subject: format!("cluster/{}", wish.cluster),
        detail: json!({
            "heal": id, "item": wish.item, "reason": wish.reason, "object": question.object, "uid": question.uid,
            "path": question.path, "class": question.class, "generation": question.generation,
            "foundDigest": question.found,
        }),
    }
}

/// Stores what a spoke says to a wish. Safe to repeat; an answer to a wish that was answered is dropped.
pub async fn answered(app: &App, cluster: ClusterId, id: Uuid, answer: &HealAnswer) -> Result<(), Error> {
    let now = app.clock.now();
    let mut tx = app.begin().await?;
    let Some(answered) = store::heals::answer(&mut tx, cluster, (id, answer), now).await? else {
        return Ok(());
    };
    if !answered.dry_run {
        let event = Event {
            at: now,
            actor: Actor::Spoke,
            action: "drift.heal_answered",
            subject: format!("cluster/{}", answered.cluster),
            detail: json!({ "heal": id, "result": answer.result, "message": answer.message }),
        };
        audit::record(&mut tx, event).await?;
    }
    store::commit(tx).await?;
    app.signals.probes.wake();
    Ok(())
}
