//! Templates on a real API server, and no hub anywhere: the spoke alone brings instances about.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use spoke::{
    drift::Class,
    report::{ObjectState, Outcome, Phase, Report, Role},
};
use tests::clusters::wait::until;

use super::{
    PATIENCE, Place,
    draft::{Draft, id_of},
};

/// The label that selects a namespace.
const LABEL: &str = "injected";

/// What the webhook of a sidecar leaves on its pods.
const STATUS: &str = "sidecar.istio.io/status";

fn template(value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "attachment"},
        "data": {"x": value, "for": "system:serviceaccounts:$(NAMESPACE)"}})
}

impl Place {
    pub(super) fn namespaces(&self) -> Api<Namespace> {
        Api::all(self.client.clone())
    }

    pub(super) async fn namespace(&self, name: &str, labels: Value) -> Result<Namespace> {
        let namespace = serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}}))?;
        Ok(self.namespaces().create(&PostParams::default(), &namespace).await?)
    }

    pub(super) async fn label(&self, name: &str, value: Value) -> Result<()> {
        let patch = Patch::Merge(json!({"metadata": {"labels": {LABEL: value}}}));
        self.namespaces().patch(name, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    pub(super) fn attachments(&self, namespace: &str) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub(super) async fn attachment(&self, namespace: &str) -> Result<ConfigMap> {
        let api = self.attachments(namespace);
        let found = || async { Ok(api.get_opt("attachment").await?) };
        until(&format!("an instance in {namespace}"), PATIENCE, found).await
    }

    /// Ends a namespace as its controller would: what is in it goes, then itself.
    async fn end(&self, name: &str) -> Result<()> {
        let deleted = self.namespaces().delete(name, &DeleteParams::default()).await?;
        let mut ending = deleted.left().context("a namespace ends by its finalizer")?;
        self.attachments(name).delete("attachment", &DeleteParams::default()).await?;
        ending.spec = Some(serde_json::from_value(json!({"finalizers": []}))?);
        let body = serde_json::to_vec(&ending)?;
        let path = format!("/api/v1/namespaces/{name}/finalize");
        let request = http_put(&path, body)?;
        self.client.request_text(request).await.context("ending a namespace")?;
        Ok(())
    }
}

fn http_put(path: &str, body: Vec<u8>) -> Result<http::Request<Vec<u8>>> {
    let request = http::Request::put(path).header("content-type", "application/json");
    Ok(request.body(body)?)
}

fn instance<'a>(report: &'a Report, namespace: &str) -> Option<&'a ObjectState> {
    report.objects.iter().find(|state| state.id.name == "attachment" && state.id.namespace == namespace)
}

