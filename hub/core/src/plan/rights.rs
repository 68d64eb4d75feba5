//! The rights that a plan needs of its spoke, verb by verb, and what a spoke's answer about them means.
//!
//! Kinds and not resources are named: only a cluster's own discovery knows the resource of a kind. What is asked is what the
//! spoke does: it reads and patches an object by name, which creates it where it is absent, and watches the objects of a kind
//! by name where they have one name, one namespace after the other while these are few.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Finding, ObjectId, Plan, Severity, Template};
use crate::{
    fleet::Name,
    target::{Deletion, TemplateDeletion},
};

/// The finding that a right is lacked.
pub const MISSING: &str = "rbac.missing";

/// The finding that nobody knows whether rights are there.
pub const UNKNOWN: &str = "rbac.unknown";

/// Needs in one question: what the wire takes.
pub const MOST_NEEDS: usize = 500;

/// In how many namespaces a spoke watches objects of one kind one by one; beyond it, it watches the whole cluster.
const MOST_NAMESPACES: usize = 10;

/// The group of roles and their bindings.
const RBAC: &str = "rbac.authorization.k8s.io";

/// What a target deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletions<'a> {
    /// Objects by name.
    pub objects: &'a [Deletion],
    /// All instances of templates.
    pub templates: &'a [TemplateDeletion],
}

/// What may be done with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Read it.
    Get,
    /// List it with others.
    List,
    /// Watch it.
    Watch,
    /// Make it.
    Create,
    /// Change it.
    Patch,
    /// Delete it.
    Delete,
    /// Give its rights to somebody: of roles.
    Bind,
}

impl Verb {
    /// As RBAC spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::Bind => "bind",
        }
    }

    /// Reads what RBAC spells.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Get, Self::List, Self::Watch, Self::Create, Self::Patch, Self::Delete, Self::Bind];
        all.into_iter().find(|verb| verb.as_str() == text)
    }
}

/// Rights on an object, or on all of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// On which: without a name on all of the kind, without a namespace in the whole cluster.
    pub id: ObjectId,
    /// Which.
    pub verbs: BTreeSet<Verb>,
    /// What in the plan needs them, for people.
    pub of: String,
}

/// What a spoke says of one need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Right {
    /// Of which.
    pub id: ObjectId,
    /// How it stands.
    pub held: Held,
}

/// How a need stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Held {
    /// The kind is served as this resource, and these verbs are lacked; none if all are held.
    Lacks {
        /// The resource, in the plural.
        resource: String,
        /// What may not be done.
        verbs: BTreeSet<Verb>,
    },
    /// The cluster does not serve the kind: whether the right is there cannot matter yet.
    NotServed,
    /// It could not be told, and why.
    Untold(String),
}

/// The rights that a plan needs, and what goes with it. One need for each kind, namespace and name, in their order.
#[must_use]
pub fn needs(plan: &Plan, deletions: &Deletions<'_>) -> Vec<Need> {
    let mut needs = Needs::default();
    let document = &plan.document;
    let mut watched: BTreeMap<&ObjectId, &ObjectId> = BTreeMap::new();
    for object in document.phases.iter().flat_map(|phase| &phase.objects) {
        needs.add(&object.id, [Verb::Get, Verb::Create, Verb::Patch], &object.id);
        needs.bind(plan.bodies.get(&object.body), &object.id);
        needs.give(plan.bodies.get(&object.body), &object.id);
        watched.insert(&object.id, &object.id);
    }
    for addition in &document.additions {
        needs.add(&addition.id, [Verb::Get, Verb::Patch], &addition.id);
        watched.insert(&addition.id, &addition.id);
    }
    for template in &document.templates {
        needs.template(template);
        needs.bind(plan.bodies.get(&template.body), &template.id);
    }
    watched.extend(document.expectations.iter().map(|expectation| (&expectation.id, &expectation.id)));
    watched.extend(document.healthy_when.iter().map(|criterion| (&criterion.id, &criterion.id)));
    needs.watch(&watched);
    for name in &document.namespaces {
        let id = ObjectId::new("", "v1", "Namespace", "", name.as_str());
        needs.add(&id, [Verb::Get, Verb::Create], &id);
    }
    for deletion in deletions.objects {
        needs.add(&deletion.id, [Verb::Get, Verb::Delete], &deletion.id);
        needs.pods(deletion.keep_while.is_some(), &deletion.id);
    }
    for deletion in deletions.templates {
        let anywhere = ObjectId { namespace: String::new(), ..deletion.id.clone() };
        needs.add(&anywhere, [Verb::Get, Verb::Delete], &deletion.id);
        needs.pods(deletion.keep_while.is_some(), &anywhere);
    }
    needs.0.into_values().collect()
}

/// By group, kind, namespace and name.
#[derive(Default)]
struct Needs(BTreeMap<(String, String, String, String), Need>);

impl Needs {
    fn add(&mut self, id: &ObjectId, verbs: impl IntoIterator<Item = Verb>, of: &ObjectId) {
        let key = (id.group.clone(), id.kind.clone(), id.namespace.clone(), id.name.clone());
        let need = self.0.entry(key).or_insert_with(|| Need {
            id: id.clone(),
            verbs: BTreeSet::new(),
            of: of.to_string(),
        });
        need.verbs.extend(verbs);
    }

