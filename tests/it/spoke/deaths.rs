//! An agent that dies right after each single write, and begins again, comes to the same end as one that never dies, in
//! everything that a target may hold: objects, instances of templates, additions, releases, deletions of what is in use.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PostParams},
    client::Body,
};
use serde_json::{Value, json};
use spoke::{
    fence::Content,
    report::{Outcome, Phase, Report},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::codegen::http::{Method, Request};

use super::{
    MESH, Place, Running,
    additions::{KEY, NAME},
    draft::{Draft, id_of},
};

/// The label that selects a namespace.
const LABEL: &str = "injected";

/// What the webhook of a sidecar leaves on its pods.
const STATUS: &str = "sidecar.istio.io/status";

/// More writes than one target can need.
const MOST_LIVES: usize = 60;

/// A client that is cut off once one write was answered, as if its process had been killed then.
fn mortal(client: &Client) -> (Client, Arc<Notify>) {
    mortal_after(client, 1)
}

/// A client that is cut off once this many writes were answered, as if its process had been killed then. Renewals of the
/// Lease do not count.
pub(super) fn mortal_after(client: &Client, writes: usize) -> (Client, Arc<Notify>) {
    let (dead, death) = (CancellationToken::new(), Arc::new(Notify::new()));
    let (inner, told, written) = (client.clone(), Arc::clone(&death), Arc::new(AtomicUsize::new(0)));
    let service = tower::service_fn(move |request: Request<Body>| {
        let (inner, dead, told) = (inner.clone(), dead.clone(), Arc::clone(&told));
        let written = Arc::clone(&written);
        async move {
            let counts = request.method() != Method::GET
                && !request.uri().path().contains("/leases")
                && !request.uri().query().unwrap_or_default().contains("dryRun");
            if dead.is_cancelled() {
                std::future::pending::<()>().await;
            }
            let answer = inner.send(request).await;
            if dead.is_cancelled() {
                std::future::pending::<()>().await;
            }
            if counts && written.fetch_add(1, Ordering::SeqCst) + 1 == writes {
                dead.cancel();
                told.notify_one();
                std::future::pending::<()>().await;
            }
            answer
        }
    });
    (Client::new(service, "default"), death)
}

fn attachment(value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "attachment"},
        "data": {"x": value, "for": "system:serviceaccounts:$(NAMESPACE)"}})
}

fn addition(value: &str) -> Value {
    json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": NAME, "annotations": {KEY: value}}})
}

/// A mesh that comes, changes, and goes but for one object.
fn targets() -> Result<Vec<Content>> {
    let first = Draft::new(1)
        .map("a", "1")
        .map("b", "1")
        .template("t", &attachment("1"), LABEL)
        .addition(&addition("1"));
    let map = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": MESH}});
    let gone = json!([{"id": id_of(&map("b")), "uid": "", "why": "left the plan"}]);
    let second = Draft::new(2)
        .map("a", "2")
        .template("t", &attachment("2"), LABEL)
        .addition(&addition("2"))
        .more(json!({"deletions": gone}));
    let instances = json!([{"template": "t", "id": id_of(&attachment("1")), "why": "left the plan",
        "keep_while": {"pods_annotated": STATUS}}]);
    let third = Draft::new(3).map("a", "2").more(json!({"delete_templates": instances}));
    [first, second, third].into_iter().map(Draft::content).collect()
}

/// Everything that counts of where the plans write: what stands in objects, and whose.
async fn state(place: &Place) -> Result<BTreeMap<String, Value>> {
    let mut found = BTreeMap::new();
    for namespace in [MESH, "shop", "pay"] {
        let maps: Api<ConfigMap> = Api::namespaced(place.client.clone(), namespace);
        for map in maps.list(&ListParams::default()).await? {
            let owners = map.managed_fields().iter().map(|entry| entry.manager.clone());
            let owners: Vec<_> = owners.collect();
            found.insert(
                format!("{namespace}/{}", map.name_any()),
                json!({"data": map.data, "annotations": map.annotations(), "owners": owners}),
            );
        }
    }
    let webhook = place.webhooks().get(NAME).await?;
    found.insert("webhook".to_owned(), json!(webhook.annotations()));
    Ok(found)
}

