//! Sessions of spokes: what a spoke says of itself when it attaches, and whether it is still there.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use hub_core::{
    digest::Digest,
    fleet::{ClusterId, Facts, Name},
    report::Fence,
};
use tokio::sync::watch;
use uuid::Uuid;

use super::{App, Error};
use crate::{
    fail_point,
    store::{self, sessions::Standing},
};

/// What a spoke says first.
#[derive(Debug, Clone)]
pub struct Hello {
    /// Version of the spoke.
    pub spoke_version: String,
    /// What it last accepted; none before its first target.
    pub fence: Option<Fence>,
    /// uid of the namespace kube-system.
    pub kube_system_uid: String,
    /// What it saw of its cluster.
    pub facts: Facts,
}

/// A session that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// Its identity; a newer session of the same cluster replaces it.
    pub session: Uuid,
    /// The cluster's name.
    pub cluster: Name,
}

/// Heartbeats since the last flush. They are kept in memory and stored in one statement for all, because a commit for
/// each would cost more than everything else that an idle fleet does.
#[derive(Debug, Clone, Default)]
pub struct Heartbeats(Arc<Mutex<BTreeSet<Uuid>>>);

impl Heartbeats {
    /// Notes that a session was heard.
    pub fn heard(&self, session: Uuid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(session);
    }

    /// Takes all that were noted.
    #[must_use]
    pub fn take(&self) -> BTreeSet<Uuid> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Why a session that is open must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Cut {
    /// The spoke attached anew, perhaps to another hub.
    #[error("a newer session of this cluster replaced this one")]
    Replaced,
    /// The cluster was enrolled anew.
    #[error("the cluster was enrolled anew with another key")]
    KeyReplaced,
    /// Its membership was ended.
    #[error("the cluster was detached from the fleet")]
    Detached,
}

impl Cut {
    /// Why a session must end that goes by `public_key`, if it must. Pure.
    fn of(standing: &Standing, public_key: Digest) -> Option<Self> {
        match standing.public_key {
            None => Some(Self::Detached),
            Some(key) if key != public_key => Some(Self::KeyReplaced),
            Some(_) if !standing.newest => Some(Self::Replaced),
            Some(_) => None,
        }
    }
}

/// The sessions that this process holds. Another hub may admit the same spoke, enrol its cluster anew, or detach it; the
/// database knows, and is asked for all of them at once.
#[derive(Debug, Clone, Default)]
pub struct Held(Arc<Mutex<HashMap<Uuid, Holding>>>);

#[derive(Debug)]
struct Holding {
    cluster: ClusterId,
    public_key: Digest,
    cut: watch::Sender<Option<Cut>>,
}

impl Held {
    fn hold(&self, session: Uuid, holding: Holding) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(session, holding);
    }

    /// All that somebody still listens to; forgets the others.
    fn list(&self) -> Vec<(Uuid, ClusterId)> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, holding| !holding.cut.is_closed());
        held.iter().map(|(session, holding)| (*session, holding.cluster)).collect()
    }

    /// Ends those that must.
    fn cut(&self, standings: &[Standing]) {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for standing in standings {
            let Some(holding) = held.get(&standing.session) else { continue };
            if let Some(cut) = Cut::of(standing, holding.public_key) {
                holding.cut.send_replace(Some(cut));
            }
        }
    }
}

/// Opens a session: stores its fence and facts. Safe to repeat. The key is looked at once more: the cluster may have been
/// enrolled anew since its spoke was let in. `cut` is told once the session must end.
pub async fn attach(
    app: &App,
    cluster: ClusterId,
    public_key: Digest,
    (hello, cut): (&Hello, &watch::Sender<Option<Cut>>),
) -> Result<Attached, Error> {
    let now = app.clock.now();
    let session = Uuid::now_v7();
    let mut tx = app.begin().await?;
    let said = (hello.kube_system_uid.as_str(), &hello.facts);
    let (name, changed) = match store::clusters::lock_attaching(&mut tx, cluster, said).await? {
        Some(found) if found.public_key == public_key => (found.name, found.changed),
        Some(found) => return Err(Error::KeyReplaced(found.name)),
        None => return Err(Error::ClusterNotFound(cluster.to_string())),
    };
    store::sessions::open(&mut tx, cluster, (session, &hello.spoke_version), now).await?;
    let mut new_facts = false;
    if changed {
        store::clusters::save_kube_system_uid(&mut tx, cluster, &hello.kube_system_uid).await?;
        new_facts = store::clusters::save_facts(&mut tx, cluster, &hello.facts).await?;
    }
    let new_fence = match hello.fence.filter(|fence| fence.generation > 0) {
        Some(fence) => store::acceptance::save(&mut tx, cluster, &fence, now).await?,
        None => store::acceptance::clear(&mut tx, cluster).await?,
    };
    store::commit_of(fail_point::SESSION, tx).await?;
    if new_facts || new_fence {
        app.signals.plans.wake();
    }
    app.held.hold(session, Holding { cluster, public_key, cut: cut.clone() });
    app.signals.rollouts.wake();
    Ok(Attached { session, cluster: name })
}

