//! What Kubernetes itself refuses of security contexts, ports and volumes, whoever admitted the pod. It looks at what
//! was filled in, too: a privileged container for which an SCC forbids escalation is refused here.

use std::{
    collections::BTreeSet,
    fmt::{Display, Formatter},
};

use crate::{
    context::{SeccompProfile, SecurityContext, Sysctl},
    pod::{Container, List, Pod},
    seccomp,
};

/// Ids of users and groups have 31 bits.
const MOST_ID: i64 = i32::MAX as i64;
const LONGEST_SYSCTL: usize = 253;
const WINDOWS: &str = "windows";

/// One mistake of a pod.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct Mistake {
    /// Where.
    pub field: String,
    /// What.
    pub why: Why,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// A privileged container always may.
    #[error("must not be false where privileged is true")]
    PrivilegedCannotBeKept,
    /// `CAP_SYS_ADMIN` always may.
    #[error("must not be false where CAP_SYS_ADMIN is added")]
    SysAdminCannotBeKept,
    /// An id that is none.
    #[error("is not within 0-{MOST_ID}")]
    Id,
    /// An unmasked `/proc` needs users of the pod's own.
    #[error("is Unmasked, which needs hostUsers: false")]
    Unmasked,
    /// A word that Kubernetes does not know.
    #[error("is unknown")]
    Unknown,
    /// Something of the node together with users of the pod's own.
    #[error("is not allowed with hostUsers: false")]
    OwnUsers,
    /// There is nothing to share where the node's processes are seen.
    #[error("cannot be true with hostPID")]
    HostProcesses,
    /// Mounts that reach the node.
    #[error("is Bidirectional, which needs a privileged container")]
    Bidirectional,
    /// On the node's network both ports are the same.
    #[error("must be the containerPort with hostNetwork")]
    PortDiffers,
    /// Twice the same.
    #[error("is there twice")]
    Twice,
    /// A setting of the node's own namespace.
    #[error("belongs to a namespace that is the node's here")]
    HostSysctl,
    /// Something must be there.
    #[error("must be set")]
    Missing,
    /// Something must not be there.
    #[error("must not be set")]
    Stray,
    /// A path that leads elsewhere.
    #[error("must be a path below the folder of profiles")]
    Path,
    /// An annotation that names no profile.
    #[error("is no seccomp profile")]
    NoProfile,
    /// An annotation and its field say different things.
    #[error("differs from its annotation")]
    AnnotationDiffers,
    /// A volume says to be several kinds.
    #[error("is of more than one kind")]
    SeveralKinds,
    /// A new pod has none.
    #[error("cannot be set when a pod is made")]
    OnlyLater,
}

/// Everything that is wrong with a pod.
pub(crate) fn check(pod: &Pod) -> Vec<Mistake> {
    let mut found = Vec::new();
    check_pod(pod, &mut found);
    check_sysctls(pod, &mut found);
    check_annotations(pod, &mut found);
    check_ports(pod, &mut found);
    for (list, index, container) in pod.containers() {
        check_container(pod, container, Place { list, index }, &mut found);
        if pod.spec.os.name == WINDOWS {
            check_windows(&container.security_context, Place { list, index }, &mut found);
        }
    }
    found
}

/// Where a container stands, as a path; it is written only where something is wrong.
#[derive(Clone, Copy)]
struct Place {
    list: List,
    index: usize,
}

impl Display for Place {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        write!(out, "spec.{}[{}]", self.list.field(), self.index)
    }
}

fn say(found: &mut Vec<Mistake>, wrong: bool, why: Why, field: impl FnOnce() -> String) {
    if wrong {
        found.push(Mistake { field: field(), why });
    }
}

fn is_no_id(id: Option<i64>) -> bool {
    id.is_some_and(|id| !(0..=MOST_ID).contains(&id))
}

