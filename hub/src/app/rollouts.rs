//! Rollouts: starting one, holding and ending it, and looking at them. `tasks/rollout` moves them on.

mod events;
mod launch;
mod verbs;

pub use events::events;
pub(super) use launch::{Pinned, confirm, confirm_each, launch, refuse};
pub use verbs::{Verb, order};

use std::collections::{BTreeMap, BTreeSet};

use hub_core::{
    config::ConfigVersion,
    drift::{NamedPolicy, policy},
    fleet::{Cluster, ClusterId, Name},
    plan::{self, Finding, Plan, Proposal, Severity},
    rollout::{Aim, SeenCluster, Strategy},
};
use jiff::Timestamp;
use sqlx::PgConnection;

use super::{App, Error, deletions, error::StartRefusal, operators::Operator, plans};
pub use crate::store::rollouts::StoredRollout;
use crate::{
    fail_point,
    store::{self, rollouts::NewRollout},
};

/// How many rollouts a list shows: a screen of them, and a bound on the work of one request.
const MOST_LISTED: u32 = 100;

/// What is to be rolled out.
#[derive(Debug, Clone)]
pub struct Start {
    /// The config.
    pub config: Name,
    /// Its version; none means the newest.
    pub version: Option<u64>,
    /// None means one wave of all clusters.
    pub strategy: Option<Name>,
    /// Whether the drift that is known now is put right by force.
    pub drift: DriftChoice,
    /// Above the brake, the exact number of objects that may be deleted; 0 if nobody said one.
    pub confirm_deletions: u32,
    /// W3C trace context of the request; empty if none.
    pub traceparent: String,
}

/// What a rollout does about fields that others wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriftChoice {
    /// Leaves them: a conflict is reported.
    Respect,
    /// Takes back exactly those that are known now, as they were seen.
    Overwrite,
}

/// Starts a rollout and returns its number. All reasons against it are said at once. Asked again while it runs, it is
/// refused: the clusters are held.
pub async fn start(app: &App, by: &Operator, start: &Start) -> Result<u64, Error> {
    // Before the transaction: spokes are asked, which takes its time.
    let lacking = plans::lacking_rights(app, &start.config, start.version).await?;
    let at = app.clock.now();
    let mut tx = app.begin().await?;
    if !store::configs::hold(&mut tx, &start.config).await? {
        return Err(Error::ConfigNotFound(start.config.clone()));
    }
    let config = plans::find_config(&mut tx, &start.config, start.version).await?;
    let aim = Aim::Assign { config: config.name.clone(), version: config.number };
    let strategy = find_strategy(&mut tx, start.strategy.as_ref()).await?;
    let others = store::configs::newest(&mut tx).await?;
    let selected = plans::selected(app, &mut tx, &config).await?;
    let ids: Vec<ClusterId> = selected.iter().map(|cluster| cluster.id).collect();
    let holders = store::holds::holders(&mut tx, &ids).await?;
    let (mut pinned, mut refusals) = judge((&config, &others), &strategy, selected, &holders);
    refusals.extend(heal(&mut pinned, &store::policies::list(&mut tx).await?));
    refusals.extend(lacking.iter().map(|(cluster, finding)| refusal(cluster, finding)));
    refuse(&aim, refusals)?;
    if pinned.is_empty() {
        return Err(Error::NothingSelected(config.name));
    }
    let new: Vec<_> = pinned.iter().map(|one| (one.cluster.id, &one.plan.document)).collect();
    let mut deleting = deletions::load(&mut tx, &new).await?;
    for one in &mut pinned {
        one.deleting = deleting.remove(&one.cluster.id).unwrap_or_default();
    }
    confirm(&pinned, start.confirm_deletions)?;
    let new = NewRollout {
        aim: &aim,
        strategy: start.strategy.as_ref(),
        spec: &strategy,
        overwrite_drift: start.drift == DriftChoice::Overwrite,
        by: by.id,
        at,
        traceparent: &start.traceparent,
    };
    let number = launch(&mut tx, &new, &pinned).await?;
    store::commit_of(fail_point::START, tx).await?;
    app.signals.rollouts.wake();
    Ok(number)
}

async fn find_strategy(tx: &mut PgConnection, name: Option<&Name>) -> Result<Strategy, Error> {
    let Some(name) = name else { return Ok(Strategy::all_at_once()) };
    let found = store::strategies::find(tx, name).await?;
    found.map(|(strategy, _)| strategy).ok_or_else(|| Error::StrategyNotFound(name.clone()))
}

