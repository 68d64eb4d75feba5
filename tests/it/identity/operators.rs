//! What operators are told over the wire of documents and configs.

use anyhow::{Context, Result, ensure};
use prost::Message;
use proto::v1::{
    ApplyDocumentsRequest, ConfigHistoryRequest, DeleteDocumentsRequest, DiffConfigRequest, DocumentName,
    DocumentSchemaRequest, GetDocumentsRequest, ListConfigsRequest, Problem, RolloutVerbRequest,
    ShowConfigRequest, SourceFile, UnassignRequest, configs_client::ConfigsClient,
    documents_client::DocumentsClient, rollouts_client::RolloutsClient,
};
use tonic::{Code, Status};

use super::house::House;

const TEXT: &str = "apiVersion: meshfleet.dev/v1
kind: Cluster
metadata: {name: eu-1, labels: {mesh: payments}}
---
apiVersion: meshfleet.dev/v1
kind: MeshConfig
metadata: {name: payments}
spec:
  clusters: {matchLabels: {mesh: payments}}
  base:
    mesh: {id: payments}
    istio: {version: 1.17.8}
    installer: {kind: calisti}
    dataPlane: {namespaces: {names: [shop]}}
  layers:
    - name: newer
      clusters: {names: [eu-1]}
      set: {istio: {version: 1.17.9}}
";

fn files(text: &str) -> ApplyDocumentsRequest {
    let file = SourceFile { name: "mesh.yaml".to_owned(), text: text.as_bytes().to_vec() };
    ApplyDocumentsRequest { files: vec![file] }
}

fn problem(status: &Status) -> Result<Problem> {
    Problem::decode(status.details()).context("a problem")
}

#[tokio::test]
async fn documents_and_configs_are_told_over_the_wire() -> Result<()> {
    let house = House::open().await?;
    let channel = house.connect(Some(house.admin()?)).await?;
    let mut documents = DocumentsClient::new(channel.clone());
    let mut configs = ConfigsClient::new(channel.clone());
    documents.apply(files(TEXT)).await?;

    let diff = documents.diff(files(&TEXT.replace("1.17.8", "1.17.7"))).await?.into_inner();
    let told: Vec<_> = diff.diffs.iter().map(|diff| (diff.kind.as_str(), diff.result.as_str())).collect();
    assert_eq!(told, [("Cluster", "unchanged"), ("MeshConfig", "configured")]);
    let change = &diff.diffs[1].changes[0];
    assert_eq!((change.path.as_str(), change.new.as_str()), ("spec.base.istio.version", "\"1.17.7\""));
    documents.apply(files(&TEXT.replace("1.17.8", "1.17.7"))).await?;

    let request = GetDocumentsRequest { kind: "MeshConfig".to_owned(), name: String::new() };
    let got = documents.get(request).await?.into_inner().documents;
    assert_eq!((got.len(), got[0].version, got[0].changed_by.as_str()), (1, 2, "admin"));
    let request = DocumentSchemaRequest { kind: "RolloutStrategy".to_owned() };
    assert!(documents.schema(request).await?.into_inner().schema.contains("maxUnavailable"));
    let request = DocumentSchemaRequest { kind: "Mesh".to_owned() };
    let unknown = documents.schema(request).await.err().context("a refusal")?;
    ensure!(
        unknown.code() == Code::InvalidArgument && unknown.message().contains("RolloutStrategy"),
        "{unknown}"
    );

    let listed = configs.list(ListConfigsRequest {}).await?.into_inner().configs;
    assert_eq!((listed[0].newest_version, &listed[0].selects), (2, &vec!["eu-1".to_owned()]));
    let history = configs.history(ConfigHistoryRequest { name: "payments".to_owned() }).await?.into_inner();
    let changes: Vec<_> = history.versions.iter().map(|one| (one.version, one.changes > 0)).collect();
    assert_eq!(changes, [(2, true), (1, true)]);
    let request = DiffConfigRequest { name: "payments".to_owned(), from: 1, to: 0 };
    assert_eq!(configs.diff(request).await?.into_inner().to, 2);
    let request = ShowConfigRequest { name: "payments".to_owned(), version: 0, cluster: "eu-1".to_owned() };
    let shown = configs.show(request).await?.into_inner();
    let version = shown.leaves.iter().find(|leaf| leaf.path == "istio.version").context("the version")?;
    assert_eq!(
        (version.value.as_str(), version.layer.as_str(), version.file.as_str(), version.line),
        ("\"1.17.9\"", "newer", "mesh.yaml", 18)
    );
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn refusals_say_why_and_what_to_do_over_the_wire() -> Result<()> {
    let house = House::open().await?;
    let channel = house.connect(Some(house.admin()?)).await?;
    let mut documents = DocumentsClient::new(channel.clone());
    documents.apply(files(TEXT)).await?;

    let wanted = UnassignRequest { clusters: vec!["eu-1".to_owned()], confirm_deletions: 0, preview: true };
    let refused = ConfigsClient::new(channel.clone()).unassign(wanted).await.err().context("a refusal")?;
    let told = problem(&refused)?;
    ensure!(told.details.iter().any(|one| one.contains("selected by mesh config payments")), "{told:?}");
    let number = RolloutVerbRequest { number: 7, reason: String::new() };
    let refused = RolloutsClient::new(channel).pause(number).await.err().context("a refusal")?;
    assert_eq!((refused.code(), problem(&refused)?.reason.as_str()), (Code::NotFound, "rollout.not_found"));

    house.spoke("eu-1").await?;
    let named = |kind: &str, name: &str| DocumentName { kind: kind.to_owned(), name: name.to_owned() };
    let names = vec![named("Cluster", "eu-1"), named("MeshConfig", "payments")];
    let request = DeleteDocumentsRequest { documents: names, files: Vec::new() };
    let refused = documents.delete(request).await.err().context("a refusal")?;
    let told = problem(&refused)?;
    assert_eq!(told.message, "nothing was deleted: cluster eu-1 is active");
    assert!(told.hint.contains("meshfleet cluster detach eu-1"), "{told:?}");
    let request = GetDocumentsRequest { kind: String::new(), name: String::new() };
    assert_eq!(documents.get(request).await?.into_inner().documents.len(), 2, "all or none");

    let request = DeleteDocumentsRequest { documents: vec![named("Cluster", "a"); 5_001], files: Vec::new() };
    let refused = documents.delete(request).await.err().context("a refusal")?;
    assert!(refused.message().contains("5001 names, at most 5000 are taken"), "{refused:?}");
    for name in ["x".repeat(4_097), "a\u{1b}[2J.yaml".to_owned()] {
        let file = SourceFile { name, text: Vec::new() };
        let refused = documents.apply(ApplyDocumentsRequest { files: vec![file] }).await.err();
        assert!(refused.context("a refusal")?.message().starts_with("files.name: "));
    }
    house.close().await?;
    Ok(())
}
