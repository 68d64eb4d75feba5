//! What a mesh config means for one cluster, and where each of its values comes from.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    BASE, Base, ConfigOrigin, DEFAULT, MeshConfig, Override, Template,
    merge::{From, Merged},
    path,
};
use crate::fleet::{Cluster, Name};

/// A mesh config for one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The base with the layers over it, and with variables filled in.
    pub base: Base,
    /// Where each leaf of `base` comes from, by its path, for example `istio.version`; exactly the leaves of
    /// [`Base::json`], by [`path::leaves`].
    pub origins: BTreeMap<String, ConfigOrigin>,
    /// The network of the cluster.
    pub network: Name,
    /// Names of the layers that hold here, in order.
    pub layers: Vec<Name>,
    /// The overrides that hold here, with variables filled in.
    pub overrides: Vec<Override>,
}

/// Why a config means nothing for a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveProblem {
    /// For example `variable.unknown`.
    pub rule: &'static str,
    /// Path in the config: a key of the config's lines, or a prefix of some.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// What a config means for a cluster, or all that stands against it.
pub fn effective(config: &MeshConfig, cluster: &Cluster) -> Result<Effective, Vec<EffectiveProblem>> {
    let mut merged = merged(config, cluster);
    let network = network(&merged.value, cluster);
    let fill = Fill { cluster, network: network.as_ref().unwrap_or(&cluster.name) };
    let mut problems: Vec<EffectiveProblem> = network.as_ref().err().cloned().into_iter().collect();
    problems.extend(fill.values(&mut merged));
    let overrides = fill.overrides(config, &mut problems);
    let base = match Base::deserialize(&merged.value) {
        Ok(base) if base.data_plane.namespaces.is_empty() => {
            problems.push(incomplete("dataPlane.namespaces chooses nothing"));
            None
        }
        Ok(base) => Some(base),
        Err(error) => {
            problems.push(incomplete(&error.to_string()));
            None
        }
    };
    match (base, network) {
        (Some(base), Ok(network)) if problems.is_empty() => {
            let origins = origins(&base, merged.origins);
            let layers = config.layers_of(cluster).map(|layer| layer.name.clone()).collect();
            Ok(Effective { base, origins, network, layers, overrides })
        }
        _ => Err(problems),
    }
}

/// The base with the layers of the cluster over it.
fn merged(config: &MeshConfig, cluster: &Cluster) -> Merged {
    let mut merged = Merged::of(&config.base, From { layer: BASE, prefix: BASE });
    for layer in config.layers_of(cluster) {
        for keys in layer.unset.iter().filter_map(|unset| path::keys(unset)) {
            merged.take_away(&keys);
        }
        let prefix = format!("layers[{}].set", layer.name);
        merged.lay(&layer.set, From { layer: layer.name.as_str(), prefix: &prefix });
    }
    merged
}

fn network(merged: &Value, cluster: &Cluster) -> Result<Name, EffectiveProblem> {
    let label = merged.pointer("/network/fromLabel").and_then(Value::as_str);
    cluster.network(label).map_err(|error| EffectiveProblem {
        rule: "network.label",
        path: "base.network.fromLabel".to_owned(),
        message: format!(
            "label {} of cluster {} names no network: {error}",
            label.unwrap_or_default(),
            cluster.name
        ),
        hint: format!("change the label, or write `network` into the document of cluster {}", cluster.name),
    })
}

fn incomplete(message: &str) -> EffectiveProblem {
    EffectiveProblem {
        rule: "config.incomplete",
        path: BASE.to_owned(),
        message: format!("with its layers, the config cannot be read: {message}"),
        hint: "see which layers hold here, and set in one of them what is missing".to_owned(),
    }
}

