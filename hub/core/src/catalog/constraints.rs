//! OpenShift's own SecurityContextConstraints, as far as admission reads them, by the minor that brought them.

use std::collections::BTreeSet;

use hub_admission::{
    SecurityContextConstraints,
    context::SeLinuxOptions,
    scc::{Groups, IdRange, RunAsUser, SeLinuxContext, UserNamespace},
};

use super::{MinorVersion, openshift::V2_CONSTRAINTS_FROM};

/// Where the table stands, for people.
pub const SOURCE: &str = "openshift/cluster-kube-apiserver-operator, bindata/bootkube/scc-manifests by release branch; observed as served by the API server of OpenShift 5.0";

/// What of the node a constraint lets pods reach.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Nothing,
    Folders,
    Network,
    AllButPrivilege,
    Everything,
}

#[derive(Clone, Copy)]
enum Users {
    OfNamespace,
    Within(IdRange),
    NonRoot,
    Any,
}

#[derive(Clone, Copy)]
enum Group {
    OfNamespace,
    Within(IdRange),
    Any,
}

#[derive(Clone, Copy)]
enum Label {
    OfNamespace,
    OfType(&'static str),
    Any,
}

/// A constraint in what tells it from the others.
#[derive(Clone, Copy)]
struct Known {
    name: &'static str,
    from: MinorVersion,
    priority: i64,
    reach: Reach,
    users: Users,
    label: Label,
    fs_group: Group,
    groups: Group,
    drops: &'static [&'static str],
    allows: &'static [&'static str],
    seccomp: &'static [&'static str],
    escalation: bool,
    user_namespace: UserNamespace,
}

const ALWAYS: MinorVersion = MinorVersion::new(4, 0);
const V3_FROM: MinorVersion = MinorVersion::new(4, 20);
const HOST_MOUNT_V2_FROM: MinorVersion = MinorVersion::new(4, 18);
const V3_IDS: IdRange = IdRange { min: 1000, max: 65534 };
const NESTED_IDS: IdRange = IdRange { min: 0, max: 65534 };

/// Kinds of volumes that each of them allows; `image`, which came later, is in no pod that is planned.
const VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

const RESTRICTED: Known = Known {
    name: "restricted",
    from: ALWAYS,
    priority: 0,
    reach: Reach::Nothing,
    users: Users::OfNamespace,
    label: Label::OfNamespace,
    fs_group: Group::OfNamespace,
    groups: Group::Any,
    drops: &["KILL", "MKNOD", "SETUID", "SETGID"],
    allows: &[],
    seccomp: &[],
    escalation: true,
    user_namespace: UserNamespace::HostAllowed,
};
const RESTRICTED_V2: Known = Known {
    name: "restricted-v2",
    from: V2_CONSTRAINTS_FROM,
    drops: &["ALL"],
    allows: &["NET_BIND_SERVICE"],
    seccomp: &["runtime/default"],
    escalation: false,
    ..RESTRICTED
};
const ANYUID: Known = Known {
    name: "anyuid",
    priority: 10,
    users: Users::Any,
    fs_group: Group::Any,
    drops: &["MKNOD"],
    ..RESTRICTED
};
const HOST_MOUNT: Known = Known { name: "hostmount-anyuid", priority: 0, reach: Reach::Folders, ..ANYUID };

const ALL: [Known; 13] = [
    ANYUID,
    RESTRICTED,
    RESTRICTED_V2,
    Known {
        name: "restricted-v3",
        from: V3_FROM,
        users: Users::Within(V3_IDS),
        fs_group: Group::Within(V3_IDS),
        groups: Group::Within(V3_IDS),
        user_namespace: UserNamespace::PodRequired,
        ..RESTRICTED_V2
    },
    Known {
        name: "nested-container",
        from: V3_FROM,
        users: Users::Within(NESTED_IDS),
        label: Label::OfType("container_engine_t"),
        fs_group: Group::Within(NESTED_IDS),
        groups: Group::Within(NESTED_IDS),
        drops: &[],
        allows: &["SETUID", "SETGID"],
        seccomp: &["*"],
        user_namespace: UserNamespace::PodRequired,
        ..RESTRICTED
    },
    Known { name: "nonroot", users: Users::NonRoot, fs_group: Group::Any, ..RESTRICTED },
    Known { name: "nonroot-v2", users: Users::NonRoot, fs_group: Group::Any, ..RESTRICTED_V2 },
    HOST_MOUNT,
    Known { name: "hostmount-anyuid-v2", from: HOST_MOUNT_V2_FROM, label: Label::Any, ..HOST_MOUNT },
    Known { name: "hostnetwork", reach: Reach::Network, groups: Group::OfNamespace, ..RESTRICTED },
    Known { name: "hostnetwork-v2", reach: Reach::Network, groups: Group::OfNamespace, ..RESTRICTED_V2 },
    Known { name: "hostaccess", reach: Reach::AllButPrivilege, ..RESTRICTED },
    Known {
        name: "privileged",
        reach: Reach::Everything,
        users: Users::Any,
        label: Label::Any,
        fs_group: Group::Any,
        drops: &[],
        allows: &["*"],
        seccomp: &["*"],
        ..RESTRICTED
    },
];

