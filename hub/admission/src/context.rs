//! Security contexts of pods and containers: the fields that admission reads or writes, spelled as Kubernetes does.
//!
//! Fields that no rule looks at (`fsGroupChangePolicy`, `appArmorProfile`, …) are not here and stay as they are.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::nullable::{names, nullable, write_names};

/// What holds for a whole pod. `None` is a field that nobody wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSecurityContext {
    /// SELinux options of all containers that have none of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub se_linux_options: Option<SeLinuxOptions>,
    /// The user of all containers that have none of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_user: Option<i64>,
    /// The primary group; no rule looks at it but Kubernetes' own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_group: Option<i64>,
    /// Whether root is refused when a container starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_non_root: Option<bool>,
    /// Further groups. An empty list is not the same as none: it is never filled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supplemental_groups: Option<Vec<i64>>,
    /// The group that owns volumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs_group: Option<i64>,
    /// Kernel settings of the pod's namespaces.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub sysctls: Vec<Sysctl>,
    /// The seccomp profile of all containers that have none of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp_profile: Option<SeccompProfile>,
}

/// What holds for one container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecurityContext {
    /// Capabilities beyond and without the runtime's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// Whether it is root on the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privileged: Option<bool>,
    /// Instead of the pod's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub se_linux_options: Option<SeLinuxOptions>,
    /// Instead of the pod's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_user: Option<i64>,
    /// Instead of the pod's; no rule looks at it but Kubernetes' own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_group: Option<i64>,
    /// Instead of the pod's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_non_root: Option<bool>,
    /// Whether its image cannot be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only_root_filesystem: Option<bool>,
    /// Whether a process may gain more than its parent has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_privilege_escalation: Option<bool>,
    /// `Default` or `Unmasked`; no rule looks at it but Kubernetes' own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proc_mount: Option<String>,
    /// Instead of the pod's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp_profile: Option<SeccompProfile>,
}

/// A label of SELinux; an empty text is a part that is not set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct SeLinuxOptions {
    /// For example `system_u`.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "nullable")]
    pub user: String,
    /// For example `system_r`.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "nullable")]
    pub role: String,
    /// For example `container_t`.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty", deserialize_with = "nullable")]
    pub kind: String,
    /// Sensitivity and categories, for example `s0:c26,c5`.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "nullable")]
    pub level: String,
}

/// A seccomp profile as fields name it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SeccompProfile {
    /// `RuntimeDefault`, `Unconfined` or `Localhost`.
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub kind: String,
    /// The file on the node; for `Localhost` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub localhost_profile: Option<String>,
}

/// Names of capabilities. Case and the prefix `CAP_` count. They are copied for each SCC that is tried, so they are shared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Capabilities {
    /// Asked for.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "names",
        serialize_with = "write_names"
    )]
    pub add: Vec<Arc<str>>,
    /// Given up.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "names",
        serialize_with = "write_names"
    )]
    pub drop: Vec<Arc<str>>,
}

/// A kernel setting; its value is nobody's business here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Sysctl {
    /// With dots, or with slashes, which is not the same to every rule.
    pub name: String,
    /// What it is set to.
    #[serde(deserialize_with = "nullable")]
    pub value: String,
}
