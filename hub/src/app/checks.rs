//! Checking clusters before anybody rolls anything out: all that stands against a mesh in them, whether or not a config
//! selects them. It changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use hub_core::{
    config::ConfigVersion,
    fleet::{Cluster, Name},
    plan::{
        Finding,
        check::{survey, unseen},
    },
    platform::{self, Detection},
};

use super::{
    App, Error, catalog, plans,
    plans::{ClusterPreview, Probed},
};
use crate::store::{self, clusters::ClusterState};

/// What was found of one cluster.
#[derive(Debug)]
pub struct Checked {
    /// Which.
    pub cluster: Name,
    /// What its facts show; none before its spoke was attached.
    pub detection: Option<Detection>,
    /// The config that selects it, and its newest version.
    pub config: Option<(Name, u64)>,
    /// Whether its spoke was asked what exists there; none without a config.
    pub probed: Option<Probed>,
    /// What blocks first.
    pub findings: Vec<Finding>,
}

/// Checks clusters by name, or all that are not detached. A cluster that configs select is checked as a rollout of the
/// newest version would see it.
pub async fn check(app: &App, names: &BTreeSet<Name>) -> Result<Vec<Checked>, Error> {
    let mut tx = app.begin().await?;
    let configs = store::configs::newest(&mut tx).await?;
    let clusters = match names.is_empty() {
        false => named(&mut tx, names).await?,
        true => {
            let all = super::readable(store::clusters::list(&mut tx).await?).into_iter();
            all.filter(|stored| stored.state != ClusterState::Detached).map(|stored| stored.cluster).collect()
        }
    };
    drop(tx);
    let mut previews = previews(app, &configs, &clusters, names.is_empty()).await?;
    let today = catalog::today(app);
    let checked = clusters.into_iter().map(|cluster| match previews.remove(&cluster.name) {
        Some((config, preview)) => of_preview(&cluster, config, preview),
        None => Checked {
            findings: survey(&cluster, today),
            detection: cluster.facts.as_ref().map(platform::detect),
            cluster: cluster.name,
            config: None,
            probed: None,
        },
    });
    Ok(checked.collect())
}

async fn named(tx: &mut sqlx::PgConnection, names: &BTreeSet<Name>) -> Result<Vec<Cluster>, Error> {
    let mut clusters = Vec::new();
    for name in names {
        let found = store::clusters::find(tx, name).await?;
        let stored = found.ok_or_else(|| Error::ClusterNotFound(name.to_string()))?;
        if stored.state == ClusterState::Detached {
            return Err(Error::Detached(name.clone()));
        }
        clusters.push(stored.cluster);
    }
    Ok(clusters)
}

/// What the newest configs would make of the clusters that they select: of all at once, or of each that was named.
async fn previews(
    app: &App,
    configs: &[ConfigVersion],
    clusters: &[Cluster],
    are_all: bool,
) -> Result<BTreeMap<Name, ((Name, u64), ClusterPreview)>, Error> {
    let mut found = BTreeMap::new();
    for config in configs {
        let selected = clusters.iter().filter(|cluster| plans::selects(config, cluster));
        let only: Vec<Option<&Name>> = match are_all {
            true => selected.take(1).map(|_| None).collect(),
            false => selected.map(|cluster| Some(&cluster.name)).collect(),
        };
        for only in only {
            let preview = plans::preview(app, &config.name, Some(config.number), only).await?;
            for cluster in preview.clusters {
                found.insert(cluster.cluster.clone(), ((config.name.clone(), config.number), cluster));
            }
        }
    }
    Ok(found)
}

fn of_preview(cluster: &Cluster, config: (Name, u64), preview: ClusterPreview) -> Checked {
    let mut findings = preview.findings;
    findings.extend(cluster.facts.iter().flat_map(unseen));
    findings.sort_by_key(|finding| finding.severity);
    Checked {
        cluster: preview.cluster,
        detection: preview.platform,
        config: Some(config),
        probed: Some(preview.probed),
        findings,
    }
}
