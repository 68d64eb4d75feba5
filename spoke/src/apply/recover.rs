//! Finding again what a former life wrote and did not write down.
//!
//! It is done before a newer target is accepted: afterwards the mark of such an object would name a body that is in no
//! accepted target, and the object would be taken for a stranger's.

use super::{
    manifest::{mark, mark_on, uid},
    standing::{Planned, Standing, standing},
};
use crate::{
    cluster::{self, Cluster},
    fence::Content,
    inventory::{Entry, Inventory, Outcome, Role},
    owned,
};

/// Takes into the inventory what the accepted target put into the cluster. Reads only.
///
/// # Errors
/// If the cluster cannot be read.
pub async fn recover(
    cluster: &Cluster,
    content: &Content,
    inventory: &mut Inventory,
) -> Result<(), cluster::Error> {
    for planned in content.plan.objects() {
        if inventory.get(&planned.id).is_some_and(|entry| entry.body == planned.body) {
            continue;
        }
        let live = match cluster.get(&planned.id).await {
            Err(cluster::Error::NotServed { .. }) => None,
            found => found?,
        };
        let Some(live) = live else { continue };
        let mark = mark(&content.target.cluster, planned.body);
        let known = inventory.get(&planned.id).filter(|entry| entry.uid == uid(&live));
        let plan = Planned { manifest: &serde_json::Value::Null, digest: planned.body, mark: &mark };
        if mark_on(&live) != Some(&mark) || standing(Some(&live), known, plan) == Standing::Stranger {
            continue;
        }
        let (role, outcome) =
            known.map_or((Role::Created, Outcome::Created), |entry| (entry.role, Outcome::Changed));
        tracing::info!(object = %planned.id, "found again what was written before");
        inventory.put(Entry {
            id: planned.id.clone(),
            uid: uid(&live).to_owned(),
            role,
            generation: content.target.generation,
            outcome,
            body: planned.body,
            baseline: owned::baseline(&live),
        });
    }
    Ok(())
}
