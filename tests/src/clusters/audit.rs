//! Reads an API server's audit log: the proof of who made, changed and deleted what.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::Value;

const MUTATIONS: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];

/// One request that the API server has answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Who asked, such as `system:serviceaccount:NAMESPACE:NAME`.
    pub user: String,
    /// What the program called itself.
    pub user_agent: String,
    /// `create`, `update`, `patch`, `delete`, `get`, and so on.
    pub verb: String,
    /// API group, empty for the core one.
    pub group: String,
    /// Plural name of the kind.
    pub resource: String,
    /// Such as `status`; empty for the object itself.
    pub subresource: String,
    /// Empty for objects of the whole cluster.
    pub namespace: String,
    /// Also when the API server made the name up.
    pub name: String,
    /// The object's uid, where the log knows it.
    pub object_uid: Option<String>,
    /// Path and query.
    pub request_uri: String,
    /// What was sent. None for reads, secrets and definitions.
    pub request_body: Option<Value>,
    /// HTTP status.
    pub response_code: u16,
    /// When it was answered.
    pub answered_at: Timestamp,
}

impl Entry {
    /// True if the request was meant to leave a trace: not a read, not a dry run, and not a question that the API has
    /// asked as a creation, such as which rights one has.
    pub fn mutates(&self) -> bool {
        MUTATIONS.contains(&self.verb.as_str())
            && self.query("dryRun").is_none()
            && self.group != "authorization.k8s.io"
    }

    /// True if the API server did as asked.
    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.response_code)
    }

    /// The field manager that the request named itself.
    pub fn field_manager(&self) -> Option<&str> {
        self.query("fieldManager")
    }

    fn query(&self, key: &str) -> Option<&str> {
        let (_, query) = self.request_uri.split_once('?')?;
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }
}

/// The audit log of one control plane.
///
/// The API server writes an entry about when it answers, so an entry may be
/// missing for a moment after its request: wait with [`super::wait::until`].
#[derive(Debug, Clone)]
pub struct AuditLog {
    path: PathBuf,
}

impl AuditLog {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// All entries so far, oldest first.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let log =
            fs::read_to_string(&self.path).with_context(|| format!("reading {}", self.path.display()))?;
        // Without its line end, the last line is still being written.
        let complete = log.rfind('\n').map_or("", |end| &log[..end]);
        complete.lines().map(parse).filter_map(Result::transpose).collect()
    }

    /// The changes that `user` made and the API server accepted, oldest first.
    pub fn mutations_by(&self, user: &str) -> Result<Vec<Entry>> {
        self.select(|entry| entry.user == user && entry.mutates() && entry.succeeded())
    }

    /// What `user` was not allowed to do, oldest first.
    pub fn forbidden_to(&self, user: &str) -> Result<Vec<Entry>> {
        self.select(|entry| entry.user == user && entry.response_code == 403)
    }

    /// Who created the object; None if the log does not say.
    pub fn creator(&self, resource: &str, namespace: &str, name: &str) -> Result<Option<String>> {
        let first = self.select(|entry| {
            let named = (entry.resource.as_str(), entry.namespace.as_str(), entry.name.as_str());
            named == (resource, namespace, name) && entry.subresource.is_empty() && entry.response_code == 201
        })?;
        Ok(first.into_iter().next().map(|entry| entry.user))
    }

    fn select(&self, wanted: impl Fn(&Entry) -> bool) -> Result<Vec<Entry>> {
        Ok(self.entries()?.into_iter().filter(wanted).collect())
    }
}

/// None for stages other than the complete answer.
fn parse(line: &str) -> Result<Option<Entry>> {
    let event: Value = serde_json::from_str(line).context("reading a line of the audit log")?;
    if event["stage"] != "ResponseComplete" {
        return Ok(None);
    }
    let text = |path: &str| event.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let field = |path: &str| text(path).unwrap_or_default();
    Ok(Some(Entry {
        user: field("/user/username"),
        user_agent: field("/userAgent"),
        verb: field("/verb"),
        group: field("/objectRef/apiGroup"),
        resource: field("/objectRef/resource"),
        subresource: field("/objectRef/subresource"),
        namespace: field("/objectRef/namespace"),
        name: text("/objectRef/name").or_else(|| text("/responseObject/metadata/name")).unwrap_or_default(),
        object_uid: text("/responseObject/metadata/uid").or_else(|| text("/objectRef/uid")),
        request_uri: field("/requestURI"),
        request_body: event.get("requestObject").cloned(),
        response_code: event.pointer("/responseStatus/code").and_then(Value::as_u64).unwrap_or(0) as u16,
        answered_at: field("/stageTimestamp").parse().context("reading when a request was answered")?,
    }))
}
