//! What two hubs or two callers do at once, and rows that cannot be read: neither may spoil anything for others.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use hub::{
    app::{
        App, Error,
        clusters::{self, NewToken, RedeemError},
        documents,
        error::StartRefusal,
        reports::Saved,
        rollouts::{self, Start},
        status,
    },
    store::{self, cluster_plans::PlannedCluster},
};
use hub_core::{
    digest::Digest,
    document::Source,
    fleet::keys::Life,
    report::Phase,
    rollout::{RolloutState, TargetState},
    status::{Planned, Truth},
};
use sqlx::{Row, postgres::PgPoolOptions};
use tests::clusters::wait::until;
use uuid::Uuid;

use super::{
    bench::{Bench, cluster_document, parse},
    rollout::RESPECT,
};

const SOON: Duration = Duration::from_secs(30);

/// Waits until a transaction waits for another one's lock.
pub async fn until_somebody_waits(bench: &Bench) -> Result<()> {
    let look = || async {
        let row =
            sqlx::query("select count(*) from pg_locks where not granted").fetch_one(bench.pool()).await?;
        Ok((row.get::<i64, _>(0) > 0).then_some(()))
    };
    until("a transaction that waits", SOON, look).await
}

#[tokio::test]
async fn a_report_does_not_overtake_a_newer_one_that_another_hub_is_storing() -> Result<()> {
    let bench = Bench::start().await?;
    let mut spoke = bench.cluster("eu-1").await?;
    bench.apply_mesh("[shop]").await?;
    bench.rollout(None, RESPECT).await?;
    let older = spoke.awaits(1).await?;
    sqlx::query("update target set generation = 2").execute(bench.pool()).await?;

    let mut other_hub = bench.pool().begin().await?;
    sqlx::query("select from cluster where id = $1 for no key update")
        .bind(spoke.id.0)
        .execute(&mut *other_hub)
        .await?;
    sqlx::query(
        "insert into report (cluster_id, generation, target, phase, message, completed, digest, reported_at)
         values ($1, 2, sha256('2'), 'Healthy', '', 2, sha256('2'), now())",
    )
    .bind(spoke.id.0)
    .execute(&mut *other_hub)
    .await?;
    let late = tokio::spawn(async move { spoke.report(&older, Phase::Applying).await });
    until_somebody_waits(&bench).await?;
    other_hub.commit().await?;
    assert_eq!(late.await??, Saved::Stale);
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_rollout_that_another_was_quicker_than_names_the_clusters_that_it_lost() -> Result<()> {
    let bench = Bench::idle().await?;
    for name in ["eu-1", "eu-2"] {
        bench.cluster(name).await?;
    }
    bench.apply_mesh("[shop]").await?;
    let mut quicker = bench.pool().begin().await?;
    let number: i64 = sqlx::query(
        "with r as (
            insert into rollout (config, version, strategy_spec, overwrite_drift, state, started_by, started_at)
            values ('payments', 1, '{}', false, 'Running', $1, now()) returning number)
         insert into cluster_hold (cluster_id, rollout, held_at)
         select c.id, r.number, now() from r, cluster c where c.name = 'eu-2' returning rollout",
    )
    .bind(bench.admin.id)
    .fetch_one(&mut *quicker)
    .await?
    .get(0);
    let (app, admin) = (bench.app.clone(), bench.admin.clone());
    let start = Start {
        config: parse("payments")?,
        version: None,
        strategy: None,
        drift: RESPECT,
        confirm_deletions: 0,
        traceparent: String::new(),
    };
    let slower = tokio::spawn(async move { rollouts::start(&app, &admin, &start).await });
    until_somebody_waits(&bench).await?;
    quicker.commit().await?;
    let Err(Error::RolloutRefused { refusals, .. }) = slower.await? else { bail!("it must be refused") };
    let held = StartRefusal::Held { cluster: parse("eu-2")?, rollout: number.unsigned_abs() };
    assert_eq!(refusals, [held]);
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn documents_in_any_order_do_not_lock_each_other_out() -> Result<()> {
    let bench = Bench::idle().await?;
    let documents = |label: &str| {
        let text = format!("{}---\n{}", cluster_document("eu-2"), cluster_document("eu-1"));
        text.replace("payments", label)
    };
    bench.apply(&documents("payments")).await?;
    let lock = "select from cluster where name = $1 for update";
    let mut other = bench.pool().begin().await?;
    sqlx::query(lock).bind("eu-1").execute(&mut *other).await?;
    let (app, admin) = (bench.app.clone(), bench.admin.clone());
    let source = Source { name: "test.yaml".to_owned(), text: documents("orders").into_bytes() };
    let applied = tokio::spawn(async move { documents::apply(&app, &admin, &[source]).await });
    until_somebody_waits(&bench).await?;
    sqlx::query(lock).bind("eu-2").execute(&mut *other).await?;
    other.commit().await?;
    let documents::Applied::Stored(stored) = applied.await?? else { bail!("mistakes") };
    let names: Vec<&str> = stored.iter().map(|document| document.name.as_str()).collect();
    assert_eq!(names, ["eu-2", "eu-1"], "the answer keeps the order of the files");
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_bad_token_costs_one_connection() -> Result<()> {
    let bench = Bench::idle().await?;
    let options = bench.pool().connect_options();
    let only_one = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(3))
        .connect_with((*options).clone())
        .await?;
    let app = App::new(only_one, bench.clock.clone());
    let refused =
        clusters::redeem(&app, Uuid::nil(), Digest::of(b"secret"), (Digest::of(b"key"), Life::first([1; 8])))
            .await;
    assert!(matches!(refused, Err(RedeemError::Unknown)), "{refused:?}");
    app.pool.close().await;
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_cluster_that_cannot_be_read_hides_no_other() -> Result<()> {
    let bench = Bench::start().await?;
    bench.cluster("eu-1").await?;
    let mut good = bench.cluster("eu-2").await?;
    sqlx::query(r#"update cluster set labels = '{"mesh": 1}' where name = 'eu-1'"#)
        .execute(bench.pool())
        .await?;
    bench.apply_mesh("[shop]").await?;
    let planned = || async {
        let fleet = status::show(&bench.app, None).await?;
        let [only] = &fleet[..] else { bail!("{fleet:?}") };
        Ok((only.cluster.as_str() == "eu-2" && only.conditions[1].status == Truth::True).then_some(()))
    };
    until("a plan for the cluster that can be read", SOON, planned).await?;
    assert_eq!(clusters::list(&bench.app).await?.len(), 1);
    assert!(
        status::show(&bench.app, Some(&parse("eu-1")?)).await.is_err(),
        "asked for by name it is an error"
    );
    let number = bench.rollout(None, RESPECT).await?;
    good.obey(1).await?;
    let ended = bench.until_ended(number).await?;
    assert!(matches!(ended.rollout.state, RolloutState::Succeeded { .. }));
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_cluster_of_a_rollout_that_cannot_be_read_runs_out_of_time_alone() -> Result<()> {
    let bench = Bench::start().await?;
    let (bad, mut good) = (bench.cluster("eu-1").await?, bench.cluster("eu-2").await?);
    bench.apply_mesh("[shop]").await?;
    let number = bench.rollout(None, RESPECT).await?;
    bad.awaits(1).await?;
    sqlx::query(
        "insert into refusal (cluster_id, generation, code, message, seen_at)
         values ($1, 1, 'OfANewerHub', '', now())",
    )
    .bind(bad.id.0)
    .execute(bench.pool())
    .await?;
    good.obey(1).await?;
    let is_done = |stored: &rollouts::StoredRollout| {
        stored.rollout.targets().any(|target| matches!(target.state, TargetState::Succeeded { .. }))
    };
    bench.until(number, "the success of the other", is_done).await?;
    bench.clock.advance(24 * 60 * 60);
    let ended = bench.until_ended(number).await?;
    let first = ended.rollout.targets().next().context("a target")?;
    assert!(matches!(first.state, TargetState::TimedOut { .. }), "{:?}", first.state);
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_plan_that_another_hub_stored_from_the_same_inputs_is_not_written_again() -> Result<()> {
    let bench = Bench::idle().await?;
    let spoke = bench.cluster("eu-1").await?;
    let inputs = Digest::of(b"inputs");
    for _ in 0..2 {
        let mut tx = store::begin(bench.pool()).await?;
        let now = hub::clock::Clock::now(&*bench.clock);
        let planned = PlannedCluster { cluster: spoke.id, inputs, planned: Planned::Unassigned };
        store::cluster_plans::save(&mut tx, &[planned], now).await?;
        store::commit(tx).await?;
        bench.clock.advance(1);
    }
    let row = sqlx::query("select extract(epoch from computed_at)::bigint from cluster_plan");
    let computed: i64 = row.fetch_one(bench.pool()).await?.get(0);
    assert_eq!(computed, 1_800_000_000);
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_spoke_with_a_former_key_gets_no_session() -> Result<()> {
    let bench = Bench::idle().await?;
    let spoke = bench.cluster("eu-1").await?;
    let token = NewToken {
        id: Uuid::now_v7(),
        secret_hash: Digest::of(b"secret"),
        ttl_s: 60,
        present: clusters::Present::Replace,
    };
    clusters::issue_token(&bench.app, &bench.admin, &parse("eu-1")?, token).await?;
    clusters::redeem(
        &bench.app,
        token.id,
        token.secret_hash,
        (Digest::of(b"a new key"), Life::first([2; 8])),
    )
    .await?;
    let refused = spoke.attach(None).await.err().context("it must be refused")?;
    assert!(matches!(refused.downcast_ref::<Error>(), Some(Error::KeyReplaced(_))), "{refused:?}");
    bench.stop().await;
    Ok(())
}
