//! Certificates that live for seconds, in real programs: nobody notices that they change, whatever dies meanwhile.
//!
//! *Without a gap* is measured in the database: a trigger of this test notes every session that is closed, and every time
//! that a heartbeat came later than the hub waits for one. A cluster counts as away only through one of the two.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use hub::fail_point::RENEWAL;
use serde_json::Value;
use spoke::fail_point::{RENEWAL_CERTIFIED, RENEWAL_KEY_AFTER, RENEWAL_KEY_BEFORE, RENEWAL_STORED};
use tests::{
    clusters::{standin::calisti::Behaviour, wait::until},
    fleet::{Cluster, Dress, MESH, PATIENCE},
};

use crate::rig::Rig;

/// A life of which half is left for a busy machine.
const LIFETIME: (&str, &str) = ("HUB_CERTIFICATE_LIFETIME_S", "4");

/// So many rotations take some two seconds each.
const ROTATIONS: i64 = 100;

/// How long they may take on a busy machine.
const ALL_ROTATIONS: Duration = Duration::from_secs(500);

const NAME: &str = "eks-1";

/// Notes closed sessions and late heartbeats.
const WATCH: &str = "
    create table gap (at timestamptz not null default clock_timestamp(), what text not null);
    create function note_gap() returns trigger language plpgsql as $$
    begin
        if new.detached_at is not null and old.detached_at is null then
            insert into gap (what) values ('closed');
        elsif new.seen_at > old.seen_at + interval '15 seconds' then
            insert into gap (what) values ('late');
        end if;
        return null;
    end $$;
    create trigger gaps after update on spoke_session for each row execute function note_gap();
";

/// Waits for the next certificate, and the one after it: the first may have been under way.
async fn two_more(rig: &Rig) -> Result<()> {
    let from = rig.certificates(NAME).await?;
    reaches(rig, from + 2, PATIENCE).await
}

async fn reaches(rig: &Rig, least: i64, patience: Duration) -> Result<()> {
    until(&format!("certificate {least}"), patience, || async {
        Ok((rig.certificates(NAME).await? >= least).then_some(()))
    })
    .await
}

