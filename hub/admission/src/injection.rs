//! What an injecting webhook does to a pod between two looks.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    context::PodSecurityContext,
    nullable::nullable,
    pod::{Container, Pod},
    volume::Volume,
};

/// Additions to a pod: init containers in front of its own, containers and volumes behind, the rest merged.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Injection {
    /// Init containers.
    #[serde(deserialize_with = "nullable")]
    pub init: Vec<Container>,
    /// Containers.
    #[serde(deserialize_with = "nullable")]
    pub containers: Vec<Container>,
    /// Volumes.
    #[serde(deserialize_with = "nullable")]
    pub volumes: Vec<Volume>,
    /// Annotations; they replace those of the same key.
    #[serde(deserialize_with = "nullable")]
    pub annotations: BTreeMap<String, String>,
    /// Of the pod's security context; fields that are set replace the pod's.
    #[serde(rename = "podsc", deserialize_with = "nullable")]
    pub security_context: PodSecurityContext,
}

impl Injection {
    /// Changes a pod as the webhook does.
    pub fn apply(&self, pod: &mut Pod) {
        let spec = &mut pod.spec;
        spec.init_containers.splice(0..0, self.init.iter().cloned());
        spec.containers.extend(self.containers.iter().cloned());
        spec.volumes.extend(self.volumes.iter().cloned());
        pod.metadata.annotations.extend(self.annotations.clone());
        merge(&mut spec.security_context, &self.security_context);
    }
}

/// A pod travels to a webhook and back as JSON, which does not tell an empty list of groups from none.
pub(crate) fn travel(pod: &mut Pod) {
    let groups = &mut pod.spec.security_context.supplemental_groups;
    if groups.as_ref().is_some_and(Vec::is_empty) {
        *groups = None;
    }
}

fn merge(own: &mut PodSecurityContext, injected: &PodSecurityContext) {
    let injected = injected.clone();
    let PodSecurityContext {
        se_linux_options,
        run_as_user,
        run_as_group,
        run_as_non_root,
        supplemental_groups,
        fs_group,
        sysctls,
        seccomp_profile,
    } = own;
    replace(se_linux_options, injected.se_linux_options);
    replace(run_as_user, injected.run_as_user);
    replace(run_as_group, injected.run_as_group);
    replace(run_as_non_root, injected.run_as_non_root);
    replace(supplemental_groups, injected.supplemental_groups);
    replace(fs_group, injected.fs_group);
    replace(seccomp_profile, injected.seccomp_profile);
    if !injected.sysctls.is_empty() {
        *sysctls = injected.sysctls;
    }
}

fn replace<T>(own: &mut Option<T>, injected: Option<T>) {
    if injected.is_some() {
        *own = injected;
    }
}
