//! Volumes: what kind one is, and which kinds an SCC allows.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use crate::{nullable::nullable, pod::Pod, scc::SecurityContextConstraints, violation::Violation};

/// Every kind of volume: the field of a pod, and the word of an SCC. A volume with several fields is of the first kind.
const KINDS: [(&str, &str); 30] = [
    ("hostPath", HOST_PATH),
    ("emptyDir", EMPTY_DIR),
    ("gcePersistentDisk", "gcePersistentDisk"),
    ("awsElasticBlockStore", "awsElasticBlockStore"),
    ("gitRepo", "gitRepo"),
    ("secret", SECRET),
    ("nfs", "nfs"),
    ("iscsi", "iscsi"),
    ("glusterfs", "glusterfs"),
    ("persistentVolumeClaim", "persistentVolumeClaim"),
    ("rbd", "rbd"),
    ("flexVolume", FLEX),
    ("cinder", "cinder"),
    ("cephfs", "cephFS"),
    ("flocker", "flocker"),
    ("downwardAPI", "downwardAPI"),
    ("fc", "fc"),
    ("azureFile", "azureFile"),
    ("configMap", "configMap"),
    ("vsphereVolume", "vsphere"),
    ("quobyte", "quobyte"),
    ("azureDisk", "azureDisk"),
    ("photonPersistentDisk", "photonPersistentDisk"),
    ("projected", PROJECTED),
    ("portworxVolume", "portworxVolume"),
    ("scaleIO", "scaleIO"),
    ("storageos", "storageOS"),
    ("csi", "csi"),
    ("ephemeral", "ephemeral"),
    ("image", "image"),
];

const HOST_PATH: &str = "hostPath";
const EMPTY_DIR: &str = "emptyDir";
const SECRET: &str = "secret";
const FLEX: &str = "flexVolume";
const PROJECTED: &str = "projected";

/// The word of an SCC for every kind.
pub(crate) const ALL: &str = "*";
/// The word of an SCC for no kind.
pub(crate) const NONE: &str = "none";
/// Kinds that reach nothing outside the pod's namespace.
pub(crate) const TRIVIAL: [&str; 6] = [SECRET, "configMap", EMPTY_DIR, "downwardAPI", PROJECTED, NONE];
/// Kinds that reach the node.
pub(crate) const HOST: [&str; 2] = [HOST_PATH, ALL];

/// A volume of a pod.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "Written")]
pub struct Volume {
    /// Unique in its pod.
    pub name: String,
    /// What it is.
    pub source: Source,
    /// How many kinds it says to be; more than one is a mistake.
    pub kinds: usize,
}

/// What a volume is, with what is looked at of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// Several sources in one folder; whether they are exactly what the server mounts as the account's token.
    Projected {
        /// Whether it looks like the token that the server mounts.
        like_token: bool,
    },
    /// By a program on the node.
    Flex {
        /// Its name.
        driver: String,
    },
    /// Inline, by a storage driver.
    Csi {
        /// Its name.
        driver: String,
    },
    /// Any other kind, by the word of an SCC.
    Other(&'static str),
}

impl Source {
    /// The word of an SCC for this kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Projected { .. } => PROJECTED,
            Self::Flex { .. } => FLEX,
            Self::Csi { .. } => "csi",
            Self::Other(kind) => kind,
        }
    }
}

#[derive(Deserialize)]
struct Written {
    #[serde(default, deserialize_with = "nullable")]
    name: String,
    #[serde(flatten)]
    fields: BTreeMap<String, Value>,
}

