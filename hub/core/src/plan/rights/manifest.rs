//! Rights as a manifest: roles and bindings for a spoke's service account.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{Held, Need, RBAC, Right, Verb};
use crate::digest::{self, Digest};

/// Who gets the rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account<'a> {
    /// Namespace of the service account.
    pub namespace: &'a str,
    /// Its name, with which the names of the roles begin.
    pub name: &'a str,
}

/// How much a manifest holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What is lacked.
    Lacked,
    /// Everything that the plan needs.
    All,
}

/// One rule of a role: resources and names that have the same verbs are one.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rule {
    group: String,
    resource: String,
    /// Empty for all of the resource.
    name: String,
}

/// The verbs of a role by rule.
type Rules = BTreeMap<Rule, BTreeSet<Verb>>;

/// The roles and bindings, as YAML; none if there is nothing to give. `namespaces` are those that the cluster has.
///
/// # Guarantees
/// No wildcard, no `escalate`. `create` goes without a name, because RBAC knows none at that time; all other verbs go by
/// name where the plan names one. A role's name comes of what it holds, so that one that was given before stays.
#[must_use]
pub fn manifest(
    account: Account<'_>,
    (needs, rights): (&[Need], &[Right]),
    extent: Extent,
    namespaces: &BTreeSet<&str>,
) -> Option<String> {
    let roles = roles(needs, rights, extent);
    if roles.is_empty() {
        return None;
    }
    let mut documents = Vec::new();
    for namespace in
        roles.keys().filter(|namespace| !namespace.is_empty() && !namespaces.contains(**namespace))
    {
        documents.push(format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {}\n", text(namespace)));
    }
    for (namespace, rules) in &roles {
        documents.push(role(account, namespace, rules));
        documents.push(binding(account, namespace, rules));
    }
    Some(documents.join("---\n"))
}

/// By namespace; empty for the whole cluster.
fn roles<'a>(needs: &'a [Need], rights: &[Right], extent: Extent) -> BTreeMap<&'a str, Rules> {
    let mut roles: BTreeMap<&str, Rules> = BTreeMap::new();
    for need in needs {
        let found = rights.iter().find(|right| right.id.same_object(&need.id)).map(|right| &right.held);
        let Some(Held::Lacks { resource, verbs }) = found else { continue };
        let wanted = need.verbs.iter().filter(|verb| extent == Extent::All || verbs.contains(verb));
        for verb in wanted {
            let name = if *verb == Verb::Create { String::new() } else { need.id.name.clone() };
            let rule = Rule { group: need.id.group.clone(), resource: resource.clone(), name };
            roles.entry(&need.id.namespace).or_default().entry(rule).or_default().insert(*verb);
        }
    }
    roles
}

fn role(account: Account<'_>, namespace: &str, rules: &Rules) -> String {
    let kind = if namespace.is_empty() { "ClusterRole" } else { "Role" };
    let mut out = head(kind, &name(account, namespace, rules), namespace);
    out.push_str("rules:\n");
    for (Rule { group, resource, name }, verbs) in rules {
        out.push_str(&format!("  - apiGroups: [{}]\n    resources: [{}]\n", text(group), text(resource)));
        if !name.is_empty() {
            out.push_str(&format!("    resourceNames: [{}]\n", text(name)));
        }
        let verbs: Vec<&str> = verbs.iter().map(|verb| verb.as_str()).collect();
        out.push_str(&format!("    verbs: [{}]\n", verbs.join(", ")));
    }
    out
}

fn binding(account: Account<'_>, namespace: &str, rules: &Rules) -> String {
    let (kind, role) = match namespace {
        "" => ("ClusterRoleBinding", "ClusterRole"),
        _ => ("RoleBinding", "Role"),
    };
    let name = name(account, namespace, rules);
    format!(
        "{}roleRef:\n  apiGroup: {RBAC}\n  kind: {role}\n  name: {}\nsubjects:\n  - kind: ServiceAccount\n    name: {}\n    namespace: {}\n",
        head(kind, &name, namespace),
        text(&name),
        text(account.name),
        text(account.namespace),
    )
}

fn head(kind: &str, name: &str, namespace: &str) -> String {
    let mut head = format!("apiVersion: {RBAC}/v1\nkind: {kind}\nmetadata:\n  name: {}\n", text(name));
    if !namespace.is_empty() {
        head.push_str(&format!("  namespace: {}\n", text(namespace)));
    }
    head
}

/// Another set of rules is another role: `kubectl apply` would take from one of the same name what it does not repeat.
fn name(account: Account<'_>, namespace: &str, rules: &Rules) -> String {
    let held: Vec<_> = rules
        .iter()
        .map(|(Rule { group, resource, name }, verbs)| json!([group, resource, name, verbs]))
        .collect();
    let digest = Digest::of(&digest::canonical(&json!([namespace, held]))).to_string();
    format!("{}-{}", account.name, &digest[..8])
}

/// JSON's text is YAML's too, and nothing in it can end it.
fn text(text: &str) -> String {
    json!(text).to_string()
}
