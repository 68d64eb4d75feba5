//! An older dump under a running fleet: no cluster goes back, only those ahead are blocked, and both ways out work.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use hub::postgres::{Config, Server};
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use tests::{
    clusters::{audit::Entry, standin::calisti::Behaviour, wait::until},
    fleet::{Cluster, Dress, MESH, PATIENCE, SPOKE_USER},
};
use tokio::process::Command;

use crate::rig::{Rig, target};

/// Which cluster goes by which config: two that will be ahead, one that will not.
const FLEET: [(&str, &str); 3] =
    [("eks-back", "payments"), ("eks-stays", "payments"), ("eks-still", "quiet")];

/// So short that every spoke is given another certificate after the dump, and long enough for a hub to be away.
const LIFETIME: (&str, &str) = ("HUB_CERTIFICATE_LIFETIME_S", "20");

/// A mesh of this name over the clusters of its label. Its id is what changes from version to version.
fn mesh(name: &str, id: &str) -> String {
    MESH.replace("name: payments}", &format!("name: {name}}}"))
        .replace("mesh: payments}", &format!("mesh: {name}}}"))
        .replace("id: payments}", &format!("id: {id}}}"))
}

async fn apply_first(rig: &Rig) -> Result<()> {
    let of = |(name, mesh): (&str, &str)| {
        format!(
            "apiVersion: meshfleet.dev/v1\nkind: Cluster\nmetadata: {{name: {name}, labels: {{mesh: {mesh}}}}}\n"
        )
    };
    let meshes = [mesh("payments", "first"), mesh("quiet", "first")];
    let documents: Vec<String> = FLEET.into_iter().map(of).chain(meshes).collect();
    rig.fleet.apply("fleet.yaml", &documents.join("---\n")).await?;
    Ok(())
}

/// Does something with the hub's private database while its hub is dead: it was killed, and a new one starts after it.
async fn without_the_hub(
    rig: &mut Rig,
    program: &str,
    arguments: &[&str],
    file: (&str, &Path),
) -> Result<()> {
    rig.fleet.hub.kill().await?;
    let server = Server::start(&Config::new(rig.path().join("hub/postgres"))).await?;
    let mut connection = PgConnection::connect_with(&server.connect_options()).await?;
    // The programs that belong to this server.
    let programs: String = sqlx::query_scalar("select setting from pg_config where name = 'BINDIR'")
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    let mut command = Command::new(Path::new(&programs).join(program));
    command.args(arguments).args(["--dbname", &server.url(), file.0]).arg(file.1);
    let output = command.output().await.with_context(|| format!("cannot run {program}"))?;
    server.stop().await;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    rig.fleet.restart_hub(&[LIFETIME]).await
}

/// What the spoke wrote outside its own namespace, oldest first.
fn writes(cluster: &Cluster) -> Result<Vec<Entry>> {
    let written = cluster.plane.audit().mutations_by(SPOKE_USER)?;
    Ok(written.into_iter().filter(|entry| entry.namespace != "meshfleet").collect())
}

/// The control planes that the spoke wrote, oldest first, each once as long as it stays the same: `first` or `second`.
fn ids(cluster: &Cluster) -> Result<Vec<String>> {
    let mut ids: Vec<String> = Vec::new();
    for entry in writes(cluster)?.iter().filter(|entry| entry.resource == "istiocontrolplanes") {
        let body = entry.request_body.as_ref().map(Value::to_string).unwrap_or_default();
        let id = ["first", "second"].into_iter().find(|id| body.contains(&format!("\"{id}\"")));
        let id = id.with_context(|| format!("a control plane without its mesh: {body}"))?;
        if ids.last().is_none_or(|last| last != id) {
            ids.push(id.to_owned());
        }
    }
    Ok(ids)
}

async fn generation(rig: &Rig, cluster: &str) -> Result<Value> {
    let status = rig.fleet.command_line.json(&["status", cluster]).await?;
    Ok(status["clusters"][0]["generation"].clone())
}

