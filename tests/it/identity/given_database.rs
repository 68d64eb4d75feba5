//! A hub on a database that others run.

use anyhow::{Result, bail};
use hub::{
    config::{Config, Database},
    identity::{authority::Authority, spiffe::TrustDomain},
    postgres::{self, Durability},
    store::schema,
};
use sqlx::PgPool;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::house::{open_folder, refused_start};

/// A database of somebody else, and what a hub on it is told.
async fn given() -> Result<(TempDir, postgres::Server, Config)> {
    let folder = open_folder()?;
    let mut settings = postgres::Config::new(folder.path().join("theirs"));
    settings.durability = Durability::None;
    let theirs = postgres::Server::start(&settings).await?;
    let mut config = Config::private(folder.path().join("data"), TrustDomain::parse("meshfleet.local")?);
    config.database = Database::Given { url: theirs.url().parse()?, ca: folder.path().join("ca") };
    Ok((folder, theirs, config))
}

#[tokio::test]
async fn a_given_database_needs_its_authority_and_its_schema_first() -> Result<()> {
    let (folder, theirs, config) = given().await?;
    let said = refused_start(config.clone()).await?;
    assert!(said.contains("hub migrate"), "{said}");
    let Database::Given { url, .. } = &config.database else { bail!("a given database") };
    let migrated = hub::serve::migrate(url).await?.to_string();
    assert!(migrated.starts_with("migrations 1, 2") && migrated.contains("applied: "), "{migrated}");

    let said = refused_start(config.clone()).await?;
    assert!(said.contains("cannot use the certificate authority"), "{said}");
    assert!(!folder.path().join("ca").exists(), "none is made");
    Authority::make(
        &folder.path().join("ca"),
        TrustDomain::parse("meshfleet.local")?,
        jiff::Timestamp::now(),
    )?;
    for _ in 0..2 {
        let stop = CancellationToken::new();
        let running = hub::serve(config.clone(), stop.clone()).await?;
        stop.cancel();
        running.ended().await?;
    }
    assert!(!folder.path().join("data/postgres").exists(), "no private one was made");
    theirs.stop().await;
    Ok(())
}

#[tokio::test]
async fn hubs_on_one_database_with_the_same_authority_live_side_by_side() -> Result<()> {
    let (folder, theirs, one) = given().await?;
    Authority::make(
        &folder.path().join("ca"),
        TrustDomain::parse("meshfleet.local")?,
        jiff::Timestamp::now(),
    )?;
    let Database::Given { url, .. } = &one.database else { bail!("a given database") };
    hub::serve::migrate(url).await?;
    let mut other = one.clone();
    other.data = folder.path().join("other");
    other.context_file = other.data.join("admin.context.json");
    let stop = CancellationToken::new();
    let one = hub::serve(one, stop.clone()).await?;
    let other = hub::serve(other, stop.clone()).await?;
    assert_ne!(one.address(), other.address());
    stop.cancel();
    one.ended().await?;
    other.ended().await?;
    theirs.stop().await;
    Ok(())
}

/// What the migrator of a newer hub would note.
async fn note_migration(pool: &PgPool, version: i64) -> Result<()> {
    sqlx::query(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values ($1, 'of a newer hub', true, '\\x00', 0)",
    )
    .bind(version)
    .execute(pool)
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_given_schema_may_be_one_newer_and_not_older_nor_two_newer() -> Result<()> {
    let (folder, theirs, config) = given().await?;
    Authority::make(
        &folder.path().join("ca"),
        TrustDomain::parse("meshfleet.local")?,
        jiff::Timestamp::now(),
    )?;
    let Database::Given { url, .. } = &config.database else { bail!("a given database") };
    hub::serve::migrate(url).await?;
    let pool = PgPool::connect_with(theirs.connect_options()).await?;
    let own = schema::own_version();

    note_migration(&pool, own + 1).await?;
    let stop = CancellationToken::new();
    let running = hub::serve(config.clone(), stop.clone()).await?;
    stop.cancel();
    running.ended().await?;

    note_migration(&pool, own + 2).await?;
    let too_new = format!("is at version {}, this hub knows {own}", own + 2);
    let said = refused_start(config.clone()).await?;
    assert!(said.contains(&too_new) && said.contains("start a newer hub"), "{said}");
    let Err(refused) = hub::serve::migrate(url).await else { bail!("an older hub migrated") };
    assert!(refused.to_string().contains(&too_new), "{refused}");

    sqlx::query("delete from _sqlx_migrations where version >= $1").bind(own).execute(&pool).await?;
    let said = refused_start(config.clone()).await?;
    assert!(said.contains(&format!("lacks migration {own}")) && said.contains("hub migrate"), "{said}");
    pool.close().await;
    theirs.stop().await;
    Ok(())
}
