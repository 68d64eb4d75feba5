//! Red Hat OpenShift Service on AWS: OpenShift with Red Hat's tag on the cloud's resources.

use super::{
    Platform, PlatformName, Release, Sign,
    openshift::{self, MANAGED_TAG, OpenShift, TYPE_TAG, tag},
};
use crate::{
    catalog::MinorVersion,
    fleet::Facts,
    plan::{
        Finding, ObjectId,
        check::{Seen, blocks},
        rule::Rule,
    },
};

/// Red Hat OpenShift Service on AWS.
pub(super) struct Rosa;

const CLOUD: &str = "AWS";

impl Platform for Rosa {
    fn name(&self) -> PlatformName {
        PlatformName::Rosa
    }

    /// A hosted control plane alone is no sign: others host them too. That Red Hat manages the cluster is none either, but
    /// on AWS it hosts control planes for this service only.
    fn recognise(&self, facts: &Facts) -> Vec<Sign> {
        if OpenShift.recognise(facts).is_empty() {
            return Vec::new();
        }
        let hosted = openshift::is_hosted(facts) == Some(true) && openshift::cloud(facts) == CLOUD;
        match (tag(facts, TYPE_TAG), tag(facts, MANAGED_TAG)) {
            (Some("rosa"), _) => {
                vec![Sign::mark(format!("Infrastructure cluster has the resource tag {TYPE_TAG}=rosa"))]
            }
            (None, Some("true")) if hosted => vec![Sign::mark(format!(
                "Infrastructure cluster has the resource tag {MANAGED_TAG}=true and a hosted control plane on {CLOUD}"
            ))],
            _ => Vec::new(),
        }
    }

    fn contradicted_by(&self, facts: &Facts) -> Option<String> {
        let cloud = openshift::cloud(facts);
        let elsewhere = !cloud.is_empty() && cloud != CLOUD;
        let words = elsewhere.then(|| format!("Infrastructure cluster is of {cloud}"));
        words.or_else(|| OpenShift.contradicted_by(facts))
    }

    fn kind_of(&self) -> Option<PlatformName> {
        Some(PlatformName::Openshift)
    }

    /// For example `ROSA classic, OpenShift 4.11.59`.
    fn detail(&self, facts: &Facts) -> String {
        let topology = match openshift::is_hosted(facts) {
            None => "ROSA",
            Some(true) => "ROSA HCP",
            Some(false) => "ROSA classic",
        };
        format!("{topology}, {}", openshift::version_detail(facts))
    }

    fn version(&self, facts: &Facts) -> Option<MinorVersion> {
        OpenShift.version(facts)
    }

    fn release(&self, version: MinorVersion) -> Release {
        OpenShift.release(version)
    }

    fn rules(&self) -> &'static [Rule] {
        OpenShift.rules()
    }

    fn referee(&self, plan: &Seen<'_>, facts: &Facts) -> Vec<Finding> {
        if self.recognise(facts).is_empty() { Vec::new() } else { forbidden(plan).into_iter().collect() }
    }
}

/// Constraints of OpenShift's own, which nobody may change or delete.
const CONSTRAINTS: [&str; 9] = [
    "anyuid",
    "hostaccess",
    "hostmount-anyuid",
    "hostnetwork",
    "hostnetwork-v2",
    "node-exporter",
    "nonroot",
    "nonroot-v2",
    "privileged",
];

/// What Red Hat's admission webhooks refuse, whoever asks.
fn forbidden(plan: &Seen<'_>) -> Option<Finding> {
    let mut found: Vec<String> =
        plan.written().map(|(id, _)| id).filter(|id| is_forbidden(id)).map(ToString::to_string).collect();
    let made = plan.document.namespaces.iter().map(|name| name.as_str());
    found.extend(made.filter(|name| is_managed(name)).map(|name| format!("Namespace {name}")));
    (!found.is_empty()).then(|| {
        blocks(
            "rosa.forbidden",
            format!("Red Hat's admission webhooks refuse these on ROSA: {}", found.join(", ")),
            "choose a namespace of your own; all else is a mistake in meshfleet, report it".to_owned(),
        )
    })
}

fn is_forbidden(id: &ObjectId) -> bool {
    match (id.group.as_str(), id.kind.as_str()) {
        ("security.openshift.io", "SecurityContextConstraints") => {
            CONSTRAINTS.contains(&id.name.as_str()) || id.name.starts_with("restricted")
        }
        ("config.openshift.io", "ClusterVersion" | "Network" | "Ingress")
        | ("operator.openshift.io", "Network")
        | (
            "machineconfiguration.openshift.io" | "machine.openshift.io" | "cloudcredential.openshift.io",
            _,
        )
        | ("", "Node") => true,
        ("", "Namespace") => is_managed(&id.name),
        ("networking.k8s.io", "NetworkPolicy") | ("monitoring.coreos.com", "PrometheusRule") => {
            is_managed(&id.namespace)
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => id.name.ends_with(".monitoring.coreos.com"),
        _ => false,
    }
}

/// Namespaces that only Red Hat changes, and names that none may have.
fn is_managed(name: &str) -> bool {
    let begins = ["kube-", "openshift-", "redhat-", "dedicated-admin"];
    ["default", "openshift", "com", "io", "in"].contains(&name)
        || begins.iter().any(|start| name.starts_with(start))
}
