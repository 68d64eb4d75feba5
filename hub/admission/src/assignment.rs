//! One SCC tried on one pod: what is missing is filled in, then the whole pod is checked.
//!
//! Nothing that somebody wrote is changed, but for seccomp, where an annotation overwrites its field. One violation
//! anywhere, in a container of any kind, and the SCC does not fit.

use std::{borrow::Cow, collections::BTreeMap};

use crate::{
    capability,
    completion::Policy,
    context::{PodSecurityContext, SecurityContext},
    pod::Pod,
    scc::UserNamespace,
    seccomp, sysctl,
    violation::{ContainerViolation, Violation},
    volume,
};

/// The one capability that keeps the default of escalation away; without its prefix it does not.
const SYS_ADMIN: &str = "CAP_SYS_ADMIN";

/// The parts of a pod that may be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Security {
    /// What holds for the pod.
    pub pod: PodSecurityContext,
    /// What holds for each container, in the order of [`Pod::containers`].
    pub containers: Vec<SecurityContext>,
    /// The pod's annotations.
    pub annotations: BTreeMap<String, String>,
}

impl Security {
    /// As a pod has them.
    pub fn of(pod: &Pod) -> Self {
        Self {
            pod: pod.spec.security_context.clone(),
            containers: pod
                .containers()
                .map(|(_, _, container)| container.security_context.clone())
                .collect(),
            annotations: pod.metadata.annotations.clone(),
        }
    }

    /// Writes them back into the pod that they were taken from.
    pub fn write_to(self, pod: &mut Pod) {
        pod.spec.security_context = self.pod;
        pod.metadata.annotations = self.annotations;
        for (container, context) in pod.containers_mut().zip(self.containers) {
            container.security_context = context;
        }
    }
}

