//! The API server as the spoke uses it: objects by id, every request bounded, every failure classified in one place.
//!
//! Reading only. Writes are requests that are built elsewhere and sent by [`crate::writes`].

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kube::{
    Api, Client,
    api::ListParams,
    core::{DynamicObject, GroupVersionKind, Status},
    discovery::{self, ApiResource, Scope},
    runtime::watcher,
};
use serde_json::Value;

use crate::document::ObjectId;

/// Longest time for one request. A write that took longer could outlive the Lease it was sent under, see
/// [`crate::lease`].
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(8);

/// What can go wrong between the spoke and the API server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kind is not served: its definition is not there, or not yet.
    #[error("the API server does not serve {kind} of {api_version}")]
    NotServed {
        /// Group and version.
        api_version: String,
        /// Kind.
        kind: String,
    },
    /// The API server answered with a refusal.
    #[error("the API server refused ({code}): {message}", code = .0.code, message = .0.message)]
    Refused(Box<Status>),
    /// No answer in time. Whether a write was done is not known.
    #[error("the API server did not answer within {} s", REQUEST_TIMEOUT.as_secs())]
    TimedOut,
    /// It could not be asked at all.
    #[error("cannot reach the API server")]
    Unreachable(#[source] Box<kube::Error>),
    /// What came back is not what was asked for.
    #[error("cannot read the API server's answer")]
    Unreadable(#[source] serde_json::Error),
}

/// When to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// At once: the object changed under our hands, look again.
    Now,
    /// After this time.
    After(Duration),
    /// Never: the same request will be refused again.
    Never,
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused(status),
            kube::Error::SerdeError(source) => Self::Unreadable(source),
            other => Self::Unreachable(Box::new(other)),
        }
    }
}

impl From<watcher::Error> for Error {
    /// A watch's error in the words of every other request's: the library prints whole answers.
    fn from(error: watcher::Error) -> Self {
        match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => error.into(),
            watcher::Error::WatchError(status) => Self::Refused(status),
            error @ watcher::Error::NoResourceVersion => kube::Error::Service(error.into()).into(),
        }
    }
}

impl Error {
    /// The only place that says what is worth trying again.
    #[must_use]
    pub fn retry(&self) -> Retry {
        const SOON: Retry = Retry::After(Duration::from_secs(1));
        match self {
            Self::NotServed { .. } => Retry::After(Duration::from_secs(2)),
            Self::TimedOut | Self::Unreachable(_) => SOON,
            Self::Unreadable(_) => Retry::Never,
            Self::Refused(status) => match status.code {
                // A conflict over fields is told apart before; any other means that the object moved.
                409 => Retry::Now,
                // An object of that name was made anew since we looked.
                422 if status.message.contains("metadata.uid") => Retry::Now,
                // A field that the schema lacks comes as a server error without a reason.
                500 if status.message.contains("field not declared in schema") => Retry::Never,
                403 if status.message.contains("being terminated") => SOON,
                400 | 403 | 405 | 413 | 415 | 422 => Retry::Never,
                401 | 404 | 408 | 410 | 429 | 500..=599 => SOON,
                _ => Retry::After(Duration::from_secs(5)),
            },
        }
    }

    /// Whether the object, or its namespace, does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code == 404)
    }

    /// Whether the API server asks to be asked again later: it is busy, or its storage of a kind is being made anew, as
    /// after each change of a definition.
    #[must_use]
    pub fn is_not_ready(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code == 429)
    }

    /// Whether the object exists already, or changed since it was read.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code == 409)
    }
}

/// A handle to the API server. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    kinds: Arc<Mutex<HashMap<Kind, Served>>>,
}

/// A kind in one version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// API group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Kind.
    pub kind: String,
}

/// How a kind is served.
#[derive(Debug, Clone)]
struct Served {
    resource: ApiResource,
    namespaced: bool,
}

impl From<&ObjectId> for Kind {
    fn from(id: &ObjectId) -> Self {
        Self { group: id.group.clone(), version: id.version.clone(), kind: id.kind.clone() }
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").finish_non_exhaustive()
    }
}

