//! Facts: what is seen of the cluster, unjudged. The hub decides what it all means.
//!
//! What cannot be read is said to be unread, with the reason: no answer is never taken for "no". The amount is bounded,
//! whatever the size of the cluster.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt as _, stream::BoxStream};
use k8s_openapi::{
    api::core::v1::{Namespace, Node, Service},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Discovery,
    api::{ApiResource, ListParams},
    core::{DynamicObject, GroupVersionKind, PartialObjectMeta},
    runtime::watcher,
};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

mod mesh;
mod schemas;
mod settings;

pub use schemas::{Schema, load as load_schema};

pub use mesh::{ControlPlane, Injector, Mesh, Proxy};

use crate::{
    backoff::Backoff,
    cluster::{self, Cluster, bounded},
};

/// How often facts are read anew though nothing is seen to change: nodes and versions are not watched.
const READ_EVERY: Duration = Duration::from_secs(300);

/// How long changes are gathered before facts are read anew: an installer makes many definitions in a row.
const GATHER: Duration = Duration::from_secs(2);

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// `gitVersion` of the API server.
    pub kubernetes_version: String,
    /// Served kinds as `group/Kind`, of groups outside Kubernetes itself.
    pub kinds: BTreeSet<String>,
    /// Nodes that look the same, counted.
    pub nodes: BTreeMap<NodeKind, u32>,
    /// From ClusterVersion, where served.
    pub cluster_version: Option<ClusterVersion>,
    /// From Infrastructure, where served.
    pub infrastructure: Option<Infrastructure>,
    /// Namespaces, with their labels.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// Labels of the Service kube-system/kube-dns.
    pub kube_dns_labels: BTreeMap<String, String>,
    /// Which of the well-known objects exist, as `group/Kind namespace/name`.
    pub landmarks: BTreeSet<String>,
    /// What well-known objects say, by the object as `group/Kind namespace/name`.
    pub settings: BTreeMap<String, BTreeMap<String, String>>,
    /// Istio's control planes, injectors and proxies, whoever made them.
    pub mesh: Mesh,
    /// Schemas of the custom resources that plans may hold; sorted.
    pub schemas: Vec<Schema>,
    /// What could not be read, and why.
    pub unread: BTreeMap<String, String>,
    /// UID of the namespace kube-system; empty if it could not be read.
    pub kube_system_uid: String,
}

/// How a node looks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeKind {
    /// Scheme of `spec.providerID`; empty if none.
    pub provider: String,
    /// Version of its kubelet.
    pub kubelet_version: String,
    /// Its operating system.
    pub os_image: String,
    /// Keys of its labels; with its value where that is a fact of `VALUED_LABELS`.
    pub labels: Vec<String>,
    /// Keys of its annotations that name a distribution.
    pub annotations: Vec<String>,
    /// Beginning of its name, if it is one of `NAME_MARKS`; else empty.
    pub name_mark: &'static str,
    /// Whether it has an address of the kind ExternalIP or ExternalDNS.
    pub external_address: bool,
}

/// Version of the distribution, from ClusterVersion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterVersion {
    /// The newest completed one; empty if none.
    pub current: String,
    /// The one it moves to.
    pub desired: String,
}

/// The object Infrastructure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Infrastructure {
    /// For example `AWS`.
    pub platform_type: String,
    /// For example `External`.
    pub control_plane_topology: String,
    /// Tags of the cloud's resources.
    pub resource_tags: BTreeMap<String, String>,
}

