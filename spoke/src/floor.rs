//! The floor: what this spoke never does, whatever a hub says.
//!
//! Pure, and compiled in: a hub that was taken over can change a mesh, but not reach past it into the cluster. The limits
//! are checked before a target is persisted, so that a breach changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    digest::Digest,
    document::{ObjectId, Plan, Target, Template},
    refusal::{Code, Refusal},
};

/// Largest body. A Kubernetes API server takes little more (its request limit is 3 MiB, etcd's 1.5 MiB).
pub const MAX_OBJECT_BYTES: usize = 1024 * 1024;

/// Largest plan with all its bodies: what the fence Secrets and the spoke's memory are made for.
pub const MAX_PLAN_BYTES: usize = 8 * 1024 * 1024;

/// Most objects in a plan.
pub const MAX_OBJECTS: usize = 2000;

/// Most instances of templates: a selection that meets more namespaces than anybody thought of must not fill the cluster.
pub const MAX_INSTANCES: usize = 2000;

/// Namespaces of the cluster itself. A plan has no business in them.
const SYSTEM_NAMESPACES: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// Kinds that are never written by a plan: what they hold is not the mesh's, or is secret.
const NEVER_WRITTEN: [(&str, &str); 5] =
    [("", "Namespace"), ("", "Node"), ("", "PersistentVolume"), ("", "Secret"), ("", "List")];

