//! A plan as the referee sees it: manifests, read back from their bytes.

use serde_json::Value;

use super::{Finding, blocks};
use crate::plan::{Expectation, Intent, ObjectId, Plan, PlanDocument};

/// A plan, read.
#[derive(Debug, Clone)]
pub struct Seen<'a> {
    /// What it is for.
    pub intent: &'a Intent,
    /// The document, as it will be sent.
    pub document: &'a PlanDocument,
    /// Every object that it applies, in order.
    pub manifests: Vec<Manifest<'a>>,
}

/// One object that a plan applies.
#[derive(Debug, Clone)]
pub struct Manifest<'a> {
    /// Which.
    pub id: &'a ObjectId,
    /// Index of its phase.
    pub phase: usize,
    /// What is sent.
    pub value: Value,
}

impl<'a> Seen<'a> {
    /// Reads all bodies. One that is missing or unreadable is a finding, and its object counts as not planned.
    #[must_use]
    pub fn read(plan: &'a Plan) -> (Self, Vec<Finding>) {
        let mut manifests = Vec::new();
        let mut findings = Vec::new();
        for (phase, objects) in plan.document.phases.iter().enumerate() {
            for object in &objects.objects {
                let bytes = plan.bodies.get(&object.body);
                match bytes.and_then(|bytes| serde_json::from_slice(bytes).ok()) {
                    Some(value) => manifests.push(Manifest { id: &object.id, phase, value }),
                    None => findings.push(unreadable(&object.id)),
                }
            }
        }
        (Self { intent: &plan.intent, document: &plan.document, manifests }, findings)
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

    /// What is expected of an object that the installer makes in the control plane's namespace.
    #[must_use]
    pub fn expected(&self, group: &str, kind: &str, namespace: &str, name: &str) -> Option<&'a Expectation> {
        self.document.expectations.iter().find(|expectation| {
            let id = &expectation.id;
            id.group == group && id.kind == kind && id.namespace == namespace && id.name == name
        })
    }

    /// The control plane that the installer reads.
    #[must_use]
    pub fn control_plane(&self) -> Option<&Manifest<'a>> {
        let Intent { control_plane, namespace, .. } = self.intent;
        self.find("servicemesh.cisco.com", "IstioControlPlane", namespace.as_str(), control_plane.as_str())
    }
}

fn unreadable(id: &ObjectId) -> Finding {
    blocks(
        "plan.body",
        format!("the body of {id} is missing or is no JSON"),
        "the stored plan is damaged: publish the config again to plan anew".to_owned(),
    )
}
