//! What of a pod an SCC does not allow, in words of the pod's own fields.

use std::{
    fmt::{Display, Formatter, Result},
    sync::Arc,
};

use crate::{pod::List, scc::IdRange};

/// One thing that an SCC does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// The group of volumes.
    FsGroup(GroupViolation),
    /// The further groups.
    SupplementalGroups(GroupViolation),
    /// The pod's seccomp profile, as an annotation; empty is none.
    Seccomp(String),
    /// The pod's SELinux label.
    SeLinux(SeLinuxViolation),
    /// The node's network.
    HostNetwork,
    /// The node's processes.
    HostPid,
    /// The node's interprocess communication.
    HostIpc,
    /// `hostUsers` is not false.
    HostUsers,
    /// A kernel setting.
    Sysctl {
        /// Where in the list.
        index: usize,
        /// Its name.
        name: String,
        /// Whether the SCC forbids it by name; else it is merely not safe.
        forbidden: bool,
    },
    /// A kind of volume.
    Volume {
        /// Where in the list.
        index: usize,
        /// In the words of an SCC.
        kind: &'static str,
    },
    /// The driver of a flex volume.
    FlexDriver {
        /// Where in the list.
        index: usize,
        /// Its name.
        driver: String,
    },
    /// Something of a container.
    Container {
        /// In which list.
        list: List,
        /// Where in it.
        index: usize,
        /// What.
        what: ContainerViolation,
    },
}

/// What an SCC does not allow of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerViolation {
    /// There must be a user.
    NoUser,
    /// The user is none of these.
    User {
        /// Which it is.
        user: i64,
        /// Which it may be.
        range: IdRange,
    },
    /// `runAsNonRoot` must be true.
    MayBeRoot,
    /// The user is root.
    Root,
    /// The container's SELinux label.
    SeLinux(SeLinuxViolation),
    /// The container's seccomp profile, as an annotation; empty is none.
    Seccomp(String),
    /// It is privileged.
    Privileged,
    /// It has no capabilities where some are needed.
    NoCapabilities,
    /// It adds one.
    Capability(Arc<str>),
    /// It does not drop one.
    CapabilityKept(Arc<str>),
    /// It takes a port of the node.
    HostPort(i64),
    /// Its image is not read-only.
    WritableRoot,
    /// Its processes may gain privileges.
    Escalation,
}

/// Why groups are not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupViolation {
    /// There must be one.
    None,
    /// This one is in no range.
    Outside(i64),
}

/// Why a label of SELinux is not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeLinuxViolation {
    /// There must be one.
    Missing,
    /// A part is not what it must be.
    Part {
        /// `user`, `role`, `type` or `level`.
        part: &'static str,
        /// What it must be.
        must: String,
    },
}

impl Display for Violation {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Self::FsGroup(wrong) => write!(out, "spec.securityContext.fsGroup: {wrong}"),
            Self::SupplementalGroups(wrong) => {
                write!(out, "spec.securityContext.supplementalGroups: {wrong}")
            }
            Self::Seccomp(profile) => {
                write!(out, "spec.securityContext.seccompProfile: {}", Profile(profile))
            }
            Self::SeLinux(wrong) => write!(out, "spec.securityContext.seLinuxOptions{wrong}"),
            Self::HostNetwork => out.write_str("spec.hostNetwork: the node's network is not allowed"),
            Self::HostPid => out.write_str("spec.hostPID: the node's processes are not allowed"),
            Self::HostIpc => {
                out.write_str("spec.hostIPC: the node's interprocess communication is not allowed")
            }
            Self::HostUsers => out.write_str("spec.hostUsers: must be false"),
            Self::Sysctl { index, name, forbidden } => {
                let why = if *forbidden { "is forbidden" } else { "is not safe and not allowed" };
                write!(out, "spec.securityContext.sysctls[{index}]: {name} {why}")
            }
            Self::Volume { index, kind } => write!(out, "spec.volumes[{index}]: {kind} is not allowed"),
            Self::FlexDriver { index, driver } => {
                write!(out, "spec.volumes[{index}].flexVolume.driver: {driver:?} is not allowed")
            }
            Self::Container { list, index, what } => write!(out, "spec.{}[{index}].{what}", list.field()),
        }
    }
}

impl Display for ContainerViolation {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Self::HostPort(port) => write!(out, "ports: port {port} of the node is not allowed"),
            Self::Seccomp(profile) => write!(out, "securityContext.seccompProfile: {}", Profile(profile)),
            Self::SeLinux(wrong) => write!(out, "securityContext.seLinuxOptions{wrong}"),
            Self::NoUser => out.write_str("securityContext.runAsUser: must be set"),
            Self::User { user, range } if range.min == range.max => {
                write!(out, "securityContext.runAsUser: {user} is not {}", range.min)
            }
            Self::User { user, range } => {
                write!(out, "securityContext.runAsUser: {user} is not within {}-{}", range.min, range.max)
            }
            Self::MayBeRoot => out.write_str("securityContext.runAsNonRoot: must be true"),
            Self::Root => out.write_str("securityContext.runAsUser: must not be root"),
            Self::Privileged => out.write_str("securityContext.privileged: is not allowed"),
            Self::NoCapabilities => out.write_str("securityContext.capabilities: must be set"),
            Self::Capability(name) => write!(out, "securityContext.capabilities.add: {name} is not allowed"),
            Self::CapabilityKept(name) => {
                write!(out, "securityContext.capabilities.drop: {name} must be dropped")
            }
            Self::WritableRoot => out.write_str("securityContext.readOnlyRootFilesystem: must be true"),
            Self::Escalation => out.write_str("securityContext.allowPrivilegeEscalation: must be false"),
        }
    }
}

impl Display for GroupViolation {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Self::None => out.write_str("must not be empty"),
            Self::Outside(group) => write!(out, "{group} is not an allowed group"),
        }
    }
}

impl Display for SeLinuxViolation {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Self::Missing => out.write_str(": must be set"),
            Self::Part { part, must } if must.is_empty() => write!(out, ".{part}: must not be set"),
            Self::Part { part, must } => write!(out, ".{part}: must be {must}"),
        }
    }
}

/// A profile that is not allowed.
struct Profile<'a>(&'a str);

impl Display for Profile<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self.0 {
            "" => out.write_str("must be set"),
            profile => write!(out, "{profile} is not allowed"),
        }
    }
}
