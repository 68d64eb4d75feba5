//! What became of what a config says: where it stands against rules, what overrides do, which values are lost.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Contradiction, Finding, InForce, Plan, PlanInput,
    check::{Definitions, blocks, warns},
    rule,
};
use crate::{
    catalog::{sail, sail_values},
    config::{self, ConfigOrigin, DEFAULT, InstallerKind, Override, SourceMap},
    document::nearest,
    fleet::Name,
};

/// What the config of a plan says beside its plain fields, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigUse {
    /// The layers that hold, in order.
    pub layers: Vec<Name>,
    /// Values under `values`, by their paths, with where they come from.
    pub values: BTreeMap<String, (Value, ConfigOrigin)>,
    /// Values that stand against rules.
    pub contradictions: Vec<Contradiction>,
    /// The overrides that hold.
    pub overrides: Vec<Override>,
    /// What they changed.
    pub in_force: Vec<InForce>,
}

impl ConfigUse {
    pub(super) fn of(input: &PlanInput) -> Self {
        let values = serde_json::to_value(&input.mesh.values).unwrap_or_default();
        let mut leaves = BTreeMap::new();
        config::path::leaves(&values, "values", &mut leaves);
        let said = leaves.into_iter().filter_map(|(path, value)| {
            let origin = input.origins.get(&path)?.clone();
            Some((path, (value.clone(), origin)))
        });
        Self {
            layers: input.layers.clone(),
            values: said.collect(),
            contradictions: Vec::new(),
            overrides: input.overrides.clone(),
            in_force: Vec::new(),
        }
    }

    /// Whether an override takes the place of what a rule requires somewhere.
    #[must_use]
    pub fn overrides_rule(&self, rule: &str) -> bool {
        self.in_force.iter().any(|one| one.said.rule == rule)
    }
}

/// Judges what the config says, by the lines of its file.
pub(super) fn judge(plan: &Plan, definitions: Definitions<'_>, source: &SourceMap) -> Vec<Finding> {
    let config = &plan.config;
    let mut findings: Vec<Finding> =
        config.contradictions.iter().map(|one| contradicted(one, source)).collect();
    for said in &config.overrides {
        let Some(instead) = said.instead() else { continue };
        let places: Vec<&InForce> = config.in_force.iter().filter(|one| one.said == *said).collect();
        findings.push(if places.is_empty() {
            idle(said, instead.0)
        } else {
            in_force(said, instead, &places)
        });
    }
    match plan.intent.as_ref().map(|intent| intent.installer) {
        None => {}
        Some(InstallerKind::Calisti) => findings.extend(unserved(config, source)),
        Some(InstallerKind::Sail) => {
            // Where the cluster's own definitions are known, they say what is refused.
            let is_defined = definitions.of_kind("sailoperator.io/Istio").is_some();
            findings.extend(lost(config, is_defined, source));
            if !is_defined {
                findings.extend(unknown(config, source));
            }
        }
    }
    findings
}

/// `(layer production, fleet.yaml:14)`, as far as it is known.
pub(super) fn place(origin: &ConfigOrigin, source: &SourceMap) -> String {
    let place = source.place(origin);
    let layer = match place.layer {
        config::BASE => "base".to_owned(),
        DEFAULT => "a default".to_owned(),
        name => format!("layer {name}"),
    };
    match place.line {
        Some((file, line)) => format!("{layer}, {file}:{line}"),
        None => layer,
    }
}

fn contradicted(one: &Contradiction, source: &SourceMap) -> Finding {
    let Contradiction { rule, path, found, origin, wanted, .. } = one;
    let reason = rule::find(*rule).map(|rule| rule.reason).unwrap_or_default();
    let wanted = match wanted {
        Some(wanted) => format!("requires {wanted}"),
        None => "leaves it out".to_owned(),
    };
    blocks(
        "rule.contradicted",
        format!("{path} is {found} ({}), but rule {rule} {wanted}: {reason}", place(origin, source)),
        format!(
            "take it out of the config; or answer for it under overrides: {{rule: {rule}, path: {path}, value: {found}, clusters: …, owner: …, reason: …, expires: …}}"
        ),
    )
}

