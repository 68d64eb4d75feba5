//! What the hub says of an object by its schema, held against what a real API server says: for every field of every
//! definition that plans write to, with values that fit and values that do not.
//!
//! Rules in CEL are taken out of the definitions first, because the hub does not judge them. With `MESHFLEET_CRDS` the
//! definitions are the true ones, with some thousand fields; without, the small ones.

use super::goldens::lost;
use anyhow::{Context, Result, ensure};
use futures::{StreamExt as _, stream};
use hub_core::schema::{Extent, Schema};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, ValidationDirective},
};
use serde_json::{Map, Value, json};
use tests::clusters::{
    ControlPlane, Etcd, Options,
    apply::Applier,
    definitions::{self, CALISTI, Definition, GATEWAY_API, OPENSHIFT, SAIL, Scope},
};

/// How many objects are before the API server at a time.
const AT_ONCE: usize = 16;

/// Each field gets so many of the values, others each time.
const VALUES_EACH: usize = 1;

/// Of so many fields one is tried, others of each definition. All were, once: 34,705 objects.
const ONE_OF: usize = 11;

/// A field of a schema: the steps to it from the top.
type Path = Vec<Step>;

#[derive(Debug, Clone)]
enum Step {
    Key(String),
    Item,
}

#[tokio::test]
async fn a_schema_says_what_a_real_api_server_says() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let etcd = Etcd::start(directory.path()).await?;
    let plane = ControlPlane::start(&etcd, "schemas", Options::default()).await?;
    let client = plane.admin_client().await?;
    let mut applier = Applier::new(&client, "tests");
    let written = |definition: &&Definition| ["NetworkAttachmentDefinition"].contains(&definition.kind);
    let written = OPENSHIFT.iter().filter(written).copied();
    let known: Vec<Definition> = CALISTI.into_iter().chain(SAIL).chain(GATEWAY_API).chain(written).collect();
    definitions::apply_changed(&client, &mut applier, &known, without_cel).await?;
    let mut said_otherwise = Vec::new();
    let (mut tried, mut refused) = (0, 0);
    for definition in &known {
        let tree = schema_of(&client, definition).await?;
        let schema = Schema::parse(&serde_json::to_vec(&tree)?)?;
        let mut paths = Vec::new();
        fields(&tree, &mut Vec::new(), &mut paths);
        let objects = paths.iter().enumerate().filter(|(index, _)| index % ONE_OF == 0);
        let objects = objects.flat_map(|(index, path)| variants(&tree, path, index));
        let answers = stream::iter(objects.map(|object| verdict(&client, definition, &schema, object)));
        let answers: Vec<Result<Answer>> = answers.buffer_unordered(AT_ONCE).collect().await;
        for answer in answers {
            let Answer { object, server, ours } = answer?;
            tried += 1;
            refused += usize::from(server.is_some());
            if server.is_some() == ours.is_empty() {
                said_otherwise
                    .push(format!("{} {object}\n  server: {server:?}\n  hub: {ours:?}", definition.kind));
            }
        }
    }
    ensure!(tried > 100 && refused > 50 && tried - refused > 50, "{tried} objects, {refused} refused");
    let shown: Vec<&str> = said_otherwise.iter().map(String::as_str).take(40).collect();
    ensure!(said_otherwise.is_empty(), "{} of {tried} differ:\n{}", said_otherwise.len(), shown.join("\n"));
    Ok(())
}

/// What was said of an object.
struct Answer {
    object: Value,
    /// Why the API server refused it, if it did.
    server: Option<String>,
    ours: Vec<hub_core::schema::Violation>,
}

async fn verdict(client: &Client, definition: &Definition, schema: &Schema, object: Value) -> Result<Answer> {
    let kind = GroupVersionKind::gvk(definition.group, definition.version, definition.kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, definition.plural);
    let api: Api<DynamicObject> = match definition.scope {
        Scope::Namespaced => Api::namespaced_with(client.clone(), "default", &resource),
        Scope::Cluster => Api::all_with(client.clone(), &resource),
    };
    let mut whole = object.clone();
    whole["apiVersion"] = json!(format!("{}/{}", definition.group, definition.version));
    whole["kind"] = json!(definition.kind);
    whole["metadata"] = json!({"name": "default"});
    let parameters = PatchParams {
        field_validation: Some(ValidationDirective::Strict),
        dry_run: true,
        ..PatchParams::apply("meshfleet")
    };
    let server = match api.patch("default", &parameters, &Patch::Apply(&whole)).await {
        // What a map without any field gets is taken away without a word.
        Ok(taken) => lost("", &whole, &serde_json::to_value(taken)?).map(|path| format!("took {path} away")),
        Err(kube::Error::Api(status)) => Some(status.message),
        Err(error) => return Err(error).context(format!("{} {object}", definition.kind)),
    };
    Ok(Answer { ours: schema.judge(&whole, Extent::Whole).violations, object, server })
}