impl Cluster {
    /// A handle over a client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, kinds: Arc::default() }
    }

    /// The client, for kinds that Kubernetes always serves.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Where the objects of a kind are, in one namespace; in an empty one for kinds of the whole cluster.
    ///
    /// # Errors
    /// If the kind is not served or the API server cannot be asked.
    pub async fn api(&self, kind: &Kind, namespace: &str) -> Result<Api<DynamicObject>, Error> {
        let served = self.served(kind).await?;
        let client = self.client.clone();
        Ok(match (served.namespaced, namespace) {
            (true, "") | (false, _) => Api::all_with(client, &served.resource),
            (true, namespace) => Api::namespaced_with(client, namespace, &served.resource),
        })
    }

    /// The object as it is, or none if it does not exist.
    ///
    /// # Errors
    /// If the kind is not served or the API server cannot be asked.
    pub async fn get(&self, id: &ObjectId) -> Result<Option<Value>, Error> {
        let api = self.api(&Kind::from(id), &id.namespace).await?;
        let found = bounded(api.get_opt(&id.name)).await?;
        found.map(serde_json::to_value).transpose().map_err(Error::Unreadable)
    }

    /// The objects of a kind that have this name, in all namespaces.
    ///
    /// # Errors
    /// If the kind is not served or the API server cannot be asked.
    pub async fn named(&self, kind: &Kind, name: &str) -> Result<Vec<Value>, Error> {
        const PAGE: u32 = 250;
        let api = self.api(kind, "").await?;
        let mut page = ListParams::default().fields(&format!("metadata.name={name}")).limit(PAGE);
        let mut found = Vec::new();
        loop {
            let list = bounded(api.list(&page)).await?;
            for object in list.items {
                found.push(serde_json::to_value(object).map_err(Error::Unreadable)?);
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(found),
            }
        }
    }

    /// Whether the objects of a kind live in namespaces.
    ///
    /// # Errors
    /// If the kind is not served or the API server cannot be asked.
    pub async fn is_namespaced(&self, kind: &Kind) -> Result<bool, Error> {
        Ok(self.served(kind).await?.namespaced)
    }

    /// The resource of a kind, in the plural.
    ///
    /// # Errors
    /// If the kind is not served or the API server cannot be asked.
    pub async fn resource(&self, kind: &Kind) -> Result<String, Error> {
        Ok(self.served(kind).await?.resource.plural)
    }

    /// Forgets how a kind is served: its definition may have been replaced.
    pub fn forget(&self, kind: &Kind) {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner).remove(kind);
    }

    async fn served(&self, kind: &Kind) -> Result<Served, Error> {
        let known = self.kinds.lock().unwrap_or_else(PoisonError::into_inner).get(kind).cloned();
        if let Some(served) = known {
            return Ok(served);
        }
        let wanted = GroupVersionKind::gvk(&kind.group, &kind.version, &kind.kind);
        let found = bounded(discovery::pinned_kind(&self.client, &wanted)).await;
        let (resource, capabilities) = found.map_err(|error| not_served(kind, error))?;
        let served = Served { resource, namespaced: capabilities.scope == Scope::Namespaced };
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner).insert(kind.clone(), served.clone());
        Ok(served)
    }
}

fn not_served(kind: &Kind, error: Error) -> Error {
    let missing = match &error {
        Error::Unreachable(source) => matches!(**source, kube::Error::Discovery(_)),
        Error::Refused(status) => status.code == 404,
        Error::NotServed { .. } | Error::TimedOut | Error::Unreadable(_) => false,
    };
    if !missing {
        return error;
    }
    let api_version =
        if kind.group.is_empty() { kind.version.clone() } else { format!("{}/{}", kind.group, kind.version) };
    Error::NotServed { api_version, kind: kind.kind.clone() }
}

/// A request under the time limit.
///
/// # Errors
/// With what went wrong, classified.
pub async fn bounded<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Error> {
    match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(answer) => answer.map_err(Error::from),
        Err(_) => Err(Error::TimedOut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, message: &str) -> Error {
        Error::Refused(Box::new(Status { code, message: message.to_owned(), ..Status::default() }))
    }

    #[test]
    fn only_what_may_change_is_tried_again() {
        let never = |error: Error| error.retry() == Retry::Never;
        assert!(never(refused(422, "spec.x: Invalid value")));
        assert!(never(refused(
            500,
            "failed to create typed patch object: .spec.nope: field not declared in schema"
        )));
        assert!(never(refused(403, "is forbidden: User cannot patch")));
        assert!(!never(refused(403, "forbidden: namespace x is being terminated")));
        assert!(!never(refused(500, "etcd leader changed")));
        assert!(!never(refused(429, "")));
        assert_eq!(refused(409, "the object has been modified").retry(), Retry::Now);
        assert_eq!(refused(422, "metadata.uid: field is immutable").retry(), Retry::Now);
    }
}
