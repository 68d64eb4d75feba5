//! What the way from one plan to another does that neither of the two shows.

use super::{Change, Finding, ObjectDiff, check::warns};

/// Judges a diff, beside what the referee says of the plan alone.
#[must_use]
pub fn moves(diff: &[ObjectDiff]) -> Vec<Finding> {
    diff.iter().filter_map(strategy).collect()
}

/// Seen with istio-ecosystem/sail-operator 328df99dc: the revision of the old strategy is deleted at once where nothing
/// uses it, and a tag `default` and a revision `default` shut each other out.
fn strategy(object: &ObjectDiff) -> Option<Finding> {
    let istio = object.id.group == "sailoperator.io" && object.id.kind == "Istio";
    let changed = object.changes.iter().find(|leaf| leaf.path == ".spec.updateStrategy.type");
    let changed = changed.filter(|_| istio && object.change == Change::Update)?;
    Some(warns(
        "sail.strategy-move",
        format!(
            "{} {changed}: the running control plane goes before the new one is there, or, while workloads use it, its revision and the tag default shut each other out and the rollout fails",
            object.id
        ),
        "go in two steps, in a maintenance window: let the config select the cluster no longer and run `meshfleet config unassign CLUSTER`, then select it again with the new strategy; sidecars run on meanwhile, and no pod gets one"
            .to_owned(),
    ))
}
