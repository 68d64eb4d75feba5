//! Every golden manifest of the planner, put before a real API server: strict about unknown fields, and nothing is kept.
//!
//! With `MESHFLEET_CRDS` by the true definitions; without, by the small ones, which know less.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, Result, bail, ensure};
use kube::{
    Api, Client,
    api::{DynamicObject, GroupVersionKind, Patch, PatchParams, ValidationDirective},
    discovery::{self, Scope},
};
use serde_json::{Value, json};
use tests::clusters::{
    ControlPlane, Etcd, Options,
    apply::Applier,
    definitions::{self, CALISTI, GATEWAY_API, OPENSHIFT, SAIL},
};

/// Where the planner's golden files stand, from the folder of this crate.
const GOLDENS: &str = "../hub/core/src/plan/tests/snapshots";

/// Manifests that are applied onto what an installer makes, which is not there.
const FRAGMENTS: [&str; 1] = ["Deployment"];

#[tokio::test]
async fn every_golden_manifest_is_accepted_unchanged() -> Result<()> {
    let manifests = manifests()?;
    ensure!(manifests.len() >= 35, "only {} manifests were found", manifests.len());
    let directory = tempfile::tempdir()?;
    let etcd = Etcd::start(directory.path()).await?;
    let plane = ControlPlane::start(&etcd, "goldens", Options::default()).await?;
    let client = plane.admin_client().await?;
    let mut applier = Applier::new(&client, "tests");
    let known = [&CALISTI[..], &SAIL, &OPENSHIFT, &GATEWAY_API].concat();
    definitions::apply(&client, &mut applier, &known).await?;
    let namespaces: BTreeSet<&str> =
        manifests.iter().filter_map(|(_, manifest)| manifest["metadata"]["namespace"].as_str()).collect();
    for namespace in namespaces.into_iter().chain(["shop"]).filter(|name| *name != "default") {
        let metadata = json!({"name": namespace});
        applier.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})).await?;
    }
    let mut refused = Vec::new();
    for (file, manifest) in &manifests {
        if let Err(error) = accepted(&client, manifest).await {
            refused.push(format!("{file}: {error:#}"));
        }
    }
    ensure!(refused.is_empty(), "{}", refused.join("\n\n"));
    Ok(())
}

/// An API server takes it, and has every value of it afterwards.
async fn accepted(client: &Client, manifest: &Value) -> Result<()> {
    let text = |path: &str| manifest.pointer(path).and_then(Value::as_str);
    let (version, kind) = (text("/apiVersion").context("apiVersion")?, text("/kind").context("kind")?);
    let name = text("/metadata/name").context("a name")?;
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let (resource, capabilities) =
        discovery::pinned_kind(client, &GroupVersionKind::gvk(group, version, kind)).await?;
    let api: Api<DynamicObject> = match capabilities.scope {
        // A template stands for what is made in the namespaces of workloads.
        Scope::Namespaced => {
            Api::namespaced_with(client.clone(), text("/metadata/namespace").unwrap_or("shop"), &resource)
        }
        Scope::Cluster => Api::all_with(client.clone(), &resource),
    };
    let parameters = PatchParams {
        field_validation: Some(ValidationDirective::Strict),
        dry_run: true,
        ..PatchParams::apply("meshfleet")
    };
    let what = format!("{kind} {name}");
    let taken = api.patch(name, &parameters, &Patch::Apply(manifest)).await.context(what.clone())?;
    let taken = serde_json::to_value(taken)?;
    match lost("", manifest, &taken) {
        None => Ok(()),
        Some(path) => bail!("{what}: {path} was taken away or changed"),
    }
}

/// The first value that is not there as it was sent. What the API server adds does not count.
pub(super) fn lost(path: &str, sent: &Value, taken: &Value) -> Option<String> {
    match (sent, taken) {
        (Value::Object(sent), Value::Object(taken)) => sent.iter().find_map(|(key, value)| {
            lost(&format!("{path}.{key}"), value, taken.get(key).unwrap_or(&Value::Null))
        }),
        (Value::Array(sent), Value::Array(taken)) if sent.len() == taken.len() => {
            let pairs = sent.iter().zip(taken).enumerate();
            pairs
                .into_iter()
                .find_map(|(index, (sent, taken))| lost(&format!("{path}[{index}]"), sent, taken))
        }
        // 1.0 comes back as 1.
        (Value::Number(sent), Value::Number(taken)) if sent.as_f64() == taken.as_f64() => None,
        (sent, taken) => (sent != taken).then(|| path.to_owned()),
    }
}

/// Whether a file tells whole plans.
fn is_of_plans(name: &str) -> bool {
    ["__golden__", "__gateways__"].iter().any(|part| name.contains(part))
}

/// The manifests of the golden plans, each once.
fn manifests() -> Result<Vec<(String, Value)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDENS);
    let mut found: Vec<(String, Value)> = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(&folder)?.collect::<std::io::Result<_>>()?;
    files.sort_by_key(std::fs::DirEntry::file_name);
    for file in files {
        let name = file.file_name().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(file.path())?;
        if !is_of_plans(&name) {
            continue;
        }
        // Below the head of the file either one document, or the plan's and then each manifest below a heading.
        let told = text.splitn(3, "---\n").nth(2).context("a golden file has a head")?;
        for section in told.split("\n# ") {
            let body = section.find("{\n").map_or("", |start| &section[start..]);
            let Ok(value) = serde_json::from_str::<Value>(body.trim()) else { continue };
            collect(&value, &mut |manifest| {
                let fragment = FRAGMENTS.iter().any(|kind| manifest["kind"] == *kind)
                    && manifest["spec"]["selector"].is_null();
                if !fragment && !found.iter().any(|(_, known)| known == manifest) {
                    found.push((name.clone(), manifest.clone()));
                }
            });
        }
    }
    Ok(found)
}

/// Every manifest within a value.
fn collect(value: &Value, take: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(fields) if fields.contains_key("apiVersion") && fields.contains_key("metadata") => {
            take(value);
        }
        Value::Object(fields) => fields.values().for_each(|value| collect(value, take)),
        Value::Array(items) => items.iter().for_each(|value| collect(value, take)),
        _ => {}
    }
}