/// Kinds that are never deleted: with them goes what cannot be made again.
const NEVER_DELETED: [(&str, &str); 4] = [
    ("", "Namespace"),
    ("", "Node"),
    ("", "PersistentVolume"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
];

/// Metadata that a manifest must not set: it is the server's, or would bind the object's life to another.
const NEVER_SET: [&str; 8] = [
    "uid",
    "resourceVersion",
    "generateName",
    "managedFields",
    "ownerReferences",
    "finalizers",
    "deletionTimestamp",
    "selfLink",
];

/// Checks a target, its plan and its bodies against the floor. `own_namespace` is the spoke's.
///
/// # Errors
/// With everything that is wrong, in one refusal.
pub fn check(
    target: &Target,
    plan: &Plan,
    bodies: &BTreeMap<Digest, Vec<u8>>,
    own_namespace: &str,
) -> Result<(), Refusal> {
    let mut breaches = limits(plan, bodies);
    breaches.extend(forbidden_deletions(target, plan, own_namespace));
    breaches.extend(plan.namespaces.iter().filter_map(|name| forbidden_namespace(name, own_namespace)));
    breaches.extend(made(plan).filter_map(|(id, _)| forbidden_object(id, own_namespace)));
    let additions = plan.additions.iter().map(|addition| &addition.id);
    breaches.extend(additions.filter_map(|id| forbidden_addition(id, own_namespace)));
    breaches.extend(
        watched(plan).filter(|id| id.kind == "Secret").map(|id| format!("{id}: secrets are not watched")),
    );
    if !breaches.is_empty() {
        return Err(Refusal::new(Code::Floor, target.generation, join(&breaches)));
    }
    bodies_match(target.generation, plan, bodies)
}

fn join(breaches: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown = breaches.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    if breaches.len() > SHOWN { format!("{shown}; and {} more", breaches.len() - SHOWN) } else { shown }
}

fn limits(plan: &Plan, bodies: &BTreeMap<Digest, Vec<u8>>) -> Vec<String> {
    let mut breaches = Vec::new();
    let count = written(plan).count() + plan.expectations.len();
    if count > MAX_OBJECTS {
        breaches.push(format!("{count} objects, at most {MAX_OBJECTS} are taken"));
    }
    let total: usize = bodies.values().map(Vec::len).sum();
    if total > MAX_PLAN_BYTES {
        breaches.push(format!("{total} bytes, at most {MAX_PLAN_BYTES} are taken"));
    }
    let long =
        |(_, body): &(&ObjectId, Digest)| bodies.get(body).is_some_and(|body| body.len() > MAX_OBJECT_BYTES);
    breaches.extend(
        written(plan).filter(long).map(|(id, _)| format!("{id}: larger than {MAX_OBJECT_BYTES} bytes")),
    );
    breaches
}

/// Everything that a plan writes: its objects, additions, and templates, which have no namespace so far.
fn written(plan: &Plan) -> impl Iterator<Item = (&ObjectId, Digest)> {
    made(plan).chain(plan.additions.iter().map(|addition| (&addition.id, addition.body)))
}

/// Everything that a plan makes: it writes onto what others make too.
fn made(plan: &Plan) -> impl Iterator<Item = (&ObjectId, Digest)> {
    let objects = plan.objects().map(|planned| (&planned.id, planned.body));
    objects.chain(plan.templates.iter().map(|template| (&template.id, template.body)))
}

/// Why one more instance of a template is not made, where so many are there.
#[must_use]
pub fn crowded(instances: usize) -> Option<String> {
    (instances >= MAX_INSTANCES).then(|| {
        format!("{instances} instances of templates are there, and no more are made: select fewer namespaces")
    })
}

/// What an object may not be, looked at when all of it is known.
#[must_use]
pub fn breach(id: &ObjectId, body: &Value, own_namespace: &str) -> Option<String> {
    let too_large = || {
        let long = body.to_string().len() > MAX_OBJECT_BYTES;
        long.then(|| format!("larger than {MAX_OBJECT_BYTES} bytes"))
    };
    forbidden_object(id, own_namespace)
        .or_else(|| mistaken(id, body))
        .or_else(|| forbidden_power(id, body))
        .or_else(too_large)
}

fn watched(plan: &Plan) -> impl Iterator<Item = &ObjectId> {
    let expected = plan.expectations.iter().map(|expectation| &expectation.id);
    expected.chain(plan.healthy_when.iter().map(|criterion| &criterion.id))
}

fn forbidden_deletions(target: &Target, plan: &Plan, own_namespace: &str) -> Vec<String> {
    let planned: Vec<_> = plan.objects().map(|planned| planned.id.key()).collect();
    let breach = |id: &ObjectId| {
        if NEVER_DELETED.contains(&(id.group.as_str(), id.kind.as_str())) {
            return Some(format!("{id}: objects of this kind are never deleted"));
        }
        if planned.contains(&id.key()) {
            return Some(format!("{id}: is both in the plan and to be deleted"));
        }
        forbidden_namespace(&id.namespace, own_namespace).map(|reason| format!("{id}: {reason}"))
    };
    let named = target.deletions.iter().filter_map(|deletion| breach(&deletion.id));
    let instances = target.delete_templates.iter().filter_map(|deletion| {
        let kept = |template: &&Template| {
            template.template == deletion.template && template.id.key() == deletion.id.key()
        };
        let kept = plan.templates.iter().find(kept);
        breach(&deletion.id).or_else(|| {
            kept.map(|kept| format!("template {}: is both in the plan and to be deleted", kept.template))
        })
    });
    named.chain(instances).collect()
}

fn forbidden_object(id: &ObjectId, own_namespace: &str) -> Option<String> {
    if NEVER_WRITTEN.contains(&(id.group.as_str(), id.kind.as_str())) || id.kind.ends_with("List") {
        return Some(format!("{id}: objects of this kind are never written by a plan"));
    }
    forbidden_namespace(&id.namespace, own_namespace).map(|reason| format!("{id}: {reason}"))
}

/// Labels of ours on a namespace are an addition; what they may be is looked at with the body.
fn forbidden_addition(id: &ObjectId, own_namespace: &str) -> Option<String> {
    if !is_namespace(id) {
        return forbidden_object(id, own_namespace);
    }
    let own = forbidden_namespace(&id.name, own_namespace);
    let kube =
        || id.name.starts_with("kube-").then(|| format!("the namespace {} is the cluster's own", id.name));
    own.or_else(kube).map(|reason| format!("{id}: {reason}"))
}

fn is_namespace(id: &ObjectId) -> bool {
    id.group.is_empty() && id.kind == "Namespace"
}

/// What a plan may write onto a namespace: labels that mean something to a mesh. Those of Kubernetes itself decide what its
/// pods may do.
fn forbidden_label(body: &Value) -> Option<String> {
    let fields =
        |value: &Value| value.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default();
    let (body_fields, metadata): (Vec<String>, Vec<String>) = (fields(body), fields(&body["metadata"]));
    let other = |known: &[&str], field: &&String| !known.contains(&field.as_str());
    let beside = body_fields.iter().find(|field| other(&["apiVersion", "kind", "metadata"], field));
    let beside = beside.or_else(|| metadata.iter().find(|field| other(&["name", "labels"], field)));
    if let Some(field) = beside {
        return Some(format!("writes {field} of a namespace, of which only labels are written"));
    }
    let labels: Vec<String> = fields(&body["metadata"]["labels"]);
    let kubernetes = |label: &&String| {
        let domain = label.split_once('/').map_or("", |(domain, _)| domain);
        ["kubernetes.io", "k8s.io"].iter().any(|own| domain == *own || domain.ends_with(&format!(".{own}")))
    };
    labels.iter().find(kubernetes).map(|label| format!("writes the label {label} of a namespace"))
}

fn forbidden_namespace(name: &str, own_namespace: &str) -> Option<String> {
    if SYSTEM_NAMESPACES.contains(&name) {
        return Some(format!("the namespace {name} is the cluster's own"));
    }
    (name == own_namespace).then(|| format!("the namespace {name} is the spoke's own"))
}

/// Checks that each body is there and is the object that the plan says, and what it may hold.
fn bodies_match(generation: u64, plan: &Plan, bodies: &BTreeMap<Digest, Vec<u8>>) -> Result<(), Refusal> {
    let malformed =
        |id: &ObjectId, what: &str| Refusal::new(Code::Malformed, generation, format!("{id}: {what}"));
    let (mut seen, mut templates) = (BTreeSet::new(), BTreeSet::new());
    for template in &plan.templates {
        if !template.id.namespace.is_empty() {
            return Err(malformed(&template.id, "a template has no namespace"));
        }
        if !templates.insert(&template.template) {
            return Err(malformed(&template.id, "its template is in the plan twice"));
        }
    }
    for (id, body) in written(plan) {
        if !seen.insert(id.key()) {
            return Err(malformed(id, "it is planned twice"));
        }
        let bytes = bodies.get(&body).ok_or_else(|| malformed(id, "its body was not sent"))?;
        let body: Value = serde_json::from_slice(bytes).map_err(|_| malformed(id, "its body is no JSON"))?;
        if let Some(what) = mistaken(id, &body) {
            return Err(malformed(id, &what));
        }
        let labels = || is_namespace(id).then(|| forbidden_label(&body)).flatten();
        if let Some(what) = forbidden_power(id, &body).or_else(labels) {
            return Err(Refusal::new(Code::Floor, generation, format!("{id}: {what}")));
        }
    }
    Ok(())
}

/// What makes a body another thing than the object that it is said to be.
#[must_use]
pub fn mistaken(id: &ObjectId, body: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &body["metadata"];
    let written = [&body["apiVersion"], &body["kind"], &metadata["namespace"], &metadata["name"]].map(text);
    if written != [id.api_version(), id.kind.clone(), id.namespace.clone(), id.name.clone()] {
        return Some("its body is another object".to_owned());
    }
    if body.get("status").is_some() {
        return Some("its body sets status".to_owned());
    }
    NEVER_SET
        .iter()
        .find(|field| metadata.get(**field).is_some())
        .map(|field| format!("its body sets metadata.{field}"))
}

/// Powers that no plan gives: they would let whoever gets them take the cluster.
fn forbidden_power(id: &ObjectId, body: &Value) -> Option<String> {
    // Some distributions serve roles and bindings in a second group, `authorization.` of their own domain.
    if !id.group.contains("authorization.") {
        return None;
    }
    let items = |value: &Value| value.as_array().cloned().unwrap_or_default();
    if body["roleRef"]["name"] == "cluster-admin" {
        return Some("binds cluster-admin".to_owned());
    }
    if items(&body["subjects"]).iter().any(|subject| subject["name"] == "system:masters") {
        return Some("binds system:masters".to_owned());
    }
    if body.get("aggregationRule").is_some() {
        return Some("aggregates rules that the plan does not show".to_owned());
    }
    let rules = items(&body["rules"]);
    let verbs = rules.iter().flat_map(|rule| items(&rule["verbs"]));
    let forbidden = |verb: &Value| matches!(verb.as_str(), Some("*" | "escalate" | "impersonate"));
    if let Some(verb) = verbs.into_iter().find(forbidden) {
        return Some(format!("gives the verb {verb}"));
    }
    // Whoever may bind any role may take any.
    let binds = |rule: &&Value| items(&rule["verbs"]).iter().any(|verb| verb == "bind");
    let unbound = |rule: &Value| {
        let names = items(&rule["resourceNames"]);
        names.is_empty() || names.iter().any(|name| name == "cluster-admin")
    };
    let unlimited = rules.iter().filter(binds).any(unbound);
    unlimited
        .then(|| "gives the verb \"bind\" on roles that it does not name, or on cluster-admin".to_owned())
}

#[cfg(test)]
mod tests;
