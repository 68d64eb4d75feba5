//! Drift from end to end: what a spoke does alone, what it heals by policy and by hand, what ends as a fight, and what a
//! frozen cluster does not do.

use anyhow::{Context, Result, bail, ensure};
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams},
    runtime::{WatchStreamExt as _, watcher},
};
use serde_json::{Value, json};
use spoke::fail_point;
use tests::{
    clusters::{audit::Entry, standin::calisti::Behaviour, wait::until},
    fleet::{Cluster, Dress, PATIENCE, SPOKE_USER},
    proof::{ATTACHMENT, find, resource},
};
use tokio::{task::JoinSet, time::timeout};

use crate::{
    rig::{Rig, target},
    team,
};

/// What is edited: an instance of a template, which only the plan makes.
const EDITED: &str = "istio-cni";

/// The annotation that says which body was applied.
const MARK: &str = "meshfleet.dev/applied-by";

const POLICY: &str = "\
apiVersion: meshfleet.dev/v1
kind: DriftPolicy
metadata: {name: everything}
spec:
  clusters: {matchLabels: {mesh: payments}}
  heal: [Overwritten, Removed, Deleted]
";

/// A cluster with one namespace of the mesh, connected, with the mesh applied.
async fn rosa(rig: &Rig) -> Result<Cluster> {
    let mut rosa = rig.cluster("rosa-1", Dress::Rosa, Behaviour::Normal).await?;
    let later = team::namespace("billing", &[]);
    team::apply(&rosa.admin, [team::namespace("shop", &[team::BY_CALISTI]), later]).await?;
    rig.join(&mut [&mut rosa]).await?;
    rig.apply_mesh(&["rosa-1"]).await?;
    Ok(rosa)
}

fn attachments(client: &Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &resource(&ATTACHMENT))
}

/// Somebody's edit of the attachment definition in `shop`: of its spec, which is empty, nothing is ours but that it is there,
/// so it is the mark that is edited.
async fn edit(client: &Client, manager: &str, value: &str) -> Result<()> {
    let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(json!({"metadata": {"annotations": {MARK: value}}}));
    attachments(client, "shop").patch(EDITED, &params, &patch).await?;
    Ok(())
}

async fn mark(client: &Client) -> Result<Value> {
    let found = find(client, &ATTACHMENT, "shop", EDITED).await?.context("an attachment definition")?;
    Ok(found["metadata"]["annotations"][MARK].clone())
}

/// What the spoke wrote of the object that is edited.
fn writes(cluster: &Cluster) -> Result<Vec<Entry>> {
    let all = cluster.plane.audit().mutations_by(SPOKE_USER)?.into_iter();
    Ok(all.filter(|entry| entry.name == EDITED && entry.namespace == "shop").collect())
}

/// What the spoke wrote beside what it keeps for itself.
fn of_plans(cluster: &Cluster) -> Result<Vec<String>> {
    let all = cluster.plane.audit().mutations_by(SPOKE_USER)?.into_iter();
    let plans = all.filter(|entry| entry.namespace != "meshfleet");
    Ok(plans
        .map(|entry| format!("{} {} {}/{}", entry.verb, entry.resource, entry.namespace, entry.name))
        .collect())
}

/// Waits until the drift report is so.
async fn reported(rig: &Rig, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
    let seen = std::sync::Mutex::new(Value::Null);
    let waited = until(what, PATIENCE, || async {
        let report = rig.fleet.command_line.json(&["drift", "report", "rosa-1"]).await?;
        if let Ok(mut seen) = seen.lock() {
            *seen = report.clone();
        }
        Ok(holds(&report).then_some(report))
    });
    waited
        .await
        .with_context(|| format!("last seen: {:#}", seen.lock().map(|seen| seen.clone()).unwrap_or_default()))
}

