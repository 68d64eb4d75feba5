//! Local freeze: an annotation on the spoke's own namespace stops every write of the plan, whatever the hub says.
//!
//! The Lease, the fence, the inventory and the journal go on, so that a target is accepted and waits. Before the namespace
//! was seen nothing of a plan is written; while it cannot be seen again, what was seen last stands.

use std::{
    fmt,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::ObjectMeta, core::PartialObjectMeta, runtime::watcher};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::Backoff,
    cluster::{self, Cluster},
    metrics::METRICS,
    report::shortened,
};

/// The annotation. Its value says why.
pub const ANNOTATION: &str = "meshfleet.dev/freeze";

/// Longest reason that is told on.
const MAX_REASON_BYTES: usize = 512;

/// How long a watch that failed waits at most before it begins anew.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Whether writes of the plan are stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Freeze {
    /// The namespace was not seen yet, and why.
    Unseen(String),
    /// They are not.
    Free,
    /// They are, for this reason.
    Frozen(String),
}

impl Default for Freeze {
    fn default() -> Self {
        Self::Unseen("it was not looked at yet".to_owned())
    }
}

impl fmt::Display for Freeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unseen(why) => {
                write!(
                    f,
                    "whether this cluster is frozen is not known: the spoke's namespace cannot be seen: {why}"
                )
            }
            Self::Free => f.write_str("this cluster is not frozen"),
            Self::Frozen(reason) => write!(f, "this cluster is frozen: {reason}"),
        }
    }
}

impl Freeze {
    /// Why somebody froze the cluster; empty if nobody did.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Frozen(reason) => reason,
            Self::Unseen(_) | Self::Free => "",
        }
    }

    fn of(metadata: &ObjectMeta) -> Self {
        let annotation = metadata.annotations.as_ref().and_then(|annotations| annotations.get(ANNOTATION));
        match annotation.map(|reason| reason.trim()) {
            None => Self::Free,
            Some("") => Self::Frozen("no reason is given".to_owned()),
            Some(reason) => Self::Frozen(shortened(reason, MAX_REASON_BYTES)),
        }
    }
}

/// Keeps `level` what the annotation on `namespace` says, until `stop`.
pub async fn keep(
    cluster: Cluster,
    namespace: String,
    level: watch::Sender<Freeze>,
    stop: CancellationToken,
) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = follow_on(&cluster, &namespace, &level) => {}
    }
}

async fn follow_on(cluster: &Cluster, namespace: &str, level: &watch::Sender<Freeze>) {
    let mut backoff = Backoff::new(Duration::from_millis(250), LONGEST_PAUSE);
    let mut said = String::new();
    loop {
        let began = Instant::now();
        let why = follow(cluster, namespace, level).await;
        if began.elapsed() > LONGEST_PAUSE {
            backoff.reset();
            said.clear();
        }
        if why != said {
            tracing::warn!(reason = %why, "cannot watch the spoke's namespace for a freeze");
            let unseen = matches!(*level.borrow(), Freeze::Unseen(_));
            if unseen {
                show(level, Freeze::Unseen(why.clone()));
            }
            said = why;
        }
        tokio::time::sleep(backoff.pause()).await;
    }
}

async fn follow(cluster: &Cluster, namespace: &str, level: &watch::Sender<Freeze>) -> String {
    let api: Api<PartialObjectMeta<Namespace>> = Api::all(cluster.client());
    let only = watcher::Config::default().fields(&format!("metadata.name={namespace}"));
    let mut events = watcher(api, only).boxed();
    let mut listed = Freeze::Free;
    loop {
        match events.try_next().await {
            Ok(Some(event)) => take(event, &mut listed, level),
            Ok(None) => return "the watch ended".to_owned(),
            Err(error) => return crate::chain(&cluster::Error::from(error)),
        }
    }
}

/// A namespace that is gone is frozen by nobody, and nothing can be written in it either.
fn take(
    event: watcher::Event<PartialObjectMeta<Namespace>>,
    listed: &mut Freeze,
    level: &watch::Sender<Freeze>,
) {
    match event {
        watcher::Event::Init => *listed = Freeze::Free,
        watcher::Event::InitApply(namespace) => *listed = Freeze::of(&namespace.metadata),
        watcher::Event::InitDone => show(level, listed.clone()),
        watcher::Event::Apply(namespace) => show(level, Freeze::of(&namespace.metadata)),
        watcher::Event::Delete(_) => show(level, Freeze::Free),
    }
}

fn show(level: &watch::Sender<Freeze>, seen: Freeze) {
    level.send_if_modified(|known| {
        let changed = *known != seen;
        if changed {
            match &seen {
                Freeze::Frozen(reason) => tracing::warn!(
                    %reason,
                    "this cluster is frozen: nothing of a plan is written until the annotation {ANNOTATION} is removed"
                ),
                Freeze::Free if matches!(known, Freeze::Frozen(_)) => {
                    tracing::info!("this cluster is not frozen any more");
                }
                Freeze::Free | Freeze::Unseen(_) => {}
            }
            METRICS.frozen(!seen.reason().is_empty());
            *known = seen;
        }
        changed
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn namespace(annotations: serde_json::Value) -> PartialObjectMeta<Namespace> {
        let metadata = json!({"name": "meshfleet", "annotations": annotations});
        serde_json::from_value(
            json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata}),
        )
        .unwrap()
    }

    #[test]
    fn an_annotation_freezes_and_its_absence_does_not() {
        let (level, _told) = watch::channel(Freeze::default());
        let mut listed = Freeze::Free;
        let mut after = |event| {
            take(event, &mut listed, &level);
            level.borrow().clone()
        };
        let unseen = Freeze::default();
        let frozen = |why: &str| Freeze::Frozen(why.to_owned());
        let with = |why: &str| namespace(json!({ANNOTATION: why}));
        assert_eq!(after(watcher::Event::Init), unseen, "a part is not all");
        assert_eq!(after(watcher::Event::InitApply(with("audit"))), unseen);
        assert_eq!(after(watcher::Event::InitDone), frozen("audit"), "frozen from the first look on");
        assert_eq!(after(watcher::Event::Apply(with(" "))), frozen("no reason is given"));
        assert_eq!(after(watcher::Event::Apply(namespace(json!({"a": "b"})))), Freeze::Free);
        assert_eq!(after(watcher::Event::Apply(with("again"))), frozen("again"));
        assert_eq!(after(watcher::Event::Init), frozen("again"), "while it is listed anew, the last stands");
        assert_eq!(after(watcher::Event::InitDone), Freeze::Free, "the namespace is gone");
        assert!(level.borrow().reason().is_empty());
    }
}
