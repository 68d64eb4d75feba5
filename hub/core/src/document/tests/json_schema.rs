//! The published JSON Schema against our own walk.

use boon::{Compiler, SchemaIndex, Schemas};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    super::{
        Document, Kind, Mistake, kinds,
        schema::{Shape, Text},
        schema_json,
    },
    golden::said,
    mesh_config::EXAMPLE,
    parse_one,
};

struct Published {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Published {
    fn of(schema: Value) -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("https://meshfleet.dev/test.json", schema).unwrap();
        let index = compiler.compile("https://meshfleet.dev/test.json", &mut schemas).unwrap();
        Self { schemas, index }
    }

    fn kind(kind: Kind) -> Self {
        let mut schema = schema_json(kind);
        schema["$id"] = json!("https://meshfleet.dev/test.json");
        Self::of(schema)
    }

    fn takes(&self, document: &Value) -> bool {
        self.schemas.validate(document, self.index).is_ok()
    }
}

/// The example of a kind as JSON: what an editor sees of the YAML.
fn example(kind: Kind) -> Value {
    match kind {
        Kind::MeshConfig => json!({
            "apiVersion": "meshfleet.dev/v1", "kind": "MeshConfig", "metadata": {"name": "payments"},
            "spec": {
                "clusters": {"matchLabels": {"mesh": "payments"}},
                "adopt": "IfNoDiff",
                "base": {
                    "mesh": {"id": "payments", "trustDomain": "payments.example.com"},
                    "network": {"fromLabel": "network"},
                    "istio": {"version": "v1.30.2", "namespace": "istio-system", "updateStrategy": "InPlace"},
                    "installer": {"kind": "sail"},
                    "dataPlane": {
                        "mode": "sidecar", "interception": "Redirect",
                        "namespaces": {"matchLabels": {"team": "payments"}}
                    },
                    "values": {"istiod": {"pilot": {"env": {"X": "1"}, "replicaCount": 2}}, "cni": {}}
                },
                "layers": [
                    {"name": "production", "clusters": {"matchLabels": {"env": "production"}},
                     "set": {"values": {"istiod": {"pilot": {"autoscaleMin": 3}}}}},
                    {"name": "rosa-eu-1", "clusters": {"names": ["rosa-eu-1"]},
                     "set": {"istio": {"version": "v1.29.6"}}, "unset": ["values.istiod.pilot.env.X"]}
                ],
                "overrides": [
                    {"rule": "openshift.cni.multus", "path": "values.cni.cniConfDir", "value": "/etc/x",
                     "clusters": {"names": ["rosa-eu-1"]}, "owner": "ana", "reason": "a reason", "expires": "2027-01-31"}
                ]
            }
        }),
        Kind::Cluster => json!({
            "apiVersion": "meshfleet.dev/v1", "kind": "Cluster",
            "metadata": {"name": "rosa-eu-1", "labels": {"mesh": "payments", "example.com/tier": "1"}},
            "spec": {"platform": "rosa", "network": "eu", "variables": {"ZONE": "eu-west-1a"}}
        }),
        Kind::DriftPolicy => json!({
            "apiVersion": "meshfleet.dev/v1", "kind": "DriftPolicy", "metadata": {"name": "production"},
            "spec": {"clusters": {"matchLabels": {"env": "production"}}, "heal": ["Overwritten", "Removed"]}
        }),
        Kind::RolloutStrategy => json!({
            "apiVersion": "meshfleet.dev/v1", "kind": "RolloutStrategy", "metadata": {"name": "careful"},
            "spec": {
                "waves": [
                    {"name": "first", "clusters": {"names": ["eks-eu-1"]}},
                    {"name": "rest", "clusters": {"matchExpressions": [{"key": "mesh", "operator": "Exists"}]}}
                ],
                "maxUnavailable": 2, "deadlineSeconds": 600
            }
        }),
    }
}

fn read(document: &Value) -> Result<Vec<Document>, Vec<Mistake>> {
    parse_one(document.to_string())
}

#[test]
fn the_examples_validate_and_are_read() {
    for kind in Kind::ALL {
        assert!(Published::kind(kind).takes(&example(kind)), "{kind}");
        assert!(read(&example(kind)).is_ok(), "{}", said(read(&example(kind))));
    }
    assert_eq!(
        read(&example(Kind::MeshConfig)).unwrap()[0].canonical,
        parse_one(EXAMPLE).unwrap()[0].canonical
    );
}

/// The document with another value at a pointer, or without what stands there.
fn with(kind: Kind, pointer: &str, value: Option<&Value>) -> Value {
    let mut document = example(kind);
    let (above, key) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(above).unwrap_or_else(|| panic!("nothing at {above}"));
    match (parent, value) {
        (Value::Object(fields), Some(value)) => drop(fields.insert(key.to_owned(), value.clone())),
        (Value::Object(fields), None) => drop(fields.remove(key)),
        (Value::Array(items), Some(value)) => items[key.parse::<usize>().unwrap()] = value.clone(),
        (other, _) => panic!("{pointer}: {other}"),
    }
    document
}

