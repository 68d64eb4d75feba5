//! Samples for tests: whole targets, and an API server that only knows status codes.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::{
    digest::Digest,
    drift::{Class, Item, State},
    fence::Content,
    heal::{Healer, Healing, Heard},
    secrets::Secrets,
};

/// A client whose every request is answered with the status code that `answer` gives for its method, and an object.
pub fn client(answer: impl Fn(&http::Method) -> u16 + Clone + Send + 'static) -> kube::Client {
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let code = answer(request.method());
        let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "uid": "u", "resourceVersion": "1"}});
        let status = json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "message": "", "reason": "", "code": code});
        let body = if code < 300 { object } else { status };
        let response = http::Response::builder()
            .status(code)
            .body(kube::client::Body::from(body.to_string().into_bytes()));
        std::future::ready(response)
    });
    kube::Client::new(service, "default")
}

impl Healing {
    /// With nothing to heal.
    pub fn sample(secrets: Secrets) -> Self {
        Self {
            healer: Healer::sample(secrets),
            drift: watch::channel(None).1,
            heard: watch::channel(Heard::default()).1,
            asks: mpsc::channel(1).1,
            waiting: Vec::new(),
        }
    }
}

/// A ConfigMap in which somebody wrote `found`.
pub fn overwritten(name: &str, found: &Value) -> Item {
    let id = json!({"group": "", "version": "v1", "kind": "ConfigMap", "namespace": "mesh", "name": name});
    Item {
        id: serde_json::from_value(id).unwrap(),
        uid: "u".to_owned(),
        path: ".data.x".to_owned(),
        class: Class::Overwritten,
        baseline: Some(json!("1")),
        found: Some(found.clone()),
        actor: None,
        state: State::Healing,
        heals: 0,
    }
}

/// A target whose plan applies ConfigMaps with these values.
pub fn content(generation: u64, values: &[String]) -> Content {
    let mut documents = BTreeMap::new();
    let mut objects = Vec::new();
    for (number, value) in values.iter().enumerate() {
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"x": value},
            "metadata": {"name": format!("x{number}"), "namespace": "mesh"}});
        let bytes = body.to_string().into_bytes();
        let id = json!({"group": "", "version": "v1", "kind": "ConfigMap", "namespace": "mesh", "name": format!("x{number}")});
        objects.push(json!({"id": id, "body": Digest::of(&bytes)}));
        documents.insert(Digest::of(&bytes), bytes);
    }
    let phases = json!([{"name": "one", "objects": objects, "until": "applied", "deadline_s": 60}]);
    let plan = json!({"format": 1, "namespaces": ["mesh"], "phases": phases, "expectations": [], "healthy_when": []});
    let plan = plan.to_string().into_bytes();
    let target = json!({"format": 1, "cluster": "c1", "epoch": 1, "generation": generation,
        "plan": Digest::of(&plan), "deletions": [], "overwrite": [], "adopt": "Never"});
    documents.insert(Digest::of(&plan), plan);
    Content::assemble(target.to_string().into_bytes(), &documents).unwrap()
}
