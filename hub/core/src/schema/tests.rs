use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Extent, Schema, Violation, Wrong};

fn schema(tree: &Value) -> Schema {
    Schema::parse(&serde_json::to_vec(tree).unwrap()).unwrap()
}

fn said(violations: &[Violation]) -> Vec<String> {
    let one = |Violation { path, what }: &Violation| match what {
        Wrong::UnknownField { nearest: Some(nearest), .. } => format!("{path}: unknown, {nearest}?"),
        Wrong::UnknownField { nearest: None, known } => format!("{path}: unknown of {}", known.join(" ")),
        Wrong::Value { message, wanted } => format!("{path}: {message}; {wanted}"),
    };
    violations.iter().map(one).collect()
}

/// What is said of an object whose `spec` is of a schema.
fn judged(spec: Value, value: Value) -> Vec<String> {
    let tree = json!({"type": "object", "properties": {"spec": spec}});
    let object =
        json!({"apiVersion": "a/v1", "kind": "A", "metadata": {"name": "a", "any": 1}, "spec": value});
    said(&schema(&tree).judge(&object, Extent::Whole).violations)
}

#[test]
fn fields_that_are_not_known_are_named_with_those_that_are() {
    let pilot = json!({"type": "object", "properties": {"autoscaleMin": {"type": "integer"}, "env": {
        "type": "object", "additionalProperties": {"type": "string"}}}});
    let spec = json!({"type": "object", "properties": {"pilot": pilot}});
    assert_eq!(judged(spec.clone(), json!({"pilot": {"autoscaleMin": 1, "env": {"ANY": "x"}}})), [""; 0]);
    assert_eq!(
        judged(spec.clone(), json!({"pilot": {"autoscalemin": 1}})),
        [".spec.pilot.autoscalemin: unknown, autoscaleMin?"]
    );
    assert_eq!(judged(spec.clone(), json!({"replicas": 1})), [".spec.replicas: unknown of pilot"]);
    assert_eq!(
        judged(spec, json!({"pilot": {"env": {"ANY": 1}}})),
        [".spec.pilot.env.ANY: 1 is a number; it must be a text"]
    );
}

#[test]
fn what_keeps_unknown_fields_still_knows_its_own() {
    let spec = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true,
        "properties": {"known": {"type": "boolean"}}});
    assert_eq!(judged(spec.clone(), json!({"anything": {"goes": [1]}})), [""; 0]);
    assert_eq!(
        judged(spec, json!({"known": "x"})),
        [".spec.known: \"x\" is a text; it must be true or false"]
    );
}

#[test]
fn values_are_held_against_each_rule() {
    let cases = [
        (
            json!({"type": "string", "enum": ["Redirect", "TProxy"]}),
            json!("Tproxy"),
            "\"Tproxy\" is none of the known values; did you mean TProxy? known: Redirect, TProxy",
        ),
        (
            json!({"type": "string", "pattern": "^[a-z]+$"}),
            json!("A"),
            "\"A\" has another form; it must match ^[a-z]+$",
        ),
        (json!({"type": "string", "maxLength": 2}), json!("äöü"), "has 3 characters; it must have at most 2"),
        (json!({"type": "integer", "minimum": 1}), json!(0), "0 is too little; it must be at least 1"),
        (
            json!({"type": "integer", "maximum": 5, "exclusiveMaximum": true}),
            json!(5),
            "5 is too much; it must be less than 5",
        ),
        (json!({"type": "integer"}), json!(1.5), "1.5 is a number; it must be a whole number"),
        (
            json!({"type": "integer", "format": "int32"}),
            json!(3_000_000_000_u64),
            "3000000000 is not a whole number of 32 bits; it must be a whole number of 32 bits",
        ),
        (json!({"type": "number", "multipleOf": 2}), json!(3), "3 is no multiple of 2; it must be one of 2"),
        (
            json!({"type": "array", "minItems": 1, "items": {"type": "string"}}),
            json!([]),
            "has 0 items; it must have at least 1",
        ),
        (
            json!({"type": "object", "maxProperties": 1, "additionalProperties": true}),
            json!({"a": 1, "b": 2}),
            "has 2 fields; it must have at most 1",
        ),
        (
            json!({"x-kubernetes-int-or-string": true}),
            json!(true),
            "true is true or false; it must be a whole number or a text",
        ),
        (json!({"type": "string"}), Value::Null, "null is no value; it must be a text"),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
            "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}),
            json!({"a": "x", "b": "x"}),
            "says several things of which one may stand there; it may be a, or b",
        ),
        (
            json!({"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": true,
            "pattern": "^[0-9]+%$"}),
            json!("5"),
            "\"5\" has another form; it must match ^[0-9]+%$",
        ),
    ];
    for (rule, value, expected) in cases {
        assert_eq!(judged(rule.clone(), value.clone()), [format!(".spec: {expected}")], "{rule} {value}");
    }
}

