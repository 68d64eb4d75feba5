//! Pods: what admission reads of them.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    context::{PodSecurityContext, SecurityContext},
    nullable::nullable,
    volume::Volume,
};

/// A pod as it is submitted. Fields that no step looks at are not kept.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Pod {
    /// Its name and annotations.
    #[serde(default, deserialize_with = "nullable")]
    pub metadata: Metadata,
    /// Everything else.
    pub spec: PodSpec,
}

/// What belongs to any object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// May be empty: pods of workloads get theirs from the server.
    #[serde(deserialize_with = "nullable")]
    pub name: String,
    /// Some of them are questions and answers of admission.
    #[serde(deserialize_with = "nullable")]
    pub annotations: BTreeMap<String, String>,
}

/// A pod's specification, as far as admission reads it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// Whose rights count first; empty means `default`.
    #[serde(deserialize_with = "nullable")]
    pub service_account_name: String,
    /// The former spelling of the same, still read.
    #[serde(deserialize_with = "nullable")]
    pub service_account: String,
    /// Whether the server mounts the service account's token; `None` is yes, unless the account says no.
    pub automount_service_account_token: Option<bool>,
    /// The node's network.
    #[serde(deserialize_with = "nullable")]
    pub host_network: bool,
    /// The node's processes.
    #[serde(rename = "hostPID", deserialize_with = "nullable")]
    pub host_pid: bool,
    /// The node's interprocess communication.
    #[serde(rename = "hostIPC", deserialize_with = "nullable")]
    pub host_ipc: bool,
    /// Whether containers see each other's processes; no rule looks at it but Kubernetes' own.
    pub share_process_namespace: Option<bool>,
    /// The node's users; `Some(false)` is a user namespace of its own.
    pub host_users: Option<bool>,
    /// For which operating system it is; pods for Windows are not judged.
    #[serde(deserialize_with = "nullable")]
    pub os: Os,
    /// What holds for all containers.
    #[serde(deserialize_with = "nullable")]
    pub security_context: PodSecurityContext,
    /// Run before the others; those that restart are sidecars.
    #[serde(deserialize_with = "nullable")]
    pub init_containers: Vec<Container>,
    /// Run side by side.
    #[serde(deserialize_with = "nullable")]
    pub containers: Vec<Container>,
    /// For debugging; a new pod may have none.
    #[serde(deserialize_with = "nullable")]
    pub ephemeral_containers: Vec<Container>,
    /// What containers may mount.
    #[serde(deserialize_with = "nullable")]
    pub volumes: Vec<Volume>,
}

/// An operating system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Os {
    /// `linux`, `windows`, or empty.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
}

/// One container of any kind.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    /// Unique in its pod.
    pub name: String,
    /// What holds for it alone.
    #[serde(deserialize_with = "nullable")]
    pub security_context: SecurityContext,
    /// What it listens on.
    #[serde(deserialize_with = "nullable")]
    pub ports: Vec<Port>,
    /// Where it mounts volumes.
    #[serde(deserialize_with = "nullable")]
    pub volume_mounts: Vec<VolumeMount>,
}

/// A port of a container; 0 is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Port {
    /// In the container.
    #[serde(deserialize_with = "nullable")]
    pub container_port: i64,
    /// On the node.
    #[serde(deserialize_with = "nullable")]
    pub host_port: i64,
    /// On which of the node's addresses; empty is all.
    #[serde(rename = "hostIP", deserialize_with = "nullable")]
    pub host_ip: String,
    /// `TCP` if empty.
    #[serde(deserialize_with = "nullable")]
    pub protocol: String,
}

/// A volume in a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeMount {
    /// Which.
    pub name: String,
    /// Where.
    pub mount_path: String,
    /// `Bidirectional` reaches the node.
    #[serde(deserialize_with = "nullable")]
    pub mount_propagation: String,
}

/// In which list of a pod a container stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum List {
    /// `initContainers`
    Init,
    /// `containers`
    Ordinary,
    /// `ephemeralContainers`
    Ephemeral,
}

impl List {
    /// The field's name.
    pub fn field(self) -> &'static str {
        match self {
            Self::Init => "initContainers",
            Self::Ordinary => "containers",
            Self::Ephemeral => "ephemeralContainers",
        }
    }
}

impl Pod {
    /// All containers in the order in which they are looked at, with where they stand.
    pub fn containers(&self) -> impl Iterator<Item = (List, usize, &Container)> {
        let lists = [
            (List::Init, &self.spec.init_containers),
            (List::Ordinary, &self.spec.containers),
            (List::Ephemeral, &self.spec.ephemeral_containers),
        ];
        lists.into_iter().flat_map(|(list, containers)| {
            containers.iter().enumerate().map(move |(index, container)| (list, index, container))
        })
    }

    /// All containers in the same order, to write to.
    pub fn containers_mut(&mut self) -> impl Iterator<Item = &mut Container> {
        let spec = &mut self.spec;
        let init_and_ordinary = spec.init_containers.iter_mut().chain(&mut spec.containers);
        init_and_ordinary.chain(&mut spec.ephemeral_containers)
    }

    /// An annotation's value.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata.annotations.get(key).map(String::as_str)
    }
}
