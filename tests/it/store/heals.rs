//! Heals over the real tables: what journals of spokes say, what people wish, and what policies put into targets.

use anyhow::Result;
use hub::{
    app::{
        self,
        reports::{self, Saved},
    },
    store::{
        self,
        asked::Since,
        heals::{NewRequest, StoredHeal},
    },
};
use hub_core::{
    drift::{HealAnswer, HealClass, HealEntry, HealQuestion, HealRequest, HealResult},
    fleet::ClusterId,
};
use sqlx::Row;
use uuid::Uuid;

use super::{
    bench::{Bench, parse},
    item,
    rollout::RESPECT,
};

fn entry(bench: &Bench, number: u64, result: HealResult) -> HealEntry {
    let differs = item("payments", "1");
    HealEntry {
        number,
        id: differs.id,
        uid: differs.uid,
        path: differs.path,
        class: HealClass::Overwritten,
        baseline: differs.baseline,
        found: differs.found,
        manager: "kubectl-edit".to_owned(),
        operation: "Update".to_owned(),
        asked_by: None,
        at: bench.app.clock.now(),
        result,
        message: String::new(),
    }
}

async fn heals(bench: &Bench) -> Result<Vec<StoredHeal>> {
    Ok(app::drift::report(&bench.app, Some(&parse("eu-1")?)).await?.heals)
}

