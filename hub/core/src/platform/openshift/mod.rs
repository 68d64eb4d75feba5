//! OpenShift: SecurityContextConstraints, and a network that is chosen by attachment definitions.

mod monitoring;
mod referee;
mod referee_admission;
mod referee_calisti;
mod referee_monitoring;
mod referee_sail;
mod rules;
mod sail;

use std::sync::LazyLock;

use super::{Platform, PlatformName, Release, Sign, evidence, sail_platform};
use crate::{
    catalog::MinorVersion,
    fleet::{ClusterVersion, Facts},
    plan::{Finding, check::Seen, rule::Rule},
};

/// OpenShift of any kind.
pub(super) struct OpenShift;

/// Each is a mark alone, the first the better one; either can be hidden from a spoke.
const KINDS: [&str; 2] = ["config.openshift.io/ClusterVersion", "operator.openshift.io/OpenShiftAPIServer"];

/// What MicroShift serves too, which has neither of these.
const PART: &str = "security.openshift.io/SecurityContextConstraints";

/// Tags of the cloud's resources: which service of Red Hat's it is, and that it is one.
pub(super) const TYPE_TAG: &str = "red-hat-clustertype";
pub(super) const MANAGED_TAG: &str = "red-hat-managed";

/// What Red Hat's site reliability engineers bring into clusters that they manage, whatever the service.
const MANAGED_NAMESPACES: [&str; 2] = ["openshift-backplane", "openshift-managed-upgrade-operator"];
const MANAGED_LANDMARKS: [&str; 2] = [
    "admissionregistration.k8s.io/ValidatingWebhookConfiguration sre-scc-validation",
    "user.openshift.io/Group dedicated-admins",
];

/// Written on every node by OpenShift's machine configuration.
const OS_LABEL: &str = "node.openshift.io/os_id";

/// All that are OpenShift.
const FAMILY: &[PlatformName] = &[PlatformName::Openshift, PlatformName::Rosa];

const ATTACHMENT_GROUP: &str = "k8s.cni.cncf.io";
const ATTACHMENT_KIND: &str = "k8s.cni.cncf.io/NetworkAttachmentDefinition";
const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// What OpenShift needs: of every installer, and what Sail is not to be told.
static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let ours = rules::RULES.into_iter().chain(sail::RULES).chain(monitoring::RULES);
    ours.chain([sail_platform::LEFT_OUT]).collect()
});

impl Platform for OpenShift {
    fn name(&self) -> PlatformName {
        PlatformName::Openshift
    }

    /// Definitions of its kinds can be installed elsewhere, its ClusterVersion is nowhere else.
    fn recognise(&self, facts: &Facts) -> Vec<Sign> {
        let version = facts.cluster_version.as_ref().map(|_| "there is ClusterVersion version".to_owned());
        let kinds = KINDS.into_iter().filter_map(|kind| evidence::served_kind(facts, kind));
        let marks = kinds.chain(evidence::labelled_nodes(facts, OS_LABEL)).map(Sign::mark);
        let mut signs: Vec<Sign> = version.map(Sign::proof).into_iter().chain(marks).collect();
        if !signs.is_empty() {
            signs.extend(managed(facts).into_iter().map(Sign::hint));
        }
        signs
    }

    fn contradicted_by(&self, facts: &Facts) -> Option<String> {
        let absent = facts.cluster_version.is_none()
            && evidence::kinds_are_known(facts)
            && !facts.serves(PART)
            && !KINDS.into_iter().any(|kind| facts.serves(kind));
        absent.then(|| format!("neither {} nor {} is served", KINDS[0], KINDS[1]))
    }

    /// For example `OpenShift 4.18.3 (hosted control plane)`, or whose it is where Red Hat manages it.
    fn detail(&self, facts: &Facts) -> String {
        let hosted = if is_hosted(facts) == Some(true) { " (hosted control plane)" } else { "" };
        let version = version_detail(facts) + hosted;
        if managed(facts).is_empty() {
            return version;
        }
        match (tag(facts, TYPE_TAG), cloud(facts)) {
            (Some("osd"), _) | (None, "GCP") => format!("OpenShift Dedicated, {version}"),
            (None, "AWS") => format!("{version}, managed by Red Hat: ROSA classic or OpenShift Dedicated"),
            _ => format!("{version}, managed by Red Hat"),
        }
    }

    fn version(&self, facts: &Facts) -> Option<MinorVersion> {
        MinorVersion::parse(current(facts.cluster_version.as_ref()?)).ok()
    }

    fn release(&self, version: MinorVersion) -> Release {
        Release::of_openshift(version)
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

/// The cloud that Infrastructure names, for example `AWS`; empty if none.
pub(super) fn cloud(facts: &Facts) -> &str {
    facts.infrastructure.as_ref().map_or("", |infrastructure| infrastructure.platform_type.as_str())
}

/// A tag of the cloud's resources.
pub(super) fn tag<'a>(facts: &'a Facts, key: &str) -> Option<&'a str> {
    facts.infrastructure.as_ref()?.resource_tags.get(key).map(String::as_str)
}

/// Says so if part of OpenShift is served and what makes it whole is not: its pods are admitted as on OpenShift, and not
/// much else is known of it.
pub(super) fn partly_served(facts: &Facts) -> Option<String> {
    let part = facts.serves(PART) && !KINDS.into_iter().any(|kind| facts.serves(kind));
    part.then(|| {
        format!("{PART} is served without {}: MicroShift, or OpenShift of which not all is seen", KINDS[0])
    })
}

/// What shows that Red Hat manages the cluster.
fn managed(facts: &Facts) -> Vec<String> {
    let tagged = match (tag(facts, TYPE_TAG), tag(facts, MANAGED_TAG)) {
        (Some(kind), _) => Some(format!("Infrastructure cluster has the resource tag {TYPE_TAG}={kind}")),
        (None, Some("true")) => {
            Some(format!("Infrastructure cluster has the resource tag {MANAGED_TAG}=true"))
        }
        (None, _) => None,
    };
    let named =
        |beginning: &str| facts.namespaces.iter().find(|namespace| namespace.name.starts_with(beginning));
    let namespaces = MANAGED_NAMESPACES.into_iter().filter_map(named);
    let namespaces = namespaces.map(|namespace| format!("there is namespace {}", namespace.name));
    let landmarks = MANAGED_LANDMARKS.into_iter().filter_map(|landmark| evidence::landmark(facts, landmark));
    tagged.into_iter().chain(namespaces).chain(landmarks).collect()
}
