//! Probes: what exists in the cluster, what an apply would change there, and whether the rights for it are there. It only
//! reads.
//!
//! A hub asks before it plans, also before it ever sent a target. Secrets are not asked about: an answer to "what would
//! differ" would tell their values.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use serde_json::Value;

use crate::{
    apply::keeping_mark,
    cluster::{self, Cluster},
    document::ObjectId,
    dry_run, floor,
    inventory::{Inventory, Role},
    owned,
    report::shortened,
    rights,
};

/// Most objects in a question.
pub const MAX_OBJECTS: usize = 500;

/// Most bytes of manifests in a question.
pub const MAX_BYTES: usize = 1024 * 1024;

/// Most paths that are told of one object, and their longest. With the most objects an answer stays below half of what a
/// message may hold.
const MAX_PATHS: usize = 20;
const MAX_PATH_BYTES: usize = 150;

/// Longest reason why something is not known: some API servers answer with whole objects.
const MAX_REASON_BYTES: usize = 500;

/// Requests at a time: a question must not crowd out the cluster's own work.
const AT_A_TIME: usize = 8;

/// How long a question may take as a whole. What is not known then is told as not known.
const WITHIN: Duration = Duration::from_secs(10);

/// What a hub wants to know.
#[derive(Debug, Clone)]
pub struct Question {
    /// Its name.
    pub id: String,
    /// About which objects.
    pub objects: Vec<Asked>,
    /// About which rights.
    pub rights: Vec<rights::Needed>,
}

/// One object that is asked about.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Which.
    pub id: ObjectId,
    /// What would be applied; empty if only existence is asked.
    pub manifest: Vec<u8>,
}

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its name.
    pub id: String,
    /// In the order of the question.
    pub objects: Vec<State>,
    /// Likewise.
    pub rights: Vec<rights::Right>,
}

/// What is known of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Which.
    pub id: ObjectId,
    /// What was found, or why that is not known.
    pub found: Result<Option<Found>, String>,
}

/// An object that exists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Its uid.
    pub uid: String,
    /// Whether it is in the inventory, as more than a place for fields of ours.
    pub ours: bool,
    /// Who holds fields of it.
    pub managers: BTreeSet<String>,
    /// What an apply would change.
    pub differs: Vec<String>,
    /// Why the latter is not known; else empty.
    pub error: String,
}

/// Answers a question.
pub async fn answer(cluster: &Cluster, inventory: &Inventory, question: Question) -> Answer {
    let Question { id, objects, rights } = question;
    let (objects, rights) = tokio::join!(looks(cluster, inventory, objects), rights::look(cluster, rights));
    Answer { id, objects, rights }
}

async fn looks(cluster: &Cluster, inventory: &Inventory, objects: Vec<Asked>) -> Vec<State> {
    let by = Instant::now() + WITHIN;
    stream::iter(objects)
        .map(|asked| async move {
            let id = asked.id.clone();
            let found = tokio::time::timeout_at(by.into(), look(cluster, inventory, asked)).await;
            let late = || Err(format!("not known within {} s", WITHIN.as_secs()));
            let found = found.unwrap_or_else(|_| late());
            State { id, found: found.map_err(|why| shortened(&why, MAX_REASON_BYTES)) }
        })
        .buffered(AT_A_TIME)
        .collect()
        .await
}

async fn look(cluster: &Cluster, inventory: &Inventory, asked: Asked) -> Result<Option<Found>, String> {
    let Asked { id, manifest } = asked;
    if id.kind == "Secret" {
        return Err("secrets are not asked about".to_owned());
    }
    let live = match cluster.get(&id).await {
        // A kind that is not served has no objects.
        Err(cluster::Error::NotServed { .. }) => None,
        found => found.map_err(|error| crate::chain(&error))?,
    };
    let Some(live) = live else { return Ok(None) };
    let uid = live["metadata"]["uid"].as_str().unwrap_or_default();
    let ours = inventory.get(&id).is_some_and(|entry| entry.uid == uid && entry.role != Role::Addition);
    let managers = owned::managers(&live).map(|manager| manager.name.to_owned()).collect();
    let found = Found { uid: uid.to_owned(), ours, managers, ..Found::default() };
    if manifest.is_empty() {
        return Ok(Some(found));
    }
    Ok(Some(match differs(cluster, &id, &manifest, &live).await {
        Ok(differs) => Found { differs, ..found },
        Err(error) => Found { error: shortened(&error, MAX_REASON_BYTES), ..found },
    }))
}

async fn differs(
    cluster: &Cluster,
    id: &ObjectId,
    manifest: &[u8],
    live: &Value,
) -> Result<Vec<String>, String> {
    let manifest: Value =
        serde_json::from_slice(manifest).map_err(|_| "its manifest is no JSON".to_owned())?;
    if let Some(what) = floor::mistaken(id, &manifest) {
        return Err(what);
    }
    let manifest = keeping_mark(manifest, live);
    let changes =
        dry_run::changes(cluster, id, manifest, live).await.map_err(|error| crate::chain(&error))?;
    Ok(changes.iter().take(MAX_PATHS).map(|path| shortened(&path.to_string(), MAX_PATH_BYTES)).collect())
}
