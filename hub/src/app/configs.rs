//! Mesh configs by name, with all their versions.

use hub_core::{
    config::{self, path},
    digest,
    document::{self, Change},
    fleet::Name,
};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::PgConnection;

use super::{App, Error};
use crate::store::{self, configs::Published};

/// A config at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// Its name.
    pub name: Name,
    /// Number of its newest version.
    pub newest: u64,
    /// Clusters that it selects now.
    pub selects: Vec<Name>,
    /// How many clusters have a target of its newest version.
    pub running_newest: usize,
    /// Name of who published the newest version.
    pub published_by: String,
    /// When.
    pub published_at: Timestamp,
}

/// All configs, by name.
pub async fn list(app: &App) -> Result<Vec<Overview>, Error> {
    let mut tx = app.begin().await?;
    let outlines = super::readable(store::clusters::outlines(&mut tx).await?);
    let mut overviews = Vec::new();
    for config in store::configs::newest(&mut tx).await? {
        let runs = store::origins::clusters_of(&mut tx, &config.name).await?;
        let (published_by, published_at) =
            store::configs::publisher(&mut tx, &config.name, config.number).await?;
        let selects = outlines.iter().map(|outline| &outline.cluster);
        let selects =
            selects.filter(|cluster| config.config.clusters.matches(&cluster.name, &cluster.labels));
        overviews.push(Overview {
            newest: config.number,
            selects: selects.map(|cluster| cluster.name.clone()).collect(),
            running_newest: runs.iter().filter(|(version, _)| *version == config.number).count(),
            published_by,
            published_at,
            name: config.name,
        });
    }
    Ok(overviews)
}

/// A version of a config, as written or as it holds for one cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Number of the version.
    pub version: u64,
    /// Canonical JSON of the document, or of the effective base; defaults are written out.
    pub document: Vec<u8>,
    /// Only for one cluster.
    pub leaves: Vec<EffectiveLeaf>,
    /// Name of who published it.
    pub published_by: String,
    /// When.
    pub published_at: Timestamp,
}

/// A value that holds for a cluster, and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectiveLeaf {
    /// For example `istio.version`.
    pub path: String,
    /// The value.
    pub value: Value,
    /// `base`, the name of a layer, or `default`.
    pub layer: String,
    /// The file and the line; none where that is not known.
    pub line: Option<(String, u32)>,
}

/// One version; none means the newest. With a cluster: what holds for it.
pub async fn show(
    app: &App,
    name: &Name,
    version: Option<u64>,
    cluster: Option<&Name>,
) -> Result<Shown, Error> {
    let mut tx = app.begin().await?;
    let published = find(&mut tx, name, version).await?;
    let mut shown = Shown {
        version: published.version.number,
        document: published.document.clone(),
        leaves: Vec::new(),
        published_by: published.by.clone(),
        published_at: published.at,
    };
    if let Some(cluster) = cluster {
        (shown.document, shown.leaves) = for_cluster(&mut tx, &published, cluster).await?;
    }
    Ok(shown)
}

async fn find(tx: &mut PgConnection, name: &Name, version: Option<u64>) -> Result<Published, Error> {
    let versions = store::configs::versions(tx, name).await?;
    let newest = versions.first().ok_or_else(|| Error::ConfigNotFound(name.clone()))?.version.number;
    let number = version.unwrap_or(newest);
    let found = versions.into_iter().find(|published| published.version.number == number);
    found.ok_or_else(|| Error::VersionNotFound(name.clone(), number))
}

async fn for_cluster(
    tx: &mut PgConnection,
    published: &Published,
    cluster: &Name,
) -> Result<(Vec<u8>, Vec<EffectiveLeaf>), Error> {
    let found = store::clusters::find(tx, cluster).await?;
    let cluster = found.ok_or_else(|| Error::ClusterNotFound(cluster.to_string()))?.cluster;
    let version = &published.version;
    if !version.config.clusters.matches(&cluster.name, &cluster.labels) {
        return Err(Error::NotSelected { config: version.name.clone(), cluster: cluster.name });
    }
    let effective = config::effective(&version.config, &cluster).map_err(|problems| Error::NotEffective {
        config: version.name.clone(),
        cluster: cluster.name.clone(),
        problems,
    })?;
    let base = effective.base.json();
    let mut values = std::collections::BTreeMap::new();
    path::leaves(&base, "", &mut values);
    let leaves = effective.origins.iter().filter_map(|(path, origin)| {
        let place = version.source.place(origin);
        Some(EffectiveLeaf {
            path: path.clone(),
            value: (*values.get(path)?).clone(),
            layer: place.layer.to_owned(),
            line: place.line.map(|(file, line)| (file.to_owned(), line)),
        })
    });
    Ok((digest::canonical(&base), leaves.collect()))
}

/// A version among the others of its config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Its number.
    pub version: u64,
    /// Name of who published it.
    pub published_by: String,
    /// When.
    pub published_at: Timestamp,
    /// How many leaves differ from the version before.
    pub changes: usize,
    /// Clusters whose target stands for it.
    pub clusters: Vec<Name>,
}

/// All versions, newest first.
pub async fn history(app: &App, name: &Name) -> Result<Vec<HistoryEntry>, Error> {
    let mut tx = app.begin().await?;
    let versions = store::configs::versions(&mut tx, name).await?;
    if versions.is_empty() {
        return Err(Error::ConfigNotFound(name.clone()));
    }
    let runs = store::origins::clusters_of(&mut tx, name).await?;
    let texts: Vec<Value> = versions.iter().map(|published| read(&published.document)).collect();
    let nothing = Value::Object(serde_json::Map::new());
    let before = texts.iter().skip(1).chain([&nothing]);
    let entries = versions.iter().zip(texts.iter().zip(before)).map(|(published, (text, before))| {
        let number = published.version.number;
        let of_it = runs.iter().filter(|(version, _)| *version == number);
        HistoryEntry {
            version: number,
            published_by: published.by.clone(),
            published_at: published.at,
            changes: document::changes(before, text).len(),
            clusters: of_it.map(|(_, cluster)| cluster.clone()).collect(),
        }
    });
    Ok(entries.collect())
}

/// What one version says differently from another.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionDiff {
    /// The number of the old one.
    pub from: u64,
    /// The number of the new one.
    pub to: u64,
    /// The leaves that differ.
    pub changes: Vec<Change>,
}

/// Compares two versions; `to: None` means the newest.
pub async fn diff(app: &App, name: &Name, from: u64, to: Option<u64>) -> Result<VersionDiff, Error> {
    let mut tx = app.begin().await?;
    let old = find(&mut tx, name, Some(from)).await?;
    let new = find(&mut tx, name, to).await?;
    let changes = document::changes(&read(&old.document), &read(&new.document));
    Ok(VersionDiff { from, to: new.version.number, changes })
}

/// The store has read it as a document before.
fn read(document: &[u8]) -> Value {
    serde_json::from_slice(document).unwrap_or(Value::Null)
}
