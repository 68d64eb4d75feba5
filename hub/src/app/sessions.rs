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
    /// Why a session must end that goes by this key of this enrolment, if it must. Pure. A key that was renewed since ends
    /// nothing: its session goes on until the spoke attaches by the new one, or until the certificate's end.
    fn of(standing: &Standing, (public_key, enrolment): (Digest, u64)) -> Option<Self> {
        match standing.goes_by {
            None => Some(Self::Detached),
            Some((key, of)) if key != public_key && of != enrolment => Some(Self::KeyReplaced),
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
    /// The key, and the enrolment that it is of.
    goes_by: (Digest, u64),
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
            if let Some(cut) = Cut::of(standing, holding.goes_by) {
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
    let (name, changed, enrolment) = match store::clusters::lock_attaching(&mut tx, cluster, said).await? {
        Some(found) if found.public_key == public_key => (found.name, found.changed, found.enrolment),
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
    app.held.hold(session, Holding { cluster, goes_by: (public_key, enrolment), cut: cut.clone() });
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

    fn check(newest: bool, goes_by: Option<(&[u8], u64)>, expected: Option<Cut>) {
        let goes_by = goes_by.map(|(key, enrolment)| (Digest::of(key), enrolment));
        let standing = Standing { session: Uuid::nil(), newest, goes_by };
        assert_eq!(Cut::of(&standing, (Digest::of(b"mine"), 1)), expected);
    }

    #[test]
    fn a_session_ends_when_its_key_or_its_place_is_another_s() {
        check(true, Some((b"mine", 1)), None);
        check(false, Some((b"mine", 1)), Some(Cut::Replaced));
        check(true, Some((b"other", 2)), Some(Cut::KeyReplaced));
        check(false, Some((b"other", 2)), Some(Cut::KeyReplaced));
        // The same key with a new token.
        check(true, Some((b"mine", 2)), None);
        // Renewed.
        check(true, Some((b"other", 1)), None);
        check(false, Some((b"other", 1)), Some(Cut::Replaced));
        check(false, None, Some(Cut::Detached));
    }

    #[test]
    fn only_those_that_must_are_cut_and_those_that_nobody_runs_are_forgotten() {
        let held = Held::default();
        let receivers: Vec<_> = (1..=3_u128)
            .map(|number| {
                let (cut, receiver) = watch::channel(None);
                let cluster = ClusterId(Uuid::from_u128(number));
                held.hold(Uuid::from_u128(number), Holding { cluster, goes_by: (Digest::of(b"k"), 1), cut });
                receiver
            })
            .collect();
        let standing = |number, newest| Standing {
            session: Uuid::from_u128(number),
            newest,
            goes_by: Some((Digest::of(b"k"), 1)),
        };
        held.cut(&[standing(1, true), standing(2, false), standing(9, false)]);
        let cuts: Vec<Option<Cut>> = receivers.iter().map(|receiver| *receiver.borrow()).collect();
        assert_eq!(cuts, [None, Some(Cut::Replaced), None]);
        assert_eq!(held.list().len(), 3);
        drop(receivers);
        assert!(held.list().is_empty());
    }
}
