//! What storing documents would change, leaf by leaf. Stores nothing.

use hub_core::{
    document::{self, Change, Document, Kind, Mistake, Source},
    fleet::Name,
};
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::{App, Effect, Error};
use crate::store;

/// What came of the documents.
#[derive(Debug, Clone, PartialEq)]
pub enum Diffed {
    /// What each would change.
    Diffs(Vec<DocumentDiff>),
    /// They cannot be read.
    Mistakes(Vec<Mistake>),
}

/// What storing one document would change.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentDiff {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: Name,
    /// What it would change.
    pub effect: Effect,
    /// The version that a MeshConfig would have; none for other kinds.
    pub version: Option<u64>,
    /// The leaves that differ.
    pub changes: Vec<Change>,
}

/// Compares documents with what is stored.
pub async fn diff(app: &App, sources: &[Source]) -> Result<Diffed, Error> {
    let documents = match document::parse(sources) {
        Ok(documents) => documents,
        Err(mistakes) => return Ok(Diffed::Mistakes(mistakes)),
    };
    let mut tx = app.begin().await?;
    let mut diffs = Vec::new();
    for document in &documents {
        let present = present(&mut tx, document).await?;
        diffs.push(compare(document, present));
    }
    Ok(Diffed::Diffs(diffs))
}

/// What is stored under a document's name.
struct Present {
    /// None for a cluster that enrolment made, and for a config that was deleted.
    text: Option<Vec<u8>>,
    /// The number that the newest version of a config has.
    version: Option<u64>,
    is_known: bool,
}

async fn present(tx: &mut PgConnection, document: &Document) -> Result<Present, store::Error> {
    let (kind, name) = (document.kind(), &document.name);
    let text = store::documents::list(tx, Some(kind), Some(name)).await?.pop().map(|stored| stored.document);
    let is_known = match kind {
        Kind::Cluster => store::clusters::find_named(tx, name).await?.is_some(),
        Kind::MeshConfig | Kind::RolloutStrategy | Kind::DriftPolicy => text.is_some(),
    };
    let version = match kind {
        Kind::MeshConfig => Some(store::configs::last_number(tx, name).await?),
        Kind::Cluster | Kind::RolloutStrategy | Kind::DriftPolicy => None,
    };
    Ok(Present { text, version, is_known })
}

/// Pure.
fn compare(document: &Document, present: Present) -> DocumentDiff {
    let effect = match present.text.as_ref() {
        Some(text) if *text == document.canonical => Effect::Unchanged,
        Some(_) => Effect::Configured,
        None if present.is_known => Effect::Configured,
        None => Effect::Created,
    };
    let read = |text: &[u8]| serde_json::from_slice(text).unwrap_or(Value::Null);
    let old = present.text.as_deref().map_or(json!({}), read);
    let next = u64::from(effect != Effect::Unchanged);
    DocumentDiff {
        kind: document.kind(),
        name: document.name.clone(),
        effect,
        version: present.version.map(|version| version + next),
        changes: document::changes(&old, &read(&document.canonical)),
    }
}