fn items(report: &Value) -> &[Value] {
    report["items"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The generation that a spoke applied to its end, by its own word in its cluster.
async fn completed(cluster: &Cluster) -> Result<Option<u64>> {
    let secrets: Api<Secret> = Api::namespaced(cluster.admin.clone(), "meshfleet");
    let Some(fence) = secrets.get_opt("target").await? else { return Ok(None) };
    let bytes = fence.data.and_then(|mut data| data.remove("fence.json")).context("a fence")?;
    Ok(serde_json::from_slice::<Value>(&bytes.0)?["completed"].as_u64())
}

async fn dies(cluster: &mut Cluster) -> Result<()> {
    let mut spoke = cluster.spoke.take().context("a spoke")?;
    timeout(PATIENCE, spoke.ended()).await.context("it did not die")??;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spoke_alone_carries_out_what_it_accepted_and_nothing_else() -> Result<()> {
    let mut rig = Rig::start().await?;
    let mut rosa = rosa(&rig).await?;

    // It dies in the middle of its apply, and the hub with it.
    rosa.spoke.take().context("a spoke")?.kill().await?;
    rig.fleet.start_spoke(&mut rosa, None, &[("MESHFLEET_FAIL_POINT", fail_point::OBJECT_AFTER.name())])?;
    let number = rig.fleet.roll_out(&["payments"]).await?;
    dies(&mut rosa).await?;
    rig.fleet.hub.kill().await?;
    ensure!(completed(&rosa).await? == Some(0), "it was to die in the middle");
    rig.fleet.start_spoke(&mut rosa, None, &[])?;
    until("the interrupted apply to come to its end", PATIENCE, || async {
        Ok(completed(&rosa).await?.filter(|generation| *generation == 1))
    })
    .await?;

    // What somebody does while the spoke is down too is left to the hub.
    rosa.spoke.take().context("a spoke")?.kill().await?;
    edit(&rosa.admin, "kubectl-edit", "{}").await?;
    let before = of_plans(&rosa)?;
    rig.fleet.start_spoke(&mut rosa, None, &[])?;
    team::label(&rosa.admin, "billing", team::BY_CALISTI).await?;
    until("the instances in a new namespace", PATIENCE, || find(&rosa.admin, &ATTACHMENT, "billing", EDITED))
        .await?;
    rig.fleet.restart_hub(&[]).await?;
    let report = reported(&rig, "what happened meanwhile", |report| !items(report).is_empty()).await?;
    let item = &items(&report)[0]["item"];
    ensure!(
        items(&report).len() == 1
            && item["manager"] == "kubectl-edit"
            && item["class"] == "overwritten"
            && item["state"] == "seen",
        "{report:#}"
    );
    rig.fleet.succeeded(number).await?;
    let after = of_plans(&rosa)?;
    let more = &after[before.len()..];
    ensure!(
        !more.is_empty() && more.iter().all(|write| write.contains(" billing/")),
        "it wrote more than the instances: {more:#?}"
    );
    ensure!(mark(&rosa.admin).await? == "{}", "it healed what no policy names");
    rig.passed().await
}

/// A controller that wants another value, and writes it back whenever it does not stand there.
async fn writes_back(client: Client) -> Result<()> {
    let only = watcher::Config::default().fields(&format!("metadata.name={EDITED}"));
    let mut seen = std::pin::pin!(watcher(attachments(&client, "shop"), only).applied_objects());
    while let Some(object) = seen.try_next().await? {
        if object.annotations().get(MARK).is_none_or(|mark| mark != "theirs") {
            edit(&client, "stand-in", "theirs").await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_back_is_named_after_five_heals_and_a_person_ends_it() -> Result<()> {
    let mut rig = Rig::start().await?;
    let mut rosa = rosa(&rig).await?;
    rig.fleet.apply("policy.yaml", POLICY).await?;
    let number = rig.fleet.roll_out(&["payments"]).await?;
    rig.fleet.succeeded(number).await?;
    let ours = mark(&rosa.admin).await?;
    let applied = writes(&rosa)?.len();

    // By policy, though the hub is away; it is told afterwards.
    rig.fleet.hub.kill().await?;
    edit(&rosa.admin, "kubectl-edit", "{}").await?;
    attachments(&rosa.admin, "shop").get(EDITED).await?;
    until("an edit to be healed", PATIENCE, || async {
        Ok((mark(&rosa.admin).await? == ours).then_some(()))
    })
    .await?;
    rig.fleet.restart_hub(&[]).await?;
    let report = reported(&rig, "the heal", |report| report["heals"][0]["result"] == "healed").await?;
    ensure!(report["heals"][0]["manager"] == "kubectl-edit" && items(&report).is_empty(), "{report:#}");
    ensure!(writes(&rosa)?.len() == applied + 1, "{:#?}", writes(&rosa)?);

    // Killed between journal and heal, and between heal and outcome, it comes to the same.
    for point in [fail_point::HEAL_JOURNALLED, fail_point::HEAL_WRITTEN] {
        rosa.spoke.take().context("a spoke")?.kill().await?;
        attachments(&rosa.admin, "shop").delete(EDITED, &DeleteParams::default()).await?;
        rig.fleet.start_spoke(&mut rosa, None, &[("MESHFLEET_FAIL_POINT", point.name())])?;
        dies(&mut rosa).await?;
        rig.fleet.start_spoke(&mut rosa, None, &[])?;
        until("what was deleted to be there", PATIENCE, || find(&rosa.admin, &ATTACHMENT, "shop", EDITED))
            .await?;
        let ended = |heal: &Value| heal["class"] != "deleted" || heal["result"] != "begun";
        let all = |report: &Value| report["heals"].as_array().is_some_and(|heals| heals.iter().all(ended));
        reported(&rig, "what came of it", |report| items(report).is_empty() && all(report)).await?;
    }

    let before = writes(&rosa)?.len();
    let mut stand_in = JoinSet::new();
    stand_in.spawn(writes_back(rosa.admin.clone()));
    let fights = |report: &Value| items(report).iter().any(|one| one["item"]["state"] == "fighting");
    let report = reported(&rig, "a fight", fights).await?;
    let [fought] = items(&report) else { bail!("more than one difference: {report:#}") };
    ensure!(
        fought["item"]["manager"] == "stand-in"
            && fought["item"]["path"] == format!(".metadata.annotations.{MARK}"),
        "{report:#}"
    );
    // The edit at the beginning was healed within the same window.
    ensure!(fought["item"]["heals"] == 5 && writes(&rosa)?.len() == before + 4, "{:#?}", writes(&rosa)?);
    let said = rig.ends_with(0, &["drift", "report", "rosa-1"]).await?;
    ensure!(said.contains("fighting") && said.contains("meshfleet and stand-in"), "{said}");
    rig.condition_is("rosa-1", "InSync", "Fighting").await?;

    let item = fought["number"].to_string();
    stand_in.shutdown().await;
    rig.ends_with(0, &["drift", "heal", "rosa-1", &item, "--dry-run"]).await?;
    ensure!(writes(&rosa)?.len() == before + 4, "it was asked what it would do");
    let said = rig.ends_with(0, &["drift", "heal", "rosa-1", &item, "--reason", "it is gone now"]).await?;
    ensure!(said.contains("theirs"), "{said}");
    let report = reported(&rig, "peace", |report| items(report).is_empty()).await?;
    ensure!(mark(&rosa.admin).await? == ours, "it was not healed");
    let by_hand = |report: &Value| {
        report["heals"]
            .as_array()
            .is_some_and(|heals| heals.iter().any(|heal| heal["reason"] == "it is gone now"))
    };
    reported(&rig, "who asked for it", by_hand).await.with_context(|| format!("{report:#}"))?;
    ensure!(writes(&rosa)?.len() == before + 5, "{:#?}", writes(&rosa)?);
    rig.passed().await
}

async fn freeze(cluster: &Cluster, reason: Value) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(cluster.admin.clone());
    let patch = Patch::Merge(json!({"metadata": {"annotations": {spoke::freeze::ANNOTATION: reason}}}));
    namespaces.patch("meshfleet", &PatchParams::default(), &patch).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_cluster_waits_and_says_so() -> Result<()> {
    let rig = Rig::start().await?;
    let rosa = rosa(&rig).await?;
    freeze(&rosa, json!("audit of the region")).await?;
    let number = rig.fleet.roll_out(&["payments"]).await?;
    let condition = rig.condition_is("rosa-1", "Applied", "Frozen").await?;
    let words = condition.to_string();
    ensure!(words.contains("audit of the region"), "{condition:#}");
    rig.until(number, "the target to say that it is frozen", |shown| {
        target(shown, "rosa-1")["reason"].as_str().is_some_and(|reason| reason.contains("frozen"))
    })
    .await?;
    ensure!(of_plans(&rosa)?.is_empty(), "{:#?}", of_plans(&rosa)?);
    freeze(&rosa, Value::Null).await?;
    rig.fleet.succeeded(number).await?;
    rig.condition_is("rosa-1", "Applied", "Applied").await?;
    rig.passed().await
}