/// The constraints that a minor of OpenShift has from the start. What a cluster's people added or changed is not in it.
#[must_use]
pub fn defaults_of(version: MinorVersion) -> Vec<SecurityContextConstraints> {
    ALL.iter().filter(|known| known.from <= version).map(Known::served).collect()
}

impl Known {
    /// Named users and groups are left out: none of them is an account of a mesh.
    fn served(&self) -> SecurityContextConstraints {
        let network = matches!(self.reach, Reach::Network | Reach::AllButPrivilege | Reach::Everything);
        let processes = matches!(self.reach, Reach::AllButPrivilege | Reach::Everything);
        let everything = self.reach == Reach::Everything;
        SecurityContextConstraints {
            name: self.name.into(),
            priority: self.priority,
            allow_privileged_container: everything,
            default_allow_privilege_escalation: None,
            allow_privilege_escalation: self.escalation,
            allow_host_network: network,
            allow_host_ports: network,
            allow_host_pid: processes,
            allow_host_ipc: processes,
            user_namespace: self.user_namespace,
            read_only_root_filesystem: false,
            default_add_capabilities: Vec::new(),
            required_drop_capabilities: owned(self.drops),
            allowed_capabilities: owned(self.allows),
            volumes: volumes(self.reach),
            allowed_flex_drivers: Vec::new(),
            allowed_unsafe_sysctls: if everything { owned(&["*"]) } else { Vec::new() },
            forbidden_sysctls: Vec::new(),
            seccomp_profiles: owned(self.seccomp),
            run_as_user: users(self.users),
            se_linux_context: label(self.label),
            fs_group: group(self.fs_group),
            supplemental_groups: group(self.groups),
            users: Vec::new(),
            groups: Vec::new(),
        }
    }
}

fn owned<T: for<'a> From<&'a str>>(words: &[&str]) -> Vec<T> {
    words.iter().map(|word| T::from(word)).collect()
}

fn volumes(reach: Reach) -> BTreeSet<String> {
    let further: &[&str] = match reach {
        Reach::Nothing | Reach::Network => &[],
        Reach::Folders => &["hostPath", "nfs"],
        Reach::AllButPrivilege => &["hostPath"],
        Reach::Everything => return ["*".to_owned()].into(),
    };
    VOLUMES.iter().chain(further).map(|kind| (*kind).to_owned()).collect()
}

fn users(users: Users) -> RunAsUser {
    let kind = match users {
        Users::OfNamespace | Users::Within(_) => "MustRunAsRange",
        Users::NonRoot => "MustRunAsNonRoot",
        Users::Any => "RunAsAny",
    };
    let range = match users {
        Users::Within(range) => Some(range),
        Users::OfNamespace | Users::NonRoot | Users::Any => None,
    };
    RunAsUser {
        kind: kind.to_owned(),
        uid: None,
        uid_range_min: range.map(|range| range.min),
        uid_range_max: range.map(|range| range.max),
    }
}

fn group(group: Group) -> Groups {
    let (kind, ranges) = match group {
        Group::OfNamespace => ("MustRunAs", Vec::new()),
        Group::Within(range) => ("MustRunAs", vec![range]),
        Group::Any => ("RunAsAny", Vec::new()),
    };
    Groups { kind: kind.to_owned(), ranges }
}

fn label(label: Label) -> SeLinuxContext {
    let (kind, of_type) = match label {
        Label::OfNamespace => ("MustRunAs", None),
        Label::OfType(name) => ("MustRunAs", Some(name)),
        Label::Any => ("RunAsAny", None),
    };
    let se_linux_options =
        of_type.map(|name| SeLinuxOptions { kind: name.to_owned(), ..SeLinuxOptions::default() });
    SeLinuxContext { kind: kind.to_owned(), se_linux_options }
}

#[cfg(test)]
mod tests {
    use hub_admission::Cluster;

    use super::*;

    fn order(minor: u32) -> Vec<String> {
        let cluster = Cluster::new(defaults_of(MinorVersion::new(4, minor)));
        cluster.sccs().iter().map(|scc| scc.name.to_string()).collect()
    }

    /// As a real API server tried them.
    #[test]
    fn the_defaults_are_tried_in_the_order_of_the_server() {
        let expected = "anyuid restricted-v2 restricted-v3 restricted nested-container nonroot-v2 nonroot \
            hostmount-anyuid hostmount-anyuid-v2 hostnetwork-v2 hostnetwork hostaccess privileged";
        assert_eq!(order(20).join(" "), expected);
    }

    #[test]
    fn a_minor_has_what_came_until_then() {
        assert!(!order(10).iter().any(|name| name.ends_with("-v2")));
        assert_eq!((order(11).len(), order(18).len(), order(20).len()), (10, 11, 13));
    }
}
