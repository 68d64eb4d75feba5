//! Clusters that are ahead of the database, and the ways out.

use anyhow::{Context, Result, bail};
use hub::{
    app::{
        Error, clusters,
        deletions::{self, Deleting},
        documents,
        error::ReconcileRefusal,
        hub as hub_state, plans,
        reconcile::{self, Divergence, Keep, Reconciled},
        reports::{self, Saved},
        rollouts::{self, Verb},
        status,
    },
    store::{self, targets::Content},
};
use hub_core::{
    digest::Digest,
    document::Kind,
    plan,
    report::Fence,
    status::{Condition, Reason, Truth},
};
use sqlx::Row;
use uuid::Uuid;

use super::{
    bench::{Bench, Spoke, cluster_document, parse},
    item,
    rollout::RESPECT,
};

/// What a spoke accepted in a life that the database does not know.
fn newer(generation: u64) -> Fence {
    Fence { epoch: 1, generation, target: Digest::of(b"of another life"), completed: generation }
}

const KEEP_HUB: Keep = Keep::Hub { confirm_deletions: 0, traceparent: String::new() };

/// A cluster that runs generation 1.
async fn running(bench: &Bench) -> Result<Spoke> {
    let mut spoke = bench.cluster("eu-1").await?;
    bench.apply_mesh("[shop]").await?;
    let number = bench.rollout(None, RESPECT).await?;
    spoke.obey(1).await?;
    bench.until_ended(number).await?;
    Ok(spoke)
}

async fn keep(bench: &Bench, keep: &Keep) -> Result<Reconciled, Error> {
    reconcile::keep(&bench.app, &bench.admin, &parse("eu-1").expect("a name"), keep).await
}

async fn preview(bench: &Bench) -> Result<Divergence, Error> {
    reconcile::preview(&bench.app, &parse("eu-1").expect("a name")).await
}

/// Why nothing was decided.
fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> Result<ReconcileRefusal> {
    match result {
        Err(Error::Reconcile(refusal)) => Ok(refusal),
        other => bail!("not refused: {other:?}"),
    }
}

async fn delivered(bench: &Bench) -> Result<Condition> {
    let mut shown = status::show(&bench.app, Some(&parse("eu-1")?)).await?;
    Ok(shown.remove(0).conditions.remove(2))
}

async fn audited(bench: &Bench) -> Result<Vec<String>> {
    let rows = sqlx::query(
        "select action || ' ' || subject from audit_event where action in ('cluster.reconciled', 'hub.epoch_began') order by id",
    );
    Ok(rows.fetch_all(bench.pool()).await?.iter().map(|row| row.get(0)).collect())
}

