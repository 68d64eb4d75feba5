//! SecurityContextConstraints: what a cluster serves, with the defaults that the server writes into them.

use std::{collections::BTreeSet, sync::Arc};

use serde::Deserialize;

use crate::{
    context::SeLinuxOptions,
    nullable::{names, nullable},
    volume,
};

/// One SCC. Field by field as OpenShift spells them; a field that no rule reads is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Served")]
pub struct SecurityContextConstraints {
    /// Unique in a cluster.
    pub name: Arc<str>,
    /// Tried earlier the higher it is.
    pub priority: i64,
    /// Whether containers may be root on the node.
    pub allow_privileged_container: bool,
    /// What a container without a wish gets; `None` leaves it.
    pub default_allow_privilege_escalation: Option<bool>,
    /// Whether processes may gain privileges.
    pub allow_privilege_escalation: bool,
    /// The node's network.
    pub allow_host_network: bool,
    /// Ports of the node.
    pub allow_host_ports: bool,
    /// The node's processes.
    pub allow_host_pid: bool,
    /// The node's interprocess communication.
    pub allow_host_ipc: bool,
    /// Whether a pod must have users of its own.
    pub user_namespace: UserNamespace,
    /// Whether images must be read-only.
    pub read_only_root_filesystem: bool,
    /// Added unless dropped.
    pub default_add_capabilities: Vec<Arc<str>>,
    /// Dropped, whatever the container says.
    pub required_drop_capabilities: Vec<Arc<str>>,
    /// May be asked for; `*` is all.
    pub allowed_capabilities: Vec<Arc<str>>,
    /// Kinds of volumes; `*` is all.
    pub volumes: BTreeSet<String>,
    /// Drivers of flex volumes; empty is all.
    pub allowed_flex_drivers: Vec<String>,
    /// Beyond the safe ones; a `*` at the end is a prefix.
    pub allowed_unsafe_sysctls: Vec<String>,
    /// Even of the safe ones.
    pub forbidden_sysctls: Vec<String>,
    /// Profiles; `*` is any, none listed is none allowed.
    pub seccomp_profiles: Vec<String>,
    /// Which user.
    pub run_as_user: RunAsUser,
    /// Which SELinux label.
    pub se_linux_context: SeLinuxContext,
    /// Which group owns volumes.
    pub fs_group: Groups,
    /// Which further groups.
    pub supplemental_groups: Groups,
    /// Users that may use it whatever RBAC says.
    pub users: Vec<String>,
    /// Groups that may use it whatever RBAC says.
    pub groups: Vec<String>,
}

/// Whether a pod must have users of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserNamespace {
    /// The node's users are allowed.
    HostAllowed,
    /// `hostUsers: false` is required.
    PodRequired,
}

/// How users are chosen: a strategy's name and what belongs to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RunAsUser {
    /// `MustRunAs`, `MustRunAsRange`, `MustRunAsNonRoot` or `RunAsAny`.
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub kind: String,
    /// Of `MustRunAs`.
    pub uid: Option<i64>,
    /// Of `MustRunAsRange`; without it and its end, the namespace's.
    pub uid_range_min: Option<i64>,
    /// Of `MustRunAsRange`.
    pub uid_range_max: Option<i64>,
}

/// How SELinux labels are chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SeLinuxContext {
    /// `MustRunAs` or `RunAsAny`.
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub kind: String,
    /// Of `MustRunAs`; without a level, the namespace's.
    pub se_linux_options: Option<SeLinuxOptions>,
}

/// How groups are chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Groups {
    /// `MustRunAs` or `RunAsAny`.
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub kind: String,
    /// Of `MustRunAs`; without any, the namespace's.
    #[serde(deserialize_with = "nullable")]
    pub ranges: Vec<IdRange>,
}

/// Ids from one to another, both included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct IdRange {
    /// The first.
    pub min: i64,
    /// The last; below the first, nothing is in the range.
    pub max: i64,
}

impl IdRange {
    /// Whether `id` lies in it.
    pub fn contains(self, id: i64) -> bool {
        (self.min..=self.max).contains(&id)
    }
}