    /// Instances come and go with namespaces: the rights are needed wherever one may be selected.
    fn template(&mut self, template: &Template) {
        self.add(&template.id, [Verb::Get, Verb::Create, Verb::Patch, Verb::List, Verb::Watch], &template.id);
        let namespaces = ObjectId::new("", "v1", "Namespace", "", "");
        self.add(&namespaces, [Verb::List, Verb::Watch], &template.id);
    }

    /// Whoever binds a role must be allowed to give what it holds.
    fn bind(&mut self, body: Option<&Vec<u8>>, of: &ObjectId) {
        if of.group != RBAC {
            return;
        }
        let body: Value = body.and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
        let text = |field: &str| body["roleRef"][field].as_str().unwrap_or_default().to_owned();
        let (kind, name) = (text("kind"), text("name"));
        // A name that comes with the namespace is known only there.
        if name.is_empty() || name.contains("$(") {
            return;
        }
        let namespace = if kind == "Role" { of.namespace.as_str() } else { "" };
        self.add(&ObjectId::new(RBAC, "v1", &kind, namespace, &name), [Verb::Bind], of);
    }

    /// Whoever makes a role must hold what it gives. So far roles of plans give rights on secrets only.
    fn give(&mut self, body: Option<&Vec<u8>>, of: &ObjectId) {
        if (of.group.as_str(), of.kind.as_str()) != (RBAC, "Role") {
            return;
        }
        let body: Value = body.and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
        let items = |value: &Value| value.as_array().cloned().unwrap_or_default();
        for rule in items(&body["rules"]) {
            if items(&rule["resources"]).contains(&Value::from("secrets")) {
                let verbs = items(&rule["verbs"]).into_iter();
                let verbs = verbs.filter_map(|verb| verb.as_str().and_then(Verb::parse));
                self.add(&ObjectId::new("", "v1", "Secret", &of.namespace, ""), verbs, of);
            }
        }
    }

    fn pods(&mut self, kept: bool, of: &ObjectId) {
        if kept {
            self.add(&ObjectId::new("", "v1", "Pod", &of.namespace, ""), [Verb::List], of);
        }
    }

    /// As a spoke watches: by kind and namespace, by name where all have one.
    fn watch(&mut self, watched: &BTreeMap<&ObjectId, &ObjectId>) {
        let mut kinds: BTreeMap<(&str, &str), Vec<&ObjectId>> = BTreeMap::new();
        for id in watched.keys() {
            kinds.entry((&id.group, &id.kind)).or_default().push(id);
        }
        for ids in kinds.into_values() {
            let namespaces: BTreeSet<&str> = ids.iter().map(|id| id.namespace.as_str()).collect();
            let everywhere = namespaces.len() > MOST_NAMESPACES;
            let mut places: BTreeMap<&str, Vec<&ObjectId>> = BTreeMap::new();
            for id in ids {
                places.entry(if everywhere { "" } else { &id.namespace }).or_default().push(id);
            }
            for (namespace, ids) in places {
                let first = ids[0];
                let name = if ids.iter().all(|id| id.name == first.name) { first.name.as_str() } else { "" };
                let place = ObjectId::new(&first.group, &first.version, &first.kind, namespace, name);
                self.add(&place, [Verb::List, Verb::Watch], first);
            }
        }
    }
}

/// What a spoke's answer means for a rollout: what is lacked blocks; what could not be told is no proof that it is there.
#[must_use]
pub fn judge(cluster: &Name, needs: &[Need], rights: &[Right]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut untold: Option<(usize, &str)> = None;
    for need in needs {
        let found = rights.iter().find(|right| right.id.same_object(&need.id)).map(|right| &right.held);
        match found {
            Some(Held::Lacks { resource, verbs }) => {
                let lacked: Vec<Verb> = need.verbs.intersection(verbs).copied().collect();
                findings.extend(lacked.into_iter().map(|verb| missing(cluster, need, resource, verb)));
            }
            // That the kind is not there has a finding of its own.
            Some(Held::NotServed) => {}
            Some(Held::Untold(why)) => untold = Some((untold.map_or(1, |(count, _)| count + 1), why)),
            None => untold = Some((untold.map_or(1, |(count, _)| count + 1), "its spoke did not say")),
        }
    }
    findings.extend(untold.map(|(count, why)| unknown(&format!("of {count} of {}: {why}", needs.len()))));
    findings
}

fn missing(cluster: &Name, need: &Need, resource: &str, verb: Verb) -> Finding {
    let Need { id, verbs: _, of } = need;
    let group = if id.group.is_empty() { String::new() } else { format!(".{}", id.group) };
    let name = if id.name.is_empty() { String::new() } else { format!(" {}", id.name) };
    let place = match id.namespace.as_str() {
        "" => "in the whole cluster".to_owned(),
        namespace => format!("in namespace {namespace}"),
    };
    Finding {
        rule: MISSING.to_owned(),
        severity: Severity::Blocks,
        message: format!(
            "its spoke may not {} {resource}{group}{name} {place}, which {of} needs",
            verb.as_str()
        ),
        hint: format!("give it the rights: `meshfleet cluster rbac {cluster} | kubectl apply -f -`"),
    }
}

/// Nobody knows whether the rights are there.
#[must_use]
pub fn unknown(why: &str) -> Finding {
    Finding {
        rule: UNKNOWN.to_owned(),
        severity: Severity::Warns,
        message: format!("whether its spoke has the rights that the plan needs was not checked: {why}"),
        hint: "ask again once its spoke is attached; without a right the object in question is refused"
            .to_owned(),
    }
}

mod manifest;

pub use manifest::{Account, Extent, manifest};

#[cfg(test)]
mod tests;
