//! Additions on a real API server: fields of ours on a webhook configuration that an operator makes.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use spoke::{
    drift::Class,
    report::{Outcome, Phase, Role},
};
use tests::clusters::wait::until;

use super::{
    PATIENCE, Place,
    draft::{Draft, id_of},
    object,
};

pub const NAME: &str = "injector";
pub const KEY: &str = "enforcer/disabled";

fn addition() -> Value {
    json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": NAME, "annotations": {KEY: "true"}}})
}

impl Place {
    pub(super) fn webhooks(&self) -> Api<MutatingWebhookConfiguration> {
        Api::all(self.client.clone())
    }

    /// Makes the configuration, as its operator does.
    pub(super) async fn operator_makes_it(&self) -> Result<()> {
        let made = json!({"metadata": {"name": NAME, "labels": {"owner": "operator"}}, "webhooks": []});
        let params = PostParams { field_manager: Some("operator".to_owned()), ..PostParams::default() };
        self.webhooks().create(&params, &serde_json::from_value(made)?).await?;
        Ok(())
    }

    async fn added(&self) -> Result<MutatingWebhookConfiguration> {
        let webhooks = self.webhooks();
        until("our annotation", PATIENCE, || async {
            let found = webhooks.get(NAME).await?;
            Ok(found.annotations().contains_key(KEY).then_some(found))
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_addition_is_put_on_what_others_make_and_given_back() -> Result<()> {
    let place = Place::start().await?;
    let mut spoke = place.spoke(1).await?;
    let draft = |generation| Draft::new(generation).map("a", "1").addition(&addition());
    let report = spoke.reach(draft(1).content()?, Phase::Converging).await?;
    ensure!(report.message.contains("does not exist yet"), "{report:#?}");
    let awaited = object(&report, NAME)?;
    ensure!((awaited.role, awaited.outcome) == (Role::Addition, Outcome::Pending), "{report:#?}");
    ensure!(!awaited.healthy, "{report:#?}");
    place.operator_makes_it().await?;
    let first = place.added().await?;
    let report = spoke.reported(|report| report.phase == Phase::Healthy).await?;
    ensure!(object(&report, NAME)?.outcome == Outcome::Changed, "{report:#?}");
    ensure!(first.labels()["owner"] == "operator", "what the operator wrote is its own");
    ensure!(
        !first.annotations().contains_key("meshfleet.dev/applied-by"),
        "only what the plan says is added"
    );

    // Made anew, also while no spoke runs, it gets them anew.
    place.webhooks().delete(NAME, &DeleteParams::default()).await?;
    place.operator_makes_it().await?;
    let second = place.added().await?;
    let uid = second.uid().context("a uid")?;
    ensure!(first.uid().is_some_and(|first| first != uid), "it was not made anew");
    spoke.reported(|report| object(report, NAME).is_ok_and(|state| state.uid == uid)).await?;
    spoke.stop().await;
    place.webhooks().delete(NAME, &DeleteParams::default()).await?;
    place.operator_makes_it().await?;
    let mut spoke = place.spoke(2).await?;
    place.added().await?;
    spoke.reported(|report| report.phase == Phase::Healthy).await?;
    spoke.drifted(|drift| drift.items.is_empty()).await?;

    // Taken away by somebody it is drift, and comes back when a target says so.
    let taken = Patch::Merge(json!({"metadata": {"annotations": {KEY: null}}}));
    place.webhooks().patch(NAME, &PatchParams::default(), &taken).await?;
    let drift = spoke.drifted(|drift| !drift.items.is_empty()).await?;
    ensure!(drift.items[0].class == Class::Removed && drift.items[0].path.contains(KEY), "{drift:#?}");
    spoke.reach(draft(2).content()?, Phase::Healthy).await?;
    place.added().await?;
    spoke.drifted(|drift| drift.generation == 2 && drift.items.is_empty()).await?;

    // A target cannot have it deleted; without the addition it is given back.
    let deletions = json!([{"id": id_of(&addition()), "uid": "", "why": "left the plan"}]);
    let draft = Draft::new(3).map("a", "1").more(json!({"deletions": deletions}));
    let report = spoke.reach(draft.content()?, Phase::Healthy).await?;
    ensure!(object(&report, NAME)?.outcome == Outcome::Left, "{report:#?}");
    let after = place.webhooks().get(NAME).await?;
    ensure!(!after.annotations().contains_key(KEY) && after.labels()["owner"] == "operator", "{after:#?}");
    let owners = after.metadata.managed_fields.unwrap_or_default();
    ensure!(owners.iter().all(|entry| entry.manager.as_deref() != Some("meshfleet")), "{owners:#?}");
    let id = serde_json::from_value(id_of(&addition()))?;
    ensure!(spoke.inventory.borrow().get(&id).is_none(), "it is remembered for ever");
    spoke.stop().await;
    let ours = place.plane.audit().entries()?.into_iter().filter(|entry| {
        entry.name == NAME && entry.field_manager() == Some("meshfleet") && entry.succeeded()
    });
    let made: Vec<_> = ours.filter(|entry| entry.verb == "create" || entry.response_code == 201).collect();
    ensure!(made.is_empty(), "an addition made its object: {made:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_when_its_addition_leaves_the_plan_stays_gone() -> Result<()> {
    let place = Place::start().await?;
    place.operator_makes_it().await?;
    let mut spoke = place.spoke(1).await?;
    spoke.reach(Draft::new(1).map("a", "1").addition(&addition()).content()?, Phase::Healthy).await?;
    place.added().await?;
    place.webhooks().delete(NAME, &DeleteParams::default()).await?;
    // An absence that lasts is drift, and not well.
    let drift = spoke.drifted(|drift| !drift.items.is_empty()).await?;
    ensure!(drift.items[0].class == Class::Deleted, "{drift:#?}");
    spoke.reported(|report| report.phase == Phase::Unhealthy).await?;
    spoke.reach(Draft::new(2).map("a", "1").content()?, Phase::Healthy).await?;
    ensure!(place.webhooks().get_opt(NAME).await?.is_none(), "it was made");
    let id = serde_json::from_value(id_of(&addition()))?;
    ensure!(spoke.inventory.borrow().get(&id).is_none(), "it is remembered for ever");
    spoke.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_never_comes_is_said_once_the_phase_is_past_its_deadline() -> Result<()> {
    let place = Place::start().await?;
    let mut spoke = place.spoke(1).await?;
    let draft = Draft::new(1).map("a", "1").addition(&addition()).within(2);
    let report = spoke.reach(draft.content()?, Phase::Unhealthy).await?;
    ensure!(report.message.starts_with("not healthy within 2 s: MutatingWebhookConfiguration injector: "));
    ensure!(report.message.contains("fields are to be put on it"), "{report:#?}");
    // Late is better than never.
    place.operator_makes_it().await?;
    spoke.reported(|report| report.phase == Phase::Healthy).await?;
    spoke.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_annotation_that_somebody_else_holds_is_left_and_told() -> Result<()> {
    let place = Place::start().await?;
    place.operator_makes_it().await?;
    let theirs = Patch::Merge(json!({"metadata": {"annotations": {KEY: "false"}}}));
    let params = PatchParams { field_manager: Some("a-person".to_owned()), ..PatchParams::default() };
    place.webhooks().patch(NAME, &params, &theirs).await?;
    let mut spoke = place.spoke(1).await?;
    let draft = Draft::new(1).map("a", "1").addition(&addition());
    let report = spoke.reach(draft.within(2).content()?, Phase::Unhealthy).await?;
    ensure!(object(&report, NAME)?.outcome == Outcome::Conflict, "{report:#?}");
    ensure!(report.message.contains("a-person"), "who holds it is not said: {report:#?}");
    ensure!(place.webhooks().get(NAME).await?.annotations()[KEY] == "false", "it was taken by force");
    spoke.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_made_anew_without_end_is_not_written_without_end() -> Result<()> {
    let place = Place::start().await?;
    place.operator_makes_it().await?;
    let mut spoke = place.spoke(1).await?;
    spoke.reach(Draft::new(1).map("a", "1").addition(&addition()).content()?, Phase::Healthy).await?;
    const MADE: usize = 200;
    for _ in 0..MADE {
        place.webhooks().delete(NAME, &DeleteParams::default()).await?;
        place.operator_makes_it().await?;
    }
    let ours = |entry: &tests::clusters::audit::Entry| {
        entry.mutates() && entry.name == NAME && entry.field_manager() == Some("meshfleet")
    };
    let written = place.plane.audit().entries()?.into_iter().filter(ours).count();
    ensure!(written <= MADE / 20, "written {written} times while it was made {MADE} times");
    place.added().await?;
    spoke.stop().await;
    Ok(())
}
