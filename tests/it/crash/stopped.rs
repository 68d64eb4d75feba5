//! What is stopped and goes on as if no time had passed, and a Postgres that is killed or stopped under a rollout.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tests::{
    clusters::wait::until,
    fleet::{Dress, PATIENCE},
};

use super::{
    grid::{nothing_is_lost, same_end, settled},
    lane::{CLUSTER, Lane, Program, document},
    never_back_and_forth,
};
use crate::rig::Rig;

/// A stopped server does not answer; one that goes on does at once.
const SILENT: Duration = Duration::from_secs(3);

/// Whether a process is stopped by a signal.
fn is_stopped(process: u32) -> Result<bool> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().next());
    Ok(state == Some("T"))
}

fn signal(process: u32, signal: Signal) -> Result<()> {
    let process = Pid::from_raw(i32::try_from(process)?).context("a process id")?;
    kill_process(process, signal).context("cannot send a signal")
}

/// Waits until one of these is stopped, and gives which.
async fn stopped(processes: &[u32]) -> Result<usize> {
    until("a process to be stopped", PATIENCE, || async {
        for (number, process) in processes.iter().enumerate() {
            if is_stopped(*process)? {
                return Ok(Some(number));
            }
        }
        Ok(None)
    })
    .await
}

/// What the guard of each write is for: the stopped spoke holds the Lease by all that it knows when it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_spoke_that_was_stopped_writes_nothing_once_another_took_its_lease() -> Result<()> {
    let mut lane = Lane::start(1).await?;
    let steady = settled(&lane).await?;
    lane.arm(Program::Spoke, &format!("{}=stop", spoke::fail_point::OBJECT_BEFORE.name()))?;
    let rolling_out = tokio::spawn(lane.next().rolls_out());
    let first = lane.spoke.as_ref().and_then(tests::processes::Spoke::id).context("a spoke that runs")?;
    stopped(&[first]).await?;

    let second = lane.another_spoke("second", None)?;
    rolling_out.await??;
    same_end(&lane, &steady).await?;
    // What the first one was about to write is not even the newest any more.
    lane.next().rolls_out().await?;

    signal(first, Signal::CONT)?;
    until("the first spoke to see that its Lease is lost", PATIENCE, || async {
        let log = lane.log(CLUSTER)?;
        Ok((log.contains("the Lease was lost") && log.contains("another spoke holds the Lease"))
            .then_some(()))
    })
    .await?;
    same_end(&lane, &steady).await?;
    never_back_and_forth(&lane.cluster)?;

    // It is of use again once the other has gone.
    second.stop().await?;
    lane.next().rolls_out().await?;
    same_end(&lane, &steady).await?;
    never_back_and_forth(&lane.cluster)?;
    lane.passed().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_was_stopped_while_another_went_on_does_no_harm() -> Result<()> {
    let mut lane = Lane::start(2).await?;
    let steady = settled(&lane).await?;
    let hubs: Vec<u32> = lane.hubs.iter().flatten().filter_map(tests::processes::Hub::id).collect();

    // One that takes what a spoke says: the spoke finds the other hub, which ends the rollout.
    lane.arm(Program::Hub, &format!("{}=stop", hub::fail_point::REPORT.after.name()))?;
    let work = lane.next();
    let rolling_out = tokio::spawn(work.clone().rolls_out());
    let still = stopped(&hubs).await?;
    lane.prefer(1 - still);
    let ended = rolling_out.await??;
    signal(hubs[still], Signal::CONT)?;
    nothing_is_lost(&lane, &ended, &work).await?;
    same_end(&lane, &steady).await?;

    // One that holds the rollout: the database takes that from it, and the other goes on.
    lane.arm(Program::Hub, &format!("{}=stop", hub::fail_point::TARGET_SET.name()))?;
    let work = lane.next();
    let rolling_out = tokio::spawn(work.clone().rolls_out());
    let still = stopped(&hubs).await?;
    lane.prefer(1 - still);
    let ended = rolling_out.await??;
    signal(hubs[still], Signal::CONT)?;
    nothing_is_lost(&lane, &ended, &work).await?;
    same_end(&lane, &steady).await?;
    never_back_and_forth(&lane.cluster)?;
    lane.passed().await
}

fn postmaster(data: &Path) -> Result<u32> {
    let file = fs::read_to_string(data.join("postmaster.pid"))?;
    Ok(file.lines().next().context("a first line")?.parse()?)
}

/// The server and everything that it began.
fn all_of(postmaster: u32) -> Result<Vec<u32>> {
    let mut found = vec![postmaster];
    for entry in fs::read_dir("/proc")? {
        let Some(process) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that ended meanwhile is none of them.
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        if parent == Some(postmaster) {
            found.push(process);
        }
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_outlives_a_postgres_that_is_killed_or_stopped() -> Result<()> {
    let rig = Rig::start().await?;
    let mut cluster = rig.sail(CLUSTER, Dress::Eks).await?;
    rig.join(&mut [&mut cluster]).await?;
    rig.fleet.apply("mesh.yaml", &document(1)).await?;
    let data = rig.path().join("hub/postgres/data");

    let number = rig.fleet.roll_out(&["payments"]).await?;
    let killed = postmaster(&data)?;
    signal(killed, Signal::KILL)?;
    let ended = rig.fleet.succeeded(number).await?;
    ensure!(ended["targets"][0]["generation"] == 1, "the target was sent anew: {ended:#}");
    ensure!(postmaster(&data)? != killed, "it was not started again");

    rig.fleet.apply("mesh.yaml", &document(2)).await?;
    let number = rig.fleet.roll_out(&["payments"]).await?;
    let still = all_of(postmaster(&data)?)?;
    for process in &still {
        signal(*process, Signal::STOP)?;
    }
    let asked = rig.fleet.command_line.clone();
    let answered = tokio::time::timeout(SILENT, asked.done(&["cluster", "list"])).await;
    for process in &still {
        signal(*process, Signal::CONT)?;
    }
    if let Ok(Ok(answered)) = answered {
        bail!("Postgres was stopped, and who answered? {answered}");
    }
    let ended = rig.fleet.succeeded(number).await?;
    ensure!(ended["targets"][0]["generation"] == 2, "the target was sent anew: {ended:#}");

    never_back_and_forth(&cluster)?;
    let log = fs::read_to_string(rig.path().join("spoke-eks-1.log"))?;
    ensure!(log.matches("attached hub=").count() == 1, "the session did not stay:\n{log}");
    rig.passed().await
}
