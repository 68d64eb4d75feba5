//! Targets for tests, put together piece by piece.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use spoke::{
    digest::{Digest, canonical},
    fence::Content,
};

use super::{CLUSTER, MESH};

/// A target under way, with a plan of one phase.
pub struct Draft {
    plan: Value,
    objects: Vec<Value>,
    target: Value,
    documents: BTreeMap<Digest, Vec<u8>>,
    deadline_s: u32,
}

/// The id of what a body describes.
pub fn id_of(body: &Value) -> Value {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let api_version = text(&body["apiVersion"]);
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    json!({"group": group, "version": version, "kind": body["kind"], "name": body["metadata"]["name"],
        "namespace": text(&body["metadata"]["namespace"])})
}

impl Draft {
    /// A target of an empty plan.
    pub fn new(generation: u64) -> Self {
        let plan = json!({"format": 1, "namespaces": [MESH], "expectations": [], "healthy_when": []});
        let target = json!({"format": 1, "cluster": CLUSTER, "epoch": 1, "generation": generation,
            "deletions": [], "overwrite": [], "adopt": "Never"});
        Self { plan, objects: Vec::new(), target, documents: BTreeMap::new(), deadline_s: 60 }
    }

    /// With a ConfigMap.
    pub fn map(self, name: &str, value: &str) -> Self {
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"x": value},
            "metadata": {"name": name, "namespace": MESH}});
        self.object(&body)
    }

    /// With this object.
    pub fn object(mut self, body: &Value) -> Self {
        let object = json!({"id": id_of(body), "body": self.document(body)});
        self.objects.push(object);
        self
    }

    /// With an addition.
    pub fn addition(mut self, body: &Value) -> Self {
        let addition = json!({"id": id_of(body), "body": self.document(body)});
        push(&mut self.plan["additions"], addition);
        self
    }

    /// With a template for the namespaces that have this label.
    pub fn template(mut self, name: &str, body: &Value, label: &str) -> Self {
        let template = json!({"template": name, "id": id_of(body), "body": self.document(body),
            "namespaces": [[{"key": label, "operator": "Exists"}]]});
        push(&mut self.plan["templates"], template);
        self
    }

    /// With an object that somebody else makes, in which this value must stand.
    pub fn expectation(mut self, body: &Value, path: &str, value: &Value) -> Self {
        let requires = json!([{"path": path, "value": value}]);
        push(&mut self.plan["expectations"], json!({"id": id_of(body), "requires": requires}));
        self
    }

    /// With another deadline than a minute.
    pub fn within(mut self, seconds: u32) -> Self {
        self.deadline_s = seconds;
        self
    }

    /// With these fields over those of the target.
    pub fn more(mut self, more: Value) -> Self {
        for (field, value) in more.as_object().into_iter().flatten() {
            self.target[field] = value.clone();
        }
        self
    }

    /// The target with everything that it names.
    pub fn content(mut self) -> Result<Content> {
        let (objects, deadline_s) = (&self.objects, self.deadline_s);
        self.plan["phases"] =
            json!([{"name": "all", "objects": objects, "until": "healthy", "deadline_s": deadline_s}]);
        let plan = canonical(&self.plan);
        self.target["plan"] = json!(Digest::of(&plan));
        self.documents.insert(Digest::of(&plan), plan);
        Content::assemble(canonical(&self.target), &self.documents).context("a target of a test")
    }

    fn document(&mut self, body: &Value) -> Digest {
        let bytes = canonical(body);
        let digest = Digest::of(&bytes);
        self.documents.insert(digest, bytes);
        digest
    }
}

fn push(list: &mut Value, item: Value) {
    match list.as_array_mut() {
        Some(items) => items.push(item),
        None => *list = json!([item]),
    }
}
