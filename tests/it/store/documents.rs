//! Documents that are compared, printed and forgotten, and the versions of configs.

use anyhow::{Result, bail};
use hub::app::{
    Error, clusters, configs,
    documents::{self, Deleted, Diffed, Effect},
    error::DeleteRefusal,
    status,
};
use hub_core::{
    digest::Digest,
    document::{Kind, Source},
    fleet::Name,
};
use serde_json::json;
use sqlx::Row;
use uuid::Uuid;

use super::{
    bench::{Bench, cluster_document, mesh, parse, waves},
    rollout::{RESPECT, states},
};

fn source(text: &str) -> Source {
    Source { name: "test.yaml".to_owned(), text: text.as_bytes().to_vec() }
}

async fn forget(bench: &Bench, documents: &[(Kind, Name)]) -> Result<Vec<DeleteRefusal>> {
    match documents::delete(&bench.app, &bench.admin, documents).await {
        Ok(deleted) => {
            assert!(deleted.iter().all(|document| document.effect == Effect::Deleted));
            Ok(Vec::new())
        }
        Err(Error::DeleteRefused(refusals)) => Ok(refusals),
        Err(other) => Err(other.into()),
    }
}

#[tokio::test]
async fn a_comparison_says_each_leaf_and_stores_nothing() -> Result<()> {
    let bench = Bench::idle().await?;
    bench.apply(&mesh("payments", "[shop]")).await?;
    let text = format!(
        "{}---\n{}",
        mesh("payments", "[bank]").replace("1.17.8", "1.17.9"),
        cluster_document("eu-1")
    );
    let diffed = documents::diff(&bench.app, &[source(&text)]).await?;
    let Diffed::Diffs(diffs) = diffed else { bail!("{diffed:?}") };
    let effects: Vec<_> = diffs.iter().map(|diff| (diff.effect, diff.version)).collect();
    assert_eq!(effects, [(Effect::Configured, Some(2)), (Effect::Created, None)]);
    let version = ("spec.base.istio.version".to_owned(), Some(json!("1.17.8")), Some(json!("1.17.9")));
    assert!(diffs[0].changes.contains(&version), "{:?}", diffs[0].changes);
    assert_eq!(diffs[0].changes.len(), 2);
    assert!(clusters::list(&bench.app).await?.is_empty());
    let unchanged = documents::diff(&bench.app, &[source(&mesh("payments", "[shop]"))]).await?;
    let Diffed::Diffs(unchanged) = unchanged else { bail!("{unchanged:?}") };
    assert_eq!(
        (unchanged[0].effect, unchanged[0].version, unchanged[0].changes.len()),
        (Effect::Unchanged, Some(1), 0)
    );
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn documents_come_back_with_who_and_when() -> Result<()> {
    let bench = Bench::idle().await?;
    bench
        .apply(&format!(
            "{}---\n{}---\n{}",
            cluster_document("eu-1"),
            mesh("payments", "[shop]"),
            waves("careful", &["eu-1"])
        ))
        .await?;
    let all = documents::get(&bench.app, None, None).await?;
    let named: Vec<_> = all.iter().map(|one| (one.kind, one.name.as_str(), one.version)).collect();
    assert_eq!(
        named,
        [
            (Kind::Cluster, "eu-1", None),
            (Kind::MeshConfig, "payments", Some(1)),
            (Kind::RolloutStrategy, "careful", None),
        ]
    );
    for document in &all {
        assert_eq!(document.changed_by.as_deref(), Some("admin"), "{document:?}");
        assert!(document.changed_at.is_some());
        assert!(hub_core::document::read_stored(&document.document).is_ok());
    }
    let one = documents::get(&bench.app, Some(Kind::MeshConfig), Some(&parse("payments")?)).await?;
    assert_eq!(one, all[1..2]);
    let none = documents::get(&bench.app, Some(Kind::Cluster), Some(&parse("payments")?)).await;
    assert_eq!(none.err().map(|error| error.to_string()), Some("there is no Cluster payments".to_owned()));
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_cluster_that_enrolment_made_is_configured_by_its_document() -> Result<()> {
    let bench = Bench::idle().await?;
    let token = clusters::NewToken {
        id: Uuid::now_v7(),
        secret_hash: Digest::of(b"secret"),
        ttl_s: 60,
        present: clusters::Present::Replace,
    };
    clusters::issue_token(&bench.app, &bench.admin, &parse("eu-1")?, token).await?;
    let Diffed::Diffs(diffs) = documents::diff(&bench.app, &[source(&cluster_document("eu-1"))]).await?
    else {
        bail!("no mistake");
    };
    assert_eq!(diffs[0].effect, Effect::Configured);
    assert_eq!(bench.apply(&cluster_document("eu-1")).await?[0].effect, Effect::Configured);
    assert_eq!(bench.apply(&cluster_document("eu-2")).await?[0].effect, Effect::Created);
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn what_is_in_use_is_not_forgotten_and_nothing_else_with_it() -> Result<()> {
    let bench = Bench::start().await?;
    let mut spoke = bench.cluster("eu-1").await?;
    bench.apply_mesh("[shop]").await?;
    bench.apply(&waves("careful", &["eu-1"])).await?;
    let number = bench.rollout(Some("careful"), RESPECT).await?;
    let all = [
        (Kind::Cluster, parse("eu-1")?),
        (Kind::MeshConfig, parse("payments")?),
        (Kind::RolloutStrategy, parse("careful")?),
        (Kind::RolloutStrategy, parse("unknown")?),
    ];
    let rolling = DeleteRefusal::ConfigRolling { config: parse("payments")?, rollout: number };
    let active = DeleteRefusal::ClusterActive { cluster: parse("eu-1")? };
    spoke.awaits(1).await?;
    let runs = DeleteRefusal::ConfigRuns { config: parse("payments")?, clusters: vec![parse("eu-1")?] };
    let refused = forget(&bench, &all).await?;
    assert_eq!(
        refused,
        [
            runs.clone(),
            rolling,
            DeleteRefusal::NotFound { kind: Kind::RolloutStrategy, name: parse("unknown")? },
            active,
            DeleteRefusal::ClusterHeld { cluster: parse("eu-1")?, rollout: number },
        ]
    );
    spoke.obey(1).await?;
    bench.until_ended(number).await?;
    assert_eq!(forget(&bench, &all[1..2]).await?, [runs]);
    assert_eq!(documents::get(&bench.app, None, None).await?.len(), 3);
    assert_eq!(forget(&bench, &all[2..3]).await?, []);
    assert_eq!(states(&hub::app::rollouts::show(&bench.app, number).await?), ["Succeeded"]);
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_config_that_comes_back_goes_on_with_its_numbers() -> Result<()> {
    let bench = Bench::idle().await?;
    bench.apply_mesh("[shop]").await?;
    let deleted =
        documents::delete_files(&bench.app, &bench.admin, &[source(&mesh("payments", "[shop]"))]).await?;
    assert!(matches!(deleted, Deleted::Done(_)), "{deleted:?}");
    assert!(documents::get(&bench.app, None, None).await?.is_empty());
    assert!(configs::list(&bench.app).await?.is_empty());
    let gone = hub::app::plans::preview(&bench.app, &parse("payments")?, None, None).await;
    assert!(matches!(gone, Err(Error::ConfigNotFound(_))));
    let back = bench.apply(&mesh("payments", "[shop]")).await?;
    assert_eq!((back[0].effect, back[0].version), (Effect::Created, Some(2)));
    let events = sqlx::query("select action from audit_event where subject = 'config/payments' order by id")
        .fetch_all(bench.pool())
        .await?;
    let actions: Vec<String> = events.iter().map(|row| row.get(0)).collect();
    assert_eq!(actions, ["config.published", "config.deleted", "config.published"]);
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_cluster_that_is_not_active_is_forgotten_with_everything_known_of_it() -> Result<()> {
    let bench = Bench::idle().await?;
    let token = clusters::NewToken {
        id: Uuid::now_v7(),
        secret_hash: Digest::of(b"secret"),
        ttl_s: 60,
        present: clusters::Present::Replace,
    };
    clusters::issue_token(&bench.app, &bench.admin, &parse("eu-1")?, token).await?;
    bench.apply(&cluster_document("eu-1")).await?;
    assert_eq!(forget(&bench, &[(Kind::Cluster, parse("eu-1")?)]).await?, []);
    assert!(clusters::list(&bench.app).await?.is_empty());
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn the_version_shown_is_the_one_that_a_cluster_runs_also_if_its_plan_is_the_same() -> Result<()> {
    let bench = Bench::start().await?;
    let mut spoke = bench.cluster("eu-1").await?;
    bench.apply_mesh("[shop]").await?;
    let first = bench.rollout(None, RESPECT).await?;
    spoke.obey(1).await?;
    bench.until_ended(first).await?;
    bench.apply(&mesh("payments", "[shop]").replace("  base:", "  adopt: IfNoDiff\n  base:")).await?;
    let second = bench.rollout(None, RESPECT).await?;
    let ended = bench.until_ended(second).await?;
    assert_eq!(ended.rollout.waves[0].targets[0].state.reason(), "the cluster ran this plan already");
    let status = status::show(&bench.app, None).await?.remove(0);
    assert_eq!((status.config, status.generation), (Some((parse("payments")?, 2)), 1));

    let history = configs::history(&bench.app, &parse("payments")?).await?;
    let told: Vec<_> =
        history.iter().map(|one| (one.version, one.clusters.len(), one.published_by.as_str())).collect();
    assert_eq!(told, [(2, 1, "admin"), (1, 0, "admin")]);
    assert_eq!(history[0].changes, 1);
    let listed = configs::list(&bench.app).await?;
    assert_eq!((listed[0].newest, listed[0].selects.len(), listed[0].running_newest), (2, 1, 1));
    let diff = configs::diff(&bench.app, &parse("payments")?, 1, None).await?;
    assert_eq!(diff.changes, [("spec.adopt".to_owned(), Some(json!("Never")), Some(json!("IfNoDiff")))]);
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn what_holds_for_a_cluster_says_where_it_was_written() -> Result<()> {
    let bench = Bench::idle().await?;
    bench.apply(&cluster_document("eu-1")).await?;
    bench.apply_mesh("[shop]").await?;
    let shown = configs::show(&bench.app, &parse("payments")?, None, Some(&parse("eu-1")?)).await?;
    let leaf = |path: &str| shown.leaves.iter().find(|leaf| leaf.path == path).cloned();
    let version = leaf("istio.version").map(|leaf| (leaf.value, leaf.layer, leaf.line));
    let written = Some(("test.yaml".to_owned(), 8));
    assert_eq!(version, Some((json!("1.17.8"), "base".to_owned(), written)));
    let namespace = leaf("istio.namespace").map(|leaf| (leaf.layer, leaf.line));
    assert_eq!(namespace, Some(("default".to_owned(), None)));
    let whole = configs::show(&bench.app, &parse("payments")?, Some(1), None).await?;
    assert!(whole.leaves.is_empty() && hub_core::document::read_stored(&whole.document).is_ok());
    bench.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_detached_cluster_is_forgotten_and_its_rollouts_are_still_told() -> Result<()> {
    let bench = Bench::start().await?;
    let mut spoke = bench.cluster("eu-1").await?;
    bench.apply_mesh("[shop]").await?;
    let number = bench.rollout(None, RESPECT).await?;
    spoke.obey(1).await?;
    bench.until_ended(number).await?;
    clusters::detach(&bench.app, &bench.admin, &parse("eu-1")?).await?;
    let all = [(Kind::Cluster, parse("eu-1")?), (Kind::MeshConfig, parse("payments")?)];
    assert_eq!(forget(&bench, &all).await?, [], "with the cluster, nothing runs the config any more");
    assert!(status::show(&bench.app, None).await?.is_empty());
    let told = hub::app::rollouts::show(&bench.app, number).await?;
    assert_eq!((states(&told), told.rollout.waves[0].targets[0].name.as_str()), (vec!["Succeeded"], "eu-1"));
    assert_eq!(bench.apply(&cluster_document("eu-1")).await?[0].effect, Effect::Created);
    bench.stop().await;
    Ok(())
}