async fn prepare(place: &Place) -> Result<()> {
    for name in ["shop", "pay"] {
        place.namespace(name, json!({LABEL: "yes"})).await?;
    }
    place.operator_makes_it().await?;
    let pods: Api<Pod> = Api::namespaced(place.client.clone(), "shop");
    let pod = json!({"metadata": {"name": "injected", "annotations": {STATUS: "{}"}},
        "spec": {"containers": [{"name": "app", "image": "app"}]}});
    pods.create(&PostParams::default(), &serde_json::from_value(pod)?).await?;
    Ok(())
}

/// What each object became, without what differs by design: a spoke that died does not know whether it made or changed an
/// object, nor which instances its former life deleted.
fn ends(report: &Report) -> Vec<(String, String, bool)> {
    let outcome = |outcome: Outcome| match outcome {
        applied if applied.is_applied() => "applied".to_owned(),
        other => format!("{other:?}"),
    };
    let told = report.objects.iter().filter(|state| state.outcome != Outcome::Deleted);
    told.map(|state| (state.id.to_string(), outcome(state.outcome), state.healthy)).collect()
}

/// Lives of one write each, until the target is through and healthy.
async fn live_and_die(place: &Place, content: &Content) -> Result<(Arc<Report>, usize)> {
    for life in 1..MOST_LIVES {
        let (client, death) = mortal(&place.client);
        let mut spoke = Place::spoke_as(&client, 1).await?;
        tokio::select! {
            () = death.notified() => {}
            reached = reach(&mut spoke, content) => return Ok((reached?, life)),
        }
        never_a_stranger(&spoke)?;
        spoke.die().await;
    }
    let written = place.plane.audit().entries()?.into_iter().filter(|entry| {
        entry.mutates() && entry.field_manager() == Some("meshfleet") && entry.resource != "leases"
    });
    let last: Vec<String> =
        written.map(|entry| format!("{} {}/{}", entry.verb, entry.resource, entry.name)).collect();
    let last = &last[last.len().saturating_sub(8)..];
    bail!("{MOST_LIVES} lives did not end target {}; written last: {last:#?}", content.target.generation)
}

async fn reach(spoke: &mut Running, content: &Content) -> Result<Arc<Report>> {
    let accepted = spoke.accepted.borrow().fence.map_or(0, |fence| fence.generation);
    if accepted < content.target.generation {
        ensure!(spoke.offer(content.clone()).await?.is_ok(), "it was refused");
    }
    let wanted =
        |report: &Report| report.generation == content.target.generation && report.phase == Phase::Healthy;
    let report = spoke.reported(wanted).await?;
    let inventory = Arc::clone(&spoke.inventory.borrow());
    ensure!(inventory.entries().count() > 0, "nothing is ours");
    Ok(report)
}

fn never_a_stranger(spoke: &Running) -> Result<()> {
    let report = spoke.report.borrow().clone();
    let objects = report.iter().flat_map(|report| &report.objects);
    let strange: Vec<_> = objects.filter(|state| state.outcome == Outcome::AdoptionRequired).collect();
    ensure!(strange.is_empty(), "its own work was taken for a stranger's: {strange:#?}");
    Ok(())
}

impl Running {
    /// Ends without another word, as a process that is killed.
    pub(super) async fn die(mut self) {
        self.tasks.shutdown().await;
    }
}

