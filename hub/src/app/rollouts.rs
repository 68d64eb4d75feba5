//! Rollouts: starting one and looking at them. `tasks/rollout` moves them on.

use hub_core::{
    config::ConfigVersion,
    fleet::{Cluster, ClusterId, Name},
    plan::{self, Plan, Proposal, Severity},
    rollout::{Repair, RolloutTarget, Strategy, TargetState},
};
use serde_json::json;
use sqlx::PgConnection;

use super::{App, Error, error::StartRefusal, operators::Operator, plans};
pub use crate::store::rollouts::StoredRollout;
use crate::store::{
    self,
    audit::{self, Actor, Event},
    rollouts::NewRollout,
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
    let at = app.clock.now();
    let mut tx = app.begin().await?;
    let config = plans::find_config(&mut tx, &start.config, start.version).await?;
    let strategy = find_strategy(&mut tx, start.strategy.as_ref()).await?;
    let others = store::configs::newest(&mut tx).await?;
    let clusters = super::readable(store::clusters::list(&mut tx).await?);
    let clusters = clusters.into_iter().map(|stored| stored.cluster);
    let judged = judge(&config, &others, &strategy, clusters)?;
    refuse_held(&mut tx, &config, &judged, None).await?;
    let new = NewRollout {
        config: &config.name,
        version: config.number,
        strategy: start.strategy.as_ref(),
        spec: &strategy,
        overwrite_drift: start.drift == DriftChoice::Overwrite,
        by: by.id,
        at,
        traceparent: &start.traceparent,
    };
    let number = store::rollouts::insert(&mut tx, &new).await?;
    let ids: Vec<ClusterId> = judged.iter().map(|pinned| pinned.cluster.id).collect();
    store::holds::take(&mut tx, number, &ids, at).await?;
    // Another rollout may have taken one since they were looked at; if it let go of it meanwhile, it is free now.
    while refuse_held(&mut tx, &config, &judged, Some(number)).await? < ids.len() {
        store::holds::take(&mut tx, number, &ids, at).await?;
    }
    store::plans::pin(&mut tx, judged.iter().map(|pinned| &pinned.plan), at).await?;
    for pinned in &judged {
        save_pinned(&mut tx, number, (&strategy, start.drift), pinned).await?;
    }
    audit::record(&mut tx, started(&new, number, &judged)).await?;
    store::commit(tx).await?;
    app.signals.rollouts.wake();
    Ok(number)
}

async fn find_strategy(tx: &mut PgConnection, name: Option<&Name>) -> Result<Strategy, Error> {
    let Some(name) = name else { return Ok(Strategy::all_at_once()) };
    let found = store::strategies::find(tx, name).await?;
    found.map(|(strategy, _)| strategy).ok_or_else(|| Error::StrategyNotFound(name.clone()))
}

/// A cluster with the plan that is pinned to it, and its wave, by index.
struct Pinned {
    cluster: Cluster,
    plan: Plan,
    wave: usize,
}

/// Plans every cluster that the config selects, or says everything that is against it. Pure.
fn judge(
    config: &ConfigVersion,
    others: &[ConfigVersion],
    strategy: &Strategy,
    clusters: impl Iterator<Item = Cluster>,
) -> Result<Vec<Pinned>, Error> {
    let mut pinned = Vec::new();
    let mut refusals = Vec::new();
    let selected = clusters.filter(|cluster| config.config.clusters.matches(&cluster.name, &cluster.labels));
    for cluster in selected {
        refusals.extend(second_config(config, others, &cluster));
        match (strategy.wave_of(&cluster), plan_for(config, &cluster)) {
            (Ok(wave), Ok(plan)) => pinned.push(Pinned { cluster, plan, wave }),
            (wave, plan) => {
                let in_no_wave = wave.err().map(|_| StartRefusal::InNoWave { cluster: cluster.name.clone() });
                refusals.extend(in_no_wave);
                refusals.extend(plan.err().into_iter().flatten());
            }
        }
    }
    if !refusals.is_empty() {
        return Err(Error::RolloutRefused { config: config.name.clone(), version: config.number, refusals });
    }
    if pinned.is_empty() {
        return Err(Error::NothingSelected(config.name.clone()));
    }
    Ok(pinned)
}

