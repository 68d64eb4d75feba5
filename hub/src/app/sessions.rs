//! Sessions of spokes: what a spoke says of itself when it attaches, and whether it is still there.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use hub_core::{
    digest::Digest,
    fleet::{ClusterId, Facts, Name},
    report::Fence,
};
use uuid::Uuid;

use super::{App, Error};
use crate::store;

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

/// Opens a session: stores its fence and facts. Safe to repeat. The key is looked at once more: the cluster may have been
/// enrolled anew since its spoke was let in.
pub async fn attach(
    app: &App,
    cluster: ClusterId,
    public_key: Digest,
    hello: &Hello,
) -> Result<Attached, Error> {
    let now = app.clock.now();
    let session = Uuid::now_v7();
    let mut tx = app.begin().await?;
    store::clusters::lock(&mut tx, cluster).await?;
    let name = match store::clusters::find_key(&mut tx, cluster).await? {
        Some((name, key)) if key == public_key => name,
        Some((name, _)) => return Err(Error::KeyReplaced(name)),
        None => return Err(Error::ClusterNotFound(cluster.to_string())),
    };
    store::sessions::open(&mut tx, cluster, (session, &hello.spoke_version), now).await?;
    store::clusters::save_kube_system_uid(&mut tx, cluster, &hello.kube_system_uid).await?;
    let new_facts = store::clusters::save_facts(&mut tx, cluster, &hello.facts).await?;
    let new_fence = match hello.fence.filter(|fence| fence.generation > 0) {
        Some(fence) => store::acceptance::save(&mut tx, cluster, &fence, now).await?,
        None => store::acceptance::clear(&mut tx, cluster).await?,
    };
    if new_facts || new_fence {
        store::commit(tx).await?;
        app.signals.plans.wake();
    } else {
        store::commit_presence(tx).await?;
    }
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
    store::commit_presence(tx).await?;
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
    store::commit_presence(tx).await?;
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