/// As it is written in YAML or JSON, by a person or by the server.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Served {
    metadata: Named,
    priority: Option<i64>,
    #[serde(default, deserialize_with = "nullable")]
    allow_privileged_container: bool,
    default_allow_privilege_escalation: Option<bool>,
    allow_privilege_escalation: Option<bool>,
    #[serde(default, deserialize_with = "nullable")]
    allow_host_dir_volume_plugin: bool,
    #[serde(default, deserialize_with = "nullable")]
    allow_host_network: bool,
    #[serde(default, deserialize_with = "nullable")]
    allow_host_ports: bool,
    #[serde(default, rename = "allowHostPID", deserialize_with = "nullable")]
    allow_host_pid: bool,
    #[serde(default, rename = "allowHostIPC", deserialize_with = "nullable")]
    allow_host_ipc: bool,
    user_namespace_level: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    read_only_root_filesystem: bool,
    #[serde(default, deserialize_with = "names")]
    default_add_capabilities: Vec<Arc<str>>,
    #[serde(default, deserialize_with = "names")]
    required_drop_capabilities: Vec<Arc<str>>,
    #[serde(default, deserialize_with = "names")]
    allowed_capabilities: Vec<Arc<str>>,
    volumes: Option<Vec<String>>,
    #[serde(default, deserialize_with = "nullable")]
    allowed_flex_volumes: Vec<FlexDriver>,
    #[serde(default, deserialize_with = "nullable")]
    allowed_unsafe_sysctls: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    forbidden_sysctls: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    seccomp_profiles: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    run_as_user: RunAsUser,
    #[serde(default, deserialize_with = "nullable")]
    se_linux_context: SeLinuxContext,
    #[serde(default, deserialize_with = "nullable")]
    fs_group: Groups,
    #[serde(default, deserialize_with = "nullable")]
    supplemental_groups: Groups,
    #[serde(default, deserialize_with = "nullable")]
    users: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    groups: Vec<String>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct FlexDriver {
    #[serde(default)]
    driver: String,
}

/// The value of `userNamespaceLevel` that asks for users of the pod's own; every other one asks for nothing.
const POD_LEVEL: &str = "RequirePodLevel";

impl From<Served> for SecurityContextConstraints {
    /// Completes what was left out as the server does when an SCC is stored; one that was served comes out the same.
    fn from(served: Served) -> Self {
        let required = served.user_namespace_level.as_deref() == Some(POD_LEVEL);
        Self {
            name: served.metadata.name.into(),
            priority: served.priority.unwrap_or_default(),
            allow_privileged_container: served.allow_privileged_container,
            default_allow_privilege_escalation: served.default_allow_privilege_escalation,
            allow_privilege_escalation: served.allow_privilege_escalation.unwrap_or(true),
            allow_host_network: served.allow_host_network,
            allow_host_ports: served.allow_host_ports,
            allow_host_pid: served.allow_host_pid,
            allow_host_ipc: served.allow_host_ipc,
            user_namespace: if required { UserNamespace::PodRequired } else { UserNamespace::HostAllowed },
            read_only_root_filesystem: served.read_only_root_filesystem,
            default_add_capabilities: served.default_add_capabilities,
            required_drop_capabilities: served.required_drop_capabilities,
            allowed_capabilities: served.allowed_capabilities,
            volumes: volume::allowed(served.volumes, served.allow_host_dir_volume_plugin),
            allowed_flex_drivers: served.allowed_flex_volumes.into_iter().map(|flex| flex.driver).collect(),
            allowed_unsafe_sysctls: served.allowed_unsafe_sysctls,
            forbidden_sysctls: served.forbidden_sysctls,
            seccomp_profiles: served.seccomp_profiles,
            run_as_user: served.run_as_user,
            se_linux_context: served.se_linux_context,
            fs_group: any_if_unset(served.fs_group),
            supplemental_groups: any_if_unset(served.supplemental_groups),
            users: served.users,
            groups: served.groups,
        }
    }
}

fn any_if_unset(mut groups: Groups) -> Groups {
    if groups.kind.is_empty() {
        "RunAsAny".clone_into(&mut groups.kind);
    }
    groups
}
