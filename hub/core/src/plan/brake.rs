//! The brake: deletions that a person must confirm by their number.

use crate::fleet::Name;

/// A cluster may lose so many objects without a word: a namespace that leaves a mesh takes some with it.
const MOST_UNCONFIRMED: usize = 10;

/// Deletions that a person must confirm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brake {
    /// The clusters for whose sake it is engaged, with the number of their deletions.
    pub clusters: Vec<(Name, usize)>,
    /// Deletions over all clusters: the number to confirm.
    pub total: usize,
}

/// Engages when a cluster loses more than ten objects, or at least two and more than half of its inventory. For each
/// cluster: deletions, and objects in its inventory.
#[must_use]
pub fn brake(deletions_per_cluster: &[(Name, usize, usize)]) -> Option<Brake> {
    let engages = |(_, deletions, inventory): &&(Name, usize, usize)| {
        *deletions > MOST_UNCONFIRMED || (*deletions >= 2 && deletions * 2 > *inventory)
    };
    let clusters: Vec<(Name, usize)> =
        deletions_per_cluster.iter().filter(engages).map(|(name, count, _)| (name.clone(), *count)).collect();
    let total = deletions_per_cluster.iter().map(|(_, count, _)| count).sum();
    if clusters.is_empty() { None } else { Some(Brake { clusters, total }) }
}
