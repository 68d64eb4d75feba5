//! Plans: what a config would make of its clusters. Changes nothing.

use std::collections::BTreeMap;

use hub_core::{
    config::ConfigVersion,
    digest::Digest,
    fleet::{Cluster, ClusterId, Name},
    plan::{self, Before, Finding, ObjectDiff, Plan, PlanDocument, Severity},
    platform::Detection,
};
use sqlx::PgConnection;

use super::{App, Error};
use crate::store;

/// What a config would make of its clusters.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The config.
    pub config: Name,
    /// The version that was looked at.
    pub version: u64,
    /// By name.
    pub clusters: Vec<ClusterPreview>,
}

/// What a config would make of one cluster.
#[derive(Debug, Clone)]
pub struct ClusterPreview {
    /// The cluster.
    pub cluster: Name,
    /// What it runs on; none before its spoke was attached.
    pub platform: Option<Detection>,
    /// None if no plan could be made: then a finding says why.
    pub plan: Option<Plan>,
    /// Against the present target.
    pub diff: Vec<ObjectDiff>,
    /// What the checks found.
    pub findings: Vec<Finding>,
}

/// Computes the plans of one cluster, or of all that the config selects. `version: None` means the newest.
pub async fn preview(
    app: &App,
    config: &Name,
    version: Option<u64>,
    cluster: Option<&Name>,
) -> Result<Preview, Error> {
    let mut tx = app.begin().await?;
    let config = find_config(&mut tx, config, version).await?;
    let chosen = choose(&mut tx, &config, cluster).await?;
    let ids: Vec<ClusterId> = chosen.iter().map(|cluster| cluster.id).collect();
    let known = super::readable(store::seen::load(&mut tx, &ids, app.clock.now()).await?);
    let plans: BTreeMap<ClusterId, Digest> =
        known.into_iter().filter_map(|known| Some((known.cluster, known.seen.current?.plan))).collect();
    let mut clusters = Vec::new();
    for cluster in &chosen {
        let present = match plans.get(&cluster.id) {
            Some(plan) => Some(Present::load(&mut tx, *plan).await?),
            None => None,
        };
        clusters.push(preview_cluster(&config, cluster, present.as_ref()));
    }
    Ok(Preview { config: config.name, version: config.number, clusters })
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
    tx: &mut PgConnection,
    config: &ConfigVersion,
    only: Option<&Name>,
) -> Result<Vec<Cluster>, Error> {
    let selects = |cluster: &Cluster| config.config.clusters.matches(&cluster.name, &cluster.labels);
    let Some(name) = only else {
        let all = super::readable(store::clusters::list(tx).await?);
        return Ok(all.into_iter().map(|stored| stored.cluster).filter(selects).collect());
    };
    let found = store::clusters::find(tx, name).await?;
    let cluster = found.ok_or_else(|| Error::ClusterNotFound(name.to_string()))?.cluster;
    if !selects(&cluster) {
        return Err(Error::NotSelected { config: config.name.clone(), cluster: cluster.name });
    }
    Ok(vec![cluster])
}

/// The plan that a cluster has now.
struct Present {
    document: PlanDocument,
    bodies: BTreeMap<Digest, Vec<u8>>,
}

impl Present {
    async fn load(tx: &mut PgConnection, plan: Digest) -> Result<Self, store::Error> {
        let document = store::plans::document(tx, plan).await?;
        Ok(Self { document, bodies: store::plans::manifests(tx, plan).await? })
    }
}

fn preview_cluster(config: &ConfigVersion, cluster: &Cluster, present: Option<&Present>) -> ClusterPreview {
    let name = cluster.name.clone();
    let proposal = match plan::propose(config, cluster) {
        Ok(proposal) => proposal,
        Err(error) => {
            let findings = vec![cannot_plan(&error)];
            return ClusterPreview { cluster: name, platform: None, plan: None, diff: Vec::new(), findings };
        }
    };
    let before = present.map(|present| Before { document: &present.document, bodies: &present.bodies });
    ClusterPreview {
        cluster: name,
        platform: proposal.detection,
        diff: proposal.plan.as_ref().map(|after| plan::diff(before, after)).unwrap_or_default(),
        plan: proposal.plan,
        findings: proposal.findings,
    }
}

/// A mistake in the rules, as a finding: the other clusters of a preview are worth seeing all the same.
fn cannot_plan(error: &plan::PlanError) -> Finding {
    Finding {
        rule: "plan.failed".to_owned(),
        severity: Severity::Blocks,
        message: error.to_string(),
        hint: "this is a bug of the hub: please report it".to_owned(),
    }
}
