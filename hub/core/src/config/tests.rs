//! What a config means for one cluster: tables, and what holds for every config.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::fleet::{Cluster, ClusterId};

fn cluster() -> Cluster {
    Cluster {
        id: ClusterId(Uuid::from_u128(1)),
        name: Name::parse("eu-1").unwrap(),
        labels: [("env".to_owned(), "prod".to_owned()), ("net".to_owned(), "west".to_owned())].into(),
        declared: None,
        network: None,
        variables: [("ZONE".to_owned(), "a".to_owned())].into(),
        facts: None,
        schemas: crate::fleet::Schemas::default(),
    }
}

/// A config with these values for the control plane and these layers.
fn config(istiod: Value, layers: Value) -> MeshConfig {
    let config = json!({
        "clusters": {"matchLabels": {"env": "prod"}},
        "base": {
            "mesh": {"id": "payments"},
            "istio": {"version": "v1.30.2"},
            "installer": {"kind": "sail"},
            "dataPlane": {"namespaces": {"names": ["payments"]}},
            "values": {"istiod": istiod}
        },
        "layers": layers
    });
    serde_json::from_value(config).unwrap()
}

fn istiod(config: &MeshConfig) -> Value {
    Value::Object(effective(config, &cluster()).unwrap().base.values.istiod)
}

fn said(config: &MeshConfig, cluster: &Cluster) -> Vec<String> {
    let problems = effective(config, cluster).unwrap_err();
    problems.iter().map(|problem| format!("{} {}: {}", problem.rule, problem.path, problem.message)).collect()
}

#[test]
fn maps_merge_and_all_else_is_replaced() {
    let here = json!({"names": ["eu-1"]});
    for (base, set, expected) in [
        (json!({"a": {"b": 1}}), json!({"a": {"c": 2}}), json!({"a": {"b": 1, "c": 2}})),
        (json!({"a": {"b": 1}}), json!({"a": 2}), json!({"a": 2})),
        (json!({"a": 1}), json!({"a": {"b": 2}}), json!({"a": {"b": 2}})),
        (json!({"a": [1, 2]}), json!({"a": [3]}), json!({"a": [3]})),
        (json!({"a": [{"name": "x", "v": 1}]}), json!({"a": [{"name": "y"}]}), json!({"a": [{"name": "y"}]})),
        (json!({"a": {}}), json!({"a": {"b": 1}}), json!({"a": {"b": 1}})),
        (json!({"a": {"b": 1}}), json!({"a": {}}), json!({"a": {"b": 1}})),
    ] {
        let layers = json!([{"name": "one", "clusters": here, "set": {"values": {"istiod": set}}}]);
        assert_eq!(istiod(&config(base.clone(), layers)), expected, "{base} with {set}");
    }
}

#[test]
fn later_layers_win_and_others_do_not_count() {
    let layer = |name: &str, cluster: &str, n: u32| json!({"name": name, "clusters": {"names": [cluster]}, "set": {"values": {"istiod": {"n": n}}}});
    let layers = json!([layer("one", "eu-1", 1), layer("two", "eu-1", 2), layer("three", "us-1", 3)]);
    let effective = effective(&config(json!({}), layers), &cluster()).unwrap();
    assert_eq!(effective.base.values.istiod["n"], 2);
    assert_eq!(effective.layers.iter().map(Name::as_str).collect::<Vec<_>>(), ["one", "two"]);
    let origin = &effective.origins["values.istiod.n"];
    assert_eq!((origin.layer.as_str(), origin.path.as_str()), ("two", "layers[two].set.values.istiod.n"));
}

#[test]
fn what_is_taken_away_leaves_no_empty_map() {
    let layers = json!([{"name": "one", "clusters": {"names": ["eu-1"]}, "unset": ["values.istiod.a.b", "istio.namespace"]}]);
    let mut config = config(json!({"a": {"b": 1}, "c": 2}), layers);
    config.base["istio"]["namespace"] = json!("mesh");
    let effective = effective(&config, &cluster()).unwrap();
    assert_eq!(Value::Object(effective.base.values.istiod), json!({"c": 2}));
    assert_eq!(effective.base.istio.namespace.as_str(), "istio-system");
    assert_eq!(effective.origins["istio.namespace"].layer, DEFAULT);
}

#[test]
fn what_layers_leave_incomplete_is_said() {
    let layer =
        |name: &str, unset: &str| json!({"name": name, "clusters": {"names": ["eu-1"]}, "unset": [unset]});
    let config = config(json!({}), json!([layer("one", "dataPlane.namespaces.names")]));
    assert_eq!(
        said(&config, &cluster()),
        ["config.incomplete base: with its layers, the config cannot be read: missing field `namespaces`"]
    );
}