fn has(report: &Report, namespace: &str, outcome: Outcome) -> bool {
    instance(report, namespace).is_some_and(|state| state.outcome == outcome)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_comes_with_its_namespace_within_a_second() -> Result<()> {
    let place = Place::start().await?;
    place.namespace("early", json!({LABEL: "yes"})).await?;
    place.namespace("kube-of-ours", json!({LABEL: "yes"})).await?;
    place.namespace("shop", json!({})).await?;
    let mut spoke = place.spoke(1).await?;
    let draft = || Draft::new(1).map("a", "1").template("t", &template("1"), LABEL).content();
    let report = spoke.reach(draft()?, Phase::Healthy).await?;
    let early = instance(&report, "early").context("its instance is told")?;
    ensure!(
        (early.role, early.outcome, early.healthy) == (Role::Instance, Outcome::Created, true),
        "{report:#?}"
    );
    ensure!(instance(&report, "shop").is_none(), "it is not selected: {report:#?}");
    let made = place.attachment("early").await?;
    ensure!(made.data.unwrap_or_default()["for"] == "system:serviceaccounts:early");

    place.label("shop", json!("yes")).await?;
    place.attachment("shop").await?;
    let entries = place.plane.audit().entries()?;
    let answered = |resource: &str, name: &str| {
        let wanted = |entry: &&tests::clusters::audit::Entry| {
            entry.resource == resource
                && entry.name == name
                && entry.verb == "patch"
                && entry.namespace == "shop"
        };
        entries.iter().find(wanted).map(|entry| entry.answered_at)
    };
    let labelled = answered("namespaces", "shop").context("the label is in the audit log")?;
    let made = answered("configmaps", "attachment").context("the instance is in the audit log")?;
    let took = made.duration_since(labelled);
    ensure!(took.as_millis() < 1000, "it took {took:#}");
    let report = spoke.reported(|report| has(report, "shop", Outcome::Created)).await?;
    ensure!(report.phase == Phase::Healthy, "{report:#?}");
    spoke.stop().await;

    // What comes while no spoke runs has its instance once one does, from the target that was accepted.
    place.namespace("late", json!({LABEL: "yes"})).await?;
    let mut spoke = place.spoke(2).await?;
    place.attachment("late").await?;
    spoke.reported(|report| has(report, "late", Outcome::Created)).await?;
    ensure!(place.attachments("kube-of-ours").get_opt("attachment").await?.is_none(), "Kubernetes' own");
    spoke.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_was_deleted_is_drift_until_a_target_says_so() -> Result<()> {
    let place = Place::start().await?;
    for name in ["shop", "pay"] {
        place.namespace(name, json!({LABEL: "yes"})).await?;
    }
    let mut spoke = place.spoke(1).await?;
    let draft = |generation, value: &str| {
        Draft::new(generation).map("a", "1").template("t", &template(value), LABEL).content()
    };
    spoke.reach(draft(1, "1")?, Phase::Healthy).await?;
    // One that is not selected any more keeps what it has.
    place.label("pay", Value::Null).await?;
    place.attachments("shop").delete("attachment", &DeleteParams::default()).await?;
    let drift = spoke.drifted(|drift| !drift.items.is_empty()).await?;
    let seen: Vec<_> = drift.items.iter().map(|item| (item.id.namespace.as_str(), item.class)).collect();
    ensure!(seen == [("shop", Class::Deleted)], "{drift:#?}");
    let report = spoke.reported(|report| report.phase == Phase::Unhealthy).await?;
    ensure!(report.message.contains("attachment: it was deleted"), "{report:#?}");
    // Neither the next namespace nor the next process brings it back.
    place.namespace("next", json!({LABEL: "yes"})).await?;
    place.attachment("next").await?;
    spoke.stop().await;
    let mut spoke = place.spoke(2).await?;
    place.namespace("after", json!({LABEL: "yes"})).await?;
    place.attachment("after").await?;
    ensure!(place.attachments("shop").get_opt("attachment").await?.is_none(), "it was healed unasked");
    ensure!(place.attachments("pay").get_opt("attachment").await?.is_some(), "it lost its instance");

    let report = spoke.reach(draft(2, "2")?, Phase::Healthy).await?;
    ensure!(has(&report, "shop", Outcome::Created) && has(&report, "next", Outcome::Changed), "{report:#?}");
    // Back among the selected, it gets what the others have.
    ensure!(place.attachment("pay").await?.data.unwrap_or_default()["x"] == "1");
    place.label("pay", json!("yes")).await?;
    spoke.reported(|report| has(report, "pay", Outcome::Changed)).await?;
    ensure!(place.attachment("pay").await?.data.unwrap_or_default()["x"] == "2");
    spoke.drifted(|drift| drift.generation == 2 && drift.items.is_empty()).await?;
    spoke.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_made_anew_gets_its_instance_anew() -> Result<()> {
    let place = Place::start().await?;
    place.namespace("shop", json!({LABEL: "yes"})).await?;
    let mut spoke = place.spoke(1).await?;
    let draft = Draft::new(1).map("a", "1").template("t", &template("1"), LABEL).content()?;
    spoke.reach(draft, Phase::Healthy).await?;
    let first = place.attachment("shop").await?.uid();
    place.end("shop").await?;
    let report = spoke.reported(|report| instance(report, "shop").is_none()).await?;
    ensure!(report.phase == Phase::Healthy, "what went with its namespace is not missed: {report:#?}");
    place.namespace("shop", json!({LABEL: "yes"})).await?;
    let second = place.attachment("shop").await?.uid();
    ensure!(first != second, "the namespace was not made anew");
    let report = spoke.reported(|report| has(report, "shop", Outcome::Created)).await?;
    ensure!(instance(&report, "shop").map(|state| Some(&state.uid)) == Some(second.as_ref()), "{report:#?}");
    spoke.drifted(|drift| drift.items.is_empty()).await?;
    spoke.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_object_in_the_place_of_an_instance_is_left_and_told() -> Result<()> {
    let place = Place::start().await?;
    let mut spoke = place.spoke(1).await?;
    let draft = |generation, adopt: &str| {
        let draft = Draft::new(generation).map("a", "1").template("t", &template("1"), LABEL);
        draft.more(json!({"adopt": adopt})).content()
    };
    spoke.reach(draft(1, "Never")?, Phase::Healthy).await?;
    place.namespace("shop", json!({})).await?;
    let strange =
        json!({"metadata": {"name": "attachment"}, "data": {"x": "1", "for": "system:serviceaccounts:shop"}});
    let strange = serde_json::from_value(strange)?;
    let made = place.attachments("shop").create(&PostParams::default(), &strange).await?;
    place.label("shop", json!("yes")).await?;
    let report = spoke.reported(|report| report.phase == Phase::Unhealthy).await?;
    ensure!(has(&report, "shop", Outcome::AdoptionRequired), "{report:#?}");
    ensure!(place.attachment("shop").await? == made, "it was written");
    let report = spoke.reach(draft(2, "IfNoDiff")?, Phase::Healthy).await?;
    let adopted = instance(&report, "shop").context("it is told")?;
    ensure!((adopted.role, adopted.outcome) == (Role::Instance, Outcome::Unchanged), "{report:#?}");
    ensure!(place.attachment("shop").await?.data == made.data, "it was changed");
    spoke.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_stays_while_a_pod_needs_it() -> Result<()> {
    let place = Place::start().await?;
    for name in ["shop", "pay", "other"] {
        place.namespace(name, json!({LABEL: "yes"})).await?;
    }
    let pods: Api<Pod> = Api::namespaced(place.client.clone(), "shop");
    let pod = json!({"metadata": {"name": "injected", "annotations": {STATUS: "{}"}},
        "spec": {"containers": [{"name": "app", "image": "app"}]}});
    pods.create(&PostParams::default(), &serde_json::from_value(pod)?).await?;
    let running = Patch::Merge(json!({"status": {"phase": "Running"}}));
    pods.patch_status("injected", &PatchParams::default(), &running).await?;
    // One that has ended, and one that is not injected, need nothing.
    let pays: Api<Pod> = Api::namespaced(place.client.clone(), "pay");
    for (name, annotations) in [("ended", json!({STATUS: "{}"})), ("plain", json!({}))] {
        let pod = json!({"metadata": {"name": name, "annotations": annotations},
            "spec": {"containers": [{"name": "app", "image": "app"}]}});
        pays.create(&PostParams::default(), &serde_json::from_value(pod)?).await?;
    }
    let ended = Patch::Merge(json!({"status": {"phase": "Succeeded"}}));
    pays.patch_status("ended", &PatchParams::default(), &ended).await?;

    let mut spoke = place.spoke(1).await?;
    let draft = Draft::new(1).map("a", "1").template("t", &template("1"), LABEL).content()?;
    spoke.reach(draft, Phase::Healthy).await?;
    let deletion = json!([{"template": "t", "id": id_of(&template("1")), "why": "left the plan",
        "keep_while": {"pods_annotated": STATUS}}]);
    let draft = Draft::new(2).map("a", "1").more(json!({"delete_templates": deletion})).content()?;
    let report = spoke.reach(draft, Phase::Healthy).await?;
    ensure!(has(&report, "shop", Outcome::InUse) && has(&report, "pay", Outcome::Deleted), "{report:#?}");
    ensure!(has(&report, "other", Outcome::Deleted), "{report:#?}");
    ensure!(report.message.contains("in use"), "{report:#?}");
    let why = instance(&report, "shop").map(|state| state.message.as_str()).unwrap_or_default();
    ensure!(why.contains("shop/injected"), "{report:#?}");
    ensure!(place.attachments("pay").get_opt("attachment").await?.is_none(), "it was not deleted");
    spoke.stop().await;

    // Also by a later process.
    let mut spoke = place.spoke(2).await?;
    spoke.reported(|report| has(report, "shop", Outcome::InUse)).await?;
    ensure!(place.attachments("shop").get_opt("attachment").await?.is_some(), "it was deleted under its pod");
    pods.delete("injected", &DeleteParams::default().grace_period(0)).await?;
    spoke.reported(|report| has(report, "shop", Outcome::Deleted)).await?;
    ensure!(place.attachments("shop").get_opt("attachment").await?.is_none(), "it was not deleted");
    spoke.drifted(|drift| drift.items.is_empty()).await?;
    spoke.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_namespaces_at_once_do_not_keep_one_waiting() -> Result<()> {
    let place = Place::start().await?;
    let mut spoke = place.spoke(1).await?;
    let draft = Draft::new(1).map("a", "1").template("t", &template("1"), LABEL).content()?;
    spoke.reach(draft, Phase::Healthy).await?;
    let many: Vec<String> = (0..200).map(|number| format!("n{number}")).collect();
    for some in many.chunks(50) {
        let made = some.iter().map(|name| place.namespace(name, json!({LABEL: "yes"})));
        futures::future::try_join_all(made).await?;
    }
    place.namespace("one", json!({LABEL: "yes"})).await?;
    place.attachment("one").await?;
    for name in &many {
        place.attachment(name).await?;
    }
    spoke.reported(|report| many.iter().all(|name| has(report, name, Outcome::Created))).await?;
    spoke.drifted(|drift| drift.items.is_empty()).await?;
    spoke.stop().await;
    let entries = place.plane.audit().entries()?;
    let answered = |verb: &str, resource: &str, name: &str, namespace: &str| {
        let wanted = |entry: &&tests::clusters::audit::Entry| {
            (entry.verb.as_str(), entry.resource.as_str()) == (verb, resource)
                && (entry.name.as_str(), entry.namespace.as_str()) == (name, namespace)
        };
        entries.iter().find(wanted).map(|entry| entry.answered_at)
    };
    let came = answered("create", "namespaces", "one", "one").or(answered("create", "namespaces", "one", ""));
    let came = came.context("the namespace is in the audit log")?;
    let made = answered("patch", "configmaps", "attachment", "one").context("so is its instance")?;
    let took = made.duration_since(came);
    ensure!(took.as_millis() < 1000, "it waited for the others: {took:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_selected_no_more_is_not_complained_of() -> Result<()> {
    let place = Place::start().await?;
    let strange = json!({"metadata": {"name": "attachment"}, "data": {"x": "0"}});
    place.namespace("shop", json!({LABEL: "yes"})).await?;
    place.attachments("shop").create(&PostParams::default(), &serde_json::from_value(strange)?).await?;
    let mut spoke = place.spoke(1).await?;
    let draft = Draft::new(1).map("a", "1").template("t", &template("1"), LABEL).content()?;
    let report = spoke.reach(draft, Phase::Failed).await?;
    ensure!(has(&report, "shop", Outcome::AdoptionRequired), "{report:#?}");
    place.label("shop", Value::Null).await?;
    let report = spoke.reported(|report| report.phase == Phase::Healthy).await?;
    ensure!(instance(&report, "shop").is_none(), "{report:#?}");
    place.label("shop", json!("yes")).await?;
    spoke.reported(|report| report.phase == Phase::Unhealthy).await?;
    place.label("shop", Value::Null).await?;
    spoke.reported(|report| report.phase == Phase::Healthy).await?;
    spoke.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_begins_where_all_is_done_writes_nothing_but_its_lease() -> Result<()> {
    let place = Place::start().await?;
    place.namespace("shop", json!({LABEL: "yes"})).await?;
    let mut spoke = place.spoke(1).await?;
    let draft = |generation| Draft::new(generation).map("a", "1").template("t", &template("1"), LABEL);
    spoke.reach(draft(1).content()?, Phase::Healthy).await?;
    spoke.stop().await;
    let written = |place: &Place| -> Result<Vec<String>> {
        let all = place.plane.audit().entries()?.into_iter();
        let ours = all.filter(|entry| {
            entry.mutates() && entry.field_manager() == Some("meshfleet") && entry.resource != "leases"
        });
        Ok(ours.map(|entry| format!("{} {}/{}", entry.verb, entry.resource, entry.name)).collect())
    };
    let before = written(&place)?;
    let mut spoke = place.spoke(2).await?;
    spoke.reported(|report| report.phase == Phase::Healthy).await?;
    // A label that comes and goes selects it anew: it has its instance.
    place.label("shop", Value::Null).await?;
    place.label("shop", json!("yes")).await?;
    place.namespace("next", json!({LABEL: "yes"})).await?;
    place.attachment("next").await?;
    spoke.reported(|report| has(report, "next", Outcome::Created)).await?;
    let after = written(&place)?;
    ensure!(
        after[before.len()..] == ["patch configmaps/attachment", "update secrets/inventory-0"],
        "{after:#?}"
    );

    // A target with nothing new in it writes down that it is accepted and through, and no more.
    spoke.reach(draft(2).content()?, Phase::Healthy).await?;
    spoke.stop().await;
    let last = written(&place)?;
    let rest: Vec<&String> =
        last[after.len()..].iter().filter(|write| !write.contains("secrets/target")).collect();
    ensure!(rest.is_empty(), "{rest:#?}");
    Ok(())
}
