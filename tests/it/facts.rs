//! Facts as a spoke reads them with the rights that its manifest gives, and no others.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use spoke::facts::Reader;
use tests::clusters::{ControlPlane, Etcd, Options, apply::Applier, dress, wait::until};

const WITHIN: Duration = Duration::from_secs(30);

/// The kind by which Calico's operator makes an Istio of its own.
fn foreign_kind() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "istios.operator.tigera.io"},
        "spec": {
            "group": "operator.tigera.io",
            "scope": "Cluster",
            "names": {"kind": "Istio", "plural": "istios"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    })
}

#[tokio::test]
async fn landmarks_are_read_with_the_spokes_own_rights() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let etcd = Etcd::start(directory.path()).await?;
    let plane = ControlPlane::start(&etcd, "payments", Options::default()).await?;
    let admin = plane.admin_client().await?;
    dress::eks(&admin).await?;
    let mut applier = Applier::new(&admin, "test");
    let rights: Vec<Value> = serde_saphyr::from_multiple(spoke::deploy::RBAC).context("YAML")?;
    applier.apply_all(rights).await?;
    let token = plane.service_account_token("meshfleet", "meshfleet-spoke").await?;
    let reader = Reader::new(plane.client(&token, "spoke").await?);

    let before = reader.read().await;
    assert_eq!((before.unread.len(), before.landmarks.len()), (0, 0), "{:?}", before.unread);

    let access = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "aws-auth", "namespace": "kube-system"}, "data": {"mapRoles": "not to be read"},
    });
    applier.apply_all([access, foreign_kind()]).await?;
    until("the kind to be served", WITHIN, || async {
        Ok(reader.read().await.kinds.contains("operator.tigera.io/Istio").then_some(()))
    })
    .await?;
    let istio =
        json!({"apiVersion": "operator.tigera.io/v1", "kind": "Istio", "metadata": {"name": "default"}});
    Applier::new(&admin, "test").apply_all([istio]).await?;

    let after = reader.read().await;
    assert!(after.unread.is_empty(), "{:?}", after.unread);
    assert_eq!(
        Vec::from_iter(&after.landmarks),
        ["ConfigMap kube-system/aws-auth", "operator.tigera.io/Istio default"]
    );
    Ok(())
}
