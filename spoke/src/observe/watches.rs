//! The watches: one for each kind and namespace that holds objects of interest.
//!
//! A watch that is not permitted, or whose kind is not served, makes its objects unseen, says so once and tries again; it
//! never ends the agent.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use futures::{StreamExt as _, TryStreamExt as _};
use kube::{core::DynamicObject, runtime::watcher};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Live;
use crate::{
    backoff::Backoff,
    cluster::{self, Cluster, Kind},
    document::{ObjectId, ObjectKey},
};

/// How long a watch that failed waits at most before it begins anew: what it watches is unseen until then.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// How long an API server that asks to be asked again later is believed to need no attention.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a watch looks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    kind: Kind,
    namespace: String,
}

struct Running {
    names: BTreeMap<String, ObjectKey>,
    stop: CancellationToken,
}

/// All watches of a spoke.
pub struct Watches {
    cluster: Cluster,
    live: Live,
    running: BTreeMap<Place, Running>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Watches {
    /// No watches yet. They end with `stop`.
    #[must_use]
    pub fn new(cluster: Cluster, live: Live, stop: CancellationToken) -> Self {
        Self { cluster, live, running: BTreeMap::new(), tasks: JoinSet::new(), stop }
    }

    /// Watches these objects and no others. Watches that serve them already go on.
    pub fn watch(&mut self, ids: &BTreeSet<ObjectId>) {
        self.live.want(ids);
        let mut wanted: BTreeMap<Place, BTreeMap<String, ObjectKey>> = BTreeMap::new();
        for id in ids {
            let place = Place { kind: Kind::from(id), namespace: id.namespace.clone() };
            wanted.entry(place).or_default().insert(id.name.clone(), id.key());
        }
        self.running.retain(|place, running| {
            let serves = wanted.get(place) == Some(&running.names);
            if !serves {
                running.stop.cancel();
            }
            serves
        });
        for (place, names) in wanted {
            if !self.running.contains_key(&place) {
                self.begin(place, names);
            }
        }
        while self.tasks.try_join_next().is_some() {}
    }

    fn begin(&mut self, place: Place, names: BTreeMap<String, ObjectKey>) {
        let stop = self.stop.child_token();
        let watch = Watch {
            cluster: self.cluster.clone(),
            live: self.live.clone(),
            place: place.clone(),
            names: names.clone(),
        };
        let stopped = stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = watch.run() => {}
                () = stopped.cancelled() => {}
            }
        });
        self.running.insert(place, Running { names, stop });
    }
}

/// A watch's error in the words of every other request's: the library prints whole answers.
fn plainly(error: watcher::Error) -> cluster::Error {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => error.into(),
        watcher::Error::WatchError(status) => cluster::Error::Refused(status),
        error @ watcher::Error::NoResourceVersion => kube::Error::Service(error.into()).into(),
    }
}

/// Whether somebody may want to know why a watch failed. What passes by itself is told only if it does not.
fn is_noteworthy(error: Option<&cluster::Error>, unseen_for: Duration) -> bool {
    unseen_for >= PATIENCE || !error.is_some_and(cluster::Error::is_not_ready)
}

/// One watch.
struct Watch {
    cluster: Cluster,
    live: Live,
    place: Place,
    names: BTreeMap<String, ObjectKey>,
}

impl Watch {
    /// Watches for ever: each failure begins anew with a list, so that nothing is missed.
    async fn run(self) {
        let mut backoff = Backoff::new(Duration::from_millis(500), LONGEST_PAUSE);
        let mut said = String::new();
        let mut unseen_since = None;
        loop {
            let began = Instant::now();
            let error = self.follow().await;
            if began.elapsed() > LONGEST_PAUSE {
                backoff.reset();
                said.clear();
                unseen_since = None;
            }
            let unseen_for = unseen_since.get_or_insert_with(Instant::now).elapsed();
            let why =
                error.as_ref().map_or_else(|| "the watch ended".to_owned(), |error| crate::chain(error));
            self.live.lost_sight(self.names.values(), &format!("cannot be observed: {why}"));
            if why == said || !is_noteworthy(error.as_ref(), unseen_for) {
                tracing::debug!(kind = %self.place.kind.kind, reason = %why, "cannot watch for now");
            } else {
                tracing::warn!(kind = %self.place.kind.kind, namespace = %self.place.namespace, reason = %why, "cannot watch");
                said = why;
            }
            tokio::time::sleep(backoff.pause()).await;
        }
    }

    /// Follows a watch until it fails, and says why; none if it only ended.
    async fn follow(&self) -> Option<cluster::Error> {
        let api = match self.cluster.api(&self.place.kind, &self.place.namespace).await {
            Ok(api) => api,
            Err(error) => return Some(error),
        };
        let mut events = watcher(api, self.selection()).boxed();
        let mut listed = BTreeSet::new();
        loop {
            match events.try_next().await {
                Ok(Some(event)) => self.take(event, &mut listed),
                Ok(None) => return None,
                Err(error) => {
                    // The kind's definition may have been removed or replaced.
                    self.cluster.forget(&self.place.kind);
                    return Some(plainly(error));
                }
            }
        }
    }

    fn selection(&self) -> watcher::Config {
        match self.names.keys().next() {
            Some(name) if self.names.len() == 1 => {
                watcher::Config::default().fields(&format!("metadata.name={name}"))
            }
            _ => watcher::Config::default(),
        }
    }

    fn take(&self, event: watcher::Event<DynamicObject>, listed: &mut BTreeSet<String>) {
        match event {
            watcher::Event::Init => listed.clear(),
            watcher::Event::InitApply(object) => {
                if let Some((key, object)) = self.of_interest(object) {
                    listed.extend(object["metadata"]["name"].as_str().map(str::to_owned));
                    self.live.saw(key, object, Instant::now());
                }
            }
            watcher::Event::InitDone => {
                for (_, key) in self.names.iter().filter(|(name, _)| !listed.contains(*name)) {
                    self.live.missing(key);
                }
            }
            watcher::Event::Apply(object) => {
                if let Some((key, object)) = self.of_interest(object) {
                    self.live.saw(key, object, Instant::now());
                }
            }
            watcher::Event::Delete(object) => {
                if let Some((key, object)) = self.of_interest(object) {
                    self.live.gone(key, &object);
                }
            }
        }
    }

    /// The object as JSON, if it is one of those wanted. Objects in a list come without their kind.
    fn of_interest(&self, object: DynamicObject) -> Option<(&ObjectKey, Value)> {
        let key = self.names.get(object.metadata.name.as_deref()?)?;
        let mut object = serde_json::to_value(object).ok()?;
        object["kind"] = self.place.kind.kind.clone().into();
        Some((key, object))
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn an_api_server_that_is_not_ready_is_noteworthy_only_after_a_while() {
        let refused = |code| {
            let mut status = Status::failure("storage is (re)initializing", "TooManyRequests");
            status.code = code;
            cluster::Error::Refused(Box::new(status))
        };
        let (soon, late) = (Duration::from_secs(1), PATIENCE);
        assert!(!is_noteworthy(Some(&refused(429)), soon));
        assert!(is_noteworthy(Some(&refused(429)), late));
        assert!(is_noteworthy(Some(&refused(403)), soon));
        assert!(is_noteworthy(None, soon));
    }
}
