//! What people do with a rollout that runs.

use hub_core::{fleet::ClusterId, rollout::Rollout};
use jiff::Timestamp;
use serde_json::json;

use super::events;
use crate::{
    app::{App, Error, operators::Operator},
    store::{
        self,
        audit::{self, Actor, Event},
    },
};

/// What is to be done with a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Start no further target.
    Pause,
    /// Go on.
    Resume,
    /// End it.
    Abort,
}

impl Verb {
    fn apply(self, rollout: Rollout, at: Timestamp) -> Result<Rollout, hub_core::rollout::WrongState> {
        match self {
            Self::Pause => rollout.pause(),
            Self::Resume => rollout.resume(),
            Self::Abort => rollout.abort(at),
        }
    }

    fn action(self) -> &'static str {
        match self {
            Self::Pause => "rollout.paused",
            Self::Resume => "rollout.resumed",
            Self::Abort => "rollout.aborted",
        }
    }
}

/// Does it, with the reason that was given, which may be empty. Safe to repeat: what is so already stays so, without an
/// event.
pub async fn order(app: &App, by: &Operator, number: u64, (verb, reason): (Verb, &str)) -> Result<(), Error> {
    let at = app.clock.now();
    let mut tx = app.begin().await?;
    let stored = store::rollouts::lock(&mut tx, number).await?.ok_or(Error::RolloutNotFound(number))?;
    let after = verb.apply(stored.rollout.clone(), at)?;
    if !store::rollouts::save(&mut tx, &stored.rollout, &after).await? {
        return Ok(());
    }
    let ordered = Event {
        at,
        actor: Actor::Operator(by.id),
        action: verb.action(),
        subject: format!("rollout/{number}"),
        detail: json!({ "reason": reason }),
    };
    audit::record(&mut tx, ordered).await?;
    let ids: Vec<ClusterId> = after.targets().map(|target| target.cluster).collect();
    let seen = super::clusters_seen(&mut tx, &ids, at).await?;
    audit::record_all(&mut tx, &events((&stored.rollout, &after), (&stored.aim, &seen), at)).await?;
    if !after.state.is_live() {
        store::holds::release(&mut tx, number).await?;
    }
    store::commit(tx).await?;
    app.signals.rollouts.wake();
    Ok(())
}
