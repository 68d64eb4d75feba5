//! Rollouts from start to end, over the real tables.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use hub::{
    app::{
        Error, Kind,
        error::StartRefusal,
        reports,
        rollouts::{DriftChoice, StoredRollout},
    },
    store,
};
use hub_core::{
    config::Adopt,
    digest::Digest,
    report::{Fence, Phase, Refusal, RefusalCode},
    rollout::{Blocker, RolloutState, TargetState},
    target::Target,
};
use jiff::Timestamp;
use sqlx::Row;

use super::{
    bench::{Bench, cluster_document, mesh, parse, waves},
    item,
};

pub const RESPECT: DriftChoice = DriftChoice::Respect;

pub fn states(stored: &StoredRollout) -> Vec<&'static str> {
    stored.rollout.targets().map(|target| target.state.name()).collect()
}

/// The refusals of a rollout that must not start.
pub fn refusals<T>(result: Result<T>) -> Result<Vec<StartRefusal>> {
    match result {
        Ok(_) => bail!("it was started"),
        Err(error) => match error.downcast::<Error>()? {
            Error::RolloutRefused { refusals, .. } => Ok(refusals),
            other => Err(other.into()),
        },
    }
}

#[tokio::test]
async fn waves_go_one_after_the_other() -> Result<()> {
    let bench = Bench::start().await?;
    let (mut first, mut second) = (bench.cluster("eu-1").await?, bench.cluster("eu-2").await?);
    bench.apply_mesh("[shop]").await?;
    bench.apply(&waves("one-by-one", &["eu-1", "eu-2"])).await?;
    let number = bench.rollout(Some("one-by-one"), RESPECT).await?;

    let target = first.awaits(1).await?;
    first.accept(&target).await?;
    first.report(&target, Phase::Converging).await?;
    bench.until(number, "convergence", |stored| states(stored) == ["Converging", "Pending"]).await?;
    assert_eq!(second.target().await?, None);
    first.report(&target, Phase::Healthy).await?;
    second.obey(1).await?;
    let ended = bench.until_ended(number).await?;
    assert_eq!(states(&ended), ["Succeeded", "Succeeded"]);
    assert!(matches!(ended.rollout.state, RolloutState::Succeeded { .. }));

    let held: i64 = sqlx::query("select count(*) from cluster_hold").fetch_one(bench.pool()).await?.get(0);
    assert_eq!(held, 0, "nothing is held after the end");
    let actions = sqlx::query(
        "select action from audit_event where action like 'rollout.%' or action like 'target.%' order by id",
    )
    .fetch_all(bench.pool())
    .await?;
    let actions: Vec<String> = actions.iter().map(|row| row.get(0)).collect();
    assert_eq!(
        actions,
        [
            "rollout.started",
            "target.set",
            "rollout.target_ended",
            "rollout.wave_opened",
            "target.set",
            "rollout.target_ended",
            "rollout.succeeded",
        ]
    );
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_plan_that_runs_already_is_not_sent_again_unless_drift_is_to_be_overwritten() -> Result<()> {
    let bench = Bench::start().await?;
    let mut spoke = bench.cluster("eu-1").await?;
    bench.apply_mesh("[shop]").await?;
    bench.rollout(None, RESPECT).await?;
    let first = spoke.obey(1).await?;
    bench.until_ended(1).await?;

    let again = bench.rollout(None, RESPECT).await?;
    let ended = bench.until_ended(again).await?;
    assert!(matches!(ended.rollout.waves[0].targets[0].state, TargetState::Succeeded { delivery: None, .. }));

    let nothing_drifted = bench.rollout(None, DriftChoice::Overwrite).await?;
    bench.until_ended(nothing_drifted).await?;
    assert_eq!(spoke.awaits(1).await?.0, first);

    reports::save_drift(&bench.app, spoke.id, 1, (&[item("payments", "1")], &[])).await?;
    let respectful = bench.rollout(None, RESPECT).await?;
    let ended = bench.until_ended(respectful).await?;
    let seen = hub::app::rollouts::seen(&bench.app, std::slice::from_ref(&ended)).await?;
    let reason = ended.rollout.waves[0].targets[0].reason(ended.aim.config(), seen.get(&spoke.id));
    assert_eq!(
        reason,
        "the cluster ran this plan already, and 1 difference remains: put it right with `meshfleet rollout start payments --overwrite-drift`"
    );

    let repair = bench.rollout(None, DriftChoice::Overwrite).await?;
    let target = spoke.obey(2).await?;
    bench.until_ended(repair).await?;
    assert_eq!(target.plan, first.plan);
    assert_eq!(target.overwrite.len(), 1);
    assert_eq!(
        (target.overwrite[0].path.as_str(), target.overwrite[0].found),
        (".spec.version", Digest::of(b"1"))
    );
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn what_left_the_plan_is_deleted_by_uid() -> Result<()> {
    let bench = Bench::start().await?;
    let mut spoke = bench.cluster("eu-1").await?;
    bench.apply_mesh("[shop]").await?;
    bench.rollout(None, RESPECT).await?;
    spoke.obey(1).await?;
    bench.until_ended(1).await?;

    spoke.report_more(["one", "other"].map(str::to_owned).into_iter()).await?;
    bench.apply_changed_mesh().await?;
    bench.rollout(None, RESPECT).await?;
    let target = spoke.obey(2).await?;
    assert_eq!(target.deletions.len(), 2);
    for deletion in &target.deletions {
        assert_eq!(deletion.id.kind, "ConfigMap");
        assert_eq!(deletion.uid, format!("uid of {}", deletion.id));
    }
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn everything_against_a_rollout_is_said_at_once() -> Result<()> {
    let bench = Bench::idle().await?;
    bench.cluster("eu-1").await?;
    bench.apply_mesh("[shop]").await?;
    let number = bench.rollout(None, RESPECT).await?;
    bench.apply(&cluster_document("eu-2")).await?;
    bench.apply(&mesh("rival", "[shop]")).await?;
    bench.apply(&waves("first-only", &["eu-1"])).await?;
    let refusals = refusals(bench.rollout(Some("first-only"), RESPECT).await)?;
    let two = |cluster: &str| -> Result<StartRefusal> {
        Ok(StartRefusal::TwoConfigs {
            cluster: parse(cluster)?,
            one: parse("payments")?,
            other: parse("rival")?,
        })
    };
    let expected = [
        two("eu-1")?,
        StartRefusal::Held { cluster: parse("eu-1")?, rollout: number },
        two("eu-2")?,
        StartRefusal::InNoWave { cluster: parse("eu-2")? },
        StartRefusal::NoFacts { cluster: parse("eu-2")? },
    ];
    assert_eq!(refusals, expected);
    let stored: i64 = sqlx::query("select count(*) from rollout").fetch_one(bench.pool()).await?.get(0);
    assert_eq!(stored, 1);
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_cluster_has_one_writer() -> Result<()> {
    let bench = Bench::start().await?;
    bench.cluster("eu-1").await?;
    bench.apply_mesh("[shop]").await?;
    let number = bench.rollout(None, RESPECT).await?;
    let refused = refusals(bench.rollout(None, RESPECT).await)?;
    assert_eq!(refused, [StartRefusal::Held { cluster: parse("eu-1")?, rollout: number }]);
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_failure_stops_the_next_wave_and_says_why() -> Result<()> {
    let bench = Bench::start().await?;
    let (mut first, second) = (bench.cluster("eu-1").await?, bench.cluster("eu-2").await?);
    bench.apply_mesh("[shop]").await?;
    bench.apply(&waves("one-by-one", &["eu-1", "eu-2"])).await?;
    let number = bench.rollout(Some("one-by-one"), RESPECT).await?;
    let target = first.awaits(1).await?;
    first.accept(&target).await?;
    first.report(&target, Phase::Failed).await?;
    let ended = bench.until_ended(number).await?;
    assert!(matches!(ended.rollout.state, RolloutState::Failed { wave: 1, .. }));
    assert_eq!(ended.rollout.failure(), "eu-1: it cannot be applied: as the test says");
    assert_eq!(states(&ended), ["Failed", "Skipped"]);
    assert_eq!(second.target().await?, None);
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_refusal_ends_a_target_with_its_code() -> Result<()> {
    let bench = Bench::start().await?;
    let spoke = bench.cluster("eu-1").await?;
    bench.apply_mesh("[shop]").await?;
    let number = bench.rollout(None, RESPECT).await?;
    spoke.awaits(1).await?;
    let refusal = Refusal { generation: 1, code: RefusalCode::Floor, message: "too large".to_owned() };
    reports::refused(&bench.app, spoke.id, &refusal).await?;
    let ended = bench.until_ended(number).await?;
    assert_eq!(ended.rollout.failure(), "eu-1: the spoke refused it (Floor): too large");
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_deadline_that_passes_is_a_failure() -> Result<()> {
    let bench = Bench::start().await?;
    let spoke = bench.cluster("eu-1").await?;
    bench.apply_mesh("[shop]").await?;
    bench.apply(&waves("one", &["eu-1"])).await?;
    let number = bench.rollout(Some("one"), RESPECT).await?;
    spoke.awaits(1).await?;
    bench.clock.advance(59);
    let waiting = bench.until(number, "a target sent", |stored| states(stored) == ["Sent"]).await?;
    assert_eq!(waiting.rollout.waiting_on(&BTreeMap::new()).len(), 1);
    bench.clock.advance(2);
    let ended = bench.until_ended(number).await?;
    assert_eq!(states(&ended), ["TimedOut"]);
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn an_older_database_does_not_roll_a_cluster_back() -> Result<()> {
    let bench = Bench::start().await?;
    let spoke = bench.cluster("eu-1").await?;
    bench.apply_mesh("[shop]").await?;
    let fence = Fence { epoch: 1, generation: 5, target: Digest::of(b"newer"), completed: 5 };
    let spoke = spoke.attach(Some(fence)).await?;
    let number = bench.rollout(None, RESPECT).await?;
    let ahead = |stored: &StoredRollout| {
        matches!(
            stored.rollout.waves[0].targets[0].state,
            TargetState::Blocked { by: Blocker::SpokeAhead, .. }
        )
    };
    bench.until(number, "the target to be blocked", ahead).await?;
    assert_eq!(spoke.target().await?, None);
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_target_is_set_only_over_the_generation_that_was_seen() -> Result<()> {
    let bench = Bench::start().await?;
    let mut spoke = bench.cluster("eu-1").await?;
    bench.apply_mesh("[shop]").await?;
    let number = bench.rollout(None, RESPECT).await?;
    let first = spoke.obey(1).await?;
    bench.until_ended(number).await?;
    let config = parse("payments")?;
    let origin = store::targets::Origin { rollout: number, config: Some((&config, 1)), traceparent: "" };
    for (generation, is_set) in [(1, false), (3, false), (2, true), (2, false)] {
        let target = Target { generation, adopt: Adopt::Never, ..first.clone() };
        let mut tx = store::begin(bench.pool()).await?;
        let set = store::targets::set(&mut tx, &target, &origin, Timestamp::UNIX_EPOCH).await?;
        assert_eq!(set.is_some(), is_set, "generation {generation}");
        store::commit(tx).await?;
    }
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn two_hubs_on_one_database_do_no_harm() -> Result<()> {
    let mut bench = Bench::start().await?;
    let other = bench.second_hub();
    let mut spokes = Vec::new();
    for name in ["eu-1", "eu-2", "eu-3"] {
        spokes.push(bench.cluster(name).await?);
    }
    bench.apply_mesh("[shop]").await?;
    bench.apply(&waves("one-by-one", &["eu-1", "eu-2", "eu-3"])).await?;
    let number = bench.rollout(Some("one-by-one"), RESPECT).await?;
    for spoke in &mut spokes {
        other.signals.rollouts.wake();
        spoke.obey(1).await?;
    }
    let ended = bench.until_ended(number).await?;
    assert!(matches!(ended.rollout.state, RolloutState::Succeeded { .. }));
    let events = sqlx::query("select count(*) from audit_event where action = 'target.set'")
        .fetch_one(bench.pool())
        .await?;
    assert_eq!(events.get::<i64, _>(0), 3, "each cluster was given its target once");
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_database_that_is_gone_is_a_state_and_not_an_end() -> Result<()> {
    let bench = Bench::durable().await?;
    let mut spoke = bench.cluster("eu-1").await?;
    bench.apply_mesh("[shop]").await?;
    bench.kill_database()?;
    let gone = hub::app::clusters::list(&bench.app).await;
    if let Err(error) = gone {
        assert_eq!((error.kind(), error.reason()), (Kind::Unavailable, "database.gone"));
    }
    bench.until_database_is_back().await?;
    let number = bench.rollout(None, RESPECT).await?;
    spoke.obey(1).await?;
    bench.until_ended(number).await?;
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_rollout_that_cannot_be_read_does_not_stop_another() -> Result<()> {
    let bench = Bench::start().await?;
    bench.cluster("eu-1").await?;
    let mut sound = bench.cluster("eu-2").await?;
    let only = |cluster: &str| format!("{{names: [{cluster}]}}");
    bench.apply(&mesh("broken", "[shop]").replace("{matchLabels: {mesh: payments}}", &only("eu-1"))).await?;
    bench
        .apply(&mesh("payments", "[shop]").replace("{matchLabels: {mesh: payments}}", &only("eu-2")))
        .await?;
    let broken = bench.rollout_of("broken", None, RESPECT).await?;
    sqlx::query("update rollout set strategy_spec = '{}'").execute(bench.pool()).await?;
    let number = bench.rollout(None, RESPECT).await?;
    sound.obey(1).await?;
    bench.until_ended(number).await?;
    let unreadable = hub::app::rollouts::show(&bench.app, broken).await;
    let error = unreadable.err().map(|error| format!("{:#}", anyhow::Error::from(error)));
    let words = format!("the hub's database failed: rollout.strategy_spec of row {broken} cannot be read");
    assert_eq!(error, Some(words));
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn offers_are_the_plan_and_its_manifests_and_nothing_else() -> Result<()> {
    let bench = Bench::start().await?;
    let spoke = bench.cluster("eu-1").await?;
    bench.apply_mesh("[shop]").await?;
    bench.rollout(None, RESPECT).await?;
    let (target, _) = spoke.awaits(1).await?;
    let mut tx = store::begin(bench.pool()).await?;
    let offers = store::bodies::offers(&mut tx, target.plan).await?;
    let document = store::plans::document(&mut tx, target.plan).await?;
    let objects = document.phases.iter().flat_map(|phase| &phase.objects).map(|object| object.body);
    let templates = document.templates.iter().map(|template| template.body);
    let additions = document.additions.iter().map(|addition| addition.body);
    let named: BTreeSet<Digest> = objects.chain(templates).chain(additions).collect();
    assert_eq!(offers[0].0, target.plan);
    assert_eq!(offers[1..].iter().map(|(digest, _)| *digest).collect::<BTreeSet<_>>(), named);
    for (digest, size) in offers {
        let bytes = store::bodies::load(&mut tx, digest).await?.unwrap_or_default();
        assert_eq!((Digest::of(&bytes), bytes.len() as u64), (digest, size));
    }
    drop(tx);
    bench.stop().await;
    Ok(())
}
