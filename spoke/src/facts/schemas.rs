//! Schemas of the custom resources that plans may hold, as this cluster has them. Facts name them by digest; the schema
//! itself is told when a hub asks for it, which it does once for a whole fleet.
//!
//! Definitions are large, so one is read only when it changed, and only its digests are kept. What people read in a schema
//! and no API server judges by (descriptions, rules in CEL) is left out: it makes most of the bytes.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client,
    api::ApiResource,
    core::{DynamicObject, GroupVersionKind},
};
use serde_json::Value;

use crate::{
    cluster::{self, bounded},
    digest::{Digest, canonical},
};

/// The definitions that are looked at. Whoever adds one lets the spoke get it in `deploy/rbac.yaml`.
pub(super) const DEFINITIONS: [&str; 8] = [
    "gateways.gateway.networking.k8s.io",
    "istiocnis.sailoperator.io",
    "istiocontrolplanes.servicemesh.cisco.com",
    "istiomeshes.servicemesh.cisco.com",
    "istiomeshgateways.servicemesh.cisco.com",
    "istiorevisiontags.sailoperator.io",
    "istios.sailoperator.io",
    "network-attachment-definitions.k8s.cni.cncf.io",
];

/// Largest schema that is told. Without its descriptions, that of Istio's operators has a tenth.
pub const MAX_BYTES: usize = 1024 * 1024;

/// Keys of a schema by which nothing is judged.
const FOR_PEOPLE: [&str; 5] = ["description", "example", "externalDocs", "title", "x-kubernetes-validations"];

/// The schema of a kind in one version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Schema {
    /// As `group/Kind`.
    pub kind: String,
    /// For example `v1`.
    pub version: String,
    /// Of its bytes as they are told.
    pub digest: Digest,
    /// The definition that has it.
    pub definition: &'static str,
}

/// Reads schemas.
pub(super) struct Reader {
    client: Client,
    /// What was read of each definition, and of which resourceVersion.
    read: Mutex<BTreeMap<&'static str, (String, Vec<Schema>)>>,
}

impl Reader {
    pub(super) fn new(client: Client) -> Self {
        Self { client, read: Mutex::default() }
    }

    /// All schemas of the definitions that exist.
    pub(super) async fn read(&self) -> Result<Vec<Schema>, cluster::Error> {
        let mut schemas = Vec::new();
        for definition in DEFINITIONS {
            schemas.extend(self.of(definition).await?);
        }
        schemas.sort();
        Ok(schemas)
    }

    async fn of(&self, definition: &'static str) -> Result<Vec<Schema>, cluster::Error> {
        let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let Some(found) = bounded(api.get_metadata_opt(definition)).await? else { return Ok(Vec::new()) };
        let revision = found.metadata.resource_version.unwrap_or_default();
        if let Some((of, known)) = self.known().get(definition)
            && *of == revision
        {
            return Ok(known.clone());
        }
        let read = match get(&self.client, definition).await? {
            Some(found) => schemas_of(definition, &found),
            None => Vec::new(),
        };
        self.known().insert(definition, (revision, read.clone()));
        Ok(read)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, (String, Vec<Schema>)>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes of a schema, if the cluster still has it as it was seen.
pub async fn load(client: &Client, schema: &Schema) -> Result<Option<Vec<u8>>, cluster::Error> {
    let Some(definition) = get(client, schema.definition).await? else { return Ok(None) };
    let found = versions(&definition).find(|version| version["name"] == schema.version.as_str());
    let bytes = found.map(bytes_of);
    Ok(bytes.filter(|bytes| Digest::of(bytes) == schema.digest))
}

/// As the JSON that the API server sends: what the typed definition does not know must not get lost.
async fn get(client: &Client, definition: &str) -> Result<Option<Value>, cluster::Error> {
    let kind = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let resource = ApiResource::from_gvk_with_plural(&kind, "customresourcedefinitions");
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    Ok(bounded(api.get_opt(definition)).await?.map(|object| object.data))
}

fn schemas_of(definition: &'static str, found: &Value) -> Vec<Schema> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let spec = &found["spec"];
    let kind = format!("{}/{}", text(&spec["group"]), text(&spec["names"]["kind"]));
    let served = versions(found).filter(|version| version["served"] == true);
    let sized = served.map(|version| (text(&version["name"]), bytes_of(version)));
    sized
        .filter(|(_, bytes)| bytes.len() <= MAX_BYTES)
        .map(|(version, bytes)| Schema {
            kind: kind.clone(),
            version,
            digest: Digest::of(&bytes),
            definition,
        })
        .collect()
}

fn versions(definition: &Value) -> impl Iterator<Item = &Value> {
    definition["spec"]["versions"].as_array().into_iter().flatten()
}

fn bytes_of(version: &Value) -> Vec<u8> {
    let mut schema = version["schema"]["openAPIV3Schema"].clone();
    strip(&mut schema);
    canonical(&schema)
}

/// Takes out of a schema what is for people. Fields may have the same names as keys of schemas, and stay.
fn strip(schema: &mut Value) {
    let Value::Object(said) = schema else { return };
    said.retain(|key, _| !FOR_PEOPLE.contains(&key.as_str()));
    for (key, below) in said {
        match (key.as_str(), below) {
            ("properties", Value::Object(fields)) => fields.values_mut().for_each(strip),
            ("items" | "additionalProperties" | "not", below) => strip(below),
            ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => schemas.iter_mut().for_each(strip),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_for_people_goes_and_fields_stay() {
        let mut schema = json!({"type": "object", "description": "long", "properties": {
            "description": {"type": "string", "description": "a field of that name", "default": {"title": "stays"}},
            "list": {"items": {"title": "goes", "oneOf": [{"required": ["a"], "description": "goes"}]}}}});
        strip(&mut schema);
        let expected = json!({"type": "object", "properties": {
            "description": {"type": "string", "default": {"title": "stays"}},
            "list": {"items": {"oneOf": [{"required": ["a"]}]}}}});
        assert_eq!(schema, expected);
    }

    #[test]
    fn each_served_version_has_its_schema() {
        let version = |name: &str, served| json!({"name": name, "served": served, "schema": {"openAPIV3Schema": {"type": "object", "title": name}}});
        let definition = json!({"spec": {"group": "sailoperator.io", "names": {"kind": "Istio"},
            "versions": [version("v1", true), version("v1alpha1", false), version("v2", true)]}});
        let found = schemas_of("istios.sailoperator.io", &definition);
        let told: Vec<_> =
            found.iter().map(|schema| (schema.kind.as_str(), schema.version.as_str())).collect();
        assert_eq!(told, [("sailoperator.io/Istio", "v1"), ("sailoperator.io/Istio", "v2")]);
        // They differ in their titles only.
        assert_eq!(found[0].digest, found[1].digest);
    }
}
