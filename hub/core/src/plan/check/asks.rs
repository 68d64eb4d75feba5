//! The referee on what a person must see to: labels of namespaces, which are never ours to set.

use super::{Finding, warns};
use crate::{
    fleet::{Facts, NamespaceFacts},
    plan::{Ask, Plan},
};

pub(super) fn judge(plan: &Plan, facts: &Facts) -> Vec<Finding> {
    plan.asks.iter().filter_map(|ask| unmet(ask, facts)).collect()
}

fn unmet(ask: &Ask, facts: &Facts) -> Option<Finding> {
    let namespace = facts.namespaces.iter().find(|namespace| namespace.name == ask.object.name);
    let (seen, arguments): (Vec<String>, Vec<String>) =
        ask.labels.iter().filter_map(|(key, wanted)| difference(namespace, key, wanted.as_deref())).unzip();
    if namespace.is_some() && seen.is_empty() {
        return None;
    }
    let name = &ask.object.name;
    let label = format!("kubectl label --overwrite namespace {name} {}", arguments.join(" "));
    Some(match namespace {
        Some(_) => warns(
            &ask.rule.to_string(),
            format!("namespace {name} {}: its pods get no sidecars of this mesh", seen.join(" and ")),
            label,
        ),
        None => warns(
            &ask.rule.to_string(),
            format!("there is no namespace {name} yet"),
            format!("kubectl create namespace {name} && {label}"),
        ),
    })
}

/// What is wrong with a label, and the argument that puts it right.
fn difference(
    namespace: Option<&NamespaceFacts>,
    key: &str,
    wanted: Option<&str>,
) -> Option<(String, String)> {
    let found = namespace.and_then(|namespace| namespace.labels.get(key));
    match (found, wanted) {
        (None, None) => None,
        (Some(found), None) => Some((format!("has label {key}={found}"), format!("{key}-"))),
        (Some(found), Some(wanted)) if found == wanted => None,
        (Some(found), Some(wanted)) => {
            Some((format!("has label {key}={found}, not {wanted}"), format!("{key}={wanted}")))
        }
        (None, Some(wanted)) => Some((format!("lacks label {key}={wanted}"), format!("{key}={wanted}"))),
    }
}
