//! The referee on what a person must see to: labels of namespaces, which are never ours to set.
//!
//! The config's selector of namespaces is intent; Istio goes by labels. Where the two sets differ, both sides are told,
//! each in one finding whatever the number of namespaces.

use super::{Finding, warns};
use crate::{
    fleet::{Facts, Labels},
    plan::{Ask, Intent, Plan, requirement::AskedLabels},
};

/// How many namespaces a finding names.
const NAMED: usize = 10;

pub(super) fn judge(plan: &Plan, intent: &Intent, facts: &Facts) -> Vec<Finding> {
    plan.asks
        .iter()
        .flat_map(|ask| [unmet(ask, plan, intent, facts), unselected(ask, intent, facts)])
        .flatten()
        .collect()
}

/// A namespace that the config selects, and what is wrong with it.
struct Lacking<'a> {
    name: &'a str,
    seen: String,
    command: String,
}

fn unmet(ask: &Ask, plan: &Plan, intent: &Intent, facts: &Facts) -> Option<Finding> {
    let wanted = ask.any_of.first()?;
    let mut lacking: Vec<Lacking<'_>> = Vec::new();
    for namespace in &facts.namespaces {
        let (name, labels) = (namespace.name.as_str(), &namespace.labels);
        if intent.data_plane.matches(name, labels) && !is_met(ask, labels) {
            let (seen, arguments): (Vec<String>, Vec<String>) =
                wanted.iter().filter_map(|(key, wanted)| difference(labels, key, wanted.as_deref())).unzip();
            let command = format!("kubectl label --overwrite namespace {name} {}", arguments.join(" "));
            lacking.push(Lacking { name, seen: format!("{name} {}", seen.join(" and ")), command });
        }
    }
    for name in intent.data_plane.names.iter().map(crate::fleet::Name::as_str) {
        if !facts.namespaces.iter().any(|namespace| namespace.name == name) {
            lacking.push(absent(name, wanted, plan));
        }
    }
    lacking.sort_by_key(|namespace| namespace.name);
    lacking.dedup_by_key(|namespace| namespace.name);
    let seen = lacking.iter().map(|namespace| namespace.seen.clone()).collect::<Vec<_>>();
    let commands = lacking.iter().take(NAMED).map(|namespace| namespace.command.clone()).collect::<Vec<_>>();
    (!lacking.is_empty()).then(|| {
        warns(
            &ask.rule.to_string(),
            format!(
                "pods get no sidecars of this mesh in namespaces of base.dataPlane.namespaces: {}",
                listed(&seen)
            ),
            commands.join("\n"),
        )
    })
}

/// One that the plan makes itself needs only its labels.
fn absent<'a>(name: &'a str, wanted: &AskedLabels, plan: &Plan) -> Lacking<'a> {
    let set = wanted.iter().filter_map(|(key, value)| value.as_ref().map(|value| format!("{key}={value}")));
    let label = format!("kubectl label --overwrite namespace {name} {}", set.collect::<Vec<_>>().join(" "));
    let ours = plan.document.namespaces.iter().any(|made| made.as_str() == name);
    let command = if ours { label } else { format!("kubectl create namespace {name} && {label}") };
    Lacking { name, seen: format!("{name} does not exist yet"), command }
}

/// Namespaces that are in the mesh by their labels, and of which the config knows nothing.
fn unselected(ask: &Ask, intent: &Intent, facts: &Facts) -> Option<Finding> {
    let mut found: Vec<String> = facts
        .namespaces
        .iter()
        .filter(|namespace| is_met(ask, &namespace.labels))
        .filter(|namespace| !intent.data_plane.matches(&namespace.name, &namespace.labels))
        .map(|namespace| namespace.name.clone())
        .collect();
    found.sort();
    (!found.is_empty()).then(|| {
        warns(
            "data-plane.not-selected",
            format!("the labels of these namespaces put their pods into this mesh, and base.dataPlane.namespaces does not select them: {}", listed(&found)),
            "select them in the config, or take the labels away".to_owned(),
        )
    })
}

fn listed(words: &[String]) -> String {
    let more = words.len().saturating_sub(NAMED);
    let mut said = words.iter().take(NAMED).cloned().collect::<Vec<_>>();
    if more > 0 {
        said.push(format!("{more} more"));
    }
    said.join("; ")
}

fn is_met(ask: &Ask, labels: &Labels) -> bool {
    ask.any_of.iter().any(|wanted| {
        wanted.iter().all(|(key, wanted)| labels.get(*key).map(String::as_str) == wanted.as_deref())
    })
}

/// What is wrong with a label, and the argument that puts it right.
fn difference(labels: &Labels, key: &str, wanted: Option<&str>) -> Option<(String, String)> {
    match (labels.get(key), wanted) {
        (None, None) => None,
        (Some(found), None) => Some((format!("has label {key}={found}"), format!("{key}-"))),
        (Some(found), Some(wanted)) if found == wanted => None,
        (Some(found), Some(wanted)) => {
            Some((format!("has label {key}={found}, not {wanted}"), format!("{key}={wanted}")))
        }
        (None, Some(wanted)) => Some((format!("lacks label {key}={wanted}"), format!("{key}={wanted}"))),
    }
}
