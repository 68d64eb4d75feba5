//! What the operator refuses, in whose words, and what makes it go on.

use anyhow::Result;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject};
use serde_json::json;
use tests::clusters::apply::Applier;
use tests::clusters::standin::SailStandIn;
use tests::clusters::standin::sail::{self, Behaviour};
use tests::clusters::wait::until;
use tests::clusters::{ControlPlane, Etcd, Options, definitions, dress};
use tests::fleet::{Cluster, Dress};

use super::{WITHIN, apply, attachments, istio, istio_cni, namespace, refused, state_is};

#[tokio::test]
async fn a_platform_no_chart_knows_is_refused() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let etcd = Etcd::start(directory.path()).await?;
    let cluster = Cluster::start(&etcd, "payments", Dress::Eks, sail::Options::default()).await?;
    let client = &cluster.admin;
    apply(client, ["istio-system", "istio-cni"].map(namespace)).await?;
    let values = json!({"global": {"platform": "eks"}});
    apply(client, [istio("v1.30.3", &values), istio_cni("v1.30.3", &values)]).await?;
    refused(client, &sail::istio_revisions(), "unknown platform eks").await?;
    refused(client, &sail::istios(), "unknown platform eks").await?;
    refused(client, &sail::istio_cnis(), "unknown platform eks").await?;

    apply(client, [istio("v1.30.3", &json!({})), istio_cni("v1.30.3", &json!({}))]).await?;
    state_is(client, &sail::istio_revisions(), "Healthy").await?;

    let odd = istio("v1.30.3", &json!({"cni": {"enabled": true}}));
    assert!(apply(client, [odd]).await.is_err(), "a field that the schema does not have");
    let unlisted = istio("v1.99.0", &json!({}));
    assert!(apply(client, [unlisted]).await.is_err(), "a version that is not in the list");
    apply(client, [istio("v1.28.10", &json!({}))]).await?;
    refused(client, &sail::istios(), "end-of-life").await
}

#[tokio::test]
async fn a_missing_namespace_is_refused_until_it_is_made() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let etcd = Etcd::start(directory.path()).await?;
    let cluster = Cluster::start(&etcd, "payments", Dress::Eks, sail::Options::default()).await?;
    let client = &cluster.admin;
    apply(client, [istio("v1.30.3", &json!({}))]).await?;
    refused(client, &sail::istios(), "namespace \"istio-system\" doesn't exist").await?;
    apply(client, [namespace("istio-system")]).await?;
    state_is(client, &sail::istio_revisions(), "Healthy").await?;
    state_is(client, &sail::istios(), "Healthy").await?;
    Ok(())
}

#[tokio::test]
async fn an_attachment_of_somebody_else_blocks_the_cni_until_it_is_gone() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let etcd = Etcd::start(directory.path()).await?;
    let cluster = Cluster::start(&etcd, "orders", Dress::RosaHcp, sail::Options::default()).await?;
    let client = &cluster.admin;
    let attachment = json!({
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": "istio-cni", "namespace": "default"},
        "spec": {},
    });
    apply(client, [namespace("istio-cni"), attachment, istio_cni("v1.30.3", &json!({}))]).await?;
    refused(client, &sail::istio_cnis(), "invalid ownership metadata").await?;
    attachments(client).delete("istio-cni", &DeleteParams::default()).await?;
    state_is(client, &sail::istio_cnis(), "Healthy").await?;
    Ok(())
}

#[tokio::test]
async fn attachments_that_come_too_late_are_seen_by_the_next_operator_only() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let etcd = Etcd::start(directory.path()).await?;
    let plane = ControlPlane::start(&etcd, "payments", Options::default()).await?;
    let client = &plane.admin_client().await?;
    dress::eks(client).await?;
    let operator = SailStandIn::start(&plane, sail::Options::default()).await?;
    let multus = json!({"cni": {"provider": "multus"}});
    apply(client, [namespace("istio-cni"), istio_cni("v1.30.3", &multus)]).await?;
    refused(client, &sail::istio_cnis(), "no matches for kind").await?;

    let mut applier = Applier::new(client, "tests");
    let attachment = definitions::OPENSHIFT.iter().filter(|it| it.kind == "NetworkAttachmentDefinition");
    let attachment: Vec<_> = attachment.copied().collect();
    definitions::apply(client, &mut applier, &attachment).await?;
    let again = json!({"cni": {"provider": "multus", "cniConfFileName": "istio-cni.conf"}});
    apply(client, [istio_cni("v1.30.3", &again)]).await?;
    let cnis: Api<DynamicObject> = Api::all_with(client.clone(), &sail::istio_cnis());
    until("the change to be seen", WITHIN, || async {
        let cni = cnis.get("default").await?;
        let observed = cni.data["status"]["observedGeneration"].as_i64() == cni.metadata.generation;
        Ok(observed.then_some(()))
    })
    .await?;
    refused(client, &sail::istio_cnis(), "no matches for kind").await?;

    operator.stop().await;
    let next = SailStandIn::start(&plane, sail::Options::default()).await?;
    state_is(client, &sail::istio_cnis(), "Healthy").await?;
    next.stop().await;
    Ok(())
}

#[tokio::test]
async fn an_operator_whose_istiod_never_starts_or_that_is_away_says_so_or_nothing() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let etcd = Etcd::start(directory.path()).await?;
    let behaving = |behaviour| sail::Options { behaviour, ..sail::Options::default() };
    let (stuck, away) = tokio::try_join!(
        Cluster::start(&etcd, "stuck", Dress::Eks, behaving(Behaviour::NeverReady)),
        Cluster::start(&etcd, "away", Dress::Eks, behaving(Behaviour::Absent)),
    )?;
    for client in [&stuck.admin, &away.admin] {
        apply(client, [namespace("istio-system"), istio("v1.30.3", &json!({}))]).await?;
    }
    state_is(&stuck.admin, &sail::istios(), "IstiodNotReady").await?;
    let istios: Api<DynamicObject> = Api::all_with(away.admin.clone(), &sail::istios());
    let untouched = istios.get("default").await?;
    assert!(untouched.data["status"].is_null() && untouched.metadata.finalizers.is_none());
    Ok(())
}

#[tokio::test]
async fn a_failing_operator_says_why_and_makes_nothing() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let etcd = Etcd::start(directory.path()).await?;
    let failing = sail::Options { behaviour: Behaviour::Failing("no room"), ..sail::Options::default() };
    let cluster = Cluster::start(&etcd, "payments", Dress::Eks, failing).await?;
    apply(&cluster.admin, [namespace("istio-system"), istio("v1.30.3", &json!({}))]).await?;
    refused(&cluster.admin, &sail::istios(), "no room").await?;
    let made = cluster.plane.audit().creator("deployments", "istio-system", "istiod")?;
    assert_eq!(made, None);
    Ok(())
}
