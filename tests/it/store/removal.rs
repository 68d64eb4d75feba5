//! Clusters that no config selects any more: they keep their mesh until a person has it removed.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use hub::{
    app::{
        Error,
        error::StartRefusal,
        rollouts::{self, Verb},
        status,
        unassign::{self, Unassign},
    },
    store,
};
use hub_core::{
    plan,
    report::{ObjectState, Outcome, Phase, Report, Role},
    rollout::{Aim, Blocker, RolloutState, TargetState},
    status::{Condition, Reason},
};
use tests::clusters::wait::until;

use super::{
    bench::{Bench, Spoke, cluster_document, parse},
    rollout::{RESPECT, refusals},
};

/// A cluster with a mesh, by a rollout that ended.
async fn with_mesh(bench: &Bench) -> Result<Spoke> {
    let mut spoke = bench.cluster("eu-1").await?;
    bench.apply_mesh("[shop]").await?;
    let number = bench.rollout(None, RESPECT).await?;
    spoke.obey(1).await?;
    bench.until_ended(number).await?;
    Ok(spoke)
}

fn unselected() -> String {
    cluster_document("eu-1").replace("{mesh: payments}", "{mesh: none}")
}

async fn planned(bench: &Bench, reason: Reason) -> Result<status::ClusterStatus> {
    let look = || async {
        let status = status::show(&bench.app, None).await?.remove(0);
        let is_so = status.conditions[1].reason == reason;
        Ok(is_so.then_some(status))
    };
    until("the condition Planned", std::time::Duration::from_secs(30), look).await
}

fn words(condition: &Condition) -> (&str, &str) {
    (&condition.message, &condition.hint)
}

async fn remove(bench: &Bench, confirm_deletions: u32) -> Result<(u64, Vec<unassign::Unassignment>)> {
    let unassign = Unassign {
        clusters: BTreeSet::from([parse("eu-1")?]),
        confirm_deletions,
        traceparent: String::new(),
    };
    Ok(unassign::start(&bench.app, &bench.admin, &unassign).await?)
}

#[tokio::test]
async fn a_mesh_is_removed_by_a_confirmed_rollout_of_nothing() -> Result<()> {
    let bench = Bench::start().await?;
    let mut spoke = with_mesh(&bench).await?;
    let selected = StartRefusal::Selected { cluster: parse("eu-1")?, config: parse("payments")? };
    assert_eq!(refusals(remove(&bench, 0).await)?, [selected]);

    bench.apply(&unselected()).await?;
    let status = planned(&bench, Reason::Unassigned).await?;
    assert_eq!(status.config, Some((parse("payments")?, 1)), "it keeps its mesh");
    let told = words(&status.conditions[1]);
    assert!(told.0.contains("keeps its mesh") && told.1.contains("config unassign eu-1"), "{told:?}");
    assert_eq!(spoke.target().await?.context("a target")?.0.generation, 1);

    let inventory = store::reports::objects(&mut *bench.pool().acquire().await?, spoke.id).await?;
    let preview = unassign::preview(&bench.app, &BTreeSet::from([parse("eu-1")?])).await?;
    assert_eq!(preview[0].deletes.len(), inventory.len());
    for stays in ["Namespace istio-system", "istio-ca-secret", "CustomResourceDefinitions"] {
        assert!(preview[0].stays.iter().any(|one| one.contains(stays)), "{stays}: {:?}", preview[0].stays);
    }
    let refused = remove(&bench, 0).await.map_err(anyhow::Error::downcast::<Error>);
    assert!(matches!(refused, Err(Ok(Error::Unconfirmed { total, .. })) if total == inventory.len()));

    let (number, started) = remove(&bench, u32::try_from(inventory.len())?).await?;
    assert_eq!(started, preview);
    let target = spoke.obey(2).await?;
    let instances = inventory.iter().filter(|object| object.role == Role::Instance).count();
    assert!(instances > 0 && instances == target.delete_templates.len());
    assert_eq!((target.plan, target.deletions.len()), (plan::empty().digest, inventory.len() - instances));
    let ended = bench.until_ended(number).await?;
    assert_eq!(ended.aim, Aim::Unassign);
    assert!(matches!(ended.rollout.state, RolloutState::Succeeded { .. }));
    let status = planned(&bench, Reason::Unassigned).await?;
    assert_eq!((status.config, status.generation), (None, 2));
    assert_eq!(words(&status.conditions[1]).0, "no mesh config selects it, and its mesh was removed");
    let nothing = StartRefusal::NothingToRemove { cluster: parse("eu-1")? };
    assert_eq!(refusals(remove(&bench, 0).await)?, [nothing]);
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn what_is_in_use_is_waited_for_and_named() -> Result<()> {
    let bench = Bench::start().await?;
    let spoke = with_mesh(&bench).await?;
    bench.apply(&unselected()).await?;
    let inventory = store::reports::objects(&mut *bench.pool().acquire().await?, spoke.id).await?;
    let (number, _) = remove(&bench, u32::try_from(inventory.len())?).await?;
    let target = spoke.awaits(2).await?;
    spoke.accept(&target).await?;
    let kept = inventory.iter().find(|object| object.role == Role::Instance).context("an instance")?;
    let in_use = ObjectState {
        outcome: Outcome::InUse,
        message: "pod shop/web still runs with a sidecar".to_owned(),
        generation: 2,
        ..kept.clone()
    };
    let report = Report {
        generation: 2,
        target: target.1,
        phase: Phase::Converging,
        message: String::new(),
        objects: vec![in_use],
        completed: 1,
        frozen: None,
    };
    hub::app::reports::save(&bench.app, spoke.id, None, &report).await?;
    let converging = |stored: &rollouts::StoredRollout| super::rollout::states(stored) == ["Converging"];
    bench.until(number, "the target to be under way", converging).await?;
    let shown = rollouts::show(&bench.app, number).await?;
    let seen = rollouts::seen(&bench.app, std::slice::from_ref(&shown)).await?;
    let words = shown.rollout.waves[0].targets[0].reason(None, seen.get(&spoke.id));
    assert_eq!(words, format!("{} is in use: pod shop/web still runs with a sidecar", kept.id));
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_cluster_that_is_taken_back_keeps_its_mesh() -> Result<()> {
    let bench = Bench::start().await?;
    let spoke = with_mesh(&bench).await?;
    bench.apply(&unselected()).await?;
    let deletes = unassign::preview(&bench.app, &BTreeSet::from([parse("eu-1")?])).await?.remove(0).deletes;
    // Away, so that nothing is removed at once.
    bench.clock.advance(60);
    let (number, _) = remove(&bench, u32::try_from(deletes.len())?).await?;
    let blocked = |by| {
        move |stored: &rollouts::StoredRollout| {
            let state = &stored.rollout.waves[0].targets[0].state;
            matches!(state, TargetState::Blocked { by: now, .. } if *now == by)
        }
    };
    bench.until(number, "the target to be blocked", blocked(Blocker::Offline)).await?;
    bench.apply(&cluster_document("eu-1")).await?;
    let known = store::acceptance::find(&mut *bench.pool().acquire().await?, spoke.id).await?;
    let spoke = spoke.attach(known).await?;
    bench.until(number, "the config to be seen", blocked(Blocker::Selected)).await?;
    rollouts::order(&bench.app, &bench.admin, number, (Verb::Abort, "")).await?;
    assert_eq!(spoke.target().await?.context("a target")?.0.generation, 1);
    bench.stop().await;
    Ok(())
}
