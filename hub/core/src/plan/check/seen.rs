//! A plan as the referee sees it: manifests, read back from their bytes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Finding, blocks};
use crate::{
    config::InstallerKind,
    digest::Digest,
    fleet::{Labels, Operator},
    plan::{
        ConfigUse, Expectation, Intent, LabelCondition, ObjectId, Plan, PlanDocument, Selection, Severity,
        Template,
    },
};

/// A plan, read.
#[derive(Debug, Clone)]
pub struct Seen<'a> {
    /// What it is for.
    pub intent: &'a Intent,
    /// The document, as it will be sent.
    pub document: &'a PlanDocument,
    /// Every object that it applies, in order.
    pub manifests: Vec<Manifest<'a>>,
    /// What it adds to objects of others.
    pub additions: Vec<Manifest<'a>>,
    /// What it makes in selected namespaces.
    pub templates: Vec<(&'a Template, Value)>,
    config: &'a ConfigUse,
}

/// One object that a plan applies.
#[derive(Debug, Clone)]
pub struct Manifest<'a> {
    /// Which.
    pub id: &'a ObjectId,
    /// Index of its phase; 0 for additions.
    pub phase: usize,
    /// What is sent.
    pub value: Value,
}

impl<'a> Seen<'a> {
    /// Reads all bodies. One that is missing or unreadable is a finding, and its object counts as not planned.
    #[must_use]
    pub fn read(plan: &'a Plan, intent: &'a Intent) -> (Self, Vec<Finding>) {
        let document = &plan.document;
        let mut reader = Reader { bodies: &plan.bodies, findings: Vec::new() };
        let mut manifests = Vec::new();
        for (phase, objects) in document.phases.iter().enumerate() {
            for object in &objects.objects {
                let value = reader.read(&object.id, object.body);
                manifests.extend(value.map(|value| Manifest { id: &object.id, phase, value }));
            }
        }
        let mut additions = Vec::new();
        for addition in &document.additions {
            let value = reader.read(&addition.id, addition.body);
            additions.extend(value.map(|value| Manifest { id: &addition.id, phase: 0, value }));
        }
        let mut templates = Vec::new();
        for template in &document.templates {
            let value = reader.read(&template.id, template.body);
            templates.extend(value.map(|value| (template, value)));
        }
        let config = &plan.config;
        (Self { intent, document, manifests, additions, templates, config }, reader.findings)
    }

    /// The applied object of this group, kind, namespace and name.
    #[must_use]
    pub fn find(&self, group: &str, kind: &str, namespace: &str, name: &str) -> Option<&Manifest<'a>> {
        self.of_kind(group, kind)
            .find(|manifest| manifest.id.namespace == namespace && manifest.id.name == name)
    }

    /// The applied objects of a kind.
    pub fn of_kind(&self, group: &str, kind: &str) -> impl Iterator<Item = &Manifest<'a>> {
        self.manifests.iter().filter(move |manifest| manifest.id.group == group && manifest.id.kind == kind)
    }

    /// The templates of a kind.
    pub fn templates_of(&self, group: &str, kind: &str) -> impl Iterator<Item = &(&'a Template, Value)> {
        self.templates
            .iter()
            .filter(move |(template, _)| template.id.group == group && template.id.kind == kind)
    }

    /// What is expected of an object that the installer makes.
    #[must_use]
    pub fn expected(&self, group: &str, kind: &str, namespace: &str, name: &str) -> Option<&'a Expectation> {
        self.document.expectations.iter().find(|expectation| {
            let id = &expectation.id;
            id.group == group && id.kind == kind && id.namespace == namespace && id.name == name
        })
    }

    /// Everything that the plan writes, in whatever form.
    pub fn written(&self) -> impl Iterator<Item = (&'a ObjectId, &Value)> {
        let objects = self.manifests.iter().chain(&self.additions);
        let templates = self.templates.iter().map(|(template, value)| (&template.id, value));
        objects.map(|manifest| (manifest.id, &manifest.value)).chain(templates)
    }

    /// Whether the plan waits until a workload is rolled out.
    #[must_use]
    pub fn awaits_rollout(&self, kind: &str, namespace: &str, name: &str) -> bool {
        self.document.healthy_when.iter().any(|criterion| {
            let id = &criterion.id;
            criterion.rolled_out && id.kind == kind && id.namespace == namespace && id.name == name
        })
    }

    /// The control plane that the installer reads.
    #[must_use]
    pub fn control_plane(&self) -> Option<&Manifest<'a>> {
        let Intent { control_plane, namespace, .. } = self.intent;
        match self.intent.installer {
            InstallerKind::Sail => self.find("sailoperator.io", "Istio", "", "default"),
            InstallerKind::Calisti => {
                let (group, kind) = ("servicemesh.cisco.com", "IstioControlPlane");
                self.find(group, kind, namespace.as_str(), control_plane.as_str())
            }
        }
    }

    /// Whether a workload of Istio's charts is expected with the label of the version, and its roll-out is awaited.
    #[must_use]
    pub fn is_labelled_and_rolled_out(&self, kind: &str, namespace: &str, name: &str) -> bool {
        let version = self.intent.version.to_string();
        let labelled = self.expected("apps", kind, namespace, name).is_some_and(|expectation| {
            let mut requires = expectation.requires.iter();
            requires.any(|value| value.path.contains("app.kubernetes.io/version") && value.value == version)
        });
        labelled && self.awaits_rollout(kind, namespace, name)
    }

    /// A finding that seconds a rule. Where somebody answers for an override of the rule, it keeps nothing back.
    #[must_use]
    pub fn seconding(&self, rule: &str, finding: Finding) -> Finding {
        if !self.config.overrides_rule(rule) {
            return finding;
        }
        let hint =
            format!("an override of rule {rule} is in force: take it out if this is not what it is for");
        Finding { severity: Severity::Warns, hint, ..finding }
    }
}

/// Whether labels of a namespace are selected.
#[must_use]
pub fn selects(selection: &Selection, labels: &Labels) -> bool {
    selection.iter().any(|all| all.iter().all(|condition| holds(condition, labels)))
}

fn holds(condition: &LabelCondition, labels: &Labels) -> bool {
    let value = labels.get(&condition.key);
    match condition.operator {
        Operator::In => value.is_some_and(|value| condition.values.contains(value)),
        Operator::NotIn => value.is_none_or(|value| !condition.values.contains(value)),
        Operator::Exists => value.is_some(),
        Operator::DoesNotExist => value.is_none(),
    }
}

struct Reader<'a> {
    bodies: &'a BTreeMap<Digest, Vec<u8>>,
    findings: Vec<Finding>,
}

impl Reader<'_> {
    fn read(&mut self, id: &ObjectId, body: Digest) -> Option<Value> {
        let value = self.bodies.get(&body).and_then(|bytes| serde_json::from_slice(bytes).ok());
        if value.is_none() {
            self.findings.push(unreadable(id));
        }
        value
    }
}

fn unreadable(id: &ObjectId) -> Finding {
    blocks(
        "plan.body",
        format!("the body of {id} is missing or is no JSON"),
        "the stored plan is damaged: publish the config again to plan anew".to_owned(),
    )
}