/// Origins of the leaves of a base. What nobody wrote is a default.
fn origins(base: &Base, mut known: BTreeMap<String, ConfigOrigin>) -> BTreeMap<String, ConfigOrigin> {
    let json = base.json();
    let mut leaves = BTreeMap::new();
    path::leaves(&json, "", &mut leaves);
    let from_default = From { layer: DEFAULT, prefix: BASE };
    leaves
        .into_keys()
        .map(|leaf| {
            let origin = known.remove(&leaf).unwrap_or_else(|| from_default.origin(&leaf));
            (leaf, origin)
        })
        .collect()
}

/// Fills in the variables of a cluster.
struct Fill<'a> {
    cluster: &'a Cluster,
    network: &'a Name,
}

impl Fill<'_> {
    fn variable(&self, name: &str) -> Option<&str> {
        match name {
            "cluster" => Some(self.cluster.name.as_str()),
            "network" => Some(self.network.as_str()),
            other => self.cluster.variables.get(other).map(String::as_str),
        }
    }

    /// Fills in the texts under `values`, and notes in their origins what was written.
    fn values(&self, merged: &mut Merged) -> Vec<EffectiveProblem> {
        let mut problems = Vec::new();
        let Merged { value, origins } = merged;
        let Some(values) = value.get_mut("values") else { return problems };
        self.texts(values, "values", &mut |path, written, filled| {
            let Some(origin) = origins.get_mut(path) else { return };
            match filled {
                Ok(()) => origin.variable = Some(written.to_owned()),
                Err((message, hint)) => {
                    let path = origin.path.clone();
                    problems.push(EffectiveProblem { rule: "variable.unknown", path, message, hint });
                }
            }
        });
        problems
    }

    fn overrides(&self, config: &MeshConfig, problems: &mut Vec<EffectiveProblem>) -> Vec<Override> {
        let holds = |one: &&Override| one.clusters.matches(&self.cluster.name, &self.cluster.labels);
        let mut overrides: Vec<Override> = config.overrides.iter().filter(holds).cloned().collect();
        for (index, one) in overrides.iter_mut().enumerate() {
            let Some(value) = &mut one.value else { continue };
            self.texts(value, &format!("overrides[{index}].value"), &mut |path, _, filled| {
                if let Err((message, hint)) = filled {
                    let path = path.to_owned();
                    problems.push(EffectiveProblem { rule: "variable.unknown", path, message, hint });
                }
            });
        }
        overrides
    }

    /// Fills in each text below `value`, and says of those with variables what was written and whether it went well.
    fn texts(
        &self,
        value: &mut Value,
        path: &str,
        said: &mut impl FnMut(&str, &str, Result<(), (String, String)>),
    ) {
        match value {
            Value::Object(fields) => {
                fields.iter_mut().for_each(|(key, value)| self.texts(value, &path::join(path, key), said));
            }
            Value::Array(items) => {
                let items = items.iter_mut().enumerate();
                items.for_each(|(index, value)| self.texts(value, &path::item(path, index), said));
            }
            Value::String(text) => {
                let Ok(template) = Template::parse(text) else {
                    let hint = "write `$${` where `${` is meant as it is".to_owned();
                    said(path, text, Err(("a variable goes wrong".to_owned(), hint)));
                    return;
                };
                match template.fill(|name| self.variable(name)) {
                    Ok(filled) => {
                        if template.variables().next().is_some() {
                            said(path, text, Ok(()));
                        }
                        *text = filled;
                    }
                    Err(unknown) => {
                        said(path, text, Err(self.unknown(&unknown)));
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn unknown(&self, names: &[&str]) -> (String, String) {
        let cluster = &self.cluster.name;
        let names: Vec<String> = names.iter().map(|name| format!("${{{name}}}")).collect();
        let known = self.cluster.variables.keys().map(String::as_str);
        let known: Vec<&str> = ["cluster", "network"].into_iter().chain(known).collect();
        (
            format!("cluster {cluster} has no variable {}", names.join(", ")),
            format!(
                "add it under `variables` in the document of cluster {cluster}; known there: {}",
                known.join(", ")
            ),
        )
    }
}
