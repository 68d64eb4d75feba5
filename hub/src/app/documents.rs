//! Documents in and out: all are stored or forgotten, or none and every reason against it is said.

mod delete;
mod diff;

pub use delete::{Deleted, delete, delete_files};
pub use diff::{Diffed, DocumentDiff, diff};

use hub_core::{
    document::{self, ClusterSpec, Document, Kind, Mistake, Source, Spec},
    fleet::{Cluster, ClusterId, Name},
};
use jiff::Timestamp;
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{App, Error, operators::Operator};
pub use crate::store::documents::StoredDocument;
use crate::{
    fail_point,
    store::{
        self,
        audit::{self, Actor, Event},
        configs::Publish,
    },
};

/// What became of the documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// All are stored.
    Stored(Vec<AppliedDocument>),
    /// Nothing is stored.
    Mistakes(Vec<Mistake>),
}

/// One stored document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedDocument {
    /// For example `MeshConfig`.
    pub kind: &'static str,
    /// Its name.
    pub name: Name,
    /// What it changed.
    pub effect: Effect,
    /// Version of a MeshConfig; none for other kinds.
    pub version: Option<u64>,
}

/// What storing a document changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It is new.
    Created,
    /// It replaces another text.
    Configured,
    /// The same text is there already: nothing was written.
    Unchanged,
    /// It is forgotten.
    Deleted,
}

/// Stored documents by kind and name; none of either means all.
pub async fn get(app: &App, kind: Option<Kind>, name: Option<&Name>) -> Result<Vec<StoredDocument>, Error> {
    let mut tx = app.begin().await?;
    let found = store::documents::list(&mut tx, kind, name).await?;
    match name {
        Some(name) if found.is_empty() => Err(Error::DocumentNotFound { kind, name: name.clone() }),
        Some(_) | None => Ok(found),
    }
}

/// Reads and stores documents. Mistakes are an answer, not an error.
pub async fn apply(app: &App, by: &Operator, sources: &[Source]) -> Result<Applied, Error> {
    let documents = match document::parse(sources) {
        Ok(documents) => documents,
        Err(mistakes) => return Ok(Applied::Mistakes(mistakes)),
    };
    let author = Author { id: by.id, at: app.clock.now() };
    let mut tx = app.begin().await?;
    let mut applied = Vec::new();
    let mut ordered: Vec<(usize, &Document)> = documents.iter().enumerate().collect();
    ordered.sort_by_key(|(_, document)| lock_order(document.kind(), &document.name));
    for (index, document) in ordered {
        let (effect, version) = author.store(&mut tx, document).await?;
        let kind = document.kind().as_str();
        applied.push((index, AppliedDocument { kind, name: document.name.clone(), effect, version }));
    }
    applied.sort_unstable_by_key(|(index, _)| *index);
    let applied: Vec<AppliedDocument> = applied.into_iter().map(|(_, document)| document).collect();
    if applied.iter().all(|document| document.effect == Effect::Unchanged) {
        return Ok(Applied::Stored(applied));
    }
    store::commit_of(fail_point::DOCUMENTS, tx).await?;
    app.signals.plans.wake();
    Ok(Applied::Stored(applied))
}

/// Each document locks what it changes; who stores or forgets several must not wait in a circle for another who does, nor
/// for a rollout that starts: that holds its config first and then its clusters, by name.
fn lock_order(kind: Kind, name: &Name) -> (bool, Kind, &Name) {
    (kind == Kind::Cluster, kind, name)
}

/// Who writes documents, and when.
struct Author {
    id: Uuid,
    at: Timestamp,
}

impl Author {
    async fn store(
        &self,
        tx: &mut PgConnection,
        document: &Document,
    ) -> Result<(Effect, Option<u64>), store::Error> {
        let (effect, version) = match &document.spec {
            Spec::Cluster(spec) => (self.store_cluster(tx, document, spec).await?, None),
            Spec::RolloutStrategy(_) => (self.store_strategy(tx, document).await?, None),
            Spec::DriftPolicy(_) => (self.store_policy(tx, document).await?, None),
            Spec::MeshConfig(_) => {
                let (effect, version) = self.publish(tx, document).await?;
                (effect, Some(version))
            }
        };
        if effect != Effect::Unchanged {
            self.record(tx, document, version).await?;
        }
        Ok((effect, version))
    }

