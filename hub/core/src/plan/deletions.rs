//! What a target deletes: what is known to be ours and stands in the new plan no longer. Absence from a list is never
//! a reason by itself: only objects that an inventory or an accepted plan names can be here.

use std::collections::{BTreeMap, BTreeSet};

use super::{KeepWhile, ObjectId, PlanDocument, diff::Named};
use crate::{
    report::{ObjectState, Outcome, Role},
    target::{Deletion, TemplateDeletion},
};

const WHY: &str = "no longer in the plan";

/// The deletions of a target with the plan `new`: the spoke's inventory, and the objects of all plans that were accepted
/// since the last completed generation (oldest first), minus the new plan; and the templates that these plans had and
/// the new one has not.
///
/// # Guarantees
/// Nothing that the new plan applies, expects, adds to or makes from a template, no expectation, no addition, no
/// Namespace. Each object once; with the uid of the inventory, or with none, and then the spoke takes it from its own
/// inventory or leaves the object. What was applied last comes first, so that what an object needs goes after it.
#[must_use]
pub fn deletions(
    inventory: &[ObjectState],
    accepted: &[&PlanDocument],
    new: &PlanDocument,
) -> (Vec<Deletion>, Vec<TemplateDeletion>) {
    (objects(inventory, accepted, new), templates(accepted, new))
}

fn objects(inventory: &[ObjectState], accepted: &[&PlanDocument], new: &PlanDocument) -> Vec<Deletion> {
    let planned = accepted.iter().flat_map(|plan| &plan.phases).flat_map(|phase| &phase.objects);
    let owned = inventory.iter().filter(|state| is_ours(state));
    let mut order: Vec<&ObjectId> = planned.map(|object| &object.id).collect();
    let mut unplanned: Vec<&ObjectId> = owned.clone().map(|state| &state.id).collect();
    unplanned.sort();
    order.extend(unplanned);

    let uids: BTreeMap<_, &str> = owned.map(|state| (state.id.identity(), state.uid.as_str())).collect();
    let keep_while = keep_while(accepted);
    let (kept, mut known) = (Named::by(new), BTreeSet::new());
    let gone =
        order.into_iter().filter(|id| known.insert(id.identity()) && !is_namespace(id) && !kept.has(id));
    let mut deletions: Vec<Deletion> = gone
        .map(|id| Deletion {
            id: id.clone(),
            uid: uids.get(&id.identity()).copied().unwrap_or_default().to_owned(),
            why: WHY.to_owned(),
            keep_while: keep_while.get(&id.identity()).copied().flatten().cloned(),
        })
        .collect();
    deletions.reverse();
    deletions
}

/// What the newest plan that has an object says of it.
fn keep_while<'a>(
    accepted: &[&'a PlanDocument],
) -> BTreeMap<(&'a str, &'a str, &'a str, &'a str), Option<&'a KeepWhile>> {
    let planned = accepted.iter().flat_map(|plan| plan.phases.iter()).flat_map(|phase| &phase.objects);
    planned.map(|object| (object.id.identity(), object.keep_while.as_ref())).collect()
}

fn templates(accepted: &[&PlanDocument], new: &PlanDocument) -> Vec<TemplateDeletion> {
    let mut deletions: Vec<TemplateDeletion> = Vec::new();
    for template in accepted.iter().rev().flat_map(|plan| &plan.templates) {
        let known = deletions
            .iter()
            .any(|known| known.template == template.template && known.id.same_object(&template.id));
        let kept = new.templates.iter().any(|kept| kept.id.same_object(&template.id));
        if !known && !kept {
            deletions.push(TemplateDeletion {
                template: template.template.clone(),
                id: template.id.clone(),
                why: WHY.to_owned(),
                keep_while: template.keep_while.clone(),
            });
        }
    }
    deletions
}

/// Not what somebody else makes, not what a template makes, not a stranger's object that stands in our object's place, not what is gone.
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