/// Reads facts at the start, every few minutes, and when definitions or namespaces change, until `stop`.
pub async fn keep(cluster: Cluster, facts: watch::Sender<Option<Arc<Facts>>>, stop: CancellationToken) {
    let reader = Reader::new(cluster.client());
    let mut changes = changes(&cluster);
    let mut backoff = Backoff::new(Duration::from_secs(1), READ_EVERY);
    loop {
        let read = tokio::select! {
            () = stop.cancelled() => return,
            read = reader.read() => Arc::new(read),
        };
        let whole = read.unread.is_empty();
        facts.send_if_modified(|known| {
            let changed = known.as_ref() != Some(&read);
            if changed {
                tracing::info!(kinds = read.kinds.len(), unread = read.unread.len(), "facts changed");
                *known = Some(read);
            }
            changed
        });
        let pause = if whole {
            backoff.reset();
            READ_EVERY
        } else {
            backoff.pause()
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
            _ = changes.next() => tokio::time::sleep(GATHER).await,
        }
        // What came meanwhile is read now.
        while futures::poll!(changes.next()).is_ready() {}
    }
}

/// Wakes when a definition or a namespace changed. Only metadata is watched.
fn changes(cluster: &Cluster) -> BoxStream<'static, ()> {
    let definitions: Api<PartialObjectMeta<CustomResourceDefinition>> = Api::all(cluster.client());
    let namespaces: Api<PartialObjectMeta<Namespace>> = Api::all(cluster.client());
    futures::stream::select(touches(definitions), touches(namespaces)).boxed()
}

fn touches<K>(api: Api<K>) -> BoxStream<'static, ()>
where
    K: kube::Resource + Clone + serde::de::DeserializeOwned + fmt::Debug + Send + 'static,
{
    use kube::runtime::WatchStreamExt as _;
    let events = watcher(api, watcher::Config::default()).default_backoff();
    let touch = |event: watcher::Event<K>| async move {
        // A list that was read anew may hold what was missed.
        let touches =
            matches!(event, watcher::Event::Apply(_) | watcher::Event::Delete(_) | watcher::Event::InitDone);
        touches.then_some(())
    };
    events.filter_map(|event| async move { event.ok() }).filter_map(touch).boxed()
}