async fn schema_of(client: &Client, definition: &Definition) -> Result<Value> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let name = format!("{}.{}", definition.plural, definition.group);
    let served = serde_json::to_value(definitions.get(&name).await?)?;
    let versions = served["spec"]["versions"].as_array().context("versions")?;
    let version =
        versions.iter().find(|version| version["name"] == definition.version).context("the version")?;
    Ok(version["schema"]["openAPIV3Schema"].clone())
}

fn without_cel(document: &mut Value) {
    match document {
        Value::Object(fields) => {
            fields.remove("x-kubernetes-validations");
            fields.values_mut().for_each(without_cel);
        }
        Value::Array(items) => items.iter_mut().for_each(without_cel),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Every field that a schema names, below `spec`.
fn fields(schema: &Value, at: &mut Path, found: &mut Vec<Path>) {
    let below = |step: Step, schema: &Value, at: &mut Path, found: &mut Vec<Path>| {
        at.push(step);
        found.push(at.clone());
        fields(schema, at, found);
        at.pop();
    };
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        if !at.is_empty() || name == "spec" {
            below(Step::Key(name.clone()), field, at, found);
        }
    }
    if schema["additionalProperties"].is_object() {
        below(Step::Key("key".to_owned()), &schema["additionalProperties"], at, found);
    }
    if schema["items"].is_object() {
        below(Step::Item, &schema["items"], at, found);
    }
}

/// Values that a field gets, whatever it is: most fit some fields and not others.
fn values() -> Vec<Value> {
    let long = "a text that is longer than names are: it has more than sixty-three characters in all";
    let texts = ["x", "", "10.0.0.0/8", "100m", "2026-01-31T12:00:00Z", "https://example.com", "1h", long];
    let others = [
        json!(7),
        json!({}),
        json!(-1),
        json!(true),
        json!([]),
        json!(3_000_000_000_u64),
        json!(1.5),
        json!(2.0),
        json!(["a", "a"]),
        json!({"unheardOf": 1}),
        json!([{}, {}]),
    ];
    texts.into_iter().map(Value::from).chain(others).collect()
}

/// Objects with a field and what its neighbours require: with a value that fits where one is easily made, and with some
/// that may not.
fn variants(schema: &Value, path: &[Step], seed: usize) -> Vec<Value> {
    let values = values();
    let chosen = (0..VALUES_EACH).map(|nth| values[(seed * 5 + nth * 7) % values.len()].clone());
    let fits = at(schema, path).map(minimal);
    chosen.chain(fits).map(|value| object_with(schema, path, value)).collect()
}

fn at<'a>(schema: &'a Value, path: &[Step]) -> Option<&'a Value> {
    path.iter().try_fold(schema, below)
}

fn below<'a>(schema: &'a Value, step: &Step) -> Option<&'a Value> {
    match step {
        Step::Key(key) => schema["properties"].get(key).or_else(|| schema.get("additionalProperties")),
        Step::Item => schema.get("items"),
    }
}

fn object_with(schema: &Value, path: &[Step], value: Value) -> Value {
    let Some((step, further)) = path.split_first() else { return value };
    let inner = object_with(below(schema, step).unwrap_or(&Value::Null), further, value);
    match step {
        Step::Item => json!([inner]),
        Step::Key(key) => {
            let mut fields = required(schema);
            fields.insert(key.clone(), inner);
            Value::Object(fields)
        }
    }
}

fn required(schema: &Value) -> Map<String, Value> {
    let names = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    names.map(|name| (name.to_owned(), minimal(&schema["properties"][name]))).collect()
}

/// The least that fits a schema, unless it asks for a pattern.
fn minimal(schema: &Value) -> Value {
    if let Some(word) = schema["enum"].as_array().and_then(|words| words.last()) {
        return word.clone();
    }
    match schema["type"].as_str() {
        Some("object") => Value::Object(required(schema)),
        Some("array") => Value::Array(
            (0..schema["minItems"].as_u64().unwrap_or_default()).map(|_| minimal(&schema["items"])).collect(),
        ),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean") => json!(true),
        _ => json!("x"),
    }
}
