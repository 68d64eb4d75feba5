//! The rule of users: which user containers run as.

use crate::{
    completion::Incomplete,
    namespace::Given,
    scc::{IdRange, RunAsUser},
    violation::ContainerViolation,
};

/// A complete strategy for users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UserRule {
    /// Any.
    Any,
    /// Any but root, which may be left to the image.
    NonRoot,
    /// This one.
    Exactly(i64),
    /// One of these.
    Within(IdRange),
}

impl UserRule {
    pub(crate) fn complete(written: &RunAsUser, given: &Given<'_>) -> Result<Self, Incomplete> {
        match written.kind.as_str() {
            "RunAsAny" => Ok(Self::Any),
            "MustRunAsNonRoot" => Ok(Self::NonRoot),
            "MustRunAs" => written.uid.map(Self::Exactly).ok_or(Incomplete::NoUser),
            "MustRunAsRange" => match (written.uid_range_min, written.uid_range_max) {
                (Some(min), Some(max)) => Ok(Self::Within(IdRange { min, max })),
                (None, None) => given.users.clone().map(Self::Within).map_err(Incomplete::Users),
                (Some(_), None) => Err(Incomplete::HalfARange("uidRangeMax")),
                (None, Some(_)) => Err(Incomplete::HalfARange("uidRangeMin")),
            },
            kind => Err(Incomplete::Unknown { field: "runAsUser", kind: kind.to_owned() }),
        }
    }

    /// The user of a container for which nobody chose one.
    pub(crate) fn chosen(self) -> Option<i64> {
        match self {
            Self::Any | Self::NonRoot => None,
            Self::Exactly(user) => Some(user),
            Self::Within(range) => Some(range.min),
        }
    }

    /// Whether a container is marked as not root: where its user is known not to be, or where that is the rule and the
    /// image decides.
    pub(crate) fn marks_non_root(self, user: Option<i64>) -> bool {
        match user {
            Some(user) => user > 0,
            None => self == Self::NonRoot,
        }
    }

    /// What is wrong with the user of a container. Only the rule against root looks at `non_root`.
    pub(crate) fn check(self, non_root: Option<bool>, user: Option<i64>) -> Option<ContainerViolation> {
        match (self, user) {
            (Self::Any, _) => None,
            (Self::NonRoot, _) => check_non_root(non_root, user),
            (Self::Exactly(_) | Self::Within(_), None) => Some(ContainerViolation::NoUser),
            (Self::Exactly(only), Some(user)) => (user != only)
                .then_some(ContainerViolation::User { user, range: IdRange { min: only, max: only } }),
            (Self::Within(range), Some(user)) => {
                (!range.contains(user)).then_some(ContainerViolation::User { user, range })
            }
        }
    }
}

fn check_non_root(non_root: Option<bool>, user: Option<i64>) -> Option<ContainerViolation> {
    match (non_root, user) {
        (None, None) => Some(ContainerViolation::MayBeRoot),
        (Some(false), _) => Some(ContainerViolation::MayBeRoot),
        (_, Some(0)) => Some(ContainerViolation::Root),
        (None | Some(true), _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Namespace;

    const RANGE: UserRule = UserRule::Within(IdRange { min: 1000, max: 1009 });

    #[test]
    fn a_range_gives_its_first_user_and_takes_all_of_its_own() {
        assert_eq!(RANGE.chosen(), Some(1000));
        assert_eq!(RANGE.check(None, Some(1009)), None);
        assert!(RANGE.check(None, Some(1010)).is_some());
        assert!(RANGE.check(None, Some(999)).is_some());
        assert_eq!(RANGE.check(None, None), Some(ContainerViolation::NoUser));
    }

    #[test]
    fn a_range_does_not_look_at_the_mark_against_root() {
        assert_eq!(RANGE.check(Some(false), Some(1000)), None);
    }

    #[test]
    fn the_rule_against_root_refuses_a_mark_that_says_otherwise_whatever_the_user() {
        let rule = UserRule::NonRoot;
        assert_eq!(rule.check(Some(false), Some(1337)), Some(ContainerViolation::MayBeRoot));
        assert_eq!(rule.check(Some(true), Some(0)), Some(ContainerViolation::Root));
        assert_eq!(rule.check(None, Some(1337)), None);
        assert_eq!(rule.check(Some(true), None), None);
    }

    #[test]
    fn a_container_is_marked_where_its_user_is_not_root_or_the_image_decides_under_that_rule() {
        assert!(UserRule::Any.marks_non_root(Some(1)));
        assert!(!UserRule::Any.marks_non_root(Some(0)));
        assert!(!UserRule::Any.marks_non_root(None));
        assert!(UserRule::NonRoot.marks_non_root(None));
    }

    #[test]
    fn half_a_range_is_not_completed_from_the_namespace() {
        let half =
            RunAsUser { kind: "MustRunAsRange".into(), uid_range_min: Some(100), ..RunAsUser::default() };
        let namespace = Namespace::default();
        let given = namespace.gives();
        assert_eq!(UserRule::complete(&half, &given), Err(Incomplete::HalfARange("uidRangeMax")));
        let none = RunAsUser { kind: "MustRunAs".into(), ..RunAsUser::default() };
        assert_eq!(UserRule::complete(&none, &given), Err(Incomplete::NoUser));
    }
}
