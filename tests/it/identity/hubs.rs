//! Two hubs on one database: what one of them does holds for the sessions of the other.

use anyhow::{Result, ensure};
use proto::v1::{DetachClusterRequest, clusters_client::ClustersClient};
use rcgen::KeyPair;
use tonic::transport::Identity;

use super::{
    house::{Pair, reason},
    played::Played,
    probes::{Mesh, foreign},
};

#[tokio::test]
async fn a_newer_session_ends_the_older_also_on_another_hub() -> Result<()> {
    let pair = Pair::open().await?;
    let identity = pair.one.spoke("one").await?;
    let mut older = Played::attach(&pair.one, identity.clone()).await?;
    let mut newer = Played::attach(&pair.other, identity.clone()).await?;
    assert_eq!(reason(&older.ending().await?), "session.replaced");
    let _newest = Played::attach(&pair.one, identity).await?;
    assert_eq!(reason(&newer.ending().await?), "session.replaced");
    pair.close().await
}

#[tokio::test]
async fn a_cluster_that_is_enrolled_anew_or_detached_loses_its_session_on_another_hub() -> Result<()> {
    let pair = Pair::open().await?;
    let former = pair.one.spoke("one").await?;
    let mut played = Played::attach(&pair.other, former.clone()).await?;
    let key = KeyPair::generate()?;
    let joined = pair.one.enrol(&pair.one.token("one").await?, &key).await??;
    assert_eq!(reason(&played.ending().await?), "session.key_replaced");

    let present = Identity::from_pem(joined.certificate, key.serialize_pem());
    let mut played = Played::attach(&pair.other, present.clone()).await?;
    let mut clusters = ClustersClient::new(pair.one.connect(Some(pair.one.admin()?)).await?);
    let detach = DetachClusterRequest { name: "one".to_owned() };
    ensure!(!clusters.detach(detach.clone()).await?.into_inner().unchanged);
    ensure!(clusters.detach(detach).await?.into_inner().unchanged, "detached once");
    let status = played.ending().await?;
    assert_eq!(reason(&status), "cluster.detached", "{status:?}");
    let refused = Played::attach(&pair.other, present).await.err();
    let refused = refused.and_then(|error| error.downcast::<tonic::Status>().ok());
    assert_eq!(refused.map(|status| reason(&status)), Some("cluster.detached".to_owned()));
    pair.close().await
}

#[tokio::test]
async fn a_question_reaches_a_spoke_that_is_attached_to_another_hub() -> Result<()> {
    let pair = Pair::open().await?;
    let mesh = Mesh::apply(&pair.one, "Never", &["one"]).await?;
    let mut played = mesh.attach(&pair.other, "one").await?;
    let (plan, probe) = tokio::join!(mesh.plan(&pair.one, "one"), played.answer_probe(|_| foreign(&[])));
    let (plan, probe) = (plan?, probe?);
    ensure!(!probe.objects.is_empty());
    ensure!(plan.probed, "{}", plan.not_probed);
    pair.close().await
}