/// Notes that a session is alive. Costs no database work here.
pub fn heartbeat(app: &App, session: Uuid) {
    app.heartbeats.heard(session);
}

/// Closes a session, unless a newer one of the same cluster replaced it.
pub async fn detach(app: &App, cluster: ClusterId, session: Uuid) -> Result<(), Error> {
    let mut tx = app.begin().await?;
    store::sessions::close(&mut tx, cluster, session, app.clock.now()).await?;
    store::commit(tx).await?;
    app.signals.rollouts.wake();
    Ok(())
}

/// Stores the heartbeats that were heard since the last time, all in one statement.
pub async fn flush(app: &App) -> Result<(), Error> {
    let heard: Vec<Uuid> = app.heartbeats.take().into_iter().collect();
    if heard.is_empty() {
        return Ok(());
    }
    let mut tx = app.begin().await?;
    store::sessions::heard(&mut tx, &heard, app.clock.now()).await?;
    store::commit_of(fail_point::HEARTBEATS, tx).await?;
    Ok(())
}

/// Ends the sessions of this process that the database does not know as such any more.
pub async fn cut_former(app: &App) -> Result<(), Error> {
    let held = app.held.list();
    if held.is_empty() {
        return Ok(());
    }
    let mut tx = app.begin().await?;
    app.held.cut(&store::sessions::standings(&mut tx, &held).await?);
    Ok(())
}

/// Stores facts. The same facts again write nothing.
pub async fn facts(app: &App, cluster: ClusterId, facts: &Facts) -> Result<(), Error> {
    let mut tx = app.begin().await?;
    if store::clusters::save_facts(&mut tx, cluster, facts).await? {
        store::commit(tx).await?;
        app.signals.plans.wake();
        app.signals.rollouts.wake();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(newest: bool, key: Option<&[u8]>, expected: Option<Cut>) {
        let standing = Standing { session: Uuid::nil(), newest, public_key: key.map(Digest::of) };
        assert_eq!(Cut::of(&standing, Digest::of(b"mine")), expected);
    }

    #[test]
    fn a_session_ends_when_its_key_or_its_place_is_another_s() {
        check(true, Some(b"mine"), None);
        check(false, Some(b"mine"), Some(Cut::Replaced));
        check(true, Some(b"other"), Some(Cut::KeyReplaced));
        check(false, Some(b"other"), Some(Cut::KeyReplaced));
        check(false, None, Some(Cut::Detached));
    }

    #[test]
    fn only_those_that_must_are_cut_and_those_that_nobody_runs_are_forgotten() {
        let held = Held::default();
        let receivers: Vec<_> = (1..=3_u128)
            .map(|number| {
                let (cut, receiver) = watch::channel(None);
                let cluster = ClusterId(Uuid::from_u128(number));
                held.hold(Uuid::from_u128(number), Holding { cluster, public_key: Digest::of(b"k"), cut });
                receiver
            })
            .collect();
        let standing = |number, newest| Standing {
            session: Uuid::from_u128(number),
            newest,
            public_key: Some(Digest::of(b"k")),
        };
        held.cut(&[standing(1, true), standing(2, false), standing(9, false)]);
        let cuts: Vec<Option<Cut>> = receivers.iter().map(|receiver| *receiver.borrow()).collect();
        assert_eq!(cuts, [None, Some(Cut::Replaced), None]);
        assert_eq!(held.list().len(), 3);
        drop(receivers);
        assert!(held.list().is_empty());
    }
}
