//! What of Istio runs in the cluster, whoever made it: control planes, injecting webhooks, and pods with a proxy.
//!
//! # Cost
//! Control planes and injectors are chosen by a label: some objects. Pods are listed by the label that injection puts on
//! every one with a proxy, in pages, and only namespace, annotations and images are kept of each, so memory holds one page
//! at a time. The API server reads all pods for it, so it is asked at most once in [`PROXIES_EVERY`], whatever else
//! makes facts to be read anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use k8s_openapi::api::{
    admissionregistration::v1::MutatingWebhookConfiguration, apps::v1::Deployment, core::v1::Pod,
};
use kube::{
    Api, Client,
    api::{ApiResource, ListParams},
    core::{NotUsed, Object, ObjectMeta},
};
use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};

use super::READ_EVERY;
use crate::cluster::{self, bounded};

/// How old a count of proxies may grow.
const PROXIES_EVERY: Duration = READ_EVERY;

/// Pods in one page. Each is some ten kilobytes.
const PAGE: u32 = 200;

/// Most groups of proxies, and most control planes and injectors, that are told.
const MOST_GROUPS: usize = 200;
const MOST_OF_A_KIND: u32 = 100;

const REVISION: &str = "istio.io/rev";

/// What injection writes on every pod that it gave a proxy: gateways too.
const INJECTED_LABEL: &str = "service.istio.io/canonical-name";
const INJECTED: &str = "sidecar.istio.io/status";
const PROXY: &str = "istio-proxy";

/// What of Istio runs here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mesh {
    /// Control planes.
    pub control_planes: BTreeSet<ControlPlane>,
    /// Webhooks that inject.
    pub injectors: BTreeSet<Injector>,
    /// Running pods with a proxy, counted.
    pub proxies: BTreeMap<Proxy, u32>,
    /// How many more there are.
    pub proxies_untold: u32,
}

/// A Deployment of istiod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ControlPlane {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its label `istio.io/rev`.
    pub revision: String,
    /// By label, else by the tag of its image.
    pub version: String,
    /// Who made it, by label.
    pub managed_by: String,
}

/// A webhook that injects proxies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Injector {
    /// Its name.
    pub name: String,
    /// Its label `istio.io/rev`.
    pub revision: String,
}

/// Whose proxy, and which.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proxy {
    /// The pod's namespace.
    pub namespace: String,
    /// The revision that injected it.
    pub revision: String,
    /// Tag of its image; empty if it is named by digest.
    pub version: String,
}

/// Control planes, by the label that all charts put on them.
pub(super) async fn control_planes(client: &Client) -> Result<BTreeSet<ControlPlane>, cluster::Error> {
    let api: Api<Deployment> = Api::all(client.clone());
    let labelled = ListParams::default().labels("app=istiod").limit(MOST_OF_A_KIND);
    Ok(bounded(api.list(&labelled)).await?.items.into_iter().map(control_plane).collect())
}

fn control_plane(deployment: Deployment) -> ControlPlane {
    let labels = deployment.metadata.labels.unwrap_or_default();
    let label = |key: &str| labels.get(key).cloned();
    let pods = deployment.spec.and_then(|spec| spec.template.spec).map(|spec| spec.containers);
    let image = pods.into_iter().flatten().find(|container| container.name == "discovery");
    let tag = || image.and_then(|container| container.image).map(|image| tag(&image).to_owned());
    let managed_by = label("managed-by").or_else(|| label("app.kubernetes.io/managed-by"));
    ControlPlane {
        namespace: deployment.metadata.namespace.unwrap_or_default(),
        name: deployment.metadata.name.unwrap_or_default(),
        revision: label(REVISION).unwrap_or_default(),
        version: label("app.kubernetes.io/version").or_else(tag).unwrap_or_default(),
        managed_by: managed_by.unwrap_or_default(),
    }
}

/// Injectors, by the label that all charts put on them. Only metadata is read.
pub(super) async fn injectors(client: &Client) -> Result<BTreeSet<Injector>, cluster::Error> {
    let api: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let labelled = ListParams::default().labels("app=sidecar-injector").limit(MOST_OF_A_KIND);
    let found = bounded(api.list_metadata(&labelled)).await?.items.into_iter();
    let injector = |metadata: ObjectMeta| Injector {
        name: metadata.name.unwrap_or_default(),
        revision: metadata.labels.unwrap_or_default().remove(REVISION).unwrap_or_default(),
    };
    Ok(found.map(|webhook| injector(webhook.metadata)).collect())
}

/// Groups of proxies, and how many are in none of them.
type Counted = (BTreeMap<Proxy, u32>, u32);

/// Counts proxies, not too often.
pub(super) struct Proxies {
    client: Client,
    last: Mutex<Option<(Instant, Counted)>>,
}

/// A pod without all that is not asked for.
type PodSeen = Object<PodSpec, NotUsed>;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodSpec {
    #[serde(default)]
    containers: Vec<Container>,
    /// Where the API server knows containers that start first and stay.
    #[serde(default)]
    init_containers: Vec<Container>,
}

#[derive(Debug, Clone, Deserialize)]
struct Container {
    name: String,
    #[serde(default)]
    image: String,
}

impl Proxies {
    pub(super) fn new(client: Client) -> Self {
        Self { client, last: Mutex::default() }
    }

