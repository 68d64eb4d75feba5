//! OpenShift: SecurityContextConstraints, and a network that is chosen by attachment definitions.

mod referee;
mod referee_calisti;
mod referee_sail;
mod rules;
mod sail;

use std::sync::LazyLock;

use super::{Platform, PlatformName, evidence, sail_platform};
use crate::{
    catalog::MinorVersion,
    fleet::{ClusterVersion, Facts},
    plan::{Finding, check::Seen, rule::Rule},
};

/// OpenShift of any kind.
pub(super) struct OpenShift;

/// Each proves it alone; either can be hidden from a spoke.
const KINDS: [&str; 2] = ["config.openshift.io/ClusterVersion", "operator.openshift.io/OpenShiftAPIServer"];

/// Written on every node by OpenShift's machine configuration.
const OS_LABEL: &str = "node.openshift.io/os_id";

/// All that are OpenShift.
const FAMILY: &[PlatformName] = &[PlatformName::Openshift, PlatformName::Rosa];

const ATTACHMENT_GROUP: &str = "k8s.cni.cncf.io";
const ATTACHMENT_KIND: &str = "k8s.cni.cncf.io/NetworkAttachmentDefinition";
const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// What OpenShift needs: of every installer, and what Sail is not to be told.
static RULES: LazyLock<Vec<Rule>> =
    LazyLock::new(|| rules::RULES.into_iter().chain(sail::RULES).chain([sail_platform::LEFT_OUT]).collect());

impl Platform for OpenShift {
    fn name(&self) -> PlatformName {
        PlatformName::Openshift
    }

    fn recognise(&self, facts: &Facts) -> Vec<String> {
        let kinds = KINDS.into_iter().filter_map(|kind| evidence::served_kind(facts, kind));
        kinds.chain(evidence::labelled_nodes(facts, OS_LABEL)).collect()
    }

    fn detail(&self, facts: &Facts) -> String {
        let hosted = if is_hosted(facts) == Some(true) { " (hosted control plane)" } else { "" };
        version_detail(facts) + hosted
    }

    fn version(&self, facts: &Facts) -> Option<MinorVersion> {
        MinorVersion::parse(current(facts.cluster_version.as_ref()?)).ok()
    }

    fn rules(&self) -> &'static [Rule] {
        &RULES
    }

    fn operator_hint(&self, facts: &Facts) -> Option<&'static str> {
        referee::is_openshift(facts).then_some(
            "install the Sail operator from OperatorHub (a Subscription to the package sailoperator of community-operators, all namespaces)",
        )
    }

    fn referee(&self, plan: &Seen<'_>, facts: &Facts) -> Vec<Finding> {
        referee::judge(plan, facts)
    }
}

/// The completed version; during a first installation, the one it is on the way to.
fn current(version: &ClusterVersion) -> &str {
    if version.current.is_empty() { &version.desired } else { &version.current }
}

/// For example `OpenShift 4.11.59`, or `OpenShift 4.18.3, moving to 4.19.1`.
pub(super) fn version_detail(facts: &Facts) -> String {
    match &facts.cluster_version {
        None => "OpenShift of unknown version".to_owned(),
        Some(version) if version.desired.is_empty() || version.desired == current(version) => {
            format!("OpenShift {}", current(version))
        }
        Some(version) => format!("OpenShift {}, moving to {}", current(version), version.desired),
    }
}

/// Whether the control plane runs elsewhere; none where that was not seen.
pub(super) fn is_hosted(facts: &Facts) -> Option<bool> {
    let topology = &facts.infrastructure.as_ref()?.control_plane_topology;
    (!topology.is_empty()).then(|| topology == "External")
}
