//! The store, the use cases and the tasks of the hub on a real PostgreSQL.

mod bench;
mod documents;
mod heals;
mod membership;
mod migration;
mod races;
mod reconcile;
mod removal;
mod rollout;
mod schema;
mod verbs;

use anyhow::{Result, bail};
use bench::{Bench, cluster_document, mesh, parse};
use hub::{
    app::{
        self,
        clusters::{self, NewToken, RedeemError},
        documents::{Applied, Effect, apply},
        hub::{self as hub_state, StartError},
        renewals::{self, Admission},
        reports::{self, Saved},
        sessions, status,
    },
    store,
};
use hub_core::{
    digest::Digest,
    document::Source,
    drift::{Actor, DriftClass, DriftItem, DriftState},
    fleet::keys::{Life, Refusal, Shown},
    plan::ObjectId,
    report::Phase,
    status::Truth,
};
use sqlx::Row;
use uuid::Uuid;

#[tokio::test]
async fn every_table_and_column_has_a_comment() -> Result<()> {
    let bench = Bench::idle().await?;
    let rows = sqlx::query(
        "select c.relname || coalesce('.' || a.attname, '') as place
         from pg_class c
         join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
         left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
         where c.relkind = 'r' and c.relname <> '_sqlx_migrations'
            and (col_description(c.oid, a.attnum) is null or obj_description(c.oid, 'pg_class') is null)",
    )
    .fetch_all(bench.pool())
    .await?;
    let bare: Vec<String> = rows.iter().map(|row| row.get("place")).collect();
    assert!(bare.is_empty(), "without a comment: {bare:?}");
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_hub_with_another_ca_does_not_start() -> Result<()> {
    let bench = Bench::idle().await?;
    assert_eq!(hub_state::start(&bench.app, Digest::of(b"ca")).await?.epoch, 1);
    let other = hub_state::start(&bench.app, Digest::of(b"other")).await;
    assert!(matches!(other, Err(StartError::OtherCa { .. })));
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn the_epoch_rises_on_another_database_server() -> Result<()> {
    let bench = Bench::idle().await?;
    sqlx::query("update hub_state set system_identifier = 1").execute(bench.pool()).await?;
    assert_eq!(hub_state::start(&bench.app, Digest::of(b"ca")).await?.epoch, 2);
    assert_eq!(hub_state::start(&bench.app, Digest::of(b"ca")).await?.epoch, 2);
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_token_is_redeemed_once() -> Result<()> {
    let bench = Bench::idle().await?;
    let (secret, key, other) = (Digest::of(b"secret"), Digest::of(b"key"), Digest::of(b"other"));
    let token = || NewToken {
        id: Uuid::now_v7(),
        secret_hash: secret,
        ttl_s: 60,
        present: clusters::Present::Replace,
    };
    let name = parse("eu-1")?;
    let (first, second) = (token(), token());
    let issued = clusters::issue_token(&bench.app, &bench.admin, &name, first).await?;
    clusters::issue_token(&bench.app, &bench.admin, &name, second).await?;
    let redeem =
        async |id, secret, key| clusters::redeem(&bench.app, id, secret, (key, Life::first([1; 8]))).await;

    assert!(matches!(redeem(Uuid::nil(), secret, key).await, Err(RedeemError::Unknown)));
    assert!(matches!(redeem(first.id, secret, key).await, Err(RedeemError::Revoked)));
    assert!(matches!(redeem(second.id, other, key).await, Err(RedeemError::WrongSecret)));
    let admit = async |key| renewals::admit(&bench.app, issued.cluster_id, Shown { key, life: None }).await;
    assert_eq!(admit(key).await?, Admission::Refused(Refusal::Unknown, Some(name.clone())));

    let enrolled = redeem(second.id, secret, key).await?;
    assert_eq!((enrolled.cluster_id, &enrolled.name), (issued.cluster_id, &name));
    assert_eq!(redeem(second.id, secret, key).await?, enrolled, "an answer that was lost is given again");
    assert!(matches!(redeem(second.id, secret, other).await, Err(RedeemError::Used)));
    assert_eq!(admit(key).await?, Admission::Admitted(name.clone()));
    assert_eq!(admit(other).await?, Admission::Refused(Refusal::FormerKey, Some(name.clone())));

    bench.clock.advance(61);
    assert!(matches!(redeem(second.id, secret, key).await, Err(RedeemError::Expired)));
    let third = token();
    clusters::issue_token(&bench.app, &bench.admin, &name, third).await?;
    bench.clock.advance(61);
    assert!(matches!(redeem(third.id, secret, key).await, Err(RedeemError::Expired)));
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn the_same_document_again_is_unchanged() -> Result<()> {
    let bench = Bench::idle().await?;
    let documents = format!("{}---\n{}", cluster_document("eu-1"), mesh("payments", "[shop]"));
    let effects = async |text: &str| -> Result<Vec<(Effect, Option<u64>)>> {
        let stored = bench.apply(text).await?;
        Ok(stored.into_iter().map(|document| (document.effect, document.version)).collect())
    };
    assert_eq!(effects(&documents).await?, [(Effect::Created, None), (Effect::Created, Some(1))]);
    assert_eq!(effects(&documents).await?, [(Effect::Unchanged, None), (Effect::Unchanged, Some(1))]);
    let changed = mesh("payments", "[shop, bank]");
    assert_eq!(effects(&changed).await?, [(Effect::Configured, Some(2))]);
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_mistake_in_one_document_stores_none() -> Result<()> {
    let bench = Bench::idle().await?;
    let text = format!(
        "{}---\n{}",
        cluster_document("eu-1"),
        mesh("payments", "[shop]").replace("kind: calisti", "kind: x")
    );
    let source = Source { name: "mesh.yaml".to_owned(), text: text.into_bytes() };
    let Applied::Mistakes(mistakes) = apply(&bench.app, &bench.admin, &[source]).await? else {
        bail!("no mistake was found");
    };
    assert_eq!(mistakes.len(), 1);
    assert!(clusters::list(&bench.app).await?.is_empty());
    bench.stop().await;
    Ok(())
}

/// The newest transaction that wrote to each table.
async fn writes(bench: &Bench) -> Result<Vec<(String, i64)>> {
    let rows = sqlx::query(
        "select relname::text as name, newest from (
            select 'report' as relname, coalesce(max(xmin::text::bigint), 0) as newest from report
            union all select 'object_state', coalesce(max(xmin::text::bigint), 0) from object_state
            union all select 'acceptance', coalesce(max(xmin::text::bigint), 0) from acceptance
            union all select 'drift_report', coalesce(max(xmin::text::bigint), 0) from drift_report
            union all select 'cluster', coalesce(max(xmin::text::bigint), 0) from cluster
            union all select 'cluster_plan', coalesce(max(xmin::text::bigint), 0) from cluster_plan) t",
    )
    .fetch_all(bench.pool())
    .await?;
    Ok(rows.iter().map(|row| (row.get("name"), row.get("newest"))).collect())
}

fn item(name: &str, found: &str) -> DriftItem {
    let text = str::to_owned;
    DriftItem {
        id: ObjectId {
            group: text("servicemesh.cisco.com"),
            version: text("v1alpha1"),
            kind: text("IstioControlPlane"),
            namespace: text("istio-system"),
            name: text(name),
        },
        uid: text("uid"),
        path: text(".spec.version"),
        class: DriftClass::Overwritten,
        baseline: Some(text("\"1.17.8\"")),
        found: Some(found.to_owned()),
        found_digest: Some(Digest::of(found.as_bytes())),
        actor: Some(Actor {
            manager: text("kubectl-edit"),
            operation: text("Update"),
            subresource: text(""),
            at: None,
        }),
        state: DriftState::Seen,
        heals: 0,
    }
}

#[tokio::test]
async fn what_says_nothing_new_writes_nothing() -> Result<()> {
    let bench = Bench::start().await?;
    let mut spoke = bench.cluster("eu-1").await?;
    bench.apply_mesh("[shop]").await?;
    let number = bench.rollout(None, rollout::RESPECT).await?;
    spoke.obey(1).await?;
    bench.until_ended(number).await?;
    reports::save_drift(&bench.app, spoke.id, 1, (&[item("payments", "1")], &[])).await?;
    let target = spoke.awaits(1).await?;

    let before = writes(&bench).await?;
    assert_eq!(spoke.accept(&target).await?, Saved::Unchanged);
    assert_eq!(spoke.report(&target, Phase::Healthy).await?, Saved::Unchanged);
    assert_eq!(
        reports::save_drift(&bench.app, spoke.id, 1, (&[item("payments", "1")], &[])).await?,
        Saved::Unchanged
    );
    sessions::heartbeat(&bench.app, spoke.session);
    bench.app.signals.plans.wake();
    let known = store::acceptance::find(&mut *bench.pool().acquire().await?, spoke.id).await?;
    spoke.attach(known).await?;
    assert_eq!(writes(&bench).await?, before);
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn what_is_older_or_was_never_sent_is_dropped() -> Result<()> {
    let bench = Bench::start().await?;
    let mut spoke = bench.cluster("eu-1").await?;
    bench.apply_mesh("[shop]").await?;
    bench.rollout(None, rollout::RESPECT).await?;
    let (mut target, digest) = spoke.awaits(1).await?;
    let sent = (target.clone(), digest);

    target.generation = 2;
    let never_sent = (target, digest);
    assert_eq!(spoke.report(&never_sent, Phase::Healthy).await?, Saved::Stale);
    assert_eq!(spoke.accept(&never_sent).await?, Saved::Stale);
    let foreign = (sent.0.clone(), Digest::of(b"another cluster's"));
    assert_eq!(spoke.report(&foreign, Phase::Applying).await?, Saved::Stale);
    assert_eq!(reports::save_drift(&bench.app, spoke.id, 2, (&[], &[])).await?, Saved::Stale);
    assert_eq!(spoke.accept(&sent).await?, Saved::Stored);
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn drift_is_a_level_and_keeps_when_it_was_first_seen() -> Result<()> {
    let bench = Bench::start().await?;
    let mut spoke = bench.cluster("eu-1").await?;
    bench.apply_mesh("[shop]").await?;
    bench.rollout(None, rollout::RESPECT).await?;
    spoke.obey(1).await?;
    let report = async |items: &[DriftItem]| reports::save_drift(&bench.app, spoke.id, 1, (items, &[])).await;

    report(&[item("a", "1"), item("b", "1")]).await?;
    let seen = app::drift::report(&bench.app, Some(&parse("eu-1")?)).await?;
    bench.clock.advance(5);
    report(&[item("a", "2")]).await?;
    let open = app::drift::report(&bench.app, None).await?;
    assert_eq!(open.items.len(), 1);
    assert_eq!(open.items[0].open.first_seen_at, seen.items[0].open.first_seen_at);
    assert_eq!(open.items[0].open.item, item("a", "2"));
    let conditions = status::show(&bench.app, None).await?.remove(0).conditions;
    assert_eq!(
        (conditions[5].status, conditions[5].message.as_str()),
        (Truth::False, "1 difference from what was applied")
    );

    report(&[]).await?;
    assert!(app::drift::report(&bench.app, None).await?.items.is_empty());
    let conditions = status::show(&bench.app, None).await?.remove(0).conditions;
    assert!(conditions.iter().all(|condition| condition.status == Truth::True), "{conditions:?}");
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn what_postgres_cannot_hold_is_stored_all_the_same() -> Result<()> {
    let bench = Bench::start().await?;
    let mut spoke = bench.cluster("eu-1").await?;
    bench.apply_mesh("[shop]").await?;
    bench.rollout(None, rollout::RESPECT).await?;
    spoke.obey(1).await?;
    let mut nul = item("a", "\0");
    nul.uid = "\0".to_owned();
    let saved = reports::save_drift(&bench.app, spoke.id, 1, (&[nul], &[])).await?;
    assert_eq!(saved, Saved::Stored);
    bench.stop().await;
    Ok(())
}
