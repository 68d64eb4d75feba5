//! The rule of groups: of volumes (`fsGroup`) and of processes (`supplementalGroups`).

use crate::{
    completion::Incomplete,
    namespace::Lack,
    scc::{Groups, IdRange},
    violation::GroupViolation,
};

/// A complete strategy for groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GroupRule<'a> {
    /// Any, and none.
    Any,
    /// At least one, each in one of these; never empty.
    Within(&'a [IdRange]),
}

impl<'a> GroupRule<'a> {
    /// `given` is what the namespace gives where the SCC names no range.
    pub(crate) fn complete(
        field: &'static str,
        written: &'a Groups,
        given: &'a Result<Vec<IdRange>, Lack>,
    ) -> Result<Self, Incomplete> {
        match (written.kind.as_str(), written.ranges.as_slice()) {
            ("RunAsAny", _) => Ok(Self::Any),
            ("MustRunAs", []) => match given {
                Ok(given) => Ok(Self::Within(given)),
                Err(lack) => Err(Incomplete::Groups(lack.clone())),
            },
            ("MustRunAs", ranges) => Ok(Self::Within(ranges)),
            (kind, _) => Err(Incomplete::Unknown { field, kind: kind.to_owned() }),
        }
    }

    /// The group where nobody chose one: the first of the first range.
    pub(crate) fn chosen(&self) -> Option<i64> {
        match self {
            Self::Any => None,
            Self::Within(ranges) => ranges.first().map(|range| range.min),
        }
    }

    /// What is wrong with `groups`.
    pub(crate) fn check(&self, groups: &[i64]) -> impl Iterator<Item = GroupViolation> {
        let ranges = match self {
            Self::Any => None,
            Self::Within(ranges) => Some(*ranges),
        };
        let none = (ranges.is_some() && groups.is_empty()).then_some(GroupViolation::None);
        let outside = groups.iter().copied().filter(move |group| {
            ranges.is_some_and(|ranges| !ranges.iter().any(|range| range.contains(*group)))
        });
        none.into_iter().chain(outside.map(GroupViolation::Outside))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_may_lie_in_any_range_and_there_must_be_one() {
        let rule = GroupRule::Within(&[IdRange { min: 10, max: 19 }, IdRange { min: 30, max: 30 }]);
        let check = |groups: &[i64]| rule.check(groups).collect::<Vec<_>>();
        assert_eq!(rule.chosen(), Some(10));
        assert_eq!(check(&[19, 30]), []);
        assert_eq!(check(&[19, 20, 31]), [GroupViolation::Outside(20), GroupViolation::Outside(31)]);
        assert_eq!(check(&[]), [GroupViolation::None]);
        assert_eq!(GroupRule::Any.check(&[]).count() + GroupRule::Any.check(&[0]).count(), 0);
    }
}
