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

/// In how many namespaces objects of one kind are watched one by one. Beyond it, one watch of the whole cluster is cheaper.
const MOST_NAMESPACES: usize = 10;

/// Where a watch looks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    kind: Kind,
    /// Empty for the whole cluster.
    namespace: String,
}

/// What a watch looks for: namespace and name.
type Names = BTreeMap<(String, String), ObjectKey>;

struct Running {
    names: Names,
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
        let wanted = places(ids);
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

    fn begin(&mut self, place: Place, names: Names) {
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

fn places(ids: &BTreeSet<ObjectId>) -> BTreeMap<Place, Names> {
    let mut namespaces: BTreeMap<Kind, BTreeSet<&str>> = BTreeMap::new();
    for id in ids {
        namespaces.entry(Kind::from(id)).or_default().insert(&id.namespace);
    }
    let mut places: BTreeMap<Place, Names> = BTreeMap::new();
    for id in ids {
        let kind = Kind::from(id);
        let everywhere = namespaces.get(&kind).is_some_and(|namespaces| namespaces.len() > MOST_NAMESPACES);
        let namespace = if everywhere { String::new() } else { id.namespace.clone() };
        let names = places.entry(Place { kind, namespace }).or_default();
        names.insert((id.namespace.clone(), id.name.clone()), id.key());
    }
    places
}

/// The name of all that a watch looks for, if there is one: objects of other names need not be sent, and instances of a
/// template have one name in many namespaces.
fn only_name(names: &Names) -> Option<&str> {
    let mut all = names.keys().map(|(_, name)| name.as_str());
    let first = all.next()?;
    all.all(|name| name == first).then_some(first)
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
    names: Names,
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
                    return Some(cluster::Error::from(error));
                }
            }
        }
    }

    fn selection(&self) -> watcher::Config {
        match only_name(&self.names) {
            Some(name) => watcher::Config::default().fields(&format!("metadata.name={name}")),
            None => watcher::Config::default(),
        }
    }

    fn take(&self, event: watcher::Event<DynamicObject>, listed: &mut BTreeSet<ObjectKey>) {
        match event {
            watcher::Event::Init => listed.clear(),
            watcher::Event::InitApply(object) => {
                if let Some((key, object)) = self.of_interest(object) {
                    listed.insert(key.clone());
                    self.live.saw(key, object, Instant::now());
                }
            }
            watcher::Event::InitDone => {
                for key in self.names.values().filter(|key| !listed.contains(*key)) {
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
        let metadata = &object.metadata;
        let name = (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone()?);
        let key = self.names.get(&name)?;
        let mut object = serde_json::to_value(object).ok()?;
        object["kind"] = self.place.kind.kind.clone().into();
        Some((key, object))
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use serde_json::json;

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

    #[test]
    fn many_namespaces_are_watched_by_one_watch() {
        let id = |kind: &str, namespace: usize| -> ObjectId {
            let namespace = format!("n{namespace}");
            serde_json::from_value(
                json!({"group": "", "version": "v1", "kind": kind, "namespace": namespace, "name": "x"}),
            )
            .unwrap()
        };
        let few = (0..3).map(|number| id("Service", number));
        let many = (0..=MOST_NAMESPACES).map(|number| id("ConfigMap", number));
        let places = places(&few.chain(many).collect());
        let of = |kind: &str| places.iter().filter(|(place, _)| place.kind.kind == kind).collect::<Vec<_>>();
        assert_eq!(of("Service").len(), 3);
        let everywhere = of("ConfigMap");
        assert_eq!((everywhere.len(), everywhere[0].1.len()), (1, MOST_NAMESPACES + 1));
        assert_eq!(everywhere[0].0.namespace, "");
        assert_eq!(only_name(everywhere[0].1), Some("x"), "the rest of the cluster would be sent");
    }
}