/// No object is written to be A, then B, then A again.
fn never_back_and_forth(place: &Place) -> Result<()> {
    let mut history: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let written = place.plane.audit().entries()?.into_iter().filter(|entry| {
        entry.mutates() && entry.resource == "configmaps" && entry.field_manager() == Some("meshfleet")
    });
    for entry in written {
        let mut body = entry.request_body.unwrap_or_default();
        // A uid stands there once the object was looked at.
        body["metadata"]["uid"] = Value::Null;
        let bodies = history.entry(format!("{}/{}", entry.namespace, entry.name)).or_default();
        if bodies.last() != Some(&body) {
            ensure!(!bodies.contains(&body), "an object went back: {bodies:#?}");
            bodies.push(body);
        }
    }
    ensure!(history.len() >= 4, "the audit log shows too few writes: {history:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_dies_after_each_write_comes_to_the_same_end() -> Result<()> {
    let (steady, dying) = tokio::try_join!(Place::start(), Place::start())?;
    prepare(&steady).await?;
    prepare(&dying).await?;
    let mut spoke = steady.spoke(1).await?;
    let least = [8, 6, 4];
    for (content, least) in targets()?.into_iter().zip(least) {
        let generation = content.target.generation;
        let expected = reach(&mut spoke, &content).await?;
        let (report, lives) = live_and_die(&dying, &content).await?;
        ensure!(lives > least, "target {generation}: only {lives} lives");
        ensure!(ends(&report) == ends(&expected), "target {generation}: {report:#?}\n{expected:#?}");
        let (one, other) = (state(&steady).await?, state(&dying).await?);
        ensure!(one == other, "target {generation} came to another end:\n{one:#?}\n{other:#?}");
    }
    spoke.stop().await;
    let left = state(&dying).await?;
    let names: Vec<&str> = left.keys().map(String::as_str).collect();
    ensure!(names == ["mesh/a", "shop/attachment", "webhook"], "{names:?}");
    ensure!(left["webhook"].get(KEY).is_none(), "it was not given back: {left:#?}");
    never_back_and_forth(&dying)
}

/// As if the spoke had been killed right before it wrote down an instance, and the namespace is selected no more.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_was_not_written_down_is_found_though_its_namespace_is_selected_no_more()
-> Result<()> {
    let place = Place::start().await?;
    place.namespace("shop", json!({LABEL: "yes"})).await?;
    let mut spoke = place.spoke(1).await?;
    let draft = Draft::new(1).map("a", "1").template("t", &attachment("1"), LABEL);
    spoke.reach(draft.content()?, Phase::Healthy).await?;
    spoke.stop().await;
    place.forget_inventory().await?;
    place.label("shop", Value::Null).await?;
    let mut spoke = place.spoke(2).await?;
    let deletion = json!([{"template": "t", "id": id_of(&attachment("1")), "why": "left the plan"}]);
    let draft = Draft::new(2).map("a", "1").more(json!({"delete_templates": deletion}));
    spoke.reach(draft.content()?, Phase::Healthy).await?;
    let left = place.attachments("shop").get_opt("attachment").await?;
    ensure!(left.is_none(), "it stays for ever: {left:#?}");
    spoke.stop().await;
    Ok(())
}

/// As if the spoke had been killed right after it took an object over, which leaves no mark.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_over_and_not_written_down_is_no_strangers() -> Result<()> {
    let place = Place::start().await?;
    let mut spoke = place.spoke(1).await?;
    spoke.reach(Draft::new(1).map("a", "1").content()?, Phase::Healthy).await?;
    let map = json!({"metadata": {"name": "same"}, "data": {"x": "1"}});
    let params = PostParams { field_manager: Some("a-person".to_owned()), ..PostParams::default() };
    place.maps().create(&params, &serde_json::from_value(map)?).await?;
    let draft = |generation, value| Draft::new(generation).map("a", "1").map("same", value);
    let if_same = draft(2, "1").more(json!({"adopt": "IfNoDiff"}));
    spoke.reach(if_same.content()?, Phase::Healthy).await?;
    spoke.stop().await;
    place.forget_inventory().await?;
    let mut spoke = place.spoke(2).await?;
    let deletions = json!([{"id": id_of(&json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "same", "namespace": MESH}})), "uid": "", "why": "left the plan"}]);
    let draft = Draft::new(3).map("a", "1").more(json!({"deletions": deletions}));
    let report = spoke.reach(draft.content()?, Phase::Healthy).await?;
    ensure!(super::object(&report, "same")?.outcome == Outcome::Deleted, "{report:#?}");
    spoke.stop().await;
    Ok(())
}

impl Place {
    async fn forget_inventory(&self) -> Result<()> {
        let secrets: Api<k8s_openapi::api::core::v1::Secret> =
            Api::namespaced(self.client.clone(), "meshfleet");
        secrets.delete("inventory-0", &Default::default()).await.context("there is an inventory")?;
        Ok(())
    }
}