#[test]
fn variables_are_filled_in_and_unknown_ones_are_all_said() {
    let layers = json!([{"name": "one", "clusters": {"names": ["eu-1"]}, "set": {"values": {"istiod": {"c": "${NONE}"}}}}]);
    let good = config(json!({"a": "${cluster}/${network}-${ZONE}", "b": ["$${cluster}"]}), json!([]));
    assert_eq!(istiod(&good), json!({"a": "eu-1/eu-1-a", "b": ["${cluster}"]}));
    let origins = effective(&good, &cluster()).unwrap().origins;
    assert_eq!(origins["values.istiod.a"].variable.as_deref(), Some("${cluster}/${network}-${ZONE}"));
    assert_eq!(origins["values.istiod.b[0]"].variable, None);

    let mut bad = config(json!({"a": ["${X}${cluster}${Y}"]}), layers);
    bad.overrides = serde_json::from_value(json!([{
        "rule": "a.b", "path": "values.cni.x", "value": {"y": "${Z}"}, "clusters": {"names": ["eu-1"]},
        "owner": "ana", "reason": "r", "expires": "2027-01-31"
    }]))
    .unwrap();
    assert_eq!(
        said(&bad, &cluster()),
        [
            "variable.unknown base.values.istiod.a[0]: cluster eu-1 has no variable ${X}, ${Y}",
            "variable.unknown layers[one].set.values.istiod.c: cluster eu-1 has no variable ${NONE}",
            "variable.unknown overrides[0].value.y: cluster eu-1 has no variable ${Z}",
        ]
    );
}

#[test]
fn the_network_comes_from_the_cluster_then_its_label_then_its_name() {
    let mut config = config(json!({}), json!([]));
    let network =
        |config: &MeshConfig, cluster: &Cluster| effective(config, cluster).unwrap().network.to_string();
    assert_eq!(network(&config, &cluster()), "eu-1");
    config.base["network"] = json!({"fromLabel": "net"});
    assert_eq!(network(&config, &cluster()), "west");
    let declared = Cluster { network: Some(Name::parse("own").unwrap()), ..cluster() };
    assert_eq!(network(&config, &declared), "own");
    let mut odd = cluster();
    odd.labels.insert("net".to_owned(), "West_1".to_owned());
    assert_eq!(said(&config, &odd).len(), 1);
    odd.labels.remove("net");
    assert_eq!(network(&config, &odd), "eu-1");
}

#[test]
fn only_overrides_that_select_the_cluster_hold() {
    let mut config = config(json!({}), json!([]));
    let one = |cluster: &str| {
        json!({"rule": "a.b", "path": "values.cni.x", "value": cluster, "clusters": {"names": [cluster]},
               "owner": "ana", "reason": "r", "expires": "2027-01-31"})
    };
    config.overrides = serde_json::from_value(json!([one("us-1"), one("eu-1")])).unwrap();
    let overrides = effective(&config, &cluster()).unwrap().overrides;
    assert_eq!(overrides.iter().filter_map(|one| one.value.as_ref()).collect::<Vec<_>>(), ["eu-1"]);
}

/// The base's own line is not where the default comes from that holds once a layer took the value away.
#[test]
fn what_a_layer_takes_away_is_a_default_without_a_line() {
    let mut config = config(
        json!({}),
        json!([{"name": "plain", "clusters": {"names": ["eu-1"]}, "unset": ["istio.namespace"]}]),
    );
    config.base["istio"]["namespace"] = json!("mesh");
    let effective = effective(&config, &cluster()).unwrap();
    assert_eq!(effective.base.istio.namespace.as_str(), "istio-system");
    let lines = [("base.istio.namespace".to_owned(), 9), ("base.istio.version".to_owned(), 8)].into();
    let source = SourceMap { file: "mesh.yaml".to_owned(), lines };
    let place = |path: &str| source.place(&effective.origins[path]);
    assert_eq!(place("istio.namespace"), Place { layer: DEFAULT, path: "istio.namespace", line: None });
    assert_eq!(
        place("istio.version"),
        Place { layer: BASE, path: "base.istio.version", line: Some(("mesh.yaml", 8)) }
    );
}

#[test]
fn defaults_have_no_line_and_written_values_have_one() {
    let effective = effective(&config(json!({}), json!([])), &cluster()).unwrap();
    let lines = [("base.istio.version".to_owned(), 9)].into();
    let source = SourceMap { file: "mesh.yaml".to_owned(), lines };
    let place = |path: &str| source.place(&effective.origins[path]);
    assert_eq!(
        place("istio.version"),
        Place { layer: BASE, path: "base.istio.version", line: Some(("mesh.yaml", 9)) }
    );
    assert_eq!(place("istio.namespace"), Place { layer: DEFAULT, path: "istio.namespace", line: None });
}

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "d.e/f"]).prop_map(str::to_owned)
}

