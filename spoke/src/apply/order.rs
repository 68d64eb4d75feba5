//! In which order objects go: what rests on others first.
//!
//! Pure. A custom resource goes before the bindings and configuration that its operator works with, so that the operator
//! can still clean up behind it.

use crate::document::Deletion;

/// The deletions in the order in which they are done.
pub(super) fn of_deletions(mut deletions: Vec<Deletion>) -> Vec<Deletion> {
    deletions
        .sort_by_cached_key(|deletion| (rank(&deletion.id.group, &deletion.id.kind), deletion.id.clone()));
    deletions
}

/// The step in which a kind goes.
fn rank(group: &str, kind: &str) -> u8 {
    match (group, kind) {
        ("apps" | "batch", _) => 1,
        ("", "Service") => 2,
        ("k8s.cni.cncf.io", _) | ("", _) => 3,
        ("rbac.authorization.k8s.io", _) => 4,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_rests_on_others_goes_first() {
        let deletion = |group: &str, kind: &str| -> Deletion {
            let id = json!({"group": group, "version": "v1", "kind": kind, "namespace": "mesh", "name": "x"});
            serde_json::from_value(json!({"id": id, "uid": "", "why": ""})).unwrap()
        };
        let deletions = [
            deletion("rbac.authorization.k8s.io", "RoleBinding"),
            deletion("k8s.cni.cncf.io", "NetworkAttachmentDefinition"),
            deletion("apps", "Deployment"),
            deletion("servicemesh.cisco.com", "IstioControlPlane"),
        ];
        let ordered = of_deletions(deletions.to_vec());
        let kinds: Vec<&str> = ordered.iter().map(|deletion| deletion.id.kind.as_str()).collect();
        assert_eq!(kinds, ["IstioControlPlane", "Deployment", "NetworkAttachmentDefinition", "RoleBinding"]);
    }
}
