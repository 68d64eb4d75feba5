//! Plans: what a config would make of its clusters, and why. Changes nothing in a cluster.

mod explain;
mod known;
mod preview;

pub use explain::{Explanation, Wanted};
pub(super) use known::disruptions;
pub use preview::{ClusterPreview, Preview, PreviewGroup, Probed, Rights};

use std::collections::BTreeMap;

use hub_core::{
    adoption,
    config::{Adopt, ConfigVersion},
    fleet::{Cluster, ClusterId, Name},
    plan::{self, Finding, rights},
    probe::{Answer, Question},
};
use sqlx::PgConnection;

use self::{
    known::Known,
    preview::{Among, Asked, Draft},
};
use super::{App, Error, probes};
use crate::store;

/// Computes the plans of one cluster, or of all that the config selects. `version: None` means the newest. Spokes are asked
/// what exists already, all at once and for seconds at most.
pub async fn preview(
    app: &App,
    config: &Name,
    version: Option<u64>,
    cluster: Option<&Name>,
) -> Result<Preview, Error> {
    let mut tx = app.begin().await?;
    let config = find_config(&mut tx, config, version).await?;
    let others = store::configs::newest(&mut tx).await?;
    let policies = store::policies::list(&mut tx).await?;
    let chosen = choose(app, &mut tx, &config, cluster).await?;
    let ids: Vec<ClusterId> = chosen.iter().map(|cluster| cluster.id).collect();
    let mut known = Known::load(&mut tx, &ids, app.clock.now()).await?;
    drop(tx);
    let among =
        Among { config: &config, others: &others, policies: &policies, today: super::catalog::today(app) };
    let drafts: Vec<Draft> =
        chosen.iter().map(|cluster| Draft::new(&among, cluster, known.remove(cluster.id))).collect();
    let clusters = ask(app, config.config.adopt, drafts).await?;
    Ok(match cluster {
        Some(_) => Preview::of_one(config, clusters),
        None => Preview::of_fleet(config, clusters),
    })
}

/// Asks the spokes of all drafts, and completes these by what was found.
async fn ask(app: &App, adopt: Adopt, mut drafts: Vec<Draft>) -> Result<Vec<ClusterPreview>, Error> {
    let questions: Vec<(ClusterId, Question)> = drafts.iter_mut().filter_map(Draft::take_question).collect();
    let mut answers: BTreeMap<ClusterId, (Question, Answer)> = BTreeMap::new();
    if !questions.is_empty() {
        let mut found = probes::ask(app, questions.clone()).await?;
        for (cluster, question) in questions {
            if let Some(answer) = found.remove(&cluster) {
                answers.insert(cluster, (question, answer));
            }
        }
    }
    let completed = drafts.into_iter().map(|draft| {
        let asked = match answers.remove(&draft.cluster) {
            Some((question, answer)) => {
                Asked::Answered(adoption::judge(adopt, &question, &answer), answer.rights)
            }
            None => Asked::Nothing,
        };
        draft.complete(asked)
    });
    Ok(completed.collect())
}

/// What the newest version of the config that selects a cluster would make of it.
pub async fn of_cluster(app: &App, cluster: &Name) -> Result<ClusterPreview, Error> {
    let mut tx = app.begin().await?;
    let found = find_member(app, &mut tx, cluster).await?;
    let newest = store::configs::newest(&mut tx).await?;
    drop(tx);
    let config = newest.iter().find(|config| selects(config, &found));
    let config = config.ok_or_else(|| Error::Unassigned(found.name.clone()))?;
    let preview = preview(app, &config.name, None, Some(cluster)).await?;
    preview.clusters.into_iter().next().ok_or_else(|| Error::ClusterNotFound(cluster.to_string()))
}

