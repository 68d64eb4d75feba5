//! Who is right about a cluster, on the wire.

use hub_core::fleet::Name;
use proto::v1::{self, Keep as WireKeep};
use tonic::Status;

use crate::{
    app::{
        App,
        operators::Operator,
        reconcile::{self, Divergence, Keep, Reconciled},
    },
    identity::problem,
};

/// Shows both ways, or goes one.
pub(super) async fn answer(
    app: &App,
    by: &Operator,
    (name, request, traceparent): (&Name, &v1::ReconcileClusterRequest, String),
) -> Result<v1::ReconcileClusterResponse, Status> {
    let keep = match request.keep() {
        WireKeep::Unspecified => {
            let divergence = reconcile::preview(app, name).await.map_err(|error| problem::of(&error))?;
            return Ok(response(divergence, 0));
        }
        WireKeep::Hub => Keep::Hub { confirm_deletions: request.confirm_deletions, traceparent },
        WireKeep::Spoke => Keep::Spoke,
    };
    let reconciled = reconcile::keep(app, by, name, &keep).await.map_err(|error| problem::of(&error))?;
    let Reconciled { divergence, generation } = reconciled;
    Ok(response(divergence, generation))
}

fn response(divergence: Divergence, generation: u64) -> v1::ReconcileClusterResponse {
    let Divergence { cluster, fence, inventory, current, config, deletes, held_by } = divergence;
    let (config, version) =
        config.map_or_else(Default::default, |(name, version)| (name.to_string(), version));
    v1::ReconcileClusterResponse {
        cluster: cluster.to_string(),
        spoke_epoch: fence.epoch,
        spoke_generation: fence.generation,
        spoke_target: fence.target.to_string(),
        spoke_completed: fence.completed,
        inventory: u64::try_from(inventory).unwrap_or(u64::MAX),
        hub_generation: current.map_or(0, |current| current.generation),
        hub_target: current.map(|current| current.target.to_string()).unwrap_or_default(),
        config,
        version,
        hub_can_be_kept: deletes.is_some(),
        deletes: deletes.unwrap_or_default(),
        held_by: held_by.unwrap_or_default(),
        generation,
    }
}