fn in_force(said: &Override, (path, value): (&str, &Value), places: &[&InForce]) -> Finding {
    let Override { rule, owner, reason, expires, .. } = said;
    let changed: Vec<String> = places
        .iter()
        .map(|one| match &one.instead_of {
            Some(instead_of) => format!("{}{} instead of {instead_of}", one.object.kind, one.at),
            None => format!("{}{} instead of nothing", one.object.kind, one.at),
        })
        .collect();
    warns(
        "override.in-force",
        format!(
            "{path} is {value} against rule {rule} ({}), by {owner}, until {expires}: {reason}",
            changed.join(", ")
        ),
        format!("look at it again before {expires}; without the override the rule holds"),
    )
}

fn idle(said: &Override, path: &str) -> Finding {
    let Override { rule, owner, .. } = said;
    let known = rule::registry().iter().any(|known| known.id.0 == rule);
    let why = if known { "requires nothing there on this cluster" } else { "is not known" };
    warns(
        "override.idle",
        format!("the override of {path} by {owner} changes nothing: rule {rule} {why}"),
        "correct its rule or path (`meshfleet plan explain` shows both), or take it out".to_owned(),
    )
}

/// The kinds of Calisti's operator are no charts: they have no place for values.
fn unserved(config: &ConfigUse, source: &SourceMap) -> Option<Finding> {
    let said: Vec<String> = config
        .values
        .iter()
        .map(|(path, (_, origin))| format!("{path} ({})", place(origin, source)))
        .collect();
    (!said.is_empty()).then(|| {
        blocks(
            "calisti.values",
            format!("the installer calisti takes no values, and the config has {}", said.join(", ")),
            "take them out for these clusters (a layer with `unset`), or choose installer sail".to_owned(),
        )
    })
}

/// Values that the operator's kinds do not take, or take for nothing: one finding a line of the catalogue.
fn lost(config: &ConfigUse, is_defined: bool, source: &SourceMap) -> Vec<Finding> {
    let mut findings = Vec::new();
    for lost in sail::LOST.iter().filter(|lost| !(is_defined && lost.refused)) {
        let mut said = config.values.iter().filter(|(path, _)| config::path::is_within(path, lost.path));
        let Some((_, (_, origin))) = said.next() else { continue };
        let place = place(origin, source);
        findings.push(if lost.refused {
            blocks(
                "sail.value.refused",
                format!("{} ({place}) cannot be said to the operator: {}", lost.path, lost.why),
                "take it out of the config".to_owned(),
            )
        } else {
            warns(
                "sail.value.no-effect",
                format!("{} ({place}) does not do what it says: {}", lost.path, lost.why),
                "take it out of the config, unless that is what you mean".to_owned(),
            )
        });
    }
    findings
}

/// Keys that the operator's kinds do not have, so that the API server would refuse the object: one finding each.
fn unknown(config: &ConfigUse, source: &SourceMap) -> Vec<Finding> {
    let mut findings: BTreeMap<String, Finding> = BTreeMap::new();
    for (map, known) in &sail_values::KNOWN {
        for (path, (_, origin)) in &config.values {
            let keys = config::path::keys(map).unwrap_or_default();
            let Some(key) = key_below(path, &keys).filter(|key| !known.contains(&key.as_str())) else {
                continue;
            };
            let path = config::path::join(map, &key);
            let told =
                sail::LOST.iter().any(|lost| lost.refused && config::path::is_within(&path, lost.path));
            if told {
                continue;
            }
            let meant = match nearest(&key, known.iter().copied()) {
                Some(nearest) => format!("did you mean {nearest}? known there: {}", known.join(", ")),
                None => format!("known there: {}", known.join(", ")),
            };
            let place = place(origin, source);
            let message = format!("{path} ({place}) is no value that the operator's kinds have");
            findings.insert(path, blocks("sail.value.unknown", message, meant));
        }
    }
    findings.into_values().collect()
}

/// The key of a leaf that follows some keys.
fn key_below(path: &str, above: &[String]) -> Option<String> {
    let plain = config::path::keys(path.split_once("[0]").map_or(path, |(start, _)| start))?;
    let below = plain.strip_prefix(above)?;
    below.first().cloned()
}
