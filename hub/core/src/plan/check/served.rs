//! The referee on kinds: an object can be applied only where its kind is served.

use std::collections::BTreeSet;

use super::{Finding, Seen, blocks};
use crate::fleet::Facts;

/// What the installer brings itself; without it nothing would read the control plane.
const INSTALLER_KIND: &str = "servicemesh.cisco.com/IstioControlPlane";

/// Groups of Kubernetes itself, which every API server serves and facts do not list.
const BUILT_IN: [&str; 5] = ["", "apps", "batch", "policy", "rbac.authorization.k8s.io"];

pub(super) fn judge(plan: &Seen<'_>, facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = installer(facts).into_iter().collect();
    let planned = plan.manifests.iter().filter(|manifest| !BUILT_IN.contains(&manifest.id.group.as_str()));
    let kinds: BTreeSet<String> =
        planned.map(|manifest| format!("{}/{}", manifest.id.group, manifest.id.kind)).collect();
    let missing = kinds.into_iter().filter(|kind| kind != INSTALLER_KIND && !facts.serves(kind));
    findings.extend(missing.map(|kind| {
        blocks(
            "kind.not-served",
            format!("the plan has objects of {kind}, which the cluster does not serve"),
            "install what defines this kind, or correct spec.platform of the Cluster document".to_owned(),
        )
    }));
    findings
}

fn installer(facts: &Facts) -> Option<Finding> {
    if facts.serves(INSTALLER_KIND) {
        return None;
    }
    let unread = facts.unread.iter().find(|unread| unread.fact == "kinds");
    let why =
        unread.map(|unread| format!(" (kinds could not be read: {})", unread.reason)).unwrap_or_default();
    Some(blocks(
        "installer.missing",
        format!("the cluster does not serve {INSTALLER_KIND}: Calisti's Istio operator is not installed{why}"),
        "install the operator's release for this minor of Istio, with its definitions, for example by its Helm chart; the spoke reports the kind by itself"
            .to_owned(),
    ))
}