    /// A count that is not older than [`PROXIES_EVERY`].
    pub(super) async fn read(&self) -> Result<Counted, cluster::Error> {
        // Held while pods are listed: a second reader waits for the same answer.
        let mut last = self.last.lock().await;
        if let Some((read_at, counted)) = last.as_ref()
            && read_at.elapsed() < PROXIES_EVERY
        {
            return Ok(counted.clone());
        }
        let counted = self.count().await?;
        *last = Some((Instant::now(), counted.clone()));
        Ok(counted)
    }

    async fn count(&self) -> Result<Counted, cluster::Error> {
        let api: Api<PodSeen> = Api::all_with(self.client.clone(), &ApiResource::erase::<Pod>(&()));
        let living = "status.phase!=Succeeded,status.phase!=Failed";
        let mut page = ListParams::default().labels(INJECTED_LABEL).fields(living).limit(PAGE);
        let mut counts = BTreeMap::new();
        loop {
            let list = bounded(api.list(&page)).await?;
            for proxy in list.items.into_iter().filter_map(proxy) {
                *counts.entry(proxy).or_default() += 1;
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(bound(counts)),
            }
        }
    }
}

/// The label may be anybody's; the annotation is the injector's.
fn proxy(pod: PodSeen) -> Option<Proxy> {
    let mut annotations = pod.metadata.annotations.unwrap_or_default();
    let status = annotations.remove(INJECTED)?;
    let mut containers = pod.spec.containers.iter().chain(&pod.spec.init_containers);
    let image =
        containers.find(|container| container.name == PROXY).map(|container| container.image.as_str());
    let revision = annotations.remove(REVISION).or_else(|| {
        let status: serde_json::Value = serde_json::from_str(&status).ok()?;
        status["revision"].as_str().map(ToOwned::to_owned)
    });
    Some(Proxy {
        namespace: pod.metadata.namespace.unwrap_or_default(),
        revision: revision.unwrap_or_default(),
        version: tag(image.unwrap_or_default()).to_owned(),
    })
}

/// The tag of an image; empty if it has none.
fn tag(image: &str) -> &str {
    let named = image.split_once('@').map_or(image, |(named, _)| named);
    match named.rsplit_once(':') {
        // What follows the colon of a port has a slash.
        Some((_, tag)) if !tag.contains('/') => tag,
        _ => "",
    }
}

/// The largest groups are told.
fn bound(counts: BTreeMap<Proxy, u32>) -> Counted {
    if counts.len() <= MOST_GROUPS {
        return (counts, 0);
    }
    let mut groups: Vec<(Proxy, u32)> = counts.into_iter().collect();
    groups.sort_by(|(one, few), (other, many)| many.cmp(few).then_with(|| one.cmp(other)));
    let untold = groups.split_off(MOST_GROUPS);
    (groups.into_iter().collect(), untold.iter().map(|(_, count)| count).sum())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tag_is_told_from_a_port_and_a_digest() {
        for (image, expected) in [
            ("docker.io/istio/proxyv2:1.30.3", "1.30.3"),
            ("localhost:5000/istio/proxyv2:1.30.3-distroless", "1.30.3-distroless"),
            ("localhost:5000/istio/proxyv2", ""),
            ("quay.io/x/proxyv2@sha256:0123", ""),
            ("quay.io/x/proxyv2:1.28.1@sha256:0123", "1.28.1"),
            ("", ""),
        ] {
            assert_eq!(tag(image), expected, "{image}");
        }
    }

    #[test]
    fn a_proxy_is_found_in_both_places_and_only_where_it_was_injected() {
        let pod = |annotations, spec| -> PodSeen {
            let metadata = json!({"name": "a", "namespace": "shop", "annotations": annotations});
            serde_json::from_value(
                json!({"metadata": metadata, "spec": spec, "status": {"phase": "Running"}}),
            )
            .unwrap()
        };
        let proxy_container = json!({"name": "istio-proxy", "image": "istio/proxyv2:1.29.6", "ports": []});
        let app = json!({"name": "app", "image": "app:1"});
        let found = |revision: &str| {
            let (namespace, version) = ("shop".to_owned(), "1.29.6".to_owned());
            Some(Proxy { namespace, revision: revision.to_owned(), version })
        };
        let beside = json!({"containers": [app, proxy_container]});
        let before = json!({"containers": [app], "initContainers": [proxy_container]});
        let said = json!({"sidecar.istio.io/status": "{}", "istio.io/rev": "default"});
        let by_status = json!({"sidecar.istio.io/status": r#"{"revision":"canary"}"#});
        assert_eq!(proxy(pod(said.clone(), beside.clone())), found("default"));
        assert_eq!(proxy(pod(said, before)), found("default"));
        assert_eq!(proxy(pod(by_status, beside.clone())), found("canary"));
        assert_eq!(proxy(pod(json!({"sidecar.istio.io/status": "x"}), beside.clone())), found(""));
        assert_eq!(proxy(pod(json!({"istio.io/rev": "default"}), beside)), None);
    }

    #[test]
    fn too_many_groups_are_counted_with_the_rest() {
        let group = |number: u32| {
            let namespace = format!("{number:04}");
            (Proxy { namespace, revision: String::new(), version: String::new() }, number)
        };
        let (told, untold) = bound((1..=210).map(group).collect());
        assert_eq!((told.len(), untold), (MOST_GROUPS, (1..=10).sum()));
        assert_eq!(bound((1..=3).map(group).collect()).1, 0);
    }
}
