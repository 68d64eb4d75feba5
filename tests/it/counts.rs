//! What the hub's operations cost, by counts and never by times, at two sizes of the fleet.

#[path = "counts/ground.rs"]
mod ground;
#[path = "counts/meter.rs"]
mod meter;

use std::collections::BTreeMap;

use anyhow::Result;
use ground::{Ground, cluster, mesh};
use hub::app::plans;
use meter::{Counts, since};

/// The two sizes of the fleet.
const SIZES: [usize; 2] = [100, 1000];

/// What was done, and what it cost.
type Costs = BTreeMap<&'static str, Counts>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn costs_grow_with_what_changes_and_not_with_the_fleet() -> Result<()> {
    for size in SIZES {
        let begun = std::time::Instant::now();
        let costs = costs(size).await?;
        for (what, counts) in &costs {
            println!("{size} {what}: queries {} commits {} read {} written {} log {} wakes {} {:?}\n{}",
                counts.queries(), counts.commits(), counts.rows_read(), counts.rows_written(), counts.log_bytes(),
                counts.wakes, counts.crossed, counts.told(60));
        }
        println!("{size} took {:?}", begun.elapsed());
    }
    Ok(())
}

/// Does everything that is counted, with a fleet of some clusters.
async fn costs(clusters: usize) -> Result<Costs> {
    let mut ground = Ground::with(clusters).await?;
    let mut costs = Costs::new();
    count!(costs, ground, "attach", ground.attach().await?);
    println!("attached");
    ground.apply(&[mesh("fleet", "fleet", ""), mesh("single", "single", "")].join("---\n")).await?;
    count!(costs, ground, "plan all", ground.looks.plan().await?);
    ground.looks.heartbeat().await?;
    println!("planned");
    count!(costs, ground, "preview all", preview(&ground, "fleet").await?);
    ground.looks.heartbeat().await?;
    println!("previewed");
    count!(costs, ground, "rollout of all", ground.roll_out("fleet").await?);
    ground.roll_out("single").await?;
    ground.looks.heartbeat().await?;
    println!("rolled out");
    count!(costs, ground, "one cluster changed", {
        ground.apply(&mesh("single", "other", "")).await?;
        ground.looks.plan().await?;
        preview(&ground, "single").await?;
        ground.roll_out("single").await?;
    });
    ground.looks.heartbeat().await?;
    count!(costs, ground, "one document changed", {
        ground.apply(&cluster("c1", "ZONE: a")).await?;
        ground.looks.plan().await?;
    });
    let layer = "{name: one, clusters: {names: [c1]}, set: {mesh: {id: layered}}}";
    count!(costs, ground, "one of all changed", {
        ground.apply(&mesh("fleet", "fleet", layer)).await?;
        ground.looks.plan().await?;
        ground.roll_out("fleet").await?;
    });
    ground.looks.heartbeat().await?;
    count!(costs, ground, "nothing changed", {
        ground.apply(&mesh("fleet", "fleet", layer)).await?;
        ground.looks.plan().await?;
    });
    ground.stop().await?;
    count!(costs, ground, "reconnect of all", {
        ground.begin().await?;
        ground.attach().await?;
        ground.meter.settled().await?;
        ground.looks.heartbeat().await?;
        ground.looks.wake().await?;
        ground.looks.plan().await?;
        ground.looks.rollout().await?;
    });
    count!(costs, ground, "idle", {
        ground.looks.heartbeat().await?;
        ground.looks.wake().await?;
        ground.looks.plan().await?;
        ground.looks.rollout().await?;
    });
    ground.close().await?;
    Ok(costs)
}

async fn preview(ground: &Ground, config: &str) -> Result<()> {
    plans::preview(ground.app()?, &ground::name(config)?, None, None).await?;
    Ok(())
}

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
use count;
