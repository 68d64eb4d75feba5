//! Who may use which SCC: the pod's service account first, then whoever creates the pod.
//!
//! A subject may use an SCC that names it, or one of its groups, or whose use RBAC grants it in the pod's namespace. The
//! service account is asked with its two groups only, not as somebody authenticated, so that what everybody may use comes
//! through the creator.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::scc::SecurityContextConstraints;

/// Everybody who is not anonymous is in it.
const AUTHENTICATED: &str = "system:authenticated";
const ANONYMOUS: &str = "system:anonymous";

/// What OpenShift lets everybody use who is not anonymous, by its own binding.
pub const EVERYBODY: [&str; 2] = ["restricted-v2", "restricted-v3"];

/// Groups whose members may do everything: the first whatever RBAC says, the second by OpenShift's own binding.
const ADMINS: [&str; 2] = ["system:masters", "system:cluster-admins"];

const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// Names of the SCCs that each may use, all sources together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MayUse {
    /// The service account of the pod.
    pub service_account: BTreeSet<String>,
    /// Whoever creates the pod; for pods of workloads, a controller.
    pub user: BTreeSet<String>,
}

/// Through whom a pod is admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Through {
    /// Its service account.
    ServiceAccount,
    /// Whoever created it.
    User,
}

impl Through {
    /// As the pod's annotation says it.
    pub fn word(self) -> &'static str {
        match self {
            Self::ServiceAccount => "serviceaccount",
            Self::User => "user",
        }
    }
}

impl MayUse {
    /// Through whom an SCC may be used, if it may.
    pub fn through(&self, scc: &str) -> Option<Through> {
        if self.service_account.contains(scc) {
            return Some(Through::ServiceAccount);
        }
        self.user.contains(scc).then_some(Through::User)
    }

    /// Adds what the SCCs say themselves to what RBAC grants.
    pub fn add_named<'a>(
        &mut self,
        sccs: impl IntoIterator<Item = &'a SecurityContextConstraints>,
        account: &Subject,
        user: &Subject,
    ) {
        for scc in sccs {
            if account.is_named_by(scc) {
                self.service_account.insert(scc.name.to_string());
            }
            if user.is_named_by(scc) {
                self.user.insert(scc.name.to_string());
            }
        }
    }
}

/// Somebody, as SCCs and RBAC see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The name of a user; service accounts have one too.
    pub name: String,
    /// All groups.
    pub groups: BTreeSet<String>,
}

impl Subject {
    /// A service account, as it is asked about a pod of its own.
    pub fn service_account(namespace: &str, name: &str) -> Self {
        Self { name: format!("{SERVICE_ACCOUNT}{namespace}:{name}"), groups: groups_of_accounts(namespace) }
    }

    /// Whoever calls the server by this name, with the groups that the server adds by itself.
    pub fn user(name: &str, groups: impl IntoIterator<Item = String>) -> Self {
        let mut groups: BTreeSet<String> = groups.into_iter().collect();
        if name != ANONYMOUS {
            groups.insert(AUTHENTICATED.to_owned());
        }
        if let Some((namespace, _)) = name.strip_prefix(SERVICE_ACCOUNT).and_then(|rest| rest.split_once(':'))
        {
            groups.extend(groups_of_accounts(namespace));
        }
        Self { name: name.to_owned(), groups }
    }

    /// Whether it is somebody and not anonymous.
    pub fn is_authenticated(&self) -> bool {
        self.groups.contains(AUTHENTICATED)
    }

    /// Whether it may do everything, and so use every SCC.
    pub fn is_admin(&self) -> bool {
        ADMINS.into_iter().any(|group| self.groups.contains(group))
    }

    /// Whether an SCC names it or one of its groups.
    pub fn is_named_by(&self, scc: &SecurityContextConstraints) -> bool {
        scc.users.contains(&self.name) || scc.groups.iter().any(|group| self.groups.contains(group))
    }
}

fn groups_of_accounts(namespace: &str) -> BTreeSet<String> {
    ["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")].into()
}

/// A rule of a Role or ClusterRole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    /// `*` is all.
    pub api_groups: Vec<String>,
    /// `*` is all.
    pub resources: Vec<String>,
    /// `*` is all.
    pub verbs: Vec<String>,
    /// Empty is all.
    pub resource_names: Vec<String>,
}

impl Rule {
    /// Whether it grants the use of an SCC, where its binding reaches. To see SCCs is not to use them.
    pub fn grants(&self, scc: &str) -> bool {
        let has = |words: &[String], word: &str| words.iter().any(|one| one == word || one == "*");
        has(&self.api_groups, "security.openshift.io")
            && has(&self.resources, "securitycontextconstraints")
            && has(&self.verbs, "use")
            && (self.resource_names.is_empty() || self.resource_names.iter().any(|name| name == scc))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_service_account_is_asked_before_the_creator() {
        let may_use = MayUse { service_account: names(&["anyuid"]), user: names(&["anyuid", "privileged"]) };
        assert_eq!(may_use.through("anyuid"), Some(Through::ServiceAccount));
        assert_eq!(may_use.through("privileged"), Some(Through::User));
        assert_eq!(may_use.through("nonroot"), None);
    }

    #[test]
    fn a_service_account_is_not_authenticated_when_it_is_asked_for_its_own_pod() {
        let groups = ["system:serviceaccounts", "system:serviceaccounts:team-a"];
        assert_eq!(Subject::service_account("team-a", "app").groups, names(&groups));
    }

    #[test]
    fn the_server_adds_groups_to_whoever_calls() {
        assert_eq!(Subject::user("alice", []).groups, names(&["system:authenticated"]));
        assert_eq!(Subject::user("system:anonymous", []).groups, names(&[]));
        let groups = ["system:authenticated", "system:serviceaccounts", "system:serviceaccounts:kube-system"];
        assert_eq!(
            Subject::user("system:serviceaccount:kube-system:replicaset-controller", []).groups,
            names(&groups)
        );
    }

    #[test]
    fn only_the_verb_use_on_the_right_group_and_name_grants() {
        let rule = |group: &str, verb: &str, name: &[&str]| Rule {
            api_groups: vec![group.to_owned()],
            resources: vec!["securitycontextconstraints".to_owned()],
            verbs: vec![verb.to_owned()],
            resource_names: name.iter().map(|name| (*name).to_owned()).collect(),
        };
        assert!(rule("security.openshift.io", "use", &["anyuid"]).grants("anyuid"));
        assert!(rule("*", "*", &[]).grants("anyuid"));
        assert!(!rule("security.openshift.io", "get", &[]).grants("anyuid"));
        assert!(!rule("", "use", &[]).grants("anyuid"));
        assert!(!rule("security.openshift.io", "use", &["nonroot"]).grants("anyuid"));
    }
}
