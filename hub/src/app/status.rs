//! Status: the six conditions of clusters.

use std::collections::BTreeMap;

use hub_core::{
    fleet::{ClusterId, Name},
    platform::{self, Detection},
    report::ObjectState,
    status::{self, Condition, Known, Planned},
};

use super::{App, Error};
use crate::store::{self, clusters::ClusterState};

/// What is to be said of one cluster.
#[derive(Debug, Clone)]
pub struct ClusterStatus {
    /// Its name.
    pub cluster: Name,
    /// What it runs on; none before its spoke was attached.
    pub platform: Option<Detection>,
    /// The config that its present target came from, with its version.
    pub config: Option<(Name, u64)>,
    /// Generation of its target; 0 if it has none.
    pub generation: u64,
    /// The six conditions, in their order.
    pub conditions: Vec<Condition>,
    /// Empty unless one cluster was asked for.
    pub objects: Vec<ObjectState>,
}

/// Status of one cluster, with its objects, or of the fleet, without.
pub async fn show(app: &App, cluster: Option<&Name>) -> Result<Vec<ClusterStatus>, Error> {
    let mut tx = app.begin().await?;
    let clusters = match cluster {
        None => super::readable(store::clusters::list(&mut tx).await?),
        Some(name) => {
            let found = store::clusters::find(&mut tx, name).await?;
            vec![found.ok_or_else(|| Error::ClusterNotFound(name.to_string()))?]
        }
    };
    let ids: Vec<ClusterId> = clusters.iter().map(|stored| stored.cluster.id).collect();
    let known = super::readable(store::seen::load(&mut tx, &ids, app.clock.now()).await?);
    let mut known: BTreeMap<_, _> = known.into_iter().map(|known| (known.cluster, known)).collect();
    let planned = super::readable(store::cluster_plans::load(&mut tx, &ids).await?);
    let mut planned: BTreeMap<_, _> = planned.into_iter().collect();
    let mut origins = store::origins::load(&mut tx, &ids).await?;
    let mut statuses = Vec::new();
    for stored in clusters {
        let id = stored.cluster.id;
        let Some(known) = known.remove(&id) else { continue };
        let objects = match cluster {
            Some(_) => store::reports::objects(&mut tx, id).await?,
            None => Vec::new(),
        };
        let planned = match stored.state {
            ClusterState::Detached => Planned::Detached,
            ClusterState::Invited | ClusterState::Active => planned.remove(&id).unwrap_or(Planned::NotYet),
        };
        statuses.push(ClusterStatus {
            platform: stored.cluster.facts.as_ref().map(platform::detect),
            config: origins.remove(&id),
            generation: known.seen.current.map_or(0, |current| current.generation),
            conditions: status::conditions(&facts(known, planned)).to_vec(),
            cluster: stored.cluster.name,
            objects,
        });
    }
    Ok(statuses)
}

fn facts(known: store::seen::Known, planned: Planned) -> Known {
    Known {
        cluster: known.name,
        session: known.session,
        planned,
        target: known.seen.current,
        fence: known.seen.fence,
        refusal: known.seen.refusal,
        report: known.seen.report,
        drift: known.drift,
    }
}