impl Policy<'_> {
    /// Tries the SCC on a pod.
    ///
    /// # Errors
    /// Everything that it does not allow.
    pub fn assign(&self, pod: &Pod) -> Result<Security, Vec<Violation>> {
        let mut filled = Security::of(pod);
        self.fill_pod(&mut filled);
        let (mut found, mut wrong) = (Vec::new(), Vec::new());
        self.check_pod(pod, &filled, &mut found);
        let Security { pod: shared, containers, annotations } = &mut filled;
        for ((list, index, container), own) in pod.containers().zip(containers) {
            self.fill_container(&container.name, own, shared, annotations);
            self.check_container((&container.name, own), shared, annotations, &mut wrong);
            let ports = container.ports.iter().map(|port| port.host_port).filter(|port| *port > 0);
            wrong.extend(ports.filter(|_| !self.scc.allow_host_ports).map(ContainerViolation::HostPort));
            found.extend(wrong.drain(..).map(|what| Violation::Container { list, index, what }));
        }
        if found.is_empty() { Ok(filled) } else { Err(found) }
    }

    fn fill_pod(&self, filled: &mut Security) {
        let context = &mut filled.pod;
        if context.supplemental_groups.is_none() {
            context.supplemental_groups = self.supplemental_groups.chosen().map(|group| vec![group]);
        }
        if context.fs_group.is_none() {
            context.fs_group = self.fs_group.chosen();
        }
        if context.se_linux_options.is_none() {
            context.se_linux_options = self.se_linux.chosen();
        }
        // The annotation is written next to the field, also from the pod's own.
        if let Some(profile) = self.seccomp.of_pod(&filled.annotations, context.seccomp_profile.as_ref()) {
            context.seccomp_profile = seccomp::field(&profile);
            filled.annotations.insert(seccomp::POD_ANNOTATION.to_owned(), profile);
        }
    }

    /// What the pod says counts as said for the container. The pod has its SELinux label by now, so no container gets one.
    fn fill_container(
        &self,
        name: &str,
        own: &mut SecurityContext,
        pod: &PodSecurityContext,
        annotations: &BTreeMap<String, String>,
    ) {
        if own.run_as_user.or(pod.run_as_user).is_none() {
            own.run_as_user = self.user.chosen();
        }
        let user = own.run_as_user.or(pod.run_as_user);
        if own.run_as_non_root.or(pod.run_as_non_root).is_none() && self.user.marks_non_root(user) {
            own.run_as_non_root = Some(true);
        }
        own.capabilities = capability::chosen(self.scc, own.capabilities.as_ref());
        if self.scc.read_only_root_filesystem {
            own.read_only_root_filesystem.get_or_insert(true);
        }
        if let Some(annotated) = seccomp::of_container(name, annotations) {
            own.seccomp_profile = seccomp::field(annotated);
        }
        if own.allow_privilege_escalation.is_none() {
            own.allow_privilege_escalation = self.escalation(own);
        }
    }

    /// Whether processes of a container that does not say so may gain privileges: by the default, unless the container
    /// may do everything anyway; else not where it is forbidden.
    fn escalation(&self, own: &SecurityContext) -> Option<bool> {
        let added = own.capabilities.iter().flat_map(|capabilities| &capabilities.add);
        let may_all = own.privileged == Some(true) || added.into_iter().any(|name| **name == *SYS_ADMIN);
        let default = self.scc.default_allow_privilege_escalation.filter(|_| !may_all);
        default.or((!self.scc.allow_privilege_escalation).then_some(false))
    }

    fn check_pod(&self, pod: &Pod, filled: &Security, found: &mut Vec<Violation>) {
        let (scc, spec, context) = (self.scc, &pod.spec, &filled.pod);
        let groups = context.supplemental_groups.as_deref().unwrap_or_default();
        found.extend(self.fs_group.check(context.fs_group.as_slice()).map(Violation::FsGroup));
        found.extend(self.supplemental_groups.check(groups).map(Violation::SupplementalGroups));
        let annotated = seccomp::of_pod(&filled.annotations).filter(|profile| !profile.is_empty());
        let of_field = || context.seccomp_profile.as_ref().map(seccomp::annotation);
        let profile = annotated.map(Cow::Borrowed).or_else(of_field).unwrap_or_default();
        if !self.seccomp.allows(&profile) {
            found.push(Violation::Seccomp(profile.into_owned()));
        }
        let labels = self.se_linux.check(context.se_linux_options.as_ref());
        found.extend(labels.into_iter().map(Violation::SeLinux));
        let own_users = scc.user_namespace == UserNamespace::HostAllowed || spec.host_users == Some(false);
        let flags = [
            (spec.host_network && !scc.allow_host_network, Violation::HostNetwork),
            (spec.host_pid && !scc.allow_host_pid, Violation::HostPid),
            (spec.host_ipc && !scc.allow_host_ipc, Violation::HostIpc),
            (!own_users, Violation::HostUsers),
        ];
        found.extend(flags.into_iter().filter(|(wrong, _)| *wrong).map(|(_, violation)| violation));
        found.extend(
            sysctl::check(scc, &context.sysctls).map(|(index, name, forbidden)| Violation::Sysctl {
                index,
                name: name.to_owned(),
                forbidden,
            }),
        );
        volume::check(scc, pod, found);
    }

    fn check_container(
        &self,
        (name, own): (&str, &SecurityContext),
        pod: &PodSecurityContext,
        annotations: &BTreeMap<String, String>,
        found: &mut Vec<ContainerViolation>,
    ) {
        let scc = self.scc;
        let non_root = own.run_as_non_root.or(pod.run_as_non_root);
        found.extend(self.user.check(non_root, own.run_as_user.or(pod.run_as_user)));
        let labels = self.se_linux.check(own.se_linux_options.as_ref().or(pod.se_linux_options.as_ref()));
        found.extend(labels.into_iter().map(ContainerViolation::SeLinux));
        let profile =
            seccomp::effective(name, own.seccomp_profile.as_ref(), pod.seccomp_profile.as_ref(), annotations);
        if !self.seccomp.allows(&profile) {
            found.push(ContainerViolation::Seccomp(profile.into_owned()));
        }
        if !scc.allow_privileged_container && own.privileged == Some(true) {
            found.push(ContainerViolation::Privileged);
        }
        capability::check(scc, own.capabilities.as_ref(), found);
        if scc.read_only_root_filesystem && own.read_only_root_filesystem != Some(true) {
            found.push(ContainerViolation::WritableRoot);
        }
        if !scc.allow_privilege_escalation && own.allow_privilege_escalation != Some(false) {
            found.push(ContainerViolation::Escalation);
        }
    }
}