/// Groups of Kubernetes itself. Groups that only look so (`gateway.networking.k8s.io`) are not among them.
const BUILT_IN: [&str; 24] = [
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "extensions",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// The label that Kubernetes puts on every namespace: it only repeats the name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The labels of a node whose values are facts. Each has few values in a cluster, or nodes would hardly ever look the same.
const VALUED_LABELS: [&str; 3] =
    ["eks.amazonaws.com/compute-type", "node.openshift.io/os_id", "topology.kubernetes.io/region"];

/// Beginnings of names that providers reserve for nodes of which they allow less than of others.
const NAME_MARKS: [&str; 2] = ["fargate-", "gk3-"];

/// Beginnings of annotations by which distributions for one's own machines are told.
const DISTRIBUTIONS: [&str; 3] = ["k3s.io/", "rke.cattle.io/", "rke2.io/"];

/// An object whose mere existence says something.
struct Landmark {
    /// Group, version, kind and plural.
    kind: (&'static str, &'static str, &'static str, &'static str),
    /// Empty for objects of the whole cluster.
    namespace: &'static str,
    name: &'static str,
}

const fn landmark(
    kind: (&'static str, &'static str, &'static str, &'static str),
    namespace: &'static str,
    name: &'static str,
) -> Landmark {
    Landmark { kind, namespace, name }
}

const CONFIG_MAP: (&str, &str, &str, &str) = ("", "v1", "ConfigMap", "configmaps");

/// The objects that are looked for, each by its name and without its content. No plan makes one of them. Whoever adds
/// one lets the spoke get it in `deploy/rbac.yaml`.
const LANDMARKS: [Landmark; 7] = [
    landmark(CONFIG_MAP, "kube-system", "aws-auth"),
    landmark(CONFIG_MAP, "kube-system", "eks-certificates-controller"),
    landmark(
        (
            "admissionregistration.k8s.io",
            "v1",
            "ValidatingWebhookConfiguration",
            "validatingwebhookconfigurations",
        ),
        "",
        "sre-scc-validation",
    ),
    landmark(("user.openshift.io", "v1", "Group", "groups"), "", "dedicated-admins"),
    landmark(("sailoperator.io", "v1", "Istio", "istios"), "", "openshift-gateway"),
    landmark(("gateway.networking.k8s.io", "v1", "GatewayClass", "gatewayclasses"), "", "openshift-default"),
    landmark(("operator.tigera.io", "v1", "Istio", "istios"), "", "default"),
];

/// Group of the distribution's own settings.
const SETTINGS_GROUP: &str = "config.openshift.io";

/// Objects in one page of a list.
const PAGE: u32 = 500;

/// Most namespaces, kinds and node groups that are told. Beyond it, the fact is marked as unread.
const MOST_NAMESPACES: usize = 2000;
const MOST_KINDS: usize = 5000;
const MOST_NODE_GROUPS: usize = 200;

/// Reads facts.
pub struct Reader {
    client: Client,
    proxies: mesh::Proxies,
    schemas: schemas::Reader,
}

impl Reader {
    /// A reader over a client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        let proxies = mesh::Proxies::new(client.clone());
        let schemas = schemas::Reader::new(client.clone());
        Self { client, proxies, schemas }
    }

    /// Reads everything that can be read.
    pub async fn read(&self) -> Facts {
        let mut facts = Facts::default();
        let mut unread = BTreeMap::new();
        let mut fails = |fact: &str, error: &cluster::Error| {
            unread.insert(fact.to_owned(), crate::chain(error));
        };
        match bounded(self.client.apiserver_version()).await {
            Ok(version) => facts.kubernetes_version = version.git_version,
            Err(error) => fails("version", &error),
        }
        match self.kinds().await {
            Ok(kinds) => facts.kinds = kinds.into_iter().collect(),
            Err(error) => fails("kinds", &error),
        }
        match self.nodes().await {
            Ok(nodes) => facts.nodes = nodes,
            Err(error) => fails("nodes", &error),
        }
        match self.namespaces().await {
            Ok((namespaces, uid)) => (facts.namespaces, facts.kube_system_uid) = (namespaces, uid),
            Err(error) => fails("namespaces", &error),
        }
        match self.kube_dns_labels().await {
            Ok(labels) => facts.kube_dns_labels = labels,
            Err(error) => fails("kube-dns", &error),
        }
        let serves = |kind: &str| facts.kinds.contains(&format!("{SETTINGS_GROUP}/{kind}"));
        if serves("ClusterVersion") {
            match self.settings("ClusterVersion", "clusterversions", "version").await {
                Ok(object) => facts.cluster_version = object.as_ref().map(version_of),
                Err(error) => fails("clusterversion", &error),
            }
        }
        if serves("Infrastructure") {
            match self.settings("Infrastructure", "infrastructures", "cluster").await {
                Ok(object) => facts.infrastructure = object.as_ref().map(infrastructure_of),
                Err(error) => fails("infrastructure", &error),
            }
        }
        for (landmark, found) in self.landmarks(&facts.kinds).await {
            match found {
                Ok(true) => drop(facts.landmarks.insert(landmark.to_string())),
                Ok(false) => {}
                Err(error) => fails(&landmark.to_string(), &error),
            }
        }
        for (object, said) in settings::read(&self.client).await {
            match said {
                Ok(said) => facts.settings.extend(said.map(|said| (object, said))),
                Err(error) => fails(&object, &error),
            }
        }
        match mesh::control_planes(&self.client).await {
            Ok(found) => facts.mesh.control_planes = found,
            Err(error) => fails("control-planes", &error),
        }
        match mesh::injectors(&self.client).await {
            Ok(found) => facts.mesh.injectors = found,
            Err(error) => fails("injectors", &error),
        }
        match self.proxies.read().await {
            Ok(counted) => (facts.mesh.proxies, facts.mesh.proxies_untold) = counted,
            Err(error) => fails("proxies", &error),
        }
        match self.schemas.read().await {
            Ok(found) => facts.schemas = found,
            Err(error) => fails("schemas", &error),
        }
        facts.unread = unread;
        bound(&mut facts);
        facts
    }

    /// Which landmarks exist. Of kinds that are not served there is none.
    async fn landmarks(
        &self,
        kinds: &BTreeSet<String>,
    ) -> Vec<(&'static Landmark, Result<bool, cluster::Error>)> {
        let asked = LANDMARKS.iter().filter(|landmark| landmark.may_exist(kinds));
        let answers = asked.map(async |landmark| {
            let (group, version, kind, plural) = landmark.kind;
            let resource =
                ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
            let api: Api<DynamicObject> = match landmark.namespace {
                "" => Api::all_with(self.client.clone(), &resource),
                namespace => Api::namespaced_with(self.client.clone(), namespace, &resource),
            };
            let found = bounded(api.get_metadata_opt(landmark.name)).await;
            (landmark, found.map(|object| object.is_some()))
        });
        futures::future::join_all(answers).await
    }

    async fn kinds(&self) -> Result<Vec<String>, cluster::Error> {
        let discovery = || Discovery::new(self.client.clone()).exclude(&BUILT_IN);
        // Servers before 1.26 do not tell all at once.
        let found = match bounded(discovery().run_aggregated()).await {
            Ok(found) => found,
            Err(_) => bounded(discovery().run()).await?,
        };
        let outside = found.groups().filter(|group| !BUILT_IN.contains(&group.name()));
        let kinds = outside.flat_map(|group| {
            group
                .recommended_resources()
                .into_iter()
                .map(|(resource, _)| format!("{}/{}", group.name(), resource.kind))
        });
        Ok(kinds.collect())
    }

    async fn nodes(&self) -> Result<BTreeMap<NodeKind, u32>, cluster::Error> {
        let api: Api<Node> = Api::all(self.client.clone());
        let mut nodes = BTreeMap::new();
        let mut page = ListParams::default().limit(PAGE);
        loop {
            let list = bounded(api.list(&page)).await?;
            for node in list.items {
                *nodes.entry(kind_of(node)).or_default() += 1;
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(nodes),
            }
        }
    }

    async fn namespaces(
        &self,
    ) -> Result<(BTreeMap<String, BTreeMap<String, String>>, String), cluster::Error> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let (mut namespaces, mut uid) = (BTreeMap::new(), String::new());
        let mut page = ListParams::default().limit(PAGE);
        loop {
            let list = bounded(api.list_metadata(&page)).await?;
            for namespace in list.items {
                let name = namespace.metadata.name.unwrap_or_default();
                if name == "kube-system" {
                    uid = namespace.metadata.uid.unwrap_or_default();
                }
                let mut labels = namespace.metadata.labels.unwrap_or_default();
                labels.remove(NAME_LABEL);
                namespaces.insert(name, labels);
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok((namespaces, uid)),
            }
        }
    }

    async fn kube_dns_labels(&self) -> Result<BTreeMap<String, String>, cluster::Error> {
        let api: Api<Service> = Api::namespaced(self.client.clone(), "kube-system");
        let service = bounded(api.get_opt("kube-dns")).await?;
        Ok(service.and_then(|service| service.metadata.labels).unwrap_or_default())
    }

    async fn settings(&self, kind: &str, plural: &str, name: &str) -> Result<Option<Value>, cluster::Error> {
        let resource =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(SETTINGS_GROUP, "v1", kind), plural);
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        Ok(bounded(api.get_opt(name)).await?.map(|object| object.data))
    }
}