async fn one_cluster() -> Result<(Rig, Cluster)> {
    let rig = Rig::start_with(&[LIFETIME]).await?;
    let mut cluster = rig.cluster(NAME, Dress::Eks, Behaviour::Normal).await?;
    rig.join(&mut [&mut cluster]).await?;
    Ok((rig, cluster))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_rotations_leave_no_gap() -> Result<()> {
    let (rig, _cluster) = one_cluster().await?;
    sqlx::raw_sql(WATCH).execute(&mut rig.database().await?).await?;
    rig.apply_mesh(&[NAME]).await?;
    let first = rig.certificates(NAME).await?;
    // What is reported arrives, whichever session it was to go by.
    let mut rollouts = 0;
    while rig.certificates(NAME).await? < first + ROTATIONS / 4 {
        rollouts += 1;
        let text = MESH.replace("id: payments}", &format!("id: mesh-{rollouts}}}"));
        rig.fleet.apply("next.yaml", &text).await?;
        let rollout = rig.fleet.roll_out(&["payments"]).await?;
        rig.fleet.succeeded(rollout).await?;
        let connected = rig.condition(NAME, "Connected").await?;
        ensure!(connected["status"] == "True", "{connected:#}");
    }
    reaches(&rig, first + ROTATIONS, ALL_ROTATIONS).await?;
    let mut database = rig.database().await?;
    let gaps: Vec<String> =
        sqlx::query_scalar("select at || ' ' || what from gap").fetch_all(&mut database).await?;
    ensure!(gaps.is_empty(), "{gaps:?}");
    let events = "select count(*) from audit_event where action = 'cluster.key_renewed'";
    let events: i64 = sqlx::query_scalar(events).fetch_one(&mut database).await?;
    ensure!(events >= ROTATIONS && rollouts > 0, "{events} renewals, {rollouts} rollouts");
    rig.condition_is(NAME, "Healthy", "Healthy").await?;
    rig.passed().await
}

/// Waits until every certificate that was issued before now has expired.
async fn all_expired() -> Result<()> {
    let begun = SystemTime::now();
    until("certificates to expire", PATIENCE, || async {
        Ok((begun.elapsed()? > Duration::from_secs(5)).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spoke_that_was_away_past_the_end_of_its_certificate_comes_back() -> Result<()> {
    let (mut rig, mut cluster) = one_cluster().await?;
    // The spoke was away.
    cluster.spoke.take().context("a spoke")?.kill().await?;
    all_expired().await?;
    rig.fleet.start_spoke(&mut cluster, None, &[])?;
    two_more(&rig).await?;
    rig.fleet.connected(NAME).await?;
    // The hub was away.
    rig.fleet.hub.kill().await?;
    all_expired().await?;
    rig.fleet.restart_hub(&[LIFETIME]).await?;
    two_more(&rig).await?;
    rig.fleet.connected(NAME).await?;
    rig.passed().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spoke_or_a_hub_that_dies_at_any_point_of_a_renewal_goes_on() -> Result<()> {
    let (mut rig, mut cluster) = one_cluster().await?;
    cluster.spoke.take().context("a spoke")?.kill().await?;
    for point in [RENEWAL_KEY_BEFORE, RENEWAL_KEY_AFTER, RENEWAL_CERTIFIED, RENEWAL_STORED] {
        rig.fleet.start_spoke(&mut cluster, None, &[("MESHFLEET_FAIL_POINT", point.name())])?;
        let mut dying = cluster.spoke.take().context("a spoke")?;
        let died = tokio::time::timeout(PATIENCE, dying.ended()).await;
        died.with_context(|| format!("{} was never passed", point.name()))??;
        rig.fleet.start_spoke(&mut cluster, None, &[])?;
        two_more(&rig).await.with_context(|| format!("after {}", point.name()))?;
        rig.fleet.connected(NAME).await?;
        cluster.spoke.take().context("a spoke")?.kill().await?;
    }
    rig.fleet.start_spoke(&mut cluster, None, &[])?;
    for point in [RENEWAL.before, RENEWAL.after] {
        rig.fleet.hub.kill().await?;
        rig.fleet.restart_hub(&[LIFETIME, ("MESHFLEET_FAIL_POINT", point.name())]).await?;
        let died = tokio::time::timeout(PATIENCE, rig.fleet.hub.ended()).await;
        died.with_context(|| format!("{} was never passed", point.name()))??;
        rig.fleet.restart_hub(&[LIFETIME]).await?;
        two_more(&rig).await.with_context(|| format!("after {}", point.name()))?;
        rig.fleet.connected(NAME).await?;
    }
    rig.passed().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_cluster_in_the_place_of_one_is_given_its_mesh_and_the_former_spoke_is_out() -> Result<()> {
    let (rig, former) = one_cluster().await?;
    rig.apply_mesh(&[NAME]).await?;
    let rollout = rig.fleet.roll_out(&["payments"]).await?;
    rig.fleet.succeeded(rollout).await?;
    rig.condition_is(NAME, "Healthy", "Healthy").await?;

    let refused = rig.ends_with(1, &["cluster", "enrol", NAME, "-o", "name"]).await?;
    ensure!(refused.contains("cluster.active") || refused.contains("--replace"), "{refused}");
    let invited = rig.fleet.command_line.json(&["cluster", "enrol", NAME, "--replace"]).await?;
    ensure!(invited["connected"] == true, "{invited:#}");
    let mut next = rig.cluster("eks-anew", Dress::Eks, Behaviour::Normal).await?;
    rig.fleet.start_spoke(&mut next, invited["token"].as_str(), &[])?;

    let pods = |one: &Cluster| one.plane.audit().mutations_by(tests::fleet::SPOKE_USER);
    until("the mesh to be written in the new cluster", PATIENCE, || async {
        let written = pods(&next)?.iter().any(|entry| entry.resource == "istiocontrolplanes");
        Ok(written.then_some(()))
    })
    .await?;
    rig.condition_is(NAME, "Healthy", "Healthy").await?;
    until("the former spoke to be refused", PATIENCE, || async {
        let log = std::fs::read_to_string(rig.path().join(format!("spoke-{NAME}.log")))?;
        Ok((log.contains("--replace")).then_some(()))
    })
    .await?;
    two_more(&rig).await?;
    drop(former);
    rig.passed().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fingerprint_of_the_ca_is_what_tokens_pin() -> Result<()> {
    let rig = Rig::start_with(&[]).await?;
    let shown: Value = rig.fleet.command_line.json(&["hub", "epoch"]).await?;
    let fingerprint = shown["caFingerprint"].as_str().context("a fingerprint")?;
    let invited = rig.fleet.command_line.json(&["cluster", "enrol", "new"]).await?;
    ensure!(invited["token"].as_str().is_some_and(|token| token.ends_with(fingerprint)), "{shown:#}");
    rig.passed().await
}
