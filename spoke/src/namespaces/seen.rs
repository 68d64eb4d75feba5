//! The namespaces that are there, with their labels. Only metadata is read.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1;
use kube::{
    Api,
    api::{ListParams, ObjectMeta},
    core::PartialObjectMeta,
    runtime::watcher,
};
use tokio::sync::watch::Sender;

use crate::{
    backoff::Backoff,
    cluster::{self, Cluster, bounded},
};

/// How long a watch that failed waits at most before it begins anew: namespaces that come meanwhile wait as long.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Namespaces in one page of a list.
const PAGE: u32 = 500;

/// A namespace that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Its uid: one made anew under the same name is another.
    pub uid: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// All namespaces. One that is being deleted is none any more: nothing can be made in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// They were not seen yet, and why.
    Unseen(String),
    /// As they were seen last, by name.
    Seen(BTreeMap<String, Namespace>),
}

impl Default for View {
    fn default() -> Self {
        Self::Unseen("the namespaces were not listed yet".to_owned())
    }
}

/// The namespaces that are there now.
///
/// # Errors
/// If they cannot be listed.
pub async fn list(cluster: &Cluster) -> Result<BTreeMap<String, Namespace>, cluster::Error> {
    let api: Api<v1::Namespace> = Api::all(cluster.client());
    let (mut found, mut page) = (BTreeMap::new(), ListParams::default().limit(PAGE));
    loop {
        let list = bounded(api.list_metadata(&page)).await?;
        found.extend(list.items.into_iter().filter_map(|namespace| living(namespace.metadata)));
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(found),
        }
    }
}

fn living(metadata: ObjectMeta) -> Option<(String, Namespace)> {
    let ObjectMeta { name: Some(name), uid: Some(uid), labels, deletion_timestamp: None, .. } = metadata
    else {
        return None;
    };
    Some((name, Namespace { uid, labels: labels.unwrap_or_default() }))
}

/// Keeps `view` what the API server says, for ever. While it cannot be watched, what was seen last stands.
pub async fn watch(cluster: Cluster, view: Sender<Arc<View>>) {
    let mut backoff = Backoff::new(Duration::from_millis(250), LONGEST_PAUSE);
    let mut said = String::new();
    loop {
        let began = Instant::now();
        let why = follow(&cluster, &view).await;
        if began.elapsed() > LONGEST_PAUSE {
            backoff.reset();
            said.clear();
        }
        if why != said {
            tracing::warn!(reason = %why, "cannot watch namespaces");
            view.send_if_modified(|view| {
                let unseen = matches!(**view, View::Unseen(_));
                if unseen {
                    *view = Arc::new(View::Unseen(why.clone()));
                }
                unseen
            });
            said = why;
        }
        tokio::time::sleep(backoff.pause()).await;
    }
}

async fn follow(cluster: &Cluster, view: &Sender<Arc<View>>) -> String {
    let api: Api<PartialObjectMeta<v1::Namespace>> = Api::all(cluster.client());
    let mut events = watcher(api, watcher::Config::default()).boxed();
    let mut listed = BTreeMap::new();
    loop {
        match events.try_next().await {
            Ok(Some(event)) => take(event, &mut listed, view),
            Ok(None) => return "the watch ended".to_owned(),
            Err(error) => return crate::chain(&cluster::Error::from(error)),
        }
    }
}

fn take(
    event: watcher::Event<PartialObjectMeta<v1::Namespace>>,
    listed: &mut BTreeMap<String, Namespace>,
    view: &Sender<Arc<View>>,
) {
    match event {
        watcher::Event::Init => listed.clear(),
        watcher::Event::InitApply(namespace) => listed.extend(living(namespace.metadata)),
        watcher::Event::InitDone => show(view, std::mem::take(listed)),
        watcher::Event::Apply(namespace) => {
            let (mut seen, name) = (present(view), namespace.metadata.name.clone().unwrap_or_default());
            seen.remove(&name);
            seen.extend(living(namespace.metadata));
            show(view, seen);
        }
        watcher::Event::Delete(namespace) => {
            let mut seen = present(view);
            seen.remove(&namespace.metadata.name.unwrap_or_default());
            show(view, seen);
        }
    }
}

fn present(view: &Sender<Arc<View>>) -> BTreeMap<String, Namespace> {
    match &**view.borrow() {
        View::Unseen(_) => BTreeMap::new(),
        View::Seen(namespaces) => namespaces.clone(),
    }
}

/// Shows what is seen, if it is another: most writes to a namespace change nothing that counts here.
fn show(view: &Sender<Arc<View>>, seen: BTreeMap<String, Namespace>) {
    let seen = View::Seen(seen);
    view.send_if_modified(|known| {
        let changed = **known != seen;
        if changed {
            *known = Arc::new(seen);
        }
        changed
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::sync::watch;

    use super::*;

    fn namespace(uid: &str, more: serde_json::Value) -> PartialObjectMeta<v1::Namespace> {
        let mut metadata = json!({"name": "shop", "uid": uid});
        metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(
            json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata}),
        )
        .unwrap()
    }

    #[test]
    fn a_namespace_that_is_being_deleted_is_none_any_more() {
        let (view, mut told) = watch::channel(Arc::default());
        let mut listed = BTreeMap::new();
        let mut uid = |event| {
            take(event, &mut listed, &view);
            match &**view.borrow() {
                View::Unseen(_) => None,
                View::Seen(seen) => Some(seen.get("shop").map(|namespace| namespace.uid.clone())),
            }
        };
        assert_eq!(uid(watcher::Event::Init), None, "a part is not all");
        assert_eq!(uid(watcher::Event::InitApply(namespace("u1", json!({})))), None);
        assert_eq!(uid(watcher::Event::InitDone), Some(Some("u1".to_owned())));
        let ending = namespace("u1", json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}));
        assert_eq!(uid(watcher::Event::Apply(ending.clone())), Some(None));
        assert_eq!(uid(watcher::Event::Delete(ending)), Some(None));
        assert_eq!(uid(watcher::Event::Apply(namespace("u2", json!({})))), Some(Some("u2".to_owned())));
        told.mark_unchanged();
        let touched = namespace("u2", json!({"annotations": {"a": "b"}}));
        assert_eq!(uid(watcher::Event::Apply(touched)), Some(Some("u2".to_owned())));
        assert!(!told.has_changed().unwrap(), "nothing that counts changed");
    }
}