impl Landmark {
    /// Kinds of Kubernetes itself are always served and not listed.
    fn may_exist(&self, kinds: &BTreeSet<String>) -> bool {
        let (group, _, kind, _) = self.kind;
        BUILT_IN.contains(&group) || kinds.contains(&format!("{group}/{kind}"))
    }
}

impl fmt::Display for Landmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (group, _, kind, _) = self.kind;
        let kind = if group.is_empty() { kind.to_owned() } else { format!("{group}/{kind}") };
        match self.namespace {
            "" => write!(f, "{kind} {}", self.name),
            namespace => write!(f, "{kind} {namespace}/{}", self.name),
        }
    }
}

fn kind_of(node: Node) -> NodeKind {
    let name = node.metadata.name.unwrap_or_default();
    let name_mark = NAME_MARKS.into_iter().find(|mark| name.starts_with(mark)).unwrap_or_default();
    let external_address = node.status.as_ref().is_some_and(|status| {
        let mut addresses = status.addresses.iter().flatten();
        addresses.any(|address| matches!(address.type_.as_str(), "ExternalIP" | "ExternalDNS"))
    });
    let provider_id = node.spec.and_then(|spec| spec.provider_id).unwrap_or_default();
    let info = node.status.and_then(|status| status.node_info);
    let (kubelet_version, os_image) =
        info.map(|info| (info.kubelet_version, info.os_image)).unwrap_or_default();
    let is_valued = |key: &String| VALUED_LABELS.contains(&key.as_str());
    let label = |(key, value): (String, String)| if is_valued(&key) { format!("{key}={value}") } else { key };
    let mut labels: Vec<String> = node.metadata.labels.unwrap_or_default().into_iter().map(label).collect();
    labels.sort();
    let mut annotations: Vec<String> = node
        .metadata
        .annotations
        .unwrap_or_default()
        .into_keys()
        .filter(|key| names_distribution(key))
        .collect();
    annotations.sort();
    let provider = provider_id.split_once(':').map(|(scheme, _)| scheme.to_owned()).unwrap_or_default();
    NodeKind { provider, kubelet_version, os_image, labels, annotations, name_mark, external_address }
}

