//! The referee on kinds: an object can be applied only where its kind is served.

use std::collections::BTreeSet;

use super::{Finding, Seen, blocks};
use crate::{catalog::sail, config::InstallerKind, fleet::Facts, platform};

/// Groups of Kubernetes itself, which every API server serves and facts do not list.
const BUILT_IN: [&str; 6] =
    ["", "admissionregistration.k8s.io", "apps", "batch", "policy", "rbac.authorization.k8s.io"];

/// The kind whose presence tells that an installer is there: it brings the kind itself, and without it nothing would
/// read the control plane.
fn installer_kind(installer: InstallerKind) -> &'static str {
    match installer {
        InstallerKind::Sail => "sailoperator.io/Istio",
        InstallerKind::Calisti => "servicemesh.cisco.com/IstioControlPlane",
    }
}

pub(super) fn judge(plan: &Seen<'_>, facts: &Facts) -> Vec<Finding> {
    let kind = installer_kind(plan.intent.installer);
    if !facts.serves(kind) {
        return vec![not_installed(plan.intent.installer, kind, facts)];
    }
    let written = plan.written().map(|(id, _)| id).filter(|id| !BUILT_IN.contains(&id.group.as_str()));
    let kinds: BTreeSet<String> = written.map(|id| format!("{}/{}", id.group, id.kind)).collect();
    // Of the Gateway API more is said by the gateways' own referee.
    let missing = kinds.into_iter().filter(|kind| kind != super::gateways::API_KIND && !facts.serves(kind));
    missing
        .map(|kind| {
            blocks(
                "kind.not-served",
                format!("the plan has objects of {kind}, which the cluster does not serve"),
                "install what defines this kind, or correct spec.platform of the Cluster document".to_owned(),
            )
        })
        .collect()
}

fn not_installed(installer: InstallerKind, kind: &str, facts: &Facts) -> Finding {
    let unread = facts.unread.iter().find(|unread| unread.fact == "kinds");
    let why =
        unread.map(|unread| format!(" (kinds could not be read: {})", unread.reason)).unwrap_or_default();
    let (name, hint) = match installer {
        InstallerKind::Calisti => ("Calisti's Istio operator", "install the operator's release for this minor of Istio, with its definitions, for example by its Helm chart; the spoke reports the kind by itself".to_owned()),
        InstallerKind::Sail => ("the Sail operator", sail_hint(facts)),
    };
    blocks(
        "installer.missing",
        format!("the cluster does not serve {kind}: {name} is not installed{why}"),
        hint,
    )
}

/// Where a platform has its own way to operators, that is said too.
fn sail_hint(facts: &Facts) -> String {
    let helm = format!(
        "helm repo add sail-operator {} && helm install sail-operator sail-operator/sail-operator --namespace sail-operator --create-namespace",
        sail::CHART_REPOSITORY
    );
    let own = platform::all().iter().find_map(|platform| platform.operator_hint(facts));
    let way = match own {
        Some(own) => format!("{own}, or run: {helm}"),
        None => format!("run: {helm}"),
    };
    format!("{way}; the spoke reports the kind by itself")
}