/// Schema and walk must say the same of each: true where both take it.
fn check(kind: Kind, cases: &[(&str, Option<Value>, bool)]) {
    let published = Published::kind(kind);
    for (pointer, value, good) in cases {
        let document = with(kind, pointer, value.as_ref());
        assert_eq!(published.takes(&document), *good, "the schema on {pointer} {value:?}");
        assert_eq!(
            read(&document).is_ok(),
            *good,
            "the walk on {pointer} {value:?}:\n{}",
            said(read(&document))
        );
    }
}

#[test]
fn schema_and_walk_agree_on_mesh_configs() {
    check(
        Kind::MeshConfig,
        &[
            ("/apiVersion", Some(json!("v1")), false),
            ("/kind", Some(json!("Migration")), false),
            ("/metadata/labels", Some(json!({"a": "b"})), false),
            ("/spec/base", None, false),
            ("/spec/clusters", Some(json!({})), false),
            ("/spec/clusters", Some(json!({"matchExpressions": [{"key": "a", "operator": "In"}]})), false),
            (
                "/spec/clusters",
                Some(json!({"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]})),
                true,
            ),
            (
                "/spec/clusters",
                Some(json!({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]})),
                false,
            ),
            ("/spec/clusters", Some(json!({"names": ["a", "a"]})), false),
            ("/spec/adopt", None, true),
            ("/spec/adopt", Some(json!("never")), false),
            ("/spec/base/gateways", Some(json!([])), true),
            ("/spec/base/gateways", Some(json!([{"name": "a", "namespace": "b"}])), false),
            (
                "/spec/base/gateways",
                Some(json!([{"name": "a", "namespace": "b", "exposure": "internal", "ports": [
                    {"name": "http", "port": 80, "protocol": "TCP"}
                ]}])),
                true,
            ),
            ("/spec/base/mesh/id", Some(json!("a".repeat(64))), false),
            ("/spec/base/mesh/trustDomain", Some(json!("A.b")), false),
            ("/spec/base/network/fromLabel", Some(json!("a.b/c")), true),
            ("/spec/base/network", Some(json!({})), false),
            ("/spec/base/istio/version", Some(json!("1.30")), false),
            ("/spec/base/istio/updateStrategy", Some(json!("RevisionBased")), true),
            ("/spec/base/istio/inactiveRevisionGraceSeconds", Some(json!(600)), true),
            ("/spec/base/istio/inactiveRevisionGraceSeconds", Some(json!(-1)), false),
            ("/spec/base/istio/namespace", Some(json!("kube-mesh")), false),
            ("/spec/base/installer/kind", Some(json!("calisti")), true),
            ("/spec/base/dataPlane/mode", Some(json!("ambient")), false),
            ("/spec/base/dataPlane/interception", Some(json!("TProxy")), true),
            ("/spec/base/dataPlane/cni", Some(json!("enabled")), true),
            ("/spec/base/dataPlane/cni", Some(json!(true)), false),
            ("/spec/base/dataPlane/namespaces", Some(json!({})), false),
            ("/spec/base/values/istiod/pilot/env/X", Some(Value::Null), false),
            ("/spec/base/values/istiod/x", Some(json!([1, {"a": false}, "b", 1.5])), true),
            ("/spec/base/values/istiod/x", Some(json!([null])), false),
            ("/spec/base/values/cni", Some(json!([])), false),
            ("/spec/base/values/ztunnel", Some(json!({})), false),
            ("/spec/layers", Some(json!([])), true),
            ("/spec/layers/0/name", Some(json!("default")), false),
            ("/spec/layers/0/set", None, false),
            ("/spec/layers/0/set", Some(json!({})), true),
            ("/spec/layers/0/set", Some(json!({"istio": {"versoin": "1.30.2"}})), false),
            (
                "/spec/layers/0/set",
                Some(json!({"dataPlane": {"namespaces": {"matchExpressions": [{"key": "a"}]}}})),
                false,
            ),
            ("/spec/layers/0/set", Some(json!({"dataPlane": {"namespaces": {"names": []}}})), false),
            ("/spec/layers/0/clusters", None, false),
            ("/spec/layers/1/unset", Some(json!([])), false),
            ("/spec/layers/1/unset", Some(json!(["a..b"])), false),
            ("/spec/layers/1/unset", Some(json!(["network"])), true),
            ("/spec/overrides/0/rule", Some(json!("multus")), false),
            ("/spec/overrides/0/path", Some(json!("istio.version")), false),
            ("/spec/overrides/0/path", Some(json!("values.istiod[\"a.b\"].c")), true),
            ("/spec/overrides/0/value", Some(json!({"a": [1]})), true),
            ("/spec/overrides/0/value", Some(Value::Null), false),
            ("/spec/overrides/0/owner", Some(json!("")), false),
            ("/spec/overrides/0/reason", None, false),
            ("/spec/overrides/0/expires", Some(json!("2027-1-1")), false),
            ("/spec/overrides/0/expires", Some(json!("2027-04-31")), false),
            ("/spec/overrides/0/expires", Some(json!("2028-02-29")), true),
        ],
    );
}

#[test]
fn schema_and_walk_agree_on_clusters_strategies_and_policies() {
    check(
        Kind::Cluster,
        &[
            ("/spec", None, true),
            ("/spec", Some(json!({})), true),
            ("/metadata/labels", Some(json!({})), true),
            ("/metadata/labels", Some(json!({"a b": "c"})), false),
            ("/spec/platform", Some(json!("rose")), false),
            ("/spec/network", Some(json!("")), false),
            ("/spec/variables", Some(json!({"network": "x"})), false),
            ("/spec/variables", Some(json!({"A-B": "x"})), false),
            ("/spec/variables", Some(json!({"A": "x".repeat(1025)})), false),
            ("/spec/variables", Some(json!({"A": ""})), true),
            ("/spec/protection", Some(json!({})), false),
        ],
    );
    check(
        Kind::RolloutStrategy,
        &[
            ("/spec/waves", Some(json!([])), false),
            ("/spec/waves/0/name", Some(json!("a.b")), false),
            ("/spec/waves/0/maxUnavailable", Some(json!(1)), false),
            ("/spec/maxUnavailable", None, true),
            ("/spec/maxUnavailable", Some(json!(0)), false),
            ("/spec/maxUnavailable", Some(json!("25%")), false),
            ("/spec/deadlineSeconds", Some(json!(86_401)), false),
            ("/spec/soak", Some(json!(10)), false),
        ],
    );
    check(
        Kind::DriftPolicy,
        &[
            ("/metadata/labels", Some(json!({"a": "b"})), false),
            ("/spec", None, false),
            ("/spec/clusters", None, false),
            ("/spec/clusters", Some(json!({})), false),
            ("/spec/heal", None, true),
            ("/spec/heal", Some(json!([])), true),
            ("/spec/heal", Some(json!(["Deleted", "Overwritten", "Removed"])), true),
            ("/spec/heal", Some(json!(["Removed", "Removed"])), false),
            ("/spec/heal", Some(json!(["Recreated"])), false),
            ("/spec/heal", Some(json!(["Unfulfilled"])), false),
            ("/spec/heal", Some(json!(["removed"])), false),
            ("/spec/heal", Some(json!("Removed")), false),
            ("/spec/hold", Some(json!(["Removed"])), false),
            ("/spec/ignore", Some(json!([])), false),
        ],
    );
}

#[test]
fn every_field_says_what_it_is() {
    fn look(schema: &Value, path: &str) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            let said = property["description"].as_str().unwrap_or_default();
            assert!(!said.is_empty(), "{path}");
            look(property, &path);
            look(&property["items"], &format!("{path}[]"));
        }
    }
    for kind in Kind::ALL {
        look(&schema_json(kind), kind.as_str());
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&schema_json(Kind::Cluster)).unwrap());
}