#[tokio::test]
async fn the_hub_s_target_is_sent_again_above_the_spoke_s() -> Result<()> {
    let bench = Bench::start().await?;
    let spoke = running(&bench).await?;
    let (first, _) = spoke.target().await?.context("a target")?;
    let mut spoke = spoke.ahead(newer(5), &["one", "other"]).await?;
    assert_eq!(delivered(&bench).await?.reason, Reason::SpokeAhead);

    let seen = preview(&bench).await?;
    assert_eq!(seen.deletes, Some(vec!["ConfigMap shop/other".to_owned(), "ConfigMap shop/one".to_owned()]));
    assert_eq!((seen.fence, seen.config.clone()), (newer(5), Some((parse("payments")?, 1))));
    assert_eq!(spoke.target().await?.context("a target")?.0, first, "looking changes nothing");

    assert_eq!(keep(&bench, &KEEP_HUB).await?.generation, 6);
    let sent = spoke.obey(6).await?;
    assert_eq!((sent.plan, sent.adopt, sent.epoch), (first.plan, first.adopt, 1));
    assert!(sent.overwrite.is_empty());
    let deleted: Vec<(String, String)> =
        sent.deletions.iter().map(|one| (one.id.to_string(), one.uid.clone())).collect();
    let expected = ["ConfigMap shop/other", "ConfigMap shop/one"];
    assert_eq!(deleted, expected.map(|id| (id.to_owned(), format!("uid of {id}"))));
    assert_eq!(delivered(&bench).await?.reason, Reason::Accepted);
    assert!(matches!(refusal(keep(&bench, &KEEP_HUB).await)?, ReconcileRefusal::NotAhead { .. }));

    // It stands for what it stood for, and the next rollout goes on from there.
    let mut shown = status::show(&bench.app, Some(&parse("eu-1")?)).await?;
    assert_eq!(shown.remove(0).config, Some((parse("payments")?, 1)));
    bench.apply_changed_mesh().await?;
    bench.rollout(None, RESPECT).await?;
    spoke.obey(7).await?;
    assert_eq!(audited(&bench).await?, ["hub.epoch_began epoch/1", "cluster.reconciled cluster/eu-1"]);
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn many_deletions_are_confirmed_by_their_exact_number() -> Result<()> {
    let bench = Bench::start().await?;
    let names: Vec<String> = (0..12).map(|number| format!("extra-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let spoke = running(&bench).await?.ahead(newer(5), &names).await?;
    for confirm_deletions in [0, 11, 13] {
        let kept = keep(&bench, &Keep::Hub { confirm_deletions, traceparent: String::new() }).await;
        assert!(matches!(kept, Err(Error::Unconfirmed { total: 12, .. })), "{kept:?}");
        assert_eq!(spoke.stored_target().await?.context("a target")?.generation, 1);
    }
    keep(&bench, &Keep::Hub { confirm_deletions: 12, traceparent: String::new() }).await?;
    assert_eq!(spoke.awaits(6).await?.0.deletions.len(), 12);
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn what_a_spoke_runs_stands_until_the_next_rollout() -> Result<()> {
    let bench = Bench::start().await?;
    let mut spoke = running(&bench).await?.ahead(newer(5), &["one"]).await?;
    assert_eq!(keep(&bench, &Keep::Spoke).await?.generation, 5);
    let kept = spoke.stored_target().await?.context("a target")?;
    assert_eq!((kept.generation, kept.digest, kept.content), (5, newer(5).target, Content::Unknown));
    let condition = delivered(&bench).await?;
    assert_eq!((condition.status, condition.reason), (Truth::True, Reason::Accepted));
    assert!(condition.message.contains("this hub does not know"), "{}", condition.message);
    let mut shown = status::show(&bench.app, Some(&parse("eu-1")?)).await?;
    let shown = shown.remove(0);
    assert_eq!(shown.config, None, "it stands for no config");
    assert_eq!(shown.conditions[4].reason, Reason::Healthy, "its spoke says how it is");
    assert!(matches!(refusal(keep(&bench, &Keep::Spoke).await)?, ReconcileRefusal::NotAhead { .. }));

    // What is deleted is told by what the spoke holds.
    let seen = plans::preview(&bench.app, &parse("payments")?, None, None).await?;
    let cluster = &seen.clusters[0];
    assert_eq!(cluster.findings.iter().filter(|one| one.rule == "target.unknown").count(), 1);
    assert_eq!(cluster.deletions, 1);

    let number = bench.rollout(None, RESPECT).await?;
    let target = spoke.obey(6).await?;
    let deleted: Vec<String> = target.deletions.iter().map(|one| one.id.to_string()).collect();
    assert_eq!(deleted, ["ConfigMap shop/one"]);
    bench.until_ended(number).await?;
    assert_eq!(delivered(&bench).await?.message, "its spoke accepted generation 6");
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn the_same_generation_with_another_target_is_ahead_too() -> Result<()> {
    for way in [KEEP_HUB, Keep::Spoke] {
        let bench = Bench::start().await?;
        let spoke = running(&bench).await?.ahead(newer(1), &[]).await?;
        let generation = keep(&bench, &way).await?.generation;
        assert_eq!(generation, if way == Keep::Spoke { 1 } else { 2 });
        let stored = spoke.stored_target().await?.context("a target")?;
        assert_eq!(stored.content == Content::Unknown, way == Keep::Spoke);
        bench.apply_changed_mesh().await?;
        bench.rollout(None, RESPECT).await?;
        if way == Keep::Spoke {
            spoke.awaits(2).await?;
        }
        bench.stop().await;
    }
    Ok(())
}

#[tokio::test]
async fn nothing_is_decided_without_knowing_what_runs() -> Result<()> {
    let bench = Bench::start().await?;
    let spoke = running(&bench).await?;
    assert!(matches!(refusal(preview(&bench).await)?, ReconcileRefusal::NotAhead { .. }));

    let spoke = spoke.attach(Some(newer(5))).await?;
    let refused = refusal(keep(&bench, &Keep::Spoke).await)?;
    assert!(matches!(refused, ReconcileRefusal::NoReport { generation: 5, .. }), "{refused:?}");
    let spoke = spoke.ahead(newer(5), &[]).await?;

    let number = bench.rollout(None, RESPECT).await?;
    assert_eq!(preview(&bench).await?.held_by, Some(number));
    let held = keep(&bench, &Keep::Spoke).await;
    assert!(matches!(held, Err(Error::ClusterHeld { rollout, .. }) if rollout == number), "{held:?}");
    rollouts::order(&bench.app, &bench.admin, number, (Verb::Abort, "ahead")).await?;
    bench.until_ended(number).await?;

    hub::app::sessions::detach(&bench.app, spoke.id, spoke.session).await?;
    let refused = refusal(keep(&bench, &Keep::Spoke).await)?;
    assert!(matches!(refused, ReconcileRefusal::NotConnected { .. }), "{refused:?}");
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_hub_without_a_plan_to_send_is_not_kept() -> Result<()> {
    let bench = Bench::start().await?;
    let spoke = bench.cluster("eu-1").await?.ahead(newer(5), &["one"]).await?;
    assert_eq!(preview(&bench).await?.deletes, None);
    assert!(matches!(refusal(keep(&bench, &KEEP_HUB).await)?, ReconcileRefusal::NothingToKeep { .. }));
    keep(&bench, &Keep::Spoke).await?;

    // Restored once more: now the database has only what it does not know.
    let spoke = spoke.ahead(newer(9), &["one"]).await?;
    assert!(matches!(refusal(keep(&bench, &KEEP_HUB).await)?, ReconcileRefusal::NothingToKeep { .. }));
    assert_eq!(keep(&bench, &Keep::Spoke).await?.generation, 9);
    bench.apply_mesh("[shop]").await?;
    bench.rollout(None, RESPECT).await?;
    assert_eq!(spoke.awaits(10).await?.0.deletions.len(), 1);
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_spoke_that_is_ahead_says_what_it_holds_and_what_differs_there() -> Result<()> {
    let bench = Bench::start().await?;
    let spoke = running(&bench).await?;
    let early = reports::save_drift(&bench.app, spoke.id, 5, (&[item("payments", "1")], &[])).await?;
    assert_eq!(early, Saved::Stale, "nobody accepted that generation");
    let spoke = spoke.ahead(newer(5), &["one"]).await?;
    let differs = reports::save_drift(&bench.app, spoke.id, 5, (&[item("payments", "1")], &[])).await?;
    assert_eq!(differs, Saved::Stored);
    keep(&bench, &Keep::Spoke).await?;
    let mut shown = status::show(&bench.app, Some(&parse("eu-1")?)).await?;
    let shown = shown.remove(0);
    assert_eq!(shown.conditions[5].reason, Reason::Drifted);
    assert!(shown.objects.iter().any(|object| object.id.name == "one"));
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_hub_that_decides_is_of_a_later_epoch_than_its_spoke_s() -> Result<()> {
    for way in [KEEP_HUB, Keep::Spoke] {
        let bench = Bench::start().await?;
        let later = Fence { epoch: 3, ..newer(5) };
        let spoke = running(&bench).await?.ahead(later, &[]).await?;
        keep(&bench, &way).await?;
        assert_eq!(hub_state::epoch(&bench.app).await?, 4);
        let epoch = spoke.stored_target().await?.context("a target")?.epoch;
        assert_eq!(epoch, if way == Keep::Spoke { 3 } else { 4 });
        bench.stop().await;
    }
    Ok(())
}

#[tokio::test]
async fn a_new_epoch_is_above_all_that_spokes_accepted() -> Result<()> {
    let bench = Bench::start().await?;
    assert_eq!(hub_state::new_epoch(&bench.app, &bench.admin).await?, (1, 2));
    let spoke = bench.cluster("eu-1").await?;
    let spoke = spoke.attach(Some(Fence { epoch: 7, ..newer(1) })).await?;
    assert_eq!(hub_state::new_epoch(&bench.app, &bench.admin).await?, (2, 8));
    let spoke = spoke.attach(None).await?;
    bench.apply_mesh("[shop]").await?;
    bench.rollout(None, RESPECT).await?;
    assert_eq!(spoke.awaits(1).await?.0.epoch, 8, "targets are set in it from then on");
    assert_eq!(
        audited(&bench).await?,
        ["hub.epoch_began epoch/1", "hub.epoch_began epoch/2", "hub.epoch_began epoch/8"]
    );
    bench.stop().await;
    Ok(())
}

/// Enrols the cluster anew, with the key that its spoke has in the bench.
async fn enrol_anew(bench: &Bench) -> Result<()> {
    let token = clusters::NewToken { id: Uuid::now_v7(), secret_hash: Digest::of(b"secret"), ttl_s: 60 };
    clusters::issue_token(&bench.app, &bench.admin, &parse("eu-1")?, token).await?;
    clusters::redeem(&bench.app, token.id, token.secret_hash, Digest::of(b"eu-1")).await?;
    Ok(())
}

#[tokio::test]
async fn generations_go_on_when_a_cluster_comes_back() -> Result<()> {
    let bench = Bench::start().await?;
    let spoke = running(&bench).await?;
    let (target, digest) = spoke.target().await?.context("a target")?;
    let fence = Fence { epoch: target.epoch, generation: 1, target: digest, completed: 1 };
    clusters::detach(&bench.app, &bench.admin, &parse("eu-1")?).await?;
    enrol_anew(&bench).await?;
    let spoke = spoke.attach(Some(fence)).await?;
    bench.apply_changed_mesh().await?;
    bench.rollout(None, RESPECT).await?;
    spoke.awaits(2).await?;
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_cluster_that_was_forgotten_and_comes_back_is_ahead_and_its_generations_go_on() -> Result<()> {
    let bench = Bench::start().await?;
    running(&bench).await?;
    clusters::detach(&bench.app, &bench.admin, &parse("eu-1")?).await?;
    documents::delete(&bench.app, &bench.admin, &[(Kind::Cluster, parse("eu-1")?)]).await?;
    bench.apply(&cluster_document("eu-1")).await?;
    let spoke = bench.cluster("eu-1").await?.ahead(newer(1), &["one"]).await?;
    assert_eq!(delivered(&bench).await?.reason, Reason::SpokeAhead);
    keep(&bench, &Keep::Spoke).await?;
    bench.rollout(None, RESPECT).await?;
    let (target, _) = spoke.awaits(2).await?;
    assert_eq!(target.deletions.len(), 1, "what it holds is known by what it said");
    bench.stop().await;
    Ok(())
}

/// What a target without anything would delete in the cluster now.
async fn deleting_all(spoke: &Spoke) -> Result<Deleting> {
    let mut tx = store::begin(&spoke.app.pool).await?;
    Ok(deletions::load_one(&mut tx, spoke.id, &plan::empty().document).await?)
}

#[tokio::test]
async fn of_a_plan_before_the_unknown_only_what_the_spoke_still_has_is_deleted() -> Result<()> {
    for way in [KEEP_HUB, Keep::Spoke] {
        let bench = Bench::start().await?;
        let spoke = running(&bench).await?;
        let all = deleting_all(&spoke).await?.count().deletions;
        let spoke = spoke.ahead(newer(5), &["one"]).await?;
        let deleting = deleting_all(&spoke).await?;
        assert_eq!(deleting.count().deletions, all + 1, "instances of the templates that are known too");
        assert!(!deleting.templates.is_empty() && deleting.deletions.iter().all(|one| !one.uid.is_empty()));

        // Without its former objects; what is sent meanwhile may be made any moment, and counts.
        let spoke = spoke.ahead_with_only(newer(5), &["one"]).await?;
        let only = deleting_all(&spoke).await?;
        assert_eq!((only.words(), only.templates.len()), (vec!["ConfigMap shop/one".to_owned()], 0));
        keep(&bench, &way).await?;
        let after = deleting_all(&spoke).await?;
        assert_eq!(after.deletions.len() > 1, way == KEEP_HUB, "{:?}", after.words());
        bench.stop().await;
    }
    Ok(())
}
