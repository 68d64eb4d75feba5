//! The spoke's agent on a real API server, without a hub: what it does with the targets that it is offered.
//!
//! The plans here hold ConfigMaps, so the agent runs as the administrator. That the spoke's own rights suffice is shown
//! where whole meshes are rolled out.

mod additions;
mod deaths;
mod draft;
mod freeze;
mod heal;
mod probe;
mod rights;
mod templates;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use draft::Draft;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use spoke::{
    agent::{Accepted, Agent, Drift, Outlets, Setup},
    cluster::Cluster,
    delivery::Offer,
    digest::{Digest, canonical},
    drift::Class,
    fence::Content,
    freeze::Freeze,
    heal::{Ask, Heard},
    inventory::Inventory,
    lease::{self, Holder, Keeper},
    refusal::{Code, Refusal},
    report::{ObjectState, Outcome, Phase, Report, Role},
    secrets::Secrets,
    writes::Writes,
};
use tests::clusters::{ControlPlane, Etcd, Options, wait::until};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// How long a busy machine may take for one step.
const PATIENCE: Duration = Duration::from_secs(60);

/// The cluster that all targets are for.
const CLUSTER: &str = "4c7a0c6e-0000-4000-8000-000000000001";

/// Where the objects of the plans are.
const MESH: &str = "mesh";

/// An API server, and what is needed to start a spoke on it.
struct Place {
    plane: ControlPlane,
    client: Client,
    _etcd: Etcd,
    _folder: tempfile::TempDir,
}

impl Place {
    async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let etcd = Etcd::start(folder.path()).await?;
        let plane = ControlPlane::start(&etcd, "one", Options::default()).await?;
        let client = plane.admin_client().await?;
        let metadata = ObjectMeta { name: Some("meshfleet".to_owned()), ..ObjectMeta::default() };
        let home = Namespace { metadata, ..Namespace::default() };
        Api::all(client.clone()).create(&PostParams::default(), &home).await?;
        Ok(Self { plane, client, _etcd: etcd, _folder: folder })
    }

    async fn spoke(&self, name: u8) -> Result<Running> {
        Self::spoke_as(&self.client, name).await
    }

    async fn spoke_as(client: &Client, name: u8) -> Result<Running> {
        let running = Starting::new(client, name);
        until("the spoke to begin", PATIENCE, || async {
            Ok(matches!(*running.lease.borrow(), lease::State::Held { .. }).then_some(()))
        })
        .await?;
        running.begin().await
    }

    fn maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), MESH)
    }

    /// Somebody else's edit.
    async fn edit(&self, name: &str, value: &str) -> Result<()> {
        let params = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
        self.maps().patch(name, &params, &Patch::Merge(json!({"data": {"x": value}}))).await?;
        Ok(())
    }

    async fn value(&self, name: &str) -> Result<Option<String>> {
        let found = self.maps().get_opt(name).await?;
        Ok(found.and_then(|map| map.data).and_then(|data| data.get("x").cloned()))
    }
}

