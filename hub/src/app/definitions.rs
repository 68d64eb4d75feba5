//! Schemas of custom resources: asked of one spoke for the whole fleet, kept read in memory, and put beside the facts that
//! name them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use hub_core::{
    digest::Digest,
    fleet::{Cluster, Facts, Schemas},
    schema::Schema,
};
use sqlx::PgConnection;

use super::{App, Error};
use crate::{store, telemetry};

/// Most schemas that are kept: a fleet has a few for each release of its operators. A spoke that makes up others must not
/// fill memory and database.
const MOST: usize = 2_000;

/// Schemas that this process knows, and those that its sessions are asking for.
#[derive(Debug, Clone, Default)]
pub struct Definitions(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    known: BTreeMap<Digest, Arc<Schema>>,
    /// Who asks; nobody any more, once its session is over.
    asked: BTreeMap<Digest, Weak<Asker>>,
}

/// A session, as one that asks for schemas. What it asked for is asked of another when it ends.
#[derive(Debug, Default)]
pub struct Asker;

/// What is not known of the schemas that facts name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lacking {
    /// This session is to ask for them.
    pub ask: Vec<Digest>,
    /// Another session asks for them: it may end before it is answered.
    pub awaited: BTreeSet<Digest>,
}

impl Definitions {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unknown(&self, digests: impl IntoIterator<Item = Digest>) -> BTreeSet<Digest> {
        let inner = self.lock();
        digests.into_iter().filter(|digest| !inner.known.contains_key(digest)).collect()
    }

    fn learn(&self, schemas: impl IntoIterator<Item = Arc<Schema>>) {
        let mut inner = self.lock();
        for schema in schemas {
            inner.asked.remove(&schema.digest());
            inner.known.insert(schema.digest(), schema);
        }
    }

    fn of(&self, facts: &Facts) -> Schemas {
        let inner = self.lock();
        facts.schemas.iter().filter_map(|named| inner.known.get(&named.digest).cloned()).collect()
    }

    /// Puts the schemas beside the facts that name them.
    pub async fn fill<'a>(
        &self,
        conn: &mut PgConnection,
        clusters: impl IntoIterator<Item = &'a mut Cluster>,
    ) -> Result<(), store::Error> {
        let clusters: Vec<&mut Cluster> = clusters.into_iter().collect();
        let facts = clusters.iter().filter_map(|cluster| cluster.facts.as_ref());
        let named = facts.flat_map(|facts| facts.schemas.iter().map(|named| named.digest));
        self.read(conn, self.unknown(named)).await?;
        for cluster in clusters {
            if let Some(facts) = &cluster.facts {
                cluster.schemas = self.of(facts);
            }
        }
        Ok(())
    }

    /// Reads those that are stored.
    async fn read(&self, conn: &mut PgConnection, unknown: BTreeSet<Digest>) -> Result<(), store::Error> {
        if unknown.is_empty() {
            return Ok(());
        }
        let unknown: Vec<Digest> = unknown.into_iter().collect();
        let stored = store::definitions::load(conn, &unknown).await?;
        self.learn(stored.iter().filter_map(|bytes| match Schema::parse(bytes) {
            Ok(schema) => Some(Arc::new(schema)),
            Err(error) => {
                let error = telemetry::chain(&error);
                tracing::error!(error, "a stored schema cannot be read and is passed over");
                None
            }
        }));
        Ok(())
    }

    /// Divides what is not known into what this session asks for and what others do.
    fn claim(&self, unknown: BTreeSet<Digest>, asker: &Arc<Asker>) -> Lacking {
        let mut inner = self.lock();
        let mut lacking = Lacking::default();
        for digest in unknown {
            let other = inner.asked.get(&digest).and_then(Weak::upgrade);
            match other.filter(|other| !Arc::ptr_eq(other, asker)) {
                Some(_) => drop(lacking.awaited.insert(digest)),
                None if inner.known.len() + inner.asked.len() < MOST || inner.asked.contains_key(&digest) => {
                    inner.asked.insert(digest, Arc::downgrade(asker));
                    lacking.ask.push(digest);
                }
                None => {
                    tracing::warn!(%digest, "there are too many schemas of custom resources: one is not asked for")
                }
            }
        }
        lacking
    }
}

/// Which of some schemas a session is to ask its spoke for. Costs no query where all are known.
pub async fn lacking(
    app: &App,
    named: impl IntoIterator<Item = Digest>,
    asker: &Arc<Asker>,
) -> Result<Lacking, Error> {
    let named: BTreeSet<Digest> = named.into_iter().collect();
    let unknown = app.definitions.unknown(named.iter().copied());
    if unknown.is_empty() {
        return Ok(Lacking::default());
    }
    // Another hub may have asked.
    let mut tx = app.begin().await?;
    app.definitions.read(&mut tx, unknown).await?;
    Ok(app.definitions.claim(app.definitions.unknown(named), asker))
}

/// Stores what a spoke told, and lets all be planned anew that have it.
pub async fn told(app: &App, schema: &Arc<Schema>, bytes: &[u8]) -> Result<(), Error> {
    let mut tx = app.begin().await?;
    let is_new = store::definitions::save(&mut tx, schema.digest(), bytes, app.clock.now()).await?;
    store::commit(tx).await?;
    app.definitions.learn([Arc::clone(schema)]);
    if is_new {
        tracing::info!(digest = %schema.digest(), "a schema of a custom resource is known");
        app.signals.plans.wake();
        app.signals.rollouts.wake();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_session_asks_and_another_once_that_one_is_over() {
        let definitions = Definitions::default();
        let (first, second) = (Arc::new(Asker), Arc::new(Asker));
        let digest = Digest::of(b"{}");
        let ask = || Lacking { ask: vec![digest], awaited: BTreeSet::new() };
        let wait = || Lacking { ask: Vec::new(), awaited: [digest].into() };
        assert_eq!(definitions.claim([digest].into(), &first), ask());
        assert_eq!(definitions.claim([digest].into(), &second), wait());
        assert_eq!(definitions.claim([digest].into(), &first), ask());
        drop(first);
        assert_eq!(definitions.claim([digest].into(), &second), ask());
        let schema = Schema::parse(b"{}").unwrap();
        definitions.learn([Arc::new(schema)]);
        assert!(definitions.unknown([digest]).is_empty());
    }
}
