//! Where values come from, told from what rules declare of them: the way from a field of an object to the line of the
//! config that says it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    ObjectId, PlanInput, RuleId, installer,
    path::{self, Keys},
    provenance::Origin,
    requirement::Source,
    rule::Rule,
};
use crate::config::{self, ConfigOrigin, DEFAULT, Override};

/// What is known of sources while a plan is made.
pub(super) struct Sources<'a> {
    input: &'a PlanInput,
    rules: &'a [Rule],
    pub(super) overrides: &'a [Override],
}

impl<'a> Sources<'a> {
    pub(super) fn new(input: &'a PlanInput, rules: &'a [Rule]) -> Self {
        Self { input, rules, overrides: &input.overrides }
    }

    /// Path in the effective config of an atom that stands at `keys` of an object.
    #[expect(clippy::unused_self, reason = "one place to ask")]
    pub(super) fn config_path(&self, from: &Source, keys: &[String]) -> String {
        match from {
            Source::Config(path) => (*path).to_owned(),
            Source::Item(list, place) => config::path::item(list, place),
            Source::Values(path, at) => {
                let below = keys.iter().skip(at.len());
                below.fold((*path).to_owned(), |path, key| config::path::join(&path, key))
            }
            Source::Rule | Source::Cluster(_) => String::new(),
        }
    }

    /// Where the effective config has the value of a path from; of a list, its first item.
    pub(super) fn config_origin(&self, path: &str) -> ConfigOrigin {
        let origins = &self.input.origins;
        let below = || origins.iter().find(|(known, _)| config::path::is_within(known, path));
        let found = origins.get(path).or_else(|| below().map(|(_, origin)| origin));
        found.cloned().unwrap_or_else(|| ConfigOrigin {
            layer: DEFAULT.to_owned(),
            path: config::path::join(config::BASE, path),
            variable: None,
        })
    }

    /// Origins of all leaves of an atom.
    pub(super) fn origins(
        &self,
        keys: &Keys,
        value: &Value,
        (from, rule): (&Source, RuleId),
        said: Option<&Override>,
    ) -> BTreeMap<String, Origin> {
        let config_path = self.config_path(from, keys);
        let mut leaves = Vec::new();
        pairs(value, path::spelled(keys), config_path.clone(), &mut leaves);
        if matches!(from, Source::Item(..)) {
            // What a rule makes of an item has not the item's shape.
            leaves.iter_mut().for_each(|(_, said)| said.clone_from(&config_path));
        }
        leaves
            .into_iter()
            .map(|(leaf, config_path)| {
                let origin = match said {
                    Some(said) => Origin::Override(said.clone()),
                    None => self.origin((from, rule), &config_path),
                };
                (leaf, origin)
            })
            .collect()
    }

    /// Origin of a single value.
    pub(super) fn origin(&self, (from, rule): (&Source, RuleId), config_path: &str) -> Origin {
        match from {
            Source::Rule => Origin::Rule { rule, fact: self.fact(rule) },
            Source::Config(_) | Source::Item(..) | Source::Values(..) => {
                Origin::Config { origin: self.config_origin(config_path), rule }
            }
            Source::Cluster(field) => Origin::Cluster { field: field.clone(), rule },
        }
    }

    /// What brought a rule in, and what it read.
    fn fact(&self, rule: RuleId) -> Option<String> {
        let rule = self.rules.iter().find(|known| known.id == rule)?;
        let mut facts: Vec<String> = Vec::new();
        if !rule.platforms.is_empty() {
            facts.push(format!("platform {}", self.input.platform));
        }
        facts.extend(rule.reads.iter().map(|fact| self.input.facts.told(*fact)));
        (!facts.is_empty()).then(|| facts.join(", "))
    }

    /// Whether an override's path means these keys of an object: by the config's own path, or by kind and path.
    pub(super) fn is_spelled(&self, id: &ObjectId, keys: &[String], said: &str) -> bool {
        installer::config_path(self.input.mesh.intent.installer, id, keys).is_some_and(|path| path == said)
            || format!("{}{}", id.kind, path::spelled(keys)) == said
    }
}

/// Each leaf's path in the object, with its path in the config.
fn pairs(value: &Value, at: String, config_path: String, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let below = config::path::join(&config_path, key);
                pairs(value, format!("{at}{}", path::step(key)), below, found);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, (item, step)) in items.iter().zip(path::item_steps(items)).enumerate() {
                pairs(item, format!("{at}{step}"), config::path::item(&config_path, index), found);
            }
        }
        _ => found.push((at, config_path)),
    }
}
