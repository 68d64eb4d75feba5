//! What Google's, Microsoft's and today's Red Hat clusters show.

use anyhow::Result;
use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::{Api, Client};
use tests::clusters::{ControlPlane, Etcd, Options, dress};

use super::{get, groups, kind, nodes_with_label};

async fn nodes(client: &Client) -> Result<Vec<Node>> {
    Ok(Api::<Node>::all(client.clone()).list(&ListParams::default()).await?.items)
}

fn provider_ids_begin_with(nodes: &[Node], prefix: &str) -> bool {
    nodes.iter().all(|node| {
        let id = node.spec.as_ref().and_then(|spec| spec.provider_id.as_ref());
        id.is_some_and(|id| id.starts_with(prefix))
    })
}

#[tokio::test]
async fn gke_aks_and_rosa_with_a_hosted_control_plane_show_themselves() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let etcd = Etcd::start(directory.path()).await?;
    let marked = Options { version_suffix: dress::GKE_SUFFIX, ..Options::default() };
    let (gke, aks, rosa) = tokio::try_join!(
        ControlPlane::start(&etcd, "gke", marked),
        ControlPlane::start(&etcd, "aks", Options::default()),
        ControlPlane::start(&etcd, "rosa", Options::default()),
    )?;
    let (on_gke, on_aks, on_rosa) =
        (gke.admin_client().await?, aks.admin_client().await?, rosa.admin_client().await?);
    tokio::try_join!(dress::gke(&on_gke), dress::aks(&on_aks), dress::rosa_hcp(&on_rosa, "4.20.5"))?;

    assert_eq!(nodes_with_label(&on_gke, "cloud.google.com/gke-nodepool").await?, 3);
    assert!(groups(&on_gke).await?.contains(&"networking.gke.io".to_owned()));
    assert!(provider_ids_begin_with(&nodes(&on_gke).await?, "gce://"));
    let version = on_gke.apiserver_version().await?.git_version;
    // Given binaries cannot be marked; our own build is.
    let given = etcd.has_given_binaries();
    assert!(given || version.contains("-gke."), "{version}");

    assert_eq!(nodes_with_label(&on_aks, "kubernetes.azure.com/cluster").await?, 3);
    assert!(provider_ids_begin_with(&nodes(&on_aks).await?, "azure:///"));
    assert!(!on_aks.apiserver_version().await?.git_version.contains("-gke."));

    let infrastructure =
        get(&on_rosa, &kind("config.openshift.io", "v1", "Infrastructure"), "cluster").await?;
    assert_eq!(infrastructure["status"]["controlPlaneTopology"], "External");
    assert_eq!(nodes_with_label(&on_rosa, "hypershift.openshift.io/nodePool").await?, 3);
    assert_eq!(nodes_with_label(&on_rosa, "node-role.kubernetes.io/master").await?, 0);
    assert!(!groups(&on_rosa).await?.iter().any(|group| group.starts_with("machineconfiguration")));
    get(&on_rosa, &kind("config.openshift.io", "v1", "APIServer"), "cluster").await?;
    get(&on_rosa, &kind("operator.openshift.io", "v1", "OpenShiftAPIServer"), "cluster").await?;
    Ok(())
}