fn check_pod(pod: &Pod, found: &mut Vec<Mistake>) {
    let (spec, context) = (&pod.spec, &pod.spec.security_context);
    for (id, field) in [
        (context.run_as_user, "runAsUser"),
        (context.run_as_group, "runAsGroup"),
        (context.fs_group, "fsGroup"),
    ] {
        say(found, is_no_id(id), Why::Id, || format!("spec.securityContext.{field}"));
    }
    let groups = context.supplemental_groups.iter().flatten();
    say(found, groups.into_iter().any(|group| is_no_id(Some(*group))), Why::Id, || {
        "spec.securityContext.supplementalGroups".to_owned()
    });
    check_profile(context.seccomp_profile.as_ref(), &"spec", found);
    let shared = [(spec.host_network, "hostNetwork"), (spec.host_pid, "hostPID"), (spec.host_ipc, "hostIPC")];
    for (of_the_node, field) in shared {
        let wrong = of_the_node && spec.host_users == Some(false);
        say(found, wrong, Why::OwnUsers, || format!("spec.{field}"));
    }
    let both = spec.host_pid && spec.share_process_namespace == Some(true);
    say(found, both, Why::HostProcesses, || "spec.shareProcessNamespace".to_owned());
    for (index, volume) in spec.volumes.iter().enumerate() {
        say(found, volume.kinds > 1, Why::SeveralKinds, || format!("spec.volumes[{index}]"));
    }
    let later = !spec.ephemeral_containers.is_empty();
    say(found, later, Why::OnlyLater, || "spec.ephemeralContainers".to_owned());
    if spec.os.name == WINDOWS {
        check_windows_pod(pod, found);
    }
}

fn check_container(pod: &Pod, container: &Container, place: Place, found: &mut Vec<Mistake>) {
    let context = &container.security_context;
    let of = |field: &str| format!("{place}.securityContext.{field}");
    say(found, is_no_id(context.run_as_user), Why::Id, || of("runAsUser"));
    say(found, is_no_id(context.run_as_group), Why::Id, || of("runAsGroup"));
    check_profile(context.seccomp_profile.as_ref(), &place, found);
    let mount = context.proc_mount.as_deref();
    let unmasked = mount == Some("Unmasked") && pod.spec.host_users != Some(false);
    say(found, unmasked, Why::Unmasked, || of("procMount"));
    say(found, !matches!(mount, None | Some("Default" | "Unmasked")), Why::Unknown, || of("procMount"));
    let privileged = context.privileged == Some(true);
    let kept = context.allow_privilege_escalation == Some(false);
    let added = context.capabilities.iter().flat_map(|capabilities| &capabilities.add);
    let sys_admin = added.into_iter().any(|name| **name == *"CAP_SYS_ADMIN");
    say(found, kept && privileged, Why::PrivilegedCannotBeKept, || of("allowPrivilegeEscalation"));
    say(found, kept && sys_admin, Why::SysAdminCannotBeKept, || of("allowPrivilegeEscalation"));
    for (index, mount) in container.volume_mounts.iter().enumerate() {
        let reaches = mount.mount_propagation == "Bidirectional" && !privileged;
        say(found, reaches, Why::Bidirectional, || format!("{place}.volumeMounts[{index}].mountPropagation"));
    }
}

fn check_profile(profile: Option<&SeccompProfile>, place: &dyn Display, found: &mut Vec<Mistake>) {
    let Some(profile) = profile else { return };
    let of = |field: &str| format!("{place}.securityContext.seccompProfile.{field}");
    match (profile.kind.as_str(), &profile.localhost_profile) {
        ("Localhost", Some(file)) => {
            say(found, !seccomp::descends(file), Why::Path, || of("localhostProfile"));
        }
        ("Localhost", None) => say(found, true, Why::Missing, || of("localhostProfile")),
        ("RuntimeDefault" | "Unconfined", file) => {
            say(found, file.is_some(), Why::Stray, || of("localhostProfile"));
        }
        _ => say(found, true, Why::Unknown, || of("type")),
    }
}

/// Annotations of seccomp must name profiles, and the same as the fields beside them.
fn check_annotations(pod: &Pod, found: &mut Vec<Mistake>) {
    let annotations = &pod.metadata.annotations;
    let of_seccomp =
        |key: &str| key == seccomp::POD_ANNOTATION || key.starts_with(seccomp::CONTAINER_ANNOTATION);
    for (key, profile) in annotations.iter().filter(|(key, _)| of_seccomp(key)) {
        let wrong = !seccomp::is_profile(profile);
        say(found, wrong, Why::NoProfile, || format!("metadata.annotations[{key}]"));
    }
    let differs = |annotation: Option<&str>, field: Option<&SeccompProfile>| match (annotation, field) {
        (Some(annotation), Some(field)) => !seccomp::agree(annotation, field),
        _ => false,
    };
    let own = pod.spec.security_context.seccomp_profile.as_ref();
    say(found, differs(pod.annotation(seccomp::POD_ANNOTATION), own), Why::AnnotationDiffers, || {
        "spec.securityContext.seccompProfile".to_owned()
    });
    for (list, index, container) in pod.containers() {
        let annotation = seccomp::of_container(&container.name, annotations);
        let wrong = differs(annotation, container.security_context.seccomp_profile.as_ref());
        say(found, wrong, Why::AnnotationDiffers, || {
            format!("spec.{}[{index}].securityContext.seccompProfile", list.field())
        });
    }
}

