//! Namespaces: which are not judged at all, and what one gives to the SCCs that leave values open.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    nullable::nullable,
    range::{self, Malformed},
    scc::IdRange,
};

/// Must be there, whatever the SCC.
pub const UID_RANGE: &str = "openshift.io/sa.scc.uid-range";
/// Must be there, whatever the SCC.
pub const MCS: &str = "openshift.io/sa.scc.mcs";
/// Where it is missing, the range of users stands in.
pub const SUPPLEMENTAL_GROUPS: &str = "openshift.io/sa.scc.supplemental-groups";

const RUN_LEVEL: &str = "openshift.io/run-level";
const DISABLED: &str = "security.openshift.io/disable-securitycontextconstraints";

/// Namespaces that come up before the admission does. Others of OpenShift's own are judged like any.
const EXEMPT: [&str; 6] =
    ["default", "kube-system", "kube-public", "openshift", "openshift-infra", "openshift-node"];

/// What is known of a pod's namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Namespace {
    /// Six of them are exempt by name.
    pub name: String,
    /// Ranges of users and groups, and the SELinux level.
    #[serde(deserialize_with = "nullable")]
    pub annotations: BTreeMap<String, String>,
    /// Some exempt it, some say how much inline volumes may do.
    #[serde(deserialize_with = "nullable")]
    pub labels: BTreeMap<String, String>,
}

/// Why pods are not judged: nothing is filled in, nothing refused, not even a wrong wish for an SCC noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exemption {
    /// By its name.
    #[error("the namespace is exempt by its name")]
    Name,
    /// By `openshift.io/run-level` 0 or 1.
    #[error("the namespace is exempt by its label {RUN_LEVEL}")]
    RunLevel,
    /// By the label that switches the admission off.
    #[error("the namespace is exempt by its label {DISABLED}")]
    Disabled,
    /// The pod is for Windows.
    #[error("pods for Windows are not judged")]
    Windows,
}

/// Why a namespace does not give what an SCC leaves open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lack {
    /// The annotation is there, and empty.
    #[error("annotation {0} is empty")]
    Empty(&'static str),
    /// The annotation is no list of blocks.
    #[error("annotation {annotation} is malformed: {why}")]
    Malformed {
        /// Which.
        annotation: &'static str,
        /// What is wrong.
        why: Malformed,
    },
}

impl Namespace {
    /// Why its pods are not judged, if they are not.
    pub fn exemption(&self) -> Option<Exemption> {
        let label = |key: &str| self.labels.get(key).map(String::as_str);
        if EXEMPT.contains(&self.name.as_str()) {
            return Some(Exemption::Name);
        }
        match (label(RUN_LEVEL), label(DISABLED)) {
            (Some("0" | "1"), _) => Some(Exemption::RunLevel),
            (_, Some("true")) => Some(Exemption::Disabled),
            _ => None,
        }
    }

    /// The first annotation that every namespace must have and this one has not, empty or not. The server waits ten
    /// seconds for it and then refuses.
    pub fn lacks(&self) -> Option<&'static str> {
        [UID_RANGE, MCS].into_iter().find(|annotation| !self.annotations.contains_key(*annotation))
    }

    /// All that it gives, read once for all SCCs.
    pub(crate) fn gives(&self) -> Given<'_> {
        let groups = self.groups();
        let volume_group = groups.as_ref().map(|blocks| volume_group(blocks)).map_err(Clone::clone);
        Given { users: self.users(), level: self.annotation(MCS), groups, volume_group }
    }

    /// The users of its pods: the first block.
    fn users(&self) -> Result<IdRange, Lack> {
        let text = self.annotation(UID_RANGE)?;
        range::block(text).map_err(|why| Lack::Malformed { annotation: UID_RANGE, why })
    }

    /// The further groups of its pods: all blocks.
    fn groups(&self) -> Result<Vec<IdRange>, Lack> {
        let given = self.annotations.contains_key(SUPPLEMENTAL_GROUPS);
        let annotation = if given { SUPPLEMENTAL_GROUPS } else { UID_RANGE };
        range::blocks(self.annotation(annotation)?).map_err(|why| Lack::Malformed { annotation, why })
    }

    fn annotation(&self, key: &'static str) -> Result<&str, Lack> {
        let text = self.annotations.get(key).filter(|text| !text.is_empty());
        text.map(String::as_str).ok_or(Lack::Empty(key))
    }
}

/// What a namespace gives to the SCCs that leave values open, or why it does not: that matters only to those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given<'a> {
    pub(crate) users: Result<IdRange, Lack>,
    pub(crate) level: Result<&'a str, Lack>,
    pub(crate) groups: Result<Vec<IdRange>, Lack>,
    pub(crate) volume_group: Result<Vec<IdRange>, Lack>,
}

/// The group of volumes: the first of the first block, and no other.
fn volume_group(blocks: &[IdRange]) -> Vec<IdRange> {
    blocks.iter().take(1).map(|block| IdRange { min: block.min, max: block.min }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(name: &str, label: Option<(&str, &str)>) -> Namespace {
        let labels = label.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Namespace { name: name.to_owned(), labels, ..Namespace::default() }
    }

    #[test]
    fn six_names_are_exempt_and_no_others() {
        for name in EXEMPT {
            assert_eq!(namespace(name, None).exemption(), Some(Exemption::Name), "{name}");
        }
        for name in ["openshift-monitoring", "kube-node-lease", "openshift-ingress", "team-a"] {
            assert_eq!(namespace(name, None).exemption(), None, "{name}");
        }
    }

    #[test]
    fn run_levels_0_and_1_and_the_switch_are_exempt() {
        let exemption = |key, value| namespace("team-a", Some((key, value))).exemption();
        assert_eq!(exemption(RUN_LEVEL, "0"), Some(Exemption::RunLevel));
        assert_eq!(exemption(RUN_LEVEL, "1"), Some(Exemption::RunLevel));
        assert_eq!(exemption(RUN_LEVEL, "2"), None);
        assert_eq!(exemption(DISABLED, "true"), Some(Exemption::Disabled));
        assert_eq!(exemption(DISABLED, "false"), None);
    }

    #[test]
    fn the_group_of_volumes_is_one_id_and_further_groups_are_whole_blocks() {
        let annotations = [(SUPPLEMENTAL_GROUPS.to_owned(), "2000/100,5000/10".to_owned())].into();
        let namespace = Namespace { annotations, ..Namespace::default() };
        assert_eq!(namespace.gives().volume_group, Ok(vec![IdRange { min: 2000, max: 2000 }]));
        let blocks = vec![IdRange { min: 2000, max: 2099 }, IdRange { min: 5000, max: 5009 }];
        assert_eq!(namespace.groups(), Ok(blocks));
    }

    #[test]
    fn the_range_of_users_stands_in_for_missing_groups_but_not_for_empty_ones() {
        let mut annotations: BTreeMap<String, String> = [(UID_RANGE.to_owned(), "1000/10".to_owned())].into();
        let with = |annotations: &BTreeMap<String, String>| {
            Namespace { annotations: annotations.clone(), ..Namespace::default() }.groups()
        };
        assert_eq!(with(&annotations), Ok(vec![IdRange { min: 1000, max: 1009 }]));
        annotations.insert(SUPPLEMENTAL_GROUPS.to_owned(), String::new());
        assert_eq!(with(&annotations), Err(Lack::Empty(SUPPLEMENTAL_GROUPS)));
    }
}
