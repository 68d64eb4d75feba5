//! Clusters that leave the fleet while something is done with them.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, bail};
use hub::app::{
    Error, clusters, documents,
    error::StartRefusal,
    rollouts::{self, Start},
    status,
    unassign::{self, Unassign},
};
use hub_core::{
    document::Kind,
    status::{Reason, Truth},
};
use sqlx::{Postgres, Row, Transaction};
use tests::clusters::wait::until;

use super::{
    bench::{Bench, cluster_document, mesh, parse},
    races::until_somebody_waits,
    rollout::{RESPECT, refusals},
};

const SOON: Duration = Duration::from_secs(30);

/// Another hub that has ended a cluster's membership and has not committed that yet.
async fn detaching(bench: &Bench, cluster: &str) -> Result<Transaction<'static, Postgres>> {
    let mut other_hub = bench.pool().begin().await?;
    for statement in [
        "select from cluster where name = $1 for update",
        "update cluster set state = 'Detached', public_key_hash = null, detached_at = now() where name = $1",
        "delete from cluster_plan p using cluster c where c.id = p.cluster_id and c.name = $1",
    ] {
        sqlx::query(statement).bind(cluster).execute(&mut *other_hub).await?;
    }
    Ok(other_hub)
}

async fn until_planned(bench: &Bench, cluster: &str, version: i64) -> Result<()> {
    let look = || async {
        let query =
            "select p.version from cluster_plan p join cluster c on c.id = p.cluster_id where c.name = $1";
        let row = sqlx::query(query).bind(cluster).fetch_optional(bench.pool()).await?;
        let planned: Option<i64> = row.and_then(|row| row.get(0));
        Ok((planned == Some(version)).then_some(()))
    };
    until("a plan", SOON, look).await
}

#[tokio::test]
async fn nothing_is_planned_for_a_cluster_that_is_detached_meanwhile() -> Result<()> {
    let bench = Bench::start().await?;
    for name in ["eu-1", "eu-2"] {
        bench.cluster(name).await?;
    }
    bench.apply_mesh("[shop]").await?;
    until_planned(&bench, "eu-1", 1).await?;
    until_planned(&bench, "eu-2", 1).await?;
    let other_hub = detaching(&bench, "eu-1").await?;
    bench.apply_changed_mesh().await?;
    until_somebody_waits(&bench).await?;
    other_hub.commit().await?;
    until_planned(&bench, "eu-2", 2).await?;
    let plans: i64 = sqlx::query("select count(*) from cluster_plan").fetch_one(bench.pool()).await?.get(0);
    assert_eq!(plans, 1, "only that of eu-2");

    let shown = status::show(&bench.app, Some(&parse("eu-1")?)).await?.remove(0);
    let planned = &shown.conditions[1];
    assert_eq!((planned.status, planned.reason), (Truth::False, Reason::Detached));
    assert!(planned.hint.contains("meshfleet cluster enrol eu-1"), "{}", planned.hint);
    bench.stop().await;
    Ok(())
}

fn start() -> Result<Start> {
    Ok(Start {
        config: parse("payments")?,
        version: None,
        strategy: None,
        drift: RESPECT,
        confirm_deletions: 0,
        traceparent: String::new(),
    })
}