/// Of the clusters that a config selects, whose spokes still lack rights that the plan needs: those that said so last are
/// asked anew. One that never was asked is not: it says so itself where it matters.
pub async fn lacking_rights(
    app: &App,
    config: &Name,
    version: Option<u64>,
) -> Result<Vec<(Name, Finding)>, Error> {
    let mut tx = app.begin().await?;
    let found = find_config(&mut tx, config, version).await?;
    let members = choose(app, &mut tx, &found, None).await?;
    drop(tx);
    let ids: Vec<ClusterId> = members.iter().map(|cluster| cluster.id).collect();
    let lacking = probes::lacking(app, &ids).await?;
    let mut findings = Vec::new();
    for cluster in members.into_iter().filter(|cluster| lacking.contains(&cluster.id)) {
        let preview = preview(app, config, version, Some(&cluster.name)).await?;
        let of_it = preview.clusters.into_iter().flat_map(|preview| preview.findings);
        let missing = of_it.filter(|finding| finding.rule == rights::MISSING);
        findings.extend(missing.map(|finding| (cluster.name.clone(), finding)));
    }
    Ok(findings)
}

/// Why every value of a cluster's plan is there, by the config that selects the cluster.
pub async fn explain(app: &App, cluster: &Name, wanted: &Wanted) -> Result<Explanation, Error> {
    let mut tx = app.begin().await?;
    let cluster = find_member(app, &mut tx, cluster).await?;
    let newest = store::configs::newest(&mut tx).await?;
    let config = newest.iter().find(|config| selects(config, &cluster)).cloned();
    let config = config.ok_or_else(|| Error::Unassigned(cluster.name.clone()))?;
    if let Some(Finding { message, hint, .. }) = plan::second_config(&config, &newest, &cluster) {
        return Err(Error::NoPlan { cluster: cluster.name, message, hint });
    }
    let config = match wanted.version {
        None => config,
        Some(number) => find_config(&mut tx, &config.name, Some(number)).await?,
    };
    Explanation::new(config, &cluster, wanted)
}

/// The plans of two clusters, each with the reason of every value.
pub async fn explain_two(app: &App, one: &Name, other: &Name) -> Result<(Explanation, Explanation), Error> {
    let whole = Wanted::default();
    Ok((explain(app, one, &whole).await?, explain(app, other, &whole).await?))
}

/// A version of a config; none means the newest.
pub(super) async fn find_config(
    tx: &mut PgConnection,
    name: &Name,
    version: Option<u64>,
) -> Result<ConfigVersion, Error> {
    let newest = store::configs::newest_number(tx, name).await?;
    let newest = newest.ok_or_else(|| Error::ConfigNotFound(name.clone()))?;
    let number = version.unwrap_or(newest);
    let found = store::configs::find(tx, name, number).await?;
    found.ok_or_else(|| Error::VersionNotFound(name.clone(), number))
}

/// The clusters to look at: all that the config selects, or the one that was named, which is then the only one loaded.
async fn choose(
    app: &App,
    tx: &mut PgConnection,
    config: &ConfigVersion,
    only: Option<&Name>,
) -> Result<Vec<Cluster>, Error> {
    let Some(name) = only else { return selected(app, tx, config).await };
    let cluster = find_member(app, tx, name).await?;
    if !selects(config, &cluster) {
        return Err(Error::NotSelected { config: config.name.clone(), cluster: cluster.name });
    }
    Ok(vec![cluster])
}

/// The clusters of the fleet that a config selects, by name, with their facts.
pub(super) async fn selected(
    app: &App,
    tx: &mut PgConnection,
    config: &ConfigVersion,
) -> Result<Vec<Cluster>, Error> {
    let narrowed = super::readable(store::clusters::narrowed(tx, &config.config.clusters).await?);
    let clusters = narrowed.into_iter().map(|stored| stored.cluster);
    let mut clusters: Vec<Cluster> = clusters.filter(|cluster| selects(config, cluster)).collect();
    app.definitions.fill(tx, &mut clusters).await?;
    Ok(clusters)
}

async fn find_member(app: &App, tx: &mut PgConnection, name: &Name) -> Result<Cluster, Error> {
    let found = store::clusters::find(tx, name).await?;
    let mut stored = found.ok_or_else(|| Error::ClusterNotFound(name.to_string()))?;
    app.definitions.fill(tx, [&mut stored.cluster]).await?;
    match stored.state {
        store::clusters::ClusterState::Detached => Err(Error::Detached(name.clone())),
        store::clusters::ClusterState::Invited | store::clusters::ClusterState::Active => Ok(stored.cluster),
    }
}

/// Whether a cluster is one of the config's.
pub(super) fn selects(config: &ConfigVersion, cluster: &Cluster) -> bool {
    config.config.clusters.matches(&cluster.name, &cluster.labels)
}
