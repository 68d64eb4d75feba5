//! Local freeze on a real API server: an annotation on the spoke's namespace stops all writes of the plan.

use anyhow::{Result, ensure};
use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use spoke::{
    drift::State,
    freeze::ANNOTATION,
    heal,
    report::{Outcome, Phase},
};
use tests::clusters::wait::until;

use super::{
    PATIENCE, Place,
    draft::Draft,
    heal::{of, question},
    object, target,
};

impl Place {
    async fn freeze(&self, reason: Value) -> Result<()> {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {ANNOTATION: reason}}}));
        self.namespaces().patch("meshfleet", &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// What the spoke wrote beside its own Secrets and its Lease.
    fn of_plans(&self) -> Result<Vec<String>> {
        let entries = self.plane.audit().entries()?.into_iter().filter(|entry| {
            entry.field_manager() == Some("meshfleet") && entry.mutates() && entry.namespace != "meshfleet"
        });
        Ok(entries.map(|entry| format!("{} {} {}", entry.verb, entry.resource, entry.name)).collect())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_cluster_takes_a_target_and_writes_nothing_of_it() -> Result<()> {
    let place = Place::start().await?;
    place.freeze(json!("audit of the region")).await?;
    place.namespace("shop", json!({"injected": "yes"})).await?;
    let template = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "attachment"}});
    // Frozen before the spoke began.
    let mut spoke = place.spoke(1).await?;
    let draft = |generation: u64| {
        Draft::new(generation).map("a", &generation.to_string()).template("t", &template, "injected")
    };
    if let Err(refusal) = spoke.offer(draft(1).content()?).await? {
        anyhow::bail!("a frozen cluster refused a target: {refusal}");
    }
    let report = spoke.reported(|report| report.generation == 1 && !report.frozen.is_empty()).await?;
    ensure!(report.frozen == "audit of the region" && report.phase == Phase::Applying, "{report:#?}");
    let report = spoke.reported(|report| report.message.contains("audit of the region")).await?;
    ensure!(object(&report, "a")?.outcome == Outcome::Pending, "{report:#?}");
    ensure!(place.of_plans()?.is_empty(), "{:#?}", place.of_plans()?);

    place.freeze(Value::Null).await?;
    let report = spoke.reported(|report| report.phase == Phase::Healthy).await?;
    ensure!(report.frozen.is_empty() && report.completed == 1, "{report:#?}");
    place.attachment("shop").await?;

    // Through, and frozen again: it says so, and namespaces that come are not served before it is over.
    place.freeze(json!("")).await?;
    let report = spoke.reported(|report| !report.frozen.is_empty()).await?;
    ensure!(report.frozen == "no reason is given" && report.phase == Phase::Healthy, "{report:#?}");
    let before = place.of_plans()?;
    place.namespace("pay", json!({"injected": "yes"})).await?;
    if let Err(refusal) = spoke.offer(draft(2).content()?).await? {
        anyhow::bail!("a frozen cluster refused a target: {refusal}");
    }
    spoke.reported(|report| report.generation == 2 && report.message.contains("frozen")).await?;
    ensure!(place.of_plans()? == before, "{:#?}", place.of_plans()?);
    ensure!(place.value("a").await?.as_deref() == Some("1"), "it was written while frozen");
    place.freeze(Value::Null).await?;
    spoke.reported(|report| report.completed == 2 && report.phase == Phase::Healthy).await?;
    place.attachment("pay").await?;
    spoke.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_cluster_reports_drift_and_heals_nothing() -> Result<()> {
    let place = Place::start().await?;
    let mut spoke = place.spoke(1).await?;
    let heal = json!({"heal": ["Deleted", "Overwritten", "Removed"]});
    spoke.reach(target(1, &[("a", "1"), ("b", "1")], heal)?, Phase::Healthy).await?;
    place.freeze(json!("audit")).await?;
    spoke.reported(|report| report.frozen == "audit").await?;
    let before = place.of_plans()?;
    place.edit("a", "2").await?;
    place.maps().delete("b", &DeleteParams::default()).await?;
    let drift = spoke.drifted(|drift| drift.items.len() == 2).await?;
    ensure!(drift.items.iter().all(|item| item.state == State::Healing), "{drift:#?}");
    let asked = of(&drift, "a").map(|item| question(item, 1));
    let answer = spoke.ask(asked.ok_or_else(|| anyhow::anyhow!("no difference of a"))?).await?;
    ensure!(answer.outcome == heal::Outcome::Held && answer.message.contains("audit"), "{answer:#?}");
    // Another value, and its report: time in which it could have been healed.
    place.edit("a", "3").await?;
    spoke.drifted(|drift| of(drift, "a").is_some_and(|item| item.found == Some(json!("3")))).await?;
    ensure!(place.of_plans()? == before, "{:#?}", place.of_plans()?);

    place.freeze(Value::Null).await?;
    spoke.drifted(|drift| drift.items.is_empty() && drift.heals.len() == 2).await?;
    ensure!(place.value("a").await?.as_deref() == Some("1"), "a was not healed");
    until("b to be made again", PATIENCE, || async { Ok(place.maps().get_opt("b").await?) }).await?;
    let home = place.namespaces().get("meshfleet").await?;
    ensure!(!home.annotations().contains_key(ANNOTATION), "who lifted it was not the spoke");
    spoke.stop().await;
    Ok(())
}
