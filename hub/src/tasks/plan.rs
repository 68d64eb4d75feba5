//! Keeps for every cluster what the newest configs would make of it. A cluster whose inputs did not change costs a look at
//! two numbers; nothing is written for it.

use std::collections::BTreeMap;

use hub_core::{
    config::ConfigVersion,
    digest::{self, Digest},
    drift::{NamedPolicy, policy},
    fleet::{Cluster, ClusterId, Name},
    plan::{Finding, Judged, Proposer, Severity},
    status::Planned,
};
use serde_json::json;

use super::{Task, unreadable::Unreadable};
use crate::{
    app::{App, Error},
    fail_point,
    store::{self, cluster_plans::PlannedCluster, clusters::Outline},
};

/// The task.
pub(super) struct PlanTask {
    app: App,
    unreadable: Unreadable,
}

impl PlanTask {
    pub(super) fn new(app: App) -> Self {
        Self { app, unreadable: Unreadable::default() }
    }
}

impl Task for PlanTask {
    async fn look(&mut self) -> Result<(), Error> {
        let mut tx = store::begin(&self.app.pool).await?;
        let configs = store::configs::newest(&mut tx).await?;
        let policies = store::policies::list(&mut tx).await?;
        let known = store::cluster_plans::inputs(&mut tx).await?;
        let outlines = store::clusters::outlines(&mut tx).await?;
        let mut corrupt = outlines.corrupt;
        let stale: BTreeMap<ClusterId, Digest> = outlines
            .rows
            .iter()
            .map(|outline| {
                let against = policy::heals(&policies, &outline.cluster).err();
                let configs = selecting(&configs, &outline.cluster);
                (outline.cluster.id, inputs(outline, &configs, against.as_ref()))
            })
            .filter(|(cluster, inputs)| known.get(cluster) != Some(inputs))
            .collect();
        if stale.is_empty() {
            self.unreadable.note(&corrupt);
            return Ok(());
        }
        let ids: Vec<ClusterId> = stale.keys().copied().collect();
        let mut clusters = store::clusters::load(&mut tx, &ids).await?;
        let definitions = &self.app.definitions;
        definitions.fill(&mut tx, clusters.rows.iter_mut().map(|stored| &mut stored.cluster)).await?;
        corrupt.extend(clusters.corrupt);
        self.unreadable.note(&corrupt);
        let clusters = clusters.rows.iter().map(|stored| &stored.cluster);
        let mut proposers: BTreeMap<&Name, Proposer<'_>> = BTreeMap::new();
        let planned: Vec<PlannedCluster> = clusters
            .map(|cluster| PlannedCluster {
                cluster: cluster.id,
                inputs: stale[&cluster.id],
                planned: planned((&selecting(&configs, cluster), &policies), &mut proposers, cluster),
            })
            .collect();
        drop(proposers);
        // Only now is anything locked: planning takes its time.
        store::cluster_plans::save(&mut tx, &planned, self.app.clock.now()).await?;
        store::commit_of(fail_point::PLANS, tx).await?;
        Ok(())
    }
}

fn selecting<'a>(configs: &'a [ConfigVersion], cluster: &Cluster) -> Vec<&'a ConfigVersion> {
    let selects = |version: &&ConfigVersion| version.config.clusters.matches(&cluster.name, &cluster.labels);
    configs.iter().filter(selects).collect()
}

/// Digest of the revisions that a plan depends on, the release's rules among them, and of what the policies have against
/// it: what they say otherwise is no part of a plan.
fn inputs(outline: &Outline, configs: &[&ConfigVersion], against: Option<&Finding>) -> Digest {
    let versions: Vec<_> = configs.iter().map(|version| json!([version.name, version.number])).collect();
    let release = env!("CARGO_PKG_VERSION");
    let mut inputs = json!({ "release": release, "cluster": outline.revision, "configs": versions });
    if let Some(finding) = against {
        inputs["policies"] = json!(finding.message);
    }
    Digest::of(&digest::canonical(&inputs))
}

/// What the configs that select a cluster make of it. Pure.
fn planned<'a>(
    (configs, policies): (&[&'a ConfigVersion], &[NamedPolicy]),
    proposers: &mut BTreeMap<&'a Name, Proposer<'a>>,
    cluster: &'a Cluster,
) -> Planned {
    let version = match configs {
        [] => return Planned::Unassigned,
        [version] => version,
        [one, other, ..] => return Planned::TwoConfigs(one.name.clone(), other.name.clone()),
    };
    if cluster.facts.is_none() {
        return Planned::NoFacts;
    }
    let proposer = proposers.entry(&version.name).or_insert_with(|| Proposer::new(version));
    let Judged { plan, findings } = match proposer.judge(cluster) {
        Ok(judged) => judged,
        Err(error) => return Planned::Failed { message: error.to_string() },
    };
    let findings = findings.iter().filter(|finding| finding.severity == Severity::Blocks);
    let findings: Vec<_> = findings.cloned().chain(policy::heals(policies, cluster).err()).collect();
    match plan {
        _ if !findings.is_empty() => Planned::Blocked { findings },
        None => Planned::Failed { message: "no plan could be made".to_owned() },
        Some(digest) => Planned::Plan { digest, config: version.name.clone(), version: version.number },
    }
}
