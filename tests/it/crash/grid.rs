//! Every named point of hub and spoke x {started again at once, started again after the other went on}. One fleet meets
//! many points: for each of them a version of the mesh that changes one value is rolled out.

use std::{collections::BTreeMap, fmt::Write};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{clusters::wait::until, fleet::PATIENCE};
use tokio::time::timeout;

use super::{
    alike, end,
    lane::{CLUSTER, Lane, Program, Work, word},
    never_back_and_forth,
};

/// When what died is started again.
#[derive(Debug, Clone, Copy)]
enum Again {
    AtOnce,
    /// For a hub: after another hub ended the rollout. For a spoke: after the hub was started anew.
    AfterTheOther,
}

/// What a cluster and its hub show once a version is rolled out, but for the version itself.
#[derive(Debug, PartialEq)]
pub(super) struct End {
    objects: BTreeMap<String, Value>,
    conditions: Vec<(Value, Value)>,
}

/// The outcome of each point.
type Column = BTreeMap<&'static str, Result<()>>;

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_dies_at_any_point_reaches_the_same_end() -> Result<()> {
    let points: Vec<_> = rollout_points(hub::fail_point::ALL);
    // Alone, and two on one database.
    let (at_once, other) = tokio::try_join!(
        column(1, Program::Hub, &points, Again::AtOnce),
        column(2, Program::Hub, &points, Again::AfterTheOther),
    )?;
    conclude(Program::Hub, &points, (at_once, other))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spoke_that_dies_at_any_point_reaches_the_same_end() -> Result<()> {
    let points: Vec<_> = rollout_points(spoke::fail_point::ALL);
    let (at_once, other) = tokio::try_join!(
        column(1, Program::Spoke, &points, Again::AtOnce),
        column(1, Program::Spoke, &points, Again::AfterTheOther),
    )?;
    conclude(Program::Spoke, &points, (at_once, other))
}

/// Every point but those around a renewal and a heal: no rollout brings one. `rotation` and `heal` die at each of them.
fn rollout_points(all: &[hub::fail_point::Point]) -> Vec<&'static str> {
    let elsewhere = |name: &&str| name.starts_with("renewal.") || name.starts_with("heal.");
    all.iter().map(|point| point.name()).filter(|name| !elsewhere(name)).collect()
}

/// One fleet meets all points, one after the other.
async fn column(hubs: usize, program: Program, points: &[&'static str], again: Again) -> Result<Column> {
    let mut lane = Lane::start(hubs).await?;
    let steady = settled(&lane).await?;
    let mut outcomes = Column::new();
    for point in points {
        let outcome = meet(&mut lane, (program, point), again, &steady).await;
        let failed = outcome.is_err();
        outcomes.insert(point, outcome.with_context(|| format!("{point}, version {}", lane.version)));
        if failed {
            // What comes after a failure says nothing.
            return Ok(outcomes);
        }
    }
    never_back_and_forth(&lane.cluster)?;
    lane.passed().await?;
    Ok(outcomes)
}

/// Rolls out a version, during which a program dies at a point, and sees that nothing came of it.
async fn meet(lane: &mut Lane, (program, point): (Program, &str), again: Again, steady: &End) -> Result<()> {
    lane.arm(program, point)?;
    let work = lane.next();
    let looked_at = work.clone();
    if point.starts_with("session.") {
        // Nothing else brings a new session.
        lane.restart_spoke().await?;
    }
    let mut rolling_out = tokio::spawn(work.rolls_out());
    let mut ended = None;
    let died = async {
        loop {
            tokio::select! {
                died = lane.death(program) => return died,
                rollout = &mut rolling_out, if ended.is_none() => ended = Some(rollout??),
            }
        }
    };
    let died = timeout(PATIENCE, died).await.context("this point was never passed")??;
    if let (Again::AfterTheOther, Program::Hub) = (again, program) {
        // It goes on without the one that died.
        if ended.is_none() {
            ended = Some((&mut rolling_out).await??);
        }
    }
    if let (Again::AfterTheOther, Program::Spoke) = (again, program) {
        lane.restart_hubs().await?;
    }
    lane.start_again(program, died).await?;
    let ended = match ended {
        Some(ended) => ended,
        None => rolling_out.await??,
    };
    nothing_is_lost(lane, &ended, &looked_at).await?;
    same_end(lane, steady).await
}

/// One rollout, one generation, and each event once.
pub(super) async fn nothing_is_lost(lane: &Lane, ended: &Value, work: &Work) -> Result<()> {
    let rollouts = until("an answer", PATIENCE, || async { work.all().await.map(Some) }).await?;
    ensure!(rollouts.len() == 1, "rolled out more than once: {rollouts:#?}");
    let number = ended["number"].as_u64().context("a rollout has a number")?;
    let events = lane.events(number).await?;
    let mut names: Vec<&str> = events.iter().map(|(action, _)| action.as_str()).collect();
    names.sort_unstable();
    let once = ["rollout.started", "rollout.succeeded", "rollout.target_ended", "target.set"];
    ensure!(names == once, "not each event once: {events:#?}");
    let generation = events.iter().find(|(action, _)| action == "target.set").map(|(_, detail)| detail);
    ensure!(
        generation.is_some_and(|detail| detail["generation"] == lane.version)
            && ended["targets"][0]["generation"] == lane.version,
        "more than one generation of this version: {events:#?}"
    );
    Ok(())
}

/// Waits until everything is said, and compares it with what a fleet in which nobody died shows.
pub(super) async fn same_end(lane: &Lane, steady: &End) -> Result<()> {
    let now = settled(lane).await?;
    ensure!(now == *steady, "not the same end:\n{now:#?}\n{steady:#?}");
    Ok(())
}

/// What is there once the cluster says of itself that all is well.
pub(super) async fn settled(lane: &Lane) -> Result<End> {
    let conditions = until("all conditions to hold", PATIENCE, || async {
        let status = lane.command_line.json(&["status", CLUSTER]).await?;
        let conditions = status["clusters"][0]["conditions"].as_array().cloned().unwrap_or_default();
        let hold = conditions.len() >= 6 && conditions.iter().all(|one| one["status"] == "True");
        ensure!(hold, "{status:#}");
        Ok(Some(conditions))
    })
    .await?;
    let objects = end(&lane.cluster).await?.into_iter();
    let objects = objects.map(|(name, object)| Ok((name, unnumbered(&alike(object), lane.version)?)));
    let conditions = conditions.into_iter().map(|one| (one["type"].clone(), one["reason"].clone()));
    Ok(End { objects: objects.collect::<Result<_>>()?, conditions: conditions.collect() })
}

/// An object without its version: so it is the same in all versions, if it is of this one.
fn unnumbered(object: &Value, version: u64) -> Result<Value> {
    Ok(serde_json::from_str(&object.to_string().replace(&word(version), "/dev/version-"))?)
}

/// Shows all outcomes, and fails if one is not good.
#[expect(clippy::print_stdout, reason = "the grid is what a person wants to read of this test")]
fn conclude(program: Program, points: &[&str], (at_once, other): (Column, Column)) -> Result<()> {
    let of = |column: &Column, point| match column.get(point) {
        None => "not tried",
        Some(Ok(())) => "ok",
        Some(Err(_)) => "FAILED",
    };
    let mut table =
        format!("{:<26}{:<20}after the other went on\n", format!("{program:?} dies at"), "restart at once");
    for point in points {
        writeln!(table, "{point:<26}{:<20}{}", of(&at_once, point), of(&other, point))?;
    }
    println!("{table}");
    for outcome in at_once.into_values().chain(other.into_values()) {
        outcome?;
    }
    Ok(())
}
