//! What people do with a running rollout, and the brake on deletions, over the real tables.

use anyhow::{Result, bail};
use hub::app::{
    Error,
    rollouts::{self, Start, Verb},
};
use hub_core::{
    report::Phase,
    rollout::{Blocker, RolloutState, TargetState},
};
use sqlx::Row;

use super::{
    bench::{Bench, parse, waves},
    rollout::{RESPECT, states},
};

/// Audit events of this sort, in their order.
async fn events(bench: &Bench, like: &str) -> Result<Vec<String>> {
    let rows = sqlx::query("select action from audit_event where action like $1 order by id")
        .bind(like)
        .fetch_all(bench.pool())
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn order(bench: &Bench, number: u64, verb: Verb) -> Result<(), Error> {
    rollouts::order(&bench.app, &bench.admin, number, (verb, "the test wants it")).await
}

async fn held(bench: &Bench) -> Result<i64> {
    Ok(sqlx::query("select count(*) from cluster_hold").fetch_one(bench.pool()).await?.get(0))
}

#[tokio::test]
async fn a_held_rollout_starts_nothing_until_it_is_resumed() -> Result<()> {
    let bench = Bench::start().await?;
    let (mut first, mut second) = (bench.cluster("eu-1").await?, bench.cluster("eu-2").await?);
    bench.apply_mesh("[shop]").await?;
    bench.apply(&waves("one-by-one", &["eu-1", "eu-2"])).await?;
    let number = bench.rollout(Some("one-by-one"), RESPECT).await?;
    first.awaits(1).await?;
    order(&bench, number, Verb::Pause).await?;
    order(&bench, number, Verb::Pause).await?;
    first.obey(1).await?;
    let paused =
        bench.until(number, "the first", |stored| states(stored) == ["Succeeded", "Pending"]).await?;
    assert_eq!(paused.rollout.state, RolloutState::Paused);
    assert_eq!((second.target().await?, held(&bench).await?), (None, 2));

    order(&bench, number, Verb::Resume).await?;
    order(&bench, number, Verb::Resume).await?;
    second.obey(1).await?;
    let ended = bench.until_ended(number).await?;
    assert!(matches!(ended.rollout.state, RolloutState::Succeeded { .. }));
    assert_eq!(
        events(&bench, "rollout.%ed").await?,
        [
            "rollout.started",
            "rollout.paused",
            "rollout.target_ended",
            "rollout.wave_opened",
            "rollout.resumed",
            "rollout.target_ended",
            "rollout.succeeded",
        ]
    );
    let refused =
        order(&bench, number, Verb::Pause).await.err().map(|error| (error.reason(), error.to_string()));
    let words = format!("rollout {number} is Succeeded: it cannot be paused any more");
    assert_eq!(refused, Some(("rollout.ended", words)));
    let unknown = order(&bench, 99, Verb::Abort).await;
    assert!(matches!(unknown, Err(Error::RolloutNotFound(99))));
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn an_aborted_rollout_lets_go_of_its_clusters() -> Result<()> {
    let bench = Bench::start().await?;
    let (mut first, second) = (bench.cluster("eu-1").await?, bench.cluster("eu-2").await?);
    bench.apply_mesh("[shop]").await?;
    bench.apply(&waves("one-by-one", &["eu-1", "eu-2"])).await?;
    let number = bench.rollout(Some("one-by-one"), RESPECT).await?;
    let target = first.awaits(1).await?;
    first.accept(&target).await?;
    first.report(&target, Phase::Converging).await?;
    bench.until(number, "convergence", |stored| states(stored) == ["Converging", "Pending"]).await?;
    order(&bench, number, Verb::Abort).await?;
    order(&bench, number, Verb::Abort).await?;
    let ended = bench.until_ended(number).await?;
    assert_eq!(states(&ended), ["Left", "Skipped"]);
    assert_eq!((second.target().await?, held(&bench).await?), (None, 0));
    assert_eq!(events(&bench, "rollout.aborted").await?.len(), 1);
    assert_eq!(events(&bench, "rollout.target_ended").await?.len(), 2);

    let next = bench.rollout(None, RESPECT).await?;
    bench.until(next, "the next rollout", |stored| states(stored)[1] == "Sent").await?;
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn no_more_clusters_are_in_flight_than_the_strategy_allows() -> Result<()> {
    let bench = Bench::start().await?;
    let mut spokes = Vec::new();
    for name in ["eu-1", "eu-2", "eu-3"] {
        spokes.push(bench.cluster(name).await?);
    }
    bench.apply_mesh("[shop]").await?;
    bench
        .apply(
            "apiVersion: meshfleet.dev/v1\nkind: RolloutStrategy\nmetadata: {name: careful}\nspec:\n  maxUnavailable: 1\n  \
             waves: [{name: all, clusters: {matchLabels: {mesh: payments}}}]\n",
        )
        .await?;
    let number = bench.rollout(Some("careful"), RESPECT).await?;
    for spoke in &mut spokes {
        let target = spoke.awaits(1).await?;
        let shown = rollouts::show(&bench.app, number).await?.stored.rollout;
        assert_eq!((shown.max_unavailable, shown.progress().in_flight), (Some(1), 1));
        spoke.accept(&target).await?;
        spoke.report(&target, Phase::Healthy).await?;
    }
    bench.until_ended(number).await?;
    bench.stop().await;
    Ok(())
}

fn start(confirm_deletions: u32) -> Result<Start> {
    let config = parse("payments")?;
    let (version, strategy, traceparent) = (None, None, String::new());
    Ok(Start { config, version, strategy, drift: RESPECT, confirm_deletions, traceparent })
}

#[tokio::test]
async fn many_deletions_are_made_only_if_their_number_is_confirmed() -> Result<()> {
    let bench = Bench::start().await?;
    let mut spoke = bench.cluster("eu-1").await?;
    bench.apply_mesh("[shop]").await?;
    bench.rollout(None, RESPECT).await?;
    spoke.obey(1).await?;
    bench.until_ended(1).await?;
    spoke.report_more((0..25).map(|index| format!("extra-{index}"))).await?;
    bench.apply_changed_mesh().await?;

    let launch = async |confirmed| {
        rollouts::start(&bench.app, &bench.admin, &start(confirmed)?).await.map_err(anyhow::Error::from)
    };
    let refused = launch(0).await.map_err(anyhow::Error::downcast::<Error>);
    let Err(Ok(refused)) = refused else { bail!("it must be refused") };
    let Error::Unconfirmed { total, .. } = &refused else { return Err(refused.into()) };
    assert_eq!(*total, 25);
    let total = 25;
    assert_eq!(refused.to_string(), format!("{total} objects would be deleted"));
    assert!(refused.hint().ends_with(&format!("--confirm-deletions {total}")), "{}", refused.hint());
    assert!(refused.details()[0].ends_with(", and 5 more"), "{:?}", refused.details());
    assert!(
        refused.details()[0].starts_with(&format!("eu-1 loses {total} objects: ")),
        "{:?}",
        refused.details()
    );
    let wrong = launch(total + 1).await.err().map(|error| error.to_string());
    assert_eq!(wrong, Some(format!("{total} objects would be deleted, and {} were confirmed", total + 1)));
    let number = launch(total).await?;
    let target = spoke.obey(2).await?;
    assert_eq!(target.deletions.len(), 25);
    bench.until_ended(number).await?;
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn deletions_that_grew_since_the_start_keep_a_target_from_starting() -> Result<()> {
    let bench = Bench::start().await?;
    let (mut first, mut second) = (bench.cluster("eu-1").await?, bench.cluster("eu-2").await?);
    bench.apply_mesh("[shop]").await?;
    bench.rollout(None, RESPECT).await?;
    first.obey(1).await?;
    second.obey(1).await?;
    bench.until_ended(1).await?;
    bench.apply_changed_mesh().await?;
    bench.apply(&waves("one-by-one", &["eu-1", "eu-2"])).await?;
    let number = bench.rollout(Some("one-by-one"), RESPECT).await?;
    first.awaits(2).await?;
    second.report_more((0..11).map(|index| format!("extra-{index}"))).await?;
    first.obey(2).await?;
    let blocked = |stored: &rollouts::StoredRollout| {
        let state = &stored.rollout.waves[1].targets[0].state;
        matches!(state, TargetState::Blocked { by: Blocker::Deletions, .. })
    };
    bench.until(number, "the target to be blocked", blocked).await?;
    assert_eq!(second.target().await?.map(|(target, _)| target.generation), Some(1));
    bench.stop().await;
    Ok(())
}
