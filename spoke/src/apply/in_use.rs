//! Whether pods still need an object that is to go.

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::ListParams};

use crate::cluster::{self, Cluster, bounded};

/// Pods in one page. While an object is in use the first page mostly tells it.
const PAGE: u32 = 250;

/// Pods that have ended need nothing any more; one that starts or ends still does.
const ALIVE: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// A living pod with this annotation, if there is one: in this namespace, or anywhere for an empty one. Only metadata is read.
///
/// # Errors
/// If pods cannot be listed.
pub(super) async fn by_pod(
    cluster: &Cluster,
    namespace: &str,
    annotation: &str,
) -> Result<Option<String>, cluster::Error> {
    let api: Api<Pod> = match namespace {
        "" => Api::all(cluster.client()),
        namespace => Api::namespaced(cluster.client(), namespace),
    };
    let mut page = ListParams::default().fields(ALIVE).limit(PAGE);
    loop {
        let list = bounded(api.list_metadata(&page)).await?;
        for pod in list.items {
            let metadata = pod.metadata;
            if metadata.annotations.unwrap_or_default().contains_key(annotation) {
                let (namespace, name) =
                    (metadata.namespace.unwrap_or_default(), metadata.name.unwrap_or_default());
                return Ok(Some(format!("{namespace}/{name}")));
            }
        }
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(None),
        }
    }
}
