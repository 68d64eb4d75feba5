//! Two clusters' plans beside each other: which values differ, and for what reasons.

use std::collections::BTreeMap;

use super::{ExplainedLeaf, ExplainedObject, Form, ObjectId};

/// An object that is not the same in both plans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparedObject {
    /// Which.
    pub id: ObjectId,
    /// In what form the one plan has it; none if it does not.
    pub one: Option<Form>,
    /// In what form the other plan has it; none if it does not.
    pub other: Option<Form>,
    /// Values that differ, or that only one of them has, in the order of their paths. What makes it an object of its kind
    /// is not among them.
    pub leaves: Vec<ComparedLeaf>,
}

/// A value that differs. At least one side is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparedLeaf {
    /// In the one plan.
    pub one: Option<ExplainedLeaf>,
    /// In the other.
    pub other: Option<ExplainedLeaf>,
}

impl ComparedLeaf {
    /// Whether both are the same variable of the clusters: they differ because the clusters do.
    #[must_use]
    pub fn is_variable(&self) -> bool {
        let template = |leaf: &Option<ExplainedLeaf>| leaf.as_ref().and_then(|leaf| leaf.origin.template());
        template(&self.one).is_some() && template(&self.one) == template(&self.other)
    }
}

/// Compares two explained plans, in the order of the one's objects and then of what only the other has.
#[must_use]
pub fn compare(one: &[ExplainedObject], other: &[ExplainedObject]) -> Vec<ComparedObject> {
    let find = |id: &ObjectId| other.iter().find(|object| object.id.same_object(id));
    let of_one = one.iter().map(|object| (Some(object), find(&object.id)));
    let known = |id: &ObjectId| one.iter().any(|object| object.id.same_object(id));
    let of_other = other.iter().filter(|object| !known(&object.id)).map(|object| (None, Some(object)));
    of_one.chain(of_other).filter_map(|(one, other)| object(one, other)).collect()
}

fn object(one: Option<&ExplainedObject>, other: Option<&ExplainedObject>) -> Option<ComparedObject> {
    let id = one.or(other)?.id.clone();
    let form = |object: Option<&ExplainedObject>| object.map(|object| object.form);
    let leaves = leaves(one, other);
    if leaves.is_empty() && form(one) == form(other) {
        return None;
    }
    Some(ComparedObject { id, one: form(one), other: form(other), leaves })
}

fn leaves(one: Option<&ExplainedObject>, other: Option<&ExplainedObject>) -> Vec<ComparedLeaf> {
    type Sides<'a> = (Option<&'a ExplainedLeaf>, Option<&'a ExplainedLeaf>);
    let mut by_path: BTreeMap<&str, Sides<'_>> = BTreeMap::new();
    for leaf in one.into_iter().flat_map(|object| &object.leaves) {
        by_path.entry(&leaf.path).or_default().0 = Some(leaf);
    }
    for leaf in other.into_iter().flat_map(|object| &object.leaves) {
        by_path.entry(&leaf.path).or_default().1 = Some(leaf);
    }
    let value = |leaf: Option<&ExplainedLeaf>| leaf.map(|leaf| leaf.value.clone());
    let structural = |leaf: Option<&ExplainedLeaf>| {
        leaf.is_none_or(|leaf| matches!(leaf.origin, super::Origin::Structural))
    };
    by_path
        .into_values()
        .filter(|(one, other)| value(*one) != value(*other))
        .filter(|(one, other)| !(structural(*one) && structural(*other)))
        .map(|(one, other)| ComparedLeaf { one: one.cloned(), other: other.cloned() })
        .collect()
}