/// The transactions that wrote the rows of heals.
async fn written(bench: &Bench) -> Result<Vec<String>> {
    let rows =
        sqlx::query("select xmin::text from drift_heal order by number").fetch_all(bench.pool()).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

#[tokio::test]
async fn an_entry_of_a_journal_is_one_row_and_is_written_when_it_says_something_new() -> Result<()> {
    let bench = Bench::start().await?;
    let mut spoke = bench.cluster("eu-1").await?;
    bench.apply_mesh("[shop]").await?;
    bench.rollout(None, RESPECT).await?;
    spoke.obey(1).await?;
    let differs = [item("payments", "1")];
    let begun = [entry(&bench, 7, HealResult::Begun)];
    assert_eq!(reports::save_drift(&bench.app, spoke.id, 1, (&differs, &begun)).await?, Saved::Stored);
    let first = written(&bench).await?;
    assert_eq!(heals(&bench).await?[0].entry, begun[0]);

    // A report that was not confirmed comes again.
    assert_eq!(reports::save_drift(&bench.app, spoke.id, 1, (&differs, &begun)).await?, Saved::Unchanged);
    assert_eq!(written(&bench).await?, first);

    // What was healed happened, whatever becomes of the items beside it.
    let healed = [HealEntry { result: HealResult::Healed, ..begun[0].clone() }];
    assert_eq!(reports::save_drift(&bench.app, spoke.id, 9, (&[], &healed)).await?, Saved::Stale);
    let second = written(&bench).await?;
    assert_ne!(second, first);
    let told = heals(&bench).await?;
    assert_eq!((told.len(), &told[0].entry), (1, &healed[0]));

    // An outcome is the last word, also over an entry that comes late.
    reports::save_drift(&bench.app, spoke.id, 9, (&[], &begun)).await?;
    assert_eq!(written(&bench).await?, second);
    bench.stop().await;
    Ok(())
}

async fn told(bench: &Bench, cluster: ClusterId) -> Result<Option<Uuid>> {
    let now = bench.app.clock.now();
    let since = Since { probe: now, heal: app::heals::told_since(now) };
    let mut connection = bench.pool().acquire().await?;
    let asked = store::asked::open(&mut connection, cluster, since).await?;
    let waiting = store::asked::waiting(&mut connection, &[cluster], since).await?;
    assert_eq!(asked.heal.is_some(), waiting == [cluster]);
    Ok(asked.heal.map(|request| request.id))
}

async fn wish(bench: &Bench, cluster: ClusterId) -> Result<Uuid> {
    let report = app::drift::report(&bench.app, None).await?;
    let open = &report.items[0];
    let question = HealQuestion {
        generation: 1,
        object: open.open.item.id.clone(),
        uid: open.open.item.uid.clone(),
        path: open.open.item.path.clone(),
        class: HealClass::Overwritten,
        found: open.open.item.found_digest,
    };
    let request = HealRequest { id: Uuid::now_v7(), question, dry_run: false };
    let new = NewRequest { cluster, item: open.row, request: &request, reason: "a test", by: bench.admin.id };
    let mut connection = bench.pool().acquire().await?;
    store::heals::ask(&mut connection, new, bench.app.clock.now()).await?;
    Ok(request.id)
}

#[tokio::test]
async fn a_wish_is_told_while_it_is_young_and_answered_once_by_its_own_cluster() -> Result<()> {
    let bench = Bench::start().await?;
    let mut spoke = bench.cluster("eu-1").await?;
    let other = bench.cluster("eu-2").await?;
    bench.apply_mesh("[shop]").await?;
    bench.rollout(None, RESPECT).await?;
    spoke.obey(1).await?;
    reports::save_drift(&bench.app, spoke.id, 1, (&[item("payments", "1")], &[])).await?;

    let (first, second) = (wish(&bench, spoke.id).await?, wish(&bench, spoke.id).await?);
    assert_eq!(told(&bench, spoke.id).await?, Some(first));
    assert_eq!(told(&bench, other.id).await?, None);

    let answer = |result| HealAnswer { result, message: String::new(), before: None, after: None };
    app::heals::answered(&bench.app, other.id, first, &answer(HealResult::Failed)).await?;
    assert_eq!(told(&bench, spoke.id).await?, Some(first));
    app::heals::answered(&bench.app, spoke.id, first, &answer(HealResult::Healed)).await?;
    app::heals::answered(&bench.app, spoke.id, first, &answer(HealResult::Failed)).await?;
    let mut connection = bench.pool().acquire().await?;
    let stored = store::heals::find_answer(&mut connection, first).await?;
    assert_eq!(stored.map(|stored| stored.result), Some(HealResult::Healed));

    assert_eq!(told(&bench, spoke.id).await?, Some(second));
    bench.clock.advance(31);
    assert_eq!(told(&bench, spoke.id).await?, None);

    let third = wish(&bench, spoke.id).await?;
    assert_eq!(told(&bench, spoke.id).await?, Some(third));
    assert!(store::heals::withdraw(&mut connection, third, bench.app.clock.now()).await?);
    assert_eq!(told(&bench, spoke.id).await?, None);
    let answers = "select count(*) from audit_event where action = 'drift.heal_answered'";
    let answers: i64 = sqlx::query_scalar(answers).fetch_one(bench.pool()).await?;
    assert_eq!(answers, 1);
    drop(connection);
    bench.stop().await;
    Ok(())
}

fn policy(name: &str, heal: &str) -> String {
    format!(
        "apiVersion: meshfleet.dev/v1\nkind: DriftPolicy\nmetadata: {{name: {name}}}\nspec: {{clusters: {{names: [eu-1]}}, heal: {heal}}}\n"
    )
}

#[tokio::test]
async fn a_policy_comes_with_the_next_target_and_two_of_them_with_none() -> Result<()> {
    let bench = Bench::start().await?;
    let mut spoke = bench.cluster("eu-1").await?;
    bench.apply_mesh("[shop]").await?;
    let number = bench.rollout(None, RESPECT).await?;
    spoke.obey(1).await?;
    bench.until_ended(number).await?;
    assert!(spoke.awaits(1).await?.0.heal.is_empty());

    bench.apply(&policy("one", "[Removed, Overwritten]")).await?;
    let number = bench.rollout(None, RESPECT).await?;
    spoke.obey(2).await?;
    bench.until_ended(number).await?;
    let (target, _) = spoke.awaits(2).await?;
    assert_eq!(target.heal.iter().collect::<Vec<_>>(), [HealClass::Overwritten, HealClass::Removed]);
    let stored = "select heal from rollout_target order by rollout desc limit 1";
    let stored: Vec<String> = sqlx::query_scalar(stored).fetch_one(bench.pool()).await?;
    assert_eq!(stored, ["Overwritten", "Removed"]);

    bench.apply(&policy("two", "[]")).await?;
    let refused = bench.rollout(None, RESPECT).await.map(|_| ()).unwrap_err();
    let said = format!("{refused:#}");
    assert!(said.contains("one") && said.contains("two"), "{said}");
    bench.stop().await;
    Ok(())
}