    async fn store_cluster(
        &self,
        tx: &mut PgConnection,
        document: &Document,
        spec: &ClusterSpec,
    ) -> Result<Effect, store::Error> {
        let id = ClusterId(Uuid::now_v7());
        let is_new = store::clusters::ensure(tx, id, &document.name, self.at).await? == id;
        let Some(stored) = store::clusters::lock_named(tx, &document.name).await? else {
            return Ok(Effect::Unchanged);
        };
        if stored.document.as_deref() == Some(&document.canonical) {
            return Ok(Effect::Unchanged);
        }
        let cluster = Cluster {
            labels: spec.labels.clone(),
            declared: spec.platform,
            network: spec.network.clone(),
            variables: spec.variables.clone(),
            ..stored.cluster
        };
        store::clusters::save_document(tx, &cluster, &document.canonical).await?;
        store::documents::sign_cluster(tx, &document.name, (self.id, self.at)).await?;
        // One that enrolment made was there before its document.
        Ok(if is_new { Effect::Created } else { Effect::Configured })
    }

    async fn store_strategy(
        &self,
        tx: &mut PgConnection,
        document: &Document,
    ) -> Result<Effect, store::Error> {
        let known = store::strategies::find(tx, &document.name).await?;
        let effect = match known {
            Some((_, text)) if text == document.canonical => return Ok(Effect::Unchanged),
            Some(_) => Effect::Configured,
            None => Effect::Created,
        };
        store::strategies::save(tx, &document.name, &document.canonical, (self.id, self.at)).await?;
        Ok(effect)
    }

    async fn store_policy(&self, tx: &mut PgConnection, document: &Document) -> Result<Effect, store::Error> {
        let effect = match store::policies::text(tx, &document.name).await? {
            Some(text) if text == document.canonical => return Ok(Effect::Unchanged),
            Some(_) => Effect::Configured,
            None => Effect::Created,
        };
        store::policies::save(tx, &document.name, &document.canonical, (self.id, self.at)).await?;
        Ok(effect)
    }

    /// Publishes a new version, unless the newest says the same already. Two that publish at once come one after the
    /// other.
    async fn publish(
        &self,
        tx: &mut PgConnection,
        document: &Document,
    ) -> Result<(Effect, u64), store::Error> {
        loop {
            let newest = store::configs::lock(tx, &document.name).await?;
            let (seen, effect) = match newest {
                // A config that comes back goes on with its numbers.
                Some(newest) if newest.is_deleted => (newest.number, Effect::Created),
                Some(newest) if newest.document == document.canonical => {
                    return Ok((Effect::Unchanged, newest.number));
                }
                Some(newest) => (newest.number, Effect::Configured),
                None => (0, Effect::Created),
            };
            let publish = Publish {
                name: &document.name,
                seen,
                document: &document.canonical,
                source: &document.source,
                by: self.id,
                at: self.at,
            };
            if let Some(number) = store::configs::publish(tx, &publish).await? {
                return Ok((effect, number));
            }
        }
    }

    async fn record(
        &self,
        tx: &mut PgConnection,
        document: &Document,
        version: Option<u64>,
    ) -> Result<(), store::Error> {
        let (action, subject) = match &document.spec {
            Spec::Cluster(_) => ("cluster.configured", "cluster"),
            Spec::MeshConfig(_) => ("config.published", "config"),
            Spec::RolloutStrategy(_) => ("strategy.configured", "strategy"),
            Spec::DriftPolicy(_) => ("policy.configured", "policy"),
        };
        let event = Event {
            at: self.at,
            actor: Actor::Operator(self.id),
            action,
            subject: format!("{subject}/{}", document.name),
            detail: json!({ "version": version }),
        };
        audit::record(tx, event).await
    }
}