#[tokio::test]
async fn a_rollout_does_not_take_a_cluster_that_is_detached_or_forgotten_meanwhile() -> Result<()> {
    let bench = Bench::idle().await?;
    for name in ["eu-1", "eu-2"] {
        bench.cluster(name).await?;
    }
    bench.apply_mesh("[shop]").await?;
    let mut other_hub = detaching(&bench, "eu-1").await?;
    sqlx::query("delete from enrolment_token").execute(&mut *other_hub).await?;
    sqlx::query("delete from cluster where name = 'eu-2'").execute(&mut *other_hub).await?;
    let (app, admin, start) = (bench.app.clone(), bench.admin.clone(), start()?);
    let started = tokio::spawn(async move { rollouts::start(&app, &admin, &start).await });
    until_somebody_waits(&bench).await?;
    other_hub.commit().await?;
    let Err(Error::RolloutRefused { refusals, .. }) = started.await? else { bail!("it must be refused") };
    let gone = [
        StartRefusal::Detached { cluster: parse("eu-1")? },
        StartRefusal::NotFound { cluster: parse("eu-2")? },
    ];
    assert_eq!(refusals, gone);
    let stored: i64 = sqlx::query("select count(*) from rollout").fetch_one(bench.pool()).await?.get(0);
    assert_eq!(stored, 0);
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn everything_against_a_removal_is_said_at_once() -> Result<()> {
    let bench = Bench::start().await?;
    let mut held = bench.cluster("held").await?;
    bench.apply_mesh("[shop]").await?;
    let number = bench.rollout(None, RESPECT).await?;
    held.obey(1).await?;
    bench.until_ended(number).await?;
    bench.cluster("left").await?;
    bench.apply(&cluster_document("new")).await?;
    clusters::detach(&bench.app, &bench.admin, &parse("left")?).await?;
    let unselected = |name: &str| cluster_document(name).replace("{mesh: payments}", "{mesh: none}");
    bench.apply(&unselected("new")).await?;
    // Its removal has begun, and a config that takes it back is there too.
    bench.clock.advance(60);
    bench.apply(&unselected("held")).await?;
    let remove = |clusters: &[&str], confirm_deletions| -> Result<Unassign> {
        let clusters = clusters.iter().map(|name| parse(name)).collect::<Result<BTreeSet<_>>>()?;
        Ok(Unassign { clusters, confirm_deletions, traceparent: String::new() })
    };
    let losses = unassign::preview(&bench.app, &BTreeSet::from([parse("held")?])).await?.remove(0).deletes;
    let (number, _) =
        unassign::start(&bench.app, &bench.admin, &remove(&["held"], u32::try_from(losses.len())?)?).await?;
    bench.apply(&mesh("rival", "[shop]").replace("{mesh: payments}", "{mesh: none}")).await?;

    let all = remove(&["unknown", "held", "left", "new"], 0)?;
    let refused = unassign::start(&bench.app, &bench.admin, &all).await.map_err(anyhow::Error::from);
    let selected = |cluster: &str| -> Result<StartRefusal> {
        Ok(StartRefusal::Selected { cluster: parse(cluster)?, config: parse("rival")? })
    };
    let expected = vec![
        selected("held")?,
        StartRefusal::Held { cluster: parse("held")?, rollout: number },
        StartRefusal::Detached { cluster: parse("left")? },
        selected("new")?,
        StartRefusal::NothingToRemove { cluster: parse("new")? },
        StartRefusal::NotFound { cluster: parse("unknown")? },
    ];
    assert_eq!(refusals(refused)?, expected);
    let previewed = unassign::preview(&bench.app, &all.clusters).await.map_err(anyhow::Error::from);
    assert_eq!(refusals(previewed)?, expected);
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn documents_that_are_forgotten_do_not_lock_a_rollout_out() -> Result<()> {
    let bench = Bench::idle().await?;
    bench.apply(&cluster_document("eu-1")).await?;
    bench.apply_mesh("[shop]").await?;
    // A rollout holds its config first, then its clusters.
    let mut start = bench.pool().begin().await?;
    sqlx::query("select from mesh_config where name = 'payments' for key share").execute(&mut *start).await?;
    let (app, admin) = (bench.app.clone(), bench.admin.clone());
    let all = [(Kind::Cluster, parse("eu-1")?), (Kind::MeshConfig, parse("payments")?)];
    let forgotten = tokio::spawn(async move { documents::delete(&app, &admin, &all).await });
    until_somebody_waits(&bench).await?;
    let lock = "select from cluster where name = 'eu-1' for key share";
    sqlx::query(lock).execute(&mut *start).await.context("the rollout goes first")?;
    start.commit().await?;
    assert_eq!(forgotten.await??.len(), 2);
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_config_can_be_forgotten_once_only_detached_clusters_have_its_mesh() -> Result<()> {
    let bench = Bench::start().await?;
    let mut spoke = bench.cluster("eu-1").await?;
    bench.apply_mesh("[shop]").await?;
    let number = bench.rollout(None, RESPECT).await?;
    spoke.obey(1).await?;
    bench.until_ended(number).await?;
    clusters::detach(&bench.app, &bench.admin, &parse("eu-1")?).await?;
    let config = [(Kind::MeshConfig, parse("payments")?)];
    assert_eq!(documents::delete(&bench.app, &bench.admin, &config).await?.len(), 1);
    bench.stop().await;
    Ok(())
}
