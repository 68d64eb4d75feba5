//! The brake: a plan that takes much away is not rolled out before a person has said how much.

use crate::fleet::Name;

/// More deletions than this in one cluster engage it.
const MANY: usize = 10;

/// Deletions of a rollout that must be confirmed by their number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brake {
    /// The clusters that lose too much, with their deletions and what their inventories hold.
    pub clusters: Vec<(Name, usize, usize)>,
    /// All deletions of the rollout, in all clusters: the number to confirm.
    pub total: usize,
}

/// Whether deletions must be confirmed, told from each cluster's deletions and the size of its inventory. So they must
/// where a cluster loses more than ten objects, or more than half of its own if these are at least two.
#[must_use]
pub fn brake(deletions_per_cluster: &[(Name, usize, usize)]) -> Option<Brake> {
    let much = |deletions: usize, inventory: usize| {
        deletions > MANY || (deletions >= 2 && deletions * 2 > inventory)
    };
    let clusters: Vec<(Name, usize, usize)> = deletions_per_cluster
        .iter()
        .filter(|(_, deletions, inventory)| much(*deletions, *inventory))
        .cloned()
        .collect();
    let total = deletions_per_cluster.iter().map(|(_, deletions, _)| deletions).sum();
    (!clusters.is_empty()).then_some(Brake { clusters, total })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_engages_where_one_cluster_loses_much() {
        for (deletions, inventory, expected) in [
            (0, 0, false),
            (1, 1, false),
            (2, 4, false),
            (2, 3, true),
            (3, 5, true),
            (10, 20, false),
            (11, 400, true),
        ] {
            let name = Name::parse("one").unwrap();
            let other = (Name::parse("other").unwrap(), 1, 50);
            let brake = brake(&[(name.clone(), deletions, inventory), other]);
            assert_eq!(brake.is_some(), expected, "{deletions} of {inventory}");
            if let Some(brake) = brake {
                assert_eq!(brake.total, deletions + 1);
                assert_eq!(brake.clusters, [(name, deletions, inventory)]);
            }
        }
    }
}
