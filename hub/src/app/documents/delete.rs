//! Documents that are forgotten: all, or none and every reason against it.

use std::collections::BTreeSet;

use hub_core::{
    document::{self, Kind, Mistake, Source},
    fleet::Name,
};
use jiff::Timestamp;
use serde_json::json;
use sqlx::PgConnection;

use super::{App, AppliedDocument, Effect, Error, lock_order};
use crate::{
    app::{error::DeleteRefusal, operators::Operator},
    store::{
        self,
        audit::{self, Actor, Event},
        clusters::ClusterState,
    },
};

/// What became of documents that were to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deleted {
    /// All are forgotten.
    Done(Vec<AppliedDocument>),
    /// The files that name them cannot be read.
    Mistakes(Vec<Mistake>),
}

/// Forgets the documents that stand in files: their kinds and names are what counts.
pub async fn delete_files(app: &App, by: &Operator, sources: &[Source]) -> Result<Deleted, Error> {
    let documents = match document::parse(sources) {
        Ok(documents) => documents,
        Err(mistakes) => return Ok(Deleted::Mistakes(mistakes)),
    };
    let names: Vec<(Kind, Name)> =
        documents.into_iter().map(|document| (document.kind(), document.name)).collect();
    delete(app, by, &names).await.map(Deleted::Done)
}

/// Forgets documents. One that is named twice counts once.
pub async fn delete(
    app: &App,
    by: &Operator,
    documents: &[(Kind, Name)],
) -> Result<Vec<AppliedDocument>, Error> {
    let at = app.clock.now();
    let mut tx = app.begin().await?;
    let (mut deleted, mut refusals) = (Vec::new(), Vec::new());
    let mut ordered: Vec<&(Kind, Name)> = documents.iter().collect::<BTreeSet<_>>().into_iter().collect();
    ordered.sort_by_key(|(kind, name)| lock_order(*kind, name));
    for (kind, name) in ordered {
        let against = forget(&mut tx, (*kind, name), at).await?;
        if against.is_empty() {
            record(&mut tx, (*kind, name), (by, at)).await?;
            let document = AppliedDocument {
                kind: kind.as_str(),
                name: name.clone(),
                effect: Effect::Deleted,
                version: None,
            };
            deleted.push(document);
        }
        refusals.extend(against);
    }
    if !refusals.is_empty() {
        return Err(Error::DeleteRefused(refusals));
    }
    store::commit(tx).await?;
    app.signals.plans.wake();
    Ok(deleted)
}

/// Forgets one document, or says all that stands against it.
async fn forget(
    tx: &mut PgConnection,
    (kind, name): (Kind, &Name),
    at: Timestamp,
) -> Result<Vec<DeleteRefusal>, store::Error> {
    match kind {
        Kind::Cluster => forget_cluster(tx, name).await,
        Kind::MeshConfig => forget_config(tx, name, at).await,
        Kind::RolloutStrategy if store::documents::forget_strategy(tx, name).await? => Ok(Vec::new()),
        // What it said stands in the targets until the next rollout of each.
        Kind::DriftPolicy if store::policies::forget(tx, name).await? => Ok(Vec::new()),
        Kind::RolloutStrategy | Kind::DriftPolicy => {
            Ok(vec![DeleteRefusal::NotFound { kind, name: name.clone() }])
        }
    }
}

async fn forget_cluster(tx: &mut PgConnection, name: &Name) -> Result<Vec<DeleteRefusal>, store::Error> {
    let Some(stored) = store::clusters::lock_named(tx, name).await? else {
        return Ok(vec![DeleteRefusal::NotFound { kind: Kind::Cluster, name: name.clone() }]);
    };
    let id = stored.cluster.id;
    let holders = store::holds::holders(tx, &[id]).await?;
    let mut against = Vec::new();
    if stored.state == ClusterState::Active {
        against.push(DeleteRefusal::ClusterActive { cluster: name.clone() });
    }
    if let Some(rollout) = holders.get(&id) {
        against.push(DeleteRefusal::ClusterHeld { cluster: name.clone(), rollout: *rollout });
    }
    if against.is_empty() {
        store::documents::forget_cluster(tx, id).await?;
    }
    Ok(against)
}

async fn forget_config(
    tx: &mut PgConnection,
    name: &Name,
    at: Timestamp,
) -> Result<Vec<DeleteRefusal>, store::Error> {
    if !store::configs::lock_to_delete(tx, name).await? {
        return Ok(vec![DeleteRefusal::NotFound { kind: Kind::MeshConfig, name: name.clone() }]);
    }
    let runs = store::origins::clusters_of(tx, name).await?;
    let rollouts = store::rollouts::live_of(tx, name).await?;
    let mut against = Vec::new();
    if !runs.is_empty() {
        let clusters = runs.into_iter().map(|(_, cluster)| cluster).collect();
        against.push(DeleteRefusal::ConfigRuns { config: name.clone(), clusters });
    }
    let rolling = |rollout| DeleteRefusal::ConfigRolling { config: name.clone(), rollout };
    against.extend(rollouts.into_iter().map(rolling));
    if against.is_empty() {
        store::configs::delete(tx, name, at).await?;
    }
    Ok(against)
}

async fn record(
    tx: &mut PgConnection,
    (kind, name): (Kind, &Name),
    (by, at): (&Operator, Timestamp),
) -> Result<(), store::Error> {
    let (action, subject) = match kind {
        Kind::Cluster => ("cluster.deleted", "cluster"),
        Kind::MeshConfig => ("config.deleted", "config"),
        Kind::RolloutStrategy => ("strategy.deleted", "strategy"),
        Kind::DriftPolicy => ("policy.deleted", "policy"),
    };
    let actor = Actor::Operator(by.id);
    let event = Event { at, actor, action, subject: format!("{subject}/{name}"), detail: json!({}) };
    audit::record(tx, event).await
}
