//! Two writers of one field: the operator and the admissions enforcer of AKS.

use anyhow::Result;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tests::clusters::Etcd;
use tests::clusters::standin::{enforcer, sail};
use tests::clusters::wait::until;
use tests::fleet::{Cluster, Dress};

use super::{WITHIN, apply, istio, namespace, state_is};

const INJECTOR: &str = "istio-sidecar-injector";

/// More rounds than any healing needs.
const ENDLESS: i64 = 12;

#[tokio::test]
async fn enforcer_and_operator_undo_each_other_until_the_injector_opts_out() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let etcd = Etcd::start(directory.path()).await?;
    let cluster = Cluster::start(&etcd, "payments", Dress::Aks, sail::Options::default()).await?;
    let client = &cluster.admin;
    apply(client, [namespace("istio-system"), istio("v1.30.3", &json!({}))]).await?;
    let injectors: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    until("the fight to go on", WITHIN, || async {
        let generation = injectors.get(INJECTOR).await?.metadata.generation;
        Ok((generation >= Some(ENDLESS)).then_some(()))
    })
    .await?;
    state_is(client, &sail::istio_revisions(), "Healthy").await?;

    let opt_out = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": INJECTOR, "annotations": {enforcer::DISABLED: "true"}},
    });
    injectors.patch(INJECTOR, &PatchParams::apply("meshfleet"), &Patch::Apply(&opt_out)).await?;
    until("the operator's selectors to stand", WITHIN, || async {
        let live = injectors.get(INJECTOR).await?;
        Ok((!has_additions(&live)).then_some(()))
    })
    .await?;
    both_have_looked(client, "first").await?;
    let rested = injectors.get(INJECTOR).await?;
    both_have_looked(client, "second").await?;
    let later = injectors.get(INJECTOR).await?;
    assert_eq!(rested.resource_version(), later.resource_version(), "nobody writes any more");
    assert!(!has_additions(&later));

    // A new version of Istio leaves the annotation where it is, and the peace too.
    apply(client, [istio("v1.30.2", &json!({}))]).await?;
    super::istiod_is(client, "1.30.2").await?;
    both_have_looked(client, "third").await?;
    let upgraded = injectors.get(INJECTOR).await?;
    assert!(upgraded.annotations().contains_key(enforcer::DISABLED) && !has_additions(&upgraded));
    Ok(())
}

fn has_additions(configuration: &MutatingWebhookConfiguration) -> bool {
    let webhooks = configuration.webhooks.iter().flatten();
    let expressions = webhooks
        .filter_map(|webhook| webhook.namespace_selector.as_ref())
        .flat_map(|selector| selector.match_expressions.iter().flatten());
    expressions.into_iter().any(|expression| expression.key == "control-plane")
}

/// Gives each of the two something new to do, and waits until it is done: whatever came before was seen by then.
async fn both_have_looked(client: &Client, name: &str) -> Result<()> {
    let injectors: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    apply(client, [webhook(name)]).await?;
    until("the enforcer to have looked", WITHIN, || async {
        Ok(has_additions(&injectors.get(name).await?).then_some(()))
    })
    .await?;
    let maps: Api<k8s_openapi::api::core::v1::ConfigMap> = Api::namespaced(client.clone(), "istio-system");
    maps.delete("istio", &DeleteParams::default()).await?;
    until("the operator to have looked", WITHIN, || async { Ok(maps.get_opt("istio").await?) }).await?;
    Ok(())
}

fn webhook(name: &str) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [{
            "name": "nothing.example.com",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "clientConfig": {"url": "https://127.0.0.1:1/none"},
            "objectSelector": {"matchLabels": {"called-for": "nothing"}},
        }],
    })
}