/// Plans the clusters that the config selects, and says everything that is against it. Pure.
fn judge(
    (config, others): (&ConfigVersion, &[ConfigVersion]),
    strategy: &Strategy,
    selected: Vec<Cluster>,
    holders: &BTreeMap<ClusterId, u64>,
) -> (Vec<Pinned>, Vec<StartRefusal>) {
    let mut pinned = Vec::new();
    let mut refusals = Vec::new();
    for cluster in selected {
        refusals.extend(second_config(config, others, &cluster));
        let held = holders.get(&cluster.id);
        refusals.extend(
            held.map(|rollout| StartRefusal::Held { cluster: cluster.name.clone(), rollout: *rollout }),
        );
        match (strategy.wave_of(&cluster), plan_for(config, &cluster)) {
            (Ok(wave), Ok(plan)) => pinned.push(Pinned::of(cluster, plan, wave)),
            (wave, plan) => {
                let in_no_wave = wave.err().map(|_| StartRefusal::InNoWave { cluster: cluster.name.clone() });
                refusals.extend(in_no_wave);
                refusals.extend(plan.err().into_iter().flatten());
            }
        }
    }
    (pinned, refusals)
}

/// Notes what each cluster heals by itself, by the policies of now; says where two stand against each other. Pure.
fn heal(pinned: &mut [Pinned], policies: &[NamedPolicy]) -> Vec<StartRefusal> {
    let mut refusals = Vec::new();
    for one in pinned {
        match policy::heals(policies, &one.cluster) {
            Ok(heal) => one.heal = heal,
            Err(finding) => refusals.push(refusal(&one.cluster.name, &finding)),
        }
    }
    refusals
}

fn second_config(
    config: &ConfigVersion,
    others: &[ConfigVersion],
    cluster: &Cluster,
) -> Option<StartRefusal> {
    let mut others = others.iter().filter(|other| other.name != config.name);
    let other = others.find(|other| plans::selects(other, cluster))?;
    Some(StartRefusal::TwoConfigs {
        cluster: cluster.name.clone(),
        one: config.name.clone(),
        other: other.name.clone(),
    })
}

fn plan_for(config: &ConfigVersion, cluster: &Cluster) -> Result<Plan, Vec<StartRefusal>> {
    let name = cluster.name.clone();
    if cluster.facts.is_none() {
        return Err(vec![StartRefusal::NoFacts { cluster: name }]);
    }
    let no_plan = |message| vec![StartRefusal::NoPlan { cluster: name.clone(), message }];
    let proposal = plan::propose(config, cluster).map_err(|error| no_plan(error.to_string()))?;
    let against = findings(&name, &proposal);
    match proposal.plan {
        _ if !against.is_empty() => Err(against),
        Some(plan) => Ok(plan),
        None => Err(no_plan("no plan could be made".to_owned())),
    }
}

fn findings(cluster: &Name, proposal: &Proposal) -> Vec<StartRefusal> {
    let blocking = proposal.findings.iter().filter(|finding| finding.severity == Severity::Blocks);
    blocking.map(|finding| refusal(cluster, finding)).collect()
}

fn refusal(cluster: &Name, finding: &Finding) -> StartRefusal {
    StartRefusal::Finding {
        cluster: cluster.clone(),
        rule: finding.rule.clone(),
        message: finding.message.clone(),
        hint: finding.hint.clone(),
    }
}

/// What is known now of the clusters of these rollouts, for the reasons that people read.
pub async fn seen(app: &App, rollouts: &[StoredRollout]) -> Result<BTreeMap<ClusterId, SeenCluster>, Error> {
    let targets = rollouts.iter().flat_map(|stored| stored.rollout.targets());
    let clusters: BTreeSet<ClusterId> = targets.map(|target| target.cluster).collect();
    let mut tx = app.begin().await?;
    Ok(clusters_seen(&mut tx, &Vec::from_iter(clusters), app.clock.now()).await?)
}

async fn clusters_seen(
    tx: &mut PgConnection,
    clusters: &[ClusterId],
    now: Timestamp,
) -> Result<BTreeMap<ClusterId, SeenCluster>, store::Error> {
    let known = store::seen::load(tx, clusters, now).await?;
    Ok(super::readable(known).into_iter().map(|known| (known.cluster, known.seen)).collect())
}

/// One rollout. With [`seen`], `rollout.waiting_on()` and `rollout.reason()` say what it waits for or why it failed.
pub async fn show(app: &App, number: u64) -> Result<StoredRollout, Error> {
    let mut tx = app.begin().await?;
    store::rollouts::find(&mut tx, number).await?.ok_or(Error::RolloutNotFound(number))
}

/// The newest rollouts, newest first.
pub async fn list(app: &App) -> Result<Vec<StoredRollout>, Error> {
    let mut tx = app.begin().await?;
    Ok(store::rollouts::list(&mut tx, MOST_LISTED).await?)
}