/// A spoke that may not hold the Lease yet.
struct Starting {
    client: Client,
    lease: watch::Receiver<lease::State>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

/// An agent that runs.
struct Running {
    offers: mpsc::Sender<Offer>,
    asks: mpsc::Sender<Ask>,
    heard: watch::Sender<Heard>,
    report: watch::Receiver<Option<Arc<Report>>>,
    drift: watch::Receiver<Option<Arc<Drift>>>,
    accepted: watch::Receiver<Arc<Accepted>>,
    inventory: watch::Receiver<Arc<Inventory>>,
    lease: watch::Receiver<lease::State>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Starting {
    fn new(client: &Client, name: u8) -> Self {
        let stop = CancellationToken::new();
        let cluster = Cluster::new(client.clone());
        let (keeper, lease) = Keeper::new(&cluster, "meshfleet", Holder::this_process([name; 16]));
        let mut tasks = JoinSet::new();
        tasks.spawn(keeper.run(stop.clone()));
        Self { client: client.clone(), lease, tasks, stop }
    }

    async fn begin(mut self) -> Result<Running> {
        let cluster = Cluster::new(self.client);
        let (generation, accepted_generation) = watch::channel(0);
        let (freeze, frozen) = watch::channel(Freeze::default());
        let home = "meshfleet".to_owned();
        self.tasks.spawn(spoke::freeze::keep(cluster.clone(), home, freeze, self.stop.clone()));
        let writes = Writes::new(self.lease.clone(), accepted_generation, frozen);
        let outlets = Outlets {
            accepted: watch::Sender::new(Arc::new(Accepted::default())),
            generation,
            report: watch::Sender::new(None),
            drift: watch::Sender::new(None),
            inventory: watch::Sender::default(),
        };
        let (offers, offered) = mpsc::channel(1);
        let (asks, asked) = mpsc::channel(1);
        let heard = watch::Sender::new(Heard::default());
        let (report, drift) = (outlets.report.subscribe(), outlets.drift.subscribe());
        let (accepted, inventory) = (outlets.accepted.subscribe(), outlets.inventory.subscribe());
        let setup = Setup {
            secrets: Secrets::new(&cluster, "meshfleet", writes.clone()),
            cluster,
            writes,
            cluster_id: CLUSTER.to_owned(),
            namespace: "meshfleet".to_owned(),
            outlets,
            offers: offered,
            asks: asked,
            heard: heard.subscribe(),
        };
        let agent = Agent::begin(setup, &self.stop).await.map_err(|(_, error)| error)?;
        self.tasks.spawn(agent.run(self.stop.clone()));
        let Self { lease, tasks, stop, .. } = self;
        Ok(Running { offers, asks, heard, report, drift, accepted, inventory, lease, tasks, stop })
    }
}

impl Running {
    async fn offer(&self, content: Content) -> Result<Result<(), Refusal>> {
        let (answer, decision) = oneshot::channel();
        self.offers.send(Offer { content: Arc::new(content), traceparent: String::new(), answer }).await?;
        Ok(tokio::time::timeout(PATIENCE, decision).await??)
    }

    /// Offers a target that must be taken, and waits for a report of it in this phase.
    async fn reach(&mut self, content: Content, phase: Phase) -> Result<Arc<Report>> {
        let generation = content.target.generation;
        if let Err(refusal) = self.offer(content).await? {
            bail!("refused: {refusal}");
        }
        self.reported(|report| report.generation == generation && report.phase == phase).await
    }

    async fn reported(&mut self, wanted: impl Fn(&Report) -> bool) -> Result<Arc<Report>> {
        let found = self.report.wait_for(|report| report.as_deref().is_some_and(&wanted));
        let found =
            tokio::time::timeout(PATIENCE, found).await.map(|found| found.map(|report| report.clone()));
        match found {
            Ok(report) => report?.context("a report"),
            Err(_) => bail!("not reported; the last report is {:#?}", self.report.borrow()),
        }
    }

    async fn drifted(&mut self, wanted: impl Fn(&Drift) -> bool) -> Result<Arc<Drift>> {
        let found = self.drift.wait_for(|drift| drift.as_deref().is_some_and(&wanted));
        let found = tokio::time::timeout(PATIENCE, found).await.map(|found| found.map(|drift| drift.clone()));
        match found {
            Ok(drift) => drift?.context("a drift report"),
            Err(_) => bail!("not seen; the last drift is {:#?}", self.drift.borrow()),
        }
    }