impl From<Written> for Volume {
    /// A volume that says nothing known is an empty folder, as the server's defaults make it.
    fn from(Written { name, fields }: Written) -> Self {
        let said = |field: &&(&str, &'static str)| fields.get(field.0).is_some_and(|value| !value.is_null());
        let source = match KINDS.iter().find(said) {
            Some((field, kind)) => source(kind, &fields[*field]),
            None => Source::Other(EMPTY_DIR),
        };
        Self { name, source, kinds: KINDS.iter().filter(said).count() }
    }
}

fn source(kind: &'static str, value: &Value) -> Source {
    let driver = || value["driver"].as_str().unwrap_or_default().to_owned();
    match kind {
        PROJECTED => Source::Projected { like_token: looks_like_token(value) },
        FLEX => Source::Flex { driver: driver() },
        "csi" => Source::Csi { driver: driver() },
        kind => Source::Other(kind),
    }
}

/// Whether every source of a projected volume is one of those that the server mounts for a service account: its token
/// for the default audience, the two certificate bundles file by file, the name of the namespace.
fn looks_like_token(projected: &Value) -> bool {
    let sources = projected["sources"].as_array();
    sources.is_none_or(|sources| sources.iter().all(is_of_token))
}

fn is_of_token(source: &Value) -> bool {
    let (token, config_map, downward) =
        (&source["serviceAccountToken"], &source["configMap"], &source["downwardAPI"]);
    if token.is_null() && config_map.is_null() && downward.is_null() {
        return false;
    }
    (token.is_null() || token["path"] == "token" && text(&token["audience"]).is_empty())
        && (config_map.is_null() || is_bundle(config_map))
        && (downward.is_null() || items(downward).iter().all(is_namespace))
}

fn is_bundle(config_map: &Value) -> bool {
    let file = match text(&config_map["name"]) {
        "kube-root-ca.crt" => "ca.crt",
        "openshift-service-ca.crt" => "service-ca.crt",
        _ => return false,
    };
    matches!(items(config_map), [item] if item["key"] == file && item["path"] == file)
}

/// The field's version is `v1` where it is left out, by the server's defaults.
fn is_namespace(item: &Value) -> bool {
    let field = &item["fieldRef"];
    item["path"] == "namespace"
        && field["fieldPath"] == "metadata.namespace"
        && matches!(text(&field["apiVersion"]), "" | "v1")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn items(value: &Value) -> &[Value] {
    value["items"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The kinds that an SCC allows, from its list and from its older flag for the node's folders, which wins both ways:
/// no list is everything but those folders, an empty list is nothing.
pub(crate) fn allowed(listed: Option<Vec<String>>, host_path: bool) -> BTreeSet<String> {
    let mut kinds: BTreeSet<String> = match listed {
        None => [ALL.to_owned()].into(),
        Some(listed) => listed.into_iter().collect(),
    };
    if kinds.is_empty() && !host_path {
        kinds.insert(NONE.to_owned());
    }
    let all = kinds.contains(ALL);
    if host_path {
        if !all {
            kinds.insert(HOST_PATH.to_owned());
        }
        return kinds;
    }
    kinds.retain(|kind| !HOST.contains(&kind.as_str()));
    if all {
        kinds
            .extend(KINDS.iter().map(|(_, kind)| *kind).filter(|kind| *kind != HOST_PATH).map(str::to_owned));
    }
    kinds
}

/// The volumes of a pod that an SCC does not allow.
pub(crate) fn check(scc: &SecurityContextConstraints, pod: &Pod, found: &mut Vec<Violation>) {
    let everything = scc.volumes.contains(ALL);
    for (index, volume) in pod.spec.volumes.iter().enumerate() {
        if !everything && !allows(scc, &volume.source) {
            found.push(Violation::Volume { index, kind: volume.source.kind() });
        }
    }
    if scc.allowed_flex_drivers.is_empty() || !(everything || scc.volumes.contains(FLEX)) {
        return;
    }
    for (index, volume) in pod.spec.volumes.iter().enumerate() {
        let Source::Flex { driver } = &volume.source else { continue };
        if !scc.allowed_flex_drivers.contains(driver) {
            found.push(Violation::FlexDriver { index, driver: driver.clone() });
        }
    }
}

/// Whether a kind is listed. Who lists secrets allows the account's token too, which once was one.
fn allows(scc: &SecurityContextConstraints, source: &Source) -> bool {
    scc.volumes.contains(source.kind())
        || matches!(source, Source::Projected { like_token: true }) && scc.volumes.contains(SECRET)
}