fn leaf() -> impl Strategy<Value = Value> {
    let texts = vec!["", "x", "${cluster}", "$${a}", "${ZONE}-${network}"];
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<u8>().prop_map(Value::from),
        prop::sample::select(texts).prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 20, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::btree_map(key(), inner, 0..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn values() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(key(), value(), 0..4)
        .prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

fn value_path() -> impl Strategy<Value = String> {
    prop::collection::vec(key(), 1..4)
        .prop_map(|keys| keys.iter().fold("values.istiod".to_owned(), |path, key| path::join(&path, key)))
}

/// Layers of which some hold in the cluster and some do not.
fn layers() -> impl Strategy<Value = Value> {
    let layer = (values(), prop::collection::vec(value_path(), 0..3), any::<bool>());
    prop::collection::vec(layer, 0..4).prop_map(|layers| {
        let layers = layers.into_iter().enumerate().map(|(index, (set, unset, here))| {
            let clusters = if here { "eu-1" } else { "us-1" };
            json!({
                "name": format!("layer-{index}"), "clusters": {"names": [clusters]},
                "set": {"values": {"istiod": set}}, "unset": unset
            })
        });
        layers.collect()
    })
}

/// All that a config says, by the paths that origins use.
fn written(config: &MeshConfig) -> BTreeMap<String, Value> {
    let mut leaves = BTreeMap::new();
    path::leaves(&config.base, "base", &mut leaves);
    for layer in &config.layers {
        path::leaves(&layer.set, &format!("layers[{}].set", layer.name), &mut leaves);
    }
    leaves.into_iter().map(|(path, value)| (path, value.clone())).collect()
}

proptest! {
    #[test]
    fn the_same_config_means_the_same(base in values(), layers in layers()) {
        let config = config(base, layers);
        let again: MeshConfig = serde_json::from_slice(&crate::digest::canonical(&serde_json::to_value(&config).unwrap())).unwrap();
        prop_assert_eq!(&again, &config);
        prop_assert_eq!(effective(&again, &cluster()), effective(&config, &cluster()));
    }

    #[test]
    fn layers_that_do_not_select_a_cluster_change_nothing(base in values(), layers in layers()) {
        let config = config(base, layers);
        let mut fewer = config.clone();
        fewer.layers.retain(|layer| layer.clusters.matches(&cluster().name, &cluster().labels));
        prop_assert_eq!(effective(&fewer, &cluster()), effective(&config, &cluster()));
    }

    #[test]
    fn what_a_layer_unsets_and_sets_is_set(base in values(), layers in layers(), path in value_path(), leaf in leaf()) {
        let mut config = config(base, layers);
        let keys = path::keys(&path).unwrap();
        let set = keys.iter().rev().fold(leaf.clone(), |inner, key| json!({ key: inner }));
        let last = json!({"name": "last", "clusters": {"names": ["eu-1"]}, "set": set, "unset": [path]});
        config.layers.push(serde_json::from_value(last).unwrap());
        let effective = effective(&config, &cluster()).unwrap();
        let json = effective.base.json();
        let found = keys.iter().try_fold(&json, |value, key| value.get(key)).unwrap();
        let origin = &effective.origins[&path];
        prop_assert_eq!(origin.layer.as_str(), "last");
        if origin.variable.is_none() {
            prop_assert!(*found == leaf || leaf == "$${a}" && found == "${a}", "{} {}", found, leaf);
        }
    }

    #[test]
    fn every_leaf_and_nothing_else_has_an_origin_that_says_it(base in values(), layers in layers()) {
        let config = config(base, layers);
        let effective = effective(&config, &cluster()).unwrap();
        let json = effective.base.json();
        let mut leaves = BTreeMap::new();
        path::leaves(&json, "", &mut leaves);
        prop_assert_eq!(leaves.keys().collect::<Vec<_>>(), effective.origins.keys().collect::<Vec<_>>());
        let written = written(&config);
        for (path, origin) in &effective.origins {
            let said = written.get(&origin.path);
            match (&origin.variable, origin.layer.as_str()) {
                (_, DEFAULT) => prop_assert!(said.is_none(), "{}", path),
                (Some(text), _) => prop_assert_eq!(said.and_then(Value::as_str), Some(text.as_str())),
                (None, _) if said.is_some_and(|said| said == "$${a}") => {}
                (None, _) => prop_assert_eq!(said, Some(leaves[path]), "{}", path),
            }
        }
    }
}
