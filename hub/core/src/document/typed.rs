//! From a tree to a typed document, and from stored bytes back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    API_VERSION, ClusterSpec, Document, Kind, Spec, kinds, lines,
    mistake::{Mistakes, file_name, quote},
    secret,
    tree::{Entry, Node, Position, Value},
    walk::Walk,
};
use crate::{
    config::SourceMap,
    digest,
    fleet::{Labels, Name},
    platform::PlatformName,
};

/// A document as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored<S> {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: S,
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    name: Name,
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    labels: Labels,
}

/// `spec` of a `Cluster`: its labels stand in `metadata`.
#[derive(Serialize, Deserialize)]
struct ClusterFields {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    platform: Option<PlatformName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    network: Option<Name>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    variables: BTreeMap<String, String>,
}

/// Stored bytes that are no document of this release.
#[derive(Debug, thiserror::Error)]
#[error("cannot read a stored document")]
pub struct Unreadable(#[from] serde_json::Error);

/// The document that a tree holds. Its mistakes are found even if the file has others; it becomes typed only if the file
/// has none.
pub(super) fn document(file: &str, tree: &Node, mistakes: &mut Mistakes<'_>) -> Option<Document> {
    let kind = envelope(tree, mistakes)?;
    let mut json = Walk::of(kinds::schema(kind), mistakes).document(tree);
    if mistakes.count() > 0 {
        return None;
    }
    if let Some(fields) = json.as_object_mut() {
        // Where the schema lets the whole spec be left out, it lets all of its fields be left out.
        fields.entry("spec").or_insert_with(|| serde_json::json!({}));
    }
    match typed(kind, json) {
        Ok((name, spec, canonical)) => {
            let source = SourceMap { file: file_name(file), lines: lines::of(tree) };
            Some(Document { file: file_name(file), line: tree.at.line, name, spec, canonical, source })
        }
        Err(error) => {
            let hint = "this is a bug of the hub: please report it";
            mistakes.add(tree.at, "", format!("cannot be read as a {kind}: {error}"), hint);
            None
        }
    }
}

/// Kind of a document, its name as it is written, and where the name stands.
pub(super) fn identity(tree: &Node) -> Option<((Kind, &str), Position)> {
    let kind = known_kind(tree)?;
    let (at, name) = scalar(&entry(tree, "metadata")?.value, "name")?;
    Some(((kind, name), at))
}

/// Reads [`Document::canonical`] back.
pub fn read_stored(canonical: &[u8]) -> Result<(Name, Spec), Unreadable> {
    #[derive(Deserialize)]
    struct Head {
        kind: String,
    }
    let head: Head = serde_json::from_slice(canonical)?;
    let unknown =
        || <serde_json::Error as serde::de::Error>::custom("a kind that this release does not know");
    let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == head.kind).ok_or_else(unknown)?;
    let (name, spec, _) = typed(kind, serde_json::from_slice(canonical)?)?;
    Ok((name, spec))
}

/// The kind of a document of ours. Where it is not known, the mistakes of what all kinds share are said.
fn envelope(tree: &Node, mistakes: &mut Mistakes<'_>) -> Option<Kind> {
    match &tree.value {
        Value::Map(_) => {}
        Value::Refused => return None,
        Value::Scalar { .. } | Value::List(_) => {
            let hint = "a document is a map with apiVersion, kind, metadata and spec";
            mistakes.add(tree.at, "", "not a document", hint);
            return None;
        }
    }
    if let Some((at, "Secret")) = scalar(tree, "kind") {
        mistakes.add(at, "kind", secret::MESSAGE, secret::HINT);
        return None;
    }
    if let Some((at, version)) = scalar(tree, "apiVersion").filter(|(_, version)| *version != API_VERSION) {
        let hint = format!("write `apiVersion: {API_VERSION}`; other documents are not for meshfleet");
        mistakes.add(at, "apiVersion", format!("unknown version of documents {}", quote(version)), hint);
        return None;
    }
    let known = known_kind(tree);
    if known.is_none() {
        Walk::of(&kinds::ENVELOPE, mistakes).document(tree);
    }
    known
}

fn known_kind(tree: &Node) -> Option<Kind> {
    let (_, word) = scalar(tree, "kind")?;
    Kind::ALL.into_iter().find(|kind| kind.as_str() == word)
}

fn entry<'a>(node: &'a Node, name: &str) -> Option<&'a Entry> {
    match &node.value {
        Value::Map(entries) => entries.iter().find(|entry| entry.key == name),
        Value::Scalar { .. } | Value::List(_) | Value::Refused => None,
    }
}

fn scalar<'a>(node: &'a Node, name: &str) -> Option<(Position, &'a str)> {
    let node = &entry(node, name)?.value;
    match &node.value {
        Value::Scalar { text, .. } => Some((node.at, text)),
        Value::List(_) | Value::Map(_) | Value::Refused => None,
    }
}

fn typed(kind: Kind, json: serde_json::Value) -> Result<(Name, Spec, Vec<u8>), serde_json::Error> {
    match kind {
        Kind::Cluster => {
            let (stored, canonical) = seal::<ClusterFields>(json)?;
            let ClusterFields { platform, network, variables } = stored.spec;
            let spec = ClusterSpec { labels: stored.metadata.labels, platform, network, variables };
            Ok((stored.metadata.name, Spec::Cluster(spec), canonical))
        }
        Kind::MeshConfig => {
            let (stored, canonical) = seal(json)?;
            Ok((stored.metadata.name, Spec::MeshConfig(stored.spec), canonical))
        }
        Kind::RolloutStrategy => {
            let (stored, canonical) = seal(json)?;
            Ok((stored.metadata.name, Spec::RolloutStrategy(stored.spec), canonical))
        }
        Kind::DriftPolicy => {
            let (stored, canonical) = seal(json)?;
            Ok((stored.metadata.name, Spec::DriftPolicy(stored.spec), canonical))
        }
    }
}

/// The typed document, and its canonical bytes with defaults written out.
fn seal<S: DeserializeOwned + Serialize>(
    json: serde_json::Value,
) -> Result<(Stored<S>, Vec<u8>), serde_json::Error> {
    let stored: Stored<S> = serde_json::from_value(json)?;
    let canonical = digest::canonical(&serde_json::to_value(&stored)?);
    Ok((stored, canonical))
}