fn second_config(
    config: &ConfigVersion,
    others: &[ConfigVersion],
    cluster: &Cluster,
) -> Option<StartRefusal> {
    let mut others = others.iter().filter(|other| other.name != config.name);
    let other = others.find(|other| other.config.clusters.matches(&cluster.name, &cluster.labels))?;
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
    let refusals = blocking.map(|finding| StartRefusal::Finding {
        cluster: cluster.clone(),
        rule: finding.rule.clone(),
        message: finding.message.clone(),
        hint: finding.hint.clone(),
    });
    refusals.collect()
}

/// Refuses clusters that another rollout than `own` holds; says how many are held at all.
async fn refuse_held(
    tx: &mut PgConnection,
    config: &ConfigVersion,
    judged: &[Pinned],
    own: Option<u64>,
) -> Result<usize, Error> {
    let ids: Vec<ClusterId> = judged.iter().map(|pinned| pinned.cluster.id).collect();
    let holders = store::holds::holders(tx, &ids).await?;
    let refusals: Vec<StartRefusal> = judged
        .iter()
        .filter_map(|pinned| {
            let rollout = *holders.get(&pinned.cluster.id).filter(|holder| Some(**holder) != own)?;
            Some(StartRefusal::Held { cluster: pinned.cluster.name.clone(), rollout })
        })
        .collect();
    if refusals.is_empty() {
        return Ok(holders.len());
    }
    Err(Error::RolloutRefused { config: config.name.clone(), version: config.number, refusals })
}

async fn save_pinned(
    tx: &mut PgConnection,
    rollout: u64,
    (strategy, drift): (&Strategy, DriftChoice),
    pinned: &Pinned,
) -> Result<(), store::Error> {
    let Pinned { cluster, plan, wave } = pinned;
    let repair = match drift {
        DriftChoice::Respect => Repair::Nothing,
        DriftChoice::Overwrite => {
            let open = store::drift::open(tx, Some(cluster.id)).await?;
            Repair::of(open.iter().map(|numbered| &numbered.open.item))
        }
    };
    let target = RolloutTarget {
        cluster: cluster.id,
        name: cluster.name.clone(),
        plan: plan.digest,
        repair,
        state: TargetState::Pending,
    };
    let wave_name = &strategy.wave_names()[*wave];
    store::rollouts::insert_target(tx, rollout, (*wave, wave_name), (cluster, &target)).await
}

fn started(new: &NewRollout<'_>, number: u64, judged: &[Pinned]) -> Event {
    let plans: serde_json::Map<String, serde_json::Value> =
        judged.iter().map(|pinned| (pinned.cluster.name.to_string(), json!(pinned.plan.digest))).collect();
    Event {
        at: new.at,
        actor: Actor::Operator(new.by),
        action: "rollout.started",
        subject: format!("rollout/{number}"),
        detail: json!({
            "config": new.config,
            "version": new.version,
            "strategy": new.strategy,
            "overwriteDrift": new.overwrite_drift,
            "plans": plans,
        }),
    }
}

/// One rollout. `rollout.waiting_on()` and `rollout.reason()` say what it waits for or why it failed.
pub async fn show(app: &App, number: u64) -> Result<StoredRollout, Error> {
    let mut tx = app.begin().await?;
    store::rollouts::find(&mut tx, number).await?.ok_or(Error::RolloutNotFound(number))
}

/// The newest rollouts, newest first.
pub async fn list(app: &App) -> Result<Vec<StoredRollout>, Error> {
    let mut tx = app.begin().await?;
    Ok(store::rollouts::list(&mut tx, MOST_LISTED).await?)
}
