//! What the hub's operations cost, by counts and never by times, at two sizes of the fleet.
//!
//! The hub and its database are real, and so are the sessions; its tasks look when the test tells them to, so that the
//! same is counted on every machine.

#[path = "counts/bounds.rs"]
mod bounds;
#[path = "counts/ground.rs"]
mod ground;
#[path = "counts/meter.rs"]
mod meter;

use std::{collections::BTreeMap, io::Write};

use anyhow::Result;
use ground::{Ground, cluster, mesh};
use hub::app::plans;
use meter::{Counts, since};

/// The two sizes of the fleet.
const SIZES: [usize; 2] = [100, 1000];

/// What was done, and what it cost.
type Costs = BTreeMap<&'static str, Counts>;

/// Counts what a piece of work costs.
macro_rules! count {
    ($costs:ident, $ground:ident, $what:literal, $work:expr) => {{
        let before = $ground.meter.settled().await?;
        let (woken, crossed) = ($ground.woken(), $ground.traffic.so_far());
        $work;
        let statements = since(&before, $ground.meter.settled().await?);
        let (wakes, crossed) = ($ground.woken() - woken, $ground.traffic.so_far() - crossed);
        $costs.insert($what, Counts { statements, wakes, crossed });
    }};
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn costs_grow_with_what_changes_and_not_with_the_fleet() -> Result<()> {
    let [small, large] = SIZES;
    let (small, large) = (costs(small).await?, costs(large).await?);
    let (table, over) = bounds::judge(&small, &large);
    // Not through the harness, which shows it only when the test fails: the figures are read also when all is well.
    writeln!(std::io::stdout(), "\n{table}")?;
    assert!(over.is_empty(), "what costs more than it may:\n\n{over}");
    Ok(())
}

/// Does everything that is counted, with a fleet of some clusters.
async fn costs(clusters: usize) -> Result<Costs> {
    let mut ground = Ground::with(clusters).await?;
    let mut costs = Costs::new();
    count!(costs, ground, "attach", ground.attach().await?);
    begin(&mut ground, &mut costs).await?;
    change(&mut ground, &mut costs).await?;
    ground.stop().await?;
    count!(costs, ground, "reconnect of all", {
        ground.begin().await?;
        ground.attach().await?;
        ground.meter.settled().await?;
        look(&mut ground).await?;
    });
    count!(costs, ground, "idle", {
        ground.be_heard().await?;
        look(&mut ground).await?;
    });
    ground.close().await?;
    Ok(costs)
}

/// Gives all clusters their first plans.
async fn begin(ground: &mut Ground, costs: &mut Costs) -> Result<()> {
    ground.apply(&[mesh("fleet", "fleet", ""), mesh("single", "single", "")].join("---\n")).await?;
    count!(costs, ground, "plan of all", ground.looks.plan().await?);
    ground.beat().await?;
    count!(costs, ground, "preview of all", preview(ground, "fleet").await?);
    ground.beat().await?;
    count!(costs, ground, "rollout of all", ground.roll_out("fleet").await?);
    ground.beat().await?;
    ground.roll_out("single").await
}

/// Changes something of one cluster, in several ways, and then nothing.
async fn change(ground: &mut Ground, costs: &mut Costs) -> Result<()> {
    count!(costs, ground, "one cluster changed", {
        ground.apply(&mesh("single", "other", "")).await?;
        ground.looks.plan().await?;
        preview(ground, "single").await?;
        ground.roll_out("single").await?;
    });
    count!(costs, ground, "one document changed", {
        ground.apply(&cluster("c1", "ZONE: a")).await?;
        ground.looks.plan().await?;
    });
    ground.beat().await?;
    let layer = "{name: one, clusters: {names: [c1]}, set: {mesh: {id: layered}}}";
    count!(costs, ground, "one of all changed", {
        ground.apply(&mesh("fleet", "fleet", layer)).await?;
        ground.looks.plan().await?;
        ground.roll_out("fleet").await?;
    });
    count!(costs, ground, "nothing changed", {
        ground.apply(&mesh("fleet", "fleet", layer)).await?;
        ground.looks.plan().await?;
    });
    Ok(())
}

async fn preview(ground: &Ground, config: &str) -> Result<()> {
    plans::preview(ground.app()?, &ground::name(config)?, None, None).await?;
    Ok(())
}

/// Lets each task look once.
async fn look(ground: &mut Ground) -> Result<()> {
    ground.looks.heartbeat().await?;
    ground.looks.wake().await?;
    ground.looks.plan().await?;
    Ok(ground.looks.rollout().await?)
}