fn check_sysctls(pod: &Pod, found: &mut Vec<Mistake>) {
    let mut names = BTreeSet::new();
    for (index, Sysctl { name, .. }) in pod.spec.security_context.sysctls.iter().enumerate() {
        let of = || format!("spec.securityContext.sysctls[{index}].name");
        let dotted = name.replace('/', ".");
        say(found, !is_sysctl(&dotted), Why::Unknown, of);
        say(found, !names.insert(name.as_str()), Why::Twice, of);
        let network = pod.spec.host_network && dotted.starts_with("net.");
        let ipc = ["kernel.shm", "kernel.msg", "fs.mqueue."].iter().any(|prefix| dotted.starts_with(prefix))
            || dotted == "kernel.sem";
        say(found, network || pod.spec.host_ipc && ipc, Why::HostSysctl, of);
    }
}

/// Parts of small letters and digits, with dashes and underscores inside.
fn is_sysctl(dotted: &str) -> bool {
    let outer = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let part = |part: &str| {
        part.starts_with(outer)
            && part.ends_with(outer)
            && part.chars().all(|letter| outer(letter) || matches!(letter, '-' | '_'))
    };
    dotted.len() <= LONGEST_SYSCTL && dotted.split('.').all(part)
}

/// Ports of the node are taken once, and on its network they are the container's.
fn check_ports(pod: &Pod, found: &mut Vec<Mistake>) {
    let mut taken = BTreeSet::new();
    for (list, index, container) in pod.containers() {
        // Init containers run one after the other, so only their own ports can meet.
        let mut own = BTreeSet::new();
        for (number, port) in container.ports.iter().enumerate().filter(|(_, port)| port.host_port > 0) {
            let of = || format!("spec.{}[{index}].ports[{number}].hostPort", list.field());
            let protocol = if port.protocol.is_empty() { "TCP" } else { &port.protocol };
            let key = (port.host_port, protocol, port.host_ip.as_str());
            let free = if list == List::Ordinary { taken.insert(key) } else { own.insert(key) };
            say(found, !free, Why::Twice, of);
            let differs = pod.spec.host_network && port.host_port != port.container_port;
            say(found, differs && list == List::Ordinary, Why::PortDiffers, of);
        }
    }
}

/// What means nothing on Windows must not be set.
fn check_windows_pod(pod: &Pod, found: &mut Vec<Mistake>) {
    let (spec, context) = (&pod.spec, &pod.spec.security_context);
    let set = [
        (context.se_linux_options.is_some(), "securityContext.seLinuxOptions"),
        (spec.host_users.is_some(), "hostUsers"),
        (spec.host_pid, "hostPID"),
        (spec.host_ipc, "hostIPC"),
        (context.seccomp_profile.is_some(), "securityContext.seccompProfile"),
        (context.fs_group.is_some(), "securityContext.fsGroup"),
        (!context.sysctls.is_empty(), "securityContext.sysctls"),
        (context.run_as_user.is_some(), "securityContext.runAsUser"),
        (context.run_as_group.is_some(), "securityContext.runAsGroup"),
        (context.supplemental_groups.is_some(), "securityContext.supplementalGroups"),
    ];
    for (wrong, field) in set {
        say(found, wrong, Why::Stray, || format!("spec.{field}"));
    }
}

fn check_windows(context: &SecurityContext, place: Place, found: &mut Vec<Mistake>) {
    let set = [
        (context.se_linux_options.is_some(), "seLinuxOptions"),
        (context.seccomp_profile.is_some(), "seccompProfile"),
        (context.capabilities.is_some(), "capabilities"),
        (context.read_only_root_filesystem.is_some(), "readOnlyRootFilesystem"),
        (context.privileged.is_some(), "privileged"),
        (context.allow_privilege_escalation.is_some(), "allowPrivilegeEscalation"),
        (context.proc_mount.is_some(), "procMount"),
        (context.run_as_user.is_some(), "runAsUser"),
        (context.run_as_group.is_some(), "runAsGroup"),
    ];
    for (wrong, field) in set {
        say(found, wrong, Why::Stray, || format!("{place}.securityContext.{field}"));
    }
}