fn names_distribution(key: &str) -> bool {
    DISTRIBUTIONS.iter().any(|beginning| key.starts_with(beginning))
}

fn version_of(object: &Value) -> ClusterVersion {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let history = object["status"]["history"].as_array().map(Vec::as_slice).unwrap_or_default();
    let completed = history.iter().find(|entry| entry["state"] == "Completed");
    ClusterVersion {
        current: completed.map(|entry| text(&entry["version"])).unwrap_or_default(),
        desired: text(&object["status"]["desired"]["version"]),
    }
}

fn infrastructure_of(object: &Value) -> Infrastructure {
    let status = &object["status"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    // Tags stand below the name of the cloud, whichever it is.
    let clouds = status["platformStatus"].as_object().into_iter().flatten();
    let tags = clouds.filter_map(|(_, cloud)| cloud["resourceTags"].as_array()).flatten();
    Infrastructure {
        platform_type: text(&status["platformStatus"]["type"]),
        control_plane_topology: text(&status["controlPlaneTopology"]),
        resource_tags: tags.map(|tag| (text(&tag["key"]), text(&tag["value"]))).collect(),
    }
}

/// Cuts what is too much, and says so.
fn bound(facts: &mut Facts) {
    let mut cut = |fact: &str, count: usize, most: usize| {
        if count > most {
            facts.unread.insert(fact.to_owned(), format!("there are {count}, the first {most} are told"));
        }
        count > most
    };
    if cut("kinds", facts.kinds.len(), MOST_KINDS) {
        facts.kinds = std::mem::take(&mut facts.kinds).into_iter().take(MOST_KINDS).collect();
    }
    if cut("nodes", facts.nodes.len(), MOST_NODE_GROUPS) {
        facts.nodes = std::mem::take(&mut facts.nodes).into_iter().take(MOST_NODE_GROUPS).collect();
    }
    if cut("namespaces", facts.namespaces.len(), MOST_NAMESPACES) {
        facts.namespaces = std::mem::take(&mut facts.namespaces).into_iter().take(MOST_NAMESPACES).collect();
    }
}

#[cfg(test)]
mod tests;
