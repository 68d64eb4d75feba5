//! The planner: rules give requirements, requirements give objects, expectations and asks, in canonical order.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Ask, Body, Criterion, Expectation, ObjectId, PhaseDocument, Plan, PlanDocument, PlannedObject,
    Requirement as ValueAt, RuleId,
    input::PlanInput,
    rule::{FulfilledBy, Phase, Requirement, Rule},
};
use crate::{
    digest::{self, Digest},
    fleet::Name,
};

/// Why no plan can be made. Each is a mistake in the rules, none depends on what an operator writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Two rules want one thing differently.
    #[error("rules {first} and {second} contradict each other in {object} at {path}")]
    Contradiction {
        /// In which object.
        object: Box<ObjectId>,
        /// Where in it.
        path: String,
        /// The rule that came first.
        first: RuleId,
        /// The rule that says otherwise.
        second: RuleId,
    },
    /// An object stands in a namespace that cannot be.
    #[error("{object} stands in a namespace that is no DNS label")]
    Namespace {
        /// Which.
        object: Box<ObjectId>,
    },
}

/// Computes the plan: the same input and rules give the same bytes.
pub fn plan(input: &PlanInput, rules: &[Rule]) -> Result<Plan, PlanError> {
    let mut draft = Draft::default();
    for rule in rules.iter().filter(|rule| rule.holds_on(input.platform)) {
        for requirement in (rule.yields)(&input.mesh, &input.facts.only(rule.reads)) {
            draft.take(rule.id, requirement)?;
        }
    }
    draft.seal(input)
}

/// What the requirements amount to so far.
#[derive(Default)]
struct Draft {
    objects: BTreeMap<ObjectId, (Phase, Value)>,
    expectations: BTreeMap<ObjectId, Vec<ValueAt>>,
    healthy_when: BTreeMap<ObjectId, Criterion>,
    asks: Vec<Ask>,
    reasons: BTreeMap<ObjectId, Vec<RuleId>>,
}

impl Draft {
    fn take(&mut self, rule: RuleId, requirement: Requirement) -> Result<(), PlanError> {
        let Requirement { object, fulfilled_by, healthy_when } = requirement;
        match fulfilled_by {
            FulfilledBy::Plan { phase, fields } => self.write(rule, &object, phase, fields)?,
            FulfilledBy::Installer { requires } => {
                self.expectations.entry(object.clone()).or_default().extend(requires);
            }
            FulfilledBy::User { labels } => {
                self.asks.push(Ask { rule, object, labels });
                return Ok(());
            }
        }
        if let Some(criterion) = healthy_when {
            self.healthy_when.insert(object.clone(), criterion);
        }
        self.reasons.entry(object).or_default().push(rule);
        Ok(())
    }

    fn write(
        &mut self,
        rule: RuleId,
        object: &ObjectId,
        phase: Phase,
        fields: Value,
    ) -> Result<(), PlanError> {
        let contradiction = |path: String, first| PlanError::Contradiction {
            object: Box::new(object.clone()),
            path,
            first,
            second: rule,
        };
        let Some((planned_phase, manifest)) = self.objects.get_mut(object) else {
            self.objects.insert(object.clone(), (phase, fields));
            return Ok(());
        };
        let first = self.reasons.get(object).and_then(|rules| rules.first()).copied().unwrap_or(rule);
        if *planned_phase != phase {
            return Err(contradiction("phase".to_owned(), first));
        }
        merge(manifest, fields, String::new()).map_err(|path| contradiction(path, first))
    }

    fn seal(self, input: &PlanInput) -> Result<Plan, PlanError> {
        let namespaces = namespaces(self.objects.keys())?;
        let mut bodies = BTreeMap::new();
        let mut phases: BTreeMap<Phase, Vec<PlannedObject>> = BTreeMap::new();
        for (id, (phase, manifest)) in self.objects {
            let body = Body::seal(id, manifest);
            phases.entry(phase).or_default().push(PlannedObject { id: body.id, body: body.digest });
            bodies.insert(body.digest, body.bytes);
        }
        let expectations = self.expectations.into_iter();
        let document = PlanDocument {
            format: 1,
            namespaces,
            phases: phases.into_iter().map(|(phase, objects)| phase_document(phase, objects)).collect(),
            expectations: expectations.map(|(id, requires)| Expectation { id, requires }).collect(),
            healthy_when: self.healthy_when.into_values().collect(),
        };
        let bytes = digest::canonical(&serde_json::to_value(&document).expect("plain data becomes JSON"));
        Ok(Plan {
            document,
            digest: Digest::of(&bytes),
            bytes,
            bodies,
            reasons: self.reasons,
            asks: self.asks,
            intent: input.mesh.intent.clone(),
        })
    }
}

fn phase_document(phase: Phase, objects: Vec<PlannedObject>) -> PhaseDocument {
    PhaseDocument {
        name: phase.name().to_owned(),
        objects,
        until: phase.until(),
        deadline_s: phase.deadline_s(),
    }
}

/// The namespaces that objects stand in, sorted.
fn namespaces<'a>(objects: impl Iterator<Item = &'a ObjectId>) -> Result<Vec<Name>, PlanError> {
    let mut names = Vec::new();
    for object in objects.filter(|object| !object.namespace.is_empty()) {
        let unsound = |_| PlanError::Namespace { object: Box::new(object.clone()) };
        names.push(Name::parse(&object.namespace).map_err(unsound)?);
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// Merges maps at every depth. Anything else must be equal on both sides; if not, says where.
fn merge(into: &mut Value, from: Value, path: String) -> Result<(), String> {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                match into.get_mut(&key) {
                    Some(present) => merge(present, value, format!("{path}.{key}"))?,
                    None => {
                        into.insert(key, value);
                    }
                }
            }
            Ok(())
        }
        (into, from) if *into == from => Ok(()),
        _ => Err(path),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::{installer::calisti, rule};

    #[test]
    fn maps_merge_deep_and_lists_must_agree() {
        let mut manifest = json!({"spec": {"a": 1, "list": [1]}});
        merge(&mut manifest, json!({"spec": {"b": {"c": true}, "list": [1]}}), String::new()).unwrap();
        assert_eq!(manifest, json!({"spec": {"a": 1, "b": {"c": true}, "list": [1]}}));
        assert_eq!(
            merge(&mut manifest, json!({"spec": {"list": [2]}}), String::new()),
            Err(".spec.list".to_owned())
        );
    }

    #[test]
    fn rules_that_contradict_each_other_are_named() {
        let input = crate::plan::tests::input(crate::platform::PlatformName::Generic);
        let mut rules = rule::registry().to_vec();
        rules.push(Rule {
            id: RuleId("other"),
            yields: |mesh, _| vec![calisti::control_plane_fields(&mesh.intent, json!({"mode": "PASSIVE"}))],
            ..rules[0]
        });
        let error = plan(&input, &rules).unwrap_err();
        assert_eq!(
            error.to_string(),
            "rules calisti.control-plane and other contradict each other in IstioControlPlane istio-system/payments at .spec.mode"
        );
    }
}