async fn roll_out(rig: &Rig, config: &str) -> Result<()> {
    let number = rig.fleet.roll_out(&[config]).await?;
    rig.fleet.succeeded(number).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_dump_takes_no_cluster_back() -> Result<()> {
    let mut rig = Rig::start_with(&[LIFETIME]).await?;
    let start = |name| rig.cluster(name, Dress::Eks, Behaviour::Normal);
    let (mut back, mut stays, mut still) =
        tokio::try_join!(start("eks-back"), start("eks-stays"), start("eks-still"))?;
    rig.join(&mut [&mut back, &mut stays, &mut still]).await?;
    apply_first(&rig).await?;
    roll_out(&rig, "payments").await?;
    roll_out(&rig, "quiet").await?;

    let dump = rig.path().join("older.dump");
    without_the_hub(&mut rig, "pg_dump", &["--format=custom"], ("--file", &dump)).await?;
    // Read after the dump: a renewal that came just before it is in it.
    let known = certificates(&rig).await?;
    for (name, _) in FLEET {
        rig.condition_is(name, "Healthy", "Healthy").await?;
    }
    rig.fleet.apply("second.yaml", &mesh("payments", "second")).await?;
    roll_out(&rig, "payments").await?;
    for cluster in [&back, &stays] {
        ensure!(ids(cluster)? == ["first", "second"], "{}: {:?}", cluster.name, ids(cluster)?);
    }
    all_go_by_later_certificates(&rig, &known).await?;
    let before = [writes(&back)?.len(), writes(&stays)?.len(), writes(&still)?.len()];

    without_the_hub(&mut rig, "pg_restore", &["--clean", "--if-exists"], ("--exit-on-error", &dump)).await?;
    only_those_ahead_are_blocked(&rig).await?;
    later_certificates_were_taken_up(&rig).await?;
    let after = [writes(&back)?.len(), writes(&stays)?.len(), writes(&still)?.len()];
    ensure!(after == before, "something was written: {before:?}, then {after:?}");

    back_to_the_hub_s(&rig, &back).await?;
    on_with_the_spoke_s(&rig, &stays).await?;
    both_go_on(&rig, &back, &stays).await?;
    ensure!(ids(&still)? == ["first"], "{:?}", ids(&still)?);
    rig.passed().await
}

async fn certificates(rig: &Rig) -> Result<Vec<i64>> {
    let mut numbers = Vec::new();
    for (name, _) in FLEET {
        numbers.push(rig.certificates(name).await?);
    }
    Ok(numbers)
}

/// Waits until the dump knows of no cluster's certificate any more.
async fn all_go_by_later_certificates(rig: &Rig, known: &[i64]) -> Result<()> {
    until("a later certificate of each cluster", PATIENCE, || async {
        let now = certificates(rig).await?;
        Ok(now.iter().zip(known).all(|(now, known)| now > known).then_some(()))
    })
    .await
}

/// A spoke is not shut out because the database forgot its certificate: it is later than the one that is known. Waited for:
/// the conditions of a cluster that has not come back yet are those of the dump.
async fn later_certificates_were_taken_up(rig: &Rig) -> Result<()> {
    until("each cluster to be let in with a later certificate", PATIENCE, || async {
        let taken = "select count(distinct subject) from audit_event where action = 'cluster.key_recovered'";
        let taken: i64 = sqlx::query_scalar(taken).fetch_one(&mut rig.database().await?).await?;
        Ok((taken == 3).then_some(()))
    })
    .await
}

/// Those that are ahead say so with both ways out, a rollout waits for the decision, and the third has nothing of it.
async fn only_those_ahead_are_blocked(rig: &Rig) -> Result<()> {
    for name in ["eks-back", "eks-stays"] {
        let delivered = rig.condition_is(name, "Delivered", "SpokeAhead").await?;
        let hint = delivered["hint"].as_str().unwrap_or_default();
        for way in ["--keep-hub", "--keep-spoke"] {
            ensure!(hint.contains(&format!("meshfleet cluster reconcile {name} {way}")), "{delivered:#}");
        }
        let shown = rig.fleet.command_line.done(&["cluster", "show", name]).await?;
        ensure!(shown.contains(&format!("meshfleet cluster reconcile {name}")), "{shown}");
    }
    rig.condition_is("eks-still", "Delivered", "Accepted").await?;
    rig.condition_is("eks-still", "Healthy", "Healthy").await?;
    let refused = rig.ends_with(1, &["cluster", "reconcile", "eks-still", "--keep-hub"]).await?;
    ensure!(refused.contains("is not ahead"), "{refused}");

    let number = rig.fleet.roll_out(&["payments"]).await?;
    let blocked = |shown: &Value| {
        ["eks-back", "eks-stays"].iter().all(|name| target(shown, name)["state"] == "Blocked")
    };
    let shown = rig.until(number, "both to be blocked", blocked).await?;
    let reason = target(&shown, "eks-back")["reason"].to_string();
    ensure!(reason.contains("newer than this hub knows of"), "{shown:#}");
    let held = rig.ends_with(1, &["cluster", "reconcile", "eks-back", "--keep-hub"]).await?;
    ensure!(held.contains(&format!("meshfleet rollout abort {number}")), "{held}");
    rig.fleet.command_line.done(&["rollout", "abort", &number.to_string()]).await?;
    rig.fleet.ended(number).await?;
    Ok(())
}

async fn back_to_the_hub_s(rig: &Rig, cluster: &Cluster) -> Result<()> {
    let looked = rig.fleet.command_line.done(&["cluster", "reconcile", &cluster.name]).await?;
    ensure!(looked.contains("sent again, as generation 3") && looked.contains("--keep-spoke"), "{looked}");
    ensure!(ids(cluster)? == ["first", "second"], "looking wrote something");
    let kept = rig.fleet.command_line.json(&["cluster", "reconcile", &cluster.name, "--keep-hub"]).await?;
    ensure!(kept["generation"] == 3 && kept["spoke"]["generation"] == 2, "{kept:#}");
    rig.condition_is(&cluster.name, "Delivered", "Accepted").await?;
    rig.condition_is(&cluster.name, "Healthy", "Healthy").await?;
    ensure!(ids(cluster)? == ["first", "second", "first"], "{:?}", ids(cluster)?);
    Ok(())
}

async fn on_with_the_spoke_s(rig: &Rig, cluster: &Cluster) -> Result<()> {
    let kept = rig.fleet.command_line.json(&["cluster", "reconcile", &cluster.name, "--keep-spoke"]).await?;
    ensure!(kept["generation"] == 2 && kept["kept"] == "spoke", "{kept:#}");
    let delivered = rig.condition_is(&cluster.name, "Delivered", "Accepted").await?;
    ensure!(delivered["message"].to_string().contains("this hub does not know"), "{delivered:#}");
    rig.condition_is(&cluster.name, "Healthy", "Healthy").await?;
    let plan = rig.fleet.command_line.done(&["plan", "payments"]).await?;
    ensure!(plan.contains("target.unknown"), "{plan}");
    Ok(())
}

/// The version that was lost is applied and rolled out again, by a hub of a new epoch: one cluster is changed, the other
/// runs it already.
async fn both_go_on(rig: &Rig, back: &Cluster, stays: &Cluster) -> Result<()> {
    let begun = rig.fleet.command_line.json(&["hub", "epoch", "new"]).await?;
    ensure!(begun["epoch"] == 2 && begun["former"] == 1, "{begun:#}");
    rig.fleet.apply("second.yaml", &mesh("payments", "second")).await?;
    let written = writes(stays)?.len();
    roll_out(rig, "payments").await?;
    ensure!(ids(back)? == ["first", "second", "first", "second"], "{:?}", ids(back)?);
    ensure!(ids(stays)? == ["first", "second"], "{:?}", ids(stays)?);
    ensure!(writes(stays)?.len() == written, "what ran already was written");
    ensure!(generation(rig, "eks-back").await? == 4 && generation(rig, "eks-stays").await? == 3);
    rig.condition_is("eks-stays", "Delivered", "Accepted").await?;
    Ok(())
}
