//! What a target deletes: what is known to be ours and stands in the new plan no longer. Absence from a list is never
//! a reason by itself: only objects that an inventory or an accepted plan names can be here.

use super::{ObjectId, PlanDocument, diff::names};
use crate::{
    report::{ObjectState, Outcome, Role},
    target::Deletion,
};

/// The deletions of a target with the plan `new`: the spoke's inventory, and the objects of all plans that were accepted
/// since the last completed generation (oldest first), minus the new plan.
///
/// # Guarantees
/// Nothing that the new plan applies or expects, no expectation, no Namespace. Each object once; with the uid of the
/// inventory, or with none, and then the spoke takes it from its own inventory or leaves the object. What was applied
/// last comes first, so that what an object needs goes after it.
#[must_use]
pub fn deletions(inventory: &[ObjectState], accepted: &[PlanDocument], new: &PlanDocument) -> Vec<Deletion> {
    let planned = accepted.iter().flat_map(|plan| &plan.phases).flat_map(|phase| &phase.objects);
    let owned = inventory.iter().filter(|state| is_ours(state));
    let mut order: Vec<&ObjectId> = planned.map(|object| &object.id).collect();
    let mut unplanned: Vec<&ObjectId> = owned.clone().map(|state| &state.id).collect();
    unplanned.sort();
    order.extend(unplanned);

    let mut deletions: Vec<Deletion> = Vec::new();
    for id in order {
        let known = deletions.iter().any(|deletion| deletion.id.same_object(id));
        if known || is_namespace(id) || names(new, id) {
            continue;
        }
        let uid = owned.clone().find(|state| state.id.same_object(id)).map(|state| state.uid.clone());
        deletions.push(Deletion {
            id: id.clone(),
            uid: uid.unwrap_or_default(),
            why: "no longer in the plan".to_owned(),
        });
    }
    deletions.reverse();
    deletions
}

/// Not what somebody else makes, not a stranger's object that stands in our object's place, not what is gone.
fn is_ours(state: &ObjectState) -> bool {
    match (state.role, state.outcome) {
        (Role::Expected | Role::Addition | Role::Instance, _)
        | (_, Outcome::AdoptionRequired | Outcome::Deleted) => false,
        (Role::Created | Role::Adopted, _) => true,
    }
}

fn is_namespace(id: &ObjectId) -> bool {
    id.group.is_empty() && id.kind == "Namespace"
}

#[cfg(test)]
mod tests;