#[test]
fn what_is_missing_is_said_unless_a_default_fills_it() {
    let spec = json!({"type": "object", "required": ["version", "profile"], "properties": {
        "version": {"type": "string"}, "profile": {"type": "string", "default": "ambient"}}});
    assert_eq!(judged(spec.clone(), json!({})), [".spec.version: missing; it is required"]);
    let part = schema(&json!({"type": "object", "properties": {"spec": spec}}));
    assert!(part.judge(&json!({"spec": {}}), Extent::Part).violations.is_empty());
}

#[test]
fn items_that_must_differ_do() {
    let ports = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object", "properties": {"name": {"type": "string"}}}});
    let twice = json!([{"name": "a"}, {"name": "b"}, {"name": "a"}]);
    assert_eq!(judged(ports, twice), [".spec[2]: stands twice in the list; items must differ in name"]);
    let set = json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}});
    assert_eq!(judged(set, json!(["a", "a"])), [".spec[1]: stands twice in the list; items must differ"]);
}

#[test]
fn all_that_is_wrong_is_said_up_to_a_limit() {
    let spec = json!({"type": "object", "properties": {}});
    let many: serde_json::Map<String, Value> = (0..60).map(|index| (format!("f{index}"), json!(1))).collect();
    let tree = schema(&json!({"type": "object", "properties": {"spec": spec}}));
    let judgement = tree.judge(&json!({ "spec": many }), Extent::Whole);
    assert_eq!((judgement.violations.len(), judgement.is_cut), (50, true));
}

#[test]
fn what_is_no_schema_is_refused_with_its_place() {
    let refused = |tree: Value| Schema::parse(&serde_json::to_vec(&tree).unwrap()).unwrap_err().to_string();
    assert_eq!(refused(json!([])), "openAPIV3Schema: a schema is a map");
    assert_eq!(
        refused(json!({"properties": {"spec": {"type": "strnig"}}})),
        "openAPIV3Schema/properties/spec/type: no type of JSON"
    );
    assert_eq!(refused(json!({"required": "a"})), "openAPIV3Schema/required: expected a list of texts");
    assert_eq!(Schema::parse(b"{").unwrap_err().to_string(), "not JSON");
    let deep = (0..120).fold(json!({"type": "string"}), |below, _| json!({"items": below}));
    assert!(refused(deep).ends_with("it is too deep"));
}

#[test]
fn words_are_those_of_the_field() {
    let tree = json!({"properties": {"spec": {"properties": {"version": {"type": "string", "enum": ["v1", "v2"]}}}}});
    let schema = schema(&tree);
    assert_eq!(schema.words(&["spec", "version"]), Some(vec!["v1", "v2"]));
    assert_eq!(schema.words(&["spec", "profile"]), None);
}

fn json_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z/.:]{0,8}".prop_map(Value::from),
    ];
    let keys = prop_oneof![
        prop::sample::select(vec![
            "type",
            "properties",
            "items",
            "required",
            "enum",
            "pattern",
            "oneOf",
            "anyOf",
            "not",
            "format",
            "nullable",
            "additionalProperties",
            "minLength",
            "maxItems",
            "x-kubernetes-list-type",
            "x-kubernetes-list-map-keys",
        ])
        .prop_map(str::to_owned),
        "[a-c]{1}",
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(keys.clone(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever a spoke sends as a schema, and whatever is judged by it.
    #[test]
    fn nothing_panics(tree in json_values(), object in json_values()) {
        if let Ok(schema) = Schema::parse(&serde_json::to_vec(&tree).unwrap()) {
            let _ = schema.judge(&object, Extent::Whole);
            let _ = schema.judge(&object, Extent::Part);
        }
    }
}
