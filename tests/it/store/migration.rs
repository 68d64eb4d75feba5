//! Schema migrations over rows that older releases wrote.

use std::{borrow::Cow, path::Path};

use anyhow::{Context, Result};
use hub::{
    app::{App, clusters, configs, rollouts, status},
    postgres::{Config, Durability, Server},
    store,
};
use hub_core::rollout::{Aim, RolloutState};
use sqlx::{PgPool, migrate::Migrator, postgres::PgPoolOptions};

use super::bench::{Bench, parse};

/// What the first release leaves behind: a rollout that ended, one that runs, a session, drift, and a cluster that was
/// only invited.
const FIRST_RUN: &str = "
    insert into operator (id, name, role, created_at)
        values ('00000000-0000-7000-8000-000000000001', 'admin', 'Admin', now());
    insert into cluster (id, name, state, public_key_hash, created_at, enrolled_at) values
        ('00000000-0000-7000-8000-0000000000a1', 'eu-1', 'Active', sha256('key'), now(), now()),
        ('00000000-0000-7000-8000-0000000000a2', 'eu-2', 'Invited', null, now(), null);
    insert into mesh_config (name, newest) values ('payments', 1);
    insert into config_version (config, number, document, published_by, published_at)
        select 'payments', 1, document, '00000000-0000-7000-8000-000000000001', now() from kept;
    insert into body (digest, bytes) values (sha256('{}'), '{}');
    insert into plan (digest, created_at) values (sha256('{}'), now());
    insert into plan_body (plan, body) values (sha256('{}'), sha256('{}'));
    insert into rollout (config, version, strategy_spec, overwrite_drift, state, started_by, started_at, ended_at) values
        ('payments', 1, (select spec from kept), false, 'Succeeded', '00000000-0000-7000-8000-000000000001', now(), now()),
        ('payments', 1, (select spec from kept), false, 'Running', '00000000-0000-7000-8000-000000000001', now(), null);
    insert into target (cluster_id, epoch, generation, bytes, digest, plan, set_at)
        values ('00000000-0000-7000-8000-0000000000a1', 1, 1, 'target', sha256('target'), sha256('{}'), now());
    insert into target_history (cluster_id, generation, digest, plan, config, version, rollout, set_at)
        values ('00000000-0000-7000-8000-0000000000a1', 1, sha256('target'), sha256('{}'), 'payments', 1, 1, now());
    insert into rollout_target (rollout, cluster_id, inputs, wave, wave_name, plan, state, generation, target, sent_at,
            ended_at, blocked_by, blocked_since) values
        (1, '00000000-0000-7000-8000-0000000000a1', (select inputs from kept), 1, 'all', sha256('{}'), 'Succeeded', 1,
            sha256('target'), now(), now(), null, null),
        (2, '00000000-0000-7000-8000-0000000000a1', (select inputs from kept), 1, 'all', sha256('{}'), 'Blocked', null,
            null, null, null, 'PlanChanged', now());
    insert into cluster_hold (cluster_id, rollout, held_at)
        values ('00000000-0000-7000-8000-0000000000a1', 2, now());
    insert into object_state (cluster_id, api_group, version, kind, namespace, name, role, uid, outcome, healthy,
            message, generation)
        values ('00000000-0000-7000-8000-0000000000a1', '', 'v1', 'ConfigMap', 'shop', 'one', 'Created', 'u', 'Created',
            true, '', 1);
";

/// The schema of the first release, with its rows.
async fn first_run(pool: &PgPool, document: &[u8]) -> Result<()> {
    let all = Migrator::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations")).await?;
    let first = all.migrations.iter().take(1).cloned().collect();
    let mut only_first = Migrator::DEFAULT;
    only_first.migrations = Cow::Owned(first);
    only_first.run(pool).await?;
    sqlx::raw_sql("create table kept (document bytea, spec jsonb, inputs jsonb)").execute(pool).await?;
    sqlx::query("insert into kept values ($1, $2, $3)")
        .bind(document)
        .bind(serde_json::json!({ "deadlineSeconds": 60, "waves": [] }))
        .bind(serde_json::json!({ "name": "eu-1", "labels": {}, "declared_platform": null, "network": null }))
        .execute(pool)
        .await?;
    sqlx::raw_sql(FIRST_RUN).execute(pool).await?;
    sqlx::raw_sql("drop table kept").execute(pool).await?;
    Ok(())
}

#[tokio::test]
async fn what_the_first_release_wrote_is_read_after_all_migrations() -> Result<()> {
    let bench = Bench::idle().await?;
    bench.apply_mesh("[shop]").await?;
    let stored = configs::show(&bench.app, &parse("payments")?, None, None).await?;

    let folder = tempfile::Builder::new().prefix("store-").tempdir_in("/tmp")?;
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let config = Config { durability: Durability::None, ..Config::new(folder.path().join("postgres")) };
    let server = Server::start(&config).await?;
    let pool = PgPoolOptions::new().max_connections(4).connect_with(server.connect_options()).await?;
    first_run(&pool, &stored.document).await?;
    store::migrate(&pool).await?;

    let app = App::new(pool.clone(), bench.clock.clone());
    let told: Vec<_> = rollouts::list(&app).await?;
    let aim = Aim::Assign { config: parse("payments")?, version: 1 };
    assert!(told.iter().all(|stored| stored.aim == aim) && told.len() == 2, "{told:?}");
    assert_eq!(told[0].rollout.state, RolloutState::Running);
    let fleet = status::show(&app, None).await?;
    let one = fleet.first().context("eu-1")?;
    assert_eq!((one.config.clone(), one.generation), (Some((parse("payments")?, 1)), 1));
    assert_eq!(clusters::list(&app).await?.len(), 2);
    pool.close().await;
    server.stop().await;
    bench.stop().await;
    Ok(())
}