/// All texts that a shape asks something of.
fn texts(shape: &'static Shape, found: &mut Vec<&'static Text>) {
    match shape {
        Shape::Map { fields, .. } => fields.iter().for_each(|field| texts(&field.shape, found)),
        Shape::List { item, .. } => texts(item, found),
        Shape::Texts(both) => found.extend([both.key, both.value]),
        Shape::Text(text) => found.push(text),
        Shape::Partial(whole) => texts(whole, found),
        Shape::Choice(_)
        | Shape::Number { .. }
        | Shape::FreeMap
        | Shape::Free
        | Shape::Anything
        | Shape::NotYet => {}
    }
}

fn all_texts() -> Vec<&'static Text> {
    let mut found = Vec::new();
    Kind::ALL.into_iter().for_each(|kind| texts(kinds::schema(kind), &mut found));
    found.sort_by_key(|text| text.what);
    found.dedup_by_key(|text| text.what);
    found
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9-]{0,5}",
        "[a-zA-Z0-9._/-]{0,8}",
        "[a-z]{60,66}",
        "v?[0-9]{1,2}(\\.[0-9]{1,5}){2}",
        "(values\\.)?(istiod|cni|mesh)(\\.|\\[\"|\"\\]|[a-z\\\\]){0,8}",
        "20[0-9]{2}-[01][0-9]-(0[0-9]|1[0-9]|2[0-8]|3[01])",
        "[a-z.\n\t é]{0,6}",
        Just("kube-a".to_owned()),
        Just("base".to_owned()),
        Just("network".to_owned()),
    ]
}

#[test]
fn patterns_say_the_same_as_the_walk() {
    let texts = all_texts();
    assert!(texts.len() > 12, "{texts:?}");
    let published: Vec<Published> = texts
        .iter()
        .map(|text| {
            let mut schema = json!({"type": "string", "pattern": text.pattern, "maxLength": text.longest});
            if !text.never.is_empty() {
                schema["not"] = json!({"pattern": text.never});
            }
            Published::of(schema)
        })
        .collect();
    proptest!(|(word in word())| {
        for (text, published) in texts.iter().zip(&published) {
            let walked = word.chars().count() <= text.longest && (text.holds)(&word);
            prop_assert_eq!(published.takes(&json!(word)), walked, "{:?} as {}", word, text.what);
        }
    });
}
