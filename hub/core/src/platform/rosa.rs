//! Red Hat OpenShift Service on AWS: OpenShift with Red Hat's tag on the cloud's resources.

use serde_json::Value;

use super::{
    Platform, PlatformName, Release, Sign,
    openshift::{self, MANAGED_TAG, OpenShift, TYPE_TAG, tag},
};
use crate::{
    catalog::{
        MinorVersion,
        rosa::{self as webhooks, Webhook},
    },
    fleet::Facts,
    plan::{
        Finding, ObjectId,
        check::{Seen, blocks, warns},
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
        if self.recognise(facts).is_empty() {
            return Vec::new();
        }
        let standing =
            webhooks::WEBHOOKS.iter().filter(|webhook| webhook.stands(openshift::is_hosted(facts)));
        let refused = standing.filter_map(|webhook| refused(plan, webhook));
        refused.chain(policies(plan, facts)).chain(definitions(plan, facts)).collect()
    }
}

/// What a webhook refuses of a plan, whoever asks.
fn refused(plan: &Seen<'_>, webhook: &Webhook) -> Option<Finding> {
    let refuses = |id: &ObjectId| webhook.refuses((&id.group, &id.kind), &id.namespace, &id.name);
    let written = plan.written().map(|(id, _)| id);
    let mut found: Vec<String> = written.filter(|id| refuses(id)).map(ToString::to_string).collect();
    let made = plan.document.namespaces.iter().map(|name| name.as_str());
    let made = made.filter(|name| webhook.refuses(("", "Namespace"), "", name));
    found.extend(made.map(|name| format!("Namespace {name}")));
    (!found.is_empty()).then(|| {
        blocks(
            &format!("rosa.webhook.{}", webhook.name),
            format!(
                "Red Hat's admission webhook {} refuses {}: {}",
                webhook.name,
                webhook.what,
                found.join(", ")
            ),
            "choose a namespace of your own; all else is a mistake in meshfleet, report it".to_owned(),
        )
    })
}

/// The charts make NetworkPolicies in the namespaces of istiod and of the CNI plugin if told.
fn policies(plan: &Seen<'_>, facts: &Facts) -> Option<Finding> {
    if openshift::is_hosted(facts) == Some(true) {
        return None;
    }
    let asks = |value: &Value| value["spec"]["values"]["global"]["networkPolicy"]["enabled"] == true;
    let of_sail = plan.written().filter(|(id, value)| id.group == "sailoperator.io" && asks(value));
    let namespaces = of_sail.filter_map(|(id, value)| Some((id, value["spec"]["namespace"].as_str()?)));
    let guarded = namespaces.filter(|(_, namespace)| webhooks::is_guarded(namespace));
    let found: Vec<String> = guarded.map(|(id, namespace)| format!("{id} in {namespace}")).collect();
    (!found.is_empty()).then(|| {
        blocks(
            "rosa.webhook.networkpolicies-validation",
            format!(
                "global.networkPolicy.enabled makes NetworkPolicies, which Red Hat's admission webhook networkpolicies-validation refuses there: {}",
                found.join(", ")
            ),
            "choose an istio.namespace of your own, or leave global.networkPolicy.enabled out".to_owned(),
        )
    })
}

/// What a chart of monitoring must leave out. It is none of a plan's objects, so it is told and does not block.
fn definitions(plan: &Seen<'_>, facts: &Facts) -> Option<Finding> {
    let monitoring = plan.intent.monitoring.as_ref()?;
    let own = monitoring.prometheus.is_some() || monitoring.node_exporter.is_some();
    (own && openshift::is_hosted(facts) != Some(true)).then(|| {
        warns(
            "rosa.monitoring.definitions",
            format!(
                "base.monitoring runs a stack of its own in {}, and Red Hat's admission webhook customresourcedefinitions-validation refuses every change of the ten definitions of the Prometheus operator",
                monitoring.namespace
            ),
            "install the monitoring's chart without its definitions (helm install --skip-crds)".to_owned(),
        )
    })
}
