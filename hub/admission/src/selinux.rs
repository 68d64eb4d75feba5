//! The rule of SELinux: which label processes carry.

use crate::{
    completion::Incomplete, context::SeLinuxOptions, namespace::Given, scc::SeLinuxContext,
    violation::SeLinuxViolation,
};

/// A complete strategy for labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SeLinuxRule<'a> {
    /// Any, and none.
    Any,
    /// This one: all parts that the SCC names, and none that it does not.
    Exactly {
        /// From the SCC; the level in it may be empty.
        options: Option<&'a SeLinuxOptions>,
        /// From the SCC, or else from the namespace.
        level: &'a str,
    },
}

impl<'a> SeLinuxRule<'a> {
    pub(crate) fn complete(written: &'a SeLinuxContext, given: &Given<'a>) -> Result<Self, Incomplete> {
        match written.kind.as_str() {
            "RunAsAny" => Ok(Self::Any),
            "MustRunAs" => {
                let options = written.se_linux_options.as_ref();
                let level = match options.map(|options| options.level.as_str()) {
                    None | Some("") => given.level.clone().map_err(Incomplete::Level)?,
                    Some(level) => level,
                };
                Ok(Self::Exactly { options, level })
            }
            kind => Err(Incomplete::Unknown { field: "seLinuxContext", kind: kind.to_owned() }),
        }
    }

    /// The label where nobody chose one.
    pub(crate) fn chosen(&self) -> Option<SeLinuxOptions> {
        match self {
            Self::Any => None,
            Self::Exactly { options, level } => {
                Some(SeLinuxOptions { level: (*level).to_owned(), ..options.cloned().unwrap_or_default() })
            }
        }
    }

    /// What is wrong with a label. Categories may stand in any order, everything else is compared letter by letter.
    pub(crate) fn check(&self, label: Option<&SeLinuxOptions>) -> Vec<SeLinuxViolation> {
        let Self::Exactly { options, level } = self else { return Vec::new() };
        let Some(label) = label else { return vec![SeLinuxViolation::Missing] };
        let must = |part: fn(&SeLinuxOptions) -> &str| options.map(part).unwrap_or_default();
        let (user, role, kind) = (must(|one| &one.user), must(|one| &one.role), must(|one| &one.kind));
        let parts = [
            ("level", *level, same_level(level, &label.level)),
            ("role", role, role == label.role),
            ("type", kind, kind == label.kind),
            ("user", user, user == label.user),
        ];
        let wrong = parts.into_iter().filter(|(_, _, same)| !same);
        wrong.map(|(part, must, _)| SeLinuxViolation::Part { part, must: must.to_owned() }).collect()
    }
}

/// Whether two levels mean the same: `s0:c26,c5` and `s0:c5,c26` do.
fn same_level(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    let (Some((sensitivity, categories)), Some((others, other_categories))) =
        (one.split_once(':'), other.split_once(':'))
    else {
        return false;
    };
    let sorted = |categories: &str| {
        let mut categories: Vec<String> = categories.split(',').map(str::to_owned).collect();
        categories.sort_unstable();
        categories
    };
    sensitivity == others && sorted(categories) == sorted(other_categories)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_may_be_reordered_and_nothing_else() {
        assert!(same_level("s0:c26,c5", "s0:c5,c26"));
        assert!(!same_level("s0:c26,c5", "s0:c26"));
        assert!(!same_level("s0:c26,c5", "s1:c26,c5"));
        assert!(!same_level("s0", "s0:c1"));
        assert!(!same_level("s0:c26,c5", ""));
        assert!(!same_level("s0:c1,c1", "s0:c1"));
    }

    #[test]
    fn a_part_that_the_rule_does_not_name_must_be_empty() {
        let rule = SeLinuxRule::Exactly { options: None, level: "s0:c1,c2" };
        let typed =
            SeLinuxOptions { kind: "spc_t".into(), level: "s0:c1,c2".into(), ..SeLinuxOptions::default() };
        assert_eq!(rule.check(Some(&typed)), [SeLinuxViolation::Part { part: "type", must: String::new() }]);
        let level = SeLinuxViolation::Part { part: "level", must: "s0:c1,c2".into() };
        assert_eq!(rule.check(Some(&SeLinuxOptions::default())), [level]);
        assert_eq!(rule.check(None), [SeLinuxViolation::Missing]);
        assert_eq!(SeLinuxRule::Any.check(Some(&typed)), []);
    }
}
