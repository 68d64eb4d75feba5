//! What was filled into a pod: the difference between the pod that was submitted, with what a webhook added to it, and
//! the pod that is stored.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    context::{PodSecurityContext, SecurityContext},
    pod::{Container, Pod},
};

/// Fields of security contexts with their new values; `null` is a field that was removed. What stayed is not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mutation {
    /// Of the pod.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub pod: Map<String, Value>,
    /// Of containers, by their names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub containers: BTreeMap<String, Map<String, Value>>,
    /// Of init containers, by their names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub init_containers: BTreeMap<String, Map<String, Value>>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, Option<String>>,
}

impl Mutation {
    /// The difference in the fields that an SCC may fill in. Both pods have the same containers.
    pub fn between(before: &Pod, after: &Pod) -> Self {
        Self {
            pod: of_pod(&before.spec.security_context, &after.spec.security_context),
            containers: of_containers(&before.spec.containers, &after.spec.containers),
            init_containers: of_containers(&before.spec.init_containers, &after.spec.init_containers),
            annotations: of_annotations(&before.metadata.annotations, &after.metadata.annotations),
        }
    }
}

fn of_containers(before: &[Container], after: &[Container]) -> BTreeMap<String, Map<String, Value>> {
    let pairs =
        before.iter().zip(after).filter(|(before, after)| before.security_context != after.security_context);
    let of_pair = |(before, after): (&Container, &Container)| {
        (after.name.clone(), of_container(&before.security_context, &after.security_context))
    };
    pairs.map(of_pair).collect()
}

fn of_pod(before: &PodSecurityContext, after: &PodSecurityContext) -> Map<String, Value> {
    let mut changed = Map::new();
    note(&mut changed, "seLinuxOptions", &before.se_linux_options, &after.se_linux_options);
    note(&mut changed, "supplementalGroups", &before.supplemental_groups, &after.supplemental_groups);
    note(&mut changed, "fsGroup", &before.fs_group, &after.fs_group);
    note(&mut changed, "seccompProfile", &before.seccomp_profile, &after.seccomp_profile);
    changed
}

fn of_container(before: &SecurityContext, after: &SecurityContext) -> Map<String, Value> {
    let mut changed = Map::new();
    note(&mut changed, "capabilities", &before.capabilities, &after.capabilities);
    note(&mut changed, "runAsUser", &before.run_as_user, &after.run_as_user);
    note(&mut changed, "runAsNonRoot", &before.run_as_non_root, &after.run_as_non_root);
    note(&mut changed, "seLinuxOptions", &before.se_linux_options, &after.se_linux_options);
    let (was, is) = (before.read_only_root_filesystem, after.read_only_root_filesystem);
    note(&mut changed, "readOnlyRootFilesystem", &was, &is);
    let (was, is) = (before.allow_privilege_escalation, after.allow_privilege_escalation);
    note(&mut changed, "allowPrivilegeEscalation", &was, &is);
    note(&mut changed, "seccompProfile", &before.seccomp_profile, &after.seccomp_profile);
    changed
}

/// Notes a field that changed; one that was removed becomes `null`.
fn note<T: PartialEq + Serialize>(
    changed: &mut Map<String, Value>,
    field: &str,
    before: &Option<T>,
    after: &Option<T>,
) {
    if before != after {
        changed.insert(field.to_owned(), serde_json::to_value(after).unwrap_or_default());
    }
}

fn of_annotations(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> BTreeMap<String, Option<String>> {
    let removed = before.keys().filter(|key| !after.contains_key(*key)).map(|key| (key.clone(), None));
    let set = after.iter().filter(|(key, value)| before.get(*key) != Some(value));
    removed.chain(set.map(|(key, value)| (key.clone(), Some(value.clone())))).collect()
}
