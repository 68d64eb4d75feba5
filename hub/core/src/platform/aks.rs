//! Azure Kubernetes Service.

use std::sync::LazyLock;

use serde_json::json;

use super::{
    Platform, PlatformName, Release, Sign, cni_plugin, evidence,
    sail_platform::{self, SAIL},
};
use crate::{
    catalog::MinorVersion,
    config::{InstallerKind, UpdateStrategy},
    fleet::Facts,
    plan::{
        Finding, ObjectId, RuleId,
        check::{Seen, blocks, seen_to_by},
        input::{MeshInput, Projection},
        installer::sail,
        requirement::{Fields, FulfilledBy, Requirement},
        rule::Rule,
    },
};

/// Azure Kubernetes Service. Its versions carry no mark, so without nodes it cannot be told.
pub(super) struct Aks;

const LABELS: [&str; 2] = ["kubernetes.azure.com/cluster", "kubernetes.azure.com/role"];

/// Of old, without a domain: anybody may write it.
const OLD_LABEL: &str = "agentpool";

const CLOUD: &str = "azure";
static RULES: LazyLock<Vec<Rule>> =
    LazyLock::new(|| vec![sail_platform::LEFT_OUT, cni_plugin::PLUGIN, cni_plugin::NODE, ENFORCER]);

const ENFORCER: Rule = Rule {
    id: RuleId("aks.webhook.enforcer"),
    reason: "The admissions enforcer of AKS adds selectors to every webhook and the operator takes them back, without end, unless an annotation asks it not to.",
    source: "observed with istio-ecosystem/sail-operator 328df99dc (2026-08-22) against a stand-in of the enforcer; Azure/AKS#1771",
    platforms: &[PlatformName::Aks],
    installers: SAIL,
    reads: &[],
    yields: yield_enforcer,
};

impl Platform for Aks {
    fn name(&self) -> PlatformName {
        PlatformName::Aks
    }

    fn recognise(&self, facts: &Facts) -> Vec<Sign> {
        let marks =
            LABELS.into_iter().filter_map(|label| evidence::labelled_nodes(facts, label)).map(Sign::mark);
        let old = evidence::nodes_with_label(facts, OLD_LABEL).filter(|_| evidence::stands_in(facts, CLOUD));
        marks.chain(old.map(Sign::hint)).collect()
    }

    /// Arc brings the same labels to machines of one's own.
    fn contradicted_by(&self, facts: &Facts) -> Option<String> {
        evidence::foreign_nodes(facts, CLOUD)
    }

    fn detail(&self, facts: &Facts) -> String {
        format!("AKS, Kubernetes {}", facts.kubernetes_version)
    }

    fn release(&self, version: MinorVersion) -> Release {
        Release::of_kubernetes("Kubernetes on AKS", version, |minor| minor.aks)
    }

    fn rules(&self) -> &'static [Rule] {
        &RULES
    }

    fn referee(&self, plan: &Seen<'_>, facts: &Facts) -> Vec<Finding> {
        let here = !self.recognise(facts).is_empty() && plan.intent.installer == InstallerKind::Sail;
        if here { enforced(plan).into_iter().collect() } else { Vec::new() }
    }
}

/// The webhooks are the operator's; only the annotation is ours.
fn yield_enforcer(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let namespace = mesh.intent.namespace.as_str();
    // The chart leaves the namespace out of these names where it is the usual one, and only there.
    let named = |name: &str| match namespace {
        "istio-system" => name.to_owned(),
        other => format!("{name}-{other}"),
    };
    let injector = named(&sail::of_revision("istio-sidecar-injector", &mesh.intent));
    let validator = format!("{}-{namespace}", sail::of_revision("istio-validator", &mesh.intent));
    let mut webhooks = vec![
        ("MutatingWebhookConfiguration", injector),
        ("ValidatingWebhookConfiguration", validator),
        ("ValidatingWebhookConfiguration", "istiod-default-validator".to_owned()),
    ];
    match mesh.intent.update_strategy {
        UpdateStrategy::InPlace => {}
        // The tag has an injector of its own.
        UpdateStrategy::RevisionBased => {
            webhooks.push(("MutatingWebhookConfiguration", named("istio-revision-tag-default")));
        }
    }
    let tree = json!({"metadata": {"annotations": {"admissions.enforcer/disabled": "true"}}});
    webhooks
        .into_iter()
        .map(|(kind, name)| Requirement {
            object: ObjectId::new("admissionregistration.k8s.io", "v1", kind, "", &name),
            fulfilled_by: FulfilledBy::Addition { fields: vec![Fields::required(tree.clone())] },
            healthy_when: None,
        })
        .collect()
}

/// Every webhook of the operator's that is not exempt is written by two without end.
fn enforced(plan: &Seen<'_>) -> Option<Finding> {
    let namespace = plan.intent.namespace.as_str();
    let behind = if namespace == "istio-system" { String::new() } else { format!("-{namespace}") };
    let version = plan.intent.version.to_string().replace('.', "-");
    let (revision, tagged) = match plan.intent.update_strategy {
        UpdateStrategy::InPlace => (String::new(), None),
        UpdateStrategy::RevisionBased => {
            (format!("-default-v{version}"), Some(format!("istio-revision-tag-default{behind}")))
        }
    };
    let wanted = [
        format!("istio-sidecar-injector{revision}{behind}"),
        format!("istio-validator{revision}-{namespace}"),
        "istiod-default-validator".to_owned(),
    ];
    let exempt = |name: &String| {
        plan.additions.iter().any(|addition| {
            let annotations = &addition.value["metadata"]["annotations"];
            addition.id.name == *name && annotations["admissions.enforcer/disabled"] == "true"
        })
    };
    let lacking: Vec<String> = wanted.into_iter().chain(tagged).filter(|name| !exempt(name)).collect();
    (!lacking.is_empty()).then(|| {
        let finding = blocks(
            "aks.webhook.enforced",
            format!(
                "AKS and the operator would undo each other's changes without end in {}",
                lacking.join(", ")
            ),
            seen_to_by("aks.webhook.enforcer"),
        );
        plan.seconding("aks.webhook.enforcer", finding)
    })
}
