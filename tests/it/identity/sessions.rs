//! Sessions, spoken by hand: what must come first, who stays, and what survives a database that is gone.

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use proto::v1::{
    Accepted, Cluster, DriftReport, Facts, Heartbeat, Hello, ListClustersRequest, RefusalCode,
    clusters_client::ClustersClient, from_hub, from_spoke::Message,
};
use tests::clusters::wait::until;
use tonic::Code;

use super::{
    house::{House, SOON, reason},
    played::{Played, hello},
};

async fn cluster(house: &House, name: &str) -> Result<Cluster> {
    let mut clusters = ClustersClient::new(house.connect(Some(house.admin()?)).await?);
    let listed = clusters.list(ListClustersRequest {}).await?.into_inner().clusters;
    listed.into_iter().find(|cluster| cluster.name == name).context("the cluster is listed")
}

async fn connected(house: &House, expected: bool) -> Result<()> {
    until("the cluster's connection", SOON, || async {
        Ok((cluster(house, "one").await?.connected == expected).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_spoke_counts_as_connected_while_its_session_lasts() -> Result<()> {
    let house = House::open().await?;
    let identity = house.spoke("one").await?;
    ensure!(!cluster(&house, "one").await?.connected);
    let played = Played::attach(&house, identity).await?;
    connected(&house, true).await?;
    assert_eq!(cluster(&house, "one").await?.kubernetes_version, "v1.33.0");
    drop(played);
    connected(&house, false).await?;
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_spoke_that_falls_silent_counts_as_gone() -> Result<()> {
    let house = House::open().await?;
    let mut played = Played::attach_silent(&house, house.spoke("one").await?).await?;
    let status = played.ending().await?;
    assert_eq!(reason(&status), "session.silent");
    connected(&house, false).await?;
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn what_comes_first_must_be_hello_of_a_known_version() -> Result<()> {
    let house = House::open().await?;
    let identity = house.spoke("one").await?;
    let Message::Hello(good) = hello() else { bail!("hello is Hello") };
    let newer = Hello { protocol_version: proto::PROTOCOL_VERSION + 1, ..good };
    for (first, expected) in [
        (Message::Heartbeat(Heartbeat {}), "protocol.broken"),
        (Message::Drift(DriftReport::default()), "protocol.broken"),
        (Message::Hello(newer), "protocol.version"),
    ] {
        let mut played = Played::open(&house, identity.clone()).await?;
        played.say(first).await?;
        let status = played.ending().await?;
        assert_eq!((reason(&status).as_str(), status.code()), (expected, Code::FailedPrecondition));
    }
    ensure!(!cluster(&house, "one").await?.connected, "nothing was stored");
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_message_that_cannot_be_read_ends_the_session_and_names_its_field() -> Result<()> {
    let house = House::open().await?;
    let mut played = Played::attach(&house, house.spoke("one").await?).await?;
    played.say(Message::Accepted(Accepted { target_digest: vec![1; 5], ..Accepted::default() })).await?;
    let status = played.ending().await?;
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("accepted.target_digest"), "{status:?}");
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn what_was_never_offered_cannot_be_accepted_and_five_lies_end_the_session() -> Result<()> {
    let house = House::open().await?;
    let mut played = Played::attach(&house, house.spoke("one").await?).await?;
    let lie = || Message::Accepted(Accepted { epoch: 1, generation: 7, target_digest: vec![7; 32] });
    for _ in 0..5 {
        played.say(lie()).await?;
        let from_hub::Message::Refused(refused) = played.next().await?? else {
            bail!("a lie was not refused")
        };
        assert_eq!((refused.code(), refused.generation), (RefusalCode::Protocol, 7));
    }
    assert_eq!(reason(&played.ending().await?), "protocol.broken");
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_newer_session_of_a_cluster_ends_the_older() -> Result<()> {
    let house = House::open().await?;
    let identity = house.spoke("one").await?;
    let mut older = Played::attach(&house, identity.clone()).await?;
    let _newer = Played::attach(&house, identity).await?;
    assert_eq!(reason(&older.ending().await?), "session.replaced");
    connected(&house, true).await?;
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_cluster_that_joins_anew_ends_the_session_of_its_former_key() -> Result<()> {
    let house = House::open().await?;
    let mut former = Played::attach(&house, house.spoke("one").await?).await?;
    house.spoke("one").await?;
    assert_eq!(reason(&former.ending().await?), "session.replaced");
    house.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_hub_that_stops_says_so_to_its_spokes() -> Result<()> {
    let house = House::open().await?;
    let mut played = Played::attach(&house, house.spoke("one").await?).await?;
    let (status, closed) = tokio::join!(played.ending(), house.close());
    assert_eq!(reason(&status?), "hub.stopping");
    closed?;
    Ok(())
}

#[tokio::test]
async fn with_the_database_gone_calls_say_so_and_sessions_stay() -> Result<()> {
    let house = House::open().await?;
    let mut played = Played::attach(&house, house.spoke("one").await?).await?;
    let mut clusters = ClustersClient::new(house.connect(Some(house.admin()?)).await?);
    // Without this file PostgreSQL cannot start again.
    let data = house.data().join("postgres/data");
    fs::rename(data.join("global/pg_control"), data.join("pg_control.away"))?;
    kill_postgres(&data)?;
    until("a server that does not start", SOON, || async {
        let log = fs::read_to_string(house.data().join("postgres/log"))?;
        Ok(log.contains("pg_control").then_some(()))
    })
    .await?;
    until("a call that says that the database is gone", SOON, || async {
        let status = clusters.clone().list(ListClustersRequest {}).await.err();
        Ok(status.filter(|status| reason(status) == "database.gone" && status.code() == Code::Unavailable))
    })
    .await?;
    let facts = Facts { kubernetes_version: "v1.34.0".to_owned(), ..Facts::default() };
    played.say(Message::Facts(facts)).await?;

    fs::rename(data.join("pg_control.away"), data.join("global/pg_control"))?;
    until("what the spoke said meanwhile", SOON, || async {
        let listed = clusters.clone().list(ListClustersRequest {}).await?.into_inner().clusters;
        Ok(listed.iter().any(|cluster| cluster.kubernetes_version == "v1.34.0").then_some(()))
    })
    .await?;
    // The same session goes on.
    played.say(Message::Accepted(Accepted { epoch: 1, generation: 7, target_digest: vec![7; 32] })).await?;
    ensure!(matches!(played.next().await??, from_hub::Message::Refused(_)));
    clusters.list(ListClustersRequest {}).await?;
    house.close().await?;
    Ok(())
}

/// As the system does when memory is short.
fn kill_postgres(data: &std::path::Path) -> Result<()> {
    let file = fs::read_to_string(data.join("postmaster.pid"))?;
    let pid = file.lines().next().context("a process id")?.parse()?;
    let pid = rustix::process::Pid::from_raw(pid).context("a process id")?;
    Ok(rustix::process::kill_process(pid, rustix::process::Signal::KILL)?)
}
