//! The planner: rules give requirements, requirements give objects, expectations and asks, in canonical order.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Addition, Ask, Body, ConfigUse, Criterion, Expectation, ObjectId, Origin, PhaseDocument, Plan,
    PlanDocument, PlannedObject, Provenance, Requirement as ValueAt, RuleId, Template,
    draft::{Draft, Placed, Reserved, Settled},
    input::PlanInput,
    requirement::{FulfilledBy, Requirement, Watched},
    rule::{Phase, Rule},
    sources::Sources,
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
    let mut drafts = Drafts::default();
    for rule in rules.iter().filter(|rule| rule.holds(input.platform, input.mesh.intent.installer)) {
        for requirement in (rule.yields)(&input.mesh, &input.facts.only(rule.reads)) {
            drafts.take(rule.id, requirement)?;
        }
    }
    drafts.seal(input, &Sources::new(input, rules))
}

/// What the requirements amount to so far.
#[derive(Default)]
struct Drafts {
    objects: BTreeMap<ObjectId, Draft>,
    namespaces: BTreeMap<ObjectId, ()>,
    reserved: Vec<Reserved>,
    expectations: BTreeMap<ObjectId, Vec<(RuleId, Watched)>>,
    healthy_when: BTreeMap<ObjectId, Criterion>,
    asks: Vec<Ask>,
    reasons: BTreeMap<ObjectId, Vec<RuleId>>,
}

impl Drafts {
    fn take(&mut self, rule: RuleId, requirement: Requirement) -> Result<(), PlanError> {
        let Requirement { object, fulfilled_by, healthy_when } = requirement;
        match fulfilled_by {
            FulfilledBy::Plan { phase, fields, keep_while } => {
                let draft = self.draft(rule, &object, Placed::Phase(phase))?;
                draft.keep_while = draft.keep_while.take().or(keep_while);
                draft.take(rule, &fields);
            }
            FulfilledBy::Namespace => {
                self.namespaces.insert(object.clone(), ());
            }
            FulfilledBy::Addition { fields } => {
                self.draft(rule, &object, Placed::Addition)?.take(rule, &fields);
            }
            FulfilledBy::Template { template, namespaces, fields, keep_while } => {
                let draft = self.draft(rule, &object, Placed::Template { template, namespaces })?;
                draft.keep_while = draft.keep_while.take().or(keep_while);
                draft.take(rule, &fields);
            }
            FulfilledBy::Installer { requires } => {
                let watched = requires.into_iter().map(|value| (rule, value));
                self.expectations.entry(object.clone()).or_default().extend(watched);
            }
            FulfilledBy::Reserved { keys, allowed } => {
                self.reserved.push(Reserved { rule, object, keys, allowed });
                return Ok(());
            }
            FulfilledBy::User { any_of } => {
                self.asks.push(Ask { rule, any_of });
                return Ok(());
            }
        }
        if let Some(criterion) = healthy_when {
            self.healthy_when.insert(object.clone(), criterion);
        }
        let reasons = self.reasons.entry(object).or_default();
        if !reasons.contains(&rule) {
            reasons.push(rule);
        }
        Ok(())
    }

    fn draft(&mut self, rule: RuleId, object: &ObjectId, placed: Placed) -> Result<&mut Draft, PlanError> {
        let first = self.reasons.get(object).and_then(|rules| rules.first()).copied().unwrap_or(rule);
        let draft = self.objects.entry(object.clone()).or_insert_with(|| Draft::new(placed.clone()));
        if draft.placed == placed {
            return Ok(draft);
        }
        let path = "phase".to_owned();
        Err(PlanError::Contradiction { object: Box::new(object.clone()), path, first, second: rule })
    }

    fn seal(mut self, input: &PlanInput, sources: &Sources<'_>) -> Result<Plan, PlanError> {
        self.objects.retain(|_, draft| draft.is_wanted());
        let reasons_left = |id: &ObjectId| {
            self.objects.contains_key(id)
                || self.expectations.contains_key(id)
                || self.namespaces.contains_key(id)
        };
        self.reasons.retain(|id, _| reasons_left(id));
        let namespaces = namespaces(&self.objects, self.namespaces.keys())?;
        let mut sealed = Sealed::new(input);
        for (id, draft) in self.objects {
            let Draft { placed, keep_while, .. } = draft.clone();
            let settled = draft.settle(&id, &self.reserved, sources)?;
            sealed.add(id, placed, keep_while, settled);
        }
        for (id, requires) in self.expectations {
            sealed.expect(id, requires, sources);
        }
        Ok(sealed.plan(namespaces, self.healthy_when, self.asks, self.reasons))
    }
}

/// The plan, object by object.
struct Sealed<'a> {
    input: &'a PlanInput,
    bodies: BTreeMap<Digest, Vec<u8>>,
    phases: BTreeMap<Phase, Vec<PlannedObject>>,
    additions: Vec<Addition>,
    templates: Vec<Template>,
    expectations: Vec<Expectation>,
    provenance: Provenance,
    config: ConfigUse,
}

