//! The published JSON Schema of a kind, from the same data that documents are walked along.
//!
//! It says what an editor can check while somebody types. What it cannot say is left to the hub: names that stand twice
//! in a list, what layers may unset, variables, and how numbers are spelled.

use serde_json::{Map, Value, json};

use super::{
    API_VERSION, Kind, kinds,
    schema::{Field, MapRule, Shape, Text, Unique, served},
};

/// JSON Schema, draft 2020-12, of the documents of a kind.
#[must_use]
pub fn schema_json(kind: Kind) -> Value {
    let mut schema = object(shape(kinds::schema(kind), Required::AsSaid));
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("$id".to_owned(), json!(format!("https://{API_VERSION}/{kind}.json")));
    schema.insert("title".to_owned(), json!(kind.as_str()));
    if let Some(kind_field) = schema.get_mut("properties").and_then(|fields| fields.get_mut("kind")) {
        kind_field["enum"] = json!([kind.as_str()]);
    }
    let any_value = json!({
        "type": ["object", "array", "string", "number", "boolean"],
        "additionalProperties": {"$ref": "#/$defs/value"},
        "items": {"$ref": "#/$defs/value"},
    });
    schema.insert("$defs".to_owned(), json!({ "value": any_value }));
    Value::Object(schema)
}

/// Whether required fields must be there.
#[derive(Clone, Copy)]
enum Required {
    AsSaid,
    Not,
}

fn shape(shape_of: &'static Shape, required: Required) -> Value {
    match shape_of {
        Shape::Map { fields, rule } => map(fields, *rule, required),
        Shape::List { item, least, most, unique } => {
            let mut list = json!({
                "type": "array",
                "items": items(item, *unique, required),
                "minItems": least,
                "maxItems": most,
            });
            if matches!(unique, Unique::Items) {
                list["uniqueItems"] = json!(true);
            }
            list
        }
        Shape::Texts(texts) => json!({
            "type": "object",
            "propertyNames": text(texts.key),
            "additionalProperties": text(texts.value),
            "minProperties": texts.least,
            "maxProperties": texts.most,
        }),
        Shape::Text(rule) => text(rule),
        Shape::Choice(choice) => json!({ "enum": (choice.words)() }),
        Shape::Number { least, most } => json!({"type": "integer", "minimum": least, "maximum": most}),
        Shape::FreeMap => json!({"type": "object", "additionalProperties": {"$ref": "#/$defs/value"}}),
        Shape::Free => json!({"$ref": "#/$defs/value"}),
        Shape::Partial(whole) => shape(whole, Required::Not),
        Shape::Anything => json!({}),
        Shape::NotYet => json!(false),
    }
}

/// Items are whole even where nothing else is required, because lists are replaced: but for those that are laid over
/// others by their names.
fn items(item: &'static Shape, unique: Unique, required: Required) -> Value {
    match (unique, required) {
        (Unique::Name, Required::Not) => {
            let mut item = shape(item, required);
            item["required"] = json!(["name"]);
            item
        }
        (Unique::Name | Unique::Items | Unique::Field(_) | Unique::Nothing, _) => {
            shape(item, Required::AsSaid)
        }
    }
}

fn map(fields: &'static [Field], rule: Option<MapRule>, required: Required) -> Value {
    let properties: Map<String, Value> =
        served(fields).map(|field| (field.name.to_owned(), property(field, required))).collect();
    let mut map = json!({"type": "object", "properties": properties, "additionalProperties": false});
    let must: Vec<&str> = fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    let as_said = matches!(required, Required::AsSaid);
    if as_said && !must.is_empty() {
        map["required"] = json!(must);
    }
    match rule {
        Some(MapRule::AnyField) if as_said => map["minProperties"] = json!(1),
        Some(MapRule::SetOrUnset) => map["anyOf"] = json!([{"required": ["set"]}, {"required": ["unset"]}]),
        Some(MapRule::ValuesFitOperator) => {
            map["if"] = json!({"properties": {"operator": {"enum": ["In", "NotIn"]}}});
            map["then"] = json!({"required": ["values"]});
            map["else"] = json!({"properties": {"values": false}});
        }
        Some(MapRule::PathWithValue) => {
            map["dependentRequired"] = json!({"path": ["value"], "value": ["path"]});
        }
        Some(MapRule::AnyField | MapRule::Layers) | None => {}
    }
    map
}

fn property(field: &'static Field, required: Required) -> Value {
    let mut property = object(shape(&field.shape, required));
    let about: Vec<&str> = [field.about, field.example].into_iter().filter(|text| !text.is_empty()).collect();
    property.insert("description".to_owned(), json!(about.join("; ")));
    Value::Object(property)
}

fn text(rule: &Text) -> Value {
    let mut text = json!({"type": "string", "pattern": rule.pattern, "maxLength": rule.longest});
    if !rule.never.is_empty() {
        text["not"] = json!({ "pattern": rule.never });
    }
    text
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}
