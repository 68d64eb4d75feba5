//! The schema over time: a hub on one that is older or newer than its own.

use std::borrow::Cow;

use anyhow::{Context, Result};
use hub::store::{
    self,
    schema::{self, Standing},
};
use hub_core::report::Phase;
use sqlx::{
    PgPool,
    migrate::{Migration, MigrationType, Migrator},
};

use super::{
    bench::Bench,
    rollout::{RESPECT, states},
};

/// What a newer hub would add: nothing that an older one must know of.
const NEWER: [&str; 2] = [
    "alter table target add column note text; alter table rollout_target add column note text default 'none';
     create table newer (id bigint primary key, target uuid references target on delete cascade);
     create index newer_rollouts on rollout (started_at);",
    "alter table cluster add column note text;",
];

/// Migrates as a hub does that is newer by this many versions.
async fn migrate_further(pool: &PgPool, versions: usize) -> Result<()> {
    let newer = NEWER.iter().take(versions).enumerate().map(|(index, sql)| {
        let version = schema::own_version() + 1 + i64::try_from(index).unwrap_or_default();
        let sql = sqlx::AssertSqlSafe((*sql).to_owned());
        Migration::new(
            version,
            Cow::Borrowed("of a newer hub"),
            MigrationType::Simple,
            sqlx::SqlSafeStr::into_sql_str(sql),
            false,
        )
    });
    let migrations = Migrator { migrations: Cow::Owned(newer.collect()), ..Migrator::DEFAULT };
    schema::apply(migrations, pool).await.context("a newer hub's migrations")
}

#[tokio::test]
async fn a_migration_that_was_done_is_not_done_again() -> Result<()> {
    let bench = Bench::idle().await?;
    let again = store::migrate(bench.pool()).await?;
    assert_eq!((again.applied.len(), &again.standing), (0, &Standing::Same));
    let said = again.to_string();
    assert!(said.starts_with("nothing to do: the database's schema is at version "), "{said}");
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_schema_one_newer_serves_and_two_newer_does_not() -> Result<()> {
    let bench = Bench::idle().await?;
    let own = schema::own_version();
    migrate_further(bench.pool(), 1).await?;
    assert_eq!(schema::standing(bench.pool()).await?, Standing::OneNewer { version: own + 1 });
    // An older hub's migrating changes nothing.
    let migrated = store::migrate(bench.pool()).await?;
    assert_eq!((migrated.applied.len(), migrated.standing), (0, Standing::OneNewer { version: own + 1 }));
    migrate_further(bench.pool(), 2).await?;
    assert_eq!(schema::standing(bench.pool()).await?, Standing::TooNew { version: own + 2 });
    bench.stop().await;
    Ok(())
}

/// A hub's transaction holds a row of one table and then needs another, that the migration has locked by then: without
/// giving way each would wait for the other, and Postgres would end one of them.
#[tokio::test]
async fn a_migration_gives_way_to_a_transaction_that_holds_what_it_needs() -> Result<()> {
    let bench = Bench::idle().await?;
    let mut transaction = bench.pool().begin().await?;
    // The migration alters `target` first and `rollout_target` second.
    sqlx::query("lock table rollout_target in row exclusive mode").execute(&mut *transaction).await?;
    let migrating = tokio::spawn({
        let pool = bench.pool().clone();
        async move { migrate_further(&pool, 1).await }
    });
    let held = "select exists (select from pg_locks where relation = 'target'::regclass and granted
                                and mode = 'AccessExclusiveLock') as held";
    while !sqlx::query_scalar::<_, bool>(held).fetch_one(bench.pool()).await? {
        tokio::task::yield_now().await;
    }
    sqlx::query("select count(*) from target").execute(&mut *transaction).await?;
    transaction.commit().await?;
    migrating.await??;
    assert_eq!(
        schema::standing(bench.pool()).await?,
        Standing::OneNewer { version: schema::own_version() + 1 }
    );
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_hub_goes_on_while_a_newer_one_migrates_its_database_and_a_rollout_runs_through() -> Result<()> {
    let bench = Bench::start().await?;
    let (mut first, mut second) = (bench.cluster("eu-1").await?, bench.cluster("eu-2").await?);
    bench.apply_mesh("[shop]").await?;
    bench.apply(&super::bench::waves("one-by-one", &["eu-1", "eu-2"])).await?;
    let number = bench.rollout(Some("one-by-one"), RESPECT).await?;
    let target = first.awaits(1).await?;
    first.accept(&target).await?;
    first.report(&target, Phase::Converging).await?;

    migrate_further(bench.pool(), 1).await?;

    first.report(&target, Phase::Healthy).await?;
    second.obey(1).await?;
    let ended = bench.until_ended(number).await?;
    assert_eq!(states(&ended), ["Succeeded", "Succeeded"]);
    bench.apply_changed_mesh().await?;
    let next = bench.rollout(None, RESPECT).await?;
    first.obey(2).await?;
    second.obey(2).await?;
    assert_eq!(states(&bench.until_ended(next).await?), ["Succeeded", "Succeeded"]);
    bench.stop().await;
    Ok(())
}