impl<'a> Sealed<'a> {
    fn new(input: &'a PlanInput) -> Self {
        Self {
            input,
            bodies: BTreeMap::new(),
            phases: BTreeMap::new(),
            additions: Vec::new(),
            templates: Vec::new(),
            expectations: Vec::new(),
            provenance: BTreeMap::new(),
            config: ConfigUse::of(input),
        }
    }

    fn add(&mut self, id: ObjectId, placed: Placed, keep_while: Option<super::KeepWhile>, settled: Settled) {
        let Settled { tree, origins, contradictions, in_force } = settled;
        self.config.contradictions.extend(contradictions);
        self.config.in_force.extend(in_force);
        let Body { id, bytes, digest: body } = Body::seal(id, tree);
        self.bodies.insert(body, bytes);
        let mut structural = vec![".apiVersion", ".kind", ".metadata.name"];
        if !id.namespace.is_empty() {
            structural.push(".metadata.namespace");
        }
        let known = self.provenance.entry(id.clone()).or_default();
        known.extend(structural.into_iter().map(|path| (path.to_owned(), Origin::Structural)));
        known.extend(origins);
        match placed {
            Placed::Phase(phase) => {
                self.phases.entry(phase).or_default().push(PlannedObject { id, body, keep_while });
            }
            Placed::Addition => self.additions.push(Addition { id, body }),
            Placed::Template { template, namespaces } => {
                self.templates.push(Template {
                    template: template.to_owned(),
                    id,
                    namespaces,
                    body,
                    keep_while,
                });
            }
        }
    }

    fn expect(&mut self, id: ObjectId, requires: Vec<(RuleId, Watched)>, sources: &Sources<'_>) {
        let origins = self.provenance.entry(id.clone()).or_default();
        let mut values: Vec<ValueAt> = Vec::new();
        for (rule, Watched { path, value, from }) in requires {
            let config_path = sources.config_path(&from, &[]);
            origins.insert(path.clone(), sources.origin((&from, rule), &config_path));
            values.push(ValueAt { path, value });
        }
        self.expectations.push(Expectation { id, requires: values });
    }

    fn plan(
        mut self,
        namespaces: Vec<Name>,
        healthy_when: BTreeMap<ObjectId, Criterion>,
        asks: Vec<Ask>,
        reasons: BTreeMap<ObjectId, Vec<RuleId>>,
    ) -> Plan {
        self.templates.sort_by(|one, other| (&one.template, &one.id).cmp(&(&other.template, &other.id)));
        let document = PlanDocument {
            format: 1,
            namespaces,
            phases: self.phases.into_iter().map(|(phase, objects)| phase_document(phase, objects)).collect(),
            additions: self.additions,
            templates: self.templates,
            expectations: self.expectations,
            healthy_when: healthy_when.into_values().collect(),
        };
        let (bytes, digest) = seal(&document);
        Plan {
            document,
            digest,
            bytes,
            bodies: self.bodies,
            reasons,
            provenance: self.provenance,
            config: self.config,
            asks,
            intent: Some(self.input.mesh.intent.clone()),
        }
    }
}

/// The canonical bytes of a document, and the digest of the plan.
pub(super) fn seal(document: &PlanDocument) -> (Vec<u8>, Digest) {
    let value: Value = serde_json::to_value(document).expect("plain data becomes JSON");
    let bytes = digest::canonical(&value);
    let digest = Digest::of(&bytes);
    (bytes, digest)
}

fn phase_document(phase: Phase, objects: Vec<PlannedObject>) -> PhaseDocument {
    PhaseDocument {
        name: phase.name().to_owned(),
        objects,
        until: phase.until(),
        deadline_s: phase.deadline_s(),
    }
}

/// The namespaces that objects stand in and that rules ask for, sorted. What others make, and what stands in namespaces
/// of workloads, brings none.
fn namespaces<'a>(
    objects: &BTreeMap<ObjectId, Draft>,
    asked: impl Iterator<Item = &'a ObjectId>,
) -> Result<Vec<Name>, PlanError> {
    let ours = objects.iter().filter(|(_, draft)| matches!(draft.placed, Placed::Phase(_)));
    let inhabited = ours.map(|(id, _)| (id, &id.namespace)).filter(|(_, namespace)| !namespace.is_empty());
    let mut names = BTreeSet::new();
    for (id, name) in inhabited.chain(asked.map(|id| (id, &id.name))) {
        let unsound = |_| PlanError::Namespace { object: Box::new(id.clone()) };
        names.insert(Name::parse(name).map_err(unsound)?);
    }
    Ok(names.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::{installer::calisti, requirement::Fields, rule};

    #[test]
    fn rules_that_contradict_each_other_are_named() {
        let input = crate::plan::tests::input(crate::platform::PlatformName::Generic);
        let mut rules = rule::registry().to_vec();
        rules.push(Rule {
            id: RuleId("other"),
            platforms: &[],
            installers: &[],
            reads: &[],
            yields: |mesh, _| {
                let fields = Fields::required(json!({"mode": "PASSIVE"}));
                vec![calisti::control_plane_fields(&mesh.intent, vec![fields])]
            },
            ..rules[0]
        });
        let error = plan(&input, &rules).unwrap_err();
        assert_eq!(
            error.to_string(),
            "rules calisti.control-plane and other contradict each other in IstioControlPlane istio-system/payments at .spec.mode"
        );
    }
}
