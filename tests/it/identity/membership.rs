//! Clusters as operators see them: invited, shown, detached, and taken back.

use anyhow::{Context, Result, ensure};
use proto::v1::{
    ApplyDocumentsRequest, DetachClusterRequest, EnrolClusterRequest, ListClustersRequest,
    ShowClusterRequest, SourceFile, clusters_client::ClustersClient, documents_client::DocumentsClient,
};
use tonic::{Code, transport::Channel};

use super::{
    house::{House, reason},
    played::Played,
};

async fn clusters(house: &House) -> Result<ClustersClient<Channel>> {
    Ok(ClustersClient::new(house.connect(Some(house.admin()?)).await?))
}

#[tokio::test]
async fn a_cluster_is_shown_with_its_document_and_its_facts() -> Result<()> {
    let house = House::open().await?;
    let text = "apiVersion: meshfleet.dev/v1\nkind: Cluster\nmetadata: {name: one, labels: {env: test}}\n\
                spec: {network: east, variables: {zone: a}}\n";
    let file = SourceFile { name: "one.yaml".to_owned(), text: text.as_bytes().to_vec() };
    let mut documents = DocumentsClient::new(house.connect(Some(house.admin()?)).await?);
    let applied = documents.apply(ApplyDocumentsRequest { files: vec![file] }).await?.into_inner();
    ensure!(applied.mistakes.is_empty(), "{:?}", applied.mistakes);

    let mut clusters = clusters(&house).await?;
    let show = || ShowClusterRequest { name: "one".to_owned() };
    let before = clusters.facts(show()).await?.into_inner();
    ensure!(before.facts.is_none() && before.platform == "unknown");
    let _played = Played::attach(&house, house.spoke("one").await?).await?;
    let shown = clusters.show(show()).await?.into_inner();
    assert_eq!((shown.network.as_str(), shown.spoke_version.as_str()), ("east", "played"));
    assert_eq!(shown.variables.get("zone").map(String::as_str), Some("a"));
    ensure!(shown.document.contains("\"zone\":\"a\"") && !shown.enrolled_at.is_empty(), "{shown:?}");
    let facts = clusters.facts(show()).await?.into_inner();
    assert_eq!(facts.facts.context("facts")?.kubernetes_version, "v1.33.0");
    let missing = clusters.show(ShowClusterRequest { name: "two".to_owned() }).await.unwrap_err();
    assert_eq!((missing.code(), reason(&missing).as_str()), (Code::NotFound, "cluster.not_found"));
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_detached_cluster_stays_listed_and_can_be_enrolled_again() -> Result<()> {
    let house = House::open().await?;
    let mut played = Played::attach(&house, house.spoke("one").await?).await?;
    let token = house.token("one").await?;
    let mut clusters = clusters(&house).await?;
    let detach = || DetachClusterRequest { name: "one".to_owned() };
    ensure!(!clusters.detach(detach()).await?.into_inner().unchanged);
    assert_eq!(reason(&played.ending().await?), "cluster.detached");
    let state = |clusters: Vec<proto::v1::Cluster>| clusters.first().map(|cluster| cluster.state.clone());
    let listed = clusters.list(ListClustersRequest {}).await?.into_inner().clusters;
    assert_eq!(state(listed).as_deref(), Some("Detached"));
    let key = rcgen::KeyPair::generate()?;
    let refused = house.enrol(&token, &key).await?.expect_err("its open tokens went too");
    assert_eq!(reason(&refused), "token.revoked");

    let _played = Played::attach(&house, house.spoke("one").await?).await?;
    let listed = clusters.list(ListClustersRequest {}).await?.into_inner().clusters;
    assert_eq!(state(listed).as_deref(), Some("Active"));
    let missing = clusters.detach(DetachClusterRequest { name: "two".to_owned() }).await.unwrap_err();
    assert_eq!(reason(&missing), "cluster.not_found");
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn an_invitation_says_whether_a_spoke_is_attached_and_lives_for_a_day_at_most() -> Result<()> {
    let house = House::open().await?;
    let mut clusters = clusters(&house).await?;
    let enrol = |token_ttl_s| EnrolClusterRequest {
        name: "one".to_owned(),
        token_ttl_s,
        replace: true,
        ..Default::default()
    };
    ensure!(!clusters.enrol(enrol(0)).await?.into_inner().connected);
    let _played = Played::attach(&house, house.spoke("one").await?).await?;
    ensure!(clusters.enrol(enrol(0)).await?.into_inner().connected);
    let meek = EnrolClusterRequest { replace: false, ..enrol(0) };
    let refused = clusters.enrol(meek.clone()).await.unwrap_err();
    assert_eq!(reason(&refused), "cluster.active");
    let problem = <proto::v1::Problem as prost::Message>::decode(refused.details())?;
    ensure!(problem.hint.contains("meshfleet cluster enrol one --replace"), "{problem:?}");
    clusters.enrol(EnrolClusterRequest { name: "two".to_owned(), ..meek }).await?;
    clusters.enrol(enrol(86_400)).await?;
    let refused = clusters.enrol(enrol(86_401)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "token.ttl"));
    house.close().await?;
    Ok(())
}