    async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

fn id(name: &str) -> Value {
    json!({"group": "", "version": "v1", "kind": "ConfigMap", "namespace": MESH, "name": name})
}

/// A target whose plan has these ConfigMaps, with `more` written over the target.
fn target(generation: u64, maps: &[(&str, &str)], more: Value) -> Result<Content> {
    let draft = maps.iter().fold(Draft::new(generation), |draft, (name, value)| draft.map(name, value));
    draft.more(more).content()
}

fn outcomes(report: &Report) -> Vec<(&str, Outcome)> {
    report.objects.iter().map(|state| (state.id.name.as_str(), state.outcome)).collect()
}

fn object<'a>(report: &'a Report, name: &str) -> Result<&'a ObjectState> {
    report
        .objects
        .iter()
        .find(|state| state.id.name == name)
        .with_context(|| format!("no {name} in {report:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_so_already_is_not_written_again() -> Result<()> {
    let place = Place::start().await?;
    let mut spoke = place.spoke(1).await?;
    let report = spoke.reach(target(1, &[("a", "1"), ("b", "1")], json!({}))?, Phase::Healthy).await?;
    ensure!(outcomes(&report) == [("a", Outcome::Created), ("b", Outcome::Created)], "{report:#?}");
    ensure!(report.completed == 1, "{report:#?}");
    let before = place.maps().get("a").await?;

    let report = spoke.reach(target(2, &[("a", "1"), ("b", "2")], json!({}))?, Phase::Healthy).await?;
    ensure!(outcomes(&report) == [("a", Outcome::Unchanged), ("b", Outcome::Changed)], "{report:#?}");
    ensure!(place.maps().get("a").await?.resource_version() == before.resource_version(), "a was written");
    ensure!(place.value("b").await?.as_deref() == Some("2"), "b was not written");

    let refused = spoke.offer(target(1, &[("a", "0")], json!({}))?).await?;
    ensure!(refused.is_err_and(|refusal| refusal.code == Code::StaleGeneration), "an older target was taken");
    spoke.stop().await;

    // A new process begins where the old one was, and writes nothing.
    let written = place.maps().get("b").await?;
    let mut spoke = place.spoke(2).await?;
    let report = spoke.reported(|report| report.phase == Phase::Healthy).await?;
    ensure!(report.generation == 2 && report.completed == 2, "{report:#?}");
    ensure!(place.maps().get("b").await?.resource_version() == written.resource_version(), "b was written");
    spoke.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_seen_with_its_writer_and_taken_back_only_when_asked() -> Result<()> {
    let place = Place::start().await?;
    let mut spoke = place.spoke(1).await?;
    let maps = [("a", "1"), ("b", "1")];
    spoke.reach(target(1, &maps, json!({}))?, Phase::Healthy).await?;
    spoke.drifted(|drift| drift.items.is_empty()).await?;
    place.edit("a", "2").await?;
    place.maps().delete("b", &DeleteParams::default()).await?;
    let drift = spoke.drifted(|drift| drift.items.len() == 2).await?;
    let edited = &drift.items[0];
    let actor = edited.actor.as_ref().context("who edited is known")?;
    ensure!((edited.path.as_str(), edited.class) == (".data.x", Class::Overwritten), "{edited:#?}");
    ensure!((actor.manager.as_str(), actor.operation.as_str()) == ("kubectl-edit", "Update"), "{actor:#?}");
    ensure!(edited.found == Some(json!("2")) && edited.baseline == Some(json!("1")), "{edited:#?}");
    ensure!(drift.items[1].class == Class::Deleted, "{drift:#?}");

    let report = spoke.reach(target(2, &maps, json!({}))?, Phase::Failed).await?;
    ensure!(object(&report, "a")?.outcome == Outcome::Conflict, "{report:#?}");
    ensure!(object(&report, "a")?.message.contains("kubectl-edit"), "{report:#?}");
    ensure!(place.value("a").await?.as_deref() == Some("2"), "a was taken without being asked for");

    // Another value than the one that was seen is not taken either.
    let overwrite = |found: &str| json!({"overwrite": [{"uid": edited.uid, "path": ".data.x", "found": Digest::of_value(&json!(found))}]});
    spoke.reach(target(3, &maps, overwrite("3"))?, Phase::Failed).await?;
    let report = spoke.reach(target(4, &maps, overwrite("2"))?, Phase::Healthy).await?;
    ensure!(object(&report, "a")?.outcome == Outcome::Changed, "{report:#?}");
    ensure!(place.value("a").await?.as_deref() == Some("1"), "a was not taken back");
    ensure!(place.value("b").await?.as_deref() == Some("1"), "b was not made again");
    spoke.drifted(|drift| drift.generation == 4 && drift.items.is_empty()).await?;
    spoke.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_object_is_taken_over_only_as_the_target_says() -> Result<()> {
    let place = Place::start().await?;
    let mut spoke = place.spoke(1).await?;
    spoke.reach(target(1, &[("a", "1")], json!({}))?, Phase::Healthy).await?;
    for name in ["same", "other"] {
        let map = json!({"metadata": {"name": name}, "data": {"x": if name == "same" { "1" } else { "0" }}});
        let params = PostParams { field_manager: Some("a-person".to_owned()), ..PostParams::default() };
        place.maps().create(&params, &serde_json::from_value(map)?).await?;
    }
    let before = place.maps().get("same").await?;
    let maps = [("a", "1"), ("other", "1"), ("same", "1")];
    let report = spoke.reach(target(2, &maps, json!({"adopt": "Never"}))?, Phase::Failed).await?;
    let (yes, no) = (Outcome::Unchanged, Outcome::AdoptionRequired);
    ensure!(outcomes(&report) == [("a", Outcome::Unchanged), ("other", no), ("same", no)], "{report:#?}");
    ensure!(object(&report, "same")?.message.contains("a-person"), "{report:#?}");
    ensure!(place.maps().get("same").await? == before, "it was written under Never");

    let report = spoke.reach(target(3, &maps, json!({"adopt": "IfNoDiff"}))?, Phase::Failed).await?;
    ensure!(outcomes(&report) == [("a", Outcome::Unchanged), ("other", no), ("same", yes)], "{report:#?}");

    ensure!(object(&report, "other")?.message.contains(".data.x would change"), "{report:#?}");
    ensure!(object(&report, "same")?.role == Role::Adopted, "{report:#?}");
    // Nothing of it changed but who owns what: not even a mark of ours is on it.
    let mut after = place.maps().get("same").await?;
    let owners = after.metadata.managed_fields.take().unwrap_or_default();
    ensure!(owners.iter().any(|entry| entry.manager.as_deref() == Some("meshfleet")), "{owners:#?}");
    let mut expected = before.clone();
    (expected.metadata.managed_fields, expected.metadata.resource_version) =
        (None, after.metadata.resource_version.clone());
    ensure!(after == expected, "taking it over changed it: {after:#?}");
    let writes = place.plane.audit().entries()?.into_iter().filter(|entry| {
        entry.mutates() && entry.name == "same" && entry.field_manager() == Some("meshfleet")
    });
    let writes: Vec<_> = writes.collect();
    ensure!(writes.len() == 1, "more was written than who owns it");
    let sent = writes[0].request_body.clone().unwrap_or_default();
    ensure!(
        sent["metadata"]["resourceVersion"].as_str() == before.metadata.resource_version.as_deref(),
        "changed since the dry run, it would be written all the same: {sent:#}"
    );

    // Even then a field that somebody else holds is not taken.
    let report = spoke.reach(target(4, &maps, json!({"adopt": "Always"}))?, Phase::Failed).await?;
    ensure!(object(&report, "other")?.outcome == Outcome::Conflict, "{report:#?}");
    ensure!(place.value("other").await?.as_deref() == Some("0"), "a stranger's value was written over");
    spoke.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_named_and_ours_is_deleted() -> Result<()> {
    let place = Place::start().await?;
    let mut spoke = place.spoke(1).await?;
    spoke.reach(target(1, &[("a", "1"), ("b", "1"), ("c", "1")], json!({}))?, Phase::Healthy).await?;
    let map = json!({"metadata": {"name": "strange"}});
    place.maps().create(&PostParams::default(), &serde_json::from_value(map)?).await?;
    let deletions: Vec<Value> = ["b", "strange"]
        .iter()
        .map(|name| json!({"id": id(name), "uid": "", "why": "left the plan"}))
        .collect();
    let report =
        spoke.reach(target(2, &[("a", "1")], json!({"deletions": deletions}))?, Phase::Healthy).await?;
    ensure!(object(&report, "b")?.outcome == Outcome::Deleted, "{report:#?}");
    ensure!(object(&report, "strange")?.outcome == Outcome::Left, "{report:#?}");
    ensure!(object(&report, "c")?.generation == 1, "c is not named, so it stays: {report:#?}");
    for (name, exists) in [("a", true), ("b", false), ("c", true), ("strange", true)] {
        ensure!(place.maps().get_opt(name).await?.is_some() == exists, "{name}");
    }
    spoke.drifted(|drift| drift.generation == 2 && drift.items.is_empty()).await?;
    spoke.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_by_somebody_is_not_healthy() -> Result<()> {
    let place = Place::start().await?;
    let mut spoke = place.spoke(1).await?;
    spoke.reach(target(1, &[("a", "1"), ("b", "1")], json!({}))?, Phase::Healthy).await?;
    place.maps().delete("b", &DeleteParams::default()).await?;
    let report = spoke.reported(|report| report.phase == Phase::Unhealthy).await?;
    ensure!(report.message.contains("ConfigMap mesh/b: it was deleted"), "{report:#?}");
    let states = ["a", "b"].map(|name| object(&report, name).map(|state| state.healthy));
    ensure!(matches!(states, [Ok(true), Ok(false)]), "{report:#?}");
    ensure!(object(&report, "b")?.message == "it was deleted", "{report:#?}");
    spoke.reach(target(2, &[("a", "1"), ("b", "1")], json!({}))?, Phase::Healthy).await?;
    spoke.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_and_not_written_down_is_known_again() -> Result<()> {
    let place = Place::start().await?;
    let mut spoke = place.spoke(1).await?;
    spoke.reach(target(1, &[("a", "1")], json!({}))?, Phase::Healthy).await?;
    spoke.stop().await;
    // As if it had been killed right before it wrote the inventory.
    let secrets: Api<Secret> = Api::namespaced(place.client.clone(), "meshfleet");
    secrets.delete("inventory-0", &DeleteParams::default()).await?;
    let mut spoke = place.spoke(2).await?;
    let report = spoke.reach(target(2, &[("a", "2")], json!({}))?, Phase::Healthy).await?;
    ensure!(
        object(&report, "a")?.outcome == Outcome::Changed,
        "ours was taken for a stranger's: {report:#?}"
    );
    spoke.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_target_stops_all_writes_until_it_is_sent_again() -> Result<()> {
    let place = Place::start().await?;
    let mut spoke = place.spoke(1).await?;
    let content = target(1, &[("a", "1")], json!({}))?;
    spoke.reach(content.clone(), Phase::Healthy).await?;
    spoke.stop().await;
    let secrets: Api<Secret> = Api::namespaced(place.client.clone(), "meshfleet");
    secrets.delete(&format!("target-{}-0", content.digest.short()), &DeleteParams::default()).await?;
    let mut spoke = place.spoke(2).await?;
    let accepted = Arc::clone(&spoke.accepted.borrow());
    ensure!(accepted.fence.is_some_and(|fence| fence.generation == 1), "the fence was lost with its content");
    ensure!(accepted.told().is_none(), "the hub would not offer it again");
    let older = spoke.offer(target(1, &[("a", "2")], json!({}))?).await?;
    ensure!(older.is_err_and(|refusal| refusal.code == Code::GenerationConflict), "another target was taken");
    let report = spoke.reach(content, Phase::Healthy).await?;
    ensure!(report.completed == 1, "it was through already: {report:#?}");
    spoke.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_the_schema_lacks_is_rejected_and_the_rest_goes_on() -> Result<()> {
    let place = Place::start().await?;
    let mut spoke = place.spoke(1).await?;
    let mut content = target(1, &[("a", "1"), ("b", "1")], json!({}))?;
    let (digest, body) = content.bodies.pop_first().context("a body")?;
    let mut wrong: Value = serde_json::from_slice(&body)?;
    wrong["nope"] = json!(1);
    content.bodies.insert(digest, canonical(&wrong));
    let name = wrong["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let report = spoke.reach(content, Phase::Failed).await?;
    ensure!(object(&report, &name)?.outcome == Outcome::Rejected, "{report:#?}");
    let rest = report.objects.iter().filter(|state| state.outcome == Outcome::Created).count();
    ensure!(rest == 1, "the other one was not made: {report:#?}");
    spoke.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_goes_away_is_a_state_that_passes() -> Result<()> {
    let mut place = Place::start().await?;
    let mut spoke = place.spoke(1).await?;
    spoke.reach(target(1, &[("a", "1")], json!({}))?, Phase::Healthy).await?;
    place.plane.kill().await?;
    let refused = spoke.offer(target(2, &[("a", "2")], json!({}))?).await?;
    ensure!(
        refused.is_err_and(|refusal| refusal.code == Code::Unavailable),
        "it was taken and not persisted"
    );
    ensure!(spoke.accepted.borrow().fence.is_some_and(|fence| fence.generation == 1), "the fence moved");
    place.plane.restart().await?;
    until("the spoke to take the target", PATIENCE, || async {
        Ok(spoke.offer(target(2, &[("a", "2")], json!({}))?).await?.ok())
    })
    .await?;
    spoke.reported(|report| report.generation == 2 && report.phase == Phase::Healthy).await?;
    ensure!(place.value("a").await?.as_deref() == Some("2"), "a was not written");
    place.edit("a", "3").await?;
    spoke.drifted(|drift| drift.items.len() == 1).await?;
    spoke.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_spoke_waits_for_the_lease() -> Result<()> {
    let place = Place::start().await?;
    let first = place.spoke(1).await?;
    let lease: Api<k8s_openapi::api::coordination::v1::Lease> =
        Api::namespaced(place.client.clone(), "meshfleet");
    // The same process cannot be its own rival: the Lease is given to one elsewhere.
    first.stop().await;
    let mut held = lease.get("spoke").await?;
    let spec = held.spec.as_mut().context("a Lease has a spec")?;
    spec.holder_identity = Some("a spoke elsewhere".to_owned());
    spec.lease_duration_seconds = Some(6);
    lease.replace("spoke", &PostParams::default(), &held).await?;
    let mut second = Starting::new(&place.client, 2);
    let seen = second.lease.wait_for(|state| matches!(state, lease::State::HeldBy(_)));
    tokio::time::timeout(PATIENCE, seen).await.context("it saw no rival")??;
    let taken = second.lease.wait_for(|state| matches!(state, lease::State::Held { .. }));
    tokio::time::timeout(PATIENCE, taken).await.context("it never took the Lease over")??;
    second.begin().await?.stop().await;
    ensure!(lease.get("spoke").await?.spec.and_then(|spec| spec.holder_identity).as_deref() == Some(""));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_known_before_the_lease_was_lost_is_written_no_more() -> Result<()> {
    let place = Place::start().await?;
    let mut first = place.spoke(1).await?;
    first.reach(target(1, &[("a", "1")], json!({}))?, Phase::Healthy).await?;
    let before = first.lease.borrow().term().context("the Lease is held")?;
    // Another takes it, writes what this one does not know of, and is gone again.
    let holder = json!({"spec": {"holderIdentity": "a spoke elsewhere", "leaseDurationSeconds": 2}});
    let leases: Api<k8s_openapi::api::coordination::v1::Lease> =
        Api::namespaced(place.client.clone(), "meshfleet");
    leases.patch("spoke", &PatchParams::default(), &Patch::Merge(holder)).await?;
    let again = first.lease.wait_for(|state| state.term().is_some_and(|term| term != before));
    tokio::time::timeout(PATIENCE, again).await.context("it never took the Lease again")??;
    let refused = first.offer(target(2, &[("a", "2")], json!({}))?).await?;
    ensure!(
        refused.is_err_and(|refusal| refusal.code == Code::Unavailable),
        "it wrote on what it knew before"
    );
    ensure!(place.value("a").await?.as_deref() == Some("1"), "a was written");
    first.stop().await;
    Ok(())
}
